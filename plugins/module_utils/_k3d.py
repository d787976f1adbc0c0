# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""The only code that runs k3d; its JSON is parsed here and nowhere else. What the options mean is in _k3d_config."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.luckyplans.platform.plugins.module_utils import _k3d_config as wanted
from ansible_collections.luckyplans.platform.plugins.module_utils._cli import Cli, Secrets, clean_env
from ansible_collections.luckyplans.platform.plugins.module_utils._cluster import (
    LIVE,
    RECREATE,
    ClusterError,
    Difference,
    Docker,
    Engine,
    Goal,
    Live,
    Node,
    Step,
    compare,
    make_goal,
    mount_text,
    natural,
    node_of,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._kubeapi import (
    Api,
    NotDrained,
    bound_volumes,
    delete_node,
    drain,
    epoch,
    node_names,
    open_node,
    parse_kubeconfig,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report

CLUSTER_LABEL = "k3d.cluster"
ROLE_LABEL = "k3d.role"
TOKEN_LABEL = "k3d.cluster.token"
SUBNET_LABEL = "k3d.cluster.network.iprange"
#: Where a server writes its kubeconfig once it serves; k3d itself reads it there.
KUBECONFIG_IN_SERVER = "/output/kubeconfig.yaml"
#: Time for pulling images, on top of k3d's own timeout.
PULL_SECONDS = 1800
#: Variables that k3d gives to nodes.
OWN_ENV = ("K3S_TOKEN", "K3S_URL", "K3S_KUBECONFIG_OUTPUT")
#: Where k3d mounts files of its own that make a memory limit seen.
OWN_MOUNTS = ("/proc/meminfo", "/sys/devices/system/edac")
ROLES = {"server": 0, "agent": 1, "loadbalancer": 2}
#: Settings that are compared as they can be read from outside, each for every node.
BY_NODE = ("ports", "volumes", "k3s_extra_args", "node_labels", "runtime_labels", "env")


# ---------------------------------------------------------------------------------------------------------------------
# Pure: JSON to facts


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


def entries_of(
    cluster: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
    """The nodes of a cluster in a cluster list, by the names that node filters have for them; and what is left over.

    By position: agents that were added later have other names than k3d's first ones, and some may have gone. Left over
    is one of two load balancers, after a change of ports that was killed; the one that has never run has no settings.
    """
    ran = {item["Name"].lstrip("/") for item in containers if epoch(item["State"]["StartedAt"]) > 0}
    entries = [item for item in cluster["nodes"] if item["role"] in ROLES]
    entries.sort(key=lambda item: (ROLES[item["role"]], natural(item["name"])))
    balancers = [item for item in entries if item["role"] == "loadbalancer"]
    balancers.sort(key=lambda item: item["name"] not in ran)
    found: dict[str, Mapping[str, Any]] = {}
    for item in entries:
        if item["role"] != "loadbalancer":
            count = sum(other["role"] == item["role"] for other in found.values())
            found[f"{item['role']}-{count}"] = item
    if balancers:
        found["loadbalancer"] = balancers[0]
    return found, [item["name"] for item in balancers[1:]]


def live_from_cluster(cluster: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> Live:
    """The cluster that one entry of "k3d cluster list -o json" and "docker container inspect" describe.

    k3d tells the ids of images, Docker also the names by which they were asked for, and when a node was started.
    """
    entries, _left = entries_of(cluster, containers)
    roles = [item["role"] for item in entries.values()]
    api: Mapping[str, Any] = next(
        (item["serverOpts"]["kubeAPI"] for item in entries.values() if item["role"] == "server" and item.get("serverOpts")),
        {},
    )
    binding = api.get("Binding") or {}
    own_volume = cluster.get("imageVolume") or f"k3d-{cluster['name']}-images"
    volumes: list[str] = []
    named: set[str] = set()
    for holder, item in entries.items():
        for volume in item.get("volumes") or []:
            parts = volume.split(":")
            target = parts[-1 if len(parts) == 1 else 1]
            if parts[0] == own_volume or target in OWN_MOUNTS:
                continue
            volumes.append(f"{mount_text(parts[0], target)} on {holder}")
            if parts[0].startswith("k3d-"):
                named.add(parts[0])
    known = {node.name: node for node in (node_of(item, _role(item)) for item in containers)}
    if not {item["name"] for item in entries.values()} <= set(known):
        raise ClusterError(
            f'k3d and Docker disagree on the nodes of the cluster "{cluster["name"]}"; something is changing it: '
            f"wait for that to end, then run again."
        )
    servers = [item for item in containers if _role(item) == "server"]
    images = sorted({item["Config"]["Image"] for item in servers})
    host = api.get("host") or binding.get("HostIp", "")
    return Live(
        nodes=tuple(known[item["name"]] for item in entries.values()),
        image=", ".join(images),
        api_server=f"https://{host}:{binding['HostPort']}" if binding.get("HostPort") else "",
        identity=tuple(sorted(item["Id"] for item in servers)),
        settings={
            "image": ", ".join(images),
            "servers": roles.count("server"),
            "agents": roles.count("agent"),
            "load_balancer": "loadbalancer" in roles,
            "api_host": binding.get("HostIp", ""),
            "api_port": int(binding.get("HostPort") or 0),
            "ports": sorted(published(entries)),
            "volumes": sorted(volumes),
        },
        volumes=tuple(sorted(named)),
    )


def published(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The ports that nodes publish, as they are compared; each with k3d's own way to write it."""
    found = {}
    for holder, item in entries.items():
        for key, bindings in (item.get("portMappings") or {}).items():
            node_port, _slash, protocol = key.partition("/")
            for entry in bindings or []:
                if node_port != wanted.API_PORT:
                    host_ip = entry["HostIp"]
                    text = wanted.port_text(holder, host_ip, entry["HostPort"], node_port, protocol or "tcp")
                    address = f"[{host_ip}]" if ":" in host_ip else host_ip
                    prefix = f"{address}:" if address else ""
                    found[text] = f"{prefix}{entry['HostPort']}:{node_port}/{protocol or 'tcp'}"
    return found


def _role(container: Mapping[str, Any]) -> str:
    return str(container["Config"]["Labels"].get(ROLE_LABEL, "unknown"))


def own_args(container: Mapping[str, Any]) -> list[str]:
    """The arguments that k3d itself gives to a server."""
    if _role(container) != "server":
        return []
    labels = container["Config"]["Labels"]
    names = (labels.get("k3d.server.api.host"), labels.get("k3d.server.loadbalancer"))
    init = ["--cluster-init"] if labels.get("k3d.server.init") == "true" else []
    return [*init, *(f"--tls-san={name}" for name in names if name)]


def without_gone(texts: Sequence[str], agents: int) -> list[str]:
    """What is left of "something on NODE" where only so many agents are looked at."""

    def kept(text: str) -> bool:
        match = re.search(r" on agent-(\d+)$", text)
        return match is None or int(match[1]) < agents

    return [text for text in texts if kept(text)]


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
        self.context = f"k3d-{self.name}"
        self.network_optional = any(item["arg"] == "--flannel-backend=none" for item in params["k3s_extra_args"])
        #: What the last look saw, by the names of node filters.
        self.entries: dict[str, Mapping[str, Any]] = {}
        self.containers: dict[str, Mapping[str, Any]] = {}
        self.left_over: list[str] = []
        self._image_env: dict[str, list[str] | None] = {}

    def look(self) -> Live | None:
        # The list form: asked for one cluster by name, k3d fails in the same way whether it is absent or Docker is.
        clusters = self.k3d.json(["cluster", "list", "-o", "json"]) or []
        for token in tokens(clusters):
            self.k3d.secrets.add(token)
        cluster = find_cluster(clusters, self.name)
        self.entries, self.containers, self.left_over = {}, {}, []
        if cluster is None:
            return None
        self.token = next(iter(tokens([cluster])), "")
        ids = self._containers()
        containers = self.docker.inspect(ids) if ids else []
        live = live_from_cluster(cluster, containers)
        self.entries, self.left_over = entries_of(cluster, containers)
        by_name = {item["Name"].lstrip("/"): item for item in containers}
        self.containers = {holder: by_name[entry["name"]] for holder, entry in self.entries.items()}
        return live

    def _containers(self) -> list[str]:
        return self.docker.ids({"app": "k3d", CLUSTER_LABEL: self.name})

    def identity(self) -> list[str]:
        # Servers only: agents come and go, and k3d replaces the load balancer when its ports change.
        return sorted(self.docker.ids({"app": "k3d", CLUSTER_LABEL: self.name, ROLE_LABEL: "server"}))

    def ever_served(self, live: Live) -> bool:
        return any(self.docker.has_written(server, KUBECONFIG_IN_SERVER) for server in live.identity)

    def _node_settings(self) -> dict[str, Any]:
        """What the options make of every node, as it is compared."""
        params = self.params
        args = wanted.wanted_args(params)
        return {
            "ports": sorted(wanted.wanted_ports(params)),
            "volumes": wanted.wanted_volumes(params),
            "k3s_extra_args": wanted.args_texts(args, labels=False),
            "node_labels": wanted.args_texts(args, labels=True),
            "runtime_labels": wanted.label_texts(wanted.wanted_labels(params)),
            "env": wanted.env_texts(wanted.wanted_env(params)),
        }

    def spec(self) -> dict[str, Any]:
        memory = {key: self.params[key] for key in ("servers_memory", "agents_memory")}
        return {**self.planned().settings, **self._node_settings(), **memory, **wanted.traceless(self.params)}

    def planned(self) -> Live:
        params = self.params
        prefix = f"k3d-{self.name}-"
        nodes = [Node(f"{prefix}server-{index}", "server") for index in range(params["servers"])]
        nodes += [Node(f"{prefix}agent-{index}", "agent") for index in range(params["agents"])]
        if params["load_balancer"]:
            nodes.append(Node(f"{prefix}serverlb", "loadbalancer"))
        host = wanted.reachable_host(params["api_host"])
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
                "ports": sorted(wanted.wanted_ports(params)),
                "volumes": wanted.wanted_volumes(params),
            },
        )

    # Differences

    def differences(self, live: Live, recorded: Mapping[str, Any]) -> list[Difference]:
        now, asked = live.settings, self.spec()
        pairs = {key: (now[key], asked[key]) for key in ("servers", "agents", "load_balancer", "api_host")}
        if asked["api_port"]:
            pairs["api_port"] = (now["api_port"], asked["api_port"])
        # What is on an agent comes and goes with it.
        agents = min(now["agents"], asked["agents"])
        seen = self._seen(live, recorded)
        pairs.update({key: (without_gone(seen[key], agents), without_gone(asked[key], agents)) for key in BY_NODE})
        pairs.update(self._memory())
        pairs.update(self._traceless(asked, recorded))
        found = [replace(item, klass=self._class(item)) for item in compare(pairs)]
        ids = sorted({item["Image"] for item in self.containers.values() if _role(item) != "loadbalancer"})
        if len(ids) > 1:
            found.insert(0, Difference("image", f"{now['image']}, {len(ids)} different images", asked["image"]))
        elif now["image"] != asked["image"] and not self._same_image(asked["image"]):
            found.insert(0, Difference("image", now["image"], asked["image"]))
        if self.left_over:
            found.append(Difference("load_balancer", f"and left over: {', '.join(self.left_over)}", True, LIVE))
        if self.params["token"] and self.params["token"] != self.token:
            found.append(Difference("token", "(another one)", "(the one given)"))
        return found

    def _class(self, difference: Difference) -> str:
        if difference.path == "agents":
            adds = difference.after > difference.before
            return RECREATE if adds and wanted.agent_obstacle(self.params, difference.before) else LIVE
        if difference.path == "ports" and "loadbalancer" in self.entries and self.params["load_balancer"]:
            touched = set(difference.before) ^ set(difference.after)
            return LIVE if all(text.endswith(" on loadbalancer") for text in touched) else RECREATE
        return RECREATE

    def _seen(self, live: Live, recorded: Mapping[str, Any]) -> dict[str, list[str]]:
        """The settings of the nodes as their containers show them."""
        k3s_nodes = {key: item for key, item in self.containers.items() if _role(item) != "loadbalancer"}
        args = {
            holder: wanted.user_args(item["Config"]["Cmd"] or [], own_args(item)) for holder, item in k3s_nodes.items()
        }
        labels, env = wanted.wanted_labels(self.params), wanted.wanted_env(self.params)
        # Labels that nobody has asked for are none of ours: images and desktop versions of Docker add some.
        named = {text.partition("=")[0] for text in recorded.get("runtime_labels", []) if isinstance(text, str)}
        named |= {key for pairs in labels.values() for key in pairs}
        found_labels = {
            holder: {key: value for key, value in item["Config"]["Labels"].items() if key in named}
            for holder, item in k3s_nodes.items()
        }
        found_env = {holder: self._user_env(item, env.get(holder, {})) for holder, item in k3s_nodes.items()}
        return {
            "ports": list(live.settings["ports"]),
            "volumes": list(live.settings["volumes"]),
            "k3s_extra_args": wanted.args_texts(args, labels=False),
            "node_labels": wanted.args_texts(args, labels=True),
            "runtime_labels": wanted.label_texts(found_labels),
            "env": wanted.env_texts(found_env),
        }

    def _user_env(self, container: Mapping[str, Any], asked: Mapping[str, str]) -> dict[str, str]:
        """The variables of a node that neither its image nor k3d has set."""
        entries = container["Config"]["Env"] or []
        image = container["Image"]
        if image not in self._image_env:
            self._image_env[image] = self.docker.image_env(image)
        given = self._image_env[image]
        found = {}
        for entry in entries:
            key, _equals, value = entry.partition("=")
            foreign = given is not None and entry not in given and key not in OWN_ENV
            if key in asked or foreign:
                found[key] = value
        return found

    def _memory(self) -> dict[str, tuple[Any, Any]]:
        """Limits as Docker holds them; k3d gives all nodes of a role the same."""
        pairs = {}
        for role in ("server", "agent"):
            limits = {item["HostConfig"]["Memory"] for item in self.containers.values() if _role(item) == role}
            option = f"{role}s_memory"
            asked = wanted.memory_bytes(option, self.params[option])
            if limits and limits != {asked}:
                pairs[option] = (", ".join(map(str, sorted(limits))), str(asked))
        return pairs

    def _traceless(self, asked: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Settings that leave no trace: by the record, else by the label that stands for all of them."""
        if recorded:
            return {key: (recorded[key], asked[key]) for key in wanted.TRACELESS if key in recorded}
        server = self.containers.get("server-0")
        label = server["Config"]["Labels"].get(wanted.SPEC_LABEL) if server else None
        if label == wanted.traceless_hash(self.params):
            return {}
        pairs: dict[str, tuple[Any, Any]] = {key: ("(unknown)", asked[key]) for key in wanted.TRACELESS if asked[key]}
        if label is not None and not pairs:
            return {", ".join(wanted.TRACELESS): ("(something)", "")}
        if asked["subnet"] and server and server["Config"]["Labels"].get(SUBNET_LABEL) == asked["subnet"]:
            del pairs["subnet"]
        return pairs

    def _same_image(self, reference: str) -> bool:
        servers = [item for item in self.containers.values() if _role(item) == "server"]
        return all(self.docker.same_image(reference, item["Config"]["Image"], item["Image"]) for item in servers)

    # Changes in place

    def changes(self, live: Live) -> list[Step]:
        gone, new = self._agents_gone(live), self._agents_new(live)
        close, reopen, add = self._port_moves(live, agents_go=bool(gone))
        shown = ", ".join
        steps = []
        if self.left_over:
            text = f"remove the load balancer {shown(self.left_over)}, left over from an interrupted change"
            steps.append(Step("change", text, "tidy", tuple(self.left_over)))
        if gone:
            steps.append(Step("change", f"drain the agents {shown(gone)}", "drain", tuple(gone)))
        if close:
            steps.append(Step("change", f"close the ports {shown(close)}", "unpublish", tuple(close)))
        if gone:
            steps.append(Step("change", f"delete the agents {shown(gone)}", "delete", tuple(gone)))
        if new:
            steps.append(Step("change", f"add the agents {shown(new)}", "add", tuple(new)))
        # Apart from the new ones: a new port may turn out to be taken, and must not keep the others closed.
        for ports, text in ((reopen, "open again the ports"), (add, "publish the ports")):
            if ports:
                steps.append(Step("change", f"{text} {shown(ports)}", "publish", tuple(ports)))
        return steps

    def _agents_gone(self, live: Live) -> list[str]:
        names = [node.name for node in live.nodes if node.role == "agent"]
        return names[self.params["agents"] :]

    def _agents_new(self, live: Live) -> list[str]:
        """Names as "k3d node create" forms them, with numbers that no present agent has."""
        names = [node.name for node in live.nodes if node.role == "agent"]
        prefix = f"k3d-{self.name}-agent-"
        used = [int(match[1]) for name in names for match in [re.match(rf"{re.escape(prefix)}(\d+)", name)] if match]
        first = max(used, default=-1) + 1
        return [f"{prefix}{first + index}-0" for index in range(self.params["agents"] - len(names))]

    def _port_moves(self, live: Live, *, agents_go: bool) -> tuple[list[str], list[str], list[str]]:
        """The ports of the load balancer to close, to open again, and to open."""
        if "loadbalancer" not in self.entries:
            return [], [], []
        on_balancer = " on loadbalancer"
        now = [text for text in live.settings["ports"] if text.endswith(on_balancer)]
        asked = [text for text in sorted(wanted.wanted_ports(self.params)) if text.endswith(on_balancer)]
        close = [text for text in now if text not in asked]
        # k3d closes a port of the nodes for all ports of this machine that lead to it.
        inner = {text.partition("->")[2] for text in close}
        # And it leaves agents that are gone in the load balancer's list, which then does not start again.
        kept = {text: item for text, item in wanted.wanted_ports(self.params).items() if text in now}
        again = sorted(
            text
            for text, item in kept.items()
            if text.endswith(on_balancer)
            and (text.partition("->")[2] in inner or (agents_go and wanted.leads_to_agents(item)))
        )
        return sorted([*close, *again]), again, [text for text in asked if text not in now]

    def changed(self, live: Live) -> Live:
        gone = self._agents_gone(live)
        nodes = [node for node in live.nodes if node.name not in gone]
        nodes += [Node(name, "agent") for name in self._agents_new(live)]
        if self.left_over:
            name = f"k3d-{self.name}-serverlb"
            nodes = [replace(node, name=name) if node.role == "loadbalancer" else node for node in nodes]
        nodes.sort(key=lambda node: (ROLES[node.role], natural(node.name)))
        settings = self.planned().settings
        changed = {key: settings[key] for key in ("agents", "ports", "volumes")}
        return replace(live, nodes=tuple(nodes), settings={**live.settings, **changed})

    def change(self, step: Step, workdir: str) -> None:
        self.look()
        if step.act == "publish":
            ports = wanted.wanted_ports(self.params)
            specs = [f"{wanted.port_spec(ports[text])}@{';'.join(ports[text]['node_filters'])}" for text in step.names]
            self._edit(wanted.publish_argv(self.name, specs))
        elif step.act == "unpublish":
            known = published(self.entries)
            # All nodes, whatever the port led to: k3d forgets those that are named.
            self._edit(wanted.unpublish_argv(self.name, [f"{known[text]}@loadbalancer" for text in step.names]))
        elif step.act == "tidy":
            self._tidy()
        elif step.act == "add":
            self._add_agents(step.names, workdir)
        else:
            self._leave(step, workdir)

    def _tidy(self) -> None:
        """Leave one load balancer, under its own name: with two, k3d would start both."""
        for name in self.left_over:
            self.k3d.run(["node", "delete", name], timeout=120, on_line=report)
        name = f"k3d-{self.name}-serverlb"
        if self.left_over and self.entries["loadbalancer"]["name"] != name:
            self.docker.rename(self.entries["loadbalancer"]["name"], name)

    def _edit(self, argv: Sequence[str]) -> None:
        self.k3d.run(argv, timeout=120, on_line=report)

    def _api(self, workdir: str) -> Api:
        access = parse_kubeconfig(self.kubeconfig())
        if access is None:
            raise ClusterError(
                f'The kubeconfig that k3d gives for the cluster "{self.name}" cannot be understood; '
                f'check "k3d kubeconfig get {self.name}" by hand.'
            )
        return Api(access, workdir)

    def _add_agents(self, names: Sequence[str], workdir: str) -> None:
        timeout = self.params["timeout"]
        api = self._api(workdir)
        present = {entry["name"] for entry in self.entries.values()}
        # What is left of agents that somebody deleted by hand: a new one of the same name could not join.
        for name in _through(names[0], self.name, node_names, api):
            if name.startswith(f"k3d-{self.name}-agent-") and name not in present:
                _through(name, self.name, delete_node, api, name)
        for name in names:
            first = not any(entry["role"] == "agent" for entry in self.entries.values())
            argv = wanted.add_agent_argv(self.params, name, first=first, timeout=timeout)
            self.k3d.run(argv, timeout=timeout + PULL_SECONDS, on_line=report)
            self.look()

    def _leave(self, step: Step, workdir: str) -> None:
        api = self._api(workdir)
        running = {entry["name"] for entry in self.entries.values() if entry["State"]["Running"]}
        for name in step.names:
            if step.act == "drain" and not self.params["delete_volumes"]:
                bound = _through(name, self.name, bound_volumes, api, name)
                if bound:
                    raise ClusterError(
                        f'The agent "{name}" holds the only data of the persistent volumes {", ".join(bound)}; save '
                        f"them and set delete_volumes to true, or keep agents as it is."
                    )
        closed: list[str] = []
        for name in step.names:
            if step.act == "delete":
                # The node object first: as long as the container is there, an interrupted run is taken up again.
                _through(name, self.name, delete_node, api, name)
                self.k3d.run(["node", "delete", name], timeout=120, on_line=report)
                _through(name, self.name, delete_node, api, name)
            elif name in running:
                try:
                    timeout = self.params["drain_timeout"]
                    _through(name, self.name, drain, api, name, timeout=timeout, report=report)
                except ClusterError:
                    for other in closed:
                        _through(other, self.name, open_node, api, other)
                    raise
                closed.append(name)

    # The cluster as a whole

    def create(self, workdir: str, on_start: Callable[[int], None]) -> None:
        path = os.path.join(workdir, "k3d.yaml")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(wanted.config_text(wanted.config(self.params)))
        for index, item in enumerate(self.params["files"]):
            shutil.copyfile(item["source"], os.path.join(workdir, wanted.file_name(index)))
        self._forget_registry()
        self.k3d.run(
            wanted.create_argv(self.name, path),
            timeout=self.params["timeout"] + PULL_SECONDS,
            env=_scratch(workdir),
            on_line=report,
            on_start=on_start,
        )

    def _forget_registry(self) -> None:
        """Remove a registry that never ran: k3d keeps it and its network, and then takes them for a cluster of this name."""
        labels = {"app": "k3d", CLUSTER_LABEL: self.name, ROLE_LABEL: "registry"}
        ids = self.docker.ids(labels)
        found = self.docker.inspect(ids) if ids else []
        for item in found:
            if epoch(item["State"]["StartedAt"]) <= 0:
                self.docker.remove(item["Id"])

    def remove(self, workdir: str) -> None:
        self._forget_registry()
        self.k3d.run(["cluster", "delete", self.name], timeout=300, env=_scratch(workdir), on_line=report)

    def start(self, live: Live) -> None:
        self._tidy()
        timeout = self.params["timeout"]
        self.k3d.run(wanted.start_argv(self.name, timeout), timeout=timeout + 60, on_line=report)

    def stop(self, live: Live) -> None:
        self.k3d.run(["cluster", "stop", self.name], timeout=300, on_line=report)

    def kubeconfig(self) -> str:
        return self.k3d.run(["kubeconfig", "get", self.name], private=True).stdout

    def merge(self, workdir: str, path: str) -> None:
        argv = ["kubeconfig", "merge", self.name, "--output", path, "--kubeconfig-switch-context=false"]
        self.k3d.run(argv, env=_scratch(workdir))

    def log_tails(self) -> dict[str, str]:
        return self.docker.log_tails(self._containers())


def _through(agent: str, cluster: str, call: Callable[..., Any], *values: Any, **options: Any) -> Any:
    """Ask the API for something that concerns an agent; its refusal as a sentence."""
    try:
        return call(*values, **options)
    except NotDrained as lacks:
        raise ClusterError(
            f'The agent "{agent}" of the k3d cluster "{cluster}" cannot be taken in or out of service: {lacks}; remove '
            f"what keeps it, or set a longer drain_timeout, then run again."
        ) from lacks


def _scratch(workdir: str) -> dict[str, str]:
    """Where k3d leaves an expanded copy of its config, and the kubeconfig it takes a deleted cluster out of."""
    return {"TMPDIR": workdir, "KUBECONFIG": os.path.join(workdir, "kubeconfig")}


def read_facts(params: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
    """What there is to tell of one cluster, or of all."""
    k3d = Cli(params["executable"], clean_env(os.environ, without_prefixes=("K3D_",), without=("KUBECONFIG",)), secrets)
    docker = Docker(Cli("docker", clean_env(os.environ, without=("KUBECONFIG",)), secrets))
    clusters = k3d.json(["cluster", "list", "-o", "json"]) or []
    for token in tokens(clusters):
        secrets.add(token)
    asked = [item for item in clusters if params["name"] in (None, item["name"])]
    return {"clusters": [_facts(item, docker) for item in sorted(asked, key=lambda item: natural(item["name"]))]}


def _facts(cluster: Mapping[str, Any], docker: Docker) -> dict[str, Any]:
    ids = docker.ids({"app": "k3d", CLUSTER_LABEL: cluster["name"]})
    live = live_from_cluster(cluster, docker.inspect(ids) if ids else [])
    return {
        "name": cluster["name"],
        "state": live.state,
        "api_server": live.api_server,
        "network": (cluster.get("network") or {}).get("name", ""),
        **live.settings,
        "nodes": [
            {"name": node.name, "role": node.role, "id": node.id, "running": node.running} for node in live.nodes
        ],
    }


def build(params: Mapping[str, Any], secrets: Secrets) -> tuple[K3d, Goal]:
    """The engine and the goal for a set of module options, checked."""
    secrets.add(params["token"])
    proxy = ((params["registries"] or {}).get("create") or {}).get("proxy") or {}
    secrets.add(proxy.get("password"))
    goal = make_goal(params, params["timeout"])
    filled = wanted.defaulted(params)
    wanted.check_params(filled)
    k3d = Cli(params["executable"], wanted.environment(os.environ, params), secrets)
    docker = Docker(Cli("docker", clean_env(os.environ, without=("KUBECONFIG",)), secrets))
    engine = K3d(filled, k3d, docker)
    if goal.state == "present":
        engine.warnings = wanted.warnings(filled)
        engine.missing = wanted.missing_sources(filled)
    return engine, goal
