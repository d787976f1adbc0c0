# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""node_images on real nodes, from both of Docker's image stores."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from engines import MB, PREFIX, Engine
from images import bases

APP = f"{PREFIX}/app:1"
NAME = f"docker.io/{APP}"


def noise(size: int) -> bytes:
    """What no store can compress."""
    return os.urandom(size)


@pytest.fixture(scope="session")
def base() -> bytes:
    return noise(40 * MB)


def test_three_nodes_get_what_they_lack_and_then_nothing(engine: Engine, folder: Path, base: bytes) -> None:
    engine.build(APP, folder, {"base": base, "code": noise(MB)})
    with engine.nodes("three", 3) as nodes:
        predicted = engine.module("three", [APP], check=True)
        first = engine.module("three", [APP])
        assert predicted["actions"] == first["actions"] == [f"import {NAME} into {node}" for node in nodes]
        assert all(engine.names(node) == {NAME} for node in nodes)
        for node in first["nodes"]:
            assert 41 * MB < node["bytes"] < 42 * MB
            assert not node["repaired"]
        assert engine.module("three", [APP])["changed"] is False

        engine.build(APP, folder, {"base": base, "code": noise(MB)})
        edited = engine.module("three", [APP])
        assert edited["changed"] is True
        for node in edited["nodes"]:
            assert node["bytes"] < 1.2 * MB
            assert not node["repaired"]
        for node in nodes:
            assert "complete" in engine.ctr(node, "images", "check", f"name=={NAME}")


def test_dockers_stores_are_read_without_docker_save(engine: Engine, folder: Path, tmp_path: Path, base: bytes) -> None:
    """An image with all kinds of files too: links, whiteouts, capabilities, thousands of them."""
    if os.geteuid() != 0:
        pytest.skip("only root can read them")
    log, docker = tmp_path / "log", tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$1" >> {log}\nexec docker "$@"\n')
    docker.chmod(0o755)
    app = engine.build(APP, folder, {"base": base, "code": noise(1000)})
    real = [] if engine.store == "containerd" else [bases()["debian"], bases()["registry"]]
    with engine.nodes("direct", 2) as nodes:
        result = engine.module("direct", [app, *real], docker=str(docker))
        assert not result.answer.get("failed"), result["msg"]
        assert not any(node["repaired"] for node in result["nodes"])
        assert all(engine.names(node) == {NAME, *(f"docker.io/{name}" for name in real)} for node in nodes)
        for name in real:
            assert "complete" in engine.ctr(nodes[0], "images", "check", f"name==docker.io/{name}")
    assert "inspect" in log.read_text() or "image" in log.read_text()
    assert "save" not in log.read_text().split()


def test_a_name_that_leads_to_another_image_is_not_taken_for_it(engine: Engine, folder: Path, base: bytes) -> None:
    other = engine.build(f"{PREFIX}/other:1", folder, {"base": base})
    engine.build(APP, folder, {"base": base, "code": noise(1000)})
    with engine.nodes("odd", 1) as [node]:
        engine.module("odd", [other])
        engine.ctr(node, "images", "tag", f"docker.io/{other}", NAME)
        assert engine.module("odd", [APP])["actions"] == [f"import {NAME} into {node}"]
        assert engine.module("odd", [APP])["changed"] is False


def test_memory_does_not_grow_with_the_image(engine: Engine, folder: Path) -> None:
    big = engine.build(f"{PREFIX}/big:1", folder, {"big": noise(150 * MB)})
    with engine.nodes("big", 3) as _nodes:
        result = engine.module("big", [big])
        assert result.bytes > 150 * MB
        assert 0 < result.rss < 100 * MB
    engine.docker("rmi", "--force", big)


def test_an_image_without_a_name_and_one_from_an_archive(engine: Engine, folder: Path, tmp_path: Path, base: bytes) -> None:
    engine.build(APP, folder, {"base": base[: 5 * MB], "code": noise(1000)})
    image = engine.docker("image", "inspect", "--format={{.Id}}", APP)
    plain = tmp_path / "plain.tar"
    engine.docker("save", f"--output={plain}", APP)
    packings = {"gz": lambda data: gzip.compress(data, 1), "bz2": lambda data: bz2.compress(data, 1), "xz": lambda data: lzma.compress(data, preset=0)}
    packed = {ending: tmp_path / f"packed.tar.{ending}" for ending in packings}
    for ending, path in packed.items():
        path.write_bytes(packings[ending](plain.read_bytes()))
    engine.docker("tag", APP, f"{PREFIX}/keep:1")
    engine.docker("rmi", APP)
    wanted = [
        {"name": f"{PREFIX}/by-id:1", "source": image},
        {"name": f"{PREFIX}/plain:1", "archive": str(plain)},
        *({"name": f"{PREFIX}/packed:{ending}", "archive": str(path), "source": APP} for ending, path in packed.items()),
    ]
    with engine.nodes("sources", 2) as nodes:
        result = engine.module("sources", wanted)
        assert not result.answer.get("failed"), result["msg"]
        assert not any(node["repaired"] for node in result["nodes"])
        for node in nodes:
            assert engine.names(node) == {f"docker.io/{item['name']}" for item in wanted}
        assert engine.module("sources", wanted)["changed"] is False


def test_an_oci_layout_is_an_archive_too(containerd: Engine, folder: Path, tmp_path: Path, base: bytes) -> None:
    """Docker's classic store cannot write one."""
    layout = tmp_path / "layout.tar"
    containerd.build(f"{PREFIX}/layout:1", folder, {"base": base, "code": b"of the layout"}, f"--output=type=oci,dest={layout}")
    wanted = [{"name": f"{PREFIX}/another:1", "archive": str(layout)}]
    with containerd.nodes("layout", 1) as [node]:
        assert containerd.module("layout", wanted)["changed"] is True
        assert containerd.names(node) == {f"docker.io/{PREFIX}/another:1"}
        assert containerd.module("layout", wanted)["changed"] is False


def test_platforms_and_attestations_are_chosen_from(containerd: Engine, folder: Path, base: bytes) -> None:
    """Only the containerd image store keeps such images."""
    several = containerd.build(f"{PREFIX}/several:1", folder, {"base": base}, "--platform=linux/amd64,linux/arm64")
    attested = containerd.build(f"{PREFIX}/attested:1", folder, {"base": base}, "--provenance=true")
    foreign = containerd.build(f"{PREFIX}/foreign:1", folder, {"base": base}, "--platform=linux/s390x")
    with containerd.nodes("platforms", 1) as [node]:
        result = containerd.module("platforms", [several, attested])
        assert result["changed"] is True
        assert 40 * MB < result.bytes < 41 * MB, "one platform, once"
        assert containerd.module("platforms", [several, attested])["changed"] is False
        result = containerd.module("platforms", [foreign, APP])
        assert "is for linux/s390x, and the nodes run linux/" in result["msg"]
        assert containerd.names(node) == {f"docker.io/{several}", f"docker.io/{attested}"}


def test_an_image_by_digest(containerd: Engine, folder: Path, base: bytes) -> None:
    """There an image has its digest without a registry."""
    containerd.build(APP, folder, {"base": base, "code": b"by digest"})
    digest = containerd.docker("image", "inspect", "--format={{.Id}}", APP)
    with containerd.nodes("digest", 1) as [node]:
        assert containerd.module("digest", [f"{APP}@{digest}"])["changed"] is True
        assert containerd.names(node) == {f"docker.io/{PREFIX}/app@{digest}"}
        assert containerd.module("digest", [f"{PREFIX}/app@{digest}"])["changed"] is False


def test_what_nothing_uses_is_removed(engine: Engine, folder: Path, base: bytes) -> None:
    with engine.nodes("prune", 2) as nodes:
        for number in (1, 2, 3, 4):
            tag = engine.build(f"{PREFIX}/app:c-{number}", folder, {"base": base, "code": b"%d" % number})
            engine.module("prune", [tag])
            time.sleep(1.1)  # the time they came is known by the second
        engine.ctr(nodes[0], "containers", "create", "--snapshotter=native", f"docker.io/{PREFIX}/app:c-1", "held", "/x")
        last = engine.build(f"{PREFIX}/app:c-5", folder, {"base": base, "code": b"5"})
        predicted = engine.module("prune", [last], prune=True, keep=2, check=True)
        done = engine.module("prune", [last], prune=True, keep=2)
        assert predicted["actions"] == done["actions"]
        assert engine.names(nodes[0]) == {f"docker.io/{PREFIX}/app:c-{number}" for number in (1, 4, 5)}
        assert engine.names(nodes[1]) == {f"docker.io/{PREFIX}/app:c-{number}" for number in (4, 5)}

        tags = [f"{PREFIX}/app:c-{number}" for number in (1, 4, 5)]
        result = engine.module("prune", tags, state="absent")
        assert f"Node {nodes[0]} has containers that use docker.io/{PREFIX}/app:c-1" in result["msg"]
        assert engine.names(nodes[1]) == set()
        engine.ctr(nodes[0], "containers", "rm", "held")
        assert engine.module("prune", tags, state="absent")["changed"] is True
        assert engine.names(nodes[0]) == set()
        assert engine.module("prune", tags, state="absent")["changed"] is False
        deadline = time.monotonic() + 30
        while engine.ctr(nodes[1], "content", "ls", "-q") and time.monotonic() < deadline:
            time.sleep(0.5)
        assert engine.ctr(nodes[1], "content", "ls", "-q") == "", "its layers are gone too"


def test_a_full_node_is_named_others_are_served_and_the_next_run_finishes(
    engine: Engine, folder: Path, tmp_path: Path, base: bytes
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    engine.build(APP, folder, {"base": base, "code": noise(1000)})
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m", "lpimages", small], check=True)
    full = f"{PREFIX}-full-9"
    try:
        with engine.nodes("full", 1) as [healthy]:
            engine.node(full, "full", f"--volume={small}:/var/lib/containerd")
            engine.wait(full)
            result = engine.module("full", [APP])
            assert f"Node {full} does not have {NAME} after two imports" in result["msg"]
            assert "no space left on device" in result["msg"]
            assert engine.names(full) == set(), "nothing stands half under the final name"
            assert engine.names(healthy) == {NAME}
            subprocess.run(["mount", "-o", "remount,size=400m", small], check=True)
            again = engine.module("full", [APP])
            assert again["actions"] == [f"import {NAME} into {full}"]
            assert engine.names(full) == {NAME}
    finally:
        engine.docker("rm", "--force", full, check=False)
        subprocess.run(["umount", "--lazy", small], check=True)


def test_a_node_that_dies_in_the_middle_is_named_and_the_next_run_finishes(engine: Engine, folder: Path) -> None:
    big = engine.build(f"{PREFIX}/long:1", folder, {"big": noise(150 * MB)})
    with engine.nodes("dies", 3) as nodes:
        process = engine.start_module("dies", [big])
        deadline = time.monotonic() + 60
        # it is in the middle once the node has begun to take a layer
        while not engine.ctr(nodes[1], "content", "active", check=False).splitlines()[1:]:
            assert time.monotonic() < deadline and process.poll() is None
        engine.docker("kill", nodes[1])
        assert process.stdout
        said: dict[str, Any] = json.loads(process.stdout.read())
        process.wait()
        assert said["failed"] is True
        assert nodes[1] in said["msg"]
        assert nodes[0] not in said["msg"] and nodes[2] not in said["msg"]
        for node in (nodes[0], nodes[2]):
            assert engine.names(node) == {f"docker.io/{big}"}
        stopped = engine.module("dies", [big])
        assert f"Node {nodes[1]} is exited, not running; start it with 'docker start {nodes[1]}' and run again." in stopped["msg"]
        engine.docker("start", nodes[1])
        engine.wait(nodes[1])
        assert engine.module("dies", [big])["actions"] == [f"import docker.io/{big} into {nodes[1]}"]
        assert engine.module("dies", [big])["changed"] is False
    engine.docker("rmi", "--force", big)


def test_over_a_registry_only_missing_layers_are_pulled(classic: Engine, folder: Path, base: bytes) -> None:
    """The machine's own Docker alone: the other one has no network."""
    network, registry, nodes = f"{PREFIX}-net", f"{PREFIX}-registry", [f"{PREFIX}-pull-{number}" for number in range(2)]
    images = bases()
    try:
        classic.docker("network", "create", network)
        classic.docker("run", "--detach", f"--name={registry}", f"--network={network}", "--publish=127.0.0.1:0:5000", images["registry"])
        port = classic.docker("port", registry, "5000").rpartition(":")[2]
        for node in nodes:
            classic.node(node, "pull", "--tmpfs=/var/lib/containerd:size=1g", image=images["kind-node"], network=network)
            classic.wait(node)
        app = f"localhost:{port}/{PREFIX}/pulled:1"
        over = {"method": "registry", "registry": f"localhost:{port}", "registry_address": f"http://{registry}:5000"}
        classic.build(APP, folder, {"base": base, "code": noise(MB)})
        wanted = [{"name": app, "source": APP}]
        predicted = classic.module("pull", wanted, check=True, **over)
        first = classic.module("pull", wanted, **over)
        assert predicted["actions"] == first["actions"] == [f"import {app} into {node}" for node in nodes]
        assert all(classic.names(node) == {app} for node in nodes)
        assert 41 * MB < first.bytes < 42 * MB
        assert classic.module("pull", wanted, **over)["changed"] is False
        classic.build(APP, folder, {"base": base, "code": noise(MB)})
        edited = classic.module("pull", wanted, **over)
        assert edited["changed"] is True
        assert MB < edited.bytes < 1.2 * MB
        assert not any(node["repaired"] for node in edited["nodes"])

        classic.docker("stop", "--time=1", registry)
        classic.build(APP, folder, {"base": base, "code": noise(MB)})
        assert f"Image {app} cannot be pushed to localhost:{port}: " in classic.module("pull", wanted, **over)["msg"]
    finally:
        classic.docker("rm", "--force", registry, *nodes, check=False)
        classic.docker("network", "rm", network, check=False)
