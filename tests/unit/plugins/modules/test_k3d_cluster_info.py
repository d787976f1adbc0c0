# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from ansible_collections.luckyplans.platform.plugins.modules.k3d_cluster_info import main
from ansible_collections.luckyplans.platform.tests.unit.fixtures.cluster_world import World, recorded

RUNNING = recorded("k3d/list-running.json")
CONTAINERS = recorded("k3d/docker-inspect.json")
TOKEN = "pXpoQfGSgphwhtEGnVdn"


@pytest.fixture
def world(tmp_path, monkeypatch) -> Iterator[World]:
    made = World(tmp_path, monkeypatch)
    made.set(clusters=RUNNING, containers=CONTAINERS)
    yield made
    made.close()


def ask(world: World, *, check: bool = False, **params: object) -> dict:
    return world.run(main, {"name": None, "kubeconfig": None, **params}, check=check)


@pytest.mark.parametrize("name", [None, "fix"])
@pytest.mark.parametrize("check", [True, False])
def test_tells_about_a_cluster(world, name, check):
    result = ask(world, name=name, check=check)
    assert result["changed"] is False
    (cluster,) = result["clusters"]
    nodes = cluster.pop("nodes")
    assert cluster == {
        "name": "fix",
        "state": "running",
        "image": "rancher/k3s:v1.36.4-k3s1",
        "api_server": "https://127.0.0.1:6552",
        "api_host": "127.0.0.1",
        "api_port": 6552,
        "servers": 1,
        "agents": 0,
        "load_balancer": True,
        "ports": ["127.0.0.1:8081->80/tcp on loadbalancer"],
        "volumes": ["/tmp/fixdata:/data on server-0"],
        "network": "k3d-fix",
    }
    assert [(node["name"], node["role"], node["running"]) for node in nodes] == [
        ("k3d-fix-server-0", "server", True),
        ("k3d-fix-serverlb", "loadbalancer", True),
    ]
    assert TOKEN not in json.dumps(result)
    assert world.writes == []


def test_no_such_cluster_is_an_empty_list(world):
    assert ask(world, name="fi")["clusters"] == []


def test_a_stopped_cluster_is_told_as_one(world):
    containers = recorded("k3d/docker-inspect.json")
    containers[0]["State"]["Running"] = False
    world.set(containers=containers)
    assert ask(world)["clusters"][0]["state"] == "stopped"


@pytest.mark.parametrize("probe", ["k3d cluster list", "docker ps", "docker container inspect"])
def test_what_cannot_be_known_is_a_failure(world, probe):
    world.fail(probe, f"FATA[0000] it broke, {TOKEN}\n")
    result = ask(world)
    assert result["failed"] is True
    assert "it broke" in result["msg"]
    assert "clusters" not in result
