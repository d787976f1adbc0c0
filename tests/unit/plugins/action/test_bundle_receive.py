# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both parts of bundle_receive, by Ansible itself: the controller and the target are this machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _bundle as lib

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[4]


def make(folder: Path, *contents: bytes) -> Path:
    store = lib.Store(str(folder))
    with store.opened():
        for content in contents:
            store.add([content], hashlib.sha256(content).hexdigest(), "a test")
        store.write(lib.LAYOUT, lib.LAYOUT_TEXT)
        store.write(lib.INDEX, "{}")
        blobs = {hashlib.sha256(content).hexdigest(): len(content) for content in contents}
        tools = [lib.Artifact("tool", f"tool-{size}", "1", "amd64", digest, size) for digest, size in blobs.items()]
        index = hashlib.sha256(b"{}").hexdigest()
        store.write(lib.MANIFEST, lib.Manifest("", "0.1.0", "", {"amd64": {}}, tools, blobs, index).text())
    return folder


def send(source: Path, path: Path, *options: str, **arguments: Any) -> dict[str, Any]:
    given = json.dumps({"source": str(source), "path": str(path), **arguments})
    argv = [sys.executable, "-m", "ansible", "adhoc", "localhost", "--module-name=luckyplans.platform.bundle_receive", f"--args={given}"]
    interpreter = f"--extra-vars={json.dumps({'ansible_python_interpreter': sys.executable})}"
    env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run([*argv, interpreter, *options], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return json.loads(done.stdout.partition("=> ")[2] or json.dumps({"failed": True, "msg": done.stdout + done.stderr}))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_only_what_is_lacking_is_sent(tmp_path: Path) -> None:
    here, there = make(tmp_path / "here", b"one", b"three"), tmp_path / "there"
    (here / "unknown").write_text("is not of the bundle")
    foreseen = send(here, there, "--check")
    assert foreseen["changed"] is True
    assert not there.exists()
    first = send(here, there)
    assert first["actions"] == foreseen["actions"]
    assert first["lacking"][-1] == "manifest.json"
    assert {**files(there), "unknown": b"is not of the bundle"} == files(here)
    assert not (there / lib.TEMPORARY).exists()
    assert send(here, there)["changed"] is False

    newer = make(tmp_path / "newer", b"one", b"two and more")
    upgraded = send(newer, there)
    assert [name for name in upgraded["lacking"] if name.startswith("blobs")] == [f"blobs/sha256/{hashlib.sha256(b'two and more').hexdigest()}"]
    assert lib.read(str(there)).text() == lib.read(str(newer)).text()
    assert (there / "blobs/sha256" / hashlib.sha256(b"three").hexdigest()).exists(), "what may be in use stays"

    blob = there / "blobs/sha256" / hashlib.sha256(b"one").hexdigest()
    blob.write_bytes(b"ONE")
    assert send(newer, there)["changed"] is False
    assert send(newer, there, checksums=True)["changed"] is True
    assert blob.read_bytes() == b"one"


def test_what_is_altered_where_it_comes_from_is_not_taken(tmp_path: Path) -> None:
    here, there = make(tmp_path / "here", b"one", b"three"), tmp_path / "there"
    blob = here / "blobs/sha256" / hashlib.sha256(b"one").hexdigest()
    blob.write_bytes(b"ONE")
    refused = send(here, there)
    assert f"blobs/sha256/{blob.name} (tool tool-3 (amd64)) arrived altered" in refused["msg"]
    assert not (there / "manifest.json").exists()
    assert not (there / "blobs/sha256" / blob.name).exists()
    blob.write_bytes(b"one")
    assert send(here, there)["changed"] is True
    assert files(there) == files(here)


def test_what_is_not_there_to_send_is_told(tmp_path: Path) -> None:
    assert "manifest.json is not there: this is no bundle" in send(tmp_path, tmp_path / "there")["msg"]
    here = make(tmp_path / "here", b"one")
    assert "no.pub cannot be read" in send(here, tmp_path / "there", public_key=str(tmp_path / "no.pub"))["msg"]
    shutil.rmtree(here / "blobs")
    assert "was not sent" in send(here, tmp_path / "there")["msg"]


@pytest.mark.parametrize("there", ["/proc/nothing", "{file}/below"])
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, there: str) -> None:
    (tmp_path / "file").touch()
    here = make(tmp_path / "here", b"one")
    assert "was not written" in send(here, Path(there.format(file=tmp_path / "file")))["msg"]
