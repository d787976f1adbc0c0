# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _docker, _nodes, _oci
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Completed, Docker, DockerError
from ansible_collections.luckyplans.platform.plugins.module_utils._nodes import (
    Held,
    Inventory,
    Memory,
    Node,
    Nodes,
    Row,
    unused,
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

    def call(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Completed:
        self.asked.append(tuple(argv))
        return self.answer


def test_a_node_is_asked_for_exactly_the_names() -> None:
    docker = Scripted(stdout=CHECK)
    rows = Nodes(docker).rows(NODE, ["docker.io/luckyplans/web:c-1", "docker.io/library/redis:7"])
    assert docker.asked == [
        (
            *("docker", "exec", "-i", "id-1", "ctr", "-n", "k8s.io", "images", "check"),
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
    assert Nodes(Scripted()).rows(NODE, ["docker.io/a/b:1"]) == {}


def test_an_answer_in_another_form_is_an_error_and_not_an_absent_image() -> None:
    with pytest.raises(DockerError, match="Node lp-control-plane answered in a form that is not known here: 'b x'"):
        Nodes(Scripted(stdout="REF DIGEST\nb x\n")).rows(NODE, ["b"])


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


def test_root_enters_a_node_whose_processes_are_here_and_all_others_go_through_docker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = '{"id": "id-1", "name": "a", "state": "running", "role": "worker"}\n{"id": "id-2", "name": "b", "state": "running", "role": "worker"}\n'
    answers = {"ps": rows, "container": "id-1 101\nid-2 102\n"}
    docker = Docker()
    monkeypatch.setattr(docker, "call", lambda argv, env=None: Completed(0, answers[argv[1]].encode(), ""))
    monkeypatch.setattr(_docker, "_is_of", lambda container, pid: (container, pid) == ("id-1", "101"))
    monkeypatch.setattr(_nodes, "_NSENTER", "/usr/bin/nsenter")
    monkeypatch.setattr(_nodes.os, "geteuid", lambda: 0)
    nodes = Nodes(docker)
    first, second = nodes.find("kind", "lp")
    assert nodes.argv(first, "version") == ["/usr/bin/nsenter", "-t", "101", "-m", "-n", "-p", "--", "ctr", "-n", "k8s.io", "version"]
    assert nodes.argv(second, "version") == ["docker", "exec", "-i", "id-2", "ctr", "-n", "k8s.io", "version"]
    monkeypatch.setattr(_nodes.os, "geteuid", lambda: 1000)
    assert [node.pid for node in nodes.find("kind", "lp")] == [0, 0]


def test_a_process_of_this_host_belongs_to_no_container() -> None:
    assert not _docker._is_of("f" * 64, "1")
    assert not _docker._is_of("f" * 64, "0")


# As containerd 2.4 prints them.
IMAGES = f"""\
REF                             TYPE       DIGEST   SIZE     PLATFORMS   LABELS
docker.io/luckyplans/web:c-1    {MANIFEST} {DIGEST} 58.2 MiB linux/amd64 io.cri-containerd.image=managed,io.luckyplans.brought=1700000001
docker.io/luckyplans/web:c-2    {MANIFEST} {OTHER}  58.2 MiB linux/amd64 io.luckyplans.brought=1700000002,x=y
registry.k8s.io/pause:3.10      {INDEX}    {OTHER}  1.0 MiB  linux/amd64,linux/arm64 -
docker.io/odd:1                 {INDEX}    {OTHER}  1.0 MiB  linux/amd64 not.io.luckyplans.brought=1700000003
"""
CONTAINERS = """\
CONTAINER IMAGE                        RUNTIME
0123      docker.io/luckyplans/web:c-1 io.containerd.runc.v2
4567      -                            io.containerd.runc.v2
89ab      docker.io/gone:1             io.containerd.runc.v2
"""


def test_an_inventory_says_what_came_from_here_and_what_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"images": IMAGES, "containers": CONTAINERS}
    docker = Docker()
    monkeypatch.setattr(docker, "call", lambda argv, env: Completed(0, answers[argv[-2]].encode(), ""))
    inventory = Nodes(docker).inventory(NODE)
    assert inventory.images == {
        "docker.io/luckyplans/web:c-1": Held(DIGEST, 1700000001),
        "docker.io/luckyplans/web:c-2": Held(OTHER, 1700000002),
        "registry.k8s.io/pause:3.10": Held(OTHER, None),
        "docker.io/odd:1": Held(OTHER, None),
    }
    assert inventory.used == {DIGEST}


@pytest.mark.parametrize("question", ["inventory", "blobs"])
def test_a_node_that_cannot_be_asked_is_an_error(question: str) -> None:
    with pytest.raises(DockerError, match="Node lp-control-plane cannot be asked for its .*: connection refused"):
        getattr(Nodes(Scripted(1, "", "connection refused")), question)(NODE)
    with pytest.raises(DockerError, match="Node lp-control-plane did not remove a:1: busy; run again"):
        Nodes(Scripted(1, "", "busy")).remove(NODE, ["a:1"])


@pytest.mark.parametrize(
    ("keep", "wanted", "gone"),
    [
        (0, [], "1 2 3 4"),
        (1, [], "1 2 3"),
        (2, [], "1 2"),
        (9, [], ""),
        (1, ["docker.io/r/a:4"], "1 2 3"),
        (1, ["docker.io/r/a:5"], "1 2 3 4"),
        (2, ["docker.io/r/a:5"], "1 2 3"),
        (1, ["docker.io/r/other:1"], "1 2 3"),
        (1, ["docker.io/r/a:1"], "2 3 4"),
    ],
)
def test_unused_leaves_the_newest(keep: int, wanted: list[str], gone: str) -> None:
    images = {f"docker.io/r/a:{number}": Held(f"d{number}", number) for number in (3, 1, 4, 2)}
    assert unused(Inventory(images), wanted, keep) == [f"docker.io/r/a:{number}" for number in gone.split()]


def test_unused_never_names_what_is_used_or_came_by_other_means() -> None:
    images = {"docker.io/r/a:1": Held("d1", 1), "docker.io/r/a:2": Held("d2", None), "docker.io/r/a:3": Held("d1", 3), "docker.io/r/a:4": Held("d4", 4)}
    assert unused(Inventory(images, {"d1"}), [], 0) == ["docker.io/r/a:4"]


def test_who_sends_to_an_import_that_was_ended_does_not_wait_for_it() -> None:
    """As when another source of the same run cannot be read: nothing takes the data any more, and that is no stall."""
    state = _nodes.NodeState(_nodes.Node("id-lp-a", "lp-a", "running"))
    item = _nodes._Import(["sleep", "60"], os.environ, state, set(), stall=60)
    item.begin(_oci.Blob("sha256:" + "0" * 64, 40 * _oci.CHUNK, io.BytesIO()))
    sender = threading.Thread(target=lambda: [item.data(b"x" * _oci.CHUNK) for _turn in range(40)], daemon=True)
    sender.start()
    sender.join(0.5)
    assert sender.is_alive(), "nobody takes forty megabytes here"
    item.close()
    sender.join(20)
    assert not sender.is_alive()
