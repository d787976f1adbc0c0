# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kind_cluster on real clusters. A cluster takes half a minute, so tests share one, in order, from its creation to its end."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable

import pytest
import yaml
from clusters import KUBELET, Cluster, answer, docker, run, wait_for


def port(cluster: Cluster, number: int) -> dict[str, object]:
    """A port of the cluster's block that leads to the kubelet."""
    return {"host_port": cluster.port + number, "node_port": KUBELET}


# --- One node, from its creation to its end ---


@pytest.fixture(scope="module")
def one(make: Callable[..., Cluster]) -> Cluster:
    cluster = make("one", 18410)
    (cluster.folder / "data").mkdir()
    cluster.options |= {
        "ports": [port(cluster, 1)],
        "mounts": [{"host_path": str(cluster.folder / "data"), "container_path": "/srv/data"}],
    }
    return cluster


def test_create(one: Cluster) -> None:
    done = one.apply()
    assert done["changed"]
    assert [node["name"] for node in done["cluster"]["nodes"]] == [f"{one.name}-control-plane"]
    assert done["cluster"]["api_server"] == f"https://127.0.0.1:{one.port}"
    assert one.nodes() == {"control-plane": "True"}
    assert answer(one.port + 1) == 401
    one.in_node("control-plane", "touch", "/srv/data/written")
    assert (one.folder / "data/written").exists()
    one.remember()


def test_kubeconfig_is_its_own_and_private(one: Cluster) -> None:
    assert stat.S_IMODE(one.kubeconfig.stat().st_mode) == 0o600
    assert not (one.folder / ".kube").exists()


def test_every_port_is_published_on_loopback_only(one: Cluster) -> None:
    [container] = json.loads(docker("inspect", f"{one.name}-control-plane"))
    bindings = [item for items in container["NetworkSettings"]["Ports"].values() for item in items or []]
    assert {item["HostIp"] for item in bindings} == {"127.0.0.1"}


def test_stop_and_start(one: Cluster) -> None:
    assert one.apply(state="stopped")["cluster"]["state"] == "stopped"
    assert {state.split()[1] for state in one.containers().values()} == {"exited"}
    assert one.apply(state="started")["cluster"]["state"] == "running"
    assert one.nodes() == {"control-plane": "True"}
    assert one.remembers()


def test_present_starts_what_somebody_stopped(one: Cluster) -> None:
    docker("stop", f"{one.name}-control-plane")
    done = one.apply()
    assert len(done["actions"]) == 1
    assert done["actions"][0].startswith("start ")
    assert one.nodes() == {"control-plane": "True"}


@pytest.mark.parametrize("change", ["ports", "image"])
def test_what_only_a_new_cluster_can_be_is_refused_with_a_table(one: Cluster, other_image: str, change: str) -> None:
    options = {"ports": {"ports": [port(one, 1), port(one, 2)]}, "image": {"image": other_image}}[change]
    done = one.refuse(**options)
    assert [(item["path"], item["class"]) for item in done["differences"]] == [(change, "recreate")]
    assert "if_needed" in done["msg"]
    assert one.remembers()


def test_a_new_cluster_when_allowed(one: Cluster, other_image: str) -> None:
    done = one.apply(image=other_image, ports=[port(one, 2)], recreate="if_needed")
    assert [action.split()[0] for action in done["actions"]] == ["delete", "create", "write"]
    assert one.nodes() == {"control-plane": "True"}
    assert (answer(one.port + 1), answer(one.port + 2)) == (0, 401)
    assert not one.remembers()


def test_delete(one: Cluster) -> None:
    assert one.apply(state="absent")["changed"]
    assert one.containers() == {}
    assert (one.folder / "data/written").exists()
    # the lock outlives it: another run may wait for it
    assert [path.name for path in one.directory.iterdir() if not path.name.endswith(".lock")] == []


# --- Runs that meet ---


@pytest.fixture(scope="module")
def met(make: Callable[..., Cluster]) -> Cluster:
    return make("met", 18420)


def test_failed_creation_leaves_nothing(met: Cluster) -> None:
    done = met.call(image="lpkind/no-such-image:1")
    assert done["failed"]
    assert "lpkind/no-such-image:1" in done["msg"]
    assert met.containers() == {}


def test_killed_in_the_middle_of_a_creation(met: Cluster) -> None:
    begun = met.start({})
    wait_for(lambda: met.containers().get("control-plane", "").endswith("running"))
    begun.kill()
    told = met.call(check=True)
    assert [action.split()[0] for action in told["actions"]] == ["remove", "create", "write"]


def test_two_runs_at_once_cure_it_once(met: Cluster) -> None:
    half = met.containers()
    results = [run.results()[0] for run in (met.start({}), met.start({}))]
    assert [result.get("msg") for result in results] == [None, None]
    assert sorted(result["changed"] for result in results) == [False, True]
    assert met.containers() != half
    assert met.nodes() == {"control-plane": "True"}


def test_another_kubeconfig_makes_it_a_stranger(met: Cluster) -> None:
    states = ("present", "started", "stopped", "absent")
    before = met.containers()
    other = {"kubeconfig": str(met.folder / "other/kubeconfig"), "recreate": "if_needed"}
    for result in met.start(*({**other, "state": state} for state in states)).results():
        assert "was not made by this module" in result["msg"], result
    assert met.containers() == before
    met.apply(state="absent")
    assert met.containers() == {}


# --- A cluster of somebody else ---


def test_cluster_made_by_kind_itself_is_adopted_as_it_is_only(make: Callable[..., Cluster], other_image: str) -> None:
    cluster = make("foreign", 18430)
    node = {"role": "control-plane", "kubeadmConfigPatches": cluster.options["kubeadm_config_patches"]}
    config = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"apiServerPort": cluster.port, "disableDefaultCNI": cluster.options["disable_default_cni"]},
        "nodes": [node],
    }
    (cluster.folder / "kind.yaml").write_text(yaml.safe_dump(config))
    run(
        cluster.options["executable"],
        *("create", "cluster", f"--name={cluster.name}", f"--image={cluster.options['image']}", "--wait=120s"),
        *(f"--config={cluster.folder}/kind.yaml", f"--kubeconfig={cluster.folder}/by-hand"),
    )
    assert "was not made by this module" in cluster.refuse()["msg"]
    done = cluster.refuse(adopt=True, image=other_image, recreate="if_needed")
    assert [item["path"] for item in done["differences"]] == ["image"]
    before = cluster.containers()
    assert cluster.apply(adopt=True)["changed"]
    assert cluster.containers() == before
    assert not cluster.call()["changed"]
    cluster.apply(state="absent")
    assert cluster.containers() == {}
