# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Completed, Docker, DockerError, LastWords

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


class Scripted(Docker):
    """A docker that gives prepared answers and remembers what it was asked."""

    def __init__(self, rc: int = 0, stdout: str = "", stderr: str = "") -> None:
        super().__init__()
        self.answer = Completed(rc, stdout.encode(), stderr)
        self.asked: list[tuple[str, ...]] = []

    def run(self, *args: str) -> Completed:
        self.asked.append(args)
        return self.answer


def record(**values: Any) -> dict[str, Any]:
    return {"Id": DIGEST, "Os": "linux", "Architecture": "amd64", "RepoTags": ["a/b:1"], "RepoDigests": [], **values}


REDIS = record(RepoTags=["redis:7", "redis:latest"], RepoDigests=[f"redis@{OTHER}"])
NO_SUCH = "Error response from daemon: No such image: {}"


@pytest.mark.parametrize(
    ("asked", "records", "stderr", "found"),
    [
        (["a/b:1"], [record()], "", ["a/b:1"]),
        (["docker.io/a/b:1", "x/y:1"], [record()], NO_SUCH.format("x/y:1"), ["docker.io/a/b:1"]),
        (["x/y:1", "a/b:1"], [record()], NO_SUCH.format("x/y:1"), ["a/b:1"]),
        (["redis", "x:1"], [REDIS], NO_SUCH.format("x:1"), ["redis"]),
        ([f"redis:7@{OTHER}", "x:1"], [REDIS], NO_SUCH.format("x:1"), [f"redis:7@{OTHER}"]),
        (["x:1"], [], "Error: No such image: x:1", []),
        (["x:1", "a/b:1"], [record(RepoTags=None)], NO_SUCH.format("x:1"), []),
    ],
)
def test_images_are_found_by_every_name_they_have(
    asked: list[str], records: list[dict[str, Any]], stderr: str, found: list[str]
) -> None:
    docker = Scripted(1 if stderr else 0, json.dumps(records), stderr)
    assert list(docker.images(asked)) == found


@pytest.mark.parametrize(
    ("rc", "stdout", "stderr"),
    [
        (1, "[]", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"),
        (1, "[]", "No such image: x:1\npermission denied while trying to connect"),
        (1, "[]", ""),
        (125, "", "something else"),
    ],
)
def test_a_docker_that_does_not_answer_is_an_error(rc: int, stdout: str, stderr: str) -> None:
    with pytest.raises(DockerError, match="Docker does not answer"):
        Scripted(rc, stdout, stderr).images(["x:1"])


def test_an_answer_that_is_no_json_is_an_error() -> None:
    with pytest.raises(DockerError, match="did not answer in JSON"):
        Scripted(0, "hello").images(["x:1"])


def test_no_question_is_asked_about_no_image() -> None:
    docker = Scripted()
    assert docker.images([]) == {}
    assert not docker.asked


def test_a_question_that_takes_too_long_is_an_error(tmp_path: Path) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\nexec sleep 9\n")
    program.chmod(0o755)
    with pytest.raises(DockerError, match=r"docker image inspect' gave no answer within 0\.1 s"):
        Docker(str(program), 0.1).images(["a:1"])
    program.chmod(0o644)
    with pytest.raises(DockerError, match="cannot be started: Permission denied"):
        Docker(str(program)).images(["a:1"])


def test_the_last_line_of_a_complaint_is_its_reason() -> None:
    assert Completed(1, b"", "warning\n\nctr: no space left\n\n").reason() == "ctr: no space left"
    assert Completed(7, b"", " \n").reason() == "exit code 7"


def test_only_the_end_of_long_complaints_is_kept() -> None:
    words = LastWords(io.BufferedReader(io.BytesIO(b"x" * 100_000 + b"the end")))
    assert words.text().endswith("the end")
    assert len(words.text()) <= 16384


@pytest.mark.parametrize(("machine", "expected"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("s390x", "s390x")])
def test_the_platform_is_that_of_the_engine_asked_once(machine: str, expected: str) -> None:
    docker = Scripted(stdout=json.dumps({"os": "linux", "arch": machine, "root": "/var/lib/docker"}))
    assert docker.platform() == docker.platform() == f"linux/{expected}"
    assert [args[0] for args in docker.asked] == ["info"]
    with pytest.raises(DockerError, match="Docker does not answer: gone; start it"):
        Scripted(1, "", "gone").platform()
