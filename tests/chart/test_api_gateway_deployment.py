# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from charts import AUTH, Chart, Objects


def reference(key: str) -> dict[str, Any]:
    return {"name": key, "valueFrom": {"secretKeyRef": {"name": "luckyplans-secrets", "key": key}}}


@pytest.mark.parametrize(("values", "keys"), [({}, ["JWT_SECRET"]), (AUTH, ["JWT_SECRET", "REDIS_PASSWORD"])])
def test_environment(chart: Chart, values: dict[str, Any], keys: list[str]) -> None:
    container = chart.render(values).container("api-gateway")
    assert container["env"] == [{"name": "PORT", "value": "3001"}, *map(reference, keys)]
    assert container["envFrom"] == [{"configMapRef": {"name": "luckyplans-config"}}]


def test_probes_ask_the_process_and_not_what_it_depends_on(chart: Chart) -> None:
    """A Redis that is away must not restart the gateway, nor take it off the Service."""
    container = chart.render().container("api-gateway")
    assert container["ports"] == [{"name": "http", "containerPort": 3001}]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": "http"}


def test_pods_are_replaced_without_a_gap_and_apart_from_each_other(objects: Objects) -> None:
    spec = objects.one("Deployment", "api-gateway")["spec"]
    pod = spec["template"]["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert objects.container("api-gateway")["lifecycle"] == {"preStop": {"sleep": {"seconds": 10}}}
    assert pod["terminationGracePeriodSeconds"] == 30
    (spread,) = pod["topologySpreadConstraints"]
    assert (spread["maxSkew"], spread["topologyKey"], spread["whenUnsatisfiable"]) == (1, "kubernetes.io/hostname", "ScheduleAnyway")
    assert spread["matchLabelKeys"] == ["pod-template-hash"]
    assert objects.selected(spread["labelSelector"]["matchLabels"]) == {"api-gateway"}
