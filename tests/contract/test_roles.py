# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Laws of the roles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from repository import ROLES, ROOT, TASK_FILES, load, options, role_file, tasks, text

MANDATORY = ("README.md", "defaults/main.yml", "meta/argument_specs.yml", "meta/main.yml", "tasks/main.yml")
MAX_LINES = 30
# what roles hand on to each other
FACTS = set(role_file("preflight", "vars/main.yml")["__preflight_facts"])
TAGS = {"always", "deploy"}


def prefixes(role: str) -> tuple[str, ...]:
    """Of a role's inputs; preflight specifies the shared ones."""
    return ("platform_", "preflight_") if role == "preflight" else (f"{role}_",)


def is_internal(name: str, role: str) -> bool:
    return name == f"__{role}" or name.startswith(f"__{role}_")


def is_templated(value: Any) -> bool:
    return "{{" in str(value)


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(task: dict[str, Any]) -> str:
    return next((key for key in task if re.fullmatch(r"\w+\.\w+\.\w+", key)), "")


def roles_called(path: Path) -> set[str]:
    """The roles that a play or a task file names, listed, included or imported."""
    return set(re.findall(r"luckyplans\.platform\.(\w+)", text(path))) & set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_role_has_its_files(role: str) -> None:
    assert [name for name in MANDATORY if not (ROOT / "roles" / role / name).is_file()] == []


@pytest.mark.parametrize("role", ROLES)
def test_specification_and_defaults_name_the_same_inputs(role: str) -> None:
    spec = options(role)
    required = {name for name, option in spec.items() if option.get("required")}
    defaults = set(role_file(role, "defaults/main.yml"))
    assert defaults == set(spec) - required


@pytest.mark.parametrize("role", ROLES)
def test_literal_defaults_are_equal_and_others_stand_once(role: str) -> None:
    """A default that is a template would be checked by its text, so it stands in defaults/main.yml alone."""
    defaults = role_file(role, "defaults/main.yml")
    literal = {name: value for name, value in defaults.items() if not is_templated(value)}
    stated = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert stated == literal


@pytest.mark.parametrize("role", ROLES)
def test_every_input_is_described_by_a_sentence(role: str) -> None:
    def check(options_: dict[str, Any]) -> None:
        for name, option in options_.items():
            sentences = option.get("description") or ""
            last = sentences if isinstance(sentences, str) else sentences[-1]
            assert last.endswith("."), f"{role}: {name} is not described by a sentence"
            check(option.get("options") or {})

    check(options(role))


@pytest.mark.parametrize("role", ROLES)
def test_inputs_and_internals_have_the_role_in_their_names(role: str) -> None:
    assert [name for name in role_file(role, "defaults/main.yml") if not name.startswith(prefixes(role))] == []
    assert [name for name in role_file(role, "vars/main.yml") if not is_internal(name, role)] == []


@pytest.mark.parametrize("path", TASK_FILES, ids=short)
def test_names_made_by_tasks_are_internal(path: Path) -> None:
    """Registers, loop variables, variables of tasks and facts; facts for other roles are listed in preflight."""
    role = path.parts[-3]
    for task in tasks(load(path) or []):
        made = [task.get("register"), (task.get("loop_control") or {}).get("loop_var")]
        made += set(task.get("ansible.builtin.set_fact") or {}) - FACTS - {"cacheable"}
        handed = task.get("vars") or {}
        if "role" in module_of(task):
            callee = task[module_of(task)]["name"].rpartition(".")[2]
            assert [name for name in handed if not name.startswith(prefixes(callee))] == []
        else:
            # which Python a task runs with is Ansible's to say
            made += set(handed) - {"ansible_python_interpreter"}
        assert [name for name in made if name and not is_internal(name, role)] == [], task.get("name")


@pytest.mark.parametrize("role", ROLES)
def test_main_is_a_table_of_contents(role: str) -> None:
    lines = [line for line in text(f"roles/{role}/tasks/main.yml").splitlines() if line.strip() and "#" not in line]
    assert len(lines) <= MAX_LINES


@pytest.mark.parametrize("path", TASK_FILES, ids=short)
def test_commands_say_when_they_change_something(path: Path) -> None:
    for task in tasks(load(path) or []):
        if module_of(task).rpartition(".")[2] in ("command", "shell", "raw", "script"):
            assert "changed_when" in task, f"{task['name']} lacks changed_when"


@pytest.mark.parametrize("role", ROLES)
def test_every_yaml_file_of_a_role_parses(role: str) -> None:
    found = [path for path in (ROOT / "roles" / role).rglob("*.y*ml") if "templates" not in path.parts]
    assert found
    for path in found:
        list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def test_every_role_is_used() -> None:
    """By the list of roles, by a playbook, or by another role."""
    used: set[str] = set()
    for path in [ROOT / "site.yml", *ROOT.glob("playbooks/*.yml")]:
        used |= roles_called(path)
    for path in TASK_FILES:
        used |= roles_called(path) - {path.parts[-3]}
    assert used == set(ROLES)


def roles_run(scenario: Path) -> set[str]:
    """The roles that a scenario runs: by its plays, by the playbooks that these import or its tests start, and by roles among them."""
    parts = [scenario, *([scenario.parent / "shared"] if "side_effect" in load(scenario / "molecule.yml")["scenario"]["test_sequence"] else [])]
    paths = [path for part in parts for path in (*part.glob("*.yml"), *part.glob("tests*/*.py")) if path.name != "destroy.yml"]
    found: set[str] = set()
    for path in paths:
        found |= roles_called(path) if path.suffix == ".yml" and path.name != "prepare.yml" else set()
        paths += [path.parent / name for name in re.findall(r"import_playbook: (\S+)", text(path))]
        started = re.findall(r'[/"](\w+\.yml)\b', text(path)) if path.is_relative_to(scenario.parent) else []
        paths += [ROOT / "playbooks" / name for name in started if (ROOT / "playbooks" / name).is_file()]
    called = {role: set().union(*map(roles_called, (ROOT / "roles" / role / "tasks").glob("*.yml"))) for role in ROLES}
    while more := set().union(*(called[role] for role in found)) - found:
        found |= more
    return found


@pytest.mark.parametrize("role", ROLES)
def test_role_has_a_scenario_that_runs_it(role: str) -> None:
    """The table of molecule/README.md names, for each role, the scenario that proves it most, and it is true."""
    proved = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", text("molecule/README.md").partition("## Roles")[2], re.MULTILINE))
    assert role in proved, "no row in the table"
    assert role in roles_run(ROOT / "molecule" / proved[role])
    assert set(proved) == set(ROLES)


def test_every_role_is_known_to_preflight() -> None:
    """It looks for misspelt variables by their names."""
    assert set(ROLES) <= set(role_file("preflight", "vars/main.yml")["__preflight_roles"])


def test_tags_are_role_names_or_purposes() -> None:
    """A role may carry the tag of another that needs it, so that each tag is safe alone."""
    listed = {item["role"].rpartition(".")[2]: set(item["tags"]) for item in load("site.yml")[0]["roles"]}
    for role, tags in listed.items():
        assert tags <= TAGS | set(listed), f"{role} has tags that name neither a role nor one of {sorted(TAGS)}"
        assert tags & {role, "always"}, f"{role} cannot be asked for by its name"


@pytest.mark.parametrize("role", ROLES)
def test_switches_are_read_as_such(role: str) -> None:
    """`-e some_switch=true` gives text, and Ansible refuses text as a condition."""
    switches = [name for name, option in options(role).items() if option.get("type") == "bool" and name.startswith(f"{role}_")]
    for path in (ROOT / "roles" / role / "tasks").glob("*.yml"):
        for task in tasks(load(short(path)) or []):
            conditions = f"{task.get('when')} {(task.get('ansible.builtin.assert') or {}).get('that')}"
            wrong = [switch for switch in switches if re.search(rf"\b{switch}\b(?! \| bool)", conditions)]
            assert not wrong, f"{short(path)}, {task['name']}: write {wrong[0]} | bool"
