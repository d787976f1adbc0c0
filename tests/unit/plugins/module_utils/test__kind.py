# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _kind
from ansible_collections.luckyplans.platform.plugins.module_utils._cluster import ClusterError
from ansible_collections.luckyplans.platform.tests.unit.fixtures.cluster_world import recorded

CONTAINERS = recorded("kind/containers.json")
DEFAULTS: dict[str, Any] = {
    "name": "luckyplans",
    "image": "kindest/node:v1.36.4",
    "api_host": "127.0.0.1",
    "api_port": 0,
    "ports": [],
    "mounts": [],
    "workers": 0,
    "disable_default_cni": False,
    "pod_subnet": "",
    "kubeadm_config_patches": [],
    "wait": 60,
}
PORT = {"host_ip": "127.0.0.1", "host_port": 20080, "node_port": 80, "protocol": "tcp"}
MOUNT = {"host_path": "/srv/data", "container_path": "/data"}
#: The options that the recorded nodes were made with.
RECORDED = {**DEFAULTS, "ports": [PORT], "mounts": [MOUNT], "workers": 1}


class NoImages:
    """A Docker that has none of the images asked for."""

    def inspect(self, ids: list[str]) -> list[dict[str, Any]]:
        return [item for item in CONTAINERS if item["Id"] in ids]

    def same_image(self, reference: str, name: str, image_id: str) -> bool:
        return reference == name


def engine(**options: Any) -> _kind.Kind:
    return _kind.Kind({**RECORDED, **options}, kind=None, docker=NoImages())


def document(**options: Any) -> dict[str, Any]:
    return _kind.config({**DEFAULTS, **options})


def test_config_of_the_defaults():
    assert document() == {
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "kind": "Cluster",
        "name": "luckyplans",
        "networking": {"apiServerAddress": "127.0.0.1"},
        "nodes": [{"role": "control-plane", "image": "kindest/node:v1.36.4"}],
    }


@pytest.mark.parametrize(
    ("options", "path", "value"),
    [
        ({"name": "other"}, ("name",), "other"),
        ({"image": "a/b:c"}, ("nodes", 0, "image"), "a/b:c"),
        ({"api_host": "0.0.0.0"}, ("networking", "apiServerAddress"), "0.0.0.0"),
        ({"api_port": 16443}, ("networking", "apiServerPort"), 16443),
        ({"disable_default_cni": True}, ("networking", "disableDefaultCNI"), True),
        ({"pod_subnet": "10.1.0.0/16"}, ("networking", "podSubnet"), "10.1.0.0/16"),
        ({"kubeadm_config_patches": ["kind: X\n"]}, ("kubeadmConfigPatches",), ["kind: X\n"]),
        (
            {"ports": [{**PORT, "protocol": "udp"}]},
            ("nodes", 0, "extraPortMappings"),
            [{"listenAddress": "127.0.0.1", "hostPort": 20080, "containerPort": 80, "protocol": "UDP"}],
        ),
        (
            {"mounts": [MOUNT]},
            ("nodes", 0, "extraMounts"),
            [{"hostPath": "/srv/data", "containerPath": "/data"}],
        ),
        (
            {"workers": 2, "mounts": [MOUNT], "ports": [PORT]},
            ("nodes", 2),
            {
                "role": "worker",
                "image": "kindest/node:v1.36.4",
                "extraMounts": [{"hostPath": "/srv/data", "containerPath": "/data"}],
            },
        ),
    ],
)
def test_config_of_every_option(options, path, value):
    found: Any = document(**options)
    for key in path:
        found = found[key]
    assert found == value


def test_argv():
    assert _kind.create_argv("a", "/w/kind.yaml", "/w/kubeconfig") == [
        "create", "cluster", "--name", "a", "--config", "/w/kind.yaml", "--kubeconfig", "/w/kubeconfig", "--retain",
    ]  # fmt: skip
    assert _kind.delete_argv("a", "/w/kubeconfig") == [
        "delete", "cluster", "--name", "a", "--kubeconfig", "/w/kubeconfig",
    ]  # fmt: skip


def test_environment():
    base = {
        "PATH": "/bin",
        "HTTPS_PROXY": "p",
        "KUBECONFIG": "k",
        "KIND_CLUSTER_NAME": "n",
        "KIND_EXPERIMENTAL_PROVIDER": "podman",
        "KIND_EXPERIMENTAL_DOCKER_NETWORK": "net",
    }
    assert _kind.environment(base) == {"PATH": "/bin", "HTTPS_PROXY": "p"}


@pytest.mark.parametrize(
    ("server", "api_host", "expected"),
    [
        ("127.0.0.1:1234", "127.0.0.1", "127.0.0.1:1234"),
        ("0.0.0.0:1234", "0.0.0.0", "localhost:1234"),
        ("[::]:1234", "::", "localhost:1234"),
        ("[::1]:1234", "::1", "[::1]:1234"),
        ("0.0.0.0:1234", "192.0.2.1", "192.0.2.1:1234"),
    ],
)
def test_the_kubeconfig_names_a_host_that_can_be_reached(server, api_host, expected):
    text = f"clusters:\n- cluster:\n    server: https://{server}\n  name: a\n"
    assert _kind.point_at(text, api_host) == text.replace(server, expected)


def test_live_from_recorded_containers():
    live = _kind.live_from_containers(CONTAINERS[::-1])
    assert [(node.name, node.role, node.running) for node in live.nodes] == [
        ("luckyplans-control-plane", "control-plane", True),
        ("luckyplans-worker", "worker", True),
    ]
    assert live.api_server == "https://127.0.0.1:36593"
    assert live.identity == tuple(sorted(item["Id"] for item in CONTAINERS))
    assert live.settings == {
        "image": "kindest/node:v1.36.4",
        "workers": 1,
        "api_host": "127.0.0.1",
        "api_port": 36593,
        "ports": ["127.0.0.1:20080->80/tcp"],
        "mounts": ["/srv/data:/data"],
    }


def test_workers_are_counted_not_spelled():
    containers = []
    for name in ("a-worker10", "a-worker2", "a-control-plane", "a-worker"):
        item = copy.deepcopy(CONTAINERS[1])
        item["Name"] = f"/{name}"
        if name == "a-control-plane":
            item["Config"]["Labels"]["io.x-k8s.kind.role"] = "control-plane"
        containers.append(item)
    names = [node.name for node in _kind.live_from_containers(containers).nodes]
    assert names == ["a-control-plane", "a-worker", "a-worker2", "a-worker10"]


def test_one_stopped_node_stops_the_cluster():
    containers = copy.deepcopy(CONTAINERS)
    containers[1]["State"]["Running"] = False
    assert _kind.live_from_containers(containers).state == "stopped"


def test_mounts_that_differ_between_nodes_are_told_by_node():
    containers = copy.deepcopy(CONTAINERS)
    containers[1]["HostConfig"]["Binds"] = None
    assert _kind.live_from_containers(containers).settings["mounts"] == {
        "luckyplans-control-plane": ["/srv/data:/data"],
        "luckyplans-worker": [],
    }


def test_planned_nodes_are_named_as_kind_names_them():
    assert _kind.node_names("a", 3) == [
        ("a-control-plane", "control-plane"),
        ("a-worker", "worker"),
        ("a-worker2", "worker"),
        ("a-worker3", "worker"),
    ]


@pytest.mark.parametrize(
    ("wanted", "live", "expected"),
    [
        (["a:free->80/tcp"], ["a:1234->80/tcp"], ["a:1234->80/tcp"]),
        (["a:free->80/tcp"], ["b:1234->80/tcp"], ["a:free->80/tcp"]),
        (["a:free->80/tcp"], ["a:1234->81/tcp"], ["a:free->80/tcp"]),
        (["a:free->80/tcp"], [], ["a:free->80/tcp"]),
        (["a:1->80/tcp", "a:free->80/tcp"], ["a:1->80/tcp"], ["a:1->80/tcp", "a:free->80/tcp"]),
        (["a:free->80/tcp", "a:free->80/tcp"], ["a:1->80/tcp", "a:2->80/tcp"], ["a:1->80/tcp", "a:2->80/tcp"]),
    ],
)
def test_match_free_ports(wanted, live, expected):
    assert _kind.match_free_ports(wanted, live) == expected


def test_no_difference():
    same = engine()
    assert same.differences(_kind.live_from_containers(CONTAINERS), same.spec()) == []


def test_paths_are_compared_by_meaning():
    same = engine(mounts=[{"host_path": "/srv//data/", "container_path": "/data/"}])
    assert same.differences(_kind.live_from_containers(CONTAINERS), engine().spec()) == []


@pytest.mark.parametrize(
    ("change", "path", "before", "after"),
    [
        ({"ports": []}, "ports", ["127.0.0.1:20080->80/tcp"], []),
        ({"ports": [{**PORT, "host_port": 1}]}, "ports", ["127.0.0.1:20080->80/tcp"], ["127.0.0.1:1->80/tcp"]),
        ({"ports": [{**PORT, "node_port": 1}]}, "ports", ["127.0.0.1:20080->80/tcp"], ["127.0.0.1:20080->1/tcp"]),
        ({"ports": [{**PORT, "host_ip": "0.0.0.0"}]}, "ports", ["127.0.0.1:20080->80/tcp"], ["0.0.0.0:20080->80/tcp"]),
        ({"ports": [{**PORT, "protocol": "udp"}]}, "ports", ["127.0.0.1:20080->80/tcp"], ["127.0.0.1:20080->80/udp"]),
        ({"mounts": []}, "mounts", ["/srv/data:/data"], []),
        ({"mounts": [{**MOUNT, "host_path": "/x"}]}, "mounts", ["/srv/data:/data"], ["/x:/data"]),
        ({"workers": 0}, "workers", 1, 0),
        ({"workers": 2}, "workers", 1, 2),
        ({"image": "kindest/node:v2"}, "image", "kindest/node:v1.36.4", "kindest/node:v2"),
        ({"api_host": "127.0.0.2"}, "api_host", "127.0.0.1", "127.0.0.2"),
        ({"api_port": 16443}, "api_port", 36593, 16443),
        ({"disable_default_cni": True}, "disable_default_cni", False, True),
        ({"pod_subnet": "10.1.0.0/16"}, "pod_subnet", "", "10.1.0.0/16"),
        ({"kubeadm_config_patches": ["kind: X"]}, "kubeadm_config_patches", [], ["kind: X"]),
    ],
)
def test_every_difference(change, path, before, after):
    found = engine(**change).differences(_kind.live_from_containers(CONTAINERS), engine().spec())
    assert [(item.path, item.before, item.after, item.klass) for item in found] == [(path, before, after, "recreate")]


def test_a_record_that_does_not_know_a_setting_makes_no_difference():
    assert engine(pod_subnet="10.1.0.0/16").differences(_kind.live_from_containers(CONTAINERS), {}) == []


@pytest.mark.parametrize("port", [{**PORT, "node_port": 6443}, {**PORT, "host_port": 65536}])
def test_check_params(port):
    with pytest.raises(ClusterError, match=r"ports\[0\]\."):
        _kind.check_params({**DEFAULTS, "ports": [port]})
