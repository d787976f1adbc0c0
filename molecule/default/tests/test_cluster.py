"""The cluster: ready, private, identified, and nobody else's business."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml


def test_every_node_is_ready(platform):
    nodes = platform.get("nodes")["items"]
    assert nodes
    for node in nodes:
        ready = [condition["status"] for condition in node["status"]["conditions"] if condition["type"] == "Ready"]
        assert ready == ["True"], node["metadata"]["name"]


def test_names_are_resolved(platform):
    # over the API server, so that no image with a resolver is needed
    api = platform.get("service/kubernetes", namespace="default")["spec"]["clusterIP"]
    with forwarded(platform, "kube-system", "service/kube-dns", 53) as port:
        assert resolve(port, "kubernetes.default.svc.cluster.local") == api


def test_kubeconfig_is_private(platform):
    file = platform.host.file(str(platform.kubeconfig))
    assert file.mode == 0o600


def test_api_listens_on_loopback_only(platform):
    servers = {cluster["cluster"]["server"] for cluster in yaml.safe_load(platform.kubeconfig.read_text())["clusters"]}
    assert len(servers) == 1
    assert servers.pop().startswith("https://127.0.0.1:")


def test_every_port_is_published_on_loopback_only(platform):
    containers = json.loads(platform.host.check_output("docker inspect " + " ".join(platform.containers())))
    ports = [ports for container in containers for ports in container["NetworkSettings"]["Ports"].values()]
    bindings = [binding for published in ports for binding in published or []]
    # http, https and the API
    assert len(bindings) >= 3
    assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}


def test_record_identifies_the_cluster(platform):
    file = platform.host.file(str(platform.cluster_dir / "record.json"))
    assert file.mode == 0o600
    record = json.loads(file.content_string)
    assert record["uid"] == platform.get("namespace", "kube-system")["metadata"]["uid"]
    assert record["engine"] in ("k3d", "kind")


def test_own_kubeconfig_of_the_user_is_untouched(platform):
    before = json.loads((platform.work_dir / "before.json").read_text())["kubeconfig"]
    file = platform.host.file(str(Path.home() / ".kube/config"))
    now = platform.host.check_output("sha1sum %s", file.path).split()[0] if file.exists else ""
    assert now == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs services")
def test_the_host_stops_and_starts_the_cluster(platform):
    script = str(platform.cluster_dir / "boot")
    service = f"luckyplans-cluster-{platform.name}"
    assert any(Path(place).exists() for place in (f"/etc/systemd/system/{service}.service", f"/etc/init.d/{service}"))

    platform.host.check_output("%s stop", script)
    assert running(platform) == []
    assert platform.host.run("%s status", script).rc != 0

    platform.host.check_output("%s start", script)
    assert running(platform) == platform.containers()
    policies = platform.host.check_output(
        "docker inspect --format '{{.HostConfig.RestartPolicy.Name}}' " + " ".join(platform.containers())
    )
    assert set(policies.split()) == {"no"}
    wait_for_nodes(platform, time.monotonic() + 120)


def wait_for_nodes(platform, deadline: float) -> None:
    """Until the API answers again, with its rights loaded, and every node has reported since."""
    kubectl = f"{platform.state_dir}/bin/kubectl --kubeconfig={platform.kubeconfig}"
    while platform.host.run(f"{kubectl} wait --for=condition=Ready node --all --timeout=5s").rc != 0:
        assert time.monotonic() < deadline, "the nodes did not become ready again"
        time.sleep(1)


def running(platform) -> list[str]:
    """Names of the cluster's containers that run."""
    return platform.host.check_output(
        "docker ps --filter %s --format '{{.Names}}'", f"name=^(k3d-)?{platform.name}-"
    ).split()


@contextmanager
def forwarded(platform, namespace: str, target: str, port: int) -> Iterator[int]:
    """The port of this machine that leads to a port of the cluster, through the API server."""
    argv = [str(platform.state_dir / "bin/kubectl"), f"--kubeconfig={platform.kubeconfig}", f"--namespace={namespace}"]
    with subprocess.Popen([*argv, "port-forward", target, f":{port}"], stdout=subprocess.PIPE, text=True) as process:
        try:
            # Forwarding from 127.0.0.1:40123 -> 53
            yield int(process.stdout.readline().split(" -> ")[0].rpartition(":")[2])
        finally:
            process.terminate()


def resolve(port: int, name: str) -> str:
    """The one address of a name, from a resolver on this machine's TCP port."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in [*name.split("."), ""])
    message = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!HH", 1, 1)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection, connection.makefile("rb") as stream:
        connection.sendall(struct.pack("!H", len(message)) + message)
        answer = stream.read(struct.unpack("!H", stream.read(2))[0])
    # one answer and nothing after it: the address is the last four bytes
    assert struct.unpack("!HHHH", answer[4:12]) == (1, 1, 0, 0), answer
    return socket.inet_ntoa(answer[-4:])
