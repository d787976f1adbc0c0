# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import functools
import json
import os
import stat
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils import _cluster, _k3d
from ansible_collections.luckyplans.platform.plugins.module_utils._k3d_config import missing_sources
from ansible_collections.luckyplans.platform.plugins.modules.k3d_cluster import main
from ansible_collections.luckyplans.platform.tests.unit.fixtures.cluster_world import (
    KUBECONFIG,
    World,
    recorded,
    recorded_text,
)

IMAGE = "rancher/k3s:v1.36.4-k3s1"
#: The recorded cluster is named "fix".
RUNNING = recorded("k3d/list-running.json")
CONTAINERS = json.loads(recorded_text("k3d/docker-inspect.json").replace("FOO=bar", "FOO=b$ar"))
#: What the node image gives to every container.
IMAGE_ENV = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "KUBECONFIG=/etc/rancher/k3s/k3s.yaml",
    "CONTAINERD_NAMESPACE=k8s.io",
]
TOKEN = "pXpoQfGSgphwhtEGnVdn"
PARAMS: dict[str, Any] = {
    "name": "fix",
    "image": IMAGE,
    "ports": [{"host_port": 8081, "node_port": 80}],
    "volumes": [{"source": "/tmp/fixdata", "destination": "/data", "node_filters": ["server:*"]}],
    "k3s_extra_args": [{"arg": "--disable=traefik"}],
    "env": [{"name": "FOO", "value": "b$ar", "node_filters": ["server:*"]}],
}


def prepare(root, monkeypatch) -> World:
    """No cluster yet; the API of one that runs is ready."""
    made = World(root, monkeypatch)
    made.set(
        created=CONTAINERS,
        created_clusters=RUNNING,
        images={IMAGE: CONTAINERS[0]["Image"]},
        image_env=IMAGE_ENV,
        create_says=recorded_text("k3d/create-from-config.out"),
    )
    monkeypatch.setattr(_cluster, "Api", lambda access, workdir: access)
    monkeypatch.setattr(_k3d, "Api", lambda access, workdir: made.api)
    # The directory that the recorded cluster has mounted.
    exists = functools.partial(missing_sources, exists=lambda path: path == "/tmp/fixdata" or os.path.exists(path))
    monkeypatch.setattr(_k3d.wanted, "missing_sources", exists)
    monkeypatch.setattr(_cluster, "wait_until_ready", lambda api, **options: made.waits.append((api.server, options)))
    return made


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> World:
    """A cluster made by the module, once for all tests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = prepare(tmp_path_factory.mktemp("k3d"), monkeypatch)
        assert made.run(main, PARAMS)["changed"]
        made.close()
        return made


@pytest.fixture
def world(tmp_path, monkeypatch) -> Iterator[World]:
    made = prepare(tmp_path, monkeypatch)
    yield made
    made.close()


@pytest.fixture
def cluster(world: World, finished: World) -> World:
    """A cluster made by the module."""
    world.copy_from(finished)
    return world


def stopped_world() -> dict[str, Any]:
    clusters, containers = copy.deepcopy(RUNNING), copy.deepcopy(CONTAINERS)
    for item in [*clusters[0]["nodes"], *containers]:
        item["State"]["Running"] = False
    return {"clusters": clusters, "containers": containers}


# Creation


def test_creates(world):
    result = world.run(main, PARAMS)
    assert result["actions"] == [
        f'create the k3d cluster "fix" from image "{IMAGE}", 2 node(s)',
        f'write the kubeconfig "{world.kubeconfig}"',
    ]
    assert result["cluster"] == {
        "name": "fix",
        "engine": "k3d",
        "state": "running",
        "nodes": [
            {"name": "k3d-fix-server-0", "role": "server"},
            {"name": "k3d-fix-serverlb", "role": "loadbalancer"},
        ],
        "image": IMAGE,
        "api_server": "https://127.0.0.1:6552",
    }
    assert [call[:4] for call in world.writes] == [["k3d", "cluster", "create", "fix"]]
    assert stat.S_IMODE(world.kubeconfig.stat().st_mode) == 0o600
    assert KUBECONFIG.strip() in world.kubeconfig.read_text()
    assert set(world.files()) == {"kubeconfig", "spec.json", ".k3d-fix.lock"}


def test_config_reaches_k3d_unexpanded_through_a_private_directory(world):
    world.run(main, PARAMS)
    call = world.call("k3d", "cluster", "create")
    config = yaml.safe_load(call["config"].replace("${LP_DOLLAR}", "$"))
    assert config["env"] == [{"envVar": "FOO=b$ar", "nodeFilters": ["server:*"]}]
    assert "b${LP_DOLLAR}ar" in call["config"]
    assert call["env"]["LP_DOLLAR"] == "$"
    path = call["argv"][-1]
    assert path.startswith(f"{world.directory}/.work-")
    # Here k3d leaves its expanded copy of the file.
    assert call["env"]["TMPDIR"] == os.path.dirname(path)
    assert call["env"]["KUBECONFIG"] == os.path.join(os.path.dirname(path), "kubeconfig")
    assert not os.path.exists(os.path.dirname(path))


def test_environment_cannot_change_the_configuration(world, monkeypatch):
    monkeypatch.setenv("K3D_SERVERS", "3")
    monkeypatch.setenv("K3D_IMAGE_TOOLS", "another")
    monkeypatch.setenv("KUBECONFIG", "/home/me/.kube/config")
    world.run(main, {**PARAMS, "tools_image": IMAGE})
    for call in world.calls:
        if call["argv"][0] == "k3d":
            assert call["env"].get("K3D_IMAGE_TOOLS") == IMAGE
            assert "K3D_SERVERS" not in call["env"]
    assert all(call["env"].get("KUBECONFIG") != "/home/me/.kube/config" for call in world.calls)


def test_waits_for_nodes_but_not_for_the_load_balancer(world):
    world.run(main, {**PARAMS, "timeout": 77})
    ((server, options),) = world.waits
    assert server == "https://127.0.0.1:36443"
    assert (list(options["nodes"]), options["timeout"]) == (["k3d-fix-server-0"], 77)


def test_progress_is_told_without_colours(world):
    world.run(main, PARAMS)
    lines = world.progress.read_text().splitlines()
    assert "INFO[0000] Created network 'k3d-cfg'" in lines


def test_check_mode_predicts_creation_and_touches_nothing(world):
    predicted = world.run(main, PARAMS, check=True)
    assert not world.directory.exists()
    assert world.writes == []
    real = world.run(main, PARAMS)
    predicted["cluster"].pop("api_server")
    real["cluster"].pop("api_server")
    assert predicted == real


@pytest.mark.parametrize(
    ("recording", "sentence"),
    [
        ("k3d/create-port-taken.err", "The port 127.0.0.1:8081 is already in use; "),
        ("k3d/create-noimage.err", 'The image "rancher/k3s:v0.0.0-nothere" is not on this machine'),
    ],
)
def test_a_failed_creation_shows_its_evidence_and_is_cleaned_up(world, recording, sentence):
    world.fail(
        "k3d cluster create",
        recorded_text(recording) + f"K3S_TOKEN={TOKEN}\n",
        world={"containers": CONTAINERS, "clusters": RUNNING},
    )
    result = world.run(main, PARAMS)
    assert result["msg"].startswith(sentence)
    assert "FATA[0" in result["msg"]
    assert 'The end of the log of "k3d-fix-server-0":' in result["msg"]
    assert TOKEN not in json.dumps(result)
    assert world.state["clusters"] == []
    assert set(world.files()) == {".k3d-fix.lock"}


# No change, start, stop


def test_second_run_changes_nothing(cluster):
    before = cluster.files()
    result = cluster.run(main, PARAMS)
    assert (result["changed"], result["actions"], result["differences"]) == (False, [], [])
    assert cluster.writes == []
    assert cluster.files() == before
    assert cluster.run(main, PARAMS, check=True) == result


@pytest.mark.parametrize("state", ["present", "started"])
def test_a_stopped_cluster_is_started(cluster, state):
    cluster.set(**stopped_world())
    params = {**PARAMS, "state": state}
    checked = cluster.run(main, params, check=True)
    assert cluster.writes == []
    cluster.set(answers={"k3d cluster start": {"rc": 0, "world": {"clusters": RUNNING, "containers": CONTAINERS}}})
    result = cluster.run(main, params)
    assert checked == result
    assert result["actions"] == ['start the nodes of the k3d cluster "fix": k3d-fix-server-0, k3d-fix-serverlb']
    assert cluster.writes == [["k3d", "cluster", "start", "fix", "--wait", "--timeout", "300s"]]
    assert cluster.run(main, params)["changed"] is False


def test_stops(cluster):
    cluster.set(answers={"k3d cluster stop": {"rc": 0, "world": stopped_world()}})
    params = {"name": "fix", "state": "stopped"}
    assert cluster.run(main, params)["cluster"]["state"] == "stopped"
    assert cluster.writes == [["k3d", "cluster", "stop", "fix"]]
    assert cluster.run(main, params)["changed"] is False


# Differences


@pytest.mark.parametrize(
    ("change", "path", "check"),
    [
        ({"servers": 3}, "servers", False),
        ({"load_balancer": False, "ports": []}, "load_balancer", True),
        # An agent would be made after the server, which has a mount of its own.
        ({"agents": 1}, "agents", False),
        ({"env": []}, "env", False),
    ],
)
def test_a_difference_is_refused(cluster, change, path, check):
    before = cluster.files()
    result = cluster.run(main, {**PARAMS, **change}, check=check)
    assert 'set recreate to "if_needed"' in result["msg"]
    assert result["differences"][0]["path"] == path
    assert cluster.writes == []
    assert cluster.files() == before


def test_a_difference_is_applied_if_allowed(cluster):
    wanted = {**PARAMS, "env": [], "recreate": "if_needed"}
    containers = copy.deepcopy(CONTAINERS)
    for item in containers:
        item["Id"] = item["Id"][::-1]
        item["Config"]["Env"] = [entry for entry in item["Config"]["Env"] if not entry.startswith("FOO=")]
    cluster.set(created=containers)
    checked = cluster.run(main, wanted, check=True)
    result = cluster.run(main, wanted)
    assert result["actions"][0] == 'delete the k3d cluster "fix" to change: env'
    assert [call[2] for call in cluster.writes] == ["delete", "create"]
    assert (checked["actions"], checked["diff"]) == (result["actions"], result["diff"])
    assert cluster.run(main, wanted)["changed"] is False


# Changes in place

#: Options by which agents are like the server.
ALIKE = {
    "volumes": [{"source": "/tmp/fixdata", "destination": "/data"}],
    "env": [{"name": "FOO", "value": "b$ar"}],
}


def with_agents(world: World, count: int) -> dict[str, Any]:
    """Let the cluster have agents; the options that ask for them."""
    params = {**PARAMS, **ALIKE, "agents": count}
    assert world.run(main, params)["changed"]
    world.calls.clear()
    world.api.asked.clear()
    return params


def agents(world: World) -> list[str]:
    return [item["name"] for item in world.state["clusters"][0]["nodes"] if item["role"] == "agent"]


def outcome(world: World, params: dict[str, Any]) -> dict[str, Any]:
    """The result, which check mode has told before, after which there is nothing left to do."""
    before = copy.deepcopy(world.state), world.files()
    checked = world.run(main, params, check=True)
    assert world.writes == []
    assert (world.state, world.files()) == before
    result = world.run(main, params)
    assert checked == result, result.get("msg")
    assert world.run(main, params)["changed"] is False
    return result


def test_a_port_is_added_and_another_one_removed(cluster):
    result = outcome(cluster, {**PARAMS, "ports": [{"host_port": 8443, "node_port": 443}]})
    assert result["actions"] == [
        "close the ports 127.0.0.1:8081->80/tcp on loadbalancer",
        "publish the ports 127.0.0.1:8443->443/tcp on loadbalancer",
    ]
    assert [(item["path"], item["class"]) for item in result["differences"]] == [("ports", "live")]
    assert cluster.writes == [
        ["k3d", "cluster", "edit", "fix", "--port-delete", "127.0.0.1:8081:80/tcp@loadbalancer"],
        ["k3d", "cluster", "edit", "fix", "--port-add", "127.0.0.1:8443:443/tcp@loadbalancer"],
    ]
    assert cluster.record()["spec"]["ports"] == ["127.0.0.1:8443->443/tcp on loadbalancer"]


def test_a_second_way_to_a_port_of_the_nodes_is_opened_again(cluster):
    two = [*PARAMS["ports"], {"host_port": 8082, "node_port": 80}]
    outcome(cluster, {**PARAMS, "ports": two})
    cluster.calls.clear()
    # k3d forgets where port 80 leads when one of the two is closed.
    result = outcome(cluster, PARAMS)
    assert result["actions"] == [
        "close the ports 127.0.0.1:8081->80/tcp on loadbalancer, 127.0.0.1:8082->80/tcp on loadbalancer",
        "open again the ports 127.0.0.1:8081->80/tcp on loadbalancer",
    ]


def test_agents_are_added(cluster):
    result = outcome(cluster, {**PARAMS, **ALIKE, "agents": 2})
    assert result["actions"] == ["add the agents k3d-fix-agent-0-0, k3d-fix-agent-1-0"]
    assert [item["name"] for item in result["cluster"]["nodes"]] == [
        "k3d-fix-server-0",
        "k3d-fix-agent-0-0",
        "k3d-fix-agent-1-0",
        "k3d-fix-serverlb",
    ]
    added = [call for call in cluster.writes if call[1] == "node"]
    head = ["k3d", "node", "create", "fix-agent-0", "--cluster", "fix", "--role", "agent", "--wait"]
    assert added[0] == [*head, "--timeout", "300s"]
    assert list(cluster.waits[-1][1]["nodes"]) == ["k3d-fix-server-0", "k3d-fix-agent-0-0", "k3d-fix-agent-1-0"]
    assert cluster.record()["spec"]["agents"] == 2


def test_an_agent_that_somebody_deleted_is_made_again(cluster):
    params = with_agents(cluster, 2)
    cluster.serve(["k3d", "node", "delete", "k3d-fix-agent-0-0"], {})
    cluster.calls.clear()
    cluster.api.stale = ["k3d-fix-server-0", "k3d-fix-agent-0-0", "k3d-fix-agent-1-0", "k3d-fixed-agent-0"]
    outcome(cluster, params)
    assert agents(cluster) == ["k3d-fix-agent-1-0", "k3d-fix-agent-2-0"]
    # What the API remembers of it would never get ready.
    assert cluster.api.writes() == [("DELETE", "/api/v1/nodes/k3d-fix-agent-0-0")]


def test_an_agent_of_another_image_is_a_difference(cluster):
    params = with_agents(cluster, 1)
    containers = copy.deepcopy(cluster.state["containers"])
    containers[-1]["Image"] = "sha256:other"
    cluster.set(containers=containers)
    result = cluster.run(main, params)
    assert [item["path"] for item in result["differences"]][0] == "image"
    assert cluster.writes == []


def test_an_agent_is_drained_and_deleted_with_its_node(cluster):
    params = with_agents(cluster, 2)
    cluster.api.pods = [{"metadata": {"namespace": "a", "name": "web"}}]
    result = outcome(cluster, {**params, "agents": 1})
    assert result["actions"][0] == "drain the agents k3d-fix-agent-1-0"
    assert [call[1:3] for call in cluster.writes] == [
        ["cluster", "edit"],
        ["node", "delete"],
        ["cluster", "edit"],
    ]
    assert agents(cluster) == ["k3d-fix-agent-0-0"]
    node = "/api/v1/nodes/k3d-fix-agent-1-0"
    assert cluster.api.writes() == [
        ("PATCH", node),
        ("POST", "/api/v1/namespaces/a/pods/web/eviction"),
        ("DELETE", node),
        ("DELETE", node),
    ]


def test_an_agent_whose_pods_may_not_go_stays(cluster):
    params = with_agents(cluster, 1)
    cluster.api.pods = [{"metadata": {"namespace": "a", "name": "web"}}]
    cluster.api.refuses = True
    result = cluster.run(main, {**params, "agents": 0, "drain_timeout": 0})
    assert 'pod "a/web" may not be evicted: it would violate the pod\'s disruption budget; remove' in result["msg"]
    assert cluster.writes == []
    # Into service again.
    assert cluster.api.writes()[-1] == ("PATCH", "/api/v1/nodes/k3d-fix-agent-0-0")
    cluster.api.refuses = False
    assert outcome(cluster, {**params, "agents": 0})["changed"]


def test_all_agents_are_put_into_service_again_where_one_cannot_go(cluster):
    params = with_agents(cluster, 2)
    asked = cluster.api.send

    def send(method: str, path: str, body: Any = None) -> tuple[int, str]:
        if method == "GET" and "k3d-fix-agent-1-0" in path:
            cluster.api.pods, cluster.api.refuses = [{"metadata": {"namespace": "a", "name": "web"}}], True
        return asked(method, path, body)

    cluster.api.send = send
    result = cluster.run(main, {**params, "agents": 0, "drain_timeout": 0})
    assert 'The agent "k3d-fix-agent-1-0" of the k3d cluster "fix" cannot be taken in or out of service' in result["msg"]
    nodes = [path.rpartition("/")[2] for method, path in cluster.api.writes() if method == "PATCH"]
    assert nodes == [f"k3d-fix-agent-{index}-0" for index in (0, 1, 1, 0)]
    assert cluster.writes == []


def test_an_agent_that_holds_the_only_data_stays(cluster):
    params = with_agents(cluster, 1)
    rule = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["k3d-fix-agent-0-0"]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}}
    cluster.api.volumes = [{"metadata": {"name": "pvc-1"}, "spec": {"nodeAffinity": affinity}}]
    result = cluster.run(main, {**params, "agents": 0})
    assert "holds the only data of the persistent volumes pvc-1" in result["msg"]
    assert cluster.writes == []
    assert outcome(cluster, {**params, "agents": 0, "delete_volumes": True})["changed"]


def test_what_can_be_done_in_place_waits_for_what_cannot(cluster):
    result = cluster.run(main, {**PARAMS, "ports": [], "env": []})
    assert {item["path"]: item["class"] for item in result["differences"]} == {"ports": "live", "env": "recreate"}
    assert 'set recreate to "if_needed"' in result["msg"]
    assert cluster.writes == []


def test_a_stopped_cluster_is_started_and_then_changed(cluster):
    params = with_agents(cluster, 1)
    for item in [*cluster.state["clusters"][0]["nodes"], *cluster.state["containers"]]:
        item["State"]["Running"] = False
    cluster.api.pods = [{"metadata": {"namespace": "a", "name": "web"}}]
    result = outcome(cluster, {**params, "agents": 0, "ports": []})
    assert [text.split()[0] for text in result["actions"]] == ["start", "drain", "close", "delete"]
    assert ("POST", "/api/v1/namespaces/a/pods/web/eviction") in cluster.api.asked


def test_a_change_that_does_not_come_about_is_noticed(cluster):
    cluster.set(answers={"k3d cluster edit": {"rc": 0}})
    result = cluster.run(main, {**PARAMS, "ports": []})
    assert "something else changes it at the same time" in result["msg"]
    assert [item["path"] for item in result["differences"]] == ["ports"]


def test_a_load_balancer_left_over_by_a_killed_change_is_removed(cluster):
    node, container = copy.deepcopy(RUNNING[0]["nodes"][0]), copy.deepcopy(CONTAINERS[1])
    clusters, containers = copy.deepcopy(RUNNING), copy.deepcopy(CONTAINERS)
    # Killed after k3d had made the new one: the old one, renamed, still runs.
    node["name"], container["Name"], container["Id"] = "k3d-fix-serverlb-abcde", "/k3d-fix-serverlb-abcde", "f" * 64
    clusters[0]["nodes"][0]["State"]["Running"] = containers[1]["State"]["Running"] = False
    containers[1]["State"]["StartedAt"] = "0001-01-01T00:00:00Z"
    clusters[0]["nodes"].append(node)
    cluster.set(clusters=clusters, containers=[*containers, container])
    result = outcome(cluster, PARAMS)
    assert [(item["path"], item["class"]) for item in result["differences"]] == [("load_balancer", "live")]
    assert cluster.writes == [
        ["k3d", "node", "delete", "k3d-fix-serverlb"],
        ["docker", "rename", "k3d-fix-serverlb-abcde", "k3d-fix-serverlb"],
    ]


# Taking over

MADE_BY_HAND = {"clusters": RUNNING, "containers": CONTAINERS, "diff": ["A /output", "A /output/kubeconfig.yaml"]}


def test_a_cluster_made_by_hand_is_taken_over(world):
    world.set(**MADE_BY_HAND)
    result = outcome(world, {**PARAMS, "adopt": True})
    assert result["actions"] == [
        'take over the k3d cluster "fix", which was made by other means',
        f'write the missing kubeconfig "{world.kubeconfig}"',
    ]
    assert world.writes == []
    assert world.record()["complete"] is True
    # And it is one like all others.
    assert world.run(main, {"name": "fix", "state": "absent"})["changed"]


def test_a_cluster_made_by_hand_is_taken_over_and_changed_in_place(world):
    world.set(**MADE_BY_HAND)
    result = outcome(world, {**PARAMS, "adopt": True, "ports": []})
    assert [text.split()[0] for text in result["actions"]] == ["take", "write", "close"]


@pytest.mark.parametrize("recreate", ["never", "if_needed"])
def test_a_cluster_made_by_hand_that_differs_is_left_alone(world, recreate):
    world.set(**MADE_BY_HAND)
    result = world.run(main, {**PARAMS, "adopt": True, "env": [], "recreate": recreate})
    assert "cannot be taken over" in result["msg"]
    assert [item["path"] for item in result["differences"]] == ["env"]
    assert (world.writes, world.spec.exists()) == ([], False)


def test_the_refusal_of_a_strange_cluster_shows_the_differences(world):
    world.set(**MADE_BY_HAND)
    result = world.run(main, {**PARAMS, "servers": 3, "ports": []})
    assert "it was not made by this module" in result["msg"]
    assert "set adopt to true" in result["msg"]
    assert "  servers         1" in result["msg"]
    assert {"servers", "ports"} <= {item["path"] for item in result["differences"]}


# Volumes that go with the cluster


@pytest.fixture
def with_volume(cluster: World) -> World:
    clusters = copy.deepcopy(RUNNING)
    clusters[0]["nodes"][1]["volumes"].append("k3d-data:/var/lib/data")
    cluster.set(clusters=clusters)
    return cluster


@pytest.mark.parametrize("params", [{"state": "absent"}, {**PARAMS, "recreate": "if_needed"}])
@pytest.mark.parametrize("check", [True, False])
def test_data_in_volumes_of_k3d_are_kept_until_somebody_gives_them_up(with_volume, params, check):
    before = with_volume.files()
    result = with_volume.run(main, {"name": "fix", **params}, check=check)
    assert "would also delete the volumes k3d-data, whose names begin with" in result["msg"]
    assert "set delete_volumes to true" in result["msg"]
    assert (with_volume.writes, with_volume.files()) == ([], before)
    if not check:
        result = with_volume.run(main, {"name": "fix", **params, "delete_volumes": True})
        assert result["actions"][0].endswith(", with the volumes k3d-data")


# The global kubeconfig


@pytest.fixture
def global_kubeconfig(world: World, tmp_path) -> Any:
    path = tmp_path / ".kube" / "config"
    path.parent.mkdir()
    path.write_text("mine\ncurrent-context: mine\n")
    path.chmod(0o644)
    return path


def test_the_context_is_merged_once_and_taken_out_with_the_cluster(cluster, global_kubeconfig):
    before = global_kubeconfig.read_text()
    params = {**PARAMS, "merge_kubeconfig": True}
    result = outcome(cluster, params)
    assert result["actions"] == [f'merge the context of the k3d cluster "fix" into "{global_kubeconfig}"']
    assert global_kubeconfig.read_text().startswith("mine\ncurrent-context: mine\n")
    assert "name: k3d-fix" in global_kubeconfig.read_text()
    assert stat.S_IMODE(global_kubeconfig.stat().st_mode) == 0o600
    argv = cluster.call("k3d", "kubeconfig", "merge")["argv"]
    # On a copy, which then takes the place of the file in one step.
    assert argv[argv.index("--output") + 1].startswith(f"{cluster.directory}/.work-")
    assert argv[-1] == "--kubeconfig-switch-context=false"
    removed = cluster.run(main, {"name": "fix", "state": "absent"})
    assert removed["actions"] == [f'delete the k3d cluster "fix", and its context in "{global_kubeconfig}"']
    assert global_kubeconfig.read_text() == before


def test_k3d_may_not_choose_the_next_current_context(cluster, global_kubeconfig):
    global_kubeconfig.write_text("current-context: k3d-fix\n")
    cluster.run(main, {**PARAMS, "merge_kubeconfig": True})
    cluster.run(main, {"name": "fix", "state": "absent"})
    assert global_kubeconfig.read_text() == 'current-context: ""\n'


def test_a_file_that_k3d_cannot_merge_into_stays(cluster, global_kubeconfig):
    before = global_kubeconfig.read_text()
    cluster.set(answers={"k3d kubeconfig merge": {"rc": 0}})
    result = cluster.run(main, {**PARAMS, "merge_kubeconfig": True})
    assert "which is left as it was" in result["msg"]
    assert global_kubeconfig.read_text() == before


@pytest.mark.parametrize("state", ["present", "absent"])
def test_the_global_kubeconfig_is_nobodys_business_otherwise(cluster, global_kubeconfig, state):
    before = global_kubeconfig.read_text()
    cluster.run(main, {**PARAMS, "state": state, "agents": 0, "ports": []})
    assert global_kubeconfig.read_text() == before
    assert stat.S_IMODE(global_kubeconfig.stat().st_mode) == 0o644


# Secrets


@pytest.mark.parametrize("token", [TOKEN, "an0ther"])
def test_no_token_in_any_output_or_file(world, token):
    params = {**PARAMS, "token": token}
    shown = [world.run(main, params, check=True), world.run(main, params), world.run(main, params)]
    shown += [world.run(main, {**PARAMS, "servers": 3}), world.files(), world.progress.read_text()]
    text = json.dumps(shown)
    assert TOKEN not in text
    assert token not in text


def test_another_token_is_a_difference_told_without_it(cluster):
    result = cluster.run(main, {**PARAMS, "token": "an0ther"})
    assert result["differences"] == [
        {"path": "token", "before": "(another one)", "after": "(the one given)", "class": "recreate"}
    ]
    assert "an0ther" not in json.dumps(result)


def test_no_value_of_the_environment_in_results_and_record(cluster):
    shown = [cluster.run(main, PARAMS), cluster.run(main, {**PARAMS, "env": []}), cluster.record()]
    assert "b$ar" not in json.dumps(shown)


def test_a_token_that_k3d_lets_slip_is_masked(cluster):
    cluster.set(**stopped_world())
    cluster.fail("k3d cluster start", f"FATA[0000] node says {TOKEN} and dies\n")
    result = cluster.run(main, PARAMS)
    assert "node says ******** and dies" in result["msg"]
    assert TOKEN not in json.dumps(result) + cluster.progress.read_text()


def test_a_broken_answer_is_not_shown(cluster):
    cluster.set(answers={"k3d cluster list": {"rc": 0, "stdout": f'[{{"env": "K3S_TOKEN={TOKEN}"'}})
    result = cluster.run(main, PARAMS)
    assert '"k3d cluster list" did not print JSON' in result["msg"]
    assert TOKEN not in json.dumps(result)


# A probe that fails


@pytest.mark.parametrize(
    ("probe", "state", "check"),
    [
        ("k3d cluster list", "present", False),
        ("docker ps", "present", False),
        ("docker container inspect", "absent", False),
        ("k3d cluster list", "absent", True),
    ],
)
def test_what_cannot_be_known_is_not_touched(cluster, probe, state, check):
    cluster.fail(probe, "FATA[0000] docker: it broke\n")
    before = cluster.files()
    result = cluster.run(main, {**PARAMS, "state": state, "recreate": "if_needed"}, check=check)
    assert "it broke" in result["msg"]
    assert cluster.writes == []
    assert cluster.files() == before


# Half-made clusters, and clusters of others


def test_a_killed_creation_is_replaced_without_permission(world):
    killed = recorded("k3d/list-killed-create.json")
    container = copy.deepcopy(CONTAINERS[0])
    balancer = copy.deepcopy(CONTAINERS[1])
    container["Name"], balancer["Name"] = "/k3d-half-server-0", "/k3d-half-serverlb"
    container["Config"]["Labels"]["k3d.cluster"] = balancer["Config"]["Labels"]["k3d.cluster"] = "half"
    world.set(clusters=killed, containers=[container, balancer], diff=["C /etc"])
    created = json.loads(json.dumps([RUNNING, CONTAINERS]).replace("k3d-fix", "k3d-half").replace('"fix"', '"half"'))
    world.set(created_clusters=created[0], created=created[1])
    params = {**PARAMS, "name": "half"}
    checked = world.run(main, params, check=True)
    assert checked["diff"]["before"]["state"] == "half-made"
    assert world.writes == []
    assert world.run(main, params)["actions"] == checked["actions"]
    assert [call[2] for call in world.writes] == ["delete", "create"]


@pytest.mark.parametrize("state", ["present", "absent", "started", "stopped"])
def test_a_cluster_of_somebody_else_is_refused(world, state):
    world.set(clusters=RUNNING, containers=CONTAINERS, diff=["A /output", "A /output/kubeconfig.yaml"])
    result = world.run(main, {**PARAMS, "state": state, "recreate": "if_needed"})
    assert "it was not made by this module" in result["msg"]
    assert world.writes == []


def test_a_replaced_load_balancer_does_not_make_it_foreign(cluster):
    containers = copy.deepcopy(CONTAINERS)
    containers[1]["Id"] = "f" * 64
    cluster.set(containers=containers)
    assert cluster.run(main, PARAMS)["changed"] is False


# Deletion


def test_deletes_exactly_this_cluster(cluster):
    params = {"name": "fix", "state": "absent"}
    checked = cluster.run(main, params, check=True)
    assert cluster.writes == []
    result = cluster.run(main, params)
    assert checked == result
    assert result["actions"] == ['delete the k3d cluster "fix"']
    call = cluster.call("k3d", "cluster", "delete")
    assert call["argv"] == ["k3d", "cluster", "delete", "fix"]
    # Otherwise k3d would take it out of the default kubeconfig.
    assert call["env"]["KUBECONFIG"].startswith(f"{cluster.directory}/.work-")
    assert set(cluster.files()) == {".k3d-fix.lock"}
    assert cluster.run(main, params)["changed"] is False


# Bad input


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"name": "a_b"}, 'name is "a_b"; give 1 to 32 of the characters a-z, 0-9 and -'),
        ({"name": "a" * 33}, "give 1 to 32 of the characters"),
        ({"name": ""}, 'name is ""; give 1 to 32 of the characters'),
        ({"image": "latest"}, 'image is "latest", a release channel'),
        ({"image": "+v1.36"}, "give a full reference"),
        ({"image": None}, "image is empty"),
        ({"api_host": "::1"}, 'api_host is "::1"; give an IPv4 address'),
        ({"api_port": -1}, "api_port is -1"),
        ({"servers": 0}, "servers is 0"),
        ({"agents": -1}, "agents is -1"),
        ({"timeout": 0}, "timeout is 0"),
        ({"ports": [{"host_port": 0, "node_port": 80}]}, "ports[0].host_port is 0; give a port from 1"),
        ({"ports": [{"host_port": 80, "node_port": 99999}]}, "ports[0].node_port is 99999"),
        (
            {"load_balancer": False, "ports": [{"host_port": 80, "node_port": 80, "node_filters": ["server:0"]}]},
            "end every filter in :direct",
        ),
        ({"volumes": [{"source": "/a", "destination": "data"}]}, 'volumes[0].destination is "data"'),
        ({"volumes": [{"source": "a/b", "destination": "/data"}]}, 'volumes[0].source is "a/b"'),
        ({"runtime_labels": [{"name": "k3d.role", "value": "x"}]}, "belongs to k3d; choose another name"),
        ({"env": [{"name": "A", "value": "x", "node_filters": ["agent:0"]}]}, "names node 0, but there are 0"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(world, params, sentence):
    result = world.run(main, {**PARAMS, **params})
    assert sentence in result["msg"]
    assert world.calls == []


@pytest.fixture
def warned(monkeypatch) -> list[str]:
    """What the module warns about."""
    said: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: said.append(text))
    return said


def test_a_missing_directory_is_refused_and_in_check_mode_warned_about(world, warned):
    params = {**PARAMS, "volumes": [{"source": "/not/there", "destination": "/data"}]}
    sentence = (
        'volumes[0].source is "/not/there", which does not exist on this machine; create it first, or correct the path.'
    )
    assert world.run(main, params)["msg"] == sentence
    assert (world.calls, warned) == ([], [])
    # An earlier task of the play may be about to make it.
    assert world.run(main, params, check=True)["changed"]
    assert warned == [sentence]


def test_an_even_number_of_servers_is_warned_about(world, warned):
    world.run(main, {**PARAMS, "servers": 2}, check=True)
    assert [text.partition(":")[0] for text in warned] == ["servers is 2"]


def test_a_password_of_a_registry_is_nowhere(world):
    proxy = {"remote_url": "https://r", "username": "me", "password": "s3cr3t-w0rd"}
    params = {**PARAMS, "registries": {"create": {"name": "reg", "proxy": proxy}}}
    shown = [world.run(main, params, check=True), world.run(main, params), world.files(), world.progress.read_text()]
    assert "s3cr3t-w0rd" in world.call("k3d", "cluster", "create")["config"]
    assert "s3cr3t-w0rd" not in json.dumps(shown)


def test_files_reach_k3d_beside_its_config(world, tmp_path):
    source = tmp_path / "manifest.yaml"
    source.write_text("a: $b\n")
    files = [{"source": str(source), "destination": "k3s-manifests/x.yaml"}]
    world.run(main, {**PARAMS, "files": files})
    call = world.call("k3d", "cluster", "create")
    assert yaml.safe_load(call["config"])["files"][0]["source"] == "file-0"
    assert call["beside"]["file-0"] == "a: $b\n"
    assert world.run(main, {**PARAMS, "files": files})["changed"] is False
    source.write_text("a: c\n")
    result = world.run(main, {**PARAMS, "files": files})
    assert [item["path"] for item in result["differences"]] == ["files"]


# What check mode says and what then happens


def situation(world: World, kind: str) -> dict[str, Any]:
    """Bring a cluster that the module made into a situation; the options that are then asked for."""
    if kind == "missing":
        world.run(main, {"name": "fix", "state": "absent"})
    elif kind in ("stopped", "stopped and drifted live"):
        world.set(**stopped_world())
    elif kind == "half-made":
        identity = [CONTAINERS[0]["Id"]]
        world.spec.write_text(json.dumps({**world.record(), "complete": False, "identity": identity}))
        world.kubeconfig.unlink()
    changes: dict[str, Any] = {
        "drifted live": {"ports": [{"host_port": 1234, "node_port": 80}]},
        "stopped and drifted live": {"ports": []},
        "drifted, new cluster refused": {"env": []},
        "drifted, new cluster allowed": {"env": [], "recreate": "if_needed"},
    }.get(kind, {})
    if kind == "drifted, new cluster allowed":
        created = copy.deepcopy(CONTAINERS)
        created[0]["Id"] = created[0]["Id"][::-1]
        created[0]["Config"]["Env"].remove("FOO=b$ar")
        world.set(created=created)
    world.calls.clear()
    return {**PARAMS, **changes}


@pytest.mark.parametrize(
    ("kind", "actions"),
    [
        ("missing", ["create", "write"]),
        ("running", []),
        ("stopped", ["start"]),
        ("half-made", ["remove", "create", "write"]),
        ("drifted live", ["close", "publish"]),
        ("stopped and drifted live", ["start", "close"]),
        ("drifted, new cluster refused", None),
        ("drifted, new cluster allowed", ["delete", "create", "write"]),
    ],
)
def test_check_mode_tells_what_happens(cluster, kind, actions):
    params = situation(cluster, kind)
    before = copy.deepcopy(cluster.state), cluster.files()
    predicted = cluster.run(main, params, check=True)
    assert (copy.deepcopy(cluster.state), cluster.files()) == before
    assert cluster.writes == []
    real = cluster.run(main, params)
    for answer in (predicted, real):
        # The port that k3d will choose for the API is not known before.
        answer.get("cluster", {}).pop("api_server", None)
    assert predicted == real
    if actions is None:
        assert real["failed"] and cluster.writes == []
        return
    assert [text.split()[0] for text in real["actions"]] == actions
    assert real["changed"] is bool(actions)
    assert cluster.run(main, params)["changed"] is False


@pytest.mark.parametrize(("started", "removed"), [("0001-01-01T00:00:00Z", True), ("2026-01-02T03:04:05Z", False)])
def test_a_registry_that_never_ran_does_not_stand_in_the_way(world, started, removed):
    """k3d keeps that of a creation that failed, lists no cluster, and refuses to create one of this name."""
    labels = {"app": "k3d", "k3d.cluster": "fix", "k3d.role": "registry"}
    state = {"Running": not removed, "StartedAt": started}
    world.set(containers=[{"Id": "e" * 64, "Name": "/reg", "Config": {"Labels": labels}, "State": state}])
    assert world.run(main, PARAMS)["changed"]
    before = [call["argv"] for call in world.calls]
    create = next(index for index, argv in enumerate(before) if argv[:3] == ["k3d", "cluster", "create"])
    assert (["docker", "rm", "--force", "--volumes", "e" * 64] in before[:create]) is removed
