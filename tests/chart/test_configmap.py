# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""luckyplans-config: what is in it, who consumes it, and who restarts when it changes."""

from __future__ import annotations

from typing import Any

import pytest
from charts import FIXED, Chart, Objects, rolled, sources

DATA = {
    "NODE_ENV": "development",
    "CORS_ORIGIN": "http://localhost",
    "REDIS_HOST": "redis",
    "REDIS_PORT": "6379",
    "LOG_LEVEL": "info",
}


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        ({}, {}),
        ({"nodeEnv": "test"}, {"NODE_ENV": "test"}),
        ({"corsOrigin": "https://a.org,https://b.org:8443"}, {"CORS_ORIGIN": "https://a.org,https://b.org:8443"}),
        ({"redisHost": "redis.example.org"}, {"REDIS_HOST": "redis.example.org"}),
        ({"redisPort": 6390}, {"REDIS_PORT": "6390"}),
        ({"logLevel": "debug"}, {"LOG_LEVEL": "debug"}),
    ],
)
def test_data(chart: Chart, values: dict[str, Any], changed: dict[str, str]) -> None:
    assert chart.render({"config": values}).one("ConfigMap", "luckyplans-config")["data"] == DATA | changed


def test_checksums_are_on_exactly_the_consumers(objects: Objects) -> None:
    consumers = {name for name in objects.pod_templates() if "configMap/luckyplans-config" in sources(objects, name)}
    marked = {
        name
        for name, template in objects.pod_templates().items()
        if "checksum/config" in template["metadata"].get("annotations", {})
    }
    assert consumers == marked == {"api-gateway", "service-core"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"config": {"corsOrigin": "https://example.org"}}, {"api-gateway", "service-core"}),
        ({"config": {"logLevel": "debug"}}, {"api-gateway", "service-core"}),
        ({"redis": {"maxMemory": "64mb"}}, {"redis"}),
        ({"redis": {"auth": {"enabled": True}}}, {"redis", "api-gateway", "service-core"}),
        ({"web": {"image": {"tag": "other"}}}, {"web"}),
        ({"web": {"replicas": 3}, "apiGateway": {"replicas": 3}, "serviceCore": {"replicas": 3}}, set()),
        ({"ingress": {"enabled": False}}, set()),
        ({"smokeTest": {"deadlineSeconds": 20}}, set()),
    ],
)
def test_a_change_rolls_only_whom_it_concerns(chart: Chart, values: dict[str, Any], expected: set[str]) -> None:
    assert rolled(chart.render(FIXED), chart.render(FIXED | values)) == expected
