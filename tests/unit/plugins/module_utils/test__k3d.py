# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
import yaml
from ansible_collections.luckyplans.platform.plugins.module_utils import _k3d
from ansible_collections.luckyplans.platform.plugins.module_utils import _k3d_config as options_of
from ansible_collections.luckyplans.platform.plugins.module_utils._cluster import ClusterError
from ansible_collections.luckyplans.platform.tests.unit.fixtures.cluster_world import recorded

RUNNING = recorded("k3d/list-running.json")
MULTI = recorded("k3d/list-multi.json")
FROM_CONFIG = recorded("k3d/list-from-config.json")
KILLED = recorded("k3d/list-killed-create.json")
CONTAINERS = recorded("k3d/docker-inspect.json")
DEFAULTS: dict[str, Any] = {
    "name": "fix",
    "image": "rancher/k3s:v1.36.4-k3s1",
    "servers": 1,
    "agents": 0,
    "api_host": "127.0.0.1",
    "api_port": 0,
    "ports": [],
    "volumes": [],
    "k3s_extra_args": [],
    "runtime_labels": [],
    "env": [],
    "files": [],
    "registries": None,
    "host_aliases": [],
    "node_labels": [],
    "servers_memory": "",
    "agents_memory": "",
    "drain_timeout": 120,
    "delete_volumes": False,
    "subnet": "",
    "token": None,
    "load_balancer": True,
    "tools_image": "",
    "load_balancer_image": "",
    "timeout": 90,
}
PORT = {"host_ip": "127.0.0.1", "host_port": 8081, "node_port": 80, "protocol": "tcp", "node_filters": []}
VOLUME = {"source": "/tmp/fixdata", "destination": "/data", "node_filters": ["server:*"]}
ENTRY = {"name": "A", "value": "x$y", "node_filters": []}
FOO = {"name": "FOO", "value": "bar", "node_filters": []}
REGISTRY = {"name": "reg", "host_ip": "127.0.0.1", "host_port": 5000, "image": "", "volumes": [], "proxy": None}
SPEC_LABEL = {
    "label": f"{options_of.SPEC_LABEL}={options_of.traceless_hash(DEFAULTS)}",
    "nodeFilters": ["server:*"],
}
#: The options that the recorded cluster "fix" was made with, as far as they can be read from outside.
RECORDED = {
    **DEFAULTS,
    "ports": [PORT],
    "volumes": [VOLUME],
    "k3s_extra_args": [{"arg": "--disable=traefik", "node_filters": []}],
    "env": [{"name": "FOO", "value": "bar", "node_filters": ["server:*"]}],
}
IMAGE_ENV = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "KUBECONFIG=/etc/rancher/k3s/k3s.yaml",
    "CONTAINERD_NAMESPACE=k8s.io",
]


def containers_of(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    """Containers for a recorded cluster whose own were not recorded."""
    containers = []
    for item in cluster["nodes"]:
        container = copy.deepcopy(CONTAINERS[0])
        container["Id"] = container["Name"] = item["name"]
        container["State"]["Running"] = item["State"]["Running"]
        container["Config"]["Labels"]["k3d.role"] = item["role"]
        containers.append(container)
    return containers


def options(**changes: Any) -> dict[str, Any]:
    return options_of.defaulted({**DEFAULTS, **changes})


def document(**changes: Any) -> dict[str, Any]:
    return options_of.config(options(**changes))


# Config


def test_config_of_the_defaults():
    assert document() == {
        "apiVersion": "k3d.io/v1alpha5",
        "kind": "Simple",
        "metadata": {"name": "fix"},
        "servers": 1,
        "agents": 0,
        "kubeAPI": {"host": "127.0.0.1", "hostIP": "127.0.0.1"},
        "image": "rancher/k3s:v1.36.4-k3s1",
        "volumes": [],
        "ports": [],
        "env": [],
        "options": {
            "k3d": {"wait": True, "timeout": "90s", "disableLoadbalancer": False, "disableRollback": True},
            "k3s": {"extraArgs": []},
            "kubeconfig": {"updateDefaultKubeconfig": False, "switchCurrentContext": False},
            "runtime": {"labels": [SPEC_LABEL]},
        },
    }


@pytest.mark.parametrize(
    ("changes", "path", "value"),
    [
        ({"name": "other"}, ("metadata", "name"), "other"),
        ({"servers": 3}, ("servers",), 3),
        ({"agents": 2}, ("agents",), 2),
        ({"image": "a/b:c"}, ("image",), "a/b:c"),
        ({"api_host": "0.0.0.0"}, ("kubeAPI",), {"host": "127.0.0.1", "hostIP": "0.0.0.0"}),
        ({"api_port": 6550}, ("kubeAPI", "hostPort"), "6550"),
        ({"subnet": "auto"}, ("subnet",), "auto"),
        ({"token": "t0"}, ("token",), "t0"),
        ({"load_balancer": False}, ("options", "k3d", "disableLoadbalancer"), True),
        ({"timeout": 7}, ("options", "k3d", "timeout"), "7s"),
        ({"ports": [PORT]}, ("ports",), [{"port": "127.0.0.1:8081:80/tcp", "nodeFilters": ["loadbalancer"]}]),
        (
            {"ports": [PORT], "load_balancer": False},
            ("ports",),
            [{"port": "127.0.0.1:8081:80/tcp", "nodeFilters": ["server:0:direct"]}],
        ),
        (
            {"ports": [{**PORT, "host_ip": "::1", "protocol": "udp", "node_filters": ["agent:0"]}], "agents": 1},
            ("ports", 0),
            {"port": "[::1]:8081:80/udp", "nodeFilters": ["agent:0"]},
        ),
        ({"volumes": [VOLUME]}, ("volumes",), [{"volume": "/tmp/fixdata:/data", "nodeFilters": ["server:*"]}]),
        (
            {"volumes": [{**VOLUME, "node_filters": []}]},
            ("volumes", 0, "nodeFilters"),
            ["server:*", "agent:*"],
        ),
        ({"env": [ENTRY]}, ("env",), [{"envVar": "A=x$y", "nodeFilters": ["server:*", "agent:*"]}]),
        (
            {"runtime_labels": [ENTRY]},
            ("options", "runtime", "labels"),
            [{"label": "A=x$y", "nodeFilters": ["server:*"]}, SPEC_LABEL],
        ),
        ({"servers_memory": "1g"}, ("options", "runtime", "serversMemory"), "1g"),
        ({"agents_memory": "512m"}, ("options", "runtime", "agentsMemory"), "512m"),
        (
            {"node_labels": [ENTRY]},
            ("options", "k3s", "nodeLabels"),
            [{"label": "A=x$y", "nodeFilters": ["server:*", "agent:*"]}],
        ),
        (
            {"files": [{"source": "/a/b", "destination": "k3s-manifests/x.yaml", "node_filters": []}]},
            ("files",),
            [
                {
                    "source": "file-0",
                    "destination": "k3s-manifests/x.yaml",
                    "description": "files[0]",
                    "nodeFilters": ["server:*", "agent:*"],
                }
            ],
        ),
        (
            {"registries": {"create": REGISTRY, "use": ["k3d-a:5000"], "config": "mirrors:\n"}},
            ("registries",),
            {
                "create": {"name": "reg", "host": "127.0.0.1", "hostPort": "5000"},
                "use": ["k3d-a:5000"],
                "config": "mirrors:\n",
            },
        ),
        (
            {
                "registries": {
                    "create": {
                        **REGISTRY,
                        "host_port": 0,
                        "image": "registry:2",
                        "volumes": ["/srv/r:/var/lib/registry"],
                        "proxy": {"remote_url": "https://r", "username": "u", "password": "p"},
                    }
                }
            },
            ("registries", "create"),
            {
                "name": "reg",
                "host": "127.0.0.1",
                "image": "registry:2",
                "volumes": ["/srv/r:/var/lib/registry"],
                "proxy": {"remoteURL": "https://r", "username": "u", "password": "p"},
            },
        ),
        (
            {"host_aliases": [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}]},
            ("hostAliases",),
            [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}],
        ),
        (
            {"k3s_extra_args": [{"arg": "--disable=traefik", "node_filters": []}]},
            ("options", "k3s", "extraArgs"),
            [{"arg": "--disable=traefik", "nodeFilters": ["server:*"]}],
        ),
        (
            {"k3s_extra_args": [{"arg": "--x", "node_filters": ["all"]}]},
            ("options", "k3s", "extraArgs", 0, "nodeFilters"),
            ["all"],
        ),
    ],
)
def test_config_of_every_option(changes, path, value):
    found: Any = document(**changes)
    for key in path:
        found = found[key]
    assert found == value


def test_a_dollar_survives_the_expansion_by_k3d():
    wanted = document(env=[ENTRY], token="a$b${c}", k3s_extra_args=[{"arg": "--x=ü$HOME", "node_filters": []}])
    text = options_of.config_text(wanted)
    variables = {"LP_DOLLAR": "$"}
    # What os.ExpandEnv of Go does: both spellings, unknown variables become nothing.
    expanded = re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda match: variables.get(match[1] or match[2], ""), text)
    assert yaml.safe_load(expanded) == wanted


def test_argv():
    assert options_of.create_argv("a", "/w/k3d.yaml") == ["cluster", "create", "a", "--config", "/w/k3d.yaml"]
    assert options_of.start_argv("a", 90) == ["cluster", "start", "a", "--wait", "--timeout", "90s"]


def test_environment():
    base = {"PATH": "/bin", "K3D_IMAGE": "x", "K3D_TOKEN": "y", "K3D_IMAGE_TOOLS": "z", "KUBECONFIG": "k"}
    assert options_of.environment(base, DEFAULTS) == {"PATH": "/bin", "LP_DOLLAR": "$"}
    images = {**DEFAULTS, "tools_image": "t:1", "load_balancer_image": "l:1"}
    assert options_of.environment(base, images) == {
        "PATH": "/bin",
        "LP_DOLLAR": "$",
        "K3D_IMAGE_TOOLS": "t:1",
        "K3D_IMAGE_LOADBALANCER": "l:1",
    }


# Node filters


@pytest.mark.parametrize(
    ("node_filter", "nodes", "suffix"),
    [
        ("server:0", ["server-0"], ""),
        ("servers:*", ["server-0", "server-1"], ""),
        ("server:*:proxy", ["server-0", "server-1"], "proxy"),
        ("server:1:direct", ["server-1"], "direct"),
        ("agent:0,2", ["agent-0", "agent-2"], ""),
        ("agents:1-2", ["agent-1", "agent-2"], ""),
        ("agent:1-", ["agent-1", "agent-2"], ""),
        ("agent:-1", ["agent-0", "agent-1"], ""),
        ("loadbalancer", ["loadbalancer"], ""),
        ("all", ["server-0", "server-1", "agent-0", "agent-1", "agent-2", "loadbalancer"], ""),
    ],
)
def test_select(node_filter, nodes, suffix):
    assert options_of.select(node_filter, 2, 3, True) == (nodes, suffix)


@pytest.mark.parametrize(
    ("node_filter", "load_balancer", "sentence"),
    [
        ("master:0", True, "is not understood"),
        ("server:0:", True, "is not understood"),
        ("server:0:other", True, "is not understood"),
        ("server", True, "names no nodes; write server"),
        ("agent:5", True, "names node 5, but there are 3"),
        ("loadbalancer", False, "load_balancer is false"),
    ],
)
def test_select_refuses(node_filter, load_balancer, sentence):
    with pytest.raises(ClusterError, match=sentence):
        options_of.select(node_filter, 2, 3, load_balancer)


def test_no_agents_are_no_error():
    assert options_of.select("agent:*", 1, 0, True) == ([], "")


# JSON


def test_tokens_are_found_wherever_k3d_leaves_them():
    assert _k3d.tokens(RUNNING + MULTI) == {"pXpoQfGSgphwhtEGnVdn", "HCRHQoAfOXRFcODcquQV"}
    only_env = [{"name": "a", "nodes": [{"env": ["K3S_TOKEN=a=b", "X=y"], "runtimeLabels": None}]}]
    assert _k3d.tokens(only_env) == {"a=b"}


def test_a_cluster_is_found_by_its_whole_name():
    assert _k3d.find_cluster(RUNNING + MULTI, "multi")["name"] == "multi"
    assert _k3d.find_cluster(RUNNING + MULTI, "mult") is None


def test_live_from_recorded_cluster():
    live = _k3d.live_from_cluster(RUNNING[0], CONTAINERS)
    assert [(node.name, node.role, node.running) for node in live.nodes] == [
        ("k3d-fix-server-0", "server", True),
        ("k3d-fix-serverlb", "loadbalancer", True),
    ]
    assert live.api_server == "https://127.0.0.1:6552"
    assert live.identity == (CONTAINERS[0]["Id"],)
    assert live.nodes[0].started == 1795350261.0
    assert live.state == "running"
    assert live.settings == {
        "image": "rancher/k3s:v1.36.4-k3s1",
        "servers": 1,
        "agents": 0,
        "load_balancer": True,
        "api_host": "127.0.0.1",
        "api_port": 6552,
        "ports": ["127.0.0.1:8081->80/tcp on loadbalancer"],
        "volumes": ["/tmp/fixdata:/data on server-0"],
    }


def test_live_of_several_nodes():
    live = _k3d.live_from_cluster(MULTI[0], containers_of(MULTI[0]))
    assert [node.name for node in live.nodes] == [
        "k3d-multi-server-0",
        "k3d-multi-agent-0",
        "k3d-multi-agent-1",
        "k3d-multi-serverlb",
    ]
    assert live.settings["agents"] == 2


def test_live_of_a_stopped_and_of_a_half_made_cluster():
    for cluster in (recorded("k3d/list-stopped.json")[0], KILLED[0]):
        assert _k3d.live_from_cluster(cluster, containers_of(cluster)).state == "stopped"


def test_nodes_that_docker_does_not_know_are_an_error():
    with pytest.raises(ClusterError, match="k3d and Docker disagree"):
        _k3d.live_from_cluster(RUNNING[0], CONTAINERS[:1])


@pytest.mark.parametrize("ran", [True, False])
def test_of_two_load_balancers_the_one_that_ran_counts(ran):
    cluster, containers = copy.deepcopy(RUNNING[0]), copy.deepcopy(CONTAINERS)
    old, made = copy.deepcopy(cluster["nodes"][0]), copy.deepcopy(containers[1])
    old["name"], made["Name"] = "k3d-fix-serverlb-abcde", "/k3d-fix-serverlb-abcde"
    if not ran:
        containers[1]["State"]["StartedAt"] = "0001-01-01T00:00:00Z"
    cluster["nodes"].append(old)
    entries, left = _k3d.entries_of(cluster, [*containers, made])
    names = ["k3d-fix-serverlb", "k3d-fix-serverlb-abcde"]
    assert [entries["loadbalancer"]["name"], *left] == (names if ran else names[::-1])


def test_a_server_without_load_balancer_publishes_the_api_itself():
    cluster = json.loads(json.dumps(RUNNING[0]))
    cluster["nodes"] = [item for item in cluster["nodes"] if item["role"] == "server"]
    cluster["nodes"][0]["portMappings"] = {
        "6443": [{"HostIp": "127.0.0.1", "HostPort": "6552"}],
        "443/tcp": [{"HostIp": "", "HostPort": "443"}],
    }
    live = _k3d.live_from_cluster(cluster, CONTAINERS)
    assert live.settings["load_balancer"] is False
    assert live.settings["ports"] == ["0.0.0.0:443->443/tcp on server-0"]


# Checks


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image": "rancher/k3s:latest"}, 'image is "rancher/k3s:latest", whose tag means another version'),
        ({"image": "rancher/k3s"}, "whose tag means another version"),
        ({"image": "localhost:5000/k3s"}, "whose tag means another version"),
        ({"servers_memory": "much"}, 'servers_memory is "much"; give an amount such as 512m'),
        ({"agents_memory": "0"}, 'agents_memory is "0"'),
        ({"subnet": "172.28.0.1/16"}, 'subnet is "172.28.0.1/16"'),
        ({"ports": [PORT, PORT]}, "ports[1] publishes 127.0.0.1:8081/tcp, which ports[0] does already; give each"),
        ({"ports": [PORT, {**PORT, "host_ip": "0.0.0.0"}]}, "ports[1] publishes 0.0.0.0:8081/tcp, which ports[0] does"),
        ({"ports": [{**PORT, "host_ip": "::"}, PORT]}, "ports[1] publishes 127.0.0.1:8081/tcp, which ports[0] does"),
        ({"ports": [PORT], "api_port": 8081}, "ports[0] publishes 127.0.0.1:8081/tcp, which api_port does already"),
        ({"ports": [{**PORT, "node_filters": ["agent:*"]}]}, "which names no node for one port"),
        (
            {"ports": [{**PORT, "node_filters": ["server:*:direct"]}], "servers": 3},
            "which names 3 publishers (server-0, server-1, server-2)",
        ),
        ({"ports": [{**PORT, "node_filters": ["loadbalancer", "server:0:direct"]}]}, "which names 2 publishers"),
        ({"runtime_labels": [{**ENTRY, "name": "app"}]}, "belongs to k3d"),
        ({"runtime_labels": [{**ENTRY, "name": options_of.SPEC_LABEL}]}, "which this module sets itself"),
        ({"node_labels": [{**ENTRY, "value": "x", "name": "node-role.kubernetes.io/a"}]}, "a node may not give itself"),
        ({"node_labels": [{**ENTRY, "value": "x", "name": "k8s.io/a"}]}, "a node may not give itself"),
        ({"node_labels": [{**ENTRY, "value": "x y"}]}, 'node_labels[0] is "A=x y", which Kubernetes takes for no label'),
        ({"node_labels": [{**ENTRY, "value": "x", "name": "a b"}]}, "which Kubernetes takes for no label"),
        ({"volumes": [{**VOLUME, "destination": "/a:ro"}]}, 'volumes[0].destination is "/a:ro"; give a path without'),
        ({"files": [{**VOLUME, "source": "name"}]}, 'files[0].source is "name"; give an absolute path.'),
        ({"files": [{**VOLUME, "destination": "k3s/x"}]}, 'files[0].destination is "k3s/x"'),
        ({"registries": {"create": {**REGISTRY, "name": "a_b"}}}, 'registries.create.name is "a_b"'),
        ({"registries": {"create": {**REGISTRY, "host_port": 70000}}}, "registries.create.host_port is 70000"),
        ({"registries": {"create": {**REGISTRY, "host_ip": "here"}}}, 'registries.create.host_ip is "here"'),
        ({"registries": {"create": {**REGISTRY, "volumes": ["/a"]}}}, 'registries.create.volumes[0] is "/a"'),
        ({"registries": {"use": ["https://a"]}}, 'registries.use[0] is "https://a"'),
        ({"registries": {"config": "a/b"}}, "registries.config is neither the text"),
        ({"host_aliases": [{"ip": "x", "hostnames": ["a"]}]}, 'host_aliases[0].ip is "x"'),
        ({"host_aliases": [{"ip": "10.0.0.1", "hostnames": []}]}, "host_aliases[0].hostnames is empty"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(changes, sentence):
    with pytest.raises(ClusterError) as caught:
        options_of.check_params(options(**changes))
    assert sentence in caught.value.sentence
    assert "\n" not in caught.value.sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "localhost:5000/k3s:v1"},
        {"image": "rancher/k3s@sha256:0123"},
        {"ports": [PORT, {**PORT, "protocol": "udp"}, {**PORT, "host_ip": "127.0.0.2"}], "api_port": 6443},
        {"node_labels": [{**ENTRY, "value": "", "name": "node.kubernetes.io/instance-type"}]},
        {"node_labels": [{**ENTRY, "value": "zone-1", "name": "topology.kubernetes.io/zone"}]},
        {"registries": {"create": REGISTRY, "use": ["k3d-a.localhost:5000"], "config": "/etc/r.yaml"}},
        {"env": [{**ENTRY, "node_filters": ["agent:*"]}]},
        {"subnet": "172.28.0.0/16", "servers_memory": "1.5GiB"},
    ],
)
def test_good_options_are_let_through(changes):
    options_of.check_params(options(**changes))


@pytest.mark.parametrize(("servers", "count"), [(1, 0), (2, 1), (3, 0), (4, 1)])
def test_an_even_number_of_servers_is_warned_about(servers, count):
    assert len(options_of.warnings({**DEFAULTS, "servers": servers})) == count


def test_missing_sources():
    volumes = [VOLUME, {**VOLUME, "source": "a-volume"}]
    files = [{**VOLUME, "source": "/there"}]
    found = options_of.missing_sources(
        {**DEFAULTS, "volumes": volumes, "files": files, "registries": {"config": "/no"}},
        exists=lambda path: path == "/there",
    )
    assert [sentence.split(",")[0] for sentence in found] == [
        'volumes[0].source is "/tmp/fixdata"',
        'registries.config is "/no"',
    ]


@pytest.mark.parametrize(
    ("text", "size"), [("", 0), ("1024", 1024), ("1k", 1024), ("512m", 2**29), ("2GiB", 2**31), ("1.5 gb", 3 * 2**29)]
)
def test_memory(text, size):
    assert options_of.memory_bytes("servers_memory", text) == size


# Agents that can be made like the present nodes

AGENT_ENTRY = {"name": "A", "value": "x", "node_filters": ["agent:1"]}


@pytest.mark.parametrize(
    ("changes", "live", "obstacle"),
    [
        ({}, 0, ""),
        ({"subnet": "auto"}, 0, "subnet"),
        ({"subnet": "auto"}, 1, ""),
        ({"host_aliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}]}, 1, "host_aliases"),
        ({"files": [{**VOLUME, "node_filters": ["agent:*"]}]}, 1, "files"),
        ({"files": [{**VOLUME, "node_filters": ["server:*"]}]}, 1, ""),
        ({"volumes": [VOLUME]}, 0, "volumes"),
        ({"volumes": [VOLUME]}, 1, ""),
        ({"env": [AGENT_ENTRY]}, 1, "env"),
        ({"node_labels": [AGENT_ENTRY]}, 1, "k3s_extra_args or node_labels"),
        ({"k3s_extra_args": [{"arg": "--v=1", "node_filters": ["agent:*"]}]}, 0, ""),
        ({"runtime_labels": [{**AGENT_ENTRY, "value": "a=b"}]}, 1, "runtime_labels"),
        ({"ports": [{**PORT, "node_filters": ["agent:1:direct"]}]}, 1, "ports"),
    ],
)
def test_agent_obstacle(changes, live, obstacle):
    assert options_of.agent_obstacle(options(agents=2, **changes), live) == obstacle


def test_argv_for_an_agent():
    params = options(
        agents=2,
        agents_memory="1g",
        runtime_labels=[{**ENTRY, "value": "x", "node_filters": ["all"]}],
        node_labels=[{**ENTRY, "name": "tier", "value": "a"}],
        k3s_extra_args=[{"arg": "--v=1", "node_filters": ["agent:*"]}],
    )
    argv = options_of.add_agent_argv(params, "k3d-fix-agent-1-0", first=True, timeout=9)
    assert argv == [
        *("node", "create", "fix-agent-1", "--cluster", "fix", "--role", "agent", "--wait", "--timeout", "9s"),
        *("--memory", "1g", "--runtime-label", "A=x", "--k3s-arg", "--v=1", "--k3s-arg", "--node-label=tier=a"),
    ]
    # The command line of an agent is copied by k3d, its limits and labels are not.
    assert options_of.add_agent_argv(params, "k3d-fix-agent-1-0", first=False, timeout=9) == argv[:-4]


# Differences


class NoImages:
    """A Docker that has none of the images asked for."""

    def inspect(self, _ids: Any) -> list[dict[str, Any]]:
        return CONTAINERS[:1]

    def same_image(self, reference: str, name: str, image_id: str) -> bool:
        return reference == name

    def image_env(self, image_id: str) -> list[str]:
        return IMAGE_ENV


def engine(containers: Any = CONTAINERS, **changes: Any) -> _k3d.K3d:
    """The engine after it has looked at the recorded cluster."""
    made = _k3d.K3d(options_of.defaulted({**RECORDED, **changes}), k3d=None, docker=NoImages())
    made.token = "pXpoQfGSgphwhtEGnVdn"
    made.entries, made.left_over = _k3d.entries_of(RUNNING[0], containers)
    made.containers = {"server-0": containers[0], "loadbalancer": containers[1]}
    return made


def differences(**changes: Any) -> list[Any]:
    live = _k3d.live_from_cluster(RUNNING[0], CONTAINERS)
    return engine(**changes).differences(live, engine().spec())


def test_no_difference():
    assert differences() == []
    assert differences(token="pXpoQfGSgphwhtEGnVdn") == []
    assert differences(api_port=6552) == []
    assert differences(ports=[{**PORT, "node_filters": ["server:*:proxy", "agent:*:proxy"]}]) == []
    assert differences(volumes=[{**VOLUME, "destination": "/data/", "node_filters": ["server:0"]}]) == []


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"image": "rancher/k3s:v2"}, ["image"]),
        ({"servers": 3}, ["servers", "volumes", "k3s_extra_args", "env"]),
        ({"load_balancer": False}, ["load_balancer", "ports"]),
        ({"api_host": "0.0.0.0"}, ["api_host"]),
        ({"api_port": 1}, ["api_port"]),
        ({"ports": [{**PORT, "node_filters": ["server:0:direct"]}]}, ["ports"]),
        ({"volumes": []}, ["volumes"]),
        ({"volumes": [{**VOLUME, "destination": "k3s-storage"}]}, ["volumes"]),
        ({"k3s_extra_args": []}, ["k3s_extra_args"]),
        ({"node_labels": [{**ENTRY, "value": "x"}]}, ["node_labels"]),
        ({"runtime_labels": [ENTRY]}, ["runtime_labels"]),
        ({"env": []}, ["env"]),
        ({"env": [ENTRY]}, ["env"]),
        ({"servers_memory": "1g"}, ["servers_memory"]),
        ({"subnet": "auto"}, ["subnet"]),
        ({"host_aliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}]}, ["host_aliases"]),
        ({"registries": {"use": ["k3d-a"]}}, ["registries"]),
        ({"files": [{"source": "/a", "destination": "/b", "node_filters": []}]}, ["files"]),
        ({"token": "another"}, ["token"]),
        # Made after the server, the agent would have the server's mount and environment.
        ({"agents": 1}, ["agents"]),
    ],
)
def test_every_difference_that_takes_a_new_cluster(changes, paths):
    found = differences(**changes)
    assert [item.path for item in found] == paths
    assert {item.klass for item in found} == {"recreate"}
    assert "another" not in repr([item for item in found if item.path == "token"]).replace("another one", "")


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"ports": []}, ["ports"]),
        ({"ports": [{**PORT, "host_port": 1}]}, ["ports"]),
        ({"ports": [PORT, {**PORT, "host_port": 1, "node_port": 2}]}, ["ports"]),
        ({"agents": 2, "volumes": [{**VOLUME, "node_filters": []}], "env": [FOO]}, ["agents"]),
        ({"agents": 2, "volumes": [{**VOLUME, "node_filters": []}], "env": [FOO], "ports": []}, ["agents", "ports"]),
    ],
)
def test_every_difference_that_is_brought_about_in_place(changes, paths):
    found = differences(**changes)
    assert [item.path for item in found] == paths
    assert {item.klass for item in found} == {"live"}


def test_arguments_are_compared_however_they_are_written():
    containers = copy.deepcopy(CONTAINERS)
    containers[0]["Config"]["Cmd"] = ["server", "--tls-san", "127.0.0.1", "--disable", "traefik", "--node-label", "a=b"]
    containers[0]["Config"]["Cmd"] += ["--tls-san", "k3d-fix-serverlb", "--tls-san", "example.org"]
    args = [{"arg": "--tls-san=example.org", "node_filters": []}, {"arg": "--disable=traefik", "node_filters": []}]
    labels = [{"name": "a", "value": "b", "node_filters": []}]
    made = engine(containers, k3s_extra_args=args, node_labels=labels)
    assert made.differences(_k3d.live_from_cluster(RUNNING[0], containers), made.spec()) == []


def test_a_cluster_without_a_record_is_compared_all_the_same():
    live = _k3d.live_from_cluster(RUNNING[0], CONTAINERS)
    assert engine().differences(live, {}) == []
    assert [item.path for item in engine(subnet="auto").differences(live, {})] == ["subnet"]
    # The network of the recorded cluster, as Docker tells it.
    assert engine(subnet="172.27.0.0/16").differences(live, {}) == []


def test_agents_may_come_and_go_without_a_word_on_what_leaves_no_trace():
    files = [{"source": "/a", "destination": "k3s-manifests/b", "node_filters": []}]
    few, many = (options_of.traceless_hash(options(files=files, agents=count)) for count in (0, 3))
    assert few == many


def test_what_leaves_no_trace_is_known_by_the_label_of_a_server():
    aliases = [{"ip": "10.0.0.1", "hostnames": ["a"]}]
    containers = copy.deepcopy(CONTAINERS)
    hashed = options_of.traceless_hash({**DEFAULTS, "host_aliases": aliases})
    containers[0]["Config"]["Labels"][options_of.SPEC_LABEL] = hashed
    live = _k3d.live_from_cluster(RUNNING[0], containers)
    assert engine(containers, host_aliases=aliases).differences(live, {}) == []
    (found,) = engine(containers).differences(live, {})
    assert found.path == "files, registries, host_aliases, subnet"


def test_a_value_of_the_environment_is_hidden_but_compared():
    hidden = options_of.env_texts({"server-0": {"A": "x$y"}})
    assert "x$y" not in json.dumps(hidden)
    assert hidden != options_of.env_texts({"server-0": {"A": "z"}})


def test_the_record_holds_no_token():
    assert "t0ken" not in json.dumps(engine(token="t0ken").spec())


def test_volume_shortcuts_are_compared_by_their_path():
    wanted = options_of.wanted_volumes(options(volumes=[{**VOLUME, "destination": "k3s-storage"}]))
    assert wanted == ["/tmp/fixdata:/var/lib/rancher/k3s/storage on server-0"]


def test_a_missing_network_plugin_is_expected_where_it_was_asked_for():
    args = [{"arg": "--flannel-backend=none", "node_filters": []}]
    assert engine(k3s_extra_args=args).network_optional is True
    assert engine().network_optional is False
