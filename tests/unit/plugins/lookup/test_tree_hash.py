# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.luckyplans.platform.plugins.lookup.tree_hash import LookupModule


def tree_hash(*folders: Path) -> list[str]:
    return LookupModule().run([str(folder) for folder in folders])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "tasks").mkdir(parents=True)
    (tmp_path / "tree" / "tasks" / "main.yml").write_text("---\n")
    return tmp_path / "tree"


@pytest.mark.parametrize("change", ["content", "name", "mode", "another"])
def test_every_change_makes_another_hash(tree: Path, change: str) -> None:
    before, file = tree_hash(tree), tree / "tasks" / "main.yml"
    assert before == tree_hash(tree)
    if change == "content":
        file.write_text("--- \n")
    elif change == "name":
        file.rename(tree / "tasks" / "more.yml")
    elif change == "mode":
        file.chmod(0o755)
    else:
        (tree / "vars.yml").write_text("")
    assert before != tree_hash(tree)


def test_what_python_leaves_behind_does_not_count(tree: Path) -> None:
    before = tree_hash(tree)
    (tree / "__pycache__").mkdir()
    (tree / "__pycache__" / "main.pyc").write_bytes(b"")
    assert before == tree_hash(tree)


def test_each_directory_has_its_own(tree: Path, tmp_path: Path) -> None:
    missing, whole = tree_hash(tmp_path / "missing", tree)
    assert missing != whole
    assert [whole] == tree_hash(tree)


def test_what_cannot_be_read_is_named(tree: Path) -> None:
    (tree / "dangling").symlink_to(tree / "nowhere")
    with pytest.raises(AnsibleLookupError, match="dangling cannot be read: No such file or directory"):
        tree_hash(tree)
