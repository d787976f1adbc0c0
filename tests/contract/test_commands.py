# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every command of the documents that starts Ansible or make is taken by Ansible or make, as it is written there.

Ansible reads its options, the inventory, the playbook and its tags, and lists what it would do; only the scenarios do it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from repository import ROOT, documents, text

pytestmark = pytest.mark.slow

TYPED = re.compile(r"(?:\$ )?((?:[A-Z_]+=\S+ )*(?:make [a-z]|(?:\.venv/bin/)?ansible-playbook ).*)")
#: Targets that start no playbook: what they run is a step of scripts/test.
STEPS = {"bench", "docs", "help", "mutants", "test", "test-k3d", "test-quick"}


def typed() -> dict[str, str]:
    """Each command, and a document that has it."""
    found: dict[str, str] = {}
    for name in documents():
        content = text(name).replace("\\\n", " ")
        for code in [*re.findall(r"`([^`\n]+)`", content), *map(str.strip, content.splitlines())]:
            if command := TYPED.fullmatch(code):
                found.setdefault(re.sub(r"\s+#.*$|\s+(?=\s)", "", command[1]), name)
    return found


COMMANDS = typed()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the inventory that a page has its reader copy, and a password: nobody is there to type one."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "inventories/local", home / "staging")
    (home / "password").write_text("of a vault that a list of tasks does not open")
    return home


def run(argv: list[str], home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "LUCKYPLANS_", "MAKE", "MFLAGS"))}
    env = {**kept, "HOME": str(home), "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **variables}
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)


def words(command: str, home: Path) -> tuple[list[str], dict[str, str]]:
    """The arguments, as a shell would give them, and the variables before them."""
    found = shlex.split(command.replace("$PWD", str(ROOT)))
    count = next(number for number, word in enumerate(found) if not re.match(r"[A-Z_]+=", word))
    arguments = [word.replace("~", str(home), 1) if word.startswith("~/") else word for word in found[count:]]
    return arguments, dict(word.split("=", 1) for word in found[:count])


def test_there_are_commands_of_every_kind() -> None:
    assert len(COMMANDS) > 30
    for playbook in (ROOT / "playbooks").glob("*.yml"):
        ways = (f"playbooks/{playbook.name}", f"make {playbook.stem}")
        assert any(way in command for command in COMMANDS for way in ways), f"no document says how to run {playbook.name}"


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_taken(command: str, home: Path) -> None:
    argv, variables = words(command, home)
    if argv[0] == "make":
        said = run(["make", "--dry-run", *argv[1:]], home)
        assert said.returncode == 0, f"{COMMANDS[command]}: {said.stderr}"
        if argv[1] in STEPS:
            return
        argv = shlex.split(said.stdout.splitlines()[-1])
    assert Path(argv[0]).name == "ansible-playbook"
    argv = [f"--vault-password-file={home}/password" if word == "--ask-vault-pass" else word for word in argv]
    listed = run([*argv, "--list-tasks"], home, **variables)
    assert listed.returncode == 0, f"{COMMANDS[command]}: {listed.stderr}"
    assert "WARNING" not in listed.stderr, f"{COMMANDS[command]}: {listed.stderr}"
    given = {tag for several in re.findall(r"--tags[= ](\S+)", " ".join(argv)) for tag in several.split(",")}
    tags = {tag for known in re.findall(r"TAGS: \[(.*?)\]", listed.stdout) for tag in known.split(", ")}
    assert given <= tags, f"{COMMANDS[command]}: no task has the tags {given - tags}"
