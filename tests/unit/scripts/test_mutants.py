# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCE = '''"""Words."""

from os import path


class Thing:
    def fits(self, size: int | None = None) -> bool:
        if size < 3:
            return True
        return path.exists("a b", encoding="utf-8")
'''


@pytest.fixture
def mutants(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("scripts/mutants")


def test_each_small_change_is_one_mutant(mutants: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "thing.py"
    file.write_text(SOURCE)
    found = list(mutants.mutants(str(file)))
    assert {mutant.function for mutant in found} == {"Thing.fits"}
    assert [mutant.after for mutant in found if mutant.before == "if size < 3:"] == [
        "if (size < 3) and False:", "if (size < 3) or True:", "if size <= 3:", "if size < 4:"
    ]  # fmt: skip
    # neither the types, nor what every file is written in
    assert {mutant.after for mutant in found if mutant.before.startswith("return path")} == {
        "return None", 'return path.exists(None, encoding="utf-8")', 'return path.exists("A B", encoding="utf-8")', 'return path.exists(encoding="utf-8")'
    }  # fmt: skip
    assert file.read_text() == SOURCE


def test_who_imports_the_file_gets_the_mutant(mutants: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mutated", "whole"):
        (tmp_path / f"{name}.py").write_text("NUMBER = 1\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    # put back afterwards
    monkeypatch.setattr(mutants.SourceFileLoader, "get_code", mutants.SourceFileLoader.get_code)
    [mutant] = [mutant for mutant in mutants.mutants(str(tmp_path / "mutated.py")) if mutant.after == "NUMBER = 2"]
    mutants.put_in_place(mutant)
    import mutated
    import whole

    assert (mutated.NUMBER, whole.NUMBER) == (2, 1)
    assert (tmp_path / "mutated.py").read_text() == "NUMBER = 1\n"


def test_what_is_listed_is_here(mutants: ModuleType) -> None:
    tests, explained = mutants.read()
    assert list(tests) == sorted(tests)
    assert all((ROOT / name).is_file() for name in [*tests, *(path for paths in tests.values() for path in paths)])
    assert all(file in tests for file in explained)


def test_a_file_that_has_no_list_is_refused(mutants: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"These are in tests/mutants.yml: plugins/filter/bcrypt_hash.py, "):
        mutants.main(["plugins/none.py"])
