#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: k3d_cluster_info
short_description: Tell about the k3d clusters of this machine
version_added: 0.1.0
description:
  - Returns facts on one k3d cluster or on all of them, whoever made them, and changes nothing.
  - Where Docker or k3d cannot tell, the module fails. An empty list means that there is no such cluster.
  - Tokens are neither returned nor shown.
author:
  - luckyplans contributors (@luckyplans)
requirements:
  - k3d >= 5.9.0
  - docker, with a running engine
extends_documentation_fragment:
  - luckyplans.platform._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: It changes nothing.
  idempotent:
    support: full
options:
  name:
    description: Exact name of the only cluster to tell about; all clusters if left out.
    type: str
  executable:
    description: Name or path of the k3d binary.
    type: str
    default: k3d
seealso:
  - module: luckyplans.platform.k3d_cluster
"""

EXAMPLES = r"""
- name: Look at a cluster
  luckyplans.platform.k3d_cluster_info:
    name: luckyplans
  register: found

- name: Its ports, if there is such a cluster
  ansible.builtin.debug:
    msg: "{{ found.clusters[0].ports }}"
  when: found.clusters | length > 0
"""

RETURN = r"""
clusters:
  description: The clusters, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the cluster.
      type: str
      returned: success
      sample: luckyplans
    state:
      description: V(running) if all nodes run, V(stopped) if one does not.
      type: str
      returned: success
      sample: running
    image:
      description: Reference of the servers' image.
      type: str
      returned: success
      sample: rancher/k3s:v1.36.4-k3s1
    api_server:
      description: Where the Kubernetes API is reached.
      type: str
      returned: success
      sample: https://127.0.0.1:6443
    api_host:
      description: Address of this machine on which the Kubernetes API is published.
      type: str
      returned: success
      sample: 127.0.0.1
    api_port:
      description: Port of this machine on which the Kubernetes API is published; V(0) if it is not.
      type: int
      returned: success
      sample: 6443
    servers:
      description: Number of server nodes.
      type: int
      returned: success
      sample: 1
    agents:
      description: Number of agent nodes.
      type: int
      returned: success
      sample: 0
    load_balancer:
      description: Whether there is a load balancer.
      type: bool
      returned: success
      sample: true
    ports:
      description: Ports published on this machine, without that of the API.
      type: list
      elements: str
      returned: success
      sample: ["127.0.0.1:80->80/tcp on loadbalancer"]
    volumes:
      description: Mounts, without those of k3d itself.
      type: list
      elements: str
      returned: success
      sample: ["/srv/luckyplans:/var/lib/rancher/k3s/storage on server-0"]
    network:
      description: Name of the Docker network.
      type: str
      returned: success
      sample: k3d-luckyplans
    nodes:
      description: The nodes.
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
        id:
          description: Id of the container.
          type: str
          returned: success
          sample: 30eaddc97c39467d3be4968f33126233a921360e6c030925205d3151e0a7e1bd
        running:
          description: Whether it runs.
          type: bool
          returned: success
          sample: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils._cluster import run_info_module
from ansible_collections.luckyplans.platform.plugins.module_utils._k3d import read_facts


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "executable": {"type": "str", "default": "k3d"},
        },
        supports_check_mode=True,
    )
    run_info_module(module, read_facts)


if __name__ == "__main__":
    main()
