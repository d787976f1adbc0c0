"""What the tests of the scenario share: git as somebody else sees it, the platform by its name, and the playbooks with the login that may push."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess

import pytest
from git_repository import CHART, READER, WRITER

HTTPS_PORT, GIT_PORT, REGISTRY = 18443, 18052, "localhost:18050"
ARGOCD = "argocd"
APPS = ("web", "api-gateway", "service-core")


class Gitops:
    def __init__(self, platform):
        self.platform = platform
        self.domain = f"{platform.name}-control-plane"
        self.secrets = platform.cluster_dir / "secrets"

    def playbook(self, name, *arguments, push=True, **variables):
        """As a person would run it; the variables go through a file, since arguments can be read by everybody."""
        url = f"http://127.0.0.1:{GIT_PORT}/team/luckyplans.git"
        login = {"promotion_git_url": url, "promotion_git_credential": {"username": "writer", "password": WRITER}}
        path = self.platform.work_dir / "variables.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({**(login if push else {}), **variables}))
        return self.platform.playbook(name, f"--extra-vars=@{path}", *arguments)

    def ask(self, path, body, **headers):
        """The status and the answer of a POST to the platform's name at the address where it really is."""
        context = ssl.create_default_context(cafile=str(self.secrets / "ca.pem"))
        with socket.create_connection(("127.0.0.1", HTTPS_PORT), 20) as plain, context.wrap_socket(plain, server_hostname=self.domain) as stream:
            connection = http.client.HTTPConnection(self.domain)
            connection.sock = stream
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")

    def git(self, *words):
        bare = self.platform.work_dir / "git/team/luckyplans.git"
        return subprocess.run(["git", f"--git-dir={bare}", *words], check=True, capture_output=True, text=True).stdout.strip()

    def tags(self):
        """Of the images that run, which are one tag of one registry."""
        images = {name: image for name, image in self.platform.images().items() if name in APPS}
        assert sorted(image.rpartition(":")[0] for image in images.values()) == sorted(f"{REGISTRY}/takeshi-su57/{name}" for name in APPS)
        return {image.rpartition(":")[2] for image in images.values()}

    def tags_in_git(self):
        return set(re.findall(r"tag: (\S+)", self.git("show", f"main:{CHART}/values.prod.yaml")))

    def application(self):
        return self.platform.get("applications.argoproj.io", "luckyplans", namespace=ARGOCD)

    def state(self):
        status = self.application()["status"]
        return status["sync"]["status"], status["health"]["status"]


@pytest.fixture(scope="module")
def gitops(platform):
    return Gitops(platform)


def said(result):
    """What a failed run says, without line breaks."""
    assert result.rc != 0, result.stdout
    return " ".join(result.stdout.split()).replace("\\n", " ")


__all__ = ["ARGOCD", "READER", "WRITER", "Gitops", "gitops", "said"]
