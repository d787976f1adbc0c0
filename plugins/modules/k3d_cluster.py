#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: k3d_cluster
short_description: Manage a local Kubernetes cluster made by k3d
version_added: 0.1.0
description:
  - Creates, compares, changes, starts, stops and deletes one k3d cluster on Docker.
  - Ports of the load balancer and the number of agents are changed in place, everything else by a new cluster.
  - Nothing is deleted or created anew unless O(recreate) allows it.
author:
  - luckyplans contributors (@luckyplans)
requirements:
  - k3d >= 5.9.0
  - docker, with a running engine
extends_documentation_fragment:
  - luckyplans.platform._attributes
  - luckyplans.platform._cluster
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  servers:
    description: Number of server nodes. An even number above one is warned about.
    type: int
    default: 1
  agents:
    description:
      - Number of agent nodes, changed in place.
      - Agents in excess, the last ones, are drained and deleted with their node objects.
        Ports of the load balancer that lead to agents are closed meanwhile, as it would not start again with nodes in its
        list that are gone.
      - Further agents are made after the present nodes. Where they would not be alike (because of O(files),
        O(host_aliases), ports of their own, or filters by which nodes of that kind differ), only a new cluster will do.
        The load balancer hands nothing on to them before its ports change; servers reach their pods.
    type: int
    default: 0
  drain_timeout:
    description:
      - Seconds that the pods of an agent may take to leave it before it is deleted. Disruption budgets are respected.
      - If they do not leave in time, the task fails and the agent is put into service again.
    type: int
    default: 120
  ports:
    description:
      - Ports to publish on this machine. Those of the load balancer are changed in place, with an interruption of a few
        seconds for all of them, the API included.
    type: list
    elements: dict
    default: []
    suboptions:
      host_ip:
        description: Address of this machine to publish the port on.
        type: str
        default: 127.0.0.1
      host_port:
        description: Port of this machine.
        type: int
        required: true
      node_port:
        description: Port of the nodes, or of the load balancer in front of them.
        type: int
        required: true
      protocol:
        description: Protocol of the port.
        type: str
        choices: [tcp, udp]
        default: tcp
      node_filters:
        description:
          - k3d node filters, such as V(loadbalancer) or V(server:0:direct), which name the load balancer or one node.
          - If empty, V(loadbalancer); with O(load_balancer=false), V(server:0:direct).
        type: list
        elements: str
        default: []
  volumes:
    description:
      - Directories, files or Docker volumes to mount into nodes.
      - Volumes whose name begins with C(k3d-) are deleted with the cluster, see O(delete_volumes); all others are kept.
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description: Absolute path on this machine, which must exist, or the name of a Docker volume.
        type: str
        required: true
      destination:
        description: Absolute path in the node, or one of k3d's names for paths of k3s, such as V(k3s-storage).
        type: str
        required: true
      node_filters:
        description: k3d node filters. If empty, all servers and agents.
        type: list
        elements: str
        default: []
  files:
    description:
      - Files to copy into nodes before they start. A changed content is a difference that takes a new cluster.
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description: Absolute path of the file on this machine.
        type: path
        required: true
      destination:
        description: Absolute path in the node, or one that begins with k3d's name for a path of k3s.
        type: str
        required: true
      node_filters:
        description: k3d node filters. If empty, all servers and agents.
        type: list
        elements: str
        default: []
  registries:
    description: Image registries for the cluster.
    type: dict
    suboptions:
      create:
        description: A registry to make, and to delete, with the cluster.
        type: dict
        suboptions:
          name:
            description: Name of its container, by which nodes reach it.
            type: str
            required: true
          host_ip:
            description: Address of this machine to publish it on.
            type: str
            default: 127.0.0.1
          host_port:
            description: Port of this machine; V(0) for a free one.
            type: int
            default: 0
          image:
            description: Image of the registry, if not k3d's own choice.
            type: str
            default: ""
          volumes:
            description: Mounts for it, each C(SOURCE:DESTINATION).
            type: list
            elements: str
            default: []
          proxy:
            description: Another registry that it is to be a cache for.
            type: dict
            suboptions:
              remote_url:
                description: Address of that registry.
                type: str
                required: true
              username:
                description: User for it.
                type: str
                default: ""
              password:
                description: Password of that user.
                type: str
                default: ""
      use:
        description: Registries made by k3d that the cluster is to use, each C(NAME) or C(NAME:PORT).
        type: list
        elements: str
        default: []
      config:
        description:
          - The text of a C(registries.yaml) for k3s, or the absolute path of one on this machine.
          - Set C(no_log) on the task if the text holds a password.
        type: str
        default: ""
  host_aliases:
    description: Further names for addresses, known to all nodes and to the cluster's DNS.
    type: list
    elements: dict
    default: []
    suboptions:
      ip:
        description: The address.
        type: str
        required: true
      hostnames:
        description: Its names.
        type: list
        elements: str
        required: true
  k3s_extra_args:
    description:
      - Arguments for k3s.
      - With V(--flannel-backend=none), a node counts as ready although it still lacks a pod network.
    type: list
    elements: dict
    default: []
    suboptions:
      arg:
        description: The argument, such as V(--disable=traefik).
        type: str
        required: true
      node_filters:
        description: k3d node filters. If empty, all servers.
        type: list
        elements: str
        default: []
  node_labels:
    description: Kubernetes labels that nodes give themselves when they join.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the label; not of a domain of Kubernetes that nodes may not use.
        type: str
        required: true
      value:
        description: Value of the label.
        type: str
        required: true
      node_filters:
        description: k3d node filters. If empty, all servers and agents.
        type: list
        elements: str
        default: []
  runtime_labels:
    description:
      - Docker labels for node containers. Those of the load balancer are not compared, as k3d takes them away when it
        changes a port.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the label; not C(app), not beginning with C(k3s.) or C(k3d.), and not C(platform.luckyplans.spec), by
            which the module knows settings that leave no other trace.
        type: str
        required: true
      value:
        description: Value of the label.
        type: str
        required: true
      node_filters:
        description: k3d node filters. If empty, all servers.
        type: list
        elements: str
        default: []
  env:
    description:
      - Environment variables for node containers.
      - In results and in the record, a hash stands for their values. Set C(no_log) on the task if one is a secret.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the variable.
        type: str
        required: true
      value:
        description: Value of the variable.
        type: str
        required: true
      node_filters:
        description: k3d node filters. If empty, all servers and agents.
        type: list
        elements: str
        default: []
  servers_memory:
    description: Memory that a server may use, such as V(2g); empty for no limit.
    type: str
    default: ""
  agents_memory:
    description: Memory that an agent may use, such as V(512m); empty for no limit.
    type: str
    default: ""
  subnet:
    description:
      - Network of the nodes, such as C(172.28.0.0/16); V(auto) lets k3d choose one and pin the addresses of servers.
      - Empty for Docker's own choice.
    type: str
    default: ""
  token:
    description:
      - Token by which nodes join; k3d makes one if it is left out, and the token of an existing cluster is then not
        compared.
    type: str
  load_balancer:
    description: Put k3d's load balancer in front of the servers.
    type: bool
    default: true
  tools_image:
    description:
      - Image for k3d's helper container, if not k3d's own.
      - On Linux, where nothing is run in it, the node image will do.
    type: str
    default: ""
  load_balancer_image:
    description: Image for the load balancer, if not k3d's own.
    type: str
    default: ""
  timeout:
    description:
      - Seconds that k3d may take to create or start the cluster, and seconds to wait afterwards for the API and for
        every node to be ready.
      - Also waited in a run that finds the cluster running but not ready, for example after a reboot.
    type: int
    default: 300
  merge_kubeconfig:
    description:
      - Also merge the context C(k3d-NAME) into C(~/.kube/config), by replacing that file in one step with mode C(0600). The
        current context stays the one it was.
      - It is taken out again when this module deletes the cluster; to set this to false later does not take it out.
    type: bool
    default: false
  delete_volumes:
    description:
      - Allow what deletes data that lie in volumes - the deletion of a cluster with mounted volumes whose names begin with
        C(k3d-), and of an agent that holds the only data of a persistent volume.
    type: bool
    default: false
  executable:
    description: Name or path of the k3d binary.
    type: str
    default: k3d
seealso:
  - module: luckyplans.platform.k3d_cluster_info
  - module: luckyplans.platform.kind_cluster
"""

EXAMPLES = r"""
- name: Make sure that a cluster exists and runs
  luckyplans.platform.k3d_cluster:
    name: luckyplans
    image: rancher/k3s:v1.36.4-k3s1
    kubeconfig: ~/.luckyplans/clusters/luckyplans/kubeconfig
    ports:
      - host_port: 80
        node_port: 80
      - host_port: 443
        node_port: 443
    k3s_extra_args:
      - arg: --disable=traefik

- name: One server without a load balancer, and data that outlives the cluster
  luckyplans.platform.k3d_cluster:
    name: luckyplans
    image: rancher/k3s:v1.36.4-k3s1
    kubeconfig: ~/.luckyplans/clusters/luckyplans/kubeconfig
    load_balancer: false
    ports:
      - host_ip: 0.0.0.0
        host_port: 443
        node_port: 443
    volumes:
      - source: /srv/luckyplans
        destination: k3s-storage

- name: Two agents and a further port, without a new cluster
  luckyplans.platform.k3d_cluster:
    name: luckyplans
    image: rancher/k3s:v1.36.4-k3s1
    kubeconfig: ~/.luckyplans/clusters/luckyplans/kubeconfig
    agents: 2
    ports:
      - host_port: 80
        node_port: 80
      - host_port: 443
        node_port: 443
      - host_port: 5432
        node_port: 30432
    k3s_extra_args:
      - arg: --disable=traefik

- name: Take over a cluster that was made by hand
  luckyplans.platform.k3d_cluster:
    name: mine
    image: rancher/k3s:v1.36.4-k3s1
    kubeconfig: ~/.luckyplans/clusters/mine/kubeconfig
    api_host: 0.0.0.0
    adopt: true

- name: Stop it
  luckyplans.platform.k3d_cluster:
    name: luckyplans
    kubeconfig: ~/.luckyplans/clusters/luckyplans/kubeconfig
    state: stopped

- name: Delete it
  luckyplans.platform.k3d_cluster:
    name: luckyplans
    kubeconfig: ~/.luckyplans/clusters/luckyplans/kubeconfig
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, in order, in plain English.
  returned: success
  type: list
  elements: str
  sample:
    - create the k3d cluster "luckyplans" from image "rancher/k3s:v1.36.4-k3s1", 1 node(s)
    - write the kubeconfig "/home/me/.luckyplans/clusters/luckyplans/kubeconfig"
cluster:
  description: The cluster afterwards, or as it would be in check mode.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the cluster.
      type: str
      returned: success
      sample: luckyplans
    engine:
      description: What the cluster is made with.
      type: str
      returned: success
      sample: k3d
    state:
      description: V(running) if all nodes run, V(stopped) if one does not, V(absent) if there is no cluster.
      type: str
      returned: success
      sample: running
    nodes:
      description: The nodes, as Docker knows them.
      type: list
      elements: dict
      returned: success
      contains:
        name:
          description: Name of the container.
          type: str
          returned: success
          sample: k3d-luckyplans-server-0
        role:
          description: V(server), V(agent) or V(loadbalancer).
          type: str
          returned: success
          sample: server
    image:
      description: Reference of the node image; empty if there is no cluster.
      type: str
      returned: success
      sample: rancher/k3s:v1.36.4-k3s1
    api_server:
      description:
        - Where the Kubernetes API is reached; empty if there is no cluster.
        - Also empty in check mode for a cluster still to be created with O(api_port=0).
      type: str
      returned: success
      sample: https://127.0.0.1:6443
differences:
  description:
    - Settings whose live value is not the wanted one, before the run. Also returned when the module refuses them.
    - Always empty with a O(state) other than V(present).
  returned: success, or refused differences
  type: list
  elements: dict
  contains:
    path:
      description: Name of the option.
      type: str
      returned: success
      sample: ports
    before:
      description: The live value.
      type: raw
      returned: success
      sample: ["127.0.0.1:80->80/tcp on loadbalancer"]
    after:
      description: The wanted value.
      type: raw
      returned: success
      sample: ["127.0.0.1:8080->80/tcp on loadbalancer"]
    class:
      description:
        - What it takes to bring it about - V(live), a change of the running cluster, V(restart), a restart of its nodes, or
          V(recreate), a new cluster. No setting is of class V(restart) at present.
      type: str
      returned: success
      sample: live
diff:
  description: The cluster before and after, equal in check mode and outside of it.
  returned: success
  type: dict
  sample:
    before: {state: absent}
    after: {state: running, kubeconfig: current, image: "rancher/k3s:v1.36.4-k3s1"}
    before_header: k3d cluster luckyplans
    after_header: k3d cluster luckyplans
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils._cluster import run_module
from ansible_collections.luckyplans.platform.plugins.module_utils._k3d import build

_NODE_FILTERS = {"type": "list", "elements": "str", "default": []}

_REGISTRIES = {
    "type": "dict",
    "options": {
        "create": {
            "type": "dict",
            "options": {
                "name": {"type": "str", "required": True},
                "host_ip": {"type": "str", "default": "127.0.0.1"},
                "host_port": {"type": "int", "default": 0},
                "image": {"type": "str", "default": ""},
                "volumes": {"type": "list", "elements": "str", "default": []},
                "proxy": {
                    "type": "dict",
                    "options": {
                        "remote_url": {"type": "str", "required": True},
                        "username": {"type": "str", "default": ""},
                        "password": {"type": "str", "default": "", "no_log": True},
                    },
                },
            },
        },
        "use": {"type": "list", "elements": "str", "default": []},
        "config": {"type": "str", "default": ""},
    },
}


def _named_values() -> dict[str, object]:
    return {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "value": {"type": "str", "required": True},
            "node_filters": _NODE_FILTERS,
        },
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent", "started", "stopped"], "default": "present"},
            "image": {"type": "str"},
            "kubeconfig": {"type": "path", "required": True},
            "api_host": {"type": "str", "default": "127.0.0.1"},
            "api_port": {"type": "int", "default": 0},
            "servers": {"type": "int", "default": 1},
            "agents": {"type": "int", "default": 0},
            "drain_timeout": {"type": "int", "default": 120},
            "ports": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "host_ip": {"type": "str", "default": "127.0.0.1"},
                    "host_port": {"type": "int", "required": True},
                    "node_port": {"type": "int", "required": True},
                    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
                    "node_filters": _NODE_FILTERS,
                },
            },
            "volumes": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "source": {"type": "str", "required": True},
                    "destination": {"type": "str", "required": True},
                    "node_filters": _NODE_FILTERS,
                },
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "source": {"type": "path", "required": True},
                    "destination": {"type": "str", "required": True},
                    "node_filters": _NODE_FILTERS,
                },
            },
            "registries": _REGISTRIES,
            "host_aliases": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "ip": {"type": "str", "required": True},
                    "hostnames": {"type": "list", "elements": "str", "required": True},
                },
            },
            "k3s_extra_args": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"arg": {"type": "str", "required": True}, "node_filters": _NODE_FILTERS},
            },
            "node_labels": _named_values(),
            "runtime_labels": _named_values(),
            "env": _named_values(),
            "servers_memory": {"type": "str", "default": ""},
            "agents_memory": {"type": "str", "default": ""},
            "subnet": {"type": "str", "default": ""},
            "token": {"type": "str", "no_log": True},
            "load_balancer": {"type": "bool", "default": True},
            "tools_image": {"type": "str", "default": ""},
            "load_balancer_image": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 300},
            "recreate": {"type": "str", "choices": ["never", "if_needed"], "default": "never"},
            "adopt": {"type": "bool", "default": False},
            "merge_kubeconfig": {"type": "bool", "default": False},
            "delete_volumes": {"type": "bool", "default": False},
            "executable": {"type": "str", "default": "k3d"},
        },
        required_if=[("state", "present", ("image",))],
        supports_check_mode=True,
    )
    run_module(module, build)


if __name__ == "__main__":
    main()
