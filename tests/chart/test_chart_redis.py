# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis, and the heartbeat that stands for service-core's connection to it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest


def test_an_external_redis_replaces_ours(chart: Any) -> None:
    objects = chart.render(
        {"config": {"redisHost": "redis.example.org", "redisPort": 6380}, "redis": {"persistence": {"enabled": True}}}
    )
    data = objects.one("ConfigMap", "luckyplans-config")["data"]
    assert (data["REDIS_HOST"], data["REDIS_PORT"]) == ("redis.example.org", "6380")
    assert [item for item in objects if item["metadata"]["labels"]["app.kubernetes.io/component"] == "redis"] == []
    assert not objects.kind("PersistentVolumeClaim")
    assert not objects.kind("NetworkPolicy")


@pytest.mark.parametrize("port", [6379, 6390])
def test_one_value_is_the_port_everywhere(chart: Any, port: int) -> None:
    objects = chart.render({"config": {"redisPort": port}})
    (container,) = objects.pod_templates()["redis"]["spec"]["containers"]
    assert container["args"][:2] == ["--port", str(port)]
    assert container["ports"] == [{"name": "redis", "containerPort": port}]
    assert f"redis-cli -p {port} ping" in container["livenessProbe"]["exec"]["command"][-1]
    assert objects.one("Service", "redis")["spec"]["ports"][0]["port"] == port
    assert objects.one("NetworkPolicy", "redis")["spec"]["ingress"][0]["ports"] == [{"port": port, "protocol": "TCP"}]
    assert objects.one("ConfigMap", "luckyplans-config")["data"]["REDIS_PORT"] == str(port)


def test_nothing_of_the_image_is_relied_on_but_the_program(chart: Any) -> None:
    (container,) = chart.render().pod_templates()["redis"]["spec"]["containers"]
    assert container["command"] == ["redis-server"]
    arguments = container["args"]
    # Without these, Redis answers on localhost only, or writes to a root that is read-only.
    for option, value in [("--protected-mode", "no"), ("--dir", "/data"), ("--bind", "*"), ("--save", "")]:
        assert arguments[arguments.index(option) + 1] == value
    assert all(isinstance(argument, str) for argument in arguments)


def test_only_api_gateway_and_service_core_reach_redis(chart: Any) -> None:
    objects = chart.render({"smokeTest": {"enabled": True}})
    policy = objects.one("NetworkPolicy", "redis")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    (rule,) = policy["ingress"]

    def matched(selector: dict[str, str]) -> set[str]:
        return {
            name
            for name, template in objects.pod_templates().items()
            if selector.items() <= template["metadata"]["labels"].items()
        }

    assert matched(policy["podSelector"]["matchLabels"]) == {"redis"}
    allowed = set().union(*(matched(peer["podSelector"]["matchLabels"]) for peer in rule["from"]))
    assert allowed == {"api-gateway", "service-core"}


@pytest.mark.parametrize(
    ("persistence", "volume"),
    [
        ({"enabled": False}, {"emptyDir": {"sizeLimit": "1Gi"}}),
        ({"enabled": True}, {"persistentVolumeClaim": {"claimName": "redis-data"}}),
    ],
)
def test_data(chart: Any, persistence: dict[str, Any], volume: dict[str, Any]) -> None:
    objects = chart.render({"redis": {"persistence": persistence}})
    assert objects.pod_templates()["redis"]["spec"]["volumes"] == [{"name": "data"} | volume]
    assert bool(objects.kind("PersistentVolumeClaim")) is persistence["enabled"]


@pytest.mark.parametrize(
    ("age", "ready", "alive"),
    [(0, True, True), (50, True, True), (90, False, True), (400, False, False), (None, False, False)],
)
def test_the_probes_of_service_core_read_the_age_of_the_heartbeat(
    chart: Any, tmp_path: Path, age: int | None, ready: bool, alive: bool
) -> None:
    (container,) = chart.render().pod_templates()["service-core"]["spec"]["containers"]
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
