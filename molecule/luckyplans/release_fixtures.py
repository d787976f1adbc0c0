"""A release of the chart on the scenario's cluster: Helm, kubectl, and people who use it meanwhile."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts import CHART_DIR
from modules import Missing, crds
from platform_fixtures import HTTP_PORT, Platform

HTTPS_PORT = 18443
APPLICATIONS = {"web": "web", "apiGateway": "api-gateway", "serviceCore": "service-core"}
SMALL = {"requests": {"cpu": "1m"}}
PAGE = ("GET", "/", "")
HEALTH = ("POST", "/graphql", '{"query": "{ health }"}')
PLANS = ("POST", "/graphql", '{"query": "{ plans { id title } }"}')


class Release:
    """A release of some chart in a namespace of its own."""

    def __init__(self, platform: Platform, namespace: str = "luckyplans") -> None:
        self.platform, self.namespace = platform, namespace

    def run(self, program: str, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        argv = [self.platform.state_dir / "bin" / program, f"--kubeconfig={self.platform.kubeconfig}", f"--namespace={self.namespace}"]
        return subprocess.run([*argv, *arguments], input=stdin, capture_output=True, text=True, timeout=300, check=False)

    def checked(self, program: str, *arguments: str | Path, stdin: str = "") -> str:
        done = self.run(program, *arguments, stdin=stdin)
        assert done.returncode == 0, f"{program} {' '.join(map(str, arguments))}: {done.stderr or done.stdout}"
        return done.stdout

    def kubectl(self, *arguments: str | Path, stdin: str = "") -> str:
        return self.checked("kubectl", *arguments, stdin=stdin)

    def get(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", "--output=json", *arguments))

    def helm(self, *arguments: str | Path, values: dict[str, Any] | None = None) -> str:
        files = ("--values=-",) if values is not None else ()
        return self.checked("helm", *arguments, *files, stdin=json.dumps(values or {}))

    def upgrade(self, chart: Path = CHART_DIR, *arguments: str | Path, values: dict[str, Any]) -> str:
        """Install or upgrade with the images that are in the nodes, whatever the values name, and room for many such releases."""
        return self.helm(
            *("upgrade", "luckyplans", chart, "--install", "--wait", "--timeout=240s"),
            *arguments,
            values=merged(values, self.images_in_nodes()),
        )

    def images_in_nodes(self) -> dict[str, Any]:
        """Values that name the images of the platform's own release."""
        running = self.platform.images()
        values: dict[str, Any] = {"image": {"registry": "", "localPrefix": "luckyplans", "pullPolicy": "IfNotPresent", "pullSecrets": []}}
        for key, name in APPLICATIONS.items():
            values[key] = {"image": {"tag": running[name].rpartition(":")[2], "digest": ""}, "resources": SMALL}
        repository, _, tag = running["redis"].rpartition(":")
        values["redis"] = {"image": {"repository": repository, "tag": tag, "digest": ""}, "resources": SMALL}
        return values

    def make_namespace(self) -> None:
        """As the role does: the chart owns it, and Helm needs it beforehand."""
        metadata = {
            "name": self.namespace,
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "luckyplans", "meta.helm.sh/release-namespace": self.namespace},
        }
        self.kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))

    def pods(self) -> dict[str, dict[str, Any]]:
        """Pods that stay, by name."""
        return {
            item["metadata"]["name"]: item
            for item in self.get("pods")["items"]
            if "deletionTimestamp" not in item["metadata"] and item["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
        }

    def pod(self, component: str) -> str:
        return next(name for name, item in self.pods().items() if component_of(item) == component)

    def settled(self) -> None:
        for name in ("web", "api-gateway", "service-core"):
            self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=180s")

    @contextmanager
    def rolling(self) -> Iterator[set[str]]:
        """Fills the set with the components whose pods are others afterwards."""
        changed: set[str] = set()
        before = self.pods()
        yield changed
        self.settled()
        now = self.pods()
        changed |= {component_of(item) for name, item in now.items() if name not in before}


def component_of(pod: dict[str, Any]) -> str:
    return pod["metadata"]["labels"]["app.kubernetes.io/component"]


def merged(base: Any, over: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return base | {key: merged(base.get(key), value) for key, value in over.items()}


def ask(request: tuple[str, str, str], host: str = "localhost", port: int = HTTP_PORT, timeout: float = 15.0) -> str:
    """One request over a connection of its own: empty if the answer is right, else what was wrong with it."""
    method, path, body = request
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, {"Host": host, "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        if answer.status != 200:
            return f"{answer.status} {text[:100]}"
        return f"errors {text[:150]}" if method == "POST" and "errors" in json.loads(text) else ""
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{type(error).__name__} {error}"
    finally:
        connection.close()


class Load:
    """Requests at a steady rate, none of which waits for another, and what became of each."""

    def __init__(self, *requests: tuple[str, str, str], per_second: float = 20.0) -> None:
        self.requests, self.pause = requests, 1 / per_second
        self.answers: Counter[str] = Counter()
        self.problems: list[str] = []

    def __enter__(self) -> Load:
        self.begun, self.stop = time.monotonic(), threading.Event()
        self.pool = ThreadPoolExecutor(64)
        self.thread = threading.Thread(target=self._send)
        self.thread.start()
        return self

    def _send(self) -> None:
        number = 0
        while not self.stop.wait(max(0.0, self.begun + number * self.pause - time.monotonic())):
            self.pool.submit(self._one, self.requests[number % len(self.requests)])
            number += 1

    def _one(self, request: tuple[str, str, str]) -> None:
        at = time.monotonic() - self.begun
        problem = ask(request)
        self.answers["failed" if problem else "ok"] += 1
        if problem:
            self.problems.append(f"{at:.1f} s: {request[1]} {problem}")

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()
        self.pool.shutdown()
        print(f"{sum(self.answers.values())} requests in {time.monotonic() - self.begun:.0f} s: {dict(self.answers)}")


def eventually(check: Callable[[], Any], seconds: float) -> Any:
    """The first answer of the check that is true; whatever it last said is told where there is none."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {found!r}"
        time.sleep(0.3)
    return found


@pytest.fixture(scope="module")
def release(platform: Platform) -> Release:
    return Release(platform)


@pytest.fixture(scope="module")
def custom_resources(platform: Platform) -> None:
    """cert-manager's CRDs in the cluster, without cert-manager; Traefik's chart brings its own."""
    try:
        found = crds()
    except Missing as missing:
        pytest.skip(f"no CRDs of Traefik and cert-manager: {missing}")
    traefik = Release(platform, "traefik")
    wanted = [item for item in found if item["spec"]["group"] != "traefik.io"]
    # too large for the annotation of a client-side apply
    traefik.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.dump_all(wanted, Dumper=yaml.CSafeDumper))
    traefik.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
