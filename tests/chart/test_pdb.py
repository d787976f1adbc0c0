# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from charts import Chart, Objects

PARTS = {"web": "web", "apiGateway": "api-gateway", "serviceCore": "service-core"}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("replicas", [0, 1, 2, 3])
def test_only_where_a_pod_can_be_spared(chart: Chart, part: str, replicas: int) -> None:
    budgets = chart.render({part: {"replicas": replicas}}).kind("PodDisruptionBudget")
    assert set(budgets) == ({PARTS[part]} if replicas > 1 else set())


def test_each_is_of_one_deployment_and_leaves_its_nodes_drainable(objects: Objects) -> None:
    budgets = objects.kind("PodDisruptionBudget")
    deployments = objects.kind("Deployment")
    assert set(budgets) == {name for name, item in deployments.items() if item["spec"]["replicas"] > 1}
    for name, budget in budgets.items():
        spec = budget["spec"]
        assert (spec["maxUnavailable"], spec["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
        assert objects.selected(spec["selector"]["matchLabels"]) == {name}
