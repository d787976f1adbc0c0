# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repository as the contract tests see it: its files, its roles, and a way to run plays on many hosts at once."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
TASK_FILES = sorted(ROOT.glob("roles/*/tasks/*.yml"))
NESTED = ("block", "rescue", "always")


def git(*arguments: str) -> list[str]:
    """The lines that a git command prints."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def files() -> list[str]:
    """Paths of the files that are ours: tracked by git, or new and not ignored."""
    return [name for name in git("ls-files", "--cached", "--others", "--exclude-standard") if (ROOT / name).is_file()]


def documents() -> list[str]:
    """Paths of what is written for people, but for the chart and the applications, which have readers of their own."""
    others = ("artifacts/", "tests/", "CHANGELOG", "infrastructure/", "apps/")
    return sorted(name for name in files() if name.endswith(".md") and not name.startswith(others))


def text(path: Path | str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def load(path: Path | str) -> Any:
    return yaml.safe_load(text(path))


def role_file(role: str, path: str) -> Any:
    """The content of a role's file, empty where it has none."""
    file = ROOT / "roles" / role / path
    return (load(file) or {}) if file.exists() else {}


def options(role: str) -> dict[str, dict[str, Any]]:
    """The inputs of a role, of all its entry points."""
    specs = role_file(role, "meta/argument_specs.yml")["argument_specs"].values()
    return {name: option for spec in specs for name, option in (spec.get("options") or {}).items()}


def tasks(content: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every task of a file, also those in blocks; blocks are given too."""
    for task in content:
        yield task
        for part in NESTED:
            yield from tasks(task.get(part) or [])


@dataclass(frozen=True)
class Outcome:
    rc: int
    stdout: str
    recap: Mapping[str, Mapping[str, int]]


class Ansible:
    """Runs plays with the repository's own configuration and nothing of the user's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()

    def run(self, play: list[dict[str, Any]], hosts: dict[str, dict[str, Any]], *arguments: str) -> Outcome:
        """One run on as many hosts as there are cases, all of them this machine."""
        inventory, playbook = self.folder / "inventory.json", self.folder / "play.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        playbook.write_text(json.dumps(play))
        return self.playbook(playbook, inventory, *arguments)

    def playbook(self, playbook: Path, inventory: Path, *arguments: str) -> Outcome:
        venv = ROOT / ".venv" / "bin"
        done = subprocess.run(
            [
                venv / "ansible-playbook",
                f"--inventory={inventory}",
                "--extra-vars=ansible_connection=local",
                f"--extra-vars=ansible_python_interpreter={venv}/python",
                *arguments,
                playbook,
            ],
            cwd=ROOT,
            env={
                **{key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "LUCKYPLANS_"))},
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_FORKS": "8",
                "HOME": str(self.home),
                "NO_PROXY": "127.0.0.1,localhost",
                "no_proxy": "127.0.0.1,localhost",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        recap = {
            host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)}
            for host, counts in re.findall(r"^(\S+)\s+: (ok=.*)$", done.stdout, re.MULTILINE)
        }
        return Outcome(done.returncode, done.stdout + done.stderr, recap)
