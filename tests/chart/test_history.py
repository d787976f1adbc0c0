# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From every earlier chart to this one; molecule/luckyplans does it on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from charts import FIXED, Chart, Objects, merged
from history import earlier

# What the API server never lets change. Jobs are hooks, which are made anew.
FROZEN = {
    "Deployment": lambda spec: spec["selector"],
    "PersistentVolumeClaim": lambda spec: {key: value for key, value in spec.items() if key != "resources"},
    "ClusterIssuer": lambda spec: spec.get("acme", {}).get("privateKeySecretRef"),
}


@pytest.fixture(scope="session")
def charts_before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = earlier(tmp_path_factory.mktemp("history"))
    if not found:
        pytest.skip("no history of the chart: not a git repository, or a shallow clone")
    return found


def profiles(path: Path) -> list[Path]:
    return [*sorted((path / "ci").glob("*-values.yaml")), path / "values.prod.yaml"]


def test_there_is_more_than_the_one_at_hand(charts_before: dict[str, Path]) -> None:
    assert next(iter(charts_before)) == "0.1.0-first"


def test_values_of_earlier_charts_are_accepted_and_nothing_frozen_changes(chart: Chart, charts_before: dict[str, Path]) -> None:
    persistent = merged(FIXED, {"redis": {"persistence": {"enabled": True}}})
    compared = 0
    for path in charts_before.values():
        before = chart.at(path)
        for profile in profiles(path):
            old, new = before.render(persistent, file=profile), chart.render(persistent, file=profile)
            compared += compare(old, new)
    assert compared >= 3 * len(charts_before)


def compare(old: Objects, new: Objects) -> int:
    """The number of objects that may not differ in some field, and do not."""
    count = 0
    for kind, look in FROZEN.items():
        for name, item in old.kind(kind).items():
            now: dict[str, Any] | None = new.kind(kind).get(name)
            if now:
                assert look(now["spec"]) == look(item["spec"]), f"{kind} {name}"
                count += 1
            else:
                assert kind != "PersistentVolumeClaim", f"{name} would be orphaned"
    return count
