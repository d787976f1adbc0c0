# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters, made by the modules through ansible-playbook, and what is true about them. tests/kind uses this file too."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from ansible_collections.luckyplans.platform.plugins.module_utils._kubeapi import Api, parse_kubeconfig

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv" / "bin"
#: In the environment of all that a test starts, so that it can be found again.
MARK = "LUCKYPLANS_TEST_CLUSTER"
#: The port of every node that answers without a pod.
KUBELET = 10250


# --- Programs ---


def run(*argv: str | Path, check: bool = True, **env: str) -> str:
    """What a program prints."""
    done = subprocess.run(
        argv, env={**os.environ, **env}, capture_output=True, text=True, errors="replace", timeout=600, check=False
    )
    assert not check or done.returncode == 0, f"{argv} failed with exit code {done.returncode}:\n{done.stderr}"
    return done.stdout


def docker(*arguments: str, check: bool = True) -> str:
    return run("docker", *arguments, check=check)


def marked(beginning: str) -> dict[int, str]:
    """Processes with such a mark that still run: their ids and the names of their programs."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={beginning}".encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "comm").read_text().strip()
    return found


def kill(processes: dict[int, str]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def wait_for(what: Callable[[], Any], seconds: float = 60) -> Any:
    """The first answer that is not empty."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := what():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds:.0f} s in vain")


def other_image(image: str, name: str) -> str:
    """Another image that works as well, by that name."""
    container = docker("create", image).strip()
    docker("commit", "--change", "LABEL other=yes", container, name)
    docker("rm", "--volumes", container)
    return name


# --- Clusters ---


@dataclass
class Cluster:
    """One cluster and the options that make it; a block of ten ports from `port` is its own."""

    name: str
    port: int
    folder: Path
    options: dict[str, Any]
    env: dict[str, str] = field(default_factory=dict)
    engine: str = "k3d"

    def __post_init__(self) -> None:
        self.prefix = f"k3d-{self.name}-" if self.engine == "k3d" else f"{self.name}-"
        self.directory = self.folder / self.name
        self.kubeconfig = self.directory / "kubeconfig"
        self.options = {"name": self.name, "kubeconfig": str(self.kubeconfig), "api_port": self.port, **self.options}

    # - the module -

    def start(self, *calls: dict[str, Any]) -> Run:
        """Begin a playbook with these calls of the module; `check` among the options stands for check mode."""
        return Run(self, [{**self.options, **call} for call in calls])

    def call(self, **options: Any) -> dict[str, Any]:
        """The result of the module."""
        return self.start(options).results()[0]

    def apply(self, **options: Any) -> dict[str, Any]:
        """Do it, after it was foretold and before it is asked for again; the result of the middle one."""
        told, done, again = self.start({**options, "check": True}, options, options).results()
        assert not done.get("failed"), done["msg"]
        for key in ("changed", "actions", "differences", "diff", "cluster"):
            assert told[key] == done[key], f"{key} was foretold otherwise"
        assert not again["changed"], again["actions"]
        assert again["cluster"] == done["cluster"]
        return done

    def refuse(self, **options: Any) -> dict[str, Any]:
        """Ask for what has to be refused, in check mode too, and without any effect."""
        before = self.containers()
        told, done = self.start({**options, "check": True}, options).results()
        assert told.get("failed"), told
        assert done.get("failed"), done
        assert told["msg"] == done["msg"]
        assert self.containers() == before
        return done

    def info(self) -> list[dict[str, Any]]:
        """What k3d_cluster_info tells."""
        clusters: list[dict[str, Any]] = Run(self, [{"module": "k3d_cluster_info", "name": self.name}]).results()[0]["clusters"]
        return clusters

    # - the truth -

    def containers(self) -> dict[str, str]:
        """Names without the cluster's, with id and state, also of those that do not run."""
        lines = docker("ps", "--all", "--filter", f"name=^{self.prefix}", "--format", "{{.Names}} {{.ID}} {{.State}}")
        return dict(line.removeprefix(self.prefix).split(" ", 1) for line in lines.splitlines())

    def in_node(self, node: str, *argv: str, check: bool = True) -> str:
        return docker("exec", f"{self.prefix}{node}", *argv, check=check)

    def kubectl(self, *arguments: str) -> str:
        if self.engine == "k3d":
            return self.in_node("server-0", "kubectl", *arguments)
        return self.in_node("control-plane", "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", *arguments)

    def api(self, path: str) -> Any:
        """What the API answers on its published port to the user of the kubeconfig that the module wrote."""
        access = parse_kubeconfig(self.kubeconfig.read_text())
        assert access
        status, body = Api(access, str(self.folder)).get(path)
        assert status == 200, body
        return json.loads(body)

    def nodes(self) -> dict[str, str]:
        """Nodes as Kubernetes knows them, without the cluster's name: whether they are ready."""
        return {
            item["metadata"]["name"].removeprefix(self.prefix): condition["status"]
            for item in self.api("/api/v1/nodes")["items"]
            for condition in item["status"]["conditions"]
            if condition["type"] == "Ready"
        }

    def pods(self, labels: str = "") -> dict[str, dict[str, Any]]:
        """Pods of Kubernetes itself, by name."""
        items = self.api(f"/api/v1/namespaces/kube-system/pods?labelSelector={labels}")["items"]
        return {item["metadata"]["name"]: item for item in items}

    def lives(self) -> dict[str, list[tuple[str, int]]]:
        """For each pod the containers that it is in and how often they were started again: the same as long as it lives."""
        return {
            name: [(item["containerID"], item["restartCount"]) for item in pod["status"]["containerStatuses"]]
            for name, pod in self.pods().items()
        }

    def remember(self) -> None:
        """Leave something in the cluster that only this cluster has."""
        self.kubectl("create", "configmap", "kept", "--from-literal=by=test")

    def remembers(self) -> bool:
        return bool(self.kubectl("get", "configmap", "kept", "--ignore-not-found", "--output=name").strip())


class Run:
    """A playbook that runs beside the test."""

    def __init__(self, cluster: Cluster, calls: list[dict[str, Any]]) -> None:
        number = len(list(cluster.folder.glob("play-*.json")))
        # with an end, so that the first is not taken for the eleventh too
        self.mark = f"{cluster.name}-{number}."
        self.answer = cluster.folder / f"results-{number}.json"
        playbook = cluster.folder / f"play-{number}.json"
        tasks: list[dict[str, Any]] = [
            {
                f"luckyplans.platform.{call.pop('module', f'{cluster.engine}_cluster')}": call,
                "check_mode": call.pop("check", False),
                "register": f"result_{index}",
                "ignore_errors": True,
            }
            for index, call in enumerate(calls)
        ]
        results = ", ".join(f"result_{index}" for index in range(len(calls)))
        tasks.append({"ansible.builtin.copy": {"content": f"{{{{ [{results}] | to_json }}}}", "dest": str(self.answer)}})
        playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        self.process = subprocess.Popen(
            [
                VENV / "ansible-playbook",
                "--inventory=localhost,",
                "--connection=local",
                f"--extra-vars=ansible_python_interpreter={sys.executable}",
                playbook,
            ],
            cwd=ROOT,
            env={
                **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
                **cluster.env,
                MARK: self.mark,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def results(self) -> list[dict[str, Any]]:
        try:
            output, _ = self.process.communicate(timeout=600)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        assert self.answer.exists(), output
        results: list[dict[str, Any]] = json.loads(self.answer.read_text())
        return results

    def kill(self, spare: str = "") -> None:
        """End it and all that it started at once, but not programs of that name."""
        kill({number: name for number, name in marked(self.mark).items() if name != spare})
        self.process.wait()


def answer(port: int) -> int:
    """The HTTP status with which a node's kubelet answers a stranger on a port of this machine, or 0."""
    connection = HTTPSConnection("127.0.0.1", port, timeout=5, context=ssl._create_unverified_context())
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def sweep(family: str) -> None:
    """Remove what is named so, whoever left it, and nothing else: tests of another engine may run at this moment."""
    kill(marked(f"{family}-"))
    if names := docker("ps", "--all", "--quiet", "--filter", f"name=^(k3d-)?{family}-").split():
        docker("rm", "--force", "--volumes", *names)
    for kind in ("network", "volume"):
        if names := docker(kind, "ls", "--quiet", "--filter", f"name=^k3d-{family}-").split():
            docker(kind, "rm", *names)
    if names := docker("images", "--filter", f"reference={family}/*", "--format", "{{.Repository}}:{{.Tag}}").split():
        docker("rmi", *names)
