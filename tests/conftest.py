# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes this checkout importable under the name that it has for Ansible, and programs without an ending importable."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".venv" / "collections"))


@pytest.fixture(scope="session")
def program() -> Callable[[str], ModuleType]:
    """Imports a program by its path in the repository, without running it."""

    def import_(path: str) -> ModuleType:
        name = Path(path).stem.replace("-", "_")
        spec = importlib.util.spec_from_loader(name, SourceFileLoader(name, str(ROOT / path)))
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        # dataclasses look their module up by name
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    return import_


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Runs the main() of a module as Ansible does, and gives what it says; `failed` is there where it failed."""
    from ansible.module_utils.testing import patch_module_args

    def run(module: ModuleType, **parameters: Any) -> dict[str, Any]:
        with patch_module_args(parameters), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run
