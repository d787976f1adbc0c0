# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import functools
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _cluster, _kind
from ansible_collections.luckyplans.platform.plugins.module_utils._kind import missing_paths
from ansible_collections.luckyplans.platform.plugins.modules.kind_cluster import main
from ansible_collections.luckyplans.platform.tests.unit.fixtures.cluster_world import (
    KUBECONFIG,
    World,
    recorded,
    recorded_text,
)

IMAGE = "kindest/node:v1.36.4"
CONTAINERS = recorded("kind/containers.json")
IMAGE_ID = CONTAINERS[0]["Image"]
#: The options that the recorded nodes were made with.
PARAMS: dict[str, Any] = {
    "image": IMAGE,
    "ports": [{"host_port": 20080, "node_port": 80}],
    "mounts": [{"host_path": "/srv/data", "container_path": "/data"}],
    "workers": 1,
}


def prepare(root, monkeypatch) -> World:
    """No cluster yet; the API of one that runs is ready."""
    made = World(root, monkeypatch)
    made.set(created=CONTAINERS, images={IMAGE: IMAGE_ID}, create_says=" • Preparing nodes ...\n")
    monkeypatch.setattr(_cluster, "Api", lambda access, workdir: access)
    # The directory that the recorded cluster has mounted.
    exists = functools.partial(missing_paths, exists=lambda path: path == "/srv/data" or os.path.exists(path))
    monkeypatch.setattr(_kind, "missing_paths", exists)
    monkeypatch.setattr(_cluster, "wait_until_ready", lambda api, **options: made.waits.append((api.server, options)))
    return made


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> World:
    """A cluster made by the module, once for all tests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = prepare(tmp_path_factory.mktemp("kind"), monkeypatch)
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


def stop_nodes(world: World, names: tuple[str, ...] = ("/luckyplans-control-plane", "/luckyplans-worker")) -> None:
    containers = world.state["containers"]
    for item in containers:
        item["State"]["Running"] = item["Name"] not in names
    world.set(containers=containers)


def half_made(world: World) -> None:
    """What a run leaves that was killed in the middle of kind's work."""
    world.set(containers=[CONTAINERS[0]])
    world.spec.write_text(json.dumps({**world.record(), "complete": False, "identity": [CONTAINERS[0]["Id"]]}))
    world.kubeconfig.unlink()


# Creation


def test_creates(world):
    result = world.run(main, PARAMS)
    assert result["changed"] is True
    assert result["actions"] == [
        f'create the kind cluster "luckyplans" from image "{IMAGE}", 2 node(s)',
        f'write the kubeconfig "{world.kubeconfig}"',
    ]
    assert result["cluster"] == {
        "name": "luckyplans",
        "engine": "kind",
        "state": "running",
        "nodes": [
            {"name": "luckyplans-control-plane", "role": "control-plane"},
            {"name": "luckyplans-worker", "role": "worker"},
        ],
        "image": IMAGE,
        "api_server": "https://127.0.0.1:36593",
    }
    assert result["differences"] == []
    assert result["diff"]["before"] == {"state": "absent"}
    assert result["diff"]["after"]["state"] == "running"
    assert [call[:3] for call in world.writes] == [["kind", "create", "cluster"]]


def test_kubeconfig_is_private_and_complete(world):
    world.run(main, PARAMS)
    assert world.kubeconfig.read_text().strip() == KUBECONFIG.strip()
    assert stat.S_IMODE(world.kubeconfig.stat().st_mode) == 0o600
    assert stat.S_IMODE(world.spec.stat().st_mode) == 0o600
    assert stat.S_IMODE(world.directory.stat().st_mode) == 0o700


def test_record_tells_what_was_made(world):
    world.run(main, PARAMS)
    record = world.record()
    assert record["complete"] is True
    assert record["engine"] == "kind"
    assert record["identity"] == sorted(item["Id"] for item in CONTAINERS)
    assert record["spec"]["ports"] == ["127.0.0.1:20080->80/tcp"]
    assert record["spec_hash"]


def test_nothing_is_left_behind(world):
    world.run(main, PARAMS)
    assert set(world.files()) == {"kubeconfig", "spec.json", ".kind-luckyplans.lock"}


def test_config_reaches_kind_through_a_private_file(world):
    world.run(main, PARAMS)
    call = world.call("kind", "create")
    assert json.loads(call["config"])["nodes"][0]["image"] == IMAGE
    path = call["argv"][call["argv"].index("--config") + 1]
    assert path.startswith(f"{world.directory}/.work-")
    assert not os.path.exists(path)


def test_environment_cannot_change_the_engine_or_the_global_kubeconfig(world, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/home/me/.kube/config")
    monkeypatch.setenv("KIND_CLUSTER_NAME", "another")
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "podman")
    world.run(main, PARAMS)
    assert all(call["env"] == {} for call in world.calls)
    argv = world.call("kind", "create")["argv"]
    assert argv[argv.index("--kubeconfig") + 1].startswith(f"{world.directory}/.work-")


def test_waits_for_every_node(world):
    world.run(main, {**PARAMS, "wait": 77, "disable_default_cni": True})
    ((server, options),) = world.waits
    assert server == "https://127.0.0.1:36443"
    assert (options["timeout"], options["network_optional"]) == (77, True)
    assert sorted(options["nodes"]) == ["luckyplans-control-plane", "luckyplans-worker"]
    # Docker says they were started in November 2026: what a node reported before that is not believed.
    assert min(options["nodes"].values()) > 1795000000


def test_progress_is_told(world):
    world.run(main, PARAMS)
    assert "• Preparing nodes ..." in world.progress.read_text().splitlines()


def test_check_mode_predicts_creation_and_touches_nothing(world):
    predicted = world.run(main, PARAMS, check=True)
    assert not world.directory.exists()
    assert not world.progress.exists()
    assert world.writes == []
    real = world.run(main, PARAMS)
    assert predicted["cluster"].pop("api_server") == ""
    real["cluster"].pop("api_server")
    assert predicted == real


def test_a_failed_creation_shows_its_evidence_and_is_cleaned_up(world):
    said = recorded_text("kind/create-failed.err") + "token: abc.def\n"
    world.fail("kind create", said, world={"containers": [CONTAINERS[0]]})
    result = world.run(main, PARAMS)
    assert result["failed"] is True
    assert "/kind/version: No such file or directory" in result["msg"]
    assert 'The end of the log of "luckyplans-control-plane":\na line of the node\'s log' in result["msg"]
    assert "abc.def" not in json.dumps(result)
    assert result["rc"] == 1
    assert world.state["containers"] == []
    assert set(world.files()) == {".kind-luckyplans.lock"}


def test_a_failure_whose_remains_cannot_be_removed_says_so_and_is_remembered(world):
    world.fail("kind create", "kaput\n", world={"containers": [CONTAINERS[0]]})
    world.fail("kind delete", "no\n")
    result = world.run(main, PARAMS)
    assert "could not be removed" in result["msg"]
    assert world.record()["complete"] is False


def test_a_taken_port_is_named(world):
    world.fail("kind create", "docker: Error ... Bind for 127.0.0.1:20080 failed: port is already allocated.\n")
    assert world.run(main, PARAMS)["msg"].startswith("The port 127.0.0.1:20080 is already in use; ")


def test_a_cluster_that_does_not_become_ready_is_kept(world, monkeypatch):
    def never(*_args: Any, **_options: Any) -> None:
        raise _cluster.NotReady("1 of 2 nodes have joined")

    monkeypatch.setattr(_cluster, "wait_until_ready", never)
    result = world.run(main, PARAMS)
    assert "is not ready after 300 s: 1 of 2 nodes have joined; run again" in result["msg"]
    assert world.record()["complete"] is True
    assert len(world.state["containers"]) == 2


# No change


def test_second_run_changes_nothing(cluster):
    before = cluster.files()
    result = cluster.run(main, PARAMS)
    assert (result["changed"], result["actions"], result["differences"]) == (False, [], [])
    assert result["diff"]["before"] == result["diff"]["after"]
    assert result["cluster"]["state"] == "running"
    assert cluster.writes == []
    assert cluster.files() == before
    assert len(cluster.waits) == 1


def test_check_mode_of_no_change(cluster):
    checked = cluster.run(main, PARAMS, check=True)
    assert cluster.waits == []
    assert checked == cluster.run(main, PARAMS)


def test_a_port_chosen_by_kind_is_no_difference(world):
    params = {**PARAMS, "ports": [{"host_port": 0, "node_port": 80}]}
    world.run(main, params)
    assert world.run(main, params)["changed"] is False


def test_another_name_of_the_same_image_is_no_difference(cluster):
    cluster.set(images={"mirror/node:v1": IMAGE_ID})
    assert cluster.run(main, {**PARAMS, "image": "mirror/node:v1"})["changed"] is False


def test_what_kubectl_adds_to_the_kubeconfig_is_kept(cluster):
    mine = cluster.kubeconfig.read_text().replace("user: the-cluster\n", "user: the-cluster\n    namespace: mine\n", 1)
    cluster.kubeconfig.write_text(mine)
    assert cluster.run(main, PARAMS)["changed"] is False
    assert cluster.kubeconfig.read_text() == mine


# Kubeconfig


@pytest.mark.parametrize(
    ("harm", "state"), [("missing", "present"), ("missing", "started"), ("open", "present"), ("elsewhere", "present")]
)
def test_kubeconfig_is_written_again(cluster, harm, state):
    if harm == "missing":
        cluster.kubeconfig.unlink()
    elif harm == "open":
        cluster.kubeconfig.chmod(0o644)
    else:
        cluster.kubeconfig.write_text(KUBECONFIG.replace("36443", "1"))
    params = {**PARAMS, "state": state}
    checked = cluster.run(main, params, check=True)
    result = cluster.run(main, params)
    word = "missing" if harm == "missing" else "outdated"
    assert result["actions"] == checked["actions"] == [f'write the {word} kubeconfig "{cluster.kubeconfig}"']
    assert cluster.writes == []
    assert stat.S_IMODE(cluster.kubeconfig.stat().st_mode) == 0o600
    assert cluster.run(main, params)["changed"] is False


def test_a_foreign_file_at_the_kubeconfig_path_is_refused(world):
    world.directory.mkdir(parents=True)
    world.kubeconfig.write_text("somebody's")
    result = world.run(main, PARAMS)
    assert "exists already and was not written by this module" in result["msg"]
    assert world.kubeconfig.read_text() == "somebody's"
    assert world.writes == []


def test_the_global_kubeconfig_is_refused(world, tmp_path):
    result = world.run(main, {**PARAMS, "kubeconfig": "~/.kube/config"})
    assert f'kubeconfig is "{tmp_path}/.kube/config"' in result["msg"]
    assert world.calls == []


def test_a_directory_of_another_cluster_is_refused(cluster):
    result = cluster.run(main, {**PARAMS, "name": "second"})
    assert 'belongs to the kind cluster "luckyplans"' in result["msg"]
    assert cluster.writes == []


# Started and stopped


@pytest.mark.parametrize("state", ["present", "started"])
def test_a_stopped_cluster_is_started(cluster, state):
    stop_nodes(cluster)
    params = {**PARAMS, "state": state}
    checked = cluster.run(main, params, check=True)
    assert cluster.writes == []
    result = cluster.run(main, params)
    assert checked == result
    assert result["actions"] == [
        'start the nodes of the kind cluster "luckyplans": luckyplans-control-plane, luckyplans-worker'
    ]
    assert result["diff"]["before"]["state"] == "stopped"
    assert result["diff"]["after"]["state"] == "running"
    # Workers follow the control plane they belong to.
    assert cluster.writes == [["docker", "start", CONTAINERS[0]["Id"], CONTAINERS[1]["Id"]]]
    assert len(cluster.waits) == 1
    assert cluster.run(main, params)["changed"] is False


def test_only_the_stopped_node_is_started(cluster):
    stop_nodes(cluster, ("/luckyplans-worker",))
    cluster.run(main, PARAMS)
    assert cluster.writes == [["docker", "start", CONTAINERS[1]["Id"]]]


def test_stops(cluster):
    checked = cluster.run(main, {"state": "stopped"}, check=True)
    assert cluster.writes == []
    result = cluster.run(main, {"state": "stopped"})
    assert checked == result
    assert result["cluster"]["state"] == "stopped"
    assert [call[:2] for call in cluster.writes] == [["docker", "stop"]]
    assert cluster.run(main, {"state": "stopped"})["changed"] is False


@pytest.mark.parametrize("state", ["started", "stopped"])
@pytest.mark.parametrize("check", [True, False])
def test_what_does_not_exist_cannot_be_started_or_stopped(world, state, check):
    assert "does not exist; create it first" in world.run(main, {"state": state}, check=check)["msg"]


def test_nodes_that_do_not_stay_up_are_noticed(cluster):
    stop_nodes(cluster)
    cluster.set(answers={"docker start": {"rc": 0}})
    result = cluster.run(main, PARAMS)
    assert 'was brought to state "stopped" instead of "running"' in result["msg"]


# Differences


@pytest.mark.parametrize(
    ("change", "path", "check"),
    [
        ({"ports": []}, "ports", False),
        ({"ports": []}, "ports", True),
        ({"image": "kindest/node:v1.37.1"}, "image", False),
        ({"pod_subnet": "10.1.0.0/16"}, "pod_subnet", False),
    ],
)
def test_a_difference_is_refused(cluster, change, path, check):
    before = cluster.files()
    result = cluster.run(main, {**PARAMS, **change}, check=check)
    assert result["failed"] is True
    assert 'set recreate to "if_needed"' in result["msg"]
    assert [item["path"] for item in result["differences"]] == [path]
    assert result["differences"][0]["class"] == "recreate"
    assert cluster.writes == []
    assert cluster.files() == before


@pytest.mark.parametrize(
    ("change", "path"), [({"ports": []}, "ports"), ({"kubeadm_config_patches": ["kind: X"]}, "kubeadm_config_patches")]
)
def test_a_difference_is_applied_if_allowed(cluster, change, path):
    wanted = {**PARAMS, **change, "recreate": "if_needed"}
    containers = json.loads(json.dumps(CONTAINERS).replace("aa", "ab"))
    if path == "ports":
        del containers[0]["HostConfig"]["PortBindings"]["80/tcp"]
    cluster.set(created=containers)
    checked = cluster.run(main, wanted, check=True)
    assert cluster.writes == []
    result = cluster.run(main, wanted)
    assert result["actions"][0] == f'delete the kind cluster "luckyplans" to change: {path}'
    assert [item["path"] for item in result["differences"]] == [path]
    assert [call[1] for call in cluster.writes] == ["delete", "create"]
    assert checked["actions"] == result["actions"]
    assert checked["diff"] == result["diff"]
    assert cluster.run(main, wanted)["changed"] is False


def test_a_stopped_cluster_is_compared_before_it_is_started(cluster):
    stop_nodes(cluster)
    assert "if_needed" in cluster.run(main, {**PARAMS, "workers": 0})["msg"]
    assert cluster.writes == []


def test_differences_do_not_matter_to_start_and_stop(cluster):
    assert cluster.run(main, {"state": "started"})["changed"] is False


def test_a_removed_worker_is_a_difference_not_a_stranger(cluster):
    cluster.set(containers=[CONTAINERS[0]])
    result = cluster.run(main, PARAMS)
    assert [(item["path"], item["before"], item["after"]) for item in result["differences"]] == [("workers", 0, 1)]


# A probe that fails


@pytest.mark.parametrize(
    ("probe", "state", "check"),
    [
        ("kind get clusters", "present", False),
        ("docker ps", "present", False),
        ("docker container inspect", "present", False),
        ("docker container inspect", "absent", False),
        ("docker container inspect", "started", False),
        ("docker container inspect", "stopped", False),
        ("docker ps", "present", True),
        ("docker ps", "absent", True),
    ],
)
def test_what_cannot_be_known_is_not_touched(cluster, probe, state, check):
    cluster.fail(
        probe, "Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?\n"
    )
    before = cluster.files()
    result = cluster.run(main, {**PARAMS, "state": state, "recreate": "if_needed"}, check=check)
    assert result["msg"].startswith("Docker does not answer at unix:///run/docker.sock; start it")
    assert result["rc"] == 1
    assert cluster.writes == []
    assert cluster.files() == before


def test_an_unreadable_image_list_is_not_a_difference(cluster):
    cluster.fail("docker image inspect", "some trouble\n")
    result = cluster.run(main, {**PARAMS, "image": "mirror/node:v1", "recreate": "if_needed"})
    assert result["failed"] is True
    assert cluster.writes == []


def test_kind_and_docker_must_agree(cluster):
    cluster.set(answers={"kind get clusters": {"rc": 0, "stdout": "another\n"}})
    assert "kind and Docker disagree" in cluster.run(main, PARAMS)["msg"]
    assert cluster.writes == []


def test_a_cluster_whose_name_only_begins_so_is_another(world):
    world.set(answers={"kind get clusters": {"rc": 0, "stdout": "luckyplans2\n"}})
    assert world.run(main, PARAMS, check=True)["actions"][0].startswith("create")


def test_a_missing_binary_is_named(world):
    result = world.run(main, {**PARAMS, "executable": "/opt/kind"})
    assert result["msg"].startswith('The executable "/opt/kind" does not exist')


# Half-made clusters, and clusters of others


def test_a_half_made_cluster_is_replaced_without_permission(cluster):
    half_made(cluster)
    checked = cluster.run(main, PARAMS, check=True)
    assert cluster.writes == []
    assert checked["diff"]["before"]["state"] == "half-made"
    result = cluster.run(main, PARAMS)
    assert result["actions"] == checked["actions"]
    assert result["actions"][0] == 'remove the kind cluster "luckyplans", whose creation was interrupted'
    assert result["differences"] == []
    assert [call[1] for call in cluster.writes] == ["delete", "create"]
    assert cluster.run(main, PARAMS)["changed"] is False


def test_nodes_that_never_had_a_control_plane_are_half_made(world):
    world.set(containers=[CONTAINERS[1]])
    world.run(main, PARAMS)
    assert [call[1] for call in world.writes] == ["delete", "create"]


def test_a_control_plane_that_was_never_set_up_is_half_made(world):
    world.set(containers=CONTAINERS, diff=["C /etc", "A /etc/kubernetes/pki"])
    world.run(main, PARAMS)
    assert [call[1] for call in world.writes] == ["delete", "create"]


@pytest.mark.parametrize(
    ("state", "check", "running"),
    [
        ("present", False, True),
        ("present", False, False),
        ("present", True, True),
        ("absent", False, True),
        ("absent", False, False),
        ("started", False, False),
        ("stopped", False, True),
    ],
)
def test_a_cluster_of_somebody_else_is_refused(world, state, check, running):
    world.set(containers=CONTAINERS, diff=["C /etc", "A /etc/kubernetes/admin.conf"])
    if not running:
        stop_nodes(world)
    result = world.run(main, {**PARAMS, "state": state, "recreate": "if_needed"}, check=check)
    assert "it was not made by this module" in result["msg"]
    assert world.writes == []


def test_a_cluster_made_by_hand_is_taken_over_as_it_is(world):
    world.set(containers=CONTAINERS, diff=["A /etc/kubernetes/admin.conf"])
    refused = world.run(main, {**PARAMS, "workers": 0, "adopt": True, "recreate": "if_needed"})
    assert "cannot be taken over" in refused["msg"]
    assert [item["path"] for item in refused["differences"]] == ["workers"]
    params = {**PARAMS, "adopt": True}
    checked = world.run(main, params, check=True)
    result = world.run(main, params)
    assert checked == result
    assert result["actions"][0] == 'take over the kind cluster "luckyplans", which was made by other means'
    assert world.writes == []
    assert world.run(main, PARAMS)["changed"] is False


def test_a_cluster_made_by_hand_after_ours_was_deleted_is_refused(cluster):
    other = json.loads(json.dumps(CONTAINERS))
    for item in other:
        item["Id"] = item["Id"][::-1]
    cluster.set(containers=other, diff=["A /etc/kubernetes/admin.conf"])
    assert "it was not made by this module" in cluster.run(main, PARAMS)["msg"]
    assert cluster.writes == []


def test_a_creation_that_still_runs_is_waited_for(cluster, monkeypatch):
    half_made(cluster)
    cluster.spec.write_text(json.dumps({**cluster.record(), "pid": 4242}))
    answers = iter([True, True, True, False, False])
    monkeypatch.setattr(_cluster, "still_creating", lambda pid, name: next(answers))
    cluster.run(main, PARAMS)
    assert [call[1] for call in cluster.writes] == ["delete", "create"]
    assert next(answers, "all asked") == "all asked"


def test_a_damaged_record_is_not_guessed_at(cluster):
    cluster.spec.write_text("{")
    result = cluster.run(main, PARAMS)
    assert f'The record "{cluster.spec}" cannot be read' in result["msg"]
    assert cluster.writes == []


# Deletion


def test_deletes_exactly_this_cluster(cluster):
    checked = cluster.run(main, {"state": "absent"}, check=True)
    assert cluster.writes == []
    result = cluster.run(main, {"state": "absent"})
    assert checked == result
    assert result["actions"] == ['delete the kind cluster "luckyplans"']
    assert result["cluster"] == {
        "name": "luckyplans", "engine": "kind", "state": "absent", "nodes": [], "image": "", "api_server": "",
    }  # fmt: skip
    ((*argv, kubeconfig),) = cluster.writes
    assert argv == ["kind", "delete", "cluster", "--name", "luckyplans", "--kubeconfig"]
    assert kubeconfig.startswith(f"{cluster.directory}/.work-")
    assert set(cluster.files()) == {".kind-luckyplans.lock"}
    assert cluster.run(main, {"state": "absent"})["changed"] is False


def test_deletes_a_half_made_cluster(cluster):
    half_made(cluster)
    assert cluster.run(main, {"state": "absent"})["changed"] is True
    assert cluster.state["containers"] == []


def test_absent_is_absent(world):
    assert world.run(main, {"state": "absent"})["changed"] is False
    assert not world.directory.exists()


def test_the_files_of_a_cluster_deleted_by_hand_are_removed(cluster):
    cluster.set(containers=[])
    result = cluster.run(main, {"state": "absent"})
    assert result["actions"] == [f"remove the files of a deleted cluster: {cluster.kubeconfig}, {cluster.spec}"]
    assert set(cluster.files()) == {".kind-luckyplans.lock"}
    assert cluster.writes == []


def test_a_cluster_deleted_by_hand_is_created_again(cluster):
    cluster.set(containers=[])
    assert cluster.run(main, PARAMS)["actions"][0].startswith("create")
    assert cluster.run(main, PARAMS)["changed"] is False


# Lock and leftovers


def test_two_runs_do_not_race(world):
    world.directory.mkdir(parents=True)
    with open(world.directory / ".kind-luckyplans.lock", "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        thread = threading.Thread(target=world.run, args=(main, PARAMS))
        thread.start()
        time.sleep(0.6)
        assert world.calls == []
        fcntl.flock(stream, fcntl.LOCK_UN)
        thread.join(timeout=20)
    assert world.record()["complete"] is True


def test_leftovers_of_a_killed_run_are_swept(world):
    leftover = world.directory / ".work-abc"
    leftover.mkdir(parents=True)
    (leftover / "kind.yaml").write_text("x")
    world.run(main, PARAMS)
    assert not leftover.exists()


def test_the_containers_are_recorded_while_kind_works(world):
    """Killed at any moment after that, the next run knows whose they are."""
    world.fail("kind create", rc=0, stderr="", seconds=2, world={"containers": CONTAINERS})
    thread = threading.Thread(target=world.run, args=(main, PARAMS))
    thread.start()
    seen: list[dict[str, Any]] = []
    while thread.is_alive():
        if world.spec.exists():
            seen.append(world.record())
        time.sleep(0.02)
    recorded_early = [item for item in seen if item["identity"] and item["pid"] and not item["complete"]]
    assert recorded_early[0]["identity"] == sorted(item["Id"] for item in CONTAINERS)
    assert world.record()["pid"] == 0


# Bad input


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"name": "Lucky"}, 'name is "Lucky"; give'),
        ({"name": "a" * 33}, "give 1 to 32"),
        ({"name": "-a"}, 'name is "-a"'),
        ({"api_host": "localhost"}, 'api_host is "localhost"; give an IPv4 or IPv6 address'),
        ({"api_port": 70000}, "api_port is 70000; give a port from 0 to 65535"),
        ({"ports": [{"host_port": -1, "node_port": 80}]}, "ports[0].host_port is -1"),
        ({"ports": [{"host_port": 80, "node_port": 0}]}, "ports[0].node_port is 0"),
        ({"ports": [{"host_port": 80, "node_port": 6443}]}, "publish it with api_port"),
        ({"ports": [{"host_port": 80, "node_port": 80, "host_ip": "x"}]}, 'ports[0].host_ip is "x"'),
        ({"mounts": [{"host_path": "/a", "container_path": "b"}]}, 'mounts[0].container_path is "b"'),
        ({"mounts": [{"host_path": "/not/there", "container_path": "/b"}]}, 'mounts[0].host_path is "/not/there"'),
        ({"ports": [{"host_port": 80, "node_port": 1}, {"host_port": 80, "node_port": 2}]}, "which ports[0] does already"),
        ({"api_port": 80, "ports": [{"host_port": 80, "node_port": 1}]}, "which api_port does already"),
        ({"workers": -1}, "workers is -1"),
        ({"pod_subnet": "10.0.0.1/8"}, 'pod_subnet is "10.0.0.1/8"'),
        ({"image": None}, "image is empty"),
        ({"image": ""}, "image is empty"),
        ({"image": "kindest/node"}, "give a full reference such as kindest/node:"),
        ({"image": "localhost:5000/node:latest"}, "whose tag means another version"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(world, params, sentence):
    result = world.run(main, {**PARAMS, **params})
    assert result["failed"] is True
    assert sentence in result["msg"]
    assert world.calls == []
