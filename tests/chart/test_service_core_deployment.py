# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from charts import AUTH, Chart, Objects


def reference(key: str) -> dict[str, Any]:
    return {"name": key, "valueFrom": {"secretKeyRef": {"name": "luckyplans-secrets", "key": key}}}


@pytest.mark.parametrize(("values", "keys"), [({}, []), (AUTH, ["REDIS_PASSWORD"])])
def test_environment(chart: Chart, values: dict[str, Any], keys: list[str]) -> None:
    container = chart.render(values).container("service-core")
    assert container.get("env", []) == [reference(key) for key in keys]
    assert container["envFrom"] == [{"configMapRef": {"name": "luckyplans-config"}}]


def test_it_has_no_port_and_no_service(objects: Objects) -> None:
    assert "ports" not in objects.container("service-core")
    assert "service-core" not in objects.kind("Service")


@pytest.mark.parametrize(
    ("age", "ready", "alive"),
    [(0, True, True), (50, True, True), (90, False, True), (400, False, False), (None, False, False)],
)
def test_the_probes_read_the_age_of_the_heartbeat(
    chart: Chart, tmp_path: Path, age: int | None, ready: bool, alive: bool
) -> None:
    """The service touches it after each answer of Redis: one that is away for minutes restarts nothing."""
    container = chart.render().container("service-core")
    heartbeat = tmp_path / "heartbeat"
    if age is not None:
        heartbeat.touch()
        os.utime(heartbeat, (time.time() - age,) * 2)

    def passes(probe: str) -> bool:
        command = [part.replace("/tmp/heartbeat", str(heartbeat)) for part in container[probe]["exec"]["command"]]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    assert passes("startupProbe") is ready
    assert passes("readinessProbe") is ready
    assert passes("livenessProbe") is alive


def test_pods_are_replaced_without_a_gap_and_apart_from_each_other(objects: Objects) -> None:
    spec = objects.one("Deployment", "service-core")["spec"]
    pod = spec["template"]["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    # Messages come over connections of its own: nobody has to learn that it ends.
    assert "lifecycle" not in objects.container("service-core")
    assert pod["terminationGracePeriodSeconds"] == 30
    (spread,) = pod["topologySpreadConstraints"]
    assert (spread["maxSkew"], spread["topologyKey"], spread["whenUnsatisfiable"]) == (1, "kubernetes.io/hostname", "ScheduleAnyway")
    assert spread["matchLabelKeys"] == ["pod-template-hash"]
    assert objects.selected(spread["labelSelector"]["matchLabels"]) == {"service-core"}
