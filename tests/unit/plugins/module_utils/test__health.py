# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _settled
from ansible_collections.luckyplans.platform.plugins.module_utils._health import Asked, Certificate, _trusting, ask, certificate, is_healthy
from ansible_collections.luckyplans.platform.plugins.modules import application_health, platform_status
from certificates import Issued, issue

NAME = "plans.example.test"
HEALTHY = {"data": {"health": "running"}}


class Server(http.server.ThreadingHTTPServer):
    """Answers under a name that leads nowhere, over TLS where it has a certificate."""

    status, answer = 200, json.dumps(HEALTHY)

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.questions: list[tuple[str, str, Any]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def secure(self, issued: Issued, folder: Path) -> None:
        path = folder / "served.pem"
        path.write_text(issued.pem + issued.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_arguments: Any) -> None:
        """A client that does not trust it goes away."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.questions.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.server.hosts.append(self.headers["Host"])
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.answer.encode(errors="surrogateescape"))

    def log_message(self, *_arguments: Any) -> None:
        """Not into the output of the tests."""


@contextmanager
def serving(folder: Path, issued: Issued | None = None) -> Iterator[tuple[Server, Asked]]:
    server = Server()
    if issued:
        server.secure(issued, folder)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    url = f"http{'s' if issued else ''}://{NAME}:{server.server_port}/graphql"
    yield server, Asked(url, "{ health }", "127.0.0.1")
    server.shutdown()
    server.server_close()


@pytest.fixture
def authority(tmp_path: Path) -> Issued:
    made = issue("authority", authority=True)
    (tmp_path / "ca.pem").write_text(made.pem)
    return made


def trusting(asked: Asked, folder: Path, name: str = "ca.pem") -> Asked:
    return replace(asked, ca_file=str(folder / name))


def test_clear_text_is_asked_under_the_name_at_the_address(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, asked):
        assert ask(asked) == HEALTHY
        assert server.hosts == [f"{NAME}:{server.server_port}"]
        assert certificate(asked) is None
        ask(replace(asked, url=asked.url.removesuffix("/graphql")))
        question = ("application/json", {"query": "{ health }"})
        assert server.questions == [("/graphql", *question), ("/", *question)]


@pytest.mark.parametrize(
    ("url", "more", "place", "timeout"),
    [
        ("http://a.test/graphql", {}, ("a.test", 80), 5),
        ("https://a.test/graphql", {}, ("a.test", 443), 5),
        ("https://a.test:8443", {"address": "", "timeout": 2}, ("a.test", 8443), 2),
        ("https://a.test", {"address": "172.18.0.2"}, ("172.18.0.2", 443), 5),
    ],
)
def test_where_it_asks_and_how_long(monkeypatch: pytest.MonkeyPatch, url: str, more: dict[str, Any], place: tuple[str, int], timeout: float) -> None:
    def refuse(*arguments: Any) -> None:
        raise ConnectionRefusedError(*arguments)

    monkeypatch.setattr("socket.create_connection", refuse)
    with pytest.raises(ConnectionRefusedError) as refused:
        ask(Asked(url, "", **more))
    assert refused.value.args == (place, timeout)


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        ({"data": {"health": "running"}}, True), ({"data": {"health": "running"}, "errors": []}, True),
        ({"data": {"health": "running"}, "errors": ["x"]}, False),
        ({"data": None, "errors": ["x"]}, False), ({"data": None}, False), ({}, False), ([], False), ("running", False), (None, False),
    ],
)  # fmt: skip
def test_healthy_is_an_answer_without_errors(answer: Any, healthy: bool) -> None:
    assert is_healthy(answer) is healthy


def test_how_long_a_certificate_can_be_used() -> None:
    assert Certificate("", time.time() + 1000 * 24 * 60 * 60).days() == pytest.approx(1000, abs=0.001)


def test_who_names_an_authority_changes_nothing_else(tmp_path: Path, authority: Issued) -> None:
    usual, named = ssl.create_default_context(), _trusting(str(tmp_path / "ca.pem"))
    assert _trusting("").verify_flags == usual.verify_flags
    assert named.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert not named.verify_flags & ssl.VERIFY_X509_STRICT
    given = ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    assert (named.verify_flags | given, named.verify_mode, named.check_hostname) == (usual.verify_flags | given, ssl.CERT_REQUIRED, True)


def test_https_is_proved_by_the_authority(tmp_path: Path, authority: Issued) -> None:
    issued = issue("server", [NAME], by=authority, ends=40)
    with serving(tmp_path, issued) as (_server, asked):
        assert ask(trusting(asked, tmp_path)) == HEALTHY
        served = certificate(trusting(asked, tmp_path))
    assert served is not None
    assert served.sha256 == hashlib.sha256(ssl.PEM_cert_to_DER_cert(issued.pem)).hexdigest()
    assert 40 <= served.days() < 40.1


def test_one_that_was_provided_is_known_by_itself(tmp_path: Path, authority: Issued) -> None:
    issued = issue("server", [NAME], by=authority)
    (tmp_path / "provided.pem").write_text(issued.pem)
    with serving(tmp_path, issued) as (_server, asked):
        assert ask(trusting(asked, tmp_path, "provided.pem")) == HEALTHY


@pytest.mark.parametrize("names, times", [(["other.test"], {}), ([NAME], {"ends": -1, "begins": -9})], ids=["another name", "over"])
def test_what_is_not_proved_is_no_answer(tmp_path: Path, authority: Issued, names: list[str], times: dict[str, int]) -> None:
    with serving(tmp_path, issue("server", names, by=authority, **times)) as (server, asked):
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(trusting(asked, tmp_path))
        assert server.hosts == []


def test_an_authority_that_nobody_named_is_not_trusted(tmp_path: Path, authority: Issued) -> None:
    with serving(tmp_path, issue("server", [NAME], by=authority)) as (_server, asked), pytest.raises(ssl.SSLCertVerificationError):
        ask(asked)


def test_a_status_that_is_no_success_is_no_answer(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, asked):
        server.status, server.answer = 502, "\udcff" + "x" * 300
        with pytest.raises(OSError) as error:
            ask(asked)
    # no UTF-8, and too long to be shown
    assert str(error.value) == f"HTTP 502 Bad Gateway: \ufffd{'x' * 199}"


# --- Who asks ---


@pytest.mark.slow
def test_the_module_waits_until_it_is_healthy(tmp_path: Path, run_module: Any) -> None:
    with serving(tmp_path) as (server, asked):
        parameters = {"url": asked.url, "address": asked.address}
        result = run_module(application_health, **parameters)
        assert (result["changed"], result["healthy"], result["detail"]) == (False, True, json.dumps(HEALTHY))
        server.answer = '{"errors": []}'
        threading.Timer(1.5, setattr, (server, "answer", json.dumps(HEALTHY))).start()
        assert run_module(application_health, **parameters, patience=20)["healthy"]
        server.answer = "Bad Gateway"
        began = time.monotonic()
        result = run_module(application_health, **parameters, patience=1)
    assert not result["healthy"]
    assert 1 <= time.monotonic() - began < 5
    assert "Expecting value" in result["detail"]


@pytest.mark.slow
def test_the_look_at_the_whole_platform_sees_another_and_one_that_is_due(tmp_path: Path, authority: Issued) -> None:
    def look(days: int, issued: Issued | None) -> Any:
        with serving(tmp_path, issued) as (_server, asked):
            questions = {"health_url": asked.url, "health_query": "", "health_address": asked.address, "health_certificate_days": days}
            return _settled.look_at_certificate({**questions, "health_ca_file": str(tmp_path / "ca.pem")}, None)

    first, second = (issue("server", [NAME], by=authority, ends=40) for _ in range(2))
    assert look(30, first) == look(0, first) != look(30, second)
    assert look(41, first) is None
    assert look(30, None) == "none"


@pytest.mark.parametrize(("days", "state", "words"), [(20, "healthy", "in 20 days"), (13, "warning", "in 13 days; have it renewed, and run again")])
def test_status_warns_of_a_certificate_that_ends_soon(tmp_path: Path, authority: Issued, days: int, state: str, words: str) -> None:
    with serving(tmp_path, issue("server", [NAME], by=authority, ends=days)) as (_server, asked):
        health, served = platform_status.health_of(trusting(asked, tmp_path))
    assert health["state"] == "healthy"
    assert (served["subject"], served["state"]) == (f"certificate {NAME}", state)
    assert served["detail"].endswith(words)
