# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""The only code that runs k3d: config file and argv are pure functions, its JSON is parsed here and nowhere else."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
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
    check_port,
    compare,
    make_goal,
    mount_text,
    natural,
    node_of,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report

CLUSTER_LABEL = "k3d.cluster"
ROLE_LABEL = "k3d.role"
TOKEN_LABEL = "k3d.cluster.token"
API_PORT = "6443"
#: Where a server writes its kubeconfig once it serves; k3d itself reads it there.
KUBECONFIG_IN_SERVER = "/output/kubeconfig.yaml"
#: Time for pulling images, on top of k3d's own timeout.
PULL_SECONDS = 1800
#: Settings that leave no trace, or an ambiguous one, outside the cluster: compared with the record.
RECORDED = ("k3s_extra_args", "runtime_labels", "env", "subnet")
#: k3d expands $VARIABLE in the whole config file and knows no escape; a variable that holds the dollar is one.
DOLLAR_VARIABLE = "LP_DOLLAR"
VOLUME_SHORTCUTS = {
    "k3s-storage": "/var/lib/rancher/k3s/storage",
    "k3s-manifests": "/var/lib/rancher/k3s/server/manifests",
    "k3s-manifests-custom": "/var/lib/rancher/k3s/server/manifests/custom",
    "k3s-containerd": "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    "k3s-containerd-tmpl": "/var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl",
    "k3s-registry-config": "/etc/rancher/k3s/registries.yaml",
}
_FILTER = re.compile(
    r"(?P<group>servers?|agents?|loadbalancer|all)"
    r"(?::(?:(?P<list>\d+(?:,\d+)*)|(?P<low>\d*)-(?P<high>\d*)|(?P<every>\*)))?"
    r"(?::(?P<suffix>proxy|direct))?"
)


# ---------------------------------------------------------------------------------------------------------------------
# Pure: options to config, options to argv, JSON to facts


def select(node_filter: str, servers: int, agents: int, load_balancer: bool) -> tuple[list[str], str]:
    """The nodes ("server-0", "agent-1", "loadbalancer") that a node filter means, and its suffix."""
    match = _FILTER.fullmatch(node_filter)
    if match is None:
        raise ClusterError(
            f'The node filter "{node_filter}" is not understood; write for example server:0, agent:* or loadbalancer.'
        )
    suffix = match["suffix"] or ""
    balancer = ["loadbalancer"] if load_balancer else []
    groups = {
        "server": [f"server-{index}" for index in range(servers)],
        "agent": [f"agent-{index}" for index in range(agents)],
    }
    if match["group"] == "all":
        return [*groups["server"], *groups["agent"], *balancer], suffix
    if match["group"] == "loadbalancer":
        if not load_balancer:
            raise ClusterError(
                f'The node filter "{node_filter}" names the load balancer, but load_balancer is false; '
                f"turn it on, or use server:0:direct."
            )
        return balancer, suffix
    group = groups[match["group"].rstrip("s")]
    if match["list"]:
        wanted = [int(index) for index in match["list"].split(",")]
    elif match["every"]:
        wanted = list(range(len(group)))
    elif match["low"] is not None:
        wanted = list(range(int(match["low"] or 0), int(match["high"] or len(group) - 1) + 1))
    else:
        raise ClusterError(f'The node filter "{node_filter}" names no nodes; write {node_filter}:* for all of them.')
    beyond = [index for index in wanted if index >= len(group)]
    if beyond:
        raise ClusterError(
            f'The node filter "{node_filter}" names node {beyond[0]}, but there are {len(group)} (counted from 0); '
            f"correct the filter, or servers or agents."
        )
    return [group[index] for index in wanted], suffix


def defaulted(params: Mapping[str, Any]) -> dict[str, Any]:
    """The options with the node filters that were left out."""
    port_filters = ["loadbalancer"] if params["load_balancer"] else ["server:0:direct"]
    defaults = {
        "ports": port_filters,
        "volumes": ["server:*", "agent:*"],
        "k3s_extra_args": ["server:*"],
        "runtime_labels": ["server:*"],
        "env": ["server:*", "agent:*"],
    }
    filled = dict(params)
    for option, filters in defaults.items():
        filled[option] = [{**item, "node_filters": item["node_filters"] or filters} for item in params[option]]
    return filled


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse what k3d would refuse later, or worse, would not."""
    image = params["image"] or ""
    if image in ("latest", "stable") or image.startswith("+"):
        raise ClusterError(
            f'image is "{image}", a release channel that means another version every month; '
            f"give a full reference such as rancher/k3s:v1.36.4-k3s1."
        )
    check_address("api_host", params["api_host"], versions=(4,))
    check_port("api_port", params["api_port"])
    if params["servers"] < 1 or params["agents"] < 0:
        raise ClusterError(
            f"servers is {params['servers']} and agents is {params['agents']}; give at least 1 server and 0 agents."
        )
    if params["timeout"] < 1:
        raise ClusterError(f"timeout is {params['timeout']}; give at least 1 s, as k3d waits for ever with 0.")
    for index, port in enumerate(params["ports"]):
        check_address(f"ports[{index}].host_ip", port["host_ip"])
        # 0 would let Docker choose, and choose anew at every start.
        check_port(f"ports[{index}].host_port", port["host_port"], lowest=1)
        check_port(f"ports[{index}].node_port", port["node_port"], lowest=1)
        if not params["load_balancer"] and not all(item.endswith(":direct") for item in port["node_filters"]):
            raise ClusterError(
                f"ports[{index}].node_filters is {port['node_filters']}, but load_balancer is false; "
                f"end every filter in :direct, or turn the load balancer on."
            )
    for index, volume in enumerate(params["volumes"]):
        if not volume["destination"].startswith("/") and volume["destination"] not in VOLUME_SHORTCUTS:
            raise ClusterError(
                f'volumes[{index}].destination is "{volume["destination"]}"; give an absolute path or one of '
                f"{', '.join(sorted(VOLUME_SHORTCUTS))}."
            )
        if "/" in volume["source"] and not volume["source"].startswith("/"):
            raise ClusterError(
                f'volumes[{index}].source is "{volume["source"]}"; give an absolute path or the name of a volume.'
            )
    for index, label in enumerate(params["runtime_labels"]):
        if label["name"] == "app" or label["name"].startswith(("k3s.", "k3d.")):
            raise ClusterError(
                f'runtime_labels[{index}].name is "{label["name"]}", which belongs to k3d; choose another name.'
            )
    for option in ("ports", "volumes", "k3s_extra_args", "runtime_labels", "env"):
        for item in params[option]:
            for node_filter in item["node_filters"]:
                select(node_filter, params["servers"], params["agents"], params["load_balancer"])


def config(params: Mapping[str, Any]) -> dict[str, Any]:
    """The k3d.io/v1alpha5 document for these options."""
    api: dict[str, Any] = {"host": reachable_host(params["api_host"]), "hostIP": params["api_host"]}
    if params["api_port"]:
        api["hostPort"] = str(params["api_port"])
    document: dict[str, Any] = {
        "apiVersion": "k3d.io/v1alpha5",
        "kind": "Simple",
        "metadata": {"name": params["name"]},
        "servers": params["servers"],
        "agents": params["agents"],
        "kubeAPI": api,
        "image": params["image"],
        "volumes": [
            {"volume": f"{item['source']}:{item['destination']}", "nodeFilters": item["node_filters"]}
            for item in params["volumes"]
        ],
        "ports": [
            {
                "port": f"{_bracketed(item['host_ip'])}:{item['host_port']}:{item['node_port']}/{item['protocol']}",
                "nodeFilters": item["node_filters"],
            }
            for item in params["ports"]
        ],
        "env": [
            {"envVar": f"{item['name']}={item['value']}", "nodeFilters": item["node_filters"]} for item in params["env"]
        ],
        "options": {
            "k3d": {
                "wait": True,
                "timeout": f"{params['timeout']}s",
                "disableLoadbalancer": not params["load_balancer"],
                # The nodes of a failed creation are evidence; they are removed when their logs have been read.
                "disableRollback": True,
            },
            "k3s": {
                "extraArgs": [
                    {"arg": item["arg"], "nodeFilters": item["node_filters"]} for item in params["k3s_extra_args"]
                ]
            },
            "kubeconfig": {"updateDefaultKubeconfig": False, "switchCurrentContext": False},
            "runtime": {
                "labels": [
                    {"label": f"{item['name']}={item['value']}", "nodeFilters": item["node_filters"]}
                    for item in params["runtime_labels"]
                ]
            },
        },
    }
    if params["subnet"]:
        document["subnet"] = params["subnet"]
    if params["token"]:
        document["token"] = params["token"]
    return document


def config_text(document: Mapping[str, Any]) -> str:
    """The document as k3d will read it back unchanged."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return text.replace("$", f"${{{DOLLAR_VARIABLE}}}")


def create_argv(name: str, config_path: str) -> list[str]:
    return ["cluster", "create", name, "--config", config_path]


def start_argv(name: str, timeout: int) -> list[str]:
    return ["cluster", "start", name, "--wait", "--timeout", f"{timeout}s"]


def environment(base: Mapping[str, str], params: Mapping[str, Any]) -> dict[str, str]:
    """The caller's environment without what would change the configuration, with the helper images asked for."""
    extra = {DOLLAR_VARIABLE: "$"}
    if params["tools_image"]:
        extra["K3D_IMAGE_TOOLS"] = params["tools_image"]
    if params["load_balancer_image"]:
        extra["K3D_IMAGE_LOADBALANCER"] = params["load_balancer_image"]
    return clean_env(base, without_prefixes=("K3D_",), without=("KUBECONFIG",), extra=extra)


def reachable_host(api_host: str) -> str:
    """The host by which an API bound to an address is called; "any address" is none."""
    return "127.0.0.1" if api_host == "0.0.0.0" else api_host


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def port_text(holder: str, host_ip: str, host_port: int | str, node_port: int | str, protocol: str) -> str:
    return f"{host_ip or '0.0.0.0'}:{host_port}->{node_port}/{protocol} on {holder}"


def wanted_ports(params: Mapping[str, Any]) -> list[str]:
    """The ports as they will be published: directly on a node, or by the load balancer for all others."""
    ports = set()
    for item in params["ports"]:
        for node_filter in item["node_filters"]:
            nodes, suffix = select(node_filter, params["servers"], params["agents"], params["load_balancer"])
            for holder in nodes if suffix == "direct" else ["loadbalancer"]:
                ports.add(port_text(holder, item["host_ip"], item["host_port"], item["node_port"], item["protocol"]))
    return sorted(ports)


def wanted_volumes(params: Mapping[str, Any]) -> list[str]:
    volumes: set[str] = set()
    for item in params["volumes"]:
        target = VOLUME_SHORTCUTS.get(item["destination"], item["destination"])
        for node_filter in item["node_filters"]:
            nodes, _suffix = select(node_filter, params["servers"], params["agents"], params["load_balancer"])
            volumes.update(f"{mount_text(item['source'], target)} on {node}" for node in nodes)
    return sorted(volumes)


def tokens(clusters: Sequence[Mapping[str, Any]]) -> set[str]:
    """Every cluster token in a cluster list: k3d blanks its own field only."""
    found = set()
    for cluster in clusters:
        for node in cluster.get("nodes") or []:
            found.add((node.get("runtimeLabels") or {}).get(TOKEN_LABEL, ""))
            found.update(
                entry.partition("=")[2] for entry in node.get("env") or [] if entry.partition("=")[0] == "K3S_TOKEN"
            )
    return found - {""}


def find_cluster(clusters: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """The one cluster of exactly that name."""
    return next((cluster for cluster in clusters if cluster["name"] == name), None)


def live_from_cluster(cluster: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> Live:
    """The cluster that one entry of "k3d cluster list -o json" and "docker container inspect" describe.

    k3d tells the ids of images, Docker also the names by which they were asked for, and when a node was started.
    """
    prefix = f"k3d-{cluster['name']}-"
    order = {"server": 0, "agent": 1, "loadbalancer": 2}
    entries = [item for item in cluster["nodes"] if item["role"] in order]
    entries.sort(key=lambda item: (order[item["role"]], natural(item["name"])))
    api: Mapping[str, Any] = next(
        (item["serverOpts"]["kubeAPI"] for item in entries if item["role"] == "server" and item.get("serverOpts")), {}
    )
    binding = api.get("Binding") or {}
    own_volume = cluster.get("imageVolume") or f"{prefix}images"
    ports: list[str] = []
    volumes: list[str] = []
    for item in entries:
        holder = item["role"] if item["role"] == "loadbalancer" else item["name"][len(prefix) :]
        for key, bindings in (item.get("portMappings") or {}).items():
            node_port, _slash, protocol = key.partition("/")
            if node_port != API_PORT:
                ports += [
                    port_text(holder, entry["HostIp"], entry["HostPort"], node_port, protocol or "tcp")
                    for entry in bindings or []
                ]
        for volume in item.get("volumes") or []:
            parts = volume.split(":")
            if parts[0] != own_volume:
                volumes.append(f"{mount_text(parts[0], parts[-1 if len(parts) == 1 else 1])} on {holder}")
    servers = [item for item in containers if _role(item) == "server"]
    images = sorted({item["Config"]["Image"] for item in servers})
    known = {node.name: node for node in (node_of(item, _role(item)) for item in containers)}
    if not {item["name"] for item in entries} <= set(known):
        raise ClusterError(
            f'k3d and Docker disagree on the nodes of the cluster "{cluster["name"]}"; something is changing it: '
            f"wait for that to end, then run again."
        )
    host = api.get("host") or binding.get("HostIp", "")
    return Live(
        nodes=tuple(known[item["name"]] for item in entries),
        image=", ".join(images),
        api_server=f"https://{host}:{binding['HostPort']}" if binding.get("HostPort") else "",
        identity=tuple(sorted(item["Id"] for item in servers)),
        settings={
            "image": ", ".join(images),
            "servers": sum(item["role"] == "server" for item in entries),
            "agents": sum(item["role"] == "agent" for item in entries),
            "load_balancer": any(item["role"] == "loadbalancer" for item in entries),
            "api_host": binding.get("HostIp", ""),
            "api_port": int(binding.get("HostPort") or 0),
            "ports": sorted(ports),
            "volumes": sorted(volumes),
        },
    )


def _role(container: Mapping[str, Any]) -> str:
    return str(container["Config"]["Labels"].get(ROLE_LABEL, "unknown"))


def hidden_env(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Environment entries fit for a record: a value may be a password, so its hash stands for it."""
    return [
        {
            "name": item["name"],
            "value_sha256": hashlib.sha256(item["value"].encode()).hexdigest(),
            "node_filters": item["node_filters"],
        }
        for item in items
    ]


# ---------------------------------------------------------------------------------------------------------------------
# The engine


class K3d(Engine):
    """k3d on Docker."""

    label = "k3d"

    def __init__(self, params: Mapping[str, Any], k3d: Cli, docker: Docker) -> None:
        self.params = params
        self.name = params["name"]
        self.k3d = k3d
        self.docker = docker
        self.token = ""
        self.network_optional = any(item["arg"] == "--flannel-backend=none" for item in params["k3s_extra_args"])

    def look(self) -> Live | None:
        # The list form: asked for one cluster by name, k3d fails in the same way whether it is absent or Docker is.
        clusters = self.k3d.json(["cluster", "list", "-o", "json"]) or []
        for token in tokens(clusters):
            self.k3d.secrets.add(token)
        cluster = find_cluster(clusters, self.name)
        if cluster is None:
            return None
        self.token = next(iter(tokens([cluster])), "")
        ids = self._containers()
        return live_from_cluster(cluster, self.docker.inspect(ids) if ids else [])

    def _containers(self) -> list[str]:
        return self.docker.ids({"app": "k3d", CLUSTER_LABEL: self.name})

    def identity(self) -> list[str]:
        # Servers only: agents come and go, and k3d replaces the load balancer when its ports change.
        return sorted(self.docker.ids({"app": "k3d", CLUSTER_LABEL: self.name, ROLE_LABEL: "server"}))

    def ever_served(self, live: Live) -> bool:
        return any(self.docker.has_written(server, KUBECONFIG_IN_SERVER) for server in live.identity)

    def spec(self) -> dict[str, Any]:
        recorded = {key: self.params[key] for key in RECORDED if key != "env"}
        return {**self.planned().settings, **recorded, "env": hidden_env(self.params["env"])}

    def planned(self) -> Live:
        params = self.params
        prefix = f"k3d-{self.name}-"
        nodes = [Node(f"{prefix}server-{index}", "server") for index in range(params["servers"])]
        nodes += [Node(f"{prefix}agent-{index}", "agent") for index in range(params["agents"])]
        if params["load_balancer"]:
            nodes.append(Node(f"{prefix}serverlb", "loadbalancer"))
        host = reachable_host(params["api_host"])
        return Live(
            nodes=tuple(nodes),
            image=params["image"],
            api_server=f"https://{host}:{params['api_port']}" if params["api_port"] else "",
            settings={
                "image": params["image"],
                "servers": params["servers"],
                "agents": params["agents"],
                "load_balancer": params["load_balancer"],
                "api_host": params["api_host"],
                "api_port": params["api_port"],
                "ports": wanted_ports(params),
                "volumes": wanted_volumes(params),
            },
        )

    def differences(self, live: Live, recorded: Mapping[str, Any]) -> list[Difference]:
        now, wanted = live.settings, self.spec()
        keys = ("servers", "agents", "load_balancer", "api_host", "ports", "volumes")
        pairs = {key: (now[key], wanted[key]) for key in keys}
        if wanted["api_port"]:
            pairs["api_port"] = (now["api_port"], wanted["api_port"])
        pairs.update({key: (recorded[key], wanted[key]) for key in RECORDED if key in recorded})
        found = compare(pairs)
        if now["image"] != wanted["image"] and not self._same_image(live, wanted["image"]):
            found.insert(0, Difference("image", now["image"], wanted["image"]))
        if self.params["token"] and self.params["token"] != self.token:
            found.append(Difference("token", "(another one)", "(the one given)"))
        return found

    def _same_image(self, live: Live, reference: str) -> bool:
        servers = self.docker.inspect(live.identity)
        return all(self.docker.same_image(reference, item["Config"]["Image"], item["Image"]) for item in servers)

    def create(self, workdir: str, on_start: Callable[[int], None]) -> None:
        path = os.path.join(workdir, "k3d.yaml")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(config_text(config(self.params)))
        self.k3d.run(
            create_argv(self.name, path),
            timeout=self.params["timeout"] + PULL_SECONDS,
            env=_scratch(workdir),
            on_line=report,
            on_start=on_start,
        )

    def remove(self, workdir: str) -> None:
        self.k3d.run(["cluster", "delete", self.name], timeout=300, env=_scratch(workdir), on_line=report)

    def start(self, live: Live) -> None:
        timeout = self.params["timeout"]
        self.k3d.run(start_argv(self.name, timeout), timeout=timeout + 60, on_line=report)

    def stop(self, live: Live) -> None:
        self.k3d.run(["cluster", "stop", self.name], timeout=300, on_line=report)

    def kubeconfig(self) -> str:
        return self.k3d.run(["kubeconfig", "get", self.name], private=True).stdout

    def log_tails(self) -> dict[str, str]:
        return self.docker.log_tails(self._containers())


def _scratch(workdir: str) -> dict[str, str]:
    """Where k3d leaves an expanded copy of its config, and the kubeconfig it takes a deleted cluster out of."""
    return {"TMPDIR": workdir, "KUBECONFIG": os.path.join(workdir, "kubeconfig")}


def build(params: Mapping[str, Any], secrets: Secrets) -> tuple[K3d, Goal]:
    """The engine and the goal for a set of module options, checked."""
    secrets.add(params["token"])
    goal = make_goal(params, params["timeout"])
    filled = defaulted(params)
    check_params(filled)
    k3d = Cli(params["executable"], environment(os.environ, params), secrets)
    docker = Docker(Cli("docker", clean_env(os.environ, without=("KUBECONFIG",)), secrets))
    return K3d(filled, k3d, docker), goal
