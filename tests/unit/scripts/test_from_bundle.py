# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _bundle as lib

WHEEL = "six-1.17.0-py2.py3-none-any.whl"


@pytest.fixture(scope="module")
def script(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("scripts/from_bundle.py")


def blob(store: lib.Store, content: bytes) -> str:
    digest = lib.hashlib.sha256(content).hexdigest()
    store.add([content], digest, "a test")
    return digest


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle as the module writes it, with a wheel, a collection and a tool."""
    source = tmp_path / "core"
    (source / "plugins").mkdir(parents=True)
    (source / "plugins" / "k8s.py").write_text("# code")
    path = tmp_path / "bundle"
    store = lib.Store(str(path))
    with store.opened():
        tree, _size = store.add_tree(str(source))
        found = [("wheel", WHEEL, blob(store, b"wheel")), ("collection", "kubernetes.core", tree), ("tool", "kind", blob(store, b"kind"))]
        artifacts = [lib.Artifact(kind, name, "1", "any", digest, 1) for kind, name, digest in found]
        store.write(lib.MANIFEST, lib.Manifest("", "0.1.0", "", {}, artifacts, {item.sha256: 1 for item in artifacts}).text())
    return path


def run(script: ModuleType, bundle: Path) -> Path:
    out = bundle.parent / "out"
    script.main(bundle, out / "wheels", out)
    return out


def test_wheels_and_collections_are_taken_and_nothing_else(script: ModuleType, bundle: Path) -> None:
    out = run(script, bundle)
    assert {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*") if path.is_file()} == {
        f"wheels/{WHEEL}": "wheel",
        "ansible_collections/kubernetes/core/plugins/k8s.py": "# code",
    }


def test_the_format_is_the_one_of_the_module(script: ModuleType, bundle: Path) -> None:
    assert json.loads((bundle / "manifest.json").read_text())["format"] == lib.FORMAT
    run(script, bundle)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"format": 1', '"format": 2', "has format 2, and this checkout reads 1: take version 0.1.0 of it or newer"),
        ('"format": 1', '"format', "manifest.json cannot be read"),
        (f'"name": "{WHEEL}"', '"name": "../../x.whl"', ""),
    ],
)
def test_a_manifest_that_is_none_stops_it(script: ModuleType, bundle: Path, old: str, new: str, said: str) -> None:
    manifest = bundle / "manifest.json"
    manifest.write_text(manifest.read_text().replace(old, new))
    if said:
        with pytest.raises(SystemExit, match=said):
            run(script, bundle)
    else:
        assert not list(run(script, bundle).rglob("*.whl"))
        assert not list(bundle.parent.glob("*.whl"))


def test_no_bundle_at_all_is_told(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="LUCKYPLANS_BUNDLE_DIR has to name a bundle"):
        script.main(tmp_path, tmp_path / "w", tmp_path / "c")


@pytest.mark.parametrize("gone", [True, False])
def test_a_damaged_wheel_is_refused(script: ModuleType, bundle: Path, gone: bool) -> None:
    digest = lib.hashlib.sha256(b"wheel").hexdigest()
    place = bundle / "blobs/sha256" / digest
    place.unlink()
    if not gone:
        place.write_bytes(b"WHEEL")
    with pytest.raises(SystemExit, match=f"{digest} {'cannot be read' if gone else 'is altered'}.*carry the bundle here again"):
        run(script, bundle)


@pytest.mark.parametrize("name", ["../x", "/x", "link"])
def test_a_collection_that_leads_elsewhere_is_refused(script: ModuleType, tmp_path: Path, name: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo(name)
        if name == "link":
            member.type, member.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(member)
    with pytest.raises(SystemExit, match="which no bundle has"):
        script.unpack(stream.getvalue(), tmp_path / "out", "a.b")
