# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from charts import Chart


def test_spec(chart: Chart) -> None:
    objects = chart.render()
    spec = objects.one("Service", "api-gateway")["spec"]
    assert spec["ports"] == [{"name": "http", "port": 3001, "targetPort": "http"}]
    assert objects.selected(spec["selector"]) == {"api-gateway"}
