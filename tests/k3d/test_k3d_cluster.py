# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k3d_cluster on real clusters. A cluster takes half a minute, so tests share one, in order, from its creation to its end."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from clusters import KUBELET, Cluster, answer, docker, marked, run, wait_for

TOKEN = "se$HOME-${PATH}-cret"  # k3d expands variables in its config file
MIRROR = "mirror.invalid"
REGISTRIES = "/etc/rancher/k3s/registries.yaml"
#: One CoreDNS on each of three nodes.
SPREAD = json.dumps(
    {
        "spec": {
            "replicas": 3,
            "template": {
                "spec": {
                    "topologySpreadConstraints": [
                        {
                            "maxSkew": 1,
                            "topologyKey": "kubernetes.io/hostname",
                            "whenUnsatisfiable": "DoNotSchedule",
                            "labelSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                            "matchLabelKeys": ["pod-template-hash"],
                        }
                    ]
                }
            },
        }
    }
)


def port(cluster: Cluster, number: int, **others: object) -> dict[str, object]:
    """A port of the cluster's block that leads to the kubelets."""
    return {"host_port": cluster.port + number, "node_port": KUBELET, **others}


# --- One server and a load balancer ---


@pytest.fixture(scope="module")
def one(make: Callable[..., Cluster]) -> Cluster:
    cluster = make("one", 18310, token=TOKEN)
    (cluster.folder / "notes").write_text("a file\n")
    (cluster.folder / "data").mkdir()
    cluster.options |= {
        "ports": [port(cluster, 1)],
        "k3s_extra_args": [{"arg": "--disable=traefik"}, {"arg": "--kubelet-arg=max-pods=42"}],
        "env": [{"name": "GREETING", "value": "Hello $USER"}],
        "files": [{"source": str(cluster.folder / "notes"), "destination": "/etc/notes"}],
        "volumes": [{"source": str(cluster.folder / "data"), "destination": "k3s-storage"}],
        "host_aliases": [{"ip": "192.0.2.1", "hostnames": ["mail.invalid"]}],
        "node_labels": [{"name": "pool", "value": "a"}],
        "runtime_labels": [{"name": "owner", "value": "$USER"}],
        "subnet": "172.29.31.0/24",
    }
    return cluster


def test_create(one: Cluster) -> None:
    done = one.apply()
    assert done["changed"]
    assert [node["name"] for node in done["cluster"]["nodes"]] == ["k3d-lpk3d-one-server-0", "k3d-lpk3d-one-serverlb"]
    assert done["cluster"]["api_server"] == f"https://127.0.0.1:{one.port}"
    assert one.nodes() == {"server-0": "True"}
    assert answer(one.port + 1) == 401
    one.remember()


def test_every_option_reaches_the_node(one: Cluster) -> None:
    assert one.in_node("server-0", "printenv", "GREETING") == "Hello $USER\n"
    assert one.in_node("server-0", "cat", "/etc/notes") == "a file\n"
    assert "192.0.2.1" in one.in_node("server-0", "getent", "hosts", "mail.invalid")
    one.in_node("server-0", "touch", "/var/lib/rancher/k3s/storage/written")
    assert (one.folder / "data/written").exists()
    [node] = one.api("/api/v1/nodes")["items"]
    assert node["metadata"]["labels"]["pool"] == "a"
    assert node["status"]["capacity"]["pods"] == "42"
    [container] = json.loads(docker("inspect", f"k3d-{one.name}-server-0"))
    assert container["Config"]["Labels"]["owner"] == "$USER"
    [network] = container["NetworkSettings"]["Networks"].values()
    assert network["IPAddress"].startswith("172.29.31.")


def test_info_tells_what_there_is_and_no_secret(one: Cluster, make: Callable[..., Cluster]) -> None:
    [told] = one.info()
    assert (told["name"], told["state"], told["api_server"]) == (one.name, "running", f"https://127.0.0.1:{one.port}")
    assert told["ports"] == [f"127.0.0.1:{one.port + 1}->{KUBELET}/tcp on loadbalancer"]
    assert TOKEN not in json.dumps(told)
    assert make("nobody", 18390).info() == []


def test_every_port_is_published_on_loopback_only(one: Cluster) -> None:
    containers = json.loads(docker("inspect", *(f"k3d-{one.name}-{name}" for name in one.containers())))
    published = [item for container in containers for item in container["NetworkSettings"]["Ports"].values()]
    assert {binding["HostIp"] for bindings in published for binding in bindings or []} == {"127.0.0.1"}


def test_secrets_stay_where_they_belong(one: Cluster, home: Path) -> None:
    assert one.in_node("server-0", "printenv", "K3S_TOKEN").strip() == TOKEN
    assert stat.S_IMODE(one.kubeconfig.stat().st_mode) == 0o600
    assert (home / ".kube/config").read_text() == "# mine\n"
    # the playbooks are the test's own
    kept = [path for path in one.folder.rglob("*") if path.is_file() and not path.name.startswith("play-")]
    assert kept
    assert [path for path in [*kept, *home.rglob("*")] if path.is_file() and TOKEN in path.read_text(errors="replace")] == []
    assert list((one.folder / "tmp").iterdir()) == []


def test_ports_are_added_and_removed_in_place(one: Cluster) -> None:
    lives, server = one.lives(), one.containers()["server-0"]
    for numbers in ([1, 2, 3], [1, 3], [1]):
        done = one.apply(ports=[port(one, number) for number in numbers])
        assert [(item["path"], item["class"]) for item in done["differences"]] == [("ports", "live")]
        answers = {number: answer(one.port + number) for number in (1, 2, 3)}
        assert answers == {number: 401 if number in numbers else 0 for number in (1, 2, 3)}
        assert one.lives() == lives
        assert one.containers()["server-0"] == server
    assert one.remembers()


def test_stop_and_start(one: Cluster) -> None:
    assert one.apply(state="stopped")["cluster"]["state"] == "stopped"
    assert {state.split()[1] for state in one.containers().values()} == {"exited"}
    assert one.apply(state="started")["cluster"]["state"] == "running"
    assert one.nodes() == {"server-0": "True"}
    assert answer(one.port + 1) == 401
    assert one.remembers()


def test_present_starts_what_somebody_stopped(one: Cluster) -> None:
    run("k3d", "cluster", "stop", one.name)
    done = one.apply()
    assert len(done["actions"]) == 1
    assert done["actions"][0].startswith("start ")
    assert one.nodes() == {"server-0": "True"}


def test_same_image_under_another_name_is_no_change(one: Cluster) -> None:
    name = "lpk3d/k3s:same"
    docker("tag", one.options["image"], name)
    assert not one.call(image=name)["changed"]


def test_another_image_is_refused_with_a_table(one: Cluster, other_image: str) -> None:
    done = one.refuse(image=other_image)
    assert done["differences"] == [
        {"path": "image", "before": one.options["image"], "after": other_image, "class": "recreate"}
    ]
    for word in ("if_needed", one.options["image"], other_image):
        assert word in done["msg"]
    assert one.remembers()


def test_another_image_when_allowed(one: Cluster, other_image: str) -> None:
    done = one.apply(image=other_image, recreate="if_needed")
    assert [action.split()[0] for action in done["actions"]] == ["delete", "create", "write"]
    assert docker("inspect", "--format={{.Config.Image}}", f"k3d-{one.name}-server-0").strip() == other_image
    assert one.nodes() == {"server-0": "True"}
    assert not one.remembers()


def test_delete(one: Cluster) -> None:
    assert one.apply(state="absent")["changed"]
    assert one.containers() == {}
    assert docker("network", "ls", "--quiet", "--filter", f"name=k3d-{one.name}") == ""
    assert docker("volume", "ls", "--quiet", "--filter", f"name=k3d-{one.name}") == ""
    # the lock outlives it: another run may wait for it
    assert [path.name for path in one.directory.iterdir() if not path.name.endswith(".lock")] == []


# --- One server without a load balancer, by runs that meet ---


@pytest.fixture(scope="module")
def alone(make: Callable[..., Cluster], registry_image: str) -> Cluster:
    registry = {"name": "lpk3d-registry", "host_ip": "127.0.0.1", "host_port": 18329, "image": registry_image}
    registries = {"create": {key: value for key, value in registry.items() if value}}
    cluster = make("alone", 18320, load_balancer=False, merge_kubeconfig=True, registries=registries)
    cluster.options["ports"] = [port(cluster, 1)]
    return cluster


def test_failed_creation_leaves_nothing(alone: Cluster) -> None:
    done = alone.call(image="lpk3d/no-such-image:1")
    assert done["failed"]
    assert "lpk3d/no-such-image:1" in done["msg"]
    assert alone.containers() == {}


def test_killed_while_k3d_goes_on(alone: Cluster) -> None:
    """Ansible alone is gone: the next run waits for the k3d that it left, and begins anew."""
    begun = alone.start({})
    wait_for(lambda: alone.containers().get("server-0", "").endswith("running"))
    begun.kill(spare="k3d")
    assert "k3d" in marked(alone.name).values()
    done = alone.call()
    assert [action.split()[0] for action in done["actions"]] == ["remove", "create", "write", "merge"]
    assert marked(alone.name) == {}
    assert alone.nodes() == {"server-0": "True"}
    alone.apply(state="absent")


def test_killed_in_the_middle_of_a_creation(alone: Cluster) -> None:
    begun = alone.start({})
    wait_for(lambda: alone.containers().get("server-0", "").endswith("running"))
    begun.kill()
    told = alone.call(check=True)
    assert [action.split()[0] for action in told["actions"]] == ["remove", "create", "write", "merge"]


def test_two_runs_at_once_cure_it_once(alone: Cluster, home: Path) -> None:
    half = alone.containers()
    results = [run.results()[0] for run in (alone.start({}), alone.start({}))]
    assert [result.get("msg") for result in results] == [None, None]
    assert sorted(result["changed"] for result in results) == [False, True]
    assert set(alone.containers()) == {"server-0"}
    assert alone.containers() != half
    assert alone.nodes() == {"server-0": "True"}
    assert answer(alone.port + 1) == 401
    assert f"k3d-{alone.name}" in (home / ".kube/config").read_text()


def test_registry_takes_images_and_is_known_in_the_node(alone: Cluster) -> None:
    name = "localhost:18329/lpk3d/empty:1"
    run("sh", "-c", f"tar --create --files-from=/dev/null | docker import - {name}")
    try:
        docker("push", name)
    finally:
        docker("rmi", name)
    with urlopen("http://localhost:18329/v2/lpk3d/empty/tags/list", timeout=10) as answered:
        assert json.load(answered)["tags"] == ["1"]
    assert "lpk3d-registry:18329" in alone.in_node("server-0", "cat", REGISTRIES)
    assert "127.0.0.1:18329" in docker("port", "lpk3d-registry")


def test_another_kubeconfig_makes_it_a_stranger(alone: Cluster) -> None:
    done = alone.refuse(kubeconfig=str(alone.folder / "other/kubeconfig"))
    assert "was not made by this module" in done["msg"]


def test_delete_of_one_without_a_load_balancer(alone: Cluster, home: Path) -> None:
    assert alone.apply(state="absent")["changed"]
    assert alone.containers() == {}
    assert alone.name not in (home / ".kube/config").read_text()
    assert docker("ps", "--all", "--quiet", "--filter", "name=^lpk3d-registry") == ""


# --- One server and two agents ---


@pytest.fixture(scope="module")
def three(make: Callable[..., Cluster]) -> Cluster:
    registries = {"config": f"mirrors:\n  {MIRROR}:\n    endpoint: [http://{MIRROR}:5000]\n"}
    label = {"name": "pool", "value": "a", "node_filters": ["agent:*"]}
    cluster = make("three", 18330, agents=2, registries=registries, node_labels=[label])
    cluster.options["ports"] = [port(cluster, 1)]
    return cluster


def test_create_with_agents(three: Cluster) -> None:
    three.apply()
    assert three.nodes() == {"server-0": "True", "agent-0": "True", "agent-1": "True"}
    assert all(MIRROR in three.in_node(node, "cat", REGISTRIES) for node in three.nodes())


def test_pods_are_reached_on_every_node(three: Cluster) -> None:
    """From the server, on which the API runs that forwards the question: so nodes have routes to each other."""
    three.kubectl("--namespace=kube-system", "patch", "deployment/coredns", "--type=merge", "--patch", SPREAD)
    three.kubectl("--namespace=kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s")
    pods = {name: pod for name, pod in three.pods("k8s-app=kube-dns").items() if "deletionTimestamp" not in pod["metadata"]}
    assert {pod["spec"]["nodeName"].rpartition("three-")[2] for pod in pods.values()} == set(three.nodes())
    for name in pods:
        answered = three.kubectl("get", "--raw", f"/api/v1/namespaces/kube-system/pods/{name}:8181/proxy/ready")
        assert answered == "OK", name


def test_images_are_imported_into_every_node(three: Cluster, images: dict[str, str]) -> None:
    name = "lpk3d/empty:1"
    run("sh", "-c", f"tar --create --files-from=/dev/null | docker import - {name}")
    for mode in ("direct", "tools-node"):
        environment = {"K3D_IMAGE_TOOLS": images["tools_image"]} if "tools_image" in images else {}
        run("k3d", "image", "import", "--mode", mode, "--cluster", three.name, name, **environment)
        for node in three.nodes():
            found = three.in_node(node, "ctr", "--namespace=k8s.io", "images", "list", "--quiet").split()
            assert f"docker.io/{name}" in found, f"{node}, {mode}"
            three.in_node(node, "ctr", "--namespace=k8s.io", "images", "rm", "--sync", f"docker.io/{name}")


def test_agent_is_removed_in_place(three: Cluster) -> None:
    before = three.containers()
    done = three.apply(agents=1)
    assert [(item["path"], item["class"]) for item in done["differences"]] == [("agents", "live")]
    assert three.nodes() == {"server-0": "True", "agent-0": "True"}
    now = three.containers()
    assert set(now) == {"server-0", "agent-0", "serverlb"}
    assert [now[name] for name in ("server-0", "agent-0")] == [before[name] for name in ("server-0", "agent-0")]
    assert answer(three.port + 1) == 401


def test_stop_and_start_with_an_agent_less(three: Cluster) -> None:
    """The load balancer was told to forward to an agent that is not there any more."""
    three.apply(agents=1, state="stopped")
    three.apply(agents=1, state="started")
    assert three.nodes() == {"server-0": "True", "agent-0": "True"}
    assert answer(three.port + 1) == 401


def test_agent_is_added_in_place(three: Cluster) -> None:
    before = three.containers()
    three.apply()
    [added] = three.containers().keys() - before.keys()
    assert before.items() <= three.containers().items()
    assert three.nodes() == {"server-0": "True", "agent-0": "True", added: "True"}
    assert MIRROR in three.in_node(added, "cat", REGISTRIES)
    assert three.kubectl("get", "node", f"k3d-{three.name}-{added}", "--output=jsonpath={.metadata.labels.pool}") == "a"


def test_delete_with_agents(three: Cluster) -> None:
    three.apply(state="absent")
    assert three.containers() == {}


# --- A cluster of somebody else ---


@pytest.fixture(scope="module")
def foreign(make: Callable[..., Cluster], images: dict[str, str]) -> Cluster:
    cluster = make("foreign", 18340, load_balancer=False)
    tools = {"K3D_IMAGE_TOOLS": images["tools_image"]} if "tools_image" in images else {}
    create = ("k3d", "cluster", "create", cluster.name, "--no-lb", "--kubeconfig-update-default=false")
    run(*create, f"--image={images['image']}", f"--api-port=127.0.0.1:{cluster.port}", **tools)
    return cluster


def test_cluster_made_by_k3d_itself_is_refused(foreign: Cluster) -> None:
    before = foreign.containers()
    states = ("present", "started", "stopped", "absent")
    for result in foreign.start(*({"state": state, "recreate": "if_needed"} for state in states)).results():
        assert "was not made by this module" in result["msg"], result
    assert foreign.containers() == before
    assert not foreign.kubeconfig.exists()


def test_cluster_made_by_k3d_itself_is_adopted_as_it_is_only(foreign: Cluster, other_image: str) -> None:
    done = foreign.refuse(adopt=True, image=other_image, recreate="if_needed")
    assert [item["path"] for item in done["differences"]] == ["image"]
    before = foreign.containers()
    assert foreign.apply(adopt=True)["changed"]
    assert foreign.containers() == before
    assert foreign.nodes() == {"server-0": "True"}
    assert not foreign.call()["changed"]
    foreign.apply(state="absent")
    assert foreign.containers() == {}
