# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server's inventory: what it is without secrets, with placeholders and with a vault."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT, Ansible, Outcome, files, load, text

pytestmark = pytest.mark.slow

GROUP = "inventories/prod/group_vars/platform"
SECRETS = set(load(f"{GROUP}/vars.yml"))


def venv(program: str, *arguments: Any, check: bool = True) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    return subprocess.run([ROOT / ".venv/bin" / program, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=check)


@pytest.fixture
def prod(tmp_path: Path) -> Path:
    """The inventory as it is in git: whoever has filled in a vault keeps it to himself."""
    for name in files():
        if name.startswith("inventories/prod/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path / "inventories/prod"


@pytest.fixture
def vault(prod: Path) -> Callable[[str], list[str]]:
    """Makes vault.yml out of the example as its head says, and gives the option for its password."""

    def encrypt(value: str) -> list[str]:
        place = prod / "group_vars/platform"
        password = prod.parent / "password"
        password.write_text("the right one")
        (place / "vault.yml").write_text((place / "vault.example.yml").read_text().replace("CHANGE_ME", value))
        venv("ansible-vault", "encrypt", f"--vault-password-file={password}", place / "vault.yml")
        return [f"--vault-password-file={password}"]

    return encrypt


def run(prod: Path, playbook: str, *arguments: str) -> Outcome:
    folder = prod.parent / "ansible"
    folder.mkdir()
    return Ansible(folder).playbook(ROOT / playbook, prod, "--check", *arguments)


def variables(prod: Path, *arguments: str) -> dict[str, Any]:
    listed = venv("ansible-inventory", f"--inventory={prod}", "--list", *arguments)
    return json.loads(listed.stdout)["_meta"]["hostvars"]["vps"]


def test_it_loads_without_and_with_a_vault(prod: Path, vault: Callable[[str], list[str]]) -> None:
    assert variables(prod)["platform_environment"] == "prod"
    password = vault("canary")
    assert variables(prod, *password)["vault_luckyplans_jwt_secret"] == "canary_jwt_secret"


def test_it_says_everything_that_the_laptop_says() -> None:
    local = load("inventories/local/group_vars/platform/platform.yml")
    assert set(local) - set(load(f"{GROUP}/platform.yml")) == set()


def test_every_secret_has_a_place_in_the_example() -> None:
    """Those that are switched off by a comment too."""
    asked = set(re.findall(r"\{\{ (vault_\w+) \}\}", text(f"{GROUP}/vars.yml")))
    assert asked == set(load(f"{GROUP}/vault.example.yml"))


def test_no_vault_can_be_added_by_accident() -> None:
    ignored = ["git", "check-ignore", "--no-index", f"{GROUP}/vault.yml", ".vault-password"]
    assert len(subprocess.run(ignored, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()) == 2


def test_placeholders_are_refused_by_name(prod: Path) -> None:
    said = run(prod, "site.yml")
    assert said.rc != 0
    # the table, where a long name goes on in the next line, and its source
    refused = re.findall(r"subject: (\w+)\n +value: \(placeholder\)", said.stdout)
    assert set(refused) == SECRETS, said.stdout
    assert "CHANGE_ME_" not in said.stdout, "what a variable holds is not shown"


def test_secrets_out_of_a_vault_are_taken_and_not_shown(prod: Path, vault: Callable[[str], list[str]]) -> None:
    # one fault of another kind, so that the run ends in preflight whatever else is right
    said = run(prod, "site.yml", "-vvv", "--extra-vars=platform_cluster_name=A", *vault("canary"))
    assert re.search(r"error +platform_cluster_name +A ", said.stdout), said.stdout
    assert "placeholder of the example" not in said.stdout
    assert "canary" not in said.stdout


def test_a_wrong_password_ends_the_run_before_any_task(prod: Path, vault: Callable[[str], list[str]]) -> None:
    vault("canary")
    wrong = prod.parent / "wrong"
    wrong.write_text("another one")
    said = run(prod, "site.yml", f"--vault-password-file={wrong}")
    assert said.rc != 0
    assert "Decryption failed" in said.stdout, said.stdout
    assert "TASK" not in said.stdout


def test_the_playbook_of_the_laptop_refuses_it(prod: Path) -> None:
    said = run(prod, "playbooks/local.yml")
    assert said.rc != 0
    flat = " ".join(said.stdout.split())
    assert "does not fit this playbook, which is for local" in flat, said.stdout
    assert "take the inventory of local (-i inventories/local), or run site.yml" in flat
