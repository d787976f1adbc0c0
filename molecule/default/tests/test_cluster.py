"""The cluster: ready, private, identified, and nobody else's business."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
