# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.modules import image_build

RunModule = Callable[..., dict[str, Any]]
BUILD = {
    "name": "web",
    "image": "luckyplans/web",
    "tag": "c-0123456789abcdef",
    "alias_tag": "",
    "context": "/src",
    "dockerfile": "/src/apps/web/Dockerfile",
    "args": {},
    "labels": {},
    "present": False,
}
BASE = [
    *("docker", "buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false", "--load"),
    *("--file", "/src/apps/web/Dockerfile", "--tag", "luckyplans/web:c-0123456789abcdef"),
]


@pytest.mark.parametrize(
    ("changes", "environment", "added"),
    [
        ({}, {}, []),
        ({"alias_tag": "latest"}, {}, ["--tag", "luckyplans/web:latest"]),
        ({"args": {"B": "2", "A": "1 one"}}, {}, ["--build-arg", "A=1 one", "--build-arg", "B=2"]),
        ({"args": {"NUMBER": 1}}, {}, ["--build-arg", "NUMBER=1"]),
        ({"labels": {"b": "2", "a": "1"}}, {}, ["--label", "a=1", "--label", "b=2"]),
        # by name: the value stays out of the command, and Docker keeps these out of the image
        ({}, {"HTTPS_PROXY": "http://user:secret@proxy:3128"}, ["--build-arg", "HTTPS_PROXY"]),
        ({}, {"no_proxy": "", "OTHER": "x"}, []),
        (
            {"alias_tag": "1", "args": {"A": "1"}, "labels": {"l": "m"}},
            {"http_proxy": "http://proxy:3128"},
            ["--tag", "luckyplans/web:1", "--build-arg", "A=1", "--build-arg", "http_proxy", "--label", "l=m"],
        ),
    ],
)
def test_argv(changes: dict[str, Any], environment: dict[str, str], added: list[str]) -> None:
    assert image_build.argv({**BUILD, **changes}, "docker", environment) == [*BASE, *added, "/src"]


class Docker:
    """A command line tool that does what a test says, and notes how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "docker"
        self.logs = folder / "logs"

    def does(self, script: str) -> None:
        self.path.write_text(f'#!/bin/sh\ncd "{self.folder}"\necho "$*" >> calls\n{script}\n')
        self.path.chmod(0o755)

    def calls(self) -> list[str]:
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def parameters(self, *names: str, **others: Any) -> dict[str, Any]:
        builds = [{**BUILD, "name": name, "image": f"luckyplans/{name}"} for name in names or ["web"]]
        return {"builds": builds, "log_dir": str(self.logs), "executable": str(self.path), **others}


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    monkeypatch.setattr(image_build.time, "sleep", lambda seconds: None)
    return Docker(tmp_path)


def test_image_is_built(docker: Docker, run_module: RunModule) -> None:
    docker.does('echo "#1 step one"')
    result = run_module(image_build, **docker.parameters())
    assert result["changed"] is True
    assert [(item["reference"], item["tries"]) for item in result["built"]] == [
        ("luckyplans/web:c-0123456789abcdef", 1)
    ]
    assert len(docker.calls()) == 1
    assert (docker.logs / "build-web.log").read_text() == "#1 step one\n"


def test_images_are_built_at_the_same_time(docker: Docker, run_module: RunModule) -> None:
    """Each build ends only when the other one has begun."""
    docker.does(
        'case "$*" in *luckyplans/one:*) mine=one other=two ;; *) mine=two other=one ;; esac\n'
        'touch "$mine"\n'
        'for _ in $(seq 200); do if [ -e "$other" ]; then exit 0; fi; sleep 0.05; done; exit 1'
    )
    result = run_module(image_build, **docker.parameters("one", "two"))
    assert [item["name"] for item in result["built"]] == ["one", "two"]


def test_present_image_is_not_built_again(docker: Docker, run_module: RunModule) -> None:
    docker.does("")
    parameters = docker.parameters("web", "api")
    parameters["builds"][0]["present"] = True
    result = run_module(image_build, **parameters)
    assert [item["name"] for item in result["built"]] == ["api"]
    assert len(docker.calls()) == 1


def test_nothing_to_build_is_no_change(docker: Docker, run_module: RunModule) -> None:
    parameters = docker.parameters()
    parameters["builds"][0]["present"] = True
    result = run_module(image_build, **parameters)
    assert (result["changed"], result["built"]) == (False, [])
    assert not docker.logs.exists()


def test_check_mode_says_what_would_be_built_and_builds_nothing(docker: Docker, run_module: RunModule) -> None:
    docker.does("")
    result = run_module(image_build, **docker.parameters(), _ansible_check_mode=True)
    assert result["changed"] is True
    assert result["built"] == [{"name": "web", "reference": "luckyplans/web:c-0123456789abcdef"}]
    assert (docker.calls(), docker.logs.exists()) == ([], False)


@pytest.mark.parametrize(
    "fault",
    [
        "npm error code ECONNRESET",
        "dial tcp: lookup mirror: i/o timeout",
        "net/http: TLS handshake timeout",
        "Temporary failure in name resolution",
        "503 Service Unavailable",
        "unexpected status: 429 Too Many Requests",
    ],
)
def test_fault_of_the_network_is_tried_again(docker: Docker, run_module: RunModule, fault: str) -> None:
    docker.does(f'[ -e second ] && exit 0; touch second; echo "{fault}"; exit 1')
    result = run_module(image_build, **docker.parameters())
    assert [item["tries"] for item in result["built"]] == [2]


def test_lasting_fault_of_the_network_ends_after_the_retries(docker: Docker, run_module: RunModule) -> None:
    docker.does("echo ETIMEDOUT; exit 1")
    result = run_module(image_build, **docker.parameters(retries=1))
    assert result["failed"]
    assert len(docker.calls()) == 2


def test_fault_of_the_dockerfile_is_not_tried_again_and_explained(docker: Docker, run_module: RunModule) -> None:
    docker.does('for n in $(seq 40); do echo "line $n"; done; echo "ERROR: no such stage"; exit 17')
    result = run_module(image_build, **docker.parameters())
    assert len(docker.calls()) == 1
    assert result["failed"]
    for word in (
        "/src/apps/web/Dockerfile",
        "ended with 17",
        str(docker.logs / "build-web.log"),
        "ERROR: no such stage",
    ):
        assert word in result["msg"]
    assert "line 1\n" not in result["msg"], "only the end of a long output belongs into the message"


def test_one_failure_does_not_hide_what_was_built(docker: Docker, run_module: RunModule) -> None:
    docker.does('case "$*" in *luckyplans/api:*) exit 1 ;; esac')
    result = run_module(image_build, **docker.parameters("web", "api"))
    assert result["failed"]
    assert result["changed"] is True
    assert [item["name"] for item in result["built"]] == ["web"]


def test_build_that_never_ends_is_stopped(docker: Docker, run_module: RunModule) -> None:
    docker.does("exec sleep 20")
    start = time.monotonic()
    result = run_module(image_build, **docker.parameters(timeout=1))
    assert "took longer than timeout=1 s" in result["msg"]
    assert len(docker.calls()) == 1, "what takes too long once takes too long again"
    assert time.monotonic() - start < 15


def test_missing_docker_is_a_sentence(docker: Docker, run_module: RunModule) -> None:
    result = run_module(image_build, **docker.parameters())
    assert result["failed"]
    assert str(docker.path) in result["msg"]


def test_newest_line_is_progress(
    docker: Docker, run_module: RunModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCKYPLANS_PROGRESS_FILE", str(tmp_path / "progress"))
    docker.does('echo "#1 step one"; echo; echo "#2 step two"')
    run_module(image_build, **docker.parameters())
    assert (tmp_path / "progress").read_text() == "web: #1 step one\nweb: #2 step two\n"
