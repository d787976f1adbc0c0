#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kind_cluster
short_description: Manage a local Kubernetes cluster made by kind
version_added: 0.1.0
description:
  - Creates, compares, starts, stops and deletes one kind cluster on Docker, with one control plane node.
  - Nothing is deleted or created anew unless O(recreate) allows it.
author:
  - luckyplans contributors (@luckyplans)
requirements:
  - kind >= 0.33.0
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
  ports:
    description:
      - Ports of the control plane node to publish on this machine.
    type: list
    elements: dict
    default: []
    suboptions:
      host_ip:
        description: Address of this machine to publish the port on.
        type: str
        default: 127.0.0.1
      host_port:
        description: Port of this machine; V(0) lets kind choose a free one when the cluster is created.
        type: int
        required: true
      node_port:
        description: Port of the node.
        type: int
        required: true
      protocol:
        description: Protocol of the port.
        type: str
        choices: [tcp, udp, sctp]
        default: tcp
  mounts:
    description:
      - Directories or files of this machine to mount into every node.
    type: list
    elements: dict
    default: []
    suboptions:
      host_path:
        description: Absolute path on this machine.
        type: path
        required: true
      container_path:
        description: Absolute path in the node.
        type: str
        required: true
  workers:
    description: Number of worker nodes beside the control plane node.
    type: int
    default: 0
  disable_default_cni:
    description:
      - Do not install kind's own pod network. A node counts as ready although it still lacks one.
    type: bool
    default: false
  pod_subnet:
    description: Network for the addresses of pods; empty for kind's own choice.
    type: str
    default: ""
  kubeadm_config_patches:
    description: Patches for the kubeadm configuration, each a YAML document as text.
    type: list
    elements: str
    default: []
  wait:
    description:
      - Seconds to wait, after the nodes have been created or started, for the API and for every node to be ready.
      - Also waited in a run that finds the cluster running but not ready, for example after a reboot.
    type: int
    default: 300
  executable:
    description: Name or path of the kind binary.
    type: str
    default: kind
seealso:
  - module: luckyplans.platform.k3d_cluster
"""

EXAMPLES = r"""
- name: Make sure that a cluster exists and runs
  luckyplans.platform.kind_cluster:
    name: luckyplans
    image: kindest/node:v1.36.4
    kubeconfig: ~/.luckyplans/clusters/luckyplans/kubeconfig
    ports:
      - host_port: 80
        node_port: 80
      - host_port: 443
        node_port: 443

- name: Bring it in line with other options, even if that costs the old cluster
  luckyplans.platform.kind_cluster:
    name: luckyplans
    image: kindest/node:v1.36.4
    kubeconfig: ~/.luckyplans/clusters/luckyplans/kubeconfig
    workers: 1
    recreate: if_needed

- name: Give back its memory over night
  luckyplans.platform.kind_cluster:
    name: luckyplans
    kubeconfig: ~/.luckyplans/clusters/luckyplans/kubeconfig
    state: stopped

- name: Delete it
  luckyplans.platform.kind_cluster:
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
    - create the kind cluster "luckyplans" from image "kindest/node:v1.36.4", 1 node(s)
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
      sample: kind
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
          sample: luckyplans-control-plane
        role:
          description: V(control-plane) or V(worker).
          type: str
          returned: success
          sample: control-plane
    image:
      description: Reference of the node image; empty if there is no cluster.
      type: str
      returned: success
      sample: kindest/node:v1.36.4
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
      sample: ["127.0.0.1:80->80/tcp"]
    after:
      description: The wanted value.
      type: raw
      returned: success
      sample: ["127.0.0.1:8080->80/tcp"]
    class:
      description: What it takes to bring it about. With kind always V(recreate), a new cluster.
      type: str
      returned: success
      sample: recreate
diff:
  description: The cluster before and after, equal in check mode and outside of it.
  returned: success
  type: dict
  sample:
    before: {state: absent}
    after: {state: running, kubeconfig: current, image: "kindest/node:v1.36.4"}
    before_header: kind cluster luckyplans
    after_header: kind cluster luckyplans
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils._cluster import run_module
from ansible_collections.luckyplans.platform.plugins.module_utils._kind import build


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent", "started", "stopped"], "default": "present"},
            "image": {"type": "str"},
            "kubeconfig": {"type": "path", "required": True},
            "api_host": {"type": "str", "default": "127.0.0.1"},
            "api_port": {"type": "int", "default": 0},
            "ports": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "host_ip": {"type": "str", "default": "127.0.0.1"},
                    "host_port": {"type": "int", "required": True},
                    "node_port": {"type": "int", "required": True},
                    "protocol": {"type": "str", "choices": ["tcp", "udp", "sctp"], "default": "tcp"},
                },
            },
            "mounts": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "host_path": {"type": "path", "required": True},
                    "container_path": {"type": "str", "required": True},
                },
            },
            "workers": {"type": "int", "default": 0},
            "disable_default_cni": {"type": "bool", "default": False},
            "pod_subnet": {"type": "str", "default": ""},
            "kubeadm_config_patches": {"type": "list", "elements": "str", "default": []},
            "wait": {"type": "int", "default": 300},
            "recreate": {"type": "str", "choices": ["never", "if_needed"], "default": "never"},
            "adopt": {"type": "bool", "default": False},
            "executable": {"type": "str", "default": "kind"},
        },
        required_if=[("state", "present", ("image",))],
        supports_check_mode=True,
    )
    run_module(module, build)


if __name__ == "__main__":
    main()
