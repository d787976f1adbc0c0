# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the public runs and reads first: workflows that may do little, with pinned actions, and that call what is here."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from repository import ROOT, load, text

WORKFLOWS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(".github/workflows/*.yml"))
FORMS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(".github/ISSUE_TEMPLATE/*.yml"))
READ = [*WORKFLOWS, *FORMS, ".github/pull_request_template.md", "CONTRIBUTING.md", "SECURITY.md", "README.md"]
USES = re.compile(r"^\s*-? *uses: *(\S+)(?: +# (v\d+\.\d+\.\d+))?$", re.MULTILINE)


def workflow(name: str) -> dict[str, Any]:
    # the key `on` is true in YAML 1.1
    return dict(yaml.load(text(name), Loader=yaml.BaseLoader))


def jobs(name: str) -> dict[str, dict[str, Any]]:
    return dict(workflow(name)["jobs"])


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):", text("Makefile"), re.MULTILINE))


def steps() -> set[str]:
    usage = re.search(r"the steps named: (.*)", text("scripts/test"))
    assert usage
    return {"all", "quick", *usage[1].split()}


def test_there_are_workflows() -> None:
    assert [name.rpartition("/")[2] for name in WORKFLOWS] == ["ci.yml", "release.yml"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_their_commit(name: str) -> None:
    found = USES.findall(text(name))
    assert len(found) == text(name).count("uses:")
    assert [(action, version) for action, version in found if not version or not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_an_action_has_one_version() -> None:
    versions: dict[str, set[tuple[str, str]]] = {}
    for name in WORKFLOWS:
        for action, version in USES.findall(text(name)):
            path, _at, commit = action.partition("@")
            versions.setdefault(path, set()).add((commit, version))
    assert {path: found for path, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_only_read_and_a_job_says_what_more(name: str) -> None:
    assert workflow(name)["permissions"] == {"contents": "read"}
    more = {job: given["permissions"] for job, given in jobs(name).items() if "permissions" in given}
    assert more == ({"publish": {"contents": "write"}} if name.endswith("release.yml") else {})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_job_ends_and_no_checkout_leaves_its_login(name: str) -> None:
    for job, given in jobs(name).items():
        assert int(given["timeout-minutes"]) <= 90, job
        for step in given["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] == "false", job


@pytest.mark.parametrize("name", WORKFLOWS)
def test_what_others_can_choose_is_no_part_of_a_command(name: str) -> None:
    """A branch or a title can be named `$(...)`; a variable of the environment is not read as a command."""
    chosen = re.compile(r"\$\{\{\s*(?:github|inputs|secrets)\.")
    assert [step["run"] for given in jobs(name).values() for step in given["steps"] if chosen.search(step.get("run", ""))] == []


@pytest.mark.parametrize("name", READ)
def test_targets_and_steps_that_are_named_exist(name: str) -> None:
    content = text(name)
    named = set(re.findall(r"(?:`|^|run: |&& |PATH\" )make ([a-z][\w-]*)", content, re.MULTILINE))
    assert named - targets() == set()
    assert set(re.findall(r"scripts/test ([a-z][\w-]*)", content)) - steps() == set()


def test_every_step_is_run_by_a_job() -> None:
    content = text(".github/workflows/ci.yml")
    run = {step for listed in re.findall(r"step: \[(.*)\]", content) for step in listed.split(", ")}
    run |= set(re.findall(r"scripts/test ([a-z][\w-]*)$", content, re.MULTILINE)) | ({"k3d"} if "make test-k3d" in content else set())
    assert run == steps() - {"all", "quick"}


def test_matrix_is_of_versions_that_the_collection_takes() -> None:
    admitted = SpecifierSet(load("meta/runtime.yml")["requires_ansible"])
    entries = jobs(".github/workflows/ci.yml")["unit"]["strategy"]["matrix"]["include"]
    assert all(entry["core"] in admitted for entry in entries)
    oldest = sorted(tuple(map(int, entry["core"].split("."))) for entry in entries)[0]
    assert f">={oldest[0]}.{oldest[1]}.0" == str(admitted)
    pinned = set(re.findall(r"^ansible-core==([\d.]+)", text("requirements.txt"), re.MULTILINE))
    assert pinned <= {entry["core"] for entry in entries}
    taken = re.search(r"for version in ([\d. ]+); do", text("scripts/bootstrap"))
    assert taken
    assert {entry["python"] for entry in entries} == set(taken[1].split())


def test_execution_environment_has_the_ansible_core_of_everybody() -> None:
    given = load("execution-environment.yml")["dependencies"]
    newest = re.search(r'^(ansible-core==[\d.]+); python_version >=', text("requirements.txt"), re.MULTILINE)
    assert newest and given["ansible_core"]["package_pip"] == newest[1]
    assert (given["galaxy"], given["python"]) == ("requirements.yml", "requirements.txt")
