# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Python scripts/bootstrap takes. It runs in a copy, on programs that only say that they were asked for an environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# the first answers where it is; the environment that it is asked for is never made
PYTHON = """#!/bin/sh
case "$*" in *realpath*) echo "$0" ;; "-m venv"*) echo "asked: ${0##*/}"; exit 1 ;; esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/bootstrap", "requirements.txt", "requirements.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for version in ("3.10", "3.11", "3.12", "3.13", "3.14"):
        program = tmp_path / "bin" / f"python{version}"
        program.write_text(PYTHON)
        program.chmod(0o755)
    return tmp_path


def bootstrap(checkout: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout}/bin{os.pathsep}{os.environ['PATH']}"
    argv = [checkout / "scripts/bootstrap"]
    return subprocess.run(argv, env={"PATH": path, "HOME": str(checkout), **env}, capture_output=True, text=True, timeout=60, check=False)


def test_the_newest_python_is_taken(checkout: Path) -> None:
    assert "asked: python3.14" in bootstrap(checkout).stdout


def test_the_python_that_is_named_is_taken_although_there_are_newer_ones(checkout: Path) -> None:
    assert "asked: python3.11" in bootstrap(checkout, LUCKYPLANS_PYTHON="3.11").stdout


@pytest.mark.parametrize("version", ["3.10", "3", "3.1", "newest"])
def test_another_python_than_ansible_takes_is_refused_before_any_change(checkout: Path, version: str) -> None:
    (checkout / ".venv").mkdir()
    done = bootstrap(checkout, LUCKYPLANS_PYTHON=version)
    assert done.returncode == 1
    assert f"LUCKYPLANS_PYTHON is {version}" in done.stderr
    assert (checkout / ".venv").is_dir()


def test_an_environment_of_another_python_is_not_taken_for_the_one_that_is_named(checkout: Path) -> None:
    """What an environment was made from holds the name; without one it is what it was."""
    (checkout / ".venv").mkdir()
    said = "cat requirements.txt requirements.yml scripts/bootstrap | sha256sum | cut -d' ' -f1"
    stamp = subprocess.run(["bash", "-c", said], cwd=checkout, capture_output=True, text=True, check=True).stdout
    (checkout / ".venv/.made-from").write_text(stamp)
    assert bootstrap(checkout).returncode == 0
    assert "asked: python3.12" in bootstrap(checkout, LUCKYPLANS_PYTHON="3.12").stdout
