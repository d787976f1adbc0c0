# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Laws of the whole tree: what stands once, what must not stand anywhere, and what the documentation may name."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.galaxy.dependency_resolution.versioning import meets_requirements
from repository import ROLES, ROOT, files, load, role_file, text

FILES = files()
DOCUMENTS = [name for name in FILES if re.fullmatch(r"(README|CHANGELOG)\.md|docs/.*\.md|roles/[^/]+/README\.md", name)]
SCENARIOS = sorted(path.parent for path in ROOT.glob("molecule/*/molecule.yml"))
PARTS = "apps|artifacts|changelogs|docs|infrastructure|inventories|meta|molecule|playbooks|plugins|roles|scripts|tests"
# as people write a path of the repository in running text: after nothing that belongs to an address or a longer path
PATH = re.compile(
    rf"(?<![\w./~<-])(?:\./)?((?:{PARTS}|\.ci|\.config)/[\w.*/<>{{}},-]*|(?:site|galaxy|requirements)[\w-]*\.(?:yml|txt))"
)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
BASH = re.compile(r"#!\S*[/ ]bash\b")
SECRET = re.compile(r"password|passwd|secret|token|private_key", re.IGNORECASE)


def bash_scripts() -> list[str]:
    found = []
    for name in FILES:
        with open(ROOT / name, encoding="utf-8", errors="replace") as stream:
            if BASH.match(stream.readline()):
                found.append(name)
    return found


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar of a document, under the name of its nearest key."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, name)
    else:
        yield name, value


def inventories() -> list[str]:
    return [name for name in FILES if name.startswith("inventories/")]


# --- What stands once ---


def test_collections_are_pinned_within_the_ranges_of_galaxy_yml() -> None:
    pins = {item["name"]: str(item["version"]) for item in load("requirements.yml")["collections"]}
    ranges = load("galaxy.yml")["dependencies"]
    assert set(ranges) <= set(pins)
    for name, wanted in ranges.items():
        assert meets_requirements(pins[name], wanted), f"{name} {pins[name]} is not {wanted}"


def test_installed_collections_are_the_pinned_ones() -> None:
    for item in load("requirements.yml")["collections"]:
        manifest = f".venv/collections/ansible_collections/{item['name'].replace('.', '/')}/MANIFEST.json"
        assert load(manifest)["collection_info"]["version"] == item["version"]


def test_ansible_core_is_pinned_within_what_the_collection_requires() -> None:
    wanted = load("meta/runtime.yml")["requires_ansible"]
    pins = re.findall(r"^ansible-core==([\d.]+)", text("requirements.txt"), re.MULTILINE)
    assert pins
    assert [pin for pin in pins if not meets_requirements(pin, wanted)] == []
    for role in ROLES:
        assert role_file(role, "meta/main.yml")["galaxy_info"]["min_ansible_version"] == wanted.removeprefix(">=")[:4]


def test_package_with_the_collections_has_one_version() -> None:
    found = {
        name: set(re.findall(r"\bansible==([\d.]+)", text(name)))
        for name in FILES
        if name.endswith((".yml", ".md", "bootstrap"))
    }
    assert len(set().union(*found.values())) == 1, {name: versions for name, versions in found.items() if versions}


def test_versions_of_artifacts_stand_in_the_lock_only() -> None:
    """A version in a role or a script would be changed in one place and forgotten in the other. Plugins name the oldest
    version that they work with, which is another fact."""
    versions = {str(item["version"]) for item in load("artifacts/lock.yml")["artifacts"].values()}
    precise = [version for version in versions if version.count(".") == 2]
    assert precise
    pattern = re.compile(rf"(?<![\w.])v?({'|'.join(map(re.escape, precise))})(?![\w.]*\w)")
    searched = [
        name
        for name in FILES
        # a picture shows the versions of its day
        if re.match(r"(roles|playbooks|inventories|scripts|docs(?!/pictures)|molecule)/|README|site\.yml", name)
    ]
    assert {name: match[0] for name in searched if (match := pattern.search(text(name)))} == {}


# --- What must not stand anywhere ---


def test_no_default_is_latest() -> None:
    documents = {f"roles/{role}": role_file(role, "defaults/main.yml") for role in ROLES}
    documents |= {name: load(name) for name in [*inventories(), "artifacts/lock.yml"] if name.endswith(".yml")}
    for name, document in documents.items():
        for key, value in leaves(document):
            assert not re.search(r"(^|[:@])latest$", str(value)), f"{name}: {key} is {value}"


def test_no_secret_has_a_default() -> None:
    documents = {f"roles/{role}": role_file(role, "defaults/main.yml") for role in ROLES}
    documents |= {name: load(name) for name in inventories() if name.endswith(".yml")}
    for name, document in documents.items():
        for key, value in leaves(document):
            filled = value and "{{" not in str(value) and not str(value).startswith("CHANGE_ME")
            assert not (SECRET.search(key) and filled), f"{name}: {key} has a value"


def registry_hosts() -> set[str]:
    """Hosts of this machine's own clients of package registries: a mirror here is nothing to anybody elsewhere."""
    commands = (
        ["pip", "config", "get", "global.index-url"],
        ["npm", "config", "get", "registry"],
        ["go", "env", "GOPROXY"],
    )
    said = [os.environ.get("PIP_INDEX_URL", ""), os.environ.get("NPM_CONFIG_REGISTRY", "")]
    for command in commands:
        try:
            said.append(subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout)
        except OSError:
            continue
    sources = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    said += [path.read_text(encoding="utf-8", errors="replace") for path in sources if path.is_file()]
    hosts = set(re.findall(r"https?://(?:[^\s/@]*@)?([^\s/:,|]+)", "\n".join(said)))
    return hosts - {"localhost", "127.0.0.1"}


def test_no_registry_of_this_machine_is_named() -> None:
    """The lock, go.sum and other lock files name what they lock."""
    hosts = registry_hosts()
    searched = [name for name in FILES if "lock" not in name and not name.endswith(".sum")]
    found = {}
    for name in searched:
        content = (ROOT / name).read_bytes().decode("utf-8", "replace")
        found.update({name: host for host in hosts if host in content})  # noqa: B035
    assert found == {}


# --- What the documentation names ---


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_name_paths_that_exist(name: str) -> None:
    """A placeholder such as <name> stands for anything."""
    missing = []
    for path in PATH.findall(text(name)):
        pattern = re.sub(r"<[^>]*>|\{[^}]*\}", "*", path.rstrip(".,:"))
        # of the repository, or of the folder that the document is about
        if not any(True for top in (ROOT, (ROOT / name).parent) for _ in top.glob(pattern.rstrip("/"))):
            missing.append(path)
    missing += [link for link in LINK.findall(text(name)) if not (ROOT / name).parent.joinpath(link).exists()]
    assert missing == []


def test_every_target_of_the_makefile_is_in_its_help() -> None:
    makefile = text("Makefile")
    phony = re.search(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)
    assert phony
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    assert targets == set(phony[1].split())
    assert targets == set(re.findall(r"^([a-z][\w-]*):.*## \S", makefile, re.MULTILINE))


def test_every_long_option_of_a_script_is_in_its_usage() -> None:
    """The usage is the comment or the text at the top, which people read and `scripts/test` prints."""
    for name in FILES:
        if not name.startswith("scripts/"):
            continue
        head, _, body = text(name).partition("\nset -euo pipefail" if BASH.match(text(name)) else "\nfrom __future__")
        taken = set(re.findall(r"(?:argv\[1:\].*|case .*|^\s*)\"?(--[a-z][a-z-]+)\"?[\]\)]", body, re.MULTILINE))
        assert {option for option in taken if option not in head} == set(), name


def test_changes_stand_in_fragments() -> None:
    sections = {name for name, _title in load("changelogs/config.yaml")["sections"]} | {"release_summary", "trivial"}
    fragments = [name for name in FILES if name.startswith("changelogs/fragments/")]
    assert fragments
    for name in fragments:
        assert set(load(name)) <= sections, name


# --- Programs and scenarios ---


@pytest.mark.parametrize("name", bash_scripts())
def test_bash_script_stops_at_the_first_error(name: str) -> None:
    assert re.search(r"^set -euo pipefail$", text(name), re.MULTILINE)
    assert os.access(ROOT / name, os.X_OK), "it cannot be executed"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_scenario_proves_something_on_a_host(scenario: Path) -> None:
    """A scenario without tests and a play without hosts are both green."""
    assert list(scenario.glob("tests/test_*.py"))
    for name in ("create", "converge"):
        if (play := scenario / f"{name}.yml").exists():
            assert "shared/hosts.yml" in str(yaml.safe_load(play.read_text(encoding="utf-8"))[0]), (
                f"{play} may match no host"
            )


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_scenario_verifies_only_folders_with_tests(scenario: Path) -> None:
    for step in load(scenario / "molecule.yml")["scenario"]["test_sequence"]:
        command, _, folder = step.partition(" ")
        if command == "verify" and folder:
            assert list((scenario / folder).glob("test_*.py")), f"{step} has nothing to run"


# --- What is published ---


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Sizes of the files of the collection as Galaxy would get it."""
    folder = tmp_path_factory.mktemp("collection")
    argv = [ROOT / ".venv/bin/ansible-galaxy", "collection", "build", "--output-path", folder]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        return {member.name: member.size for member in archive.getmembers() if member.isfile()}


@pytest.mark.slow
def test_only_files_of_the_repository_are_published(published: dict[str, int]) -> None:
    made = {"MANIFEST.json", "FILES.json"}
    strangers = set(published) - set(FILES) - made
    assert sorted(strangers)[:20] == []


@pytest.mark.slow
def test_nothing_private_or_large_is_published(published: dict[str, int]) -> None:
    private = re.compile(r"^(tests|molecule|inventories/prod|\.ci|\.github)/|vault")
    assert [name for name in published if private.search(name)] == []
    assert {name: size for name, size in published.items() if size > 1_000_000} == {}


@pytest.mark.slow
def test_what_the_playbooks_need_is_published(published: dict[str, int]) -> None:
    needed = re.compile(
        r"^(roles|plugins|playbooks|artifacts|meta|docs)/|^(README\.md|LICENSE|requirements\.(yml|txt))$"
    )
    assert sorted(name for name in FILES if needed.search(name) and name not in published) == []
