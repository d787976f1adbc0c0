"""What the tests of the scenario share: the server, git as somebody else sees it, and the playbooks with the login that may push."""

from __future__ import annotations

import glob
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import testinfra
import yaml
from git_repository import CHART, READER, WRITER
from platform_fixtures import Platform

DOMAIN, HTTPS_PORT, GIT_PORT, REGISTRY = "vps.lp-prod.test", 18444, 18052, "registry.lp-prod.test:5000"
ARGOCD = "argocd"
CERT_MANAGER = os.environ.get("LUCKYPLANS_TEST_CERT_MANAGER_CHART", "")
APPS = ("web", "api-gateway", "service-core")


class Server(Platform):
    """The platform on the server: looked at from inside, and worked on over SSH."""

    def __init__(self, host):
        super().__init__(host)
        self.state_dir = Path("/root/.luckyplans")
        self.cluster_dir = self.state_dir / "clusters/luckyplans"
        self.kubeconfig = self.cluster_dir / "kubeconfig"
        self.secrets = self.cluster_dir / "secrets"
        self.vault = yaml.safe_load(self._run("ansible-vault", "view", self.root / "molecule/prod/inventory/group_vars/platform/vault.yml").stdout)

    def read(self, path):
        return self.host.check_output("cat %s", str(path))

    def mode(self, path):
        return int(self.host.check_output("stat --format=%%a %s", str(path)), 8)

    def names(self, directory):
        return self.host.check_output("ls %s", str(directory)).split()

    def helm(self, *arguments):
        argv = [str(self.state_dir / "bin/helm"), f"--kubeconfig={self.kubeconfig}", *arguments]
        return self.host.check_output(" ".join(["%s"] * len(argv)), *argv)

    def playbook(self, name, *arguments, push=True, **variables):
        """As a person would run it; the variables go through a file, since arguments can be read by everybody."""
        url = f"http://127.0.0.1:{GIT_PORT}/team/luckyplans.git"
        login = {"promotion_git_url": url, "promotion_git_credential": {"username": "writer", "password": WRITER}}
        path = self.work_dir / "variables.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({**(login if push else {}), **variables}))
        inventories = [f"--inventory={self.root / place}" for place in ("inventories/prod", "molecule/prod/inventory")]
        return self._run("ansible-playbook", self.root / "playbooks" / name, *inventories, f"--extra-vars=@{path}", *arguments)

    def _run(self, *argv):
        # Molecule asks for colours
        plain = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "0"}
        return subprocess.run(argv, cwd=self.root, env={**os.environ, **plain}, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def ask(self, path, body, **headers):
        """The status and the answer of a POST to the platform's name at the address where it really is."""
        context = ssl.create_default_context(cadata=self.read(self.secrets / ("acme.pem" if CERT_MANAGER else "ca.pem")))
        # what an ACME server issued is known by itself
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        with socket.create_connection(("127.0.0.1", HTTPS_PORT), 20) as plain, context.wrap_socket(plain, server_hostname=DOMAIN) as stream:
            connection = http.client.HTTPConnection(DOMAIN)
            connection.sock = stream
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")

    def git(self, *words):
        bare = self.work_dir / "git/team/luckyplans.git"
        return subprocess.run(["git", f"--git-dir={bare}", *words], check=True, capture_output=True, text=True).stdout.strip()

    def tags(self):
        """Of the images that run, which are one tag of one registry."""
        images = {name: image for name, image in self.images().items() if name in APPS}
        assert sorted(image.rpartition(":")[0] for image in images.values()) == sorted(f"{REGISTRY}/takeshi-su57/{name}" for name in APPS)
        return {image.rpartition(":")[2] for image in images.values()}

    def tags_in_git(self):
        return set(re.findall(r"tag: (\S+)", self.git("show", f"main:{CHART}/values.prod.yaml")))

    def application(self):
        return self.get("applications.argoproj.io", "luckyplans", namespace=ARGOCD)

    def state(self):
        status = self.application()["status"]
        return status["sync"]["status"], status["health"]["status"]


@pytest.fixture(scope="module")
def server():
    # not over SSH, of which testinfra understands less than Ansible
    return Server(testinfra.get_host("docker://lp-prod-vps"))


@contextmanager
def arguments_of_all_programs():
    """What anybody on this machine can read while something runs; the containers' programs are among them."""
    seen, done = set(), threading.Event()

    def look():
        while not done.wait(0.02):
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                with suppress(OSError), open(path, errors="replace") as stream:
                    seen.add(stream.read().replace("\0", " "))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def changed(result):
    """Of the only host in the recap; each role has a number of its own beside it."""
    return int(re.search(r"changed=(\d+)", result.stdout.rpartition("PLAY RECAP")[2])[1])


def said(result):
    """What a failed run says, without line breaks."""
    assert result.returncode != 0, result.stdout
    return " ".join(result.stdout.split()).replace("\\n", " ")


__all__ = ["ARGOCD", "CERT_MANAGER", "DOMAIN", "READER", "WRITER", "Server", "arguments_of_all_programs", "changed", "said", "server"]
