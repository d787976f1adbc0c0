# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import json
import shlex
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.modules import platform_status

RunModule = Callable[..., dict[str, Any]]


def node(ready: str = "True") -> dict[str, Any]:
    conditions = [
        {"type": "MemoryPressure", "status": "False"},
        {"type": "Ready", "status": ready, "reason": "Kubelet"},
    ]
    status = {"conditions": conditions, "nodeInfo": {"kubeletVersion": "v1.2.3"}}
    return {"metadata": {"name": "one"}, "status": status}


def workload(kind: str, name: str, **parts: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"namespace": "luckyplans", "name": name}, **parts}


def release(status: str = "deployed") -> dict[str, str]:
    return {"name": "luckyplans", "namespace": "luckyplans", "revision": "2", "status": status, "chart": "luckyplans-1"}


def application(sync: str = "Synced", health: str = "Healthy", automated: bool = True) -> dict[str, Any]:
    policy = {"automated": {"prune": True}} if automated else {}
    status = {"sync": {"status": sync, "revision": "0123456789abcdef"}, "health": {"status": health}}
    return {"metadata": {"namespace": "argocd", "name": "luckyplans"}, "spec": {"syncPolicy": policy}, "status": status}


@pytest.mark.parametrize(
    ("item", "state", "detail"),
    [
        (application(), "healthy", "Synced, Healthy, revision 0123456789ab"),
        (application("OutOfSync"), "unhealthy", "OutOfSync, Healthy, revision 0123456789ab"),
        (application(health="Degraded"), "unhealthy", "Synced, Degraded, revision 0123456789ab"),
        (application(automated=False), "warning", "Synced, Healthy, revision 0123456789ab; automatic syncs are paused"),
        (application("OutOfSync", automated=False), "unhealthy", "OutOfSync, Healthy, revision 0123456789ab; automatic syncs are paused"),
        ({**application(), "status": None}, "unhealthy", "Unknown, Unknown, revision unknown"),
    ],
)
def test_application(item: dict[str, Any], state: str, detail: str) -> None:
    assert platform_status.applications_of({"items": [item]}) == [{"subject": "application argocd/luckyplans", "state": state, "detail": detail}]


@pytest.mark.parametrize(("ready", "state"), [("True", "healthy"), ("False", "unhealthy"), ("Unknown", "unhealthy")])
def test_node(ready: str, state: str) -> None:
    assert platform_status.nodes_of({"items": [node(ready)]}) == [
        {"subject": "node one", "state": state, "detail": "v1.2.3, Kubelet"}
    ]


def test_node_that_never_reported_is_unhealthy() -> None:
    silent = {"metadata": {"name": "one"}, "status": {"nodeInfo": {"kubeletVersion": "v1.2.3"}}}
    assert platform_status.nodes_of({"items": [silent]})[0]["state"] == "unhealthy"


@pytest.mark.parametrize(
    ("item", "state", "detail"),
    [
        (workload("Deployment", "web", spec={"replicas": 2}, status={"readyReplicas": 2}), "healthy", "2 of 2 ready"),
        (workload("Deployment", "web", spec={"replicas": 2}, status={"readyReplicas": 1}), "unhealthy", "1 of 2 ready"),
        (workload("Deployment", "web", spec={"replicas": 1}, status={}), "unhealthy", "0 of 1 ready"),
        (workload("Deployment", "web", spec={"replicas": 0}, status={}), "healthy", "0 of 0 ready"),
        (workload("StatefulSet", "db", spec={"replicas": 1}, status=None), "unhealthy", "0 of 1 ready"),
        (
            workload("DaemonSet", "log", status={"desiredNumberScheduled": 3, "numberReady": 3}),
            "healthy",
            "3 of 3 ready",
        ),
        (workload("DaemonSet", "log", status={"desiredNumberScheduled": 3}), "unhealthy", "0 of 3 ready"),
    ],
)
def test_workload(item: dict[str, Any], state: str, detail: str) -> None:
    subject = f"{item['kind'].lower()} luckyplans/{item['metadata']['name']}"
    assert platform_status.workloads_of({"items": [item]}) == [{"subject": subject, "state": state, "detail": detail}]


@pytest.mark.parametrize(
    ("status", "state"), [("deployed", "healthy"), ("failed", "unhealthy"), ("pending-upgrade", "unhealthy")]
)
def test_release(status: str, state: str) -> None:
    assert platform_status.releases_of([release(status)])[0]["state"] == state


class World:
    """Fake docker, kubectl and helm, a real endpoint, and the directory of the cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answer: Any = {"data": {"health": "running"}}
        self.asked: list[dict[str, Any]] = []
        (folder / "bin").mkdir()
        (folder / "cluster").mkdir()
        self.record('{"engine": "kind", "uid": "1"}')
        self.tool("docker", "lp-control-plane running\n")
        workloads = {"items": [workload("Deployment", "web", spec={"replicas": 1}, status={"readyReplicas": 1})]}
        self.kubectl({"items": [node()]}, workloads)
        self.tool("helm", json.dumps([release()]))
        self.server = http.server.HTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/graphql"

    def handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        world = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                world.asked.append({"path": self.path, "body": json.loads(body)})
                is_text = isinstance(world.answer, str)
                self.send_response(200)
                self.end_headers()
                self.wfile.write((world.answer if is_text else json.dumps(world.answer)).encode())

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def record(self, text: str) -> None:
        (self.folder / "cluster" / "record.json").write_text(text)

    def tool(self, name: str, stdout: str, rc: int = 0, stderr: str = "") -> None:
        self.script(name, f"printf %s {shlex.quote(stdout)}; printf %s {shlex.quote(stderr)} >&2; exit {rc}")

    def kubectl(self, nodes: Any, workloads: Any) -> None:
        answers = [f"printf %s {shlex.quote(json.dumps(answer))}" for answer in (nodes, workloads)]
        self.script("kubectl", f'case "$*" in *"json nodes") {answers[0]} ;; *) {answers[1]} ;; esac')

    def script(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def parameters(self, **others: Any) -> dict[str, Any]:
        return {
            "cluster": "lp",
            "cluster_dir": str(self.folder / "cluster"),
            "bin_dir": str(self.folder / "bin"),
            "health_url": self.url,
            **others,
        }


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path)
    # a docker that is not ours must not answer
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    # nothing listens there: a proxy of this machine has no business between it and its platform
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    yield made
    made.server.shutdown()
    made.server.server_close()


def states(result: dict[str, Any]) -> dict[str, str]:
    return {item["subject"]: item["state"] for item in result["checks"]}


def test_healthy_platform(world: World, run_module: RunModule) -> None:
    result = run_module(platform_status, **world.parameters())
    assert states(result) == {
        "cluster lp": "healthy",
        "node one": "healthy",
        "deployment luckyplans/web": "healthy",
        "release luckyplans/luckyplans": "healthy",
        world.url: "healthy",
    }
    assert (result["verdict"], result["changed"]) == ("healthy", False)
    assert world.asked == [{"path": "/graphql", "body": {"query": "{ health }"}}]
    assert [line.split()[0] for line in result["table"].splitlines()] == ["healthy"] * 5


def test_platform_that_was_never_made_is_absent(world: World, run_module: RunModule) -> None:
    (world.folder / "cluster" / "record.json").unlink()
    result = run_module(platform_status, **world.parameters())
    assert result["verdict"] == "absent"
    assert str(world.folder / "cluster") in result["table"]


def test_stopped_cluster_is_unhealthy_and_nothing_more_is_asked(world: World, run_module: RunModule) -> None:
    world.tool("docker", "lp-control-plane exited\n")
    result = run_module(platform_status, **world.parameters())
    assert (result["verdict"], states(result)) == ("unhealthy", {"cluster lp": "unhealthy"})
    assert "lp-control-plane exited" in result["table"]


def test_cluster_without_containers_is_unhealthy(world: World, run_module: RunModule) -> None:
    world.tool("docker", "")
    assert states(run_module(platform_status, **world.parameters())) == {"cluster lp": "unhealthy"}


def test_existing_cluster_has_no_containers_to_look_for(world: World, run_module: RunModule) -> None:
    world.record('{"engine": "existing", "kubeconfig": "/home/me/config", "context": "staging"}')
    world.tool("docker", "", rc=1)
    asked = world.folder / "asked"
    world.script("helm", f'echo "$*" >> {asked}; echo []')
    assert run_module(platform_status, **world.parameters())["verdict"] == "healthy"
    # what else runs in it is not ours to judge
    assert asked.read_text().splitlines() == [
        f"--kubeconfig=/home/me/config --kube-context=staging list --output json --namespace={name}"
        for name in ("luckyplans", "traefik")
    ]


@pytest.mark.parametrize(
    ("name", "stdout", "rc", "stderr", "subject", "detail"),
    [
        ("docker", "", 1, "Cannot connect to the Docker daemon\n", "cluster lp", "Cannot connect to the Docker daemon"),
        ("kubectl", "", 1, "one\nconnection refused\n", "nodes", "connection refused"),
        ("helm", "Error: no JSON", 0, "", "releases", "no JSON: Error: no JSON"),
        ("helm", "", 3, "", "releases", "ended with 3"),
    ],
)
def test_what_cannot_be_asked_is_unknown_and_not_healthy(
    world: World, run_module: RunModule, name: str, stdout: str, rc: int, stderr: str, subject: str, detail: str
) -> None:
    world.tool(name, stdout, rc, stderr)
    result = run_module(platform_status, **world.parameters())
    assert result["verdict"] == "unhealthy"
    assert [item["state"] for item in result["checks"] if item["subject"] == subject] == ["unknown"]
    assert detail in result["table"]


@pytest.mark.parametrize("name", ["kubectl", "helm", "docker"])
def test_missing_tool_is_unknown(world: World, run_module: RunModule, name: str) -> None:
    (world.folder / "bin" / name).unlink()
    result = run_module(platform_status, **world.parameters())
    assert result["verdict"] == "unhealthy"
    assert "unknown" in states(result).values()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_unreadable_record_is_not_healthy(world: World, run_module: RunModule, text: str) -> None:
    world.record(text)
    result = run_module(platform_status, **world.parameters())
    assert result["verdict"] == "unhealthy"
    assert "record.json" in result["table"]


@pytest.mark.parametrize(
    "answer", [{"data": {"health": "x"}, "errors": [{"message": "no"}]}, {"data": None}, {}, [], "<html>", ""]
)
def test_answer_without_data_or_with_errors_is_unhealthy(world: World, run_module: RunModule, answer: Any) -> None:
    world.answer = answer
    result = run_module(platform_status, **world.parameters())
    assert states(result)[world.url] == "unhealthy"


def test_silent_application_is_unhealthy(world: World, run_module: RunModule) -> None:
    world.server.shutdown()
    world.server.server_close()
    result = run_module(platform_status, **world.parameters(timeout=1))
    assert (result["verdict"], states(result)[world.url]) == ("unhealthy", "unhealthy")


def test_check_mode_is_the_same(world: World, run_module: RunModule) -> None:
    result = run_module(platform_status, **world.parameters(), _ansible_check_mode=True)
    assert (result["verdict"], result["changed"]) == ("healthy", False)
