# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def script(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("scripts/unpack_collections.py")


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The PyPI package with three collections, of which one has a name that begins like another's."""
    path = tmp_path / "ansible-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("kubernetes/core", "kubernetes/core_extra", "community/docker"):
            manifest = {"collection_info": {"version": "6.6.0"}}
            archive.writestr(f"ansible_collections/{name}/MANIFEST.json", json.dumps(manifest))
            archive.writestr(f"ansible_collections/{name}/plugins/modules/k8s.py", "# code")
    return path


def requirements(folder: Path, version: str) -> Path:
    path = folder / "requirements.yml"
    path.write_text(f"collections: [{{name: kubernetes.core, version: {version}}}]\n")
    return path


def test_only_the_wanted_collections_are_taken(script: ModuleType, wheel: Path, tmp_path: Path) -> None:
    script.unpack(requirements(tmp_path, "6.6.0"), wheel, tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    folder = "ansible_collections/kubernetes/core"
    assert found == {f"{folder}/MANIFEST.json", f"{folder}/plugins/modules/k8s.py"}


def test_other_version_is_refused_with_both(script: ModuleType, wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as refusal:
        script.unpack(requirements(tmp_path, "6.7.0"), wheel, tmp_path / "out")
    for word in (wheel.name, "kubernetes.core 6.6.0", "6.7.0", "requirements.yml", "scripts/bootstrap"):
        assert word in str(refusal.value)
    assert not (tmp_path / "out").exists()
