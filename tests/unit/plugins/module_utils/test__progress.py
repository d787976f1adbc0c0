# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report


def test_lines_are_appended(tmp_path, monkeypatch):
    path = tmp_path / "progress"
    monkeypatch.setenv("LUCKYPLANS_PROGRESS_FILE", str(path))
    report("first\n")
    report("  second\n  with   gaps ")
    report("   ")
    assert path.read_text() == "first\nsecond with gaps\n"


@pytest.mark.parametrize("path", [None, "", "/no/such/directory/progress"])
def test_it_never_fails(monkeypatch, path):
    if path is None:
        monkeypatch.delenv("LUCKYPLANS_PROGRESS_FILE", raising=False)
    else:
        monkeypatch.setenv("LUCKYPLANS_PROGRESS_FILE", path)
    report("a line")
