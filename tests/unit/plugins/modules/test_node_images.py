# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import bz2
import gzip
import importlib.util
import io
import json
import lzma
import os
import re
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.luckyplans.platform.plugins.modules import node_images
from classic_store import archive_of, write_image

pytestmark = pytest.mark.slow

FAKE = Path(__file__).parents[2] / "fixtures" / "images" / "fake_docker.py"
SPEC = importlib.util.spec_from_file_location("fake_docker", FAKE)
fake_docker = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fake_docker)

BASE = b"base" * 300_000
LIBRARY = b"library" * 20_000
CODE = b"code" * 10
WEB = "luckyplans/web:c-1"
API = "luckyplans/api-gateway:c-1"
WEB_NAME = f"docker.io/{WEB}"
API_NAME = f"docker.io/{API}"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two images that share their base, and a node without any."""
    world = fake_docker.World(tmp_path / "world")
    world.put_program(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    world.image(WEB, [BASE, LIBRARY, CODE])
    world.image(API, [BASE, CODE + b"api"])
    world.node("lp-a")
    return world


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the module and return what it printed."""

    def call(*images: Any, check: bool = False, **options: Any) -> dict[str, Any]:
        given = {"engine": "kind", "cluster": "lp", "images": list(images or (WEB, API)), **options}
        capsys.readouterr()
        with (
            patch_module_args({**given, "_ansible_check_mode": check, "_ansible_diff": True}),
            pytest.raises(SystemExit),
        ):
            node_images.main()
        return json.loads(capsys.readouterr().out)

    return call


def by_node(result: dict[str, Any]) -> dict[str, Any]:
    return {node["name"]: node for node in result["nodes"]}


LAYOUTS = ["oci", "legacy", "containerd"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_brings_what_is_missing_proves_it_and_then_has_nothing_to_do(
    world: Any, run: Any, layout: str, tmp_path: Path
) -> None:
    world.set(layout=layout)
    world.node("lp-b")
    options = {"cache_file": str(tmp_path / "cache" / "manifests.json")}
    first = run(**options)
    assert first["changed"] is True
    assert first["actions"] == [
        f"import {name} into {node}" for node in ("lp-a", "lp-b") for name in (WEB_NAME, API_NAME)
    ]
    for node in ("lp-a", "lp-b"):
        assert set(world.node_images(node)) == {WEB_NAME, API_NAME}
        for image in world.node_images(node).values():
            pinned, brought = image["labels"]
            assert pinned == "io.cri-containerd.pinned=pinned"
            assert re.fullmatch(r"io\.luckyplans\.brought=\d{10}", brought)
        assert by_node(first)[node]["moved"] == [WEB_NAME, API_NAME]
        assert not by_node(first)[node]["repaired"]
    assert len(world.calls("save")) == 1, "one save for all images"

    second = run(**options)
    assert second["changed"] is False
    assert second["actions"] == []
    assert [node["had"] for node in second["nodes"]] == [[WEB_NAME, API_NAME]] * 2
    assert [node["bytes"] for node in second["nodes"]] == [0, 0]
    assert len(world.calls("save")) == 1
    assert not world.calls("content", "get"), "what the import taught need not be asked again"

    world.image(WEB, [BASE, LIBRARY, CODE + b"edited"])
    third = run(**options)
    assert third["actions"] == [f"import {WEB_NAME} into lp-a", f"import {WEB_NAME} into lp-b"]
    for node in third["nodes"]:
        assert node["had"] == [API_NAME]
        assert node["moved"] == [WEB_NAME]
        assert 0 < node["bytes"] < 20_000
        assert not node["repaired"]
    assert [call[1:] for call in world.calls("save")][-1] == [WEB]

    os.unlink(options["cache_file"])
    assert run()["changed"] is False
    assert world.calls("content", "get"), "without a memory the node is asked"


def test_dockers_own_content_store_is_read_where_it_can_be(world: Any, run: Any) -> None:
    world.set(layout="containerd", readable=True)
    assert run()["changed"] is True
    world.image(WEB, [BASE, LIBRARY, b"edited"])
    result = run()
    assert result["actions"] == [f"import {WEB_NAME} into lp-a"]
    assert result["nodes"][0]["bytes"] < 20_000
    assert not result["nodes"][0]["repaired"]
    assert run()["changed"] is False
    assert not world.calls("save"), "docker save is slow there"


def test_a_content_store_with_a_hole_is_left_alone(world: Any, run: Any) -> None:
    world.set(layout="containerd", readable=True)
    whole = world.path(fake_docker.STORE, fake_docker.sha(LIBRARY)[7:])
    os.rename(whole, f"{whole}.away")
    result = run(WEB)
    assert result["failed"] is True
    assert len(world.calls("save")) == 1, "docker save has the last word on what Docker has"
    os.rename(f"{whole}.away", whole)
    assert run(WEB)["changed"] is True


@pytest.fixture
def classic(world: Any) -> Any:
    """Puts an image into Docker's classic store too, as it is on a disk that can be read here."""
    world.set(readable=True)

    def put(reference: str, *layers: bytes) -> Path:
        ids = world.image(reference, list(layers))
        write_image(Path(world.path("docker")), world.bytes_of(ids["config"]), layers)
        return Path(world.path("docker"), "overlay2")

    return put


def test_dockers_classic_store_is_read_where_it_can_be(world: Any, run: Any, classic: Any) -> None:
    base = archive_of({"base": BASE})
    classic(WEB, base, archive_of({"code": CODE}))
    classic(API, base)
    world.node("lp-b")
    assert run()["changed"] is True
    for node in ("lp-a", "lp-b"):
        assert set(world.node_images(node)) == {WEB_NAME, API_NAME}
    classic(WEB, base, archive_of({"code": CODE + b"edited"}))
    result = run()
    assert result["actions"] == [f"import {WEB_NAME} into lp-a", f"import {WEB_NAME} into lp-b"]
    for node in result["nodes"]:
        assert node["bytes"] < 20_000
        assert not node["repaired"]
    assert run()["changed"] is False
    assert not world.calls("save"), "docker save writes to disk what it reads"


@pytest.mark.parametrize("processors", [1, 2, 8])
def test_images_travel_side_by_side_and_what_they_share_once(
    world: Any, run: Any, classic: Any, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    base, names = archive_of({"base": b"b" * 300_000}), [f"luckyplans/part-{number}:1" for number in range(6)]
    for number, name in enumerate(names):
        classic(name, base, archive_of({"code": CODE + bytes([number])}))
    world.node("lp-b")
    # unpacked there, and then its packed layers were dropped: the images that it lacks have to bring them again
    run(names[0], names[1])
    os.unlink(world.store("lp-b", fake_docker.sha(base)))
    before = len(world.calls("import", "--label"))
    result = by_node(run(*names))
    assert len(world.calls("import", "--label")) - before == 2 * min(processors, 4)
    for node, least in (("lp-a", 0), ("lp-b", 300_000)):
        assert set(result[node]["moved"]) == {f"docker.io/{name}" for name in names[2:]}
        assert least < result[node]["bytes"] < least + 100_000
        assert not result[node]["repaired"]
    assert run(*names)["changed"] is False
    assert not world.calls("save")


def test_an_image_that_cannot_be_read_takes_none_with_it(world: Any, run: Any, classic: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    base = archive_of({"base": BASE})
    overlay = classic(WEB, base, archive_of({"code": CODE}))
    classic(API, base, archive_of({"api": CODE}))
    next(overlay.glob("*/diff/code")).unlink()
    result = run()
    assert set(world.node_images("lp-a")) == {WEB_NAME, API_NAME}
    assert result["nodes"][0]["repaired"]
    assert len(world.calls("save")) == 1


def test_docker_saves_what_its_files_do_not_give(world: Any, run: Any, classic: Any) -> None:
    overlay = classic(WEB, archive_of({"code": CODE}))
    file = next(overlay.glob("*/diff/code"))
    file.write_bytes(b"edited by somebody"[: len(CODE)].ljust(len(CODE)))
    changed = run(WEB)
    assert set(world.node_images("lp-a")) == {WEB_NAME}
    assert changed["nodes"][0]["repaired"], "what was read is not what the layer's digest names"
    assert len(world.calls("save")) == 1

    overlay = classic(WEB, archive_of({"code": CODE + b"next"}))
    next(path for path in overlay.glob("*/diff/code") if path.read_bytes().endswith(b"next")).unlink()
    assert run(WEB)["nodes"][0]["repaired"]
    assert len(world.calls("save")) == 2


def test_a_ctr_that_cannot_read_archives_itself_is_not_told_to(world: Any, run: Any) -> None:
    world.node("lp-old", old=True)
    result = run(WEB)
    assert not any(node["repaired"] for node in result["nodes"])
    told = {node: "--local" in call for node in ("lp-a", "lp-old") for call in world.calls(f"id-{node}", "import", "--label")}
    assert told == {"lp-a": True, "lp-old": False}


def test_a_node_gets_no_layers_of_images_that_only_other_nodes_need(world: Any, run: Any) -> None:
    world.image("luckyplans/other:1", [b"other" * 100_000])
    run("luckyplans/other:1")
    world.node("lp-c")
    result = by_node(run(WEB, "luckyplans/other:1"))
    assert result["lp-a"]["moved"] == [WEB_NAME]
    assert result["lp-c"]["moved"] == [WEB_NAME, "docker.io/luckyplans/other:1"]
    # A node may lose the packed layers of what it has unpacked; they are not sent for the sake of another node.
    os.unlink(world.store("lp-a", fake_docker.sha(b"other" * 100_000)))
    world.node("lp-d")
    world.image(WEB, [b"edited"])
    assert by_node(run(WEB, "luckyplans/other:1"))["lp-a"]["bytes"] < 100_000


def test_check_mode_predicts_the_same_actions_and_moves_nothing(world: Any, run: Any) -> None:
    predicted = run(check=True)
    assert not world.calls("save")
    assert not world.calls("import")
    done = run()
    assert predicted["actions"] == done["actions"]
    assert predicted["changed"] is done["changed"] is True
    assert predicted["diff"] == done["diff"]
    assert done["diff"]["before"] == ""
    assert done["diff"]["after"].splitlines()[0] == f"lp-a: {API_NAME}"
    assert run(check=True)["changed"] is False


def test_an_image_under_another_name_is_imported_under_the_name_asked_for(world: Any, run: Any) -> None:
    world.image("luckyplans-packages/redis:7-abc", [BASE, b"redis"])
    item = {"name": "redis:7-alpine", "source": "luckyplans-packages/redis:7-abc"}
    assert run(item)["changed"] is True
    assert set(world.node_images("lp-a")) == {"docker.io/library/redis:7-alpine"}
    assert run(item)["changed"] is False


def test_a_wrong_digest_after_the_import_is_repaired_with_everything(world: Any, run: Any) -> None:
    world.node("lp-odd", hollow=1)
    result = by_node(run(WEB))
    assert result["lp-odd"]["repaired"] is True
    assert result["lp-odd"]["error"] == ""
    assert result["lp-a"]["repaired"] is False
    imports = world.calls("exec", "id-lp-odd", "import", "--label")
    assert ["--no-unpack" in call for call in imports] == [False, True]


def test_layers_that_vanish_before_the_import_are_sent_after_all(world: Any, run: Any) -> None:
    world.node("lp-b")
    run(WEB)
    node = world.read_node("lp-a")
    world.write_node("lp-a", {**node, "lossy": True})
    world.image(WEB, [BASE, LIBRARY, b"edited"])
    result = by_node(run(WEB))
    assert result["lp-a"]["repaired"] is True
    assert result["lp-a"]["error"] == ""
    assert result["lp-a"]["bytes"] > len(BASE)
    assert result["lp-b"]["bytes"] < 20_000


def test_an_import_that_never_stands_the_proof_is_an_error_with_the_last_words(world: Any, run: Any) -> None:
    world.node("lp-odd", refuse=9)
    result = run(WEB)
    assert result["failed"] is True
    assert "Node lp-odd does not have docker.io/luckyplans/web:c-1 after two imports: " in result["msg"]
    assert "operation not permitted" in result["msg"]
    assert by_node(result)["lp-a"]["error"] == ""
    assert WEB_NAME in world.node_images("lp-a")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"state": "exited"}, "Node lp-c is exited, not running; start it with 'docker start lp-c'"),
        ({"state": "paused"}, "Node lp-c is paused"),
        ({"deaf": True}, "Node lp-c cannot be asked for its images"),
    ],
)
def test_a_node_that_is_down_is_named_and_the_others_are_served(
    world: Any, run: Any, fault: dict[str, Any], words: str
) -> None:
    world.node("lp-c", **fault)
    result = run(WEB)
    assert result["failed"] is True
    assert words in result["msg"]
    assert result["actions"] == [f"import {WEB_NAME} into lp-a"]
    assert WEB_NAME in world.node_images("lp-a")
    assert by_node(result)["lp-c"]["moved"] == []


def test_an_image_that_docker_lacks_ends_it_before_anything_moves(world: Any, run: Any) -> None:
    result = run(WEB, "luckyplans/nobody:c-1")
    assert result["failed"] is True
    assert result["msg"] == "Docker has no image luckyplans/nobody:c-1; build or load it and run again."
    assert not world.calls("import")
    assert not world.calls("save")


def test_an_unreachable_docker_is_an_error_and_not_an_absent_image(world: Any, run: Any) -> None:
    world.set(down=True)
    result = run(WEB)
    assert result["failed"] is True
    assert "Docker does not answer: Cannot connect to the Docker daemon" in result["msg"]


def test_a_missing_docker_program_is_named(world: Any, run: Any) -> None:
    assert "The program '/nowhere/docker' was not found" in run(WEB, docker="/nowhere/docker")["msg"]


def test_a_cluster_without_nodes_is_an_error(world: Any, run: Any) -> None:
    assert "no node of the kind cluster 'other'" in run(WEB, cluster="other")["msg"]
    assert "no node of the k3d cluster 'lp'" in run(WEB, engine="k3d")["msg"]


def test_k3d_nodes_are_its_servers_and_agents(world: Any, run: Any) -> None:
    world.node("k3d-lp-server-0", engine="k3d", role="server")
    world.node("k3d-lp-agent-0", engine="k3d", role="agent")
    world.node("k3d-lp-serverlb", engine="k3d", role="loadbalancer", state="exited")
    result = run(WEB, engine="k3d")
    assert [node["name"] for node in result["nodes"]] == ["k3d-lp-agent-0", "k3d-lp-server-0"]
    assert not result.get("failed")


def test_the_load_balancer_of_kind_is_no_node(world: Any, run: Any) -> None:
    world.node("lp-external-load-balancer", role="external-load-balancer")
    assert [node["name"] for node in run(WEB)["nodes"]] == ["lp-a"]


@pytest.mark.parametrize("layout", LAYOUTS[::2])
def test_a_save_that_breaks_off_is_an_error_with_its_reason(world: Any, run: Any, layout: str) -> None:
    world.set(cut=True, layout=layout)
    result = run(WEB)
    assert result["failed"] is True
    assert "'docker save' failed: Error response from daemon: no space left on device" in result["msg"]
    assert world.node_images("lp-a") == {}


def test_a_node_that_takes_nothing_is_given_up(world: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.image("luckyplans/big:1", [os.urandom(1 << 20) for _turn in range(24)])
    world.node("lp-slow", stall=9)
    monkeypatch.setattr("ansible_collections.luckyplans.platform.plugins.module_utils._nodes._STALL", 1.0)
    result = run("luckyplans/big:1")
    assert result["failed"] is True
    assert (
        "Node lp-slow does not have docker.io/luckyplans/big:1 after two imports: it took no data for 1 s." in result["msg"]
    )
    assert by_node(result)["lp-a"]["error"] == ""


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (["redis"], "Image 'redis' has neither tag nor digest"),
        (["localhost:5000/redis"], "has neither tag nor digest"),
        (["redis@sha256:" + "a" * 63], "cannot be read as an image reference"),
        (["redis:7@sha512:" + "a" * 64], "cannot be read as an image reference"),
        (["Redis:7"], "has uppercase letters"),
        ([{"name": WEB, "source": "no tag"}], "Image 'no tag' cannot be read as an image reference"),
        ([WEB, {"name": WEB, "source": "sha256:" + "a" * 64}], "keep one of them"),
        ([{"source": WEB}], "write a reference, or a dictionary of name, source and archive"),
        ([{"name": WEB, "from": API}], "write a reference, or a dictionary of name, source and archive"),
        ([{"name": WEB, "archive": 7}], "write a reference, or a dictionary of name, source and archive"),
        ([7], "write a reference, or a dictionary of name, source and archive"),
        ([WEB, {"name": WEB, "archive": "/x.tar"}], f"both from '{WEB}' and from '/x.tar'; keep one of them"),
        ([WEB, {"name": WEB_NAME, "source": API}], "keep one of them"),
    ],
)
def test_images_that_cannot_be_served_are_refused_in_a_sentence(
    world: Any, run: Any, images: list[Any], words: str
) -> None:
    result = run(*images)
    assert result["failed"] is True
    assert words in result["msg"]
    assert not world.calls()


def test_an_image_asked_for_twice_is_moved_once(world: Any, run: Any) -> None:
    assert run(WEB, {"name": WEB})["actions"] == [f"import {WEB_NAME} into lp-a"]


def test_no_images_is_no_work(world: Any, run: Any) -> None:
    result = run(images=[])
    assert result["changed"] is False
    assert result["actions"] == []


# --- Images without a name, by digest, and from archives


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_image_without_a_name_is_found_by_its_id(world: Any, run: Any, layout: str) -> None:
    world.set(layout=layout)
    ids = world.image("luckyplans/forgotten:1", [BASE, b"forgotten"])
    item = {"name": "luckyplans/new:1", "source": ids["index" if layout == "containerd" else "config"]}
    assert run(item)["actions"] == ["import docker.io/luckyplans/new:1 into lp-a"]
    assert run(item)["changed"] is False


@pytest.mark.parametrize("reference", ["redis@{}", "redis:7@{}", "docker.io/library/redis:7@{}"])
def test_a_digest_that_docker_vouches_for_is_a_name_in_the_nodes(world: Any, run: Any, reference: str) -> None:
    digest = "sha256:" + "d" * 64
    world.image("redis:7", [BASE], pulled=[f"redis@{digest}"])
    item = {"name": reference.format(digest), "source": "redis:7"}
    assert run(item)["changed"] is True
    assert set(world.node_images("lp-a")) == {f"docker.io/library/redis@{digest}"}
    assert run(item)["changed"] is False


def test_a_digest_that_docker_does_not_know_is_refused(world: Any, run: Any) -> None:
    ids = world.image("redis:7", [BASE])
    digest = "sha256:" + "d" * 64
    result = run(WEB, {"name": f"redis@{digest}", "source": "redis:7"})
    assert result["msg"] == (
        f"Image docker.io/library/redis@{digest}: redis:7 in Docker is not known under this digest, but as {ids['config']}; "
        "pull it by its digest, or name it by a tag."
    )
    assert not world.calls("import")


def test_an_image_for_another_machine_is_refused_before_anything_moves(world: Any, run: Any) -> None:
    world.image("luckyplans/arm:1", [BASE], architecture="arm64")
    result = run(WEB, "luckyplans/arm:1")
    assert result["msg"] == (
        "Image docker.io/luckyplans/arm:1: luckyplans/arm:1 in Docker is for linux/arm64, and the nodes run linux/amd64; "
        "build or pull it for linux/amd64."
    )
    assert not world.calls("import")


def archive(path: Path, *references: str) -> str:
    """What the fake's docker save gives, in a file."""
    with open(path, "wb") as out:
        subprocess.run(["docker", "save", *references], stdout=out, check=True)
    return str(path)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compress", [None, gzip, bz2, lzma])
def test_an_archive_on_disk_is_a_source(world: Any, run: Any, tmp_path: Path, layout: str, compress: Any) -> None:
    world.set(layout=layout)
    path = archive(tmp_path / "web.tar", WEB)
    if compress:
        packed = tmp_path / "web.tar.packed"
        packed.write_bytes(compress.compress(Path(path).read_bytes()))
        path = str(packed)
    item = {"name": WEB, "archive": path}
    result = run(item, API)
    assert set(result["nodes"][0]["moved"]) == {WEB_NAME, API_NAME}
    assert not result["nodes"][0]["repaired"]
    assert run(item, API)["changed"] is False
    assert run(WEB)["changed"] is False, "it is the image that Docker has"


def test_one_of_several_images_of_an_archive_is_named_by_source(world: Any, run: Any, tmp_path: Path) -> None:
    path = archive(tmp_path / "both.tar", WEB, API)
    assert run({"name": "x/new:1", "archive": path, "source": API})["changed"] is True
    assert set(world.node_images("lp-a")) == {"docker.io/x/new:1"}
    held = f"{API_NAME} (linux/amd64), {WEB_NAME} (linux/amd64); name one of these in source."
    for source, what in (("", ""), ("x/other:1", "x/other:1 ")):
        result = run({"name": "x/new:1", "archive": path, "source": source})
        assert result["msg"] == f"Archive {path} holds no image {what}for linux/amd64, only {held}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is no tar file, plain or compressed by gzip, bzip2 or xz."),
        (b"no archive at all" * 100, "is no tar file"),
        (b"\x1f\x8b\x08" + b"x" * 600, "cannot be read: "),
        ({"notes.txt": b"hello"}, "holds no image for linux/amd64; it is no image archive"),
        ({"index.json": b"[1]"}, "is no image archive: "),
        ({"index.json": b'{"manifests": [{}]}'}, "is no image archive: 'digest'"),
        ({"manifest.json": b"{"}, "cannot be read: "),
        ({"manifest.json": b'[{"Config": "a.json", "Layers": []}]'}, "names a.json, which is not in it"),
    ],
)
def test_an_archive_that_is_no_image_is_refused_in_a_sentence(
    world: Any, run: Any, tmp_path: Path, content: Any, words: str
) -> None:
    path = tmp_path / "odd.tar"
    if isinstance(content, dict):
        with tarfile.open(path, "w") as out:
            for name, data in content.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                out.addfile(member, io.BytesIO(data))
    elif content is not None:
        path.write_bytes(content)
    result = run(API, {"name": WEB, "archive": str(path)})
    assert result["failed"] is True
    assert result["msg"].startswith(f"Archive {path} ")
    assert words in result["msg"]
    assert result["msg"].endswith(".")
    assert not world.calls("import")


def test_an_archive_that_ends_in_the_middle_leaves_no_name_behind(world: Any, run: Any, tmp_path: Path) -> None:
    path = Path(archive(tmp_path / "web.tar", WEB))
    path.write_bytes(path.read_bytes()[:-300_000])
    result = run({"name": WEB, "archive": str(path)})
    assert result["failed"] is True
    assert f"rchive {path}" in result["msg"]
    assert world.node_images("lp-a") == {}


# --- Removal


def edited(world: Any, run: Any, monkeypatch: pytest.MonkeyPatch, number: int, **options: Any) -> dict[str, Any]:
    """One more version of web, brought a second later than the one before."""
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000 + number)
    world.image(f"luckyplans/web:c-{number}", [BASE, b"edited%d" % number])
    return run(f"luckyplans/web:c-{number}", API, **options)


def test_prune_leaves_the_newest_the_used_and_what_others_brought(
    world: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3, 4):
        edited(world, run, monkeypatch, number)
    node = world.read_node("lp-a")
    by_kubelet = {**node["images"][WEB_NAME], "labels": []}
    alias = f"sha256:{'e' * 64}"
    node["images"] = {**node["images"], "docker.io/luckyplans/web:theirs": by_kubelet, alias: {**node["images"]["docker.io/luckyplans/web:c-3"], "labels": []}}
    world.write_node("lp-a", {**node, "running": ["docker.io/luckyplans/web:c-2", "registry.k8s.io/pause:3.10"]})

    predicted = edited(world, run, monkeypatch, 5, prune=True, keep=2, check=True)
    done = edited(world, run, monkeypatch, 5, prune=True, keep=2)
    assert done["actions"] == predicted["actions"] == [
        "import docker.io/luckyplans/web:c-5 into lp-a",
        "remove docker.io/luckyplans/web:c-1 from lp-a",
        "remove docker.io/luckyplans/web:c-3 from lp-a",
    ]
    assert done["diff"] == predicted["diff"]
    assert done["nodes"][0]["removed"] == ["docker.io/luckyplans/web:c-1", "docker.io/luckyplans/web:c-3"]
    left = set(world.node_images("lp-a"))
    assert left == {f"docker.io/luckyplans/web:{tag}" for tag in ("c-2", "c-4", "c-5", "theirs")} | {API_NAME}
    again = edited(world, run, monkeypatch, 5, prune=True, keep=2)
    assert again["changed"] is False
    assert not world.calls("containers")[4:], "where nothing comes nothing is looked through"


def test_absent_removes_from_every_node_and_is_quiet_the_second_time(world: Any, run: Any) -> None:
    world.node("lp-b")
    run()
    predicted = run(WEB, state="absent", check=True)
    done = run(WEB, state="absent")
    assert done["actions"] == predicted["actions"] == [f"remove {WEB_NAME} from {node}" for node in ("lp-a", "lp-b")]
    assert done["diff"]["after"] == ""
    assert set(world.node_images("lp-a")) == set(world.node_images("lp-b")) == {API_NAME}
    assert run(WEB, state="absent")["changed"] is False


def test_absent_needs_no_image_in_docker(world: Any, run: Any) -> None:
    run()
    world.set(images={})
    assert run(WEB, state="absent")["changed"] is True


def test_absent_with_prune_takes_everything_that_nothing_uses(world: Any, run: Any) -> None:
    run()
    world.write_node("lp-a", {**world.read_node("lp-a"), "running": [API_NAME]})
    assert run(images=[], state="absent", prune=True, keep=0)["actions"] == [f"remove {WEB_NAME} from lp-a"]


def test_absent_leaves_what_a_container_uses_and_says_so(world: Any, run: Any) -> None:
    world.node("lp-b")
    run()
    world.write_node("lp-b", {**world.read_node("lp-b"), "running": [WEB_NAME]})
    result = run(WEB, state="absent")
    assert result["msg"] == f"Node lp-b has containers that use {WEB_NAME}; remove those first, then run again."
    assert set(world.node_images("lp-a")) == {API_NAME}
    assert WEB_NAME in world.node_images("lp-b")


# --- Over a registry


@pytest.mark.parametrize(
    ("images", "options", "words"),
    [
        ([WEB], {"registry": "localhost:5001"}, "missing: registry_address"),
        ([WEB], {"registry_address": "http://r:5000"}, "missing: registry"),
        (
            [WEB],
            {"registry": "localhost:5001", "registry_address": "http://r:5000"},
            f"Image {WEB_NAME} is not named by registry=localhost:5001; with method=registry each is an image of Docker named localhost:5001/...",
        ),
    ],
)
def test_over_a_registry_images_bear_its_name(world: Any, run: Any, images: Any, options: Any, words: str) -> None:
    assert words in run(*images, method="registry", **options)["msg"]
    assert not world.calls("push")
