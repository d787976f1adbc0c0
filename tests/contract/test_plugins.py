# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Laws of the plugins."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from repository import ROOT, Ansible, load

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
FILTERS = sorted(path.stem for path in (ROOT / "plugins" / "filter").glob("*.py"))
PROGRAMS = [*ROOT.glob("plugins/**/*.py"), *ROOT.glob("scripts/*.py"), *ROOT.glob("artifacts/**/*.py")]
ATTRIBUTES = {"check_mode", "diff_mode", "idempotent"}
# what has to be the same in the documentation and in the code
KEYS = ("type", "elements", "required", "default", "choices")
USUAL = {"type": "str", "required": False}


def documentation(kind: str, names: list[str]) -> dict[str, Any]:
    """What ansible-doc makes of the plugins, with the fragments that they use."""
    full = [f"luckyplans.platform.{name}" for name in names]
    done = subprocess.run(
        [ROOT / ".venv/bin/ansible-doc", "--type", kind, "--json", *full],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {name: found[key] for name, key in zip(names, full)}


@pytest.fixture(scope="module")
def modules() -> dict[str, Any]:
    return {name: entry["doc"] for name, entry in documentation("module", MODULES).items()}


@pytest.fixture(scope="module")
def filters() -> dict[str, Any]:
    return documentation("filter", FILTERS)


class Asked(Exception):
    """Instead of a module: what it asks for."""


def argument_spec(name: str) -> dict[str, Any]:
    module = importlib.import_module(f"ansible_collections.luckyplans.platform.plugins.modules.{name}")
    with mock.patch.object(module, "AnsibleModule", side_effect=Asked) as asked, pytest.raises(Asked):
        module.main()
    arguments, keywords = asked.call_args
    return keywords.get("argument_spec") or arguments[0]


def described(options: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every option by its whole name, in the form of the documentation or of the code."""
    for name, option in options.items():
        yield path + name, {key: option.get(key, USUAL.get(key)) for key in KEYS}
        yield from described(option.get("suboptions") or option.get("options") or {}, f"{path}{name}.")


def test_action_group_holds_every_module() -> None:
    assert load("meta/runtime.yml")["action_groups"]["platform"] == MODULES


@pytest.mark.parametrize("name", MODULES)
def test_module_says_how_it_keeps_its_contract(modules: dict[str, Any], name: str) -> None:
    attributes = modules[name].get("attributes") or {}
    assert set(attributes) >= ATTRIBUTES
    for attribute in ATTRIBUTES:
        assert attributes[attribute]["support"] in ("full", "partial", "none", "N/A")


@pytest.mark.parametrize("name", MODULES)
def test_documentation_and_code_have_the_same_options(modules: dict[str, Any], name: str) -> None:
    assert dict(described(modules[name]["options"])) == dict(described(argument_spec(name)))


@pytest.mark.parametrize("name", MODULES)
def test_every_option_of_a_module_is_described_by_a_sentence(modules: dict[str, Any], name: str) -> None:
    def check(options: dict[str, Any]) -> None:
        for key, option in options.items():
            last = "".join(option.get("description") or [""][-1:])
            assert last.rstrip(")").endswith("."), f"{name}: {key} is not described by a sentence"
            check(option.get("suboptions") or {})

    check(modules[name]["options"])


@pytest.mark.parametrize("name", FILTERS)
def test_filter_is_documented_under_its_name(filters: dict[str, Any], name: str) -> None:
    module = importlib.import_module(f"ansible_collections.luckyplans.platform.plugins.filter.{name}")
    assert set(module.FilterModule().filters()) == {name}
    assert filters[name]["doc"]["short_description"]
    assert filters[name]["return"]["_value"]["description"]


@pytest.mark.parametrize("name", FILTERS)
def test_documentation_and_code_of_a_filter_have_the_same_options(filters: dict[str, Any], name: str) -> None:
    module = importlib.import_module(f"ansible_collections.luckyplans.platform.plugins.filter.{name}")
    _input, *parameters = inspect.signature(module.FilterModule().filters()[name]).parameters.values()
    options = {key: option.get("default") for key, option in filters[name]["doc"]["options"].items()}
    assert options == {"_input": None, **{parameter.name: parameter.default for parameter in parameters}}


def examples(text: str) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each task of EXAMPLES, and the result that the comment above it states."""
    for piece in re.split(r"^# ", text, flags=re.MULTILINE)[1:]:
        stated, _newline, task = piece.partition("\n")
        yield yaml.safe_load(task)[0], yaml.safe_load(stated)


def test_examples_of_filters_give_what_they_state(filters: dict[str, Any], tmp_path: Path) -> None:
    tasks, stated = [], {}
    for name in FILTERS:
        found = list(examples(filters[name]["examples"]))
        assert len(found) == len(yaml.safe_load(filters[name]["examples"])) > 0, f"{name}: an example does not state its result"
        for task, result in found:
            tasks.append({**task, "register": f"example_{len(tasks)}"})
            stated[f"{name}: {task['name']}"] = result
    results = [f"{{{{ example_{number}.msg }}}}" for number in range(len(tasks))]
    file = tmp_path / "results.json"
    keep = {"dest": str(file), "content": "{{ results | to_json }}", "mode": "0600"}
    tasks.append({"name": "Keep the results", "ansible.builtin.copy": keep, "vars": {"results": results}})
    done = Ansible(tmp_path).run([{"name": "Examples", "hosts": "all", "gather_facts": False, "tasks": tasks}], {"localhost": {}})
    assert done.rc == 0, done.stdout
    assert dict(zip(stated, json.loads(file.read_text()))) == stated


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_program_uses_a_shell(path: Path) -> None:
    """Commands are lists of arguments, so that no value can become a command."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        where = f"line {node.lineno}: {called}"
        assert called not in ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"), where
        assert keywords.get("shell", "False") == "False", where
        assert keywords.get("use_unsafe_shell", "False") == "False", where
        if (called.startswith("subprocess.") or called.endswith("run_command")) and node.args:
            text = node.args[0]
            is_text = isinstance(text, ast.JoinedStr) or (
                isinstance(text, ast.Constant) and isinstance(text.value, str)
            )
            assert not is_text, f"{where} gets a text instead of a list"


@pytest.mark.parametrize("path", sorted(ROOT.glob("plugins/module_utils/*.py")), ids=lambda path: path.name)
def test_module_utils_are_private(path: Path) -> None:
    assert path.name.startswith("_")
