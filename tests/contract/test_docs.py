# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documents say can be typed, followed and found: headings, targets, playbooks, variables, tags, errors, pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from repository import ROLES, ROOT, documents, files, load, options, text

DOCUMENTS = documents()
PAGES = sorted(name for name in DOCUMENTS if re.fullmatch(r"docs/[\w-]+\.md", name))
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
COMMAND = re.compile(r"`([^`\n]+)`|^((?:\.venv/bin/|\$ )?(?:make|ansible-playbook|[A-Z_]+=\S+ make) .*)$", re.MULTILINE)
#: What playbooks and Ansible itself take besides the inputs of roles.
OTHERS = {"output", "tag", "tags", "api", "web", "ansible_become", "ansible_host", "ansible_user"}


def commands(name: str) -> list[str]:
    return [code or line for code, line in COMMAND.findall(text(name))]


def anchors(name: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", text(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files_and_headings(name: str) -> None:
    dead = []
    for path, anchor in LINK.findall(text(name)):
        if path.startswith(("http:", "https:")):
            continue
        target = (ROOT / name).parent / path if path else ROOT / name
        if not target.exists() or (anchor and anchor not in anchors(target.resolve().relative_to(ROOT).as_posix())):
            dead.append(f"{path}#{anchor}" if anchor else path)
    assert dead == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_name_targets_playbooks_and_tags_that_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", text("Makefile"), re.MULTILINE))
    tasks = [*load("site.yml")[0]["roles"], *load("playbooks/bundle.yml")[0]["tasks"]]
    tags = {tag for entry in tasks for tag in entry["tags"]}
    unknown = set()
    for command in commands(name):
        unknown |= {f"make {word}" for word in re.findall(r"(?:^|[= ])make ([a-z][\w-]*)", command)} - {f"make {target}" for target in targets}
        unknown |= {path for path in re.findall(r"\bplaybooks/[\w-]+\.yml", command) if not (ROOT / path).exists()}
        unknown |= {tag for words in re.findall(r"--tags[ =]([a-z_,]+)", command) for tag in words.split(",")} - tags
    assert unknown == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_variables_that_are_typed_exist(name: str) -> None:
    known = {option for role in ROLES for option in options(role)} | OTHERS
    typed = {word for command in commands(name) for word in re.findall(r"(?:-e|--extra-vars)[ =]'?\"?([a-z_]+)=", command)}
    assert typed - known == set()


def test_every_page_is_in_the_index_and_that_in_the_readme() -> None:
    linked = {path for path, _anchor in LINK.findall(text("docs/README.md"))}
    assert {Path(name).name for name in PAGES} - linked == {"README.md"}
    assert "docs/README.md" in {path for path, _anchor in LINK.findall(text("README.md"))}


def test_errors_that_are_explained_are_said_somewhere() -> None:
    quoted = re.findall(r"^\| `([^`]+)` \|", text("docs/troubleshooting.md"), re.MULTILINE)
    sources = "\n".join(text(name) for name in files() if name.startswith(("plugins/", "roles/")) and not name.endswith(".md"))
    assert len(quoted) >= 20
    assert [sentence for sentence in quoted if sentence not in sources] == []


def test_rooms_of_the_picture_are_those_of_the_walk() -> None:
    walk = [entry["role"].rpartition(".")[2] for entry in load("site.yml")[0]["roles"]]
    picture = text("docs/architecture.md").partition("```mermaid")[2].partition("```")[0]
    arrows = "\n".join(line for line in picture.splitlines() if "-->" in line)
    drawn = re.findall(r"\b(" + "|".join(walk) + r")\b", arrows)
    assert list(dict.fromkeys(drawn)) == walk
    table = re.findall(r"^\| ([a-z_, ]+) \|", text("docs/architecture.md"), re.MULTILINE)
    assert [room for row in table if row != "room" for room in row.split(", ")] == walk


def test_facts_of_the_architecture_are_handed_on() -> None:
    rows = re.findall(r"^\|[^|]*\|[^|]*\|([^|]*)\|$", text("docs/architecture.md"), re.MULTILINE)
    facts = {fact for row in rows for fact in re.findall(r"`(platform_\w+)`", row)}
    assert len(facts) >= 7
    for fact in facts:
        assert any(f"    {fact}:" in text(path.relative_to(ROOT).as_posix()) for path in ROOT.glob("roles/*/tasks/*.yml")), fact
