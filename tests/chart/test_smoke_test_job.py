# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smoke test's Job, and its script against a server that behaves well and badly."""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from charts import PROD, Chart, merged

THROUGH = {"config": {"corsOrigin": "https://x.org"}, "smokeTest": {"throughIngress": True}, "ingress": {"host": "x.org"}}


def job(chart: Chart, values: dict[str, Any]) -> dict[str, Any]:
    return chart.render(merged({"smokeTest": {"enabled": True}}, values)).one("Job", "smoke-test")


def environment(job: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in job["spec"]["template"]["spec"]["containers"][0]["env"]}


def test_off_by_default(chart: Chart) -> None:
    assert not chart.render().kind("Job")


HELM = {"helm.sh/hook": "post-install,post-upgrade", "helm.sh/hook-delete-policy": "before-hook-creation"}
ARGO_CD = {"argocd.argoproj.io/hook": "PostSync", "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation"}


@pytest.mark.parametrize(("values", "expected"), [({}, HELM), ({"hook": "helm"}, HELM), ({"hook": "argocd"}, ARGO_CD)])
def test_it_is_a_hook_of_one_of_the_two(chart: Chart, values: dict[str, str], expected: dict[str, str]) -> None:
    assert job(chart, {"smokeTest": values})["metadata"]["annotations"] == expected


def test_in_prod_it_is_argo_cds_and_asks_through_the_ingress(chart: Chart) -> None:
    found = chart.render(file=PROD).one("Job", "smoke-test")
    assert found["metadata"]["annotations"] == ARGO_CD
    assert "https://luckyplans.xyz/" in [check["url"] for check in json.loads(environment(found)["CHECKS"])]


def test_it_ends_and_stays_to_be_read(chart: Chart) -> None:
    found = job(chart, {"smokeTest": {"deadlineSeconds": 120}})
    assert (found["spec"]["backoffLimit"], found["spec"]["activeDeadlineSeconds"]) == (0, 150)
    assert environment(found)["DEADLINE_SECONDS"] == "120"
    # A hook that vanishes by itself leaves Argo CD waiting.
    assert "ttlSecondsAfterFinished" not in found["spec"]


def test_what_it_asks(chart: Chart) -> None:
    inside = [
        {"name": "web", "url": "http://web:3000/healthz"},
        {"name": "api-gateway", "url": "http://api-gateway:3001/graphql", "query": "{ health }"},
        {
            "name": "service-core through redis",
            "url": "http://api-gateway:3001/graphql",
            "query": "{ plans { id } }",
        },
    ]
    assert json.loads(environment(job(chart, {}))["CHECKS"]) == inside
    through = job(chart, merged(THROUGH, {"ingress": {"tls": {"enabled": True}}}))
    assert json.loads(environment(through)["CHECKS"]) == [
        *inside,
        {"name": "web through the ingress", "url": "https://x.org/"},
        {"name": "api-gateway through the ingress", "url": "https://x.org/graphql", "query": "{ health }"},
    ]


@pytest.mark.parametrize(
    ("certificate", "verified"),
    [("letsencrypt", True), ("provided", True), ("letsencrypt_staging", False), ("acme", False), ("self_signed", False)],
)
def test_it_verifies_certificates_that_can_be_verified(chart: Chart, certificate: str, verified: bool) -> None:
    found = job(chart, merged(THROUGH, {"ingress": {"tls": {"enabled": True, "certificate": certificate, "acme": {"server": "https://a.org"}}}}))
    assert ("NODE_TLS_REJECT_UNAUTHORIZED" not in environment(found)) is verified


class Handler(http.server.BaseHTTPRequestHandler):
    attempts: ClassVar[dict[str, int]] = {}

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer()

    def answer(self) -> None:
        self.attempts[self.path] = self.attempts.get(self.path, 0) + 1
        if self.path == "/hang":
            time.sleep(15)
        status, body = {
            "/ok": (200, '{"data": {"health": "fine"}}'),
            "/html": (200, "<html>"),
            "/error": (200, '{"data": null, "errors": [{"message": "no redis"}]}'),
            "/broken": (502, "Bad Gateway"),
            "/late": (200, "") if self.attempts[self.path] > 1 else (503, ""),
            "/moved": (302, ""),
        }.get(self.path, (404, "nothing here"))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/ok")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def run_script(chart: Chart, *checks: dict[str, str], deadline: int) -> tuple[int, list[str]]:
    node = shutil.which("node")
    if not node:
        pytest.skip("no node on PATH to run the smoke test's script with")
    (container,) = job(chart, {})["spec"]["template"]["spec"]["containers"]
    done = subprocess.run(
        [node, *container["command"][1:], *container["args"]],
        env={"CHECKS": json.dumps(checks), "DEADLINE_SECONDS": str(deadline)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert not done.stderr
    return done.returncode, sorted(done.stdout.splitlines())


def test_the_script_is_content_with_answers(chart: Chart, origin: str) -> None:
    code, lines = run_script(
        chart,
        {"name": "page", "url": f"{origin}/ok"},
        {"name": "query", "url": f"{origin}/ok", "query": "{ health }"},
        {"name": "redirect", "url": f"{origin}/moved"},
        {"name": "second attempt", "url": f"{origin}/late"},
        deadline=20,
    )
    assert lines == ["ok      page", "ok      query", "ok      redirect", "ok      second attempt"]
    assert code == 0


def test_the_script_names_what_failed(chart: Chart, origin: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    bad = [
        ({"name": "broken", "url": f"{origin}/broken"}, "HTTP 502: Bad Gateway"),
        ({"name": "closed", "url": closed}, "ECONNREFUSED"),
        ({"name": "error", "url": f"{origin}/error", "query": "{ health }"}, "no redis"),
        ({"name": "hang", "url": f"{origin}/hang"}, "timeout"),
        ({"name": "html", "url": f"{origin}/html", "query": "{ health }"}, "is not valid JSON"),
        ({"name": "missing", "url": f"{origin}/missing"}, "HTTP 404: nothing here"),
    ]
    page = {"name": "page", "url": f"{origin}/ok"}
    code, lines = run_script(chart, *(check for check, _says in bad), page, deadline=3)
    assert code == 1
    assert lines[-1] == "ok      page"
    for line, (check, says) in zip(lines[:-1], bad, strict=True):
        assert line.startswith(f"failed  {check['name']}, {check['url']}: ")
        assert says in line
