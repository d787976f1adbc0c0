# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.luckyplans.platform.plugins.module_utils import _preflight as lib
from ansible_collections.luckyplans.platform.plugins.modules import preflight

ROOT = Path(__file__).parents[4]
ROLE = ROOT / "roles" / "preflight"
KNOWN = ["platform_http_port", "platform_https_port", "platform_domain", "traefik_values"]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An application repository."""
    chart = tmp_path / "app" / "infrastructure" / "helm" / "luckyplans"
    chart.mkdir(parents=True)
    (chart / "Chart.yaml").write_text("name: luckyplans\n")
    web = tmp_path / "app" / "apps" / "web"
    web.mkdir(parents=True)
    (web / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path / "app"


@pytest.fixture
def free_ports() -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports


@pytest.fixture
def inputs(tmp_path: Path, app: Path, free_ports: list[int]) -> dict[str, Any]:
    """Good values for every platform variable."""
    return {
        "environment": "local",
        "source": "upstream",
        "bundle_dir": "",
        "bundle_send_from": "",
        "bundle_public_key": "",
        "upstream_mirror": "",
        "cluster_engine": "auto",
        "cluster_name": "luckyplans",
        "kubeconfig": "",
        "kubeconfig_context": "",
        "registry": "",
        "http_port": free_ports[0],
        "https_port": free_ports[1],
        "api_port": 0,
        "bind_address": "127.0.0.1",
        "domain": "localhost",
        "tls": "none",
        "acme_server": "",
        "public_address": "",
        "deploy": "helm",
        "git_url": "",
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "state" / "cache"),
        "source_dir": str(app),
        "extra_ca_file": "",
        "manage_docker": True,
    }


class FakeDocker:
    """A docker on PATH that answers as its directory says, and no other tool of ours."""

    def __init__(self, directory: Path) -> None:
        self._dir = directory
        self._dir.mkdir()
        self.running()
        self.containers([])

    def _info(self, script: str) -> None:
        tool = self._dir / "docker"
        tool.write_text(
            f"#!/bin/sh\ncase $1 in\ninfo) {script} ;;\nps) cat {self._dir}/ids ;;\n"
            f"container) cat {self._dir}/containers ;;\n*) exit 64 ;;\nesac\n"
        )
        tool.chmod(0o755)

    def running(self, root: str = "/", security: str = "null") -> None:
        self._info(f"""echo '{{"root":"{root}","security":{security}}}'""")

    def failing(self, stderr: str) -> None:
        self._info(f"echo '{stderr}' >&2; exit 1")

    def hanging(self) -> None:
        self._info("sleep 30")

    def missing(self) -> None:
        (self._dir / "docker").unlink()

    def add_tool(self, name: str) -> None:
        (self._dir / name).write_text("#!/bin/sh\n")
        (self._dir / name).chmod(0o755)

    def containers(self, containers: list[dict[str, Any]]) -> None:
        (self._dir / "ids").write_text("".join(f"id{index}\n" for index, _ in enumerate(containers)))
        (self._dir / "containers").write_text(json.dumps(containers))


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    tools = tmp_path / "bin"
    monkeypatch.setenv("PATH", f"{tools}:/bin:/usr/bin")
    monkeypatch.setattr(lib, "TOOL_PATH", str(tools))
    monkeypatch.setattr(lib, "find_tool", lambda name: shutil.which(name, path=str(tools)))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    plugin = tmp_path / "docker-config/cli-plugins/docker-buildx"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("")
    plugin.chmod(0o755)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))
    return FakeDocker(tools)


def container(name: str, port: int, address: str = "127.0.0.1", **labels: str) -> dict[str, Any]:
    return {
        "Id": "0123456789abcdef",
        "Name": f"/{name}",
        "Config": {"Labels": {key.replace("__", "."): value for key, value in labels.items()} or None},
        "NetworkSettings": {
            "Ports": {"80/tcp": [{"HostIp": address, "HostPort": str(port)}], "53/udp": None, "9/tcp": None}
        },
    }


def examine(inputs: dict[str, Any], **options: Any) -> tuple[list[lib.Finding], dict[str, Any]]:
    known = {"variables": [], "known": [], "expected_environment": "", "min_free_gib": 0}
    return lib.examine(inputs, **{**known, **options})


def errors(findings: list[lib.Finding]) -> list[tuple[str, str]]:
    return [(item.subject, item.message) for item in findings if item.severity == lib.ERROR]


# --- All of it ------------------------------------------------------------------------------------------------------


def test_good_inputs_have_no_findings_but_the_choice(docker: FakeDocker, inputs: dict[str, Any]) -> None:
    findings, resolved = examine(inputs)
    assert [(item.severity, item.subject, item.value) for item in findings] == [
        ("info", "platform_cluster_engine", "k3d")
    ]
    state = os.path.realpath(inputs["state_dir"])
    expected = {
        "acme_authority": "",
        "arch": resolved["arch"],
        "bin_dir": f"{state}/bin",
        "cache_dir": f"{state}/cache",
        "chart_dir": os.path.realpath(inputs["source_dir"]) + "/infrastructure/helm/luckyplans",
        "cluster_dir": f"{state}/clusters/luckyplans",
        "context": "k3d-luckyplans",
        "docker_action": "none",
        "docker_ready": True,
        "tools": {},
        "engine": "k3d",
        "engine_reason": "upstream gives k3d",
        "kubeconfig": f"{state}/clusters/luckyplans/kubeconfig",
        "k3d": "",
        "python_packages": [],
        "record": {},
        "root": os.geteuid() == 0,
        "source_dir": os.path.realpath(inputs["source_dir"]),
        "source_reason": "platform_source is upstream",
        "state_dir": state,
        "url": f"http://localhost:{inputs['http_port']}",
    }
    kept = {key: value for key, value in inputs.items() if key not in ("cluster_engine", "kubeconfig_context")}
    assert resolved == {**kept, **expected}
    assert not os.path.exists(inputs["state_dir"])


BAD_INPUTS = [
    ({"cluster_name": ""}, "platform_cluster_name", "is not 1 to 32"),
    ({"cluster_name": "lucky_plans"}, "platform_cluster_name", "is not 1 to 32"),
    ({"cluster_name": "Lucky"}, "platform_cluster_name", "is not 1 to 32"),
    ({"cluster_name": "-a"}, "platform_cluster_name", "is not 1 to 32"),
    ({"cluster_name": "a-"}, "platform_cluster_name", "is not 1 to 32"),
    ({"cluster_name": "a" * 33}, "platform_cluster_name", "is not 1 to 32"),
    ({"cluster_name": "a\n"}, "platform_cluster_name", "is not 1 to 32"),
    ({"cluster_name": "../../etc"}, "platform_cluster_name", "is not 1 to 32"),
    ({"http_port": 0}, "platform_http_port", "is not a port"),
    ({"http_port": -1}, "platform_http_port", "is not a port"),
    ({"http_port": 65536}, "platform_http_port", "is not a port"),
    ({"http_port": True}, "platform_http_port", "is not a port"),
    ({"https_port": 0}, "platform_https_port", "is not a port"),
    ({"api_port": 65536}, "platform_api_port", "is not a port"),
    ({"http_port": 20001, "https_port": 20001}, "platform_https_port", "is the port of platform_http_port too"),
    ({"http_port": 20001, "api_port": 20001}, "platform_api_port", "is the port of platform_http_port too"),
    ({"bind_address": ""}, "platform_bind_address", "is not an IP address"),
    ({"bind_address": "localhost"}, "platform_bind_address", "is not an IP address"),
    ({"bind_address": "300.1.1.1"}, "platform_bind_address", "is not an IP address"),
    ({"bind_address": "192.0.2.1"}, "platform_bind_address", "is not an address of this host"),
    ({"domain": ""}, "platform_domain", "is not a host name"),
    ({"domain": "https://example.org"}, "platform_domain", "is an address, not a name"),
    ({"domain": "example.org:80"}, "platform_domain", "is an address, not a name"),
    ({"domain": "Example.org"}, "platform_domain", "is not a host name"),
    ({"domain": "exa_mple.org"}, "platform_domain", "is not a host name"),
    ({"domain": "example..org"}, "platform_domain", "is not a host name"),
    ({"domain": "*.example.org"}, "platform_domain", "is not a host name"),
    ({"domain": "a" * 64 + ".org"}, "platform_domain", "is not a host name"),
    ({"domain": "203.0.113.9"}, "platform_domain", "is a number"),
    ({"domain": "localhost", "environment": "prod"}, "platform_domain", "is not reached from outside"),
    ({"deploy": "gitops"}, "platform_git_url", "is empty"),
    ({"deploy": "gitops", "git_url": "github.com/a/b"}, "platform_git_url", "is not the address of a git repository"),
    ({"deploy": "gitops", "git_url": "https://me:secret@git.example.org/a"}, "platform_git_url", "carries a login"),
    ({"deploy": "gitops", "git_url": "ftp://git.example.org/a"}, "platform_git_url", "is not the address"),
    ({"public_address": "example.org"}, "platform_public_address", "is not an IP address"),
    ({"tls": "letsencrypt"}, "platform_tls", "not a public name"),
    ({"tls": "letsencrypt_staging", "domain": "a.test"}, "platform_tls", "not a public name"),
    ({"tls": "letsencrypt", "domain": "example.org", "source": "packages"}, "platform_tls", "ACME client"),
    ({"tls": "acme", "domain": "a.org"}, "platform_acme_server", "is empty, and platform_tls is acme"),
    ({"tls": "acme", "domain": "a.org", "acme_server": "http://acme/dir"}, "platform_acme_server", "is not an https URL"),
    ({"tls": "acme", "domain": "a.org", "acme_server": "https://me:secret@acme/dir"}, "platform_acme_server", "carries a login"),
    ({"tls": "acme", "domain": "a.org", "acme_server": "https://127.0.0.1:1/dir"}, "platform_acme_server", "does not answer this host"),
    ({"tls": "acme", "acme_server": "https://127.0.0.1:1/dir"}, "platform_tls", "another machine to each"),
    ({"environment": "prod", "domain": "a.org", "source": "packages"}, "platform_source", "small stand-ins"),
    ({"upstream_mirror": "mirror.example.org"}, "platform_upstream_mirror", "is not an http"),
    ({"upstream_mirror": "https://me:secret@mirror"}, "platform_upstream_mirror", "carries a user or password"),
    ({"state_dir": "state"}, "platform_state_dir", "is not an absolute path"),
    ({"state_dir": ""}, "platform_state_dir", "is not an absolute path"),
    ({"state_dir": "/"}, "platform_state_dir", "would mix our files"),
    ({"state_dir": "~"}, "platform_state_dir", "would mix our files"),
    ({"state_dir": "/a:b"}, "platform_state_dir", "holds a colon"),
    ({"state_dir": "/etc/passwd/x"}, "platform_state_dir", "/etc/passwd is a file"),
    ({"cache_dir": "cache"}, "platform_cache_dir", "is not an absolute path"),
    ({"extra_ca_file": "/nowhere/ca.pem"}, "platform_extra_ca_file", "No such file"),
    ({"extra_ca_file": "/etc/hostname"}, "platform_extra_ca_file", "is not a list of PEM certificates"),
    ({"source_dir": ""}, "platform_source_dir", "is not an absolute path"),
    ({"source_dir": "app"}, "platform_source_dir", "is not an absolute path"),
    ({"source_dir": "/nowhere"}, "platform_source_dir", "is not a directory"),
    ({"source_dir": "/etc"}, "platform_source_dir", "holds no chart"),
    ({"source": "bundle"}, "platform_bundle_dir", "is empty, and the source is bundle"),
    ({"source": "bundle", "bundle_dir": "/nowhere"}, "platform_bundle_dir", "is not a directory"),
    ({"source": "packages", "cluster_engine": "k3d"}, "platform_cluster_engine", "cannot be had from"),
    ({"cluster_engine": "existing"}, "platform_kubeconfig", "is empty, and platform_cluster_engine is existing"),
    ({"cluster_engine": "existing", "kubeconfig": "/nowhere"}, "platform_kubeconfig", "cannot be read"),
]


@pytest.mark.parametrize(("change", "subject", "message"), BAD_INPUTS, ids=lambda value: str(value)[:60])
def test_bad_input_is_an_error_with_value_and_remedy(
    docker: FakeDocker, inputs: dict[str, Any], change: dict[str, Any], subject: str, message: str
) -> None:
    findings, _resolved = examine({**inputs, **change})
    hits = [item for item in findings if item.severity == lib.ERROR and item.subject == subject]
    assert [item for item in hits if message in item.message], errors(findings)
    assert all(item.value and item.remedy for item in hits)


WARNED = [
    ({"bind_address": "0.0.0.0"}, "platform_bind_address", "opens the platform to the network"),
    ({"environment": "prod", "domain": "a.org"}, "platform_bind_address", "is reached from this host only"),
    ({"environment": "prod", "domain": "a.org"}, "platform_tls", "plain http"),
    ({"kubeconfig": "/root/.kube/config"}, "platform_kubeconfig", "is not used"),
    ({"kubeconfig_context": "x"}, "platform_kubeconfig_context", "is not used"),
]


@pytest.mark.parametrize(("change", "subject", "message"), WARNED, ids=lambda value: str(value)[:60])
def test_doubtful_input_is_a_warning(
    docker: FakeDocker, inputs: dict[str, Any], change: dict[str, Any], subject: str, message: str
) -> None:
    findings, _resolved = examine({**inputs, **change})
    assert errors(findings) == []
    assert [
        i for i in findings if (i.severity, i.subject) == (lib.WARNING, subject) and message in i.message and i.remedy
    ]


def test_all_findings_come_together(docker: FakeDocker, inputs: dict[str, Any]) -> None:
    bad = {"cluster_name": "a_b", "domain": "A", "http_port": 0, "state_dir": "x", "source_dir": "/nowhere"}
    findings, _resolved = examine({**inputs, **bad}, variables=["platform_htp_port"], known=KNOWN)
    assert [subject for subject, _ in errors(findings)] == [
        "platform_htp_port",
        "platform_cluster_name",
        "platform_http_port",
        "platform_domain",
        "platform_state_dir",
        "platform_source_dir",
    ]


def test_password_of_a_mirror_is_not_shown(docker: FakeDocker, inputs: dict[str, Any]) -> None:
    findings, _resolved = examine({**inputs, "upstream_mirror": "https://me:canary@mirror/x"})
    assert "canary" not in lib.format_table(findings)
    assert "https://***@mirror/x" in lib.format_table(findings)


# --- Variables ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("platform_htp_port", "did you mean platform_http_port? Otherwise remove it"),
        ("traefik_value", "did you mean traefik_values? Otherwise remove it"),
        ("cluster_zzz", "remove it, or correct its name"),
    ],
)
def test_unknown_variable_names_the_nearest(name: str, remedy: str) -> None:
    (finding,) = lib.check_variables([name, "platform_domain"], KNOWN)
    assert (finding.severity, finding.subject, finding.remedy) == (lib.ERROR, name, remedy)


def test_environment_of_the_playbook() -> None:
    assert lib.check_environment("local", "local", "upstream") == []
    (finding,) = lib.check_environment("prod", "local", "upstream")
    assert (finding.subject, finding.value) == ("platform_environment", "prod")
    assert "for local" in finding.message


# --- Files ----------------------------------------------------------------------------------------------------------


def test_unwritable_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(tmp_path))
    (finding,) = lib.check_directory("platform_state_dir", str(tmp_path / "a" / "b"))
    assert f"cannot be written: {tmp_path}" in finding.message


def test_chart_of_another_name_is_taken_when_it_is_the_only_one(app: Path) -> None:
    charts = app / "infrastructure" / "helm"
    (charts / "luckyplans").rename(charts / "other")
    assert lib.check_source_dir(str(app)) == (os.path.realpath(charts / "other"), [])
    shutil.copytree(charts / "other", charts / "third")
    _chart, findings = lib.check_source_dir(str(app))
    assert [item.message for item in findings] == ["holds several charts and none is named luckyplans: other, third"]
    shutil.copytree(charts / "other", charts / "luckyplans")
    assert lib.check_source_dir(str(app)) == (os.path.realpath(charts / "luckyplans"), [])


def test_source_without_dockerfile(app: Path) -> None:
    (app / "apps" / "web" / "Dockerfile").unlink()
    _chart, findings = lib.check_source_dir(str(app))
    assert [item.message for item in findings] == ["holds nothing to build: no apps/<name>/Dockerfile"]


def test_gitops_needs_no_checkout(docker: FakeDocker, inputs: dict[str, Any]) -> None:
    findings, _resolved = examine({**inputs, "source_dir": "/nowhere", "deploy": "gitops", "git_url": "https://git.example.org/a.git"})
    assert errors(findings) == []


def test_a_certificate_of_lets_encrypt_is_proven_on_port_80() -> None:
    findings = lib.check_tls("letsencrypt", "a.org", "local", 8080, "upstream")
    assert "is proven on port 80" in [item for item in findings if item.severity == lib.WARNING][0].message


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate of localhost, and its key."""
    directory = tmp_path_factory.mktemp("certificate")
    cert, key = directory / "ca.pem", directory / "key.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-out", str(cert), "-keyout", str(key)], check=True, capture_output=True)
    return cert, key


def test_ca_file(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    assert lib.check_ca_file("") == []
    assert lib.check_ca_file(str(cert)) == []
    both = tmp_path / "both.pem"
    both.write_text(cert.read_text() + key.read_text())
    (finding,) = lib.check_ca_file(str(both))
    assert "holds a private key" in finding.message
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (finding,) = lib.check_ca_file(str(broken))
    assert "is not a list of PEM" in finding.message


# --- Disk, memory, machine ------------------------------------------------------------------------------------------


def test_disk_is_named_once_a_file_system(tmp_path: Path) -> None:
    paths = {"platform_state_dir": str(tmp_path / "new"), "platform_cache_dir": str(tmp_path / "new" / "cache")}
    assert lib.check_disk(paths, 0, False) == []
    (finding,) = lib.check_disk(paths, 1e9, False)
    assert finding.value == str(tmp_path)
    assert "1e+09 are needed for platform_state_dir" in finding.message
    assert "preflight_min_free_gib" in finding.remedy


def test_a_cluster_that_was_made_needs_less_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = SimpleNamespace(f_bavail=5 * 2**20, f_frsize=1024)
    monkeypatch.setattr(lib.os, "statvfs", lambda path: free)
    paths = {"Docker": str(tmp_path)}
    (new,) = lib.check_disk(paths, 10, False)
    (made,) = lib.check_disk(paths, 10, True)
    assert (new.severity, made.severity) == ("error", "warning")
    assert new.message == "has 5.0 GiB free, and 10 are needed for Docker"
    assert made.message == "has 5.0 GiB free, and a new cluster would need 10 for Docker"
    (full,) = lib.check_disk(paths, 30, True)
    assert (full.severity, full.message) == ("error", "has 5.0 GiB free, and 6 are needed for Docker")


def test_disk_of_docker_is_looked_at(docker: FakeDocker, inputs: dict[str, Any]) -> None:
    docker.running(root="/proc/nowhere")
    findings, _resolved = examine(inputs, min_free_gib=0.001)
    assert [item.message.split("for ")[1] for item in findings if item.subject == "disk"] == ["Docker"]


def test_memory(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:        2097152 kB\nMemAvailable:    1048576 kB\n")
    assert lib.look_memory(str(meminfo)) == (2.0, 1.0)
    meminfo.write_text("MemTotal:        2097152 kB\n")
    assert lib.look_memory(str(meminfo)) == (2.0, None)
    assert lib.look_memory(str(tmp_path / "none")) == (None, None)
    assert lib.check_memory(None, None, False) == []
    assert lib.check_memory(4.0, 2.0, False) == []
    assert lib.check_memory(1.0, 0.5, True) == [], "what runs fits"
    (finding,) = lib.check_memory(4.0, 1.0, False)
    assert (finding.severity, finding.value) == (lib.WARNING, "1.0 GiB")
    (finding,) = lib.check_memory(1.4, 1.3, False)
    assert (finding.severity, finding.subject, finding.value) == (lib.ERROR, "memory", "1.4 GiB")
    assert "needs 1.5 GiB" in finding.message


def test_a_host_without_enough_memory_is_refused(
    docker: FakeDocker, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lib, "look_memory", lambda: (0.9, 0.7))
    findings, _resolved = examine(inputs)
    assert [item.value for item in findings if item.severity == lib.ERROR] == ["0.9 GiB"]


NOON = 1767268800.0


@pytest.mark.parametrize(
    ("controller", "text"),
    [
        (0, None),
        (NOON, None),
        (NOON + 300, None),
        (NOON + 301, "5 minutes behind"),
        (NOON + 86399.5, "1 day behind"),
        (NOON - 86400 * 2, "2 days ahead of"),
        (NOON - 7200, "2 hours ahead of"),
    ],
)
def test_clock(controller: float, text: str | None) -> None:
    findings = lib.check_clock(NOON, controller)
    assert [(item.severity, item.subject, item.value) for item in findings] == (
        [(lib.ERROR, "clock", "2026-01-01 12:00 UTC")] if text else []
    )
    assert all(text in item.message and "timedatectl" in item.remedy for item in findings)


def test_clock_is_compared_when_the_module_starts(docker: FakeDocker, inputs: dict[str, Any]) -> None:
    assert errors(examine(inputs, controller_time=time.time())[0]) == []
    ((subject, message),) = errors(examine(inputs, controller_time=time.time() - 86400)[0])
    assert subject == "clock"
    assert "1 day ahead" in message


def test_python_packages() -> None:
    assert lib.look_python_packages() == [], "the tests have what the modules need"
    assert lib.check_python_packages([], "/usr/bin/python3", False) == ([], [])
    packages, (finding,) = lib.check_python_packages(["kubernetes", "yaml"], "/usr/bin/python3", True)
    assert packages == ["python3-kubernetes", "python3-yaml"]
    assert (finding.severity, finding.subject, finding.value) == (lib.INFO, "python", "/usr/bin/python3")
    packages, (finding,) = lib.check_python_packages(["kubernetes", "yaml"], "/usr/bin/python3", False)
    assert (packages, finding.severity) == ([], lib.ERROR)
    assert "apt-get install python3-kubernetes python3-yaml, or" in finding.remedy


@pytest.mark.parametrize("system", [True, False])
def test_apt_is_asked_for_the_python_of_the_system_only(
    docker: FakeDocker, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch, system: bool
) -> None:
    monkeypatch.setattr(lib.importlib.util, "find_spec", lambda name: None if name == "requests" else name)
    monkeypatch.setattr(lib.os, "geteuid", lambda: 0)
    monkeypatch.setattr(lib, "look_os_release", lambda: True)
    monkeypatch.setattr(lib.sys, "prefix", "/usr" if system else "/root/.venv")
    findings, resolved = examine(inputs)
    assert resolved["python_packages"] == (["python3-requests"] if system else [])
    assert [subject for subject, _message in errors(findings)] == ([] if system else ["python"])


def test_placeholders_are_named(docker: FakeDocker, inputs: dict[str, Any]) -> None:
    findings, _resolved = examine(inputs, placeholders=["luckyplans_b", "luckyplans_a"])
    assert [item.subject for item in findings if item.severity == lib.ERROR] == ["luckyplans_a", "luckyplans_b"]
    assert {item.value for item in findings if item.severity == lib.ERROR} == {"(placeholder)"}


def test_machine() -> None:
    assert lib.check_arch("aarch64") == []
    assert lib.check_arch("riscv64")[0].value == "riscv64"


@pytest.mark.parametrize(
    ("text", "debian"),
    [
        ("ID=debian\n", True),
        ('ID="ubuntu"\nID_LIKE=debian\n', True),
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\n", True),
        ("ID=fedora\nVERSION_ID=debian\n", False),
    ],
)
def test_distribution(tmp_path: Path, text: str, debian: bool) -> None:
    (tmp_path / "os-release").write_text(text)
    assert lib.look_os_release(str(tmp_path / "os-release")) is debian
    assert lib.look_os_release(str(tmp_path / "none")) is False


def test_tools_are_links_and_where_they_lead(tmp_path: Path) -> None:
    (tmp_path / "kind").symlink_to("/cache/kind-1/kind")
    (tmp_path / "mine").write_text("")
    assert lib.look_tools(str(tmp_path)) == {"kind": "/cache/kind-1/kind"}
    assert lib.look_tools(str(tmp_path / "none")) == {}


# --- Docker ---------------------------------------------------------------------------------------------------------


def test_docker_states(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    docker.running(root="/srv/docker", security='["name=seccomp", "name=rootless"]')
    assert lib.look_docker() == lib.Docker("running", root="/srv/docker", rootless=True, buildx=True)
    docker.failing("permission denied while trying to connect to the Docker daemon socket")
    assert lib.look_docker().state == "denied"
    docker.failing("Cannot connect to the Docker daemon")
    assert lib.look_docker().state == "absent"
    docker.add_tool("dockerd")
    assert lib.look_docker().state == "stopped"
    monkeypatch.setenv("DOCKER_HOST", "tcp://203.0.113.9:2375")
    assert lib.look_docker() == lib.Docker("stopped", remote="tcp://203.0.113.9:2375")
    docker.missing()
    assert lib.look_docker().state == "absent"
    docker.hanging()
    monkeypatch.setattr(lib, "run", lambda argv: (None, "", "timed out"))
    assert lib.look_docker().state == "silent"


def test_run_ends_what_hangs(docker: FakeDocker) -> None:
    docker.hanging()
    started = time.monotonic()
    assert lib.run(["docker", "info"], seconds=0.2)[0] is None
    assert time.monotonic() - started < 5
    assert lib.run(["/nowhere/docker"])[0] is None


@pytest.mark.parametrize(
    ("docker_state", "manage", "root", "debian", "action", "severity", "text"),
    [
        (lib.Docker("running"), False, False, False, "none", None, ""),
        (lib.Docker("absent"), True, True, True, "install", lib.INFO, "will install"),
        (lib.Docker("stopped"), True, True, True, "start", lib.INFO, "will start"),
        (lib.Docker("absent"), False, True, True, "none", lib.ERROR, "platform_manage_docker is false"),
        (lib.Docker("stopped"), True, False, True, "none", lib.ERROR, "not root"),
        (lib.Docker("absent"), True, True, False, "none", lib.ERROR, "neither Debian nor Ubuntu"),
        (lib.Docker("denied"), True, True, True, "none", lib.ERROR, "may not talk to it"),
        (lib.Docker("silent"), True, True, True, "none", lib.ERROR, "did not answer"),
        (lib.Docker("stopped", remote="tcp://h:1"), True, True, True, "none", lib.ERROR, "DOCKER_HOST tcp://h:1"),
    ],
)
def test_docker_decision(
    docker_state: lib.Docker, manage: bool, root: bool, debian: bool, action: str, severity: str | None, text: str
) -> None:
    answer, findings = lib.check_docker(docker_state, manage, root, debian)
    assert answer == action
    assert [item.severity for item in findings] == ([severity] if severity else [])
    assert all(text in item.message for item in findings)


def test_docker_needs_root_and_nothing_else() -> None:
    (finding,) = lib.check_docker(lib.Docker("absent"), True, False, True)[1]
    assert finding.remedy.startswith("give the host ansible_become: true")
    (finding,) = lib.check_docker(lib.Docker("absent"), True, False, False)[1]
    assert "ansible_become" not in finding.remedy, "root would not be enough"


def test_existing_cluster_with_gitops_needs_no_docker(
    docker: FakeDocker, inputs: dict[str, Any], tmp_path: Path
) -> None:
    docker.missing()
    config = tmp_path / "config"
    config.write_text("apiVersion: v1\ncurrent-context: staging\n")
    place = {"kubeconfig": str(config), "kubeconfig_context": "staging"}
    change = {"cluster_engine": "existing", **place, "deploy": "gitops", "git_url": "git@example.org:a", "manage_docker": False}
    findings, resolved = examine({**inputs, **change})
    assert findings == []
    assert (resolved["engine"], resolved["context"]) == ("existing", "staging")
    assert resolved["kubeconfig"] == os.path.realpath(config)


def test_rootless_docker_and_low_ports(tmp_path: Path) -> None:
    rootless = lib.Docker("running", rootless=True)
    ports = {"platform_http_port": 80, "platform_https_port": 8443}
    assert [item.subject for item in lib.check_rootless(rootless, ports, 1024)] == ["platform_http_port"]
    assert lib.check_rootless(rootless, ports, 80) == []
    assert lib.check_rootless(lib.Docker("running"), ports, 1024) == []
    (tmp_path / "start").write_text("0\n")
    assert lib.look_first_free_port(str(tmp_path / "start")) == 0
    assert lib.look_first_free_port(str(tmp_path / "none")) == 1024


# --- Ports ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "held", "collide"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "192.0.2.1", True),
        ("127.0.0.1", "::", True),
        ("127.0.0.1", "::1", False),
        ("0.0.0.0", "::1", False),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("::1", "0.0.0.0", False),
        ("127.0.0.1", "", True),
        ("127.0.0.1", "what", True),
    ],
)
def test_overlaps(wanted: str, held: str, collide: bool) -> None:
    assert lib.overlaps(wanted, held) is collide


@pytest.mark.skipif(sys.byteorder != "little", reason="recorded on a little-endian machine")
def test_listeners_are_read_from_the_kernel_tables() -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    tcp = head + (
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100\n"
        "   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 100\n"
    )
    tcp6 = head + (
        "   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A "
        "00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0\n"
    )
    assert lib.parse_listeners(tcp) == [lib.Listener("127.0.0.1", 8080, 1000, "4711")]
    assert lib.parse_listeners(tcp6) == [lib.Listener("::1", 80, 0, "4713")]


def test_host_without_proc(tmp_path: Path) -> None:
    assert lib.look_listeners(str(tmp_path)) is None
    listener = lib.Listener("127.0.0.1", 80, 33, "1")
    assert lib.look_holder(listener, str(tmp_path / "none")) == "a process of the user with id 33"
    (tmp_path / "12").mkdir()
    assert lib.look_holder(listener, str(tmp_path)) == "a process of the user with id 33"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ports = {"platform_http_port": port}
        (finding,) = lib.check_port_holders(ports, "127.0.0.1", [], None, lib.look_holder, lib.can_bind)
        assert "cannot be seen" in finding.message
    assert lib.check_port_holders(ports, "127.0.0.1", [], None, lib.look_holder, lib.can_bind) == []


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="needs Linux")
def test_port_of_another_process_is_named(docker: FakeDocker, inputs: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", inputs["https_port"])):
        findings, _resolved = examine(inputs)
    (finding,) = [item for item in findings if item.severity == lib.ERROR]
    assert (finding.subject, finding.value) == ("platform_https_port", str(inputs["https_port"]))
    assert f"on 127.0.0.1 is held by process {os.getpid()} (" in finding.message


def test_port_of_another_container_is_named(docker: FakeDocker, inputs: dict[str, Any]) -> None:
    docker.containers([container("somebody", inputs["http_port"], "0.0.0.0")])
    findings, _resolved = examine(inputs)
    assert errors(findings) == [("platform_http_port", "on 127.0.0.1 is held by the container somebody")]


@pytest.mark.parametrize("label", ["io__x-k8s__kind__cluster", "k3d__cluster"])
def test_ports_of_our_own_running_cluster_are_fine(docker: FakeDocker, inputs: dict[str, Any], label: str) -> None:
    docker.containers([container("node", inputs["http_port"], **{label: "luckyplans"})])
    with socket.create_server(("127.0.0.1", inputs["http_port"])):
        findings, _resolved = examine(inputs)
    assert errors(findings) == []


def test_ports_of_a_cluster_with_another_name_are_not(docker: FakeDocker, inputs: dict[str, Any]) -> None:
    docker.containers([container("node", inputs["http_port"], k3d__cluster="luckyplans2")])
    findings, _resolved = examine(inputs)
    assert errors(findings) == [("platform_http_port", "on 127.0.0.1 is held by the container node")]


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="needs Linux")
def test_port_taken_while_our_cluster_is_stopped(docker: FakeDocker, inputs: dict[str, Any]) -> None:
    # `docker ps` lists no stopped containers, and those publish nothing
    cluster_dir = Path(inputs["state_dir"]) / "clusters" / "luckyplans"
    cluster_dir.mkdir(parents=True)
    (cluster_dir / "record.json").write_text('{"engine": "kind", "source": "upstream"}')
    with socket.create_server(("127.0.0.1", inputs["http_port"])):
        findings, _resolved = examine(inputs)
    assert [subject for subject, _ in errors(findings)] == ["platform_http_port"]


def test_ports_are_not_looked_at_for_an_existing_cluster(
    docker: FakeDocker, inputs: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("current-context: a\n")
    place = {"kubeconfig": str(tmp_path / "config"), "kubeconfig_context": "a"}
    change = {"cluster_engine": "existing", **place, "registry": "localhost:5000/team"}
    with socket.create_server(("127.0.0.1", inputs["http_port"])):
        findings, _resolved = examine({**inputs, **change})
    assert errors(findings) == []


def test_command_line_is_cut(tmp_path: Path) -> None:
    process = tmp_path / "7"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "3").symlink_to("socket:[99]")
    (process / "cmdline").write_bytes(b"/usr/bin/server\0--listen\0:80\0--password\0canary\0")
    text = lib.look_holder(lib.Listener("0.0.0.0", 80, 0, "99"), str(tmp_path))
    assert text == "process 7 (/usr/bin/server --listen :80)"


# --- Source ---------------------------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.do_HEAD()

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        self.send_response(503 if "bad" in self.path else 200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    Handler.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.mark.parametrize(("path", "reached", "answer"), [("", True, "answered 200"), ("/bad", False, "answered 503")])
def test_probe(server: http.server.ThreadingHTTPServer, path: str, reached: bool, answer: str) -> None:
    mirror = f"http://127.0.0.1:{server.server_port}{path}"
    assert lib.Probe(lib.release_address(mirror + "/"), "", seconds=30).result() == (reached, f"{mirror}/github.com/ {answer}")
    assert Handler.asked == [f"{path}/github.com/"]


def test_probe_of_a_server_that_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reached, reason = lib.Probe(f"http://127.0.0.1:{silent.getsockname()[1]}", "", seconds=0.2).result()
    assert not reached
    assert "answer within 0.2 s" in reason or "no answer in time" in reason


def test_probe_waits_no_longer_for_a_name_than_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    tested = threading.Event()

    def search(*_args: Any, **_kwargs: Any) -> None:
        tested.wait(20)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", search)
    started = time.monotonic()
    reached, reason = lib.Probe("http://slow.invalid", "", seconds=0.2).result()
    assert time.monotonic() - started < 5
    tested.set()
    assert (reached, reason) == (False, "http://slow.invalid did not answer within 0.2 s")


def test_probe_of_a_name_that_is_not_there() -> None:
    reached, reason = lib.Probe("http://nowhere.invalid", "", seconds=5).result()
    assert not reached
    assert "http://nowhere.invalid" in reason


def test_without_a_mirror_the_release_address_is_upstreams_own() -> None:
    assert lib.release_address("") == lib.UPSTREAM


def test_probe_trusts_the_extra_ca(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.socket = context.wrap_socket(running.socket, server_side=True)
        threading.Thread(target=running.serve_forever, daemon=True).start()
        mirror = f"https://localhost:{running.server_port}"
        reached, reason = lib.Probe(mirror, str(cert)).result()
        assert reached, reason
        reached, reason = lib.Probe(mirror, "").result()
        assert (reached, "platform_extra_ca_file" in reason) == (False, True)
        running.shutdown()


YES, NO = (True, "x answered 200"), (False, "x was not reached")
RECORD = {"engine": "k3d", "source": "bundle"}


@pytest.mark.parametrize(
    ("asked", "bundle", "record", "answer", "source", "reason"),
    [
        ("auto", "", {}, YES, "upstream", "x answered 200"),
        ("auto", "/", {}, YES, "upstream", "x answered 200"),
        ("auto", "/", {}, NO, "bundle", "x was not reached, and platform_bundle_dir is given"),
        ("auto", "", {}, NO, "packages", "x was not reached, and platform_bundle_dir is empty"),
        ("auto", "/", RECORD, YES, "bundle", "the cluster was made with it"),
        ("packages", "", RECORD, YES, "packages", "platform_source is packages"),
    ],
)
def test_choice_of_source(asked: str, bundle: str, record: dict, answer: tuple, source: str, reason: str) -> None:
    chosen, why, findings = lib.choose_source(asked, bundle, "", record, lambda: answer)
    assert (chosen, why) == (source, reason)
    assert [item.severity for item in findings] == ([lib.INFO] if asked == "auto" else [])


def test_a_mirror_that_kept_auto_from_upstream_is_worth_a_warning() -> None:
    _source, _reason, findings = lib.choose_source("auto", "", "https://mirror", {}, lambda: NO)
    assert [item.severity for item in findings] == [lib.INFO, lib.WARNING]


def test_auto_asks_the_mirror_and_keeps_to_the_record(
    docker: FakeDocker, inputs: dict[str, Any], server: http.server.ThreadingHTTPServer
) -> None:
    auto = {**inputs, "source": "auto", "upstream_mirror": f"http://127.0.0.1:{server.server_port}"}
    _findings, resolved = examine(auto)
    assert (resolved["source"], resolved["engine"]) == ("upstream", "k3d")
    assert Handler.asked == ["/github.com/"]
    cluster_dir = Path(resolved["cluster_dir"])
    cluster_dir.mkdir(parents=True)
    record = {"engine": "kind", "source": "packages", "uid": "u", "node_image": "i"}
    (cluster_dir / "record.json").write_text(json.dumps(record))
    docker.add_tool("go")
    _findings, resolved = examine(auto)
    assert (resolved["source"], resolved["engine"], resolved["context"]) == ("packages", "kind", "kind-luckyplans")
    assert resolved["record"] == record
    assert Handler.asked == ["/github.com/"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"engine": "minikube", "source": "upstream"}', '{"engine": "kind"}'])
def test_unreadable_record_is_an_error_and_not_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.json"
    assert lib.read_record(str(path)) == ({}, [])
    path.write_text(text)
    record, (finding,) = lib.read_record(str(path))
    assert (record, finding.severity, finding.value) == ({}, lib.ERROR, str(path))


def test_packages_need_go_root_and_debian_until_the_cache_is_filled(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    messages = [item.message for item in lib.check_packages(str(cache), False, False, None)]
    assert [word for word, message in zip(("Debian", "root", "Go"), messages) if word in message] == [
        "Debian",
        "root",
        "Go",
    ]
    assert lib.check_packages(str(cache), True, True, "/usr/local/go/bin/go") == []
    cache.mkdir()
    assert len(lib.check_packages(str(cache), False, False, None)) == 3
    (cache / "logs").mkdir()
    assert len(lib.check_packages(str(cache), False, False, None)) == 3
    (cache / "packages" / "kubernetes-1.36").mkdir(parents=True)
    assert lib.check_packages(str(cache), False, False, None) == []


# --- Engine ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "source", "record", "has_k3d", "engine", "error"),
    [
        ("auto", "packages", {}, False, "kind", ""),
        ("auto", "packages", {}, True, "kind", ""),
        ("auto", "upstream", {}, False, "k3d", ""),
        ("auto", "bundle", {}, False, "k3d", ""),
        ("auto", "packages", RECORD, False, "k3d", ""),
        ("kind", "upstream", {}, False, "kind", ""),
        ("k3d", "packages", {}, True, "k3d", ""),
        ("k3d", "packages", {}, False, "k3d", "cannot be had from the source packages"),
        ("kind", "upstream", RECORD, False, "kind", "is not the engine of the cluster that exists, k3d"),
        ("k3d", "bundle", RECORD, False, "k3d", ""),
    ],
)
def test_choice_of_engine(asked: str, source: str, record: dict, has_k3d: bool, engine: str, error: str) -> None:
    chosen, _reason, findings = lib.choose_engine(asked, source, record, "/r.json", has_k3d)
    assert chosen == engine
    messages = [item.message for item in findings if item.severity == lib.ERROR]
    assert len(messages) == bool(error)
    assert all(error in message for message in messages)


@pytest.mark.parametrize(
    ("asked", "engine", "error"),
    [
        ("auto", "kind", ""),
        ("kind", "kind", ""),
        ("existing", "existing", ""),
        ("k3d", "k3d", "is not the engine that the bundle was made for, kind"),
    ],
)
def test_a_bundle_brings_its_engine(asked: str, engine: str, error: str) -> None:
    chosen, reason, findings = lib.choose_engine(asked, "bundle", {}, "/r.json", True, {"engine": "kind"})
    assert chosen == engine
    assert asked != "auto" or reason == "bundle gives kind"
    assert [item.message for item in findings if item.severity == lib.ERROR] == ([error] if error else [])


def bundle(folder: Path, **changes: Any) -> str:
    """The manifest of a bundle; nothing else of it is looked at here."""
    package = {"kind": "package", "name": "docker.io_1_amd64.deb", "version": "1", "arch": "amd64", "sha256": "0a" * 32, "size": 1, "use": "trixie"}
    content = {
        "format": 1, "made": "", "version": "0.1.0", "lock": "", "index": "", "artifacts": [package], "blobs": {"0a" * 32: 1},
        "settings": {"amd64": {"engine": "kind", "made_from": "packages"}}, **changes,
    }
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(content))
    return str(folder)


@pytest.mark.parametrize(
    ("changes", "message", "remedy"),
    [
        ({"format": 2}, "has format 2", "take version 0.1.0 or newer"),
        ({"blobs": {}}, "is not the manifest of a bundle", "carry the bundle here again"),
        ({"settings": {"arm64": {}}}, "is for arm64, and this machine is amd64", "run playbooks/bundle.yml"),
    ],
)
def test_a_bundle_that_cannot_be_used_is_told_before_anything_is_done(
    docker: FakeDocker, inputs: dict[str, Any], tmp_path: Path, changes: dict, message: str, remedy: str
) -> None:
    path = bundle(tmp_path / "bundle", **changes)
    findings, _resolved = examine({**inputs, "source": "bundle", "bundle_dir": path})
    (finding,) = [item for item in findings if item.subject == "platform_bundle_dir"]
    assert finding.severity == lib.ERROR
    assert message in finding.message
    assert remedy in finding.remedy


def test_a_bundle_is_looked_at_here_or_where_it_is_sent_from(docker: FakeDocker, inputs: dict[str, Any], tmp_path: Path) -> None:
    path = bundle(tmp_path / "bundle")
    findings, resolved = examine({**inputs, "source": "bundle", "bundle_dir": path})
    assert [item for item in findings if item.severity == lib.ERROR] == []
    assert (resolved["engine"], resolved["engine_reason"]) == ("kind", "bundle gives kind")
    text = Path(path, "manifest.json").read_text()
    findings, resolved = examine({**inputs, "source": "bundle", "bundle_dir": "/srv/not-yet"}, bundle_manifest=text)
    assert [item for item in findings if item.severity == lib.ERROR] == []
    assert (resolved["engine"], resolved["bundle_dir"]) == ("kind", "/srv/not-yet")
    unsigned = {**inputs, "source": "bundle", "bundle_dir": path, "bundle_public_key": str(tmp_path / "none.pub")}
    assert "none.pub cannot be read" in next(item for item in examine(unsigned)[0] if item.severity == lib.ERROR).message
    prod = {**inputs, "source": "bundle", "bundle_dir": path, "environment": "prod", "domain": "example.org"}
    assert any("was made from packages" in item.message for item in examine(prod)[0] if item.severity == lib.WARNING)


def test_docker_is_installed_only_from_packages_that_the_bundle_has() -> None:
    absent = lib.Docker("absent")
    assert lib.check_docker(absent, True, True, True)[0] == "install"
    action, (finding,) = lib.check_docker(absent, True, True, True, "the bundle holds no packages of Docker for bookworm")
    assert (action, finding.severity) == ("none", lib.ERROR)
    assert finding.message.endswith("the bundle holds no packages of Docker for bookworm")
    assert lib.check_docker(lib.Docker("stopped"), True, True, True, "the bundle holds none")[0] == "start"


def test_collecting_artifacts_needs_no_ports_and_no_bundle(docker: FakeDocker, inputs: dict[str, Any], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = {**inputs, "http_port": taken.getsockname()[1]}
        assert any(item.subject == "platform_http_port" for item in examine(busy)[0])
        assert not any(item.subject == "platform_http_port" for item in examine(busy, cluster=False)[0])
    findings, _resolved = examine({**inputs, "source": "bundle", "bundle_dir": bundle(tmp_path / "b")}, cluster=False)
    (finding,) = [item for item in findings if item.severity == lib.ERROR]
    assert finding.message == "is what is to be made here, and cannot be what it is made from"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("current-context: staging\n", "its current one is staging"),
        ('current-context: "staging"\n', "its current one is staging"),
        ('{"kind": "Config",\n "current-context": "staging", "users": []}', "its current one is staging"),
        ('current-context: ""\n', "has to be said"),
        ("kind: Config\n", "has to be said"),
    ],
)
def test_context_of_an_existing_cluster_has_to_be_named(tmp_path: Path, text: str, hint: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    _kubeconfig, chosen, findings = lib.choose_context("existing", "a", str(path), "", "/own")
    assert chosen == ""
    assert [(item.subject, item.severity) for item in findings] == [("platform_kubeconfig_context", lib.ERROR)]
    assert findings[0].message.endswith(hint)
    assert lib.choose_context("existing", "a", str(path), "other", "/own") == (os.path.realpath(path), "other", [])


OURS, OTHERS, NEAR = "198.41.0.4", "199.9.14.201", "127.0.1.1"


@pytest.mark.parametrize(
    ("addresses", "public", "findings"),
    [
        ([OURS], "", []),
        ([OTHERS], OTHERS, []),
        ([], "", [("error", "platform_domain", "does not resolve")]),
        ([], OTHERS, [("error", "platform_domain", "does not resolve")]),
        ([OTHERS], "", [("error", "platform_domain", f"resolves to {OTHERS}, which this host does not have (it sends from 10.0.0.5)")]),
        # Let's Encrypt may take any of them, and prefers IPv6
        ([OURS, "2001:500:200::b"], "", [("error", "platform_domain", "resolves to 2001:500:200::b")]),
        # who names the public address means that one, even where this host has another
        ([OURS], OTHERS, [("error", "platform_public_address", f"example.org resolves to {OURS}")]),
        # Debian writes the host's own name into /etc/hosts
        ([NEAR], "", [("warning", "platform_domain", f"resolves here to {NEAR}")]),
        ([NEAR], OTHERS, [("warning", "platform_domain", f"resolves here to {NEAR}")]),
    ],
)
def test_where_lets_encrypt_finds_the_platform(addresses: list[str], public: str, findings: list[tuple[str, str, str]]) -> None:
    found = lib.check_reached("example.org", addresses, public, lambda address: address == OURS, "10.0.0.5")
    assert [(item.severity, item.subject) for item in found] == [(severity, subject) for severity, subject, _ in findings]
    assert all(part in item.message and item.remedy for item, (_, _, part) in zip(found, findings))


@pytest.mark.parametrize(
    ("bind", "engine", "source", "severity"),
    [
        ("0.0.0.0", "kind", "upstream", None),
        ("127.0.0.1", "k3d", "bundle", "warning"),
        ("127.0.0.1", "existing", "upstream", None),
        ("127.0.0.1", "existing", "bundle", "error"),
    ],
)
def test_port_80_as_far_as_it_is_seen_from_inside(bind: str, engine: str, source: str, severity: str | None) -> None:
    assert [item.severity for item in lib.check_port_80(bind, engine, source)] == ([severity] if severity else [])


def test_name_that_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(None, None, None, "", (address, 80)) for address in (OTHERS, OURS, OTHERS)]
    monkeypatch.setattr(lib.socket, "getaddrinfo", lambda *_args, **_more: answers)
    assert lib.look_addresses("example.org") == [OURS, OTHERS]


def test_name_that_does_not_resolve_or_not_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_args: Any, **_more: Any) -> None:
        raise lib.socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(lib.socket, "getaddrinfo", fails)
    assert lib.look_addresses("example.org") == []
    monkeypatch.setattr(lib.socket, "getaddrinfo", lambda *_args, **_more: lib.time.sleep(2) or [])
    assert lib.look_addresses("example.org", 0.05) == []


def test_domain_is_looked_up_for_lets_encrypt_alone(docker: FakeDocker, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(lib, "look_addresses", lambda name: asked.append(name) or [])
    examine({**inputs, "domain": "example.org"})
    assert asked == []
    findings, _resolved = examine({**inputs, "domain": "example.org", "tls": "letsencrypt_staging", "source": "upstream"})
    assert asked == ["example.org"]
    assert [subject for subject, _ in errors(findings)] == ["platform_domain"]


def test_an_acme_server_of_ones_own(
    docker: FakeDocker, inputs: dict[str, Any], certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(lib, "look_addresses", lambda _name: [NEAR])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    Handler.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.socket = context.wrap_socket(running.socket, server_side=True)
        threading.Thread(target=running.serve_forever, daemon=True).start()
        change = {"tls": "acme", "domain": "plans.lan", "acme_server": f"https://localhost:{running.server_port}/directory", "http_port": 80}
        findings, resolved = examine({**inputs, **change, "extra_ca_file": str(cert)})
        assert [item for item in findings if item.severity == lib.ERROR and item.subject != "platform_http_port"] == []
        assert Handler.asked == ["/directory"]
        assert (resolved["acme_authority"], resolved["url"]) == (cert.read_text(), f"https://plans.lan:{inputs['https_port']}")
        # a private address is where such a server looks, and loopback is not
        assert {item.subject for item in findings if item.severity == lib.WARNING} == {"platform_bind_address"}
        findings, resolved = examine({**inputs, **change})
        running.shutdown()
    assert "platform_acme_server" in {subject for subject, _ in errors(findings)}
    assert resolved["acme_authority"] == ""
    # none of this is asked where another source was chosen
    assert examine({**inputs, "extra_ca_file": str(cert)})[1]["acme_authority"] == ""


def test_an_acme_server_that_is_away_stops_only_what_needs_it() -> None:
    assert lib.check_acme_answer("https://a", True, "", True) == []
    assert [item.severity for item in lib.check_acme_answer("https://a", False, "no answer", True)] == [lib.ERROR]
    assert [item.severity for item in lib.check_acme_answer("https://a", False, "no answer", False)] == [lib.WARNING]
    assert [(item.severity, item.subject) for item in lib.check_acme_server("https://a", "none")] == [(lib.WARNING, "platform_acme_server")]


def test_a_chart_of_ones_own_need_not_come_from_the_source() -> None:
    given = ["cert-manager"]
    assert [item.severity for item in lib.check_tls("acme", "a.lan", "local", 80, "packages")] == [lib.ERROR]
    assert lib.check_tls("acme", "a.lan", "local", 80, "packages", given) == []
    assert [item.value for item in lib.check_port_80("127.0.0.1", "existing", "bundle", "acme")] == ["acme"]
    assert lib.check_port_80("127.0.0.1", "existing", "bundle", "acme", given) == []


@pytest.mark.parametrize(
    ("deploy", "is_argocds", "break_glass", "refused"),
    [
        ("helm", False, "", []),
        ("helm", True, "", ["platform_deploy"]),
        ("helm", True, "mine", ["platform_deploy", "luckyplans_break_glass"]),
        ("helm", False, "mine", ["luckyplans_break_glass"]),
        ("gitops", True, "", []),
        ("gitops", False, "", []),
        ("gitops", True, "mine", []),
        ("gitops", True, "another", ["luckyplans_break_glass"]),
    ],
)
def test_helm_is_kept_away_from_what_argo_cd_brings(deploy: str, is_argocds: bool, break_glass: str, refused: list[str]) -> None:
    findings = lib.check_deploy(deploy, is_argocds, "mine", break_glass)
    assert [item.subject for item in findings] == refused
    assert all(item.severity == lib.ERROR and item.remedy for item in findings)


@pytest.mark.parametrize(
    ("deploy", "url", "engine", "source", "severity"),
    [
        ("helm", "", "kind", "packages", None),
        ("helm", "https://git.example.org/a", "kind", "packages", "warning"),
        ("gitops", "https://git.example.org/team/a.git", "k3d", "upstream", None),
        ("gitops", "ssh://git@git.example.org:2222/a.git", "k3d", "upstream", None),
        ("gitops", "git@git.example.org:team/a.git", "k3d", "upstream", None),
        ("gitops", "http://git.example.org/a.git", "k3d", "upstream", "warning"),
        ("gitops", "https://git.example.org/a.git", "existing", "upstream", None),
        ("gitops", "https://git.example.org/a.git", "existing", "packages", "error"),
        ("gitops", "http://token@git.example.org/a.git", "k3d", "upstream", "error"),
    ],
)
def test_repository(deploy: str, url: str, engine: str, source: str, severity: str | None) -> None:
    findings = lib.check_git(deploy, url, engine, source)
    assert [item.severity for item in findings] == ([severity] if severity else [])
    assert all(item.remedy and "token" not in item.value for item in findings)


@pytest.mark.parametrize(
    ("registry", "engine", "deploy", "severity", "message"),
    [
        ("", "k3d", "helm", None, ""),
        ("", "existing", "gitops", None, ""),
        ("", "existing", "helm", "error", "from a registry"),
        ("registry.example.org/team", "existing", "helm", None, ""),
        ("localhost:5000/a/b", "existing", "helm", None, ""),
        ("registry.example.org", "existing", "helm", "error", "with a path"),
        ("https://registry.example.org/team", "existing", "helm", "error", "without https"),
        ("registry.example.org/Team", "existing", "helm", "error", "small letters"),
        ("registry.example.org/team/", "existing", "helm", "error", "with a path"),
        ("registry.example.org/team", "kind", "helm", "warning", "is not used"),
    ],
)
def test_registry(registry: str, engine: str, deploy: str, severity: str | None, message: str) -> None:
    findings = lib.check_registry(registry, engine, deploy)
    assert [item.severity for item in findings] == ([severity] if severity else [])
    assert all(message in item.message and item.remedy for item in findings)


@pytest.mark.parametrize(
    ("tls", "http_port", "https_port", "url"),
    [
        ("none", 80, 443, "http://a"),
        ("none", 8080, 443, "http://a:8080"),
        ("self_signed", 8080, 443, "https://a"),
        ("letsencrypt", 80, 8443, "https://a:8443"),
    ],
)
def test_public_url(tls: str, http_port: int, https_port: int, url: str) -> None:
    assert lib.public_url(tls, "a", http_port, https_port) == url


# --- Table ----------------------------------------------------------------------------------------------------------


def test_table_is_aligned_and_at_most_120_columns_wide() -> None:
    findings = lib.sort_findings(
        [
            lib.info("platform_source", "upstream", "was chosen"),
            lib.warning("platform_upstream_mirror", "https://" + "m" * 300, "w " * 200, "do " * 100),
            lib.error("p" * 60, "", "m" * 300, "r"),
        ]
    )
    assert [item.severity for item in findings] == ["error", "warning", "info"]
    lines = lib.format_table(findings).splitlines()
    assert max(len(line) for line in lines) <= 120
    column = lines[0].index("finding and remedy")
    assert all(line[column - 2 : column].strip() == "" for line in lines)
    assert lib.format_table([]) == ""


def test_table_of_one_finding() -> None:
    table = lib.format_table([lib.error("platform_http_port", 80, "on 127.0.0.1 is held by x", "stop it")])
    assert table.splitlines() == [
        "severity  what                value  finding and remedy",
        "--------  ------------------  -----  " + "-" * 83,
        "error     platform_http_port  80     on 127.0.0.1 is held by x",
        "                                     -> stop it",
    ]


@pytest.mark.parametrize(
    ("severities", "text"),
    [
        ([], "nothing in the way"),
        (["info"], "nothing in the way"),
        (["error"], "1 error"),
        (["error", "error", "warning"], "2 errors and 1 warning"),
    ],
)
def test_summary(severities: list[str], text: str) -> None:
    assert lib.summarise([lib.Finding(severity, "", "", "") for severity in severities]) == text


# --- Module ---------------------------------------------------------------------------------------------------------


def run_module(capsys: pytest.CaptureFixture, check: bool = False, **params: Any) -> dict[str, Any]:
    with patch_module_args({**params, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        preflight.main()
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("check", [False, True])
def test_module_changes_nothing_and_says_the_same_twice(
    docker: FakeDocker, inputs: dict[str, Any], capsys: pytest.CaptureFixture, check: bool
) -> None:
    results = [run_module(capsys, check, platform=inputs, min_free_gib=0) for _ in range(2)]
    assert results[0] == results[1]
    assert results[0]["changed"] is False
    assert results[0]["resolved"]["engine"] == "k3d"
    assert results[0]["table"].startswith("severity")
    assert not os.path.exists(inputs["state_dir"])


def test_module_fails_with_the_whole_table(
    docker: FakeDocker, inputs: dict[str, Any], capsys: pytest.CaptureFixture
) -> None:
    bad = {**inputs, "cluster_name": "a_b", "domain": "A", "bind_address": "0.0.0.0"}
    result = run_module(capsys, platform=bad, variables=["platform_domian"], known=KNOWN, min_free_gib=0)
    assert result["failed"] is True
    assert result["msg"].startswith("preflight found 3 errors and 1 warning; nothing was changed\n")
    for word in ("platform_cluster_name", "a_b", "did you mean platform_domain?", "opens the platform", "-> "):
        assert word in result["msg"]
    assert [item["severity"] for item in result["findings"]] == ["error", "error", "error", "warning", "info"]


def test_module_takes_nothing_for_empty(
    docker: FakeDocker, inputs: dict[str, Any], capsys: pytest.CaptureFixture
) -> None:
    result = run_module(capsys, platform={**inputs, "domain": None}, min_free_gib=0)
    found = [(item["subject"], item["value"]) for item in result["findings"] if item["severity"] == "error"]
    assert found == [("platform_domain", "(empty)")]


def test_module_warns(
    docker: FakeDocker, inputs: dict[str, Any], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda self, text: said.append(text))
    result = run_module(capsys, platform={**inputs, "kubeconfig": "/root/x"}, min_free_gib=0)
    assert result["changed"] is False
    assert said == [
        "platform_kubeconfig /root/x is not used: the engine is k3d, whose clusters have a kubeconfig of their own: "
        "remove it, or platform_cluster_engine: existing."
    ]


def test_module_looks_at_no_names_when_none_are_known(
    docker: FakeDocker, inputs: dict[str, Any], capsys: pytest.CaptureFixture
) -> None:
    result = run_module(capsys, platform=inputs, variables=["platform_domian"], min_free_gib=0)
    assert "failed" not in result


# --- Role -----------------------------------------------------------------------------------------------------------


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_role_and_module_specify_the_same() -> None:
    options = load(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    shared = {name.partition("_")[2]: spec for name, spec in options.items() if name.startswith("platform_")}
    assert shared.keys() == preflight.PLATFORM_SPEC.keys()
    assert shared.keys() == load(ROLE / "vars" / "main.yml")["__preflight_platform"].keys()
    for name, spec in preflight.PLATFORM_SPEC.items():
        assert (shared[name]["type"], shared[name].get("choices")) == (spec["type"], spec.get("choices")), name
    documented = yaml.safe_load(preflight.DOCUMENTATION)["options"]["platform"]["suboptions"]
    assert documented.keys() == shared.keys()


def test_every_role_is_a_known_prefix() -> None:
    named = load(ROLE / "vars" / "main.yml")["__preflight_roles"]
    assert {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()} <= set(named)
