# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""The options of k3d_cluster as pure functions: checked, as k3d's config file, and as what they make of every node."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from ansible_collections.luckyplans.platform.plugins.module_utils._cli import clean_env
from ansible_collections.luckyplans.platform.plugins.module_utils._cluster import (
    ClusterError,
    check_address,
    check_distinct_ports,
    check_image,
    check_port,
    mount_text,
    spec_hash,
)

API_PORT = "6443"
#: The hash of the settings that leave no trace outside the cluster, as a label on its servers.
SPEC_LABEL = "platform.luckyplans.spec"
#: Settings that leave no trace, or only part of one, on the containers: compared with the record, else by their hash.
TRACELESS = ("files", "registries", "host_aliases", "subnet")
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
#: The options whose items name their nodes by filters, and the filters that stand for none. None: depends.
FILTERED: dict[str, list[str]] = {
    "ports": [],
    "volumes": ["server:*", "agent:*"],
    "k3s_extra_args": ["server:*"],
    "node_labels": ["server:*", "agent:*"],
    "runtime_labels": ["server:*"],
    "env": ["server:*", "agent:*"],
    "files": ["server:*", "agent:*"],
}
#: A reference as the option wants it.
EXAMPLE_IMAGE = "rancher/k3s:v1.36.4-k3s1"
_FILTER = re.compile(
    r"(?P<group>servers?|agents?|loadbalancer|all)"
    r"(?::(?:(?P<list>\d+(?:,\d+)*)|(?P<low>\d*)-(?P<high>\d*)|(?P<every>\*)))?"
    r"(?::(?P<suffix>proxy|direct))?"
)
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_MEMORY = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[kmgtp]?)(?:i?b)?", re.IGNORECASE)
_LABEL_KEY = re.compile(r"(?:(?P<domain>[a-z0-9]([a-z0-9.-]*[a-z0-9])?)/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
#: A node may not give itself other labels of Kubernetes' own domains: with one, its kubelet does not start.
_OWN_LABEL_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_OWN_LABELS = (
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
)


# ---------------------------------------------------------------------------------------------------------------------
# Nodes that filters mean


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


def selected(params: Mapping[str, Any], item: Mapping[str, Any]) -> list[str]:
    """The nodes that the filters of an item mean, each once."""
    nodes: dict[str, None] = {}
    for node_filter in item["node_filters"]:
        for node in select(node_filter, params["servers"], params["agents"], params["load_balancer"])[0]:
            nodes[node] = None
    return list(nodes)


def holders(params: Mapping[str, Any], port: Mapping[str, Any]) -> list[str]:
    """Who publishes a port: directly a node, or the load balancer for all others."""
    found: dict[str, None] = {}
    for node_filter in port["node_filters"]:
        nodes, suffix = select(node_filter, params["servers"], params["agents"], params["load_balancer"])
        for node in nodes:
            found[node if suffix == "direct" else "loadbalancer"] = None
    return list(found)


def leads_to_agents(port: Mapping[str, Any]) -> bool:
    """Whether the load balancer hands a port on to agents, as far as there are any."""
    return any(item.startswith(("agent", "loadbalancer", "all")) for item in port["node_filters"])


def defaulted(params: Mapping[str, Any]) -> dict[str, Any]:
    """The options with the node filters that were left out."""
    filled = dict(params)
    for option, filters in FILTERED.items():
        usual = filters or (["loadbalancer"] if params["load_balancer"] else ["server:0:direct"])
        filled[option] = [{**item, "node_filters": item["node_filters"] or usual} for item in params[option]]
    return filled


# ---------------------------------------------------------------------------------------------------------------------
# Checks


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse what k3d would refuse later, or worse, would not."""
    check_image(params["image"] or "", EXAMPLE_IMAGE)
    check_address("api_host", params["api_host"], versions=(4,))
    check_port("api_port", params["api_port"])
    if params["servers"] < 1 or params["agents"] < 0:
        raise ClusterError(
            f"servers is {params['servers']} and agents is {params['agents']}; give at least 1 server and 0 agents."
        )
    if params["timeout"] < 1:
        raise ClusterError(f"timeout is {params['timeout']}; give at least 1 s, as k3d waits for ever with 0.")
    for option in ("servers_memory", "agents_memory"):
        memory_bytes(option, params[option])
    if params["subnet"] not in ("", "auto"):
        try:
            ip_network(params["subnet"])
        except ValueError as error:
            raise ClusterError(
                f'subnet is "{params["subnet"]}" ({error}); give a network such as 172.28.0.0/16, or auto.'
            ) from error
    for option in FILTERED:
        for item in params[option]:
            selected(params, item)
    _check_ports(params)
    for option in ("volumes", "files"):
        for index, item in enumerate(params[option]):
            _check_mount(f"{option}[{index}]", item, names_allowed=option == "volumes")
    for index, label in enumerate(params["runtime_labels"]):
        name = label["name"]
        if name == "app" or name.startswith(("k3s.", "k3d.")):
            raise ClusterError(f'runtime_labels[{index}].name is "{name}", which belongs to k3d; choose another name.')
        if name == SPEC_LABEL:
            raise ClusterError(
                f'runtime_labels[{index}].name is "{name}", which this module sets itself; choose another name.'
            )
    for index, label in enumerate(params["node_labels"]):
        _check_node_label(f"node_labels[{index}]", label)
    _check_registries(params["registries"] or {})
    for index, alias in enumerate(params["host_aliases"]):
        check_address(f"host_aliases[{index}].ip", alias["ip"])
        if not alias["hostnames"]:
            raise ClusterError(f"host_aliases[{index}].hostnames is empty; give at least one name.")


def warnings(params: Mapping[str, Any]) -> list[str]:
    """What is allowed and seldom meant."""
    if params["servers"] % 2 == 0:
        return [
            f"servers is {params['servers']}: an even number of servers survives no more failures than one server "
            f"less; give an odd number."
        ]
    return []


def missing_sources(params: Mapping[str, Any], exists: Callable[[str], bool] = os.path.exists) -> list[str]:
    """A sentence for every path of this machine that is asked for and not there."""
    paths = {
        f"{option}[{index}].source": item["source"]
        for option in ("volumes", "files")
        for index, item in enumerate(params[option])
    }
    config_file = (params["registries"] or {}).get("config") or ""
    if config_file and "\n" not in config_file:
        paths["registries.config"] = config_file
    return [
        f'{option} is "{path}", which does not exist on this machine; create it first, or correct the path.'
        for option, path in paths.items()
        if path.startswith("/") and not exists(path)
    ]


def _check_ports(params: Mapping[str, Any]) -> None:
    for index, port in enumerate(params["ports"]):
        option = f"ports[{index}]"
        check_address(f"{option}.host_ip", port["host_ip"])
        # 0 would let Docker choose, and choose anew at every start.
        check_port(f"{option}.host_port", port["host_port"], lowest=1)
        check_port(f"{option}.node_port", port["node_port"], lowest=1)
        if not params["load_balancer"] and not all(item.endswith(":direct") for item in port["node_filters"]):
            raise ClusterError(
                f"{option}.node_filters is {port['node_filters']}, but load_balancer is false; "
                f"end every filter in :direct, or turn the load balancer on."
            )
        found = holders(params, port)
        if len(found) != 1:
            what = f"{len(found)} publishers ({', '.join(found)})" if found else "no node"
            raise ClusterError(
                f"{option}.node_filters is {port['node_filters']}, which names {what} for one port of this machine; "
                f"name the load balancer, or one node with :direct."
            )
    check_distinct_ports(params)


def _check_mount(option: str, item: Mapping[str, Any], *, names_allowed: bool) -> None:
    destination, source = item["destination"], item["source"]
    first = destination.split("/", 1)[0]
    if not destination.startswith("/") and first not in VOLUME_SHORTCUTS:
        raise ClusterError(
            f'{option}.destination is "{destination}"; give an absolute path or one of '
            f"{', '.join(sorted(VOLUME_SHORTCUTS))}."
        )
    if not source.startswith("/") and ("/" in source or not names_allowed):
        or_name = " or the name of a volume" if names_allowed else ""
        raise ClusterError(f'{option}.source is "{source}"; give an absolute path{or_name}.')
    for key in ("source", "destination"):
        if ":" in item[key]:
            raise ClusterError(f'{option}.{key} is "{item[key]}"; give a path without a colon, which Docker cannot mount.')


def _check_node_label(option: str, label: Mapping[str, Any]) -> None:
    match = _LABEL_KEY.fullmatch(label["name"])
    if match is None or not _LABEL_VALUE.fullmatch(label["value"]):
        raise ClusterError(
            f'{option} is "{label["name"]}={label["value"]}", which Kubernetes takes for no label; give a name such as '
            f"example.org/tier and a value of at most 63 letters, digits, -, _ and full stops."
        )
    domain = match["domain"] or ""
    reserved = any(domain == own or domain.endswith(f".{own}") for own in ("kubernetes.io", "k8s.io"))
    own = any(domain == it or domain.endswith(f".{it}") for it in _OWN_LABEL_DOMAINS)
    if reserved and not own and label["name"] not in _OWN_LABELS:
        raise ClusterError(
            f'{option}.name is "{label["name"]}", which a node may not give itself; choose a name in another domain, or '
            f"set this label through the Kubernetes API."
        )


def _check_registries(registries: Mapping[str, Any]) -> None:
    create = registries.get("create") or {}
    if create:
        if not _HOST_NAME.fullmatch(create["name"]):
            raise ClusterError(
                f'registries.create.name is "{create["name"]}"; give a host name of the characters a-z, 0-9, - and '
                f"full stop, for example registry.localhost."
            )
        check_address("registries.create.host_ip", create["host_ip"], versions=(4,))
        check_port("registries.create.host_port", create["host_port"])
        for index, volume in enumerate(create["volumes"]):
            source, _colon, destination = volume.partition(":")
            if not source or not destination.startswith("/"):
                raise ClusterError(
                    f'registries.create.volumes[{index}] is "{volume}"; write SOURCE:/absolute/destination.'
                )
    for index, reference in enumerate(registries.get("use") or []):
        host, _colon, port = reference.partition(":")
        if not _HOST_NAME.fullmatch(host) or (port and not re.fullmatch(r"\d{1,5}", port)):
            raise ClusterError(
                f'registries.use[{index}] is "{reference}"; give the name of a registry that k3d made, with or without '
                f"its port, for example k3d-registry.localhost:5000."
            )
    text = registries.get("config") or ""
    if text and "\n" not in text and not text.startswith("/"):
        raise ClusterError(
            'registries.config is neither the text of a registries.yaml nor an absolute path; give one of the two.'
        )


def memory_bytes(option: str, text: str) -> int:
    """A limit such as 512m or 2GiB in bytes, as Docker counts them; 0 for no limit."""
    if not text:
        return 0
    match = _MEMORY.fullmatch(text)
    if match is None or not float(match["number"]):
        raise ClusterError(f'{option} is "{text}"; give an amount such as 512m or 2g, or leave it empty for no limit.')
    return int(float(match["number"]) * 1024 ** " kmgtp".index(match["unit"].lower() or " "))


# ---------------------------------------------------------------------------------------------------------------------
# Config file, argv, environment


def config(params: Mapping[str, Any]) -> dict[str, Any]:
    """The k3d.io/v1alpha5 document for these options; the files it names lie beside it, as file_name() calls them."""
    api: dict[str, Any] = {"host": reachable_host(params["api_host"]), "hostIP": params["api_host"]}
    if params["api_port"]:
        api["hostPort"] = str(params["api_port"])
    labels = [
        {"label": f"{item['name']}={item['value']}", "nodeFilters": item["node_filters"]}
        for item in params["runtime_labels"]
    ]
    labels.append({"label": f"{SPEC_LABEL}={traceless_hash(params)}", "nodeFilters": ["server:*"]})
    runtime: dict[str, Any] = {"labels": labels}
    for option, key in (("servers_memory", "serversMemory"), ("agents_memory", "agentsMemory")):
        if params[option]:
            runtime[key] = params[option]
    k3s: dict[str, Any] = {
        "extraArgs": [{"arg": item["arg"], "nodeFilters": item["node_filters"]} for item in params["k3s_extra_args"]]
    }
    if params["node_labels"]:
        k3s["nodeLabels"] = [
            {"label": f"{item['name']}={item['value']}", "nodeFilters": item["node_filters"]}
            for item in params["node_labels"]
        ]
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
        "ports": [{"port": port_spec(item), "nodeFilters": item["node_filters"]} for item in params["ports"]],
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
            "k3s": k3s,
            "kubeconfig": {"updateDefaultKubeconfig": False, "switchCurrentContext": False},
            "runtime": runtime,
        },
    }
    if params["files"]:
        document["files"] = [
            {
                "source": file_name(index),
                "destination": item["destination"],
                "description": f"files[{index}]",
                "nodeFilters": item["node_filters"],
            }
            for index, item in enumerate(params["files"])
        ]
    registries = _registries_config(params["registries"] or {})
    if registries:
        document["registries"] = registries
    if params["host_aliases"]:
        document["hostAliases"] = [
            {"ip": item["ip"], "hostnames": list(item["hostnames"])} for item in params["host_aliases"]
        ]
    for option in ("subnet", "token"):
        if params[option]:
            document[option] = params[option]
    return document


def _registries_config(registries: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    create = registries.get("create")
    if create:
        made: dict[str, Any] = {"name": create["name"], "host": create["host_ip"]}
        if create["host_port"]:
            made["hostPort"] = str(create["host_port"])
        if create["image"]:
            made["image"] = create["image"]
        if create["volumes"]:
            made["volumes"] = list(create["volumes"])
        proxy = create["proxy"] or {}
        if proxy:
            names = {"remote_url": "remoteURL", "username": "username", "password": "password"}
            made["proxy"] = {names[key]: value for key, value in proxy.items() if value}
        document["create"] = made
    if registries.get("use"):
        document["use"] = list(registries["use"])
    if registries.get("config"):
        document["config"] = registries["config"]
    return document


def file_name(index: int) -> str:
    """The name of a copied file beside the config file: k3d takes every source as relative to that file."""
    return f"file-{index}"


def config_text(document: Mapping[str, Any]) -> str:
    """The document as k3d will read it back unchanged."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return text.replace("$", f"${{{DOLLAR_VARIABLE}}}")


def create_argv(name: str, config_path: str) -> list[str]:
    return ["cluster", "create", name, "--config", config_path]


def start_argv(name: str, timeout: int) -> list[str]:
    return ["cluster", "start", name, "--wait", "--timeout", f"{timeout}s"]


def publish_argv(name: str, specs: Sequence[str]) -> list[str]:
    return ["cluster", "edit", name, *(word for spec in specs for word in ("--port-add", spec))]


def unpublish_argv(name: str, specs: Sequence[str]) -> list[str]:
    return ["cluster", "edit", name, *(word for spec in specs for word in ("--port-delete", spec))]


def add_agent_argv(params: Mapping[str, Any], node: str, *, first: bool, timeout: int) -> list[str]:
    """For the agent of that container name, made after another agent or, if it is the first one, after a server.

    k3d copies image, environment, mounts and, from an agent, the whole command; labels and memory it does not copy.
    """
    prefix, suffix = "k3d-", "-0"
    argv = ["node", "create", node[len(prefix) : -len(suffix)], "--cluster", params["name"], "--role", "agent"]
    argv += ["--wait", "--timeout", f"{timeout}s"]
    if params["agents_memory"]:
        argv += ["--memory", params["agents_memory"]]
    holder = f"agent-{params['agents'] - 1}"
    for key, value in wanted_labels(params).get(holder, {}).items():
        argv += ["--runtime-label", f"{key}={value}"]
    if first:
        for arg in wanted_args(params).get(holder, []):
            argv += ["--k3s-arg", arg]
    return argv


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


def port_spec(port: Mapping[str, Any]) -> str:
    """A port as k3d's config file and flags write it."""
    return f"{_bracketed(port['host_ip'])}:{port['host_port']}:{port['node_port']}/{port['protocol']}"


# ---------------------------------------------------------------------------------------------------------------------
# What the options make of every node, in the form in which it is compared and shown


def port_text(holder: str, host_ip: str, host_port: int | str, node_port: int | str, protocol: str) -> str:
    return f"{host_ip or '0.0.0.0'}:{host_port}->{node_port}/{protocol} on {holder}"


def wanted_ports(params: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The ports as they will be published, with the options that ask for them."""
    return {
        port_text(holder, item["host_ip"], item["host_port"], item["node_port"], item["protocol"]): item
        for item in params["ports"]
        for holder in holders(params, item)
    }


def wanted_volumes(params: Mapping[str, Any]) -> list[str]:
    volumes: set[str] = set()
    for item in params["volumes"]:
        target = resolved(item["destination"])
        volumes.update(f"{mount_text(item['source'], target)} on {node}" for node in selected(params, item))
    return sorted(volumes)


def resolved(destination: str) -> str:
    """A path in a node, k3d's names for paths of k3s spelled out."""
    first, _slash, rest = destination.partition("/")
    return posixpath.join(VOLUME_SHORTCUTS.get(first, first), rest) if first else destination


def wanted_args(params: Mapping[str, Any]) -> dict[str, list[str]]:
    """The arguments of k3s on every node, those for node labels among them."""
    found: dict[str, list[str]] = {}
    for item in params["k3s_extra_args"]:
        for node in selected(params, item):
            found.setdefault(node, []).append(item["arg"])
    labels: dict[str, dict[str, str]] = {}
    for item in params["node_labels"]:
        for node in selected(params, item):
            labels.setdefault(node, {})[item["name"]] = item["value"]
    for node, pairs in labels.items():
        found.setdefault(node, []).extend(f"{NODE_LABEL}{key}={value}" for key, value in pairs.items())
    return found


def wanted_labels(params: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The runtime labels on every node; k3d takes those on the load balancer away when it changes a port."""
    found: dict[str, dict[str, str]] = {}
    for item in params["runtime_labels"]:
        for node in selected(params, item):
            if node != "loadbalancer":
                found.setdefault(node, {})[item["name"]] = item["value"]
    return found


def wanted_env(params: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for item in params["env"]:
        for node in selected(params, item):
            if node != "loadbalancer":
                found.setdefault(node, {})[item["name"]] = item["value"]
    return found


NODE_LABEL = "--node-label="


def normal_args(words: Sequence[str]) -> list[str]:
    """Arguments with every value joined to its flag, as "--flag value" and "--flag=value" are the same to k3s."""
    found: list[str] = []
    for word in words:
        if found and found[-1].startswith("-") and "=" not in found[-1] and not word.startswith("-"):
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def user_args(cmd: Sequence[str], own: Sequence[str]) -> list[str]:
    """The arguments of a node's command line that k3d did not add by itself, in no particular order."""
    counted = Counter(normal_args(list(cmd)[1:]))
    counted.subtract(own)
    return sorted(counted.elements())


def args_texts(by_node: Mapping[str, Sequence[str]], *, labels: bool) -> list[str]:
    """Arguments as compared: those for node labels, or all others."""
    texts = [
        f"{arg[len(NODE_LABEL) :] if labels else arg} on {node}"
        for node, args in by_node.items()
        if node != "loadbalancer"
        for arg in normal_args(args)
        if arg.startswith(NODE_LABEL) == labels
    ]
    return sorted(texts)


def label_texts(by_node: Mapping[str, Mapping[str, str]]) -> list[str]:
    return sorted(f"{key}={value} on {node}" for node, pairs in by_node.items() for key, value in pairs.items())


def env_texts(by_node: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Variables as compared: a value may be a password, so its hash stands for it."""
    return sorted(
        f"{key}=sha256:{hashlib.sha256(value.encode()).hexdigest()[:16]} on {node}"
        for node, pairs in by_node.items()
        for key, value in pairs.items()
    )


def traceless(params: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that cannot be read from outside, fit for a record: contents and passwords as hashes."""
    registries = params["registries"] or {}
    return {
        "files": [
            # The filters and not the nodes: agents come and go.
            f"{item['source']} (sha256:{_file_hash(item['source'])}) at {resolved(item['destination'])} on "
            f"{', '.join(item['node_filters'])}"
            for item in params["files"]
        ],
        "registries": f"sha256:{spec_hash(_registries_content(registries))}" if _registries_config(registries) else "",
        "host_aliases": [f"{item['ip']}: {', '.join(item['hostnames'])}" for item in params["host_aliases"]],
        "subnet": params["subnet"],
    }


def traceless_hash(params: Mapping[str, Any]) -> str:
    return spec_hash(traceless(params))


def _registries_content(registries: Mapping[str, Any]) -> dict[str, Any]:
    document = _registries_config(registries)
    text = document.get("config", "")
    if text and "\n" not in text:
        document["config"] = _file_hash(text)
    return document


def _file_hash(path: str) -> str:
    """Of a file that may still be missing, for example in check mode."""
    try:
        with open(path, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()[:16]
    except OSError:
        return "missing"


def agent_obstacle(params: Mapping[str, Any], live_agents: int) -> str:
    """Why further agents cannot be made like the present nodes, or the empty string.

    "k3d node create" copies another agent, or a server where there is none; what it does not copy, and what would be
    different on the new agent, only a new cluster can give.
    """
    new = [f"agent-{index}" for index in range(live_agents, params["agents"])]
    models = [f"agent-{index}" for index in range(live_agents)] or [
        f"server-{index}" for index in range(params["servers"])
    ]
    if params["host_aliases"]:
        return "host_aliases"
    if not live_agents and params["subnet"]:
        # The copy of a server has the server's pinned address.
        return "subnet"
    if any(set(selected(params, item)) & set(new) for item in params["files"]):
        return "files"
    if any(set(holders(params, item)) & set(new) for item in params["ports"]):
        return "ports"
    if any(set(value) & set("=,\"") for node in new for value in wanted_labels(params).get(node, {}).values()):
        return "runtime_labels"
    volumes = wanted_volumes(params)

    def like(node: str) -> tuple[Any, ...]:
        mounts = sorted(text[: -len(f" on {node}")] for text in volumes if text.endswith(f" on {node}"))
        args = sorted(normal_args(wanted_args(params).get(node, []))) if live_agents else ""
        return mounts, wanted_env(params).get(node, {}), args

    kinds = ("volumes", "env", "k3s_extra_args or node_labels")
    for node in new:
        for model in models:
            for kind, one, other in zip(kinds, like(node), like(model)):
                if one != other:
                    return kind
    return ""
