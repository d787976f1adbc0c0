# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _nodes
from ansible_collections.luckyplans.platform.plugins.module_utils._nodes import (
    Completed,
    Docker,
    DockerError,
    Memory,
    Node,
    Row,
    image_from,
)

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
NODE = Node("id-1", "lp-control-plane", "running")
# As containerd 2.4 prints it: the layers of an image that came with the node were dropped once they were unpacked.
MANIFEST, INDEX = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
CHECK = f"""\
REF                                   TYPE       DIGEST  STATUS           SIZE                UNPACKED
docker.io/luckyplans/web:c-1          {MANIFEST} {DIGEST} complete (5/5)   286.1 MiB/286.1 MiB true
docker.io/luckyplans/api-gateway:c-1  {MANIFEST} {OTHER} incomplete (1/2) 604.0 B/70.9 MiB    true
docker.io/luckyplans/service-core:c-1 {MANIFEST} {OTHER} incomplete (1/2) 604.0 B/70.9 MiB    false
docker.io/luckyplans/none:c-1         {INDEX}    {OTHER} unavailable (0/?) 0.0 B/?            false
docker.io/luckyplans/err:c-1          {INDEX}    {OTHER} error            -                   false
"""


class Scripted(Docker):
    """A docker that gives prepared answers and remembers what it was asked."""

    def __init__(self, rc: int = 0, stdout: str = "", stderr: str = "") -> None:
        super().__init__()
        self.answer = Completed(rc, stdout.encode(), stderr)
        self.asked: list[tuple[str, ...]] = []

    def run(self, *args: str) -> Completed:
        self.asked.append(args)
        return self.answer


def test_a_node_is_asked_for_exactly_the_names() -> None:
    docker = Scripted(stdout=CHECK)
    rows = docker.rows(NODE, ["docker.io/luckyplans/web:c-1", "docker.io/library/redis:7"])
    assert docker.asked == [
        (
            *("exec", "id-1", "ctr", "-n", "k8s.io", "images", "check"),
            *('name=="docker.io/luckyplans/web:c-1"', 'name=="docker.io/library/redis:7"'),
        )
    ]
    assert {name.split("/")[-1]: row for name, row in rows.items()} == {
        "web:c-1": Row(DIGEST, True),
        "api-gateway:c-1": Row(OTHER, True),
        "service-core:c-1": Row(OTHER, False),
        "none:c-1": Row(OTHER, False),
        "err:c-1": Row(OTHER, False),
    }


def test_a_node_without_such_images_says_nothing() -> None:
    assert Scripted().rows(NODE, ["docker.io/a/b:1"]) == {}


def test_an_answer_in_another_form_is_an_error_and_not_an_absent_image() -> None:
    with pytest.raises(DockerError, match="Node lp-control-plane answered in a form that is not known here: 'b x'"):
        Scripted(stdout="REF DIGEST\nb x\n").rows(NODE, ["b"])


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


@pytest.mark.parametrize(
    ("values", "config", "layers"),
    [
        ({"RootFS": {"Layers": [OTHER]}}, DIGEST, {OTHER}),
        ({"RootFS": {"Layers": [OTHER]}, "RepoDigests": [f"a/b@{OTHER}"]}, DIGEST, {OTHER}),
        ({"RootFS": {"Layers": [OTHER]}, "RepoDigests": [f"a/b@{DIGEST}"]}, None, set()),
        ({"RootFS": {"Layers": [OTHER]}, "Descriptor": {"digest": DIGEST}}, None, set()),
    ],
)
def test_what_an_id_means_depends_on_the_image_store(
    values: dict[str, Any], config: str | None, layers: set[str]
) -> None:
    image = image_from("redis:7", "a/b:1", record(**values), Memory(None))
    assert (image.name, image.source, image.id) == ("docker.io/library/redis:7", "a/b:1", DIGEST)
    assert image.platform == "linux/amd64"
    assert image.config == config
    assert image.layers == layers


def test_a_variant_is_part_of_the_platform() -> None:
    assert (
        image_from("a:1", "a:1", record(Architecture="arm64", Variant="v8"), Memory(None)).platform == "linux/arm64/v8"
    )


def test_memory_lasts_and_forgets_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cache" / "manifests.json"
    memory = Memory(str(path))
    assert memory.get("m1", "linux/amd64") is None
    memory.save()
    assert not path.exists()
    for number in range(5):
        memory.learn(f"m{number}", "linux/amd64", f"c{number}")
    monkeypatch.setattr(Memory, "_LIMIT", 3)
    memory.save()
    again = Memory(str(path))
    assert [again.get(f"m{number}", "linux/amd64") for number in range(5)] == [None, None, "c2", "c3", "c4"]
    assert again.get("m4", "linux/arm64") is None


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"configs": 1}'])
def test_a_damaged_memory_is_an_empty_one(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "manifests.json"
    path.write_text(damage)
    memory = Memory(str(path))
    assert memory.get("m1", "linux/amd64") is None
    memory.learn("m1", "linux/amd64", "c1")
    memory.save()
    assert Memory(str(path)).get("m1", "linux/amd64") == "c1"


def test_a_memory_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = Memory(str(tmp_path / "file" / "manifests.json"))
    memory.learn("m1", "linux/amd64", "c1")
    memory.save()


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
    import io

    words = _nodes._LastWords(io.BufferedReader(io.BytesIO(b"x" * 100_000 + b"the end")))
    assert words.text().endswith("the end")
    assert len(words.text()) <= 16384
