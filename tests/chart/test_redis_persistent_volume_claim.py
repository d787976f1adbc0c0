# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from charts import Chart


@pytest.mark.parametrize(
    ("persistence", "spec"),
    [
        ({}, {"resources": {"requests": {"storage": "1Gi"}}}),
        (
            {"size": "5Gi", "storageClass": "local-path"},
            {"storageClassName": "local-path", "resources": {"requests": {"storage": "5Gi"}}},
        ),
    ],
)
def test_spec(chart: Chart, persistence: dict[str, Any], spec: dict[str, Any]) -> None:
    claim = chart.render({"redis": {"persistence": {"enabled": True} | persistence}}).one("PersistentVolumeClaim", "redis-data")
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"]} | spec


@pytest.mark.parametrize(
    "values",
    [{}, {"config": {"redisHost": "redis.example.org"}, "redis": {"persistence": {"enabled": True}}}],
    ids=["not persistent", "external"],
)
def test_none(chart: Chart, values: dict[str, Any]) -> None:
    assert not chart.render(values).kind("PersistentVolumeClaim")
