# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from charts import Chart, Objects


def test_only_api_gateway_and_service_core_reach_redis(objects: Objects) -> None:
    if "redis" not in objects.kind("Deployment"):
        assert not objects.kind("NetworkPolicy")
        return
    policy = objects.one("NetworkPolicy", "redis")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert objects.selected(policy["podSelector"]["matchLabels"]) == {"redis"}
    (rule,) = policy["ingress"]
    # A selector of pods alone means those of this namespace.
    assert [list(peer) for peer in rule["from"]] == [["podSelector"]] * 2
    allowed = [objects.selected(peer["podSelector"]["matchLabels"]) for peer in rule["from"]]
    assert allowed == [{"api-gateway"}, {"service-core"}]


@pytest.mark.parametrize("port", [6379, 6390])
def test_on_its_port_alone(chart: Chart, port: int) -> None:
    policy = chart.render({"config": {"redisPort": port}}).one("NetworkPolicy", "redis")
    assert policy["spec"]["ingress"][0]["ports"] == [{"port": port, "protocol": "TCP"}]
