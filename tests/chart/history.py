# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier charts, from the repository's history."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import yaml
from charts import CHART_DIR, REPOSITORY

WHERE = CHART_DIR.relative_to(REPOSITORY).as_posix()


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, check=True).stdout


def earlier(folder: Path) -> dict[str, Path]:
    """The first and the last chart of each version, the oldest first, unpacked. Empty where the history is not there."""
    try:
        if git("rev-parse", "--is-shallow-repository").strip() != b"false":
            return {}
        commits = git("log", "--reverse", "--format=%H", "--", WHERE).decode().split()
    except (OSError, subprocess.CalledProcessError):
        return {}
    ends: dict[tuple[str, str], str] = {}
    for commit in commits:
        version = yaml.safe_load(git("show", f"{commit}:{WHERE}/Chart.yaml"))["version"]
        ends.setdefault((version, "first"), commit)
        ends[version, "last"] = commit
    found = {}
    trees = set()
    for (version, end), commit in ends.items():
        tree = git("rev-parse", f"{commit}:{WHERE}")
        if tree not in trees:
            trees.add(tree)
            place = folder / f"{version}-{end}"
            with tarfile.open(fileobj=io.BytesIO(git("archive", commit, WHERE))) as archive:
                archive.extractall(place, filter="data")
            found[place.name] = place / WHERE
    return found
