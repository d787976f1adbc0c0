# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from charts import PROFILES, Chart, Objects

RESOURCES = {
    "/api/v1": {
        "secrets": "Secret",
        "configmaps": "ConfigMap",
        "services": "Service",
        "namespaces": "Namespace",
        "persistentvolumeclaims": "PersistentVolumeClaim",
    },
    "/apis/apps/v1": {"deployments": "Deployment"},
    "/apis/networking.k8s.io/v1": {"ingresses": "Ingress", "networkpolicies": "NetworkPolicy"},
}


def find_helm() -> str | None:
    return os.environ.get("HELM") or shutil.which("helm") or shutil.which(Path.home() / ".luckyplans" / "bin" / "helm")


@pytest.fixture(scope="session")
def helm_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Nothing of the user's Helm or cluster takes part."""
    home = tmp_path_factory.mktemp("helm")
    return {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(home / "none")}


@pytest.fixture(scope="session")
def chart(helm_env: dict[str, str]) -> Chart:
    helm = find_helm()
    if not helm:
        pytest.skip("no helm: neither the variable HELM, nor on PATH, nor ~/.luckyplans/bin/helm")
    return Chart(helm, helm_env)


@pytest.fixture(params=PROFILES, ids=lambda path: path.name)
def profile(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def objects(chart: Chart, profile: Path) -> Objects:
    return chart.render(file=profile)


class Cluster:
    """The few answers of an API server that Helm wants for lookup."""

    def __init__(self, kubeconfig: Path, answers: dict[str, Any]) -> None:
        self.answers = answers
        # How a chart is rendered with it.
        self.helm: dict[str, Any] = {
            "options": ("--dry-run=server", "--disable-openapi-validation", "--is-upgrade"),
            "env": {"KUBECONFIG": str(kubeconfig)},
        }

    def has(self, resource: str, name: str, **fields: Any) -> None:
        (kind,) = [kinds[resource] for kinds in RESOURCES.values() if resource in kinds]
        path = f"/api/v1/namespaces/luckyplans/{resource}/{name}"
        self.answers[path] = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    answers: dict[str, Any] = {
        "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.4"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "groups": [
                {"name": group, "versions": [{"groupVersion": f"{group}/v1", "version": "v1"}]}
                for group in ("apps", "networking.k8s.io")
            ],
        },
    }
    for path, kinds in RESOURCES.items():
        answers[path] = {
            "kind": "APIResourceList",
            "groupVersion": path.split("/", 2)[2],
            "resources": [
                {"name": name, "kind": kind, "namespaced": kind != "Namespace", "verbs": ["get"]}
                for name, kind in kinds.items()
            ],
        }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            missing = {"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"}
            body = json.dumps(answers.get(path, missing)).encode()
            self.send_response(200 if path in answers else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kubeconfig = {
        "clusters": [{"name": "stub", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "stub"}}],
        "current-context": "stub",
        "users": [{"name": "stub", "user": {}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    yield Cluster(tmp_path / "kubeconfig", answers)
    server.shutdown()
    server.server_close()
