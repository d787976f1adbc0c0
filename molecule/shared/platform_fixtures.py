"""What the tests of all scenarios ask of a platform. pytest loads this file as a plugin (PYTEST_PLUGINS)."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

HTTP_PORT = 18080
NAMESPACE = "luckyplans"


class Platform:
    """One scenario's cluster and application, through testinfra's host."""

    def __init__(self, host: Any) -> None:
        self.host = host
        scenario = os.environ["MOLECULE_SCENARIO_NAME"]
        self.root = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
        self.work_dir = self.root / ".cache/molecule" / scenario
        self.name = f"lp-{scenario.replace('_', '-')}"
        self.state_dir = self.root / ".cache/molecule/state"
        self.cluster_dir = self.state_dir / "clusters" / self.name
        # of a cluster that was there before, or of ours
        given = self.work_dir / "kubeconfig"
        self.kubeconfig = given if given.exists() else self.cluster_dir / "kubeconfig"
        self.url = f"http://localhost:{HTTP_PORT}"

    def kubectl(self, *arguments: str) -> str:
        """What kubectl prints, through the platform's own kubeconfig."""
        argv = [str(self.state_dir / "bin/kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        return self.host.check_output(" ".join(["%s"] * len(argv)), *argv)

    def get(self, *arguments: str, namespace: str = NAMESPACE) -> Any:
        """What kubectl gets, as data."""
        return json.loads(self.kubectl(f"--namespace={namespace}", "get", "--output=json", *arguments))

    def images(self) -> dict[str, str]:
        """Deployment to image, of the application."""
        return {
            item["metadata"]["name"]: item["spec"]["template"]["spec"]["containers"][0]["image"]
            for item in self.get("deployments")["items"]
        }

    def pods(self) -> dict[str, dict[str, Any]]:
        """Pods that stay, by name; those of Jobs and those that are ending do not."""
        return {
            item["metadata"]["name"]: item
            for item in self.get("pods")["items"]
            if "deletionTimestamp" not in item["metadata"] and item["metadata"]["ownerReferences"][0]["kind"] != "Job"
        }

    def containers(self) -> list[str]:
        """Names of the cluster's containers, running or not."""
        pattern = f"name=^(k3d-)?{self.name}-"
        return self.host.check_output("docker ps --all --filter %s --format '{{.Names}}'", pattern).split()

    def page(self, path: str = "/") -> str:
        """A page, as a browser on this machine gets it."""
        return self._fetch(urllib.request.Request(self.url + path))

    def graphql(self, query: str, token: str = "", **variables: Any) -> Any:
        """The data of an answer without errors; the token is that of a session, which our own application asks for."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        request = urllib.request.Request(f"{self.url}/graphql", body, headers)
        answer = json.loads(self._fetch(request))
        assert "errors" not in answer, answer
        return answer["data"]

    def playbook(self, name: str, *arguments: str) -> Any:
        """One of our playbooks, run as a person would, with its results in JSON; testinfra's rc, stdout and stderr."""
        argv = [str(self.root / "playbooks" / name), f"--inventory={self.root}/molecule/inventory", *arguments]
        # Molecule asks for colours
        plain = "ANSIBLE_CALLBACK_RESULT_FORMAT=json ANSIBLE_FORCE_COLOR=0"
        return self.host.run(f"{plain} ansible-playbook {' '.join(['%s'] * len(argv))}", *argv)

    @staticmethod
    def _fetch(request: urllib.request.Request) -> str:
        # a proxy of this machine has no business between it and its own platform
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as response:
                return response.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{request.full_url} answers {error.code}: {error.read().decode()}") from error


def verdict_of(output: str) -> dict[str, Any]:
    """The JSON verdict in the output of status.yml, whether its task succeeded or not."""
    for result in re.findall(r"=> (\{\n.*?\n\})", output, re.DOTALL):
        message = json.loads(result).get("msg")
        found = json.loads(message) if isinstance(message, str) and message.startswith("{") else message
        if isinstance(found, dict) and "verdict" in found:
            return found
    raise AssertionError(f"no verdict in:\n{output}")


@pytest.fixture(scope="module")
def platform(host: Any) -> Platform:
    """The platform of the scenario that runs."""
    return Platform(host)
