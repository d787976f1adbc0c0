# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TEXT = """
# for the controller
ansible-core==2.21.5; python_version >= "3.12"
ansible-core==2.19.14; python_version < "3.12"
PyYAML==6.0.3  # and why
"""


@pytest.fixture(scope="module")
def script(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("scripts/wheels")


@pytest.mark.parametrize(("version", "core"), [("3.11", "2.19.14"), ("3.12", "2.21.5"), ("3.14", "2.21.5")])
def test_conditions_are_weighed_for_the_version_that_is_downloaded(script: ModuleType, version: str, core: str) -> None:
    assert script.wanted(TEXT, version) == [f"ansible-core=={core}", "PyYAML==6.0.3"]


class Pip:
    """Instead of pip: what it was asked for, and a file for each version."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.asked: list[list[str]] = []

    def __call__(self, argv: list[str], check: bool) -> None:
        self.asked.append(argv)
        options = dict(part.split("=", 1) for part in argv if part.startswith("--") and "=" in part)
        if options["--python-version"] == self.fails:
            raise subprocess.CalledProcessError(1, argv)
        Path(options["--dest"], f"a-1-{options['--python-version']}.whl").touch()


def run(script: ModuleType, monkeypatch: pytest.MonkeyPatch, folder: Path, pip: Any) -> None:
    (folder / "requirements.txt").write_text(TEXT)
    monkeypatch.setattr(script.subprocess, "run", pip)
    monkeypatch.setattr(sys, "argv", ["wheels", str(folder / "requirements.txt"), str(folder / "out"), "arm64", "3.11", "3.13"])
    script.main()


def test_the_folder_appears_with_all_of_it(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pip = Pip()
    run(script, monkeypatch, tmp_path, pip)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a-1-3.11.whl", "a-1-3.13.whl"]
    assert all("--platform=manylinux_2_28_aarch64" in argv and "--only-binary=:all:" in argv for argv in pip.asked)


def test_it_does_not_appear_where_pip_failed(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="pip could not download the wheels"):
        run(script, monkeypatch, tmp_path, Pip(fails="3.13"))
    assert [path.name for path in tmp_path.iterdir()] == ["requirements.txt"]
