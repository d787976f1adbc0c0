# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

KEPT = {"CAP_CHOWN", "CAP_SYS_ADMIN"}


@pytest.fixture(scope="module")
def wrapper(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("roles/docker/files/runc-within-bounds")


@pytest.mark.parametrize(
    ("process", "left"),
    [
        (
            {"capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"]}},
            {"capabilities": {"bounding": ["CAP_CHOWN"]}},
        ),
        ({"capabilities": {"effective": [], "ambient": None}}, {"capabilities": {"effective": [], "ambient": []}}),
        ({"capabilities": None}, {"capabilities": None}),
        ({}, {}),
        ({"oomScoreAdj": -999}, {"oomScoreAdj": 0}),
        ({"oomScoreAdj": 500}, {"oomScoreAdj": 500}),
        ({"oomScoreAdj": None}, {"oomScoreAdj": None}),
        ({"args": ["sh"], "user": {"uid": 0}}, {"args": ["sh"], "user": {"uid": 0}}),
    ],
)
def test_only_what_the_host_cannot_grant_is_taken_away(
    wrapper: ModuleType, process: dict[str, Any], left: dict[str, Any]
) -> None:
    wrapper.within_bounds(process, KEPT)
    assert process == left


def test_negative_score_stays_where_it_can_be_set(wrapper: ModuleType) -> None:
    process = {"oomScoreAdj": -999}
    wrapper.within_bounds(process, {"CAP_SYS_RESOURCE"})
    assert process == {"oomScoreAdj": -999}


@pytest.mark.parametrize(
    ("mask", "granted"),
    [(0, set()), (1, {"CAP_CHOWN"}), (1 << 24 | 1 << 40, {"CAP_SYS_RESOURCE", "CAP_CHECKPOINT_RESTORE"})],
)
def test_bounding_set_is_read_by_number(
    wrapper: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mask: int, granted: set[str]
) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\trunc\nCapEff:\t{0:016x}\nCapBnd:\t{mask:016x}\nCapAmb:\t{0:016x}\n")
    monkeypatch.setattr(
        "builtins.open", lambda path, **options: status.open() if path == "/proc/self/status" else 1 / 0
    )
    assert wrapper.granted() == granted


def test_names_are_those_of_the_kernel(wrapper: ModuleType) -> None:
    header = Path("/usr/include/linux/capability.h")
    if not header.exists():
        pytest.skip(f"{header} is missing: install the Debian package linux-libc-dev")
    found = dict(re.findall(r"^#define CAP_(\w+)\s+(\d+)$", header.read_text(), re.MULTILINE))
    known = {name: str(number) for number, name in enumerate(wrapper.NAMES)}
    # an older header may lack the newest
    assert found
    assert found.items() <= known.items()


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "--bundle", "{bundle}", "id"],
        ["--root", "/run", "create", "--bundle={bundle}", "id"],
        ["run", "-b", "{bundle}", "id"],
        ["exec", "--process", "{bundle}/config.json", "id"],
        ["exec", "-p", "{bundle}/config.json", "id"],
    ],
)
def test_documents_of_every_form_are_found(wrapper: ModuleType, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "config.json").write_text("{}")
    filled = [argument.format(bundle=tmp_path) for argument in arguments]
    assert wrapper.documents(filled) == [str(tmp_path / "config.json")]


@pytest.mark.parametrize(
    "arguments", [[], ["delete", "id"], ["create", "--bundle"], ["create", "--bundle", "/nothing"]]
)
def test_other_calls_have_no_documents(wrapper: ModuleType, arguments: list[str]) -> None:
    assert wrapper.documents(arguments) == []


@pytest.mark.parametrize("form", ["bundle", "process"])
def test_document_is_rewritten_and_runc_gets_the_same_arguments(
    wrapper: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    process = {"capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"]}, "oomScoreAdj": -500}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"process": process, "hostname": "x" * 4000} if form == "bundle" else process))
    arguments = ["create", "--bundle", str(tmp_path), "id"] if form == "bundle" else ["exec", "-p", str(path), "id"]
    started: list[Any] = []
    monkeypatch.setattr(wrapper, "granted", lambda: KEPT)
    monkeypatch.setattr(wrapper.sys, "argv", ["runc", *arguments])
    monkeypatch.setattr(wrapper.os, "execv", lambda *given: started.extend(given))
    wrapper.main()
    content = json.loads(path.read_text())
    assert (content["process"] if form == "bundle" else content) == {
        "capabilities": {"bounding": ["CAP_CHOWN"]},
        "oomScoreAdj": 0,
    }
    assert started == [wrapper.RUNC, [wrapper.RUNC, *arguments]]
