# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration and secrets: who consumes them, who restarts, and that a secret is made once."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Without a random secret, so that renders can be compared.
FIXED = {"secrets": {"create": False}}

SECRET_PATH = "/api/v1/namespaces/luckyplans/secrets/luckyplans-secrets"
RESOURCES = {
    "/api/v1": {"secrets": "Secret", "configmaps": "ConfigMap", "services": "Service", "namespaces": "Namespace"},
    "/apis/apps/v1": {"deployments": "Deployment"},
    "/apis/networking.k8s.io/v1": {"ingresses": "Ingress", "networkpolicies": "NetworkPolicy"},
}


def pod_annotations(objects: Any) -> dict[str, set[str]]:
    return {name: set(item["metadata"].get("annotations", {})) for name, item in objects.pod_templates().items()}


def rolled(before: Any, after: Any) -> set[str]:
    old, new = before.pod_templates(), after.pod_templates()
    assert old.keys() == new.keys()
    return {name for name in old if old[name] != new[name]}


def test_checksums_are_on_exactly_the_consumers(chart: Any) -> None:
    assert pod_annotations(chart.render()) == {
        "api-gateway": {"checksum/config", "checksum/secret"},
        "service-core": {"checksum/config"},
        "web": set(),
        "redis": set(),
    }
    assert pod_annotations(chart.render(FIXED))["api-gateway"] == {"checksum/config"}


def test_consumers_are_what_the_checksums_say(chart: Any) -> None:
    sources = {
        name: [next(iter(source.values()))["name"] for source in template["spec"]["containers"][0].get("envFrom", [])]
        for name, template in chart.render().pod_templates().items()
    }
    assert sources == {
        "api-gateway": ["luckyplans-config", "luckyplans-secrets"],
        "service-core": ["luckyplans-config"],
        "web": [],
        "redis": [],
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"config": {"corsOrigin": "https://example.org"}}, {"api-gateway", "service-core"}),
        ({"config": {"logLevel": "debug"}}, {"api-gateway", "service-core"}),
        ({"redis": {"maxMemory": "64mb"}}, {"redis"}),
        ({"web": {"image": {"tag": "other"}}}, {"web"}),
        ({"serviceCore": {"replicas": 3}}, set()),
        ({"ingress": {"host": "example.org"}}, set()),
    ],
)
def test_a_change_rolls_only_whom_it_concerns(chart: Any, values: dict[str, Any], expected: set[str]) -> None:
    assert rolled(chart.render(FIXED), chart.render(FIXED | values)) == expected


def test_no_template_but_one_helper_reads_the_cluster_or_rolls_dice(chart: Any) -> None:
    templates = chart.path / "templates"
    for path in templates.rglob("*"):
        if path.is_file():
            text = " ".join(re.findall(r"\{\{.*?\}\}", path.read_text(), re.DOTALL))
            allowed = 1 if path.name == "_helpers.tpl" else 0
            assert len(re.findall(r"\blookup\b", text)) == allowed, path.name
            assert len(re.findall(r"\b(rand\w+|gen\w+Cert|genPrivateKey|uuidv4|now)\b", text)) == allowed, path.name


def test_secret_and_checksum_speak_of_one_value(chart: Any) -> None:
    objects = chart.render()
    secret = objects.one("Secret", "luckyplans-secrets")
    made = secret["data"]["JWT_SECRET"]
    checksum = objects.pod_templates()["api-gateway"]["metadata"]["annotations"]["checksum/secret"]
    assert re.fullmatch(rb"[A-Za-z0-9]{48}", base64.b64decode(made))
    assert checksum == hashlib.sha256(made.encode()).hexdigest()
    assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert made not in chart.text(), "a cluster without the Secret gets a new one"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """The few answers of an API server that Helm wants for lookup: environment, and the answers by path."""
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
    yield {"KUBECONFIG": str(tmp_path / "kubeconfig")}, answers
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ({"JWT_SECRET": base64.b64encode(b"kept").decode()}, True),
        ({"OTHER": "eA=="}, False),
        (None, False),
    ],
    ids=["with the key", "without the key", "without data"],
)
def test_an_existing_secret_is_kept(chart: Any, cluster: Any, data: dict[str, str] | None, kept: bool) -> None:
    env, answers = cluster
    answers[SECRET_PATH] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "luckyplans-secrets"}}
    if data is not None:
        answers[SECRET_PATH]["data"] = data
    objects = chart.render(options=("--dry-run=server", "--disable-openapi-validation", "--is-upgrade"), env=env)
    value = objects.one("Secret", "luckyplans-secrets")["data"]["JWT_SECRET"]
    checksum = objects.pod_templates()["api-gateway"]["metadata"]["annotations"]["checksum/secret"]
    assert (base64.b64decode(value) == b"kept") is kept
    assert len(base64.b64decode(value)) == (4 if kept else 48)
    assert checksum == hashlib.sha256(value.encode()).hexdigest()
