# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""The only code that runs kind: its config file and argv are pure functions, its state is read from Docker."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from ansible_collections.luckyplans.platform.plugins.module_utils._cli import Cli, Secrets, clean_env
from ansible_collections.luckyplans.platform.plugins.module_utils._cluster import (
    ClusterError,
    Difference,
    Docker,
    Engine,
    Goal,
    Live,
    Node,
    check_address,
    check_distinct_ports,
    check_image,
    check_port,
    compare,
    make_goal,
    mount_text,
    natural,
    node_of,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report

CLUSTER_LABEL = "io.x-k8s.kind.cluster"
ROLE_LABEL = "io.x-k8s.kind.role"
ADMIN_CONF = "/etc/kubernetes/admin.conf"
API_PORT = 6443
#: A reference as the option wants it.
EXAMPLE_IMAGE = "kindest/node:v1.36.4"
#: Mounts that kind adds to every node by itself.
OWN_MOUNTS = ("/lib/modules", "/dev/mapper")
#: Time for pulling a node image, on top of the time to wait for the cluster.
PULL_SECONDS = 1800
#: Settings that leave no trace outside the cluster: compared with the record.
RECORDED = ("disable_default_cni", "pod_subnet", "kubeadm_config_patches")


# ---------------------------------------------------------------------------------------------------------------------
# Pure: options to config, options to argv, containers to facts


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse what kind would refuse later, or worse, would not."""
    check_image(params["image"] or "", EXAMPLE_IMAGE)
    check_address("api_host", params["api_host"])
    check_port("api_port", params["api_port"])
    for index, port in enumerate(params["ports"]):
        check_address(f"ports[{index}].host_ip", port["host_ip"])
        check_port(f"ports[{index}].host_port", port["host_port"])
        check_port(f"ports[{index}].node_port", port["node_port"], lowest=1)
        if (port["node_port"], port["protocol"]) == (API_PORT, "tcp"):
            raise ClusterError(
                f"ports[{index}].node_port is {API_PORT}, the port of the Kubernetes API; publish it with api_port."
            )
    for index, mount in enumerate(params["mounts"]):
        for key in ("host_path", "container_path"):
            if not mount[key].startswith("/"):
                raise ClusterError(f'mounts[{index}].{key} is "{mount[key]}"; give an absolute path.')
    check_distinct_ports(params)
    if params["workers"] < 0:
        raise ClusterError(f"workers is {params['workers']}; give 0 or more.")
    if params["pod_subnet"]:
        try:
            ip_network(params["pod_subnet"])
        except ValueError as error:
            raise ClusterError(
                f'pod_subnet is "{params["pod_subnet"]}" ({error}); give a network such as 10.244.0.0/16.'
            ) from error


def missing_paths(params: Mapping[str, Any], exists: Callable[[str], bool] = os.path.exists) -> list[str]:
    """A sentence for every path of this machine that is asked for and not there: Docker would make a directory of it."""
    return [
        f'mounts[{index}].host_path is "{mount["host_path"]}", which does not exist on this machine; create it first, or '
        f"correct the path."
        for index, mount in enumerate(params["mounts"])
        if not exists(mount["host_path"])
    ]


def config(params: Mapping[str, Any]) -> dict[str, Any]:
    """The kind.x-k8s.io/v1alpha4 document for these options."""
    mounts = [{"hostPath": item["host_path"], "containerPath": item["container_path"]} for item in params["mounts"]]
    ports = [
        {
            "listenAddress": item["host_ip"],
            "hostPort": item["host_port"],
            "containerPort": item["node_port"],
            "protocol": item["protocol"].upper(),
        }
        for item in params["ports"]
    ]
    networking: dict[str, Any] = {"apiServerAddress": params["api_host"]}
    if params["api_port"]:
        networking["apiServerPort"] = params["api_port"]
    if params["disable_default_cni"]:
        networking["disableDefaultCNI"] = True
    if params["pod_subnet"]:
        networking["podSubnet"] = params["pod_subnet"]
    node: dict[str, Any] = {"image": params["image"]}
    if mounts:
        node["extraMounts"] = mounts
    control_plane = {"role": "control-plane", **node}
    if ports:
        control_plane["extraPortMappings"] = ports
    document: dict[str, Any] = {
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "kind": "Cluster",
        "name": params["name"],
        "networking": networking,
        "nodes": [control_plane, *({"role": "worker", **node} for _index in range(params["workers"]))],
    }
    if params["kubeadm_config_patches"]:
        document["kubeadmConfigPatches"] = list(params["kubeadm_config_patches"])
    return document


def create_argv(name: str, config_path: str, kubeconfig: str) -> list[str]:
    # --retain: the nodes of a failed creation are evidence; they are removed when their logs have been read.
    return ["create", "cluster", "--name", name, "--config", config_path, "--kubeconfig", kubeconfig, "--retain"]


def delete_argv(name: str, kubeconfig: str) -> list[str]:
    return ["delete", "cluster", "--name", name, "--kubeconfig", kubeconfig]


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what would change the engine, the name or the kubeconfig."""
    return clean_env(base, without_prefixes=("KIND_EXPERIMENTAL_",), without=("KIND_CLUSTER_NAME", "KUBECONFIG"))


def reachable_host(api_host: str) -> str:
    """The host by which an API bound to an address is called; for "any address" the one in kind's certificates."""
    if api_host in ("0.0.0.0", "::"):
        return "localhost"
    return f"[{api_host}]" if ":" in api_host else api_host


def point_at(kubeconfig: str, api_host: str) -> str:
    """A kubeconfig whose server is called by a host that can be reached."""
    return re.sub(
        r"(?m)^(\s*server: https://)(?:0\.0\.0\.0|\[::\])(:\d+)\s*$",
        lambda match: f"{match.group(1)}{reachable_host(api_host)}{match.group(2)}",
        kubeconfig,
    )


def node_names(name: str, workers: int) -> list[tuple[str, str]]:
    """The names that kind gives to a cluster's nodes, with their roles."""
    names = [(f"{name}-control-plane", "control-plane")]
    names += [(f"{name}-worker{index if index > 1 else ''}", "worker") for index in range(1, workers + 1)]
    return names


def port_text(host_ip: str, host_port: int | str, node_port: int | str, protocol: str) -> str:
    return f"{host_ip}:{host_port or 'free'}->{node_port}/{protocol}"


def wanted_ports(params: Mapping[str, Any]) -> list[str]:
    return sorted(
        port_text(item["host_ip"], item["host_port"], item["node_port"], item["protocol"]) for item in params["ports"]
    )


def match_free_ports(wanted: Sequence[str], live: Sequence[str]) -> list[str]:
    """Wanted ports, "free" ones replaced by the live port that took their place."""
    spare = [port for port in live if port not in wanted]
    settled = []
    for port in wanted:
        pattern = re.escape(port).replace(":free\\->", r":\d+\->") if ":free->" in port else None
        taken = next((item for item in spare if pattern and re.fullmatch(pattern, item)), None)
        if taken is not None:
            spare.remove(taken)
        settled.append(taken or port)
    return sorted(settled)


def wanted_mounts(params: Mapping[str, Any]) -> list[str]:
    return sorted(mount_text(item["host_path"], item["container_path"]) for item in params["mounts"])


def live_from_containers(containers: Sequence[Mapping[str, Any]]) -> Live:
    """The cluster that "docker container inspect" describes."""
    ordered = sorted(containers, key=lambda item: (_role(item) != "control-plane", natural(item["Name"])))
    nodes = tuple(node_of(item, _role(item)) for item in ordered)
    front = ordered[0]
    bindings = front["HostConfig"]["PortBindings"] or {}
    published = [
        (key.partition("/")[0], key.partition("/")[2] or "tcp", entry["HostIp"] or "0.0.0.0", entry["HostPort"])
        for key, entries in bindings.items()
        for entry in entries or []
    ]
    api = next(((ip, port) for node_port, _protocol, ip, port in published if node_port == str(API_PORT)), ("", ""))
    mounts = {node.name: _user_mounts(item) for node, item in zip(nodes, ordered)}
    images = sorted({item["Config"]["Image"] for item in ordered})
    return Live(
        nodes=nodes,
        image=images[0] if len(images) == 1 else ", ".join(images),
        api_server=f"https://{reachable_host(api[0])}:{api[1]}" if api[1] else "",
        identity=tuple(sorted(item["Id"] for item in ordered)),
        settings={
            "image": ", ".join(images),
            "workers": sum(node.role == "worker" for node in nodes),
            "api_host": api[0],
            "api_port": int(api[1] or 0),
            "ports": sorted(
                port_text(ip, port, node_port, protocol)
                for node_port, protocol, ip, port in published
                if node_port != str(API_PORT)
            ),
            # One list where all nodes agree, as they do unless somebody replaced one.
            "mounts": mounts[nodes[0].name] if len({tuple(item) for item in mounts.values()}) == 1 else mounts,
        },
    )


def _role(container: Mapping[str, Any]) -> str:
    return str(container["Config"]["Labels"].get(ROLE_LABEL, "unknown"))


def _user_mounts(container: Mapping[str, Any]) -> list[str]:
    binds = [bind.split(":") for bind in container["HostConfig"]["Binds"] or []]
    return sorted(mount_text(parts[0], parts[1]) for parts in binds if parts[0] not in OWN_MOUNTS)


# ---------------------------------------------------------------------------------------------------------------------
# The engine


class Kind(Engine):
    """kind on Docker: one control plane, any number of workers."""

    label = "kind"

    def __init__(self, params: Mapping[str, Any], kind: Cli, docker: Docker) -> None:
        self.params = params
        self.name = params["name"]
        self.kind = kind
        self.docker = docker
        self.network_optional = params["disable_default_cni"]

    def look(self) -> Live | None:
        listed = self.name in self.kind.run(["get", "clusters"]).stdout.splitlines()
        ids = self.identity()
        if listed != bool(ids):
            raise ClusterError(
                f'kind and Docker disagree on whether the cluster "{self.name}" exists; something is changing it: '
                f"wait for that to end, then run again."
            )
        return live_from_containers(self.docker.inspect(ids)) if ids else None

    def identity(self) -> list[str]:
        return sorted(self.docker.ids({CLUSTER_LABEL: self.name}))

    def ever_served(self, live: Live) -> bool:
        front = live.nodes[0]
        return front.role == "control-plane" and self.docker.has_written(front.id, ADMIN_CONF)

    def spec(self) -> dict[str, Any]:
        settings = dict(self.planned().settings)
        return {**settings, **{key: self.params[key] for key in RECORDED}}

    def planned(self) -> Live:
        names = node_names(self.name, self.params["workers"])
        api_port = self.params["api_port"]
        return Live(
            nodes=tuple(Node(name, role) for name, role in names),
            image=self.params["image"],
            api_server=f"https://{reachable_host(self.params['api_host'])}:{api_port}" if api_port else "",
            settings={
                "image": self.params["image"],
                "workers": self.params["workers"],
                "api_host": self.params["api_host"],
                "api_port": api_port,
                "ports": wanted_ports(self.params),
                "mounts": wanted_mounts(self.params),
            },
        )

    def differences(self, live: Live, recorded: Mapping[str, Any]) -> list[Difference]:
        wanted = self.planned().settings
        now = live.settings
        pairs = {key: (now[key], wanted[key]) for key in ("workers", "api_host", "mounts")}
        pairs["ports"] = (now["ports"], match_free_ports(wanted["ports"], now["ports"]))
        if wanted["api_port"]:
            pairs["api_port"] = (now["api_port"], wanted["api_port"])
        pairs.update({key: (recorded[key], self.params[key]) for key in RECORDED if key in recorded})
        found = compare(pairs)
        if now["image"] != wanted["image"] and not self._same_image(live, wanted["image"]):
            found.insert(0, Difference("image", now["image"], wanted["image"]))
        return found

    def _same_image(self, live: Live, reference: str) -> bool:
        containers = self.docker.inspect([node.id for node in live.nodes])
        return all(self.docker.same_image(reference, item["Config"]["Image"], item["Image"]) for item in containers)

    def create(self, workdir: str, on_start: Callable[[int], None]) -> None:
        path = os.path.join(workdir, "kind.yaml")
        with open(path, "w", encoding="utf-8") as stream:
            # JSON is YAML, and the standard library writes it without surprises.
            json.dump(config(self.params), stream, indent=2, ensure_ascii=False)
        self.kind.run(
            create_argv(self.name, path, os.path.join(workdir, "kubeconfig")),
            timeout=self.params["wait"] + PULL_SECONDS,
            on_line=report,
            on_start=on_start,
        )

    def remove(self, workdir: str) -> None:
        self.kind.run(delete_argv(self.name, os.path.join(workdir, "kubeconfig")), timeout=300, on_line=report)

    def start(self, live: Live) -> None:
        self.docker.start([node.id for node in live.nodes if not node.running])

    def stop(self, live: Live) -> None:
        self.docker.stop([node.id for node in live.nodes if node.running], grace=60)

    def kubeconfig(self) -> str:
        text = self.kind.run(["get", "kubeconfig", "--name", self.name], private=True).stdout
        return point_at(text, self.params["api_host"])

    def log_tails(self) -> dict[str, str]:
        return self.docker.log_tails(self.identity())


def build(params: Mapping[str, Any], secrets: Secrets) -> tuple[Kind, Goal]:
    """The engine and the goal for a set of module options, checked."""
    goal = make_goal(params, params["wait"])
    check_params(params)
    env = environment(os.environ)
    engine = Kind(params, Cli(params["executable"], env, secrets), Docker(Cli("docker", env, secrets)))
    if goal.state == "present":
        engine.missing = missing_paths(params)
    return engine, goal
