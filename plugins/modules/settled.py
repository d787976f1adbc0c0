#!/usr/bin/python

# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: settled
short_description: Tell which roles of the platform have nothing to do
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - A run that ended well has this module look at the whole platform and keep what it saw (O(state=present)). The next
    run has it look again (O(state=looked)); where nothing differs, a role would find nothing to do and may be left out.
  - It looks at the tools, the nodes, the identity of the cluster, the content of the applications and their images in
    Docker and in every node, the newest revision of every Helm release, what the application says of its health, and the
    certificate that it answers with.
    What cannot be seen, or is not as it should be, counts as changed.
  - Settings, and the collection itself, are known by O(inputs). With other inputs no role is settled.
extends_documentation_fragment:
  - luckyplans.platform._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - It keeps a record for the next run, no state that a person describes.
  idempotent:
    support: full
options:
  record_file:
    description: Where the record is kept, with mode 0600.
    type: path
    required: true
  inputs:
    description: A digest of everything that the roles are told. It is compared as text.
    type: str
    required: true
  state:
    description:
      - V(looked) compares with the record and changes nothing.
      - V(present) makes the record.
    type: str
    choices: [looked, present]
    default: looked
  facts:
    description: With O(state=present), what the roles handed on to each other; a later run gets it back.
    type: dict
    default: {}
  questions:
    description: With O(state=present), what has to be known to look; a later look asks the same.
    type: dict
    suboptions:
      engine:
        description: What the cluster was made with.
        type: str
        choices: [k3d, kind]
        required: true
      cluster:
        description: The cluster's name.
        type: str
        required: true
      kubeconfig:
        description: The cluster's own kubeconfig.
        type: path
        required: true
      bin_dir:
        description: The directory of links to the tools.
        type: path
        required: true
      node_image:
        description: The image that nodes are made of; empty where Docker need not have it.
        type: str
        required: true
      files:
        description: Files on the host that belong to the cluster.
        type: list
        elements: path
        default: []
      plan:
        description: The options of M(luckyplans.platform.image_plan).
        type: dict
        required: true
      in_nodes:
        description: The images that every node must have.
        type: list
        elements: str
        required: true
      memory:
        description: The O(luckyplans.platform.node_images#module:cache_file) of M(luckyplans.platform.node_images).
        type: path
        required: true
      health_url:
        description: Where the application is asked.
        type: str
        required: true
      health_query:
        description: The GraphQL query that a healthy application answers.
        type: str
        required: true
      health_address:
        description: What to connect to in place of the name in C(health_url).
        type: str
        default: ""
      health_ca_file:
        description: PEM file of certificates to know the application by; empty trusts what the system trusts.
        type: path
        default: ""
      health_certificate_days:
        description: With how many days left the application's certificate is to be renewed.
        type: int
        default: 0
  docker:
    description: The docker command line.
    type: str
    default: docker
  timeout:
    description: Seconds that one question to Docker or Helm may take.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: See which roles have nothing to do
  luckyplans.platform.settled:
    record_file: ~/.luckyplans/clusters/luckyplans/settled.json
    inputs: "{{ {'ports': [80, 443]} | to_json | hash('sha256') }}"
  register: __example_settled

- name: Do what is left
  ansible.builtin.debug:
    msg: The images have to be looked at.
  when: "'images' not in __example_settled.roles"
"""

RETURN = r"""
roles:
  description: The roles that have nothing to do.
  returned: always
  type: list
  elements: str
  sample: [toolchain, cluster, traefik]
facts:
  description: O(facts) of the record, when any role is settled.
  returned: always
  type: dict
namespaces:
  description: Labels and Helm's annotations of the namespaces that hold releases, by name, when the cluster is settled.
  returned: always
  type: dict
unsettled:
  description: The parts of the platform that differ from the record, or could not be seen.
  returned: always
  type: list
  elements: str
  sample: [images]
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils._content import write_atomically
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Docker
from ansible_collections.luckyplans.platform.plugins.module_utils._settled import LOOKS, look, settled

QUESTIONS = {
    "engine": {"type": "str", "choices": ["k3d", "kind"], "required": True},
    "cluster": {"type": "str", "required": True},
    "kubeconfig": {"type": "path", "required": True},
    "bin_dir": {"type": "path", "required": True},
    "node_image": {"type": "str", "required": True},
    "files": {"type": "list", "elements": "path", "default": []},
    "plan": {"type": "dict", "required": True},
    "in_nodes": {"type": "list", "elements": "str", "required": True},
    "memory": {"type": "path", "required": True},
    "health_url": {"type": "str", "required": True},
    "health_query": {"type": "str", "required": True},
    "health_address": {"type": "str", "default": ""},
    "health_ca_file": {"type": "path", "default": ""},
    "health_certificate_days": {"type": "int", "default": 0},
}


def read_record(path: str) -> dict[str, Any]:
    """The record of an earlier run; nothing where there is none that can be used."""
    try:
        with open(path, encoding="utf-8") as handle:
            record = json.load(handle)
        return record if {"inputs", "questions", "seen", "facts"} <= set(record) else {}
    except (OSError, ValueError, TypeError):
        return {}


def compare(params: dict[str, Any], docker: Docker) -> dict[str, Any]:
    record = read_record(params["record_file"])
    if record.get("inputs") != params["inputs"]:
        return {"roles": [], "facts": {}, "namespaces": {}, "unsettled": ["inputs"]}
    now = look(record["questions"], docker)
    roles = settled(record["seen"], now)
    differs = [part for part in LOOKS if now[part] is None or now[part] != record["seen"].get(part)]
    namespaces = now["cluster"]["namespaces"] if "cluster" in roles else {}
    return {"roles": roles, "facts": record["facts"] if roles else {}, "namespaces": namespaces, "unsettled": differs}


def keep(module: AnsibleModule, docker: Docker) -> dict[str, Any]:
    params = module.params
    seen = look(params["questions"], docker)
    record = {"inputs": params["inputs"], "questions": params["questions"], "seen": seen, "facts": params["facts"]}
    if record != read_record(params["record_file"]) and not module.check_mode:
        try:
            write_atomically(params["record_file"], json.dumps(record, indent=1, sort_keys=True))
        except OSError as error:
            module.fail_json(msg=f"record_file {params['record_file']} cannot be written: {error.strerror}.")
    return {"roles": settled(seen, seen), "facts": {}, "namespaces": {}, "unsettled": [part for part in LOOKS if seen[part] is None]}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "record_file": {"type": "path", "required": True},
            "inputs": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["looked", "present"], "default": "looked"},
            "facts": {"type": "dict", "default": {}},
            "questions": {"type": "dict", "options": QUESTIONS},
            "docker": {"type": "str", "default": "docker"},
            "timeout": {"type": "int", "default": 30},
        },
        required_if=[("state", "present", ["questions"])],
        supports_check_mode=True,
    )
    docker = Docker(module.params["docker"], module.params["timeout"])
    # a record for the next run is no change of the platform
    module.exit_json(changed=False, **(keep(module, docker) if module.params["state"] == "present" else compare(module.params, docker)))


if __name__ == "__main__":
    main()
