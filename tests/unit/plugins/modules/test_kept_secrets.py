# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.luckyplans.platform.plugins.modules import kept_secrets


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def call(check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {"path": str(tmp_path / "secrets"), "secrets": {"a": ""}, "_ansible_check_mode": check, **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            kept_secrets.main()
        return json.loads(capsys.readouterr().out)

    return call


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_generated_once_and_closed(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    first = run()
    assert (first["changed"], first["generated"], len(first["secrets"]["a"])) == (True, ["a"], 43)
    assert (mode(tmp_path / "secrets"), mode(tmp_path / "secrets/a")) == (0o700, 0o600)
    again = run()
    assert (again["changed"], again["generated"], again["secrets"]) == (False, [], first["secrets"])


def test_two_are_not_alike(run: Callable[..., dict[str, Any]]) -> None:
    values = run(secrets={"a": "", "b": None})["secrets"]
    assert values["a"] != values["b"]


def test_what_is_given_is_not_kept(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    result = run(secrets={"a": "of the vault"})
    assert (result["changed"], result["secrets"]) == (False, {"a": "of the vault"})
    assert not (tmp_path / "secrets").exists()


def test_check_mode_foretells_and_keeps_nothing(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    result = run(check=True)
    assert (result["changed"], result["generated"], result["secrets"]) == (True, ["a"], {"a": ""})
    assert not (tmp_path / "secrets").exists()


def test_open_files_are_closed_again(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    value = run()["secrets"]
    os.chmod(tmp_path / "secrets", 0o755)
    os.chmod(tmp_path / "secrets/a", 0o644)
    assert run(check=True)["changed"]
    assert mode(tmp_path / "secrets/a") == 0o644
    result = run()
    assert (result["changed"], result["secrets"]) == (True, value)
    assert (mode(tmp_path / "secrets"), mode(tmp_path / "secrets/a")) == (0o700, 0o600)
    assert not run()["changed"]


def test_an_empty_file_is_not_taken_for_a_secret(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/a").touch()
    assert "secrets/a is empty. Next: remove it" in run()["msg"]


@pytest.mark.parametrize("name", ["../a", "", ".", "..", "a/b", "a" * 65])
def test_a_name_that_is_no_file_is_refused(run: Callable[..., dict[str, Any]], tmp_path: Path, name: str) -> None:
    assert "is not 1 to 64 letters" in run(secrets={name: ""})["msg"]
    assert list(tmp_path.iterdir()) == []


def test_a_short_one_is_refused(run: Callable[..., dict[str, Any]]) -> None:
    assert "length is 8, which can be guessed" in run(length=8)["msg"]


def test_a_place_that_cannot_be_is_told_in_a_sentence(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("a file")
    assert "cannot be kept: Not a directory" in run()["msg"]


def test_a_renewed_one_takes_the_place_of_the_kept_one(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    before = run(secrets={"a": "", "b": ""})["secrets"]
    result = run(secrets={"a": "", "b": ""}, renew=["a"])
    assert (result["changed"], result["generated"]) == (True, ["a"])
    assert result["secrets"]["a"] not in ("", before["a"])
    assert result["secrets"]["b"] == before["b"]
    assert run(secrets={"a": "", "b": ""})["secrets"] == result["secrets"]
    assert mode(tmp_path / "secrets/a") == 0o600
    assert sorted(path.name for path in (tmp_path / "secrets").iterdir()) == ["a", "b"]


def test_it_is_renewed_each_time(run: Callable[..., dict[str, Any]]) -> None:
    assert len({run(renew=["a"])["secrets"]["a"] for _ in range(3)}) == 3


def test_check_mode_foretells_a_renewed_one_and_keeps_the_old(run: Callable[..., dict[str, Any]]) -> None:
    before = run()["secrets"]
    result = run(check=True, renew=["a"])
    assert (result["changed"], result["generated"], result["secrets"]) == (True, ["a"], {"a": ""})
    assert run()["secrets"] == before


def test_what_is_given_is_not_renewed(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    before = run()["secrets"]["a"]
    result = run(secrets={"a": "of the vault"}, renew=["a"])
    assert (result["changed"], result["generated"], result["secrets"]) == (False, [], {"a": "of the vault"})
    assert (tmp_path / "secrets/a").read_text() == before + "\n"


def test_the_old_one_stays_where_the_new_one_cannot_be_written(
    run: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run()["secrets"]

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "a")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        assert "cannot be kept: No space left on device" in run(renew=["a"])["msg"]
    assert run()["secrets"] == before
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["a"]


def test_an_empty_file_is_renewed(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/a").touch()
    assert run(renew=["a"])["generated"] == ["a"]


def test_a_name_that_is_not_there_is_not_renewed(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    assert "renew: b, c is not among secrets. Next: name it there" in run(renew=["c", "a", "b"])["msg"]
    assert list(tmp_path.iterdir()) == []
