# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the public runs and reads first: workflows that may do little, with pinned actions, and that call what is here."""

from __future__ import annotations

import itertools
import re
from importlib import metadata
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
    return {"all", "quick", "static", *usage[1].split()}


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
    assert run == steps() - {"all", "quick", "static"}


def combinations() -> set[tuple[str, str]]:
    """Python and ansible-core of each job of unit tests."""
    matrix = jobs(".github/workflows/ci.yml")["unit"]["strategy"]["matrix"]
    left_out = {(entry["python"], entry["core"]) for entry in matrix["exclude"]}
    return set(itertools.product(matrix["python"], matrix["core"])) - left_out


def pythons() -> set[str]:
    """Those that scripts/bootstrap takes."""
    known = re.search(r"^readonly known='([\d. ]+)'", text("scripts/bootstrap"), re.MULTILINE)
    assert known
    return set(known[1].split())


def test_matrix_is_of_versions_that_the_collection_takes() -> None:
    admitted = SpecifierSet(load("meta/runtime.yml")["requires_ansible"])
    cores = {core for _python, core in combinations()}
    assert all(core in admitted for core in cores)
    minors = sorted(tuple(map(int, core.split(".")[:2])) for core in cores)
    assert f">={minors[0][0]}.{minors[0][1]}.0" == str(admitted)
    assert minors == [(minors[0][0], minors[0][1] + number) for number in range(len(minors))], "one is left out, or stands twice"
    assert set(re.findall(r"^ansible-core==([\d.]+)", text("requirements.txt"), re.MULTILINE)) <= cores
    assert {python for python, _core in combinations()} == pythons()


def test_matrix_has_every_python_of_the_ansible_core_that_is_here() -> None:
    """As its package says; of the others nothing is known without the network."""
    here = metadata.metadata("ansible-core")
    says = {line.rpartition(" ")[2] for line in here.get_all("Classifier") or [] if re.search(r":: 3\.\d+$", line)}
    assert {python for python, core in combinations() if core == here["Version"]} == says & pythons() != set()


def test_unit_tests_run_on_the_python_of_their_name() -> None:
    """A runner has a Python of its own, and scripts/bootstrap takes the newest if it is told nothing."""
    assert jobs(".github/workflows/ci.yml")["unit"]["env"] == {"LUCKYPLANS_PYTHON": "${{ matrix.python }}"}


def test_results_are_kept_of_every_job_that_fails() -> None:
    """upload-artifact passes over hidden folders, and two artifacts of one run cannot have the same name."""
    names = []
    for job, given in jobs(".github/workflows/ci.yml").items():
        *_others, last = given["steps"]
        if not any(re.search(r"scripts/test |make test", step.get("run", "")) for step in given["steps"]):
            # its results are what it prints
            assert "upload-artifact" not in str(given["steps"]), job
            continue
        assert (last["uses"].partition("@")[0], last["if"], last["with"]["path"]) == ("actions/upload-artifact", "failure()", "tests/output/*.xml"), job
        names.append(last["with"]["name"])
        for dimension in given.get("strategy", {}).get("matrix", {}).keys() - {"include", "exclude"}:
            assert f"matrix.{dimension} " in names[-1], job
    assert len(set(names)) > 1


def test_packages_are_kept_by_what_locks_them() -> None:
    for job, given in jobs(".github/workflows/ci.yml").items():
        python = next(step["with"] for step in given["steps"] if step.get("uses", "").startswith("actions/setup-python@"))
        assert (python["cache"], python["cache-dependency-path"]) == ("pip", "requirements*.txt"), job
    for step in (step for given in jobs(".github/workflows/ci.yml").values() for step in given["steps"]):
        for locks in re.findall(r"hashFiles\('([^']+)'\)", str(step)):
            assert any(ROOT.glob(locks.removesuffix("/**"))), locks


def test_execution_environment_has_the_ansible_core_of_everybody() -> None:
    given = load("execution-environment.yml")["dependencies"]
    newest = re.search(r'^(ansible-core==[\d.]+); python_version >=', text("requirements.txt"), re.MULTILINE)
    assert newest and given["ansible_core"]["package_pip"] == newest[1]
    assert (given["galaxy"], given["python"]) == ("requirements.yml", "requirements.txt")
    # and so has what publishes
    assert set(re.findall(r"ansible-core==[\d.]+", text(".github/workflows/release.yml"))) == {newest[1]}
