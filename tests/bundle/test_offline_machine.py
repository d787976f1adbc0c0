# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a bare machine without a network to the running platform, with nothing but this checkout and a bundle."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import machine as lib
import pytest

QUESTION = "import urllib.request as r; q = r.Request('http://localhost/graphql', b'{\"query\":\"{ health }\"}', {'Content-Type': 'application/json'})"
ASK = f"{QUESTION}; print(r.urlopen(q, timeout=20).read().decode())"


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> lib.Maker:
    return lib.Maker(tmp_path_factory.mktemp("carried"))


@pytest.fixture(scope="module")
def offline(maker: lib.Maker) -> Iterator[lib.Machine]:
    with lib.machine(maker.path) as machine:
        yield machine


def test_the_bundle_is_made_and_the_second_time_nothing_is_written(maker: lib.Maker) -> None:
    first = maker.playbook()
    assert first.rc == 0, first.text[-3000:]
    before = (maker.path / "manifest.json").read_bytes()
    second = maker.playbook()
    assert (second.rc, second.changed()) == (0, 0), second.text[-3000:]
    assert (maker.path / "manifest.json").read_bytes() == before
    assert maker.verdict() == (0, {"altered": [], "bundle": str(maker.path), "message": "", "missing": [], "ok": True, "surplus": []})


def test_the_machine_has_no_way_out(offline: lib.Machine) -> None:
    assert offline.run("ip", "-oneline", "link").text.count("\n") == 1, "the loopback interface alone"
    assert offline.run("ip", "route").text == offline.run("ip", "-6", "route", "show", "default").text == ""
    assert offline.run("getent", "hosts", "pypi.org").rc != 0
    assert offline.run("sh", "-c", "command -v docker").rc != 0, "it is bare"


def test_from_bare_to_healthy(offline: lib.Machine) -> None:
    first = offline.run("make", "local")
    assert first.rc == 0, first.text[-4000:]
    assert "Source      bundle" in first.text
    assert "Rebuilt     none" in first.text
    answer = offline.run("python3", "-c", ASK)
    assert json.loads(answer.text) == {"data": {"health": "API Gateway is running"}}, answer.text
    # one of two pods of CoreDNS may be late on a busy machine, and the application does not wait for it
    deadline = time.monotonic() + 60
    while (status := offline.run("make", "status")).rc and time.monotonic() < deadline:
        time.sleep(3)
    assert status.rc == 0, status.text[-3000:]
    node = offline.run("docker", "exec", "luckyplans-control-plane", "getent", "hosts", "pypi.org")
    assert node.rc == 2 and node.text == "", "names are not found in the nodes either"


def test_a_second_run_changes_nothing(offline: lib.Machine) -> None:
    second = offline.run("make", "local")
    assert (second.rc, second.changed()) == (0, 0), second.text[-4000:]


def test_an_edit_that_cannot_be_built_here_says_so(offline: lib.Machine) -> None:
    """What is built needs packages of npm, which nobody carried here."""
    edited = offline.run("sh", "-c", "sed -i '1i // edited' apps/service-core/src/main.ts && make local ARGS='-e images_build_timeout=20'")
    assert edited.rc != 0
    flat = " ".join(edited.text.split())
    assert "The bundle /bundle does not hold luckyplans/service-core:c-" in flat, flat[-3000:]
    assert "make the bundle anew from these sources (playbooks/bundle.yml) and carry it here, or take the edit back" in flat
    assert json.loads(offline.run("python3", "-c", ASK).text)["data"]["health"], "what ran goes on"


def test_every_damaged_file_is_named_and_making_it_again_mends_it(maker: lib.Maker) -> None:
    whole = sorted((maker.path / "blobs/sha256").iterdir())
    damaged = whole[::10]
    for path in damaged:
        with path.open("r+b") as stream:
            stream.seek(path.stat().st_size // 2)
            byte = stream.read(1)
            stream.seek(-1, 1)
            stream.write(bytes([byte[0] ^ 1]))
    (maker.path / "stranger").write_text("x")
    code, verdict = maker.verdict()
    assert code != 0
    assert sorted(entry.split(" ")[0] for entry in verdict["altered"]) == [path.relative_to(maker.path).as_posix() for path in damaged]
    assert (verdict["missing"], verdict["surplus"], verdict["ok"]) == ([], ["stranger"], False)
    assert maker.playbook().rc == 0
    assert maker.playbook("--tags=prune").changed() == 1
    assert maker.verdict()[0] == 0
    assert sorted((maker.path / "blobs/sha256").iterdir()) == whole


def test_nothing_of_a_damaged_bundle_is_used(maker: lib.Maker, offline: lib.Machine) -> None:
    manifest = json.loads(Path(maker.path, "manifest.json").read_text())
    digest = next(item["sha256"] for item in manifest["artifacts"] if item["kind"] == "wheel")
    blob = maker.path / "blobs/sha256" / digest
    content = blob.read_bytes()
    try:
        blob.write_bytes(content[:-1])
        refused = offline.run("sh", "-c", "rm .venv/.made-from; make local")
        assert refused.rc != 0
        assert f"/bundle/blobs/sha256/{digest} is altered" in refused.text, refused.text[-2000:]
    finally:
        blob.write_bytes(content)
