#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_images
short_description: Put images of the local Docker into every node of a kind or k3d cluster
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Asks every node of the cluster what it has, moves only the layers that are missing, into all nodes at once, and
    asks every node again afterwards. An image counts as there when the node knows it by its complete name, the name
    leads to the configuration that Docker's image has, and its layers are there.
  - Images are pinned in the nodes, so that the kubelet does not remove them when the disk gets full.
  - Where the first import does not stand the proof, the image is imported once more with all of its layers.
options:
  engine:
    description: What runs the cluster's nodes in Docker.
    type: str
    required: true
    choices: [kind, k3d]
  cluster:
    description: The name of the cluster.
    type: str
    required: true
  images:
    description:
      - The images that every node shall have.
      - Each is a reference with a tag, or a dictionary with the keys V(name) (the reference in the cluster) and
        V(source) (the reference in Docker, by default the same).
      - A reference by digest is refused, because an imported image has no digest that the kubelet would find.
    type: list
    elements: raw
    required: true
  state:
    description: The images are to be there. Nothing is ever removed.
    type: str
    choices: [present]
    default: present
  docker:
    description: The docker command line.
    type: str
    default: docker
  cache_file:
    description:
      - A file that remembers which image configuration a manifest digest leads to, so that a later run need not ask.
      - It is written in check mode too. Without it every run asks the nodes for the manifests.
    type: path
  query_timeout:
    description: Seconds that a single question to Docker or to a node may take.
    type: int
    default: 60
  import_timeout:
    description: Seconds that reading the images from Docker, and importing them, may take.
    type: int
    default: 900
attributes:
  check_mode:
    support: full
    description: Can run in check mode and predict the same list of actions.
  diff_mode:
    support: full
    description: Returns the images of each node before and after.
  idempotent:
    support: full
    description: A second run with the same images changes nothing.
notes:
  - A node that is stopped or missing is an error that names it; the other nodes are served all the same.
requirements:
  - The docker command line, and the right to use it.
seealso:
  - module: luckyplans.platform.image_plan
"""

EXAMPLES = r"""
- name: Put the application and Redis into the cluster
  luckyplans.platform.node_images:
    engine: kind
    cluster: luckyplans
    images:
      - luckyplans/web:c-0123456789abcdef
      - name: redis:7-alpine
        source: luckyplans-packages/redis:7.0.15-0123456789ab
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, one sentence each.
  returned: always
  type: list
  elements: str
  sample: [import docker.io/luckyplans/web:c-0123456789abcdef into luckyplans-control-plane]
nodes:
  description: What happened in each node.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The node's name.
      type: str
    had:
      description: The images that it had before.
      type: list
      elements: str
    moved:
      description: The images that it was given, or would be given in check mode.
      type: list
      elements: str
    bytes:
      description: How much was written to the node.
      type: int
    seconds:
      description: How long the import took, proof included.
      type: float
    repaired:
      description: Whether a second import with all layers was needed.
      type: bool
    error:
      description: Why the node does not have the images; empty if it has them.
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils._nodes import (
    Docker,
    DockerError,
    Image,
    Importer,
    Memory,
    NodeState,
    image_from,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._oci import (
    ArchiveError,
    ImageNameError,
    full_name,
)


def wanted_images(items: list[Any]) -> dict[str, str]:
    """The option images as complete name to the reference in Docker."""
    wanted: dict[str, str] = {}
    for given in items:
        item = {"name": given} if isinstance(given, str) else given
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not set(item) <= {"name", "source"}:
            raise ImageNameError(f"images contains {item!r}; write a reference, or a dictionary of name and source")
        source = item.get("source") or name
        full_name(source)
        if wanted.setdefault(full_name(name), source) != source:
            raise ImageNameError(
                f"images asks for {name!r} both from {wanted[full_name(name)]!r} and from {source!r}; keep one of them"
            )
    return wanted


def find_images(docker: Docker, wanted: dict[str, str], memory: Memory) -> list[Image]:
    """Docker's images for the wanted names; one that is not there ends it before anything has moved."""
    records = docker.images(list(wanted.values()))
    absent = sorted({source for source in wanted.values() if source not in records})
    if absent:
        raise DockerError(f"Docker has no image {', '.join(absent)}; build or load it and run again.")
    return [image_from(name, source, records[source], memory) for name, source in wanted.items()]


def planned(states: list[NodeState]) -> list[str]:
    return [f"import {name} into {state.node.name}" for state in states if not state.error for name in state.missing]


def as_text(states: list[NodeState], after: bool) -> str:
    """The images of each node, one line each, for the diff."""
    lines = [
        f"{state.node.name}: {name}"
        for state in states
        if not state.error
        for name in sorted(state.had + (state.missing if after else []))
    ]
    return "".join(f"{line}\n" for line in lines)


def run(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    docker = Docker(params["docker"], params["query_timeout"])
    memory = Memory(params["cache_file"])
    images = find_images(docker, wanted_images(params["images"]), memory)
    nodes = docker.nodes(params["engine"], params["cluster"])
    if not nodes:
        raise DockerError(
            f"Docker has no node of the {params['engine']} cluster {params['cluster']!r}; create the cluster first."
        )
    importer = Importer(docker, images, memory, params["import_timeout"])
    states = importer.survey(nodes)
    actions = planned(states)
    result: dict[str, Any] = {
        "changed": bool(actions),
        "actions": actions,
        "diff": {"before": as_text(states, after=False), "after": as_text(states, after=True)},
    }
    if not module.check_mode:
        importer.bring(states)
    memory.save()
    result["nodes"] = [state.result() for state in states]
    errors = [state.error for state in states if state.error]
    if errors:
        module.fail_json(msg=" ".join(errors), **result)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "engine": {"type": "str", "required": True, "choices": ["kind", "k3d"]},
            "cluster": {"type": "str", "required": True},
            "images": {"type": "list", "elements": "raw", "required": True},
            "state": {"type": "str", "choices": ["present"], "default": "present"},
            "docker": {"type": "str", "default": "docker"},
            "cache_file": {"type": "path"},
            "query_timeout": {"type": "int", "default": 60},
            "import_timeout": {"type": "int", "default": 900},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module))
    except ImageNameError as error:
        module.fail_json(msg=f"{error}.")
    except (DockerError, ArchiveError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
