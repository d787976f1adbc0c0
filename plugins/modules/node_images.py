#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_images
short_description: Put images into every node of a kind or k3d cluster, or take them out
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Asks every node of the cluster what it has, moves only the layers that are missing, into all nodes at once, and
    asks every node again afterwards. An image counts as there when the node knows it by its complete name, the name
    leads to the configuration that the image has, and its layers are there.
  - Images come from the local Docker, with either of its image stores, or from archives on disk. They are read as
    streams, once for all nodes, and never held in memory or in a file.
  - Images are pinned in the nodes, so that the kubelet does not remove them when the disk gets full, and labelled
    C(io.luckyplans.brought), so that O(prune) knows them.
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
      - The images that every node shall have, or with O(state=absent) shall not have.
      - Each is a reference with a tag or a digest, or a dictionary with the keys V(name) (the reference in the cluster),
        V(source) (what it is called in Docker or in the archive; by default V(name)) and V(archive).
      - V(source) may be the id of an image, V(sha256:...), for one that has no name.
      - V(archive) is the path of an image archive on this host, as C(docker save) or an OCI layout in a tar file, plain
        or compressed by gzip, bzip2 or xz. Without V(source) the archive has to hold one image alone.
      - A reference by digest needs an image that is known under this digest, because it was pulled or pushed so; beside
        a digest the cluster takes no notice of a tag.
    type: list
    elements: raw
    required: true
  state:
    description: Whether the images are to be there. One that a container uses is not removed, which is an error.
    type: str
    choices: [present, absent]
    default: present
  method:
    description:
      - How images come into the nodes. V(nodes) moves them straight into each.
      - V(registry) pushes them to O(registry), from which every node pulls them; for clusters of many nodes, or where a
        registry stands between the machine that builds and those that run.
    type: str
    choices: [nodes, registry]
    default: nodes
  registry:
    description:
      - With O(method=registry), the registry as it stands at the beginning of the images' names and as Docker reaches it,
        such as V(localhost:5001). A login that it asks for is Docker's.
    type: str
  registry_address:
    description:
      - With O(method=registry), where nodes reach the same registry, such as V(http://luckyplans-registry:5000). It is
        written into each node, so that the kubelet finds it there too.
    type: str
  prune:
    description:
      - Whether to remove what this module once brought into a node, that is not among O(images) and that no container
        uses, but for the O(keep) newest of each repository.
      - With O(state=present) it looks only at nodes that are given something, because only they can have more than before.
    type: bool
    default: false
  keep:
    description: How many images of a repository O(prune) leaves in a node, those that are wanted or used among them.
    type: int
    default: 3
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
  - A node that is stopped, missing or full is an error that names it; the other nodes are served all the same, and running
    it again finishes.
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
    prune: true

- name: Put an image from a file into the cluster, where no registry can be reached
  luckyplans.platform.node_images:
    engine: k3d
    cluster: luckyplans
    images:
      - name: docker.io/library/redis:7-alpine
        archive: /media/images/redis.tar

- name: Take an image out again
  luckyplans.platform.node_images:
    engine: kind
    cluster: luckyplans
    images: [luckyplans/web:c-0123456789abcdef]
    state: absent
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
    removed:
      description: The images that were removed from it, or would be in check mode.
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
      description: Why the node is not as it was asked for; empty if it is.
      type: str
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Docker, DockerError
from ansible_collections.luckyplans.platform.plugins.module_utils._nodes import (
    Importer,
    Inventory,
    Memory,
    Nodes,
    NodeState,
    Remover,
    unused,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._oci import (
    ArchiveError,
    ImageNameError,
    full_name,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._pull import Puller
from ansible_collections.luckyplans.platform.plugins.module_utils._sources import Image, of_archive, of_docker

ID = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Wanted:
    """One image of the option images, by its complete name in the cluster."""

    name: str
    source: str
    archive: str


def origin(wanted: Wanted) -> tuple[str, str]:
    """Where an image is to come from; a source that is neither an id nor a reference is an error."""
    source = wanted.source
    return source if not source or ID.fullmatch(source) else full_name(source), wanted.archive


def wanted_images(items: list[Any]) -> list[Wanted]:
    """The option images, each name once."""
    found: dict[str, Wanted] = {}
    for given in items:
        item = {"name": given} if isinstance(given, str) else given
        if (
            not isinstance(item, dict)
            or not all(isinstance(value, str) for value in item.values())
            or not {"name"} <= set(item) <= {"name", "source", "archive"}
        ):
            raise ImageNameError(
                f"images contains {given!r}; write a reference, or a dictionary of name, source and archive"
            )
        archive = item.get("archive", "")
        wanted = Wanted(full_name(item["name"]), item.get("source") or ("" if archive else item["name"]), archive)
        other = found.setdefault(wanted.name, wanted)
        if origin(other) != origin(wanted):
            raise ImageNameError(
                f"images asks for {item['name']!r} both from {other.archive or other.source!r} and from "
                f"{archive or wanted.source!r}; keep one of them"
            )
    return list(found.values())


def find_images(docker: Docker, wanted: list[Wanted]) -> list[Image]:
    """The images as their sources have them; one that is not there, or not for the nodes, ends it before anything has moved."""
    sources = [item.source for item in wanted if not item.archive]
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(docker.images, sources)
        platform = docker.platform() if wanted else ""
        records = asked.result()
    unknown = sorted(set(sources) - set(records))
    if unknown:
        raise DockerError(f"Docker has no image {', '.join(unknown)}; build or load it and run again.")
    images = []
    for item in wanted:
        if item.archive:
            image = of_archive(item.name, item.source, item.archive, platform)
            digests = {image.id}
        else:
            record = records[item.source]
            image = of_docker(item.name, item.source, record)
            digests = {image.id, *(entry.partition("@")[2] for entry in record.get("RepoDigests") or [])}
        check(image, platform, digests)
        images.append(image)
    return images


def check(image: Image, platform: str, digests: set[str]) -> None:
    origin = image.archive or f"{image.source} in Docker"
    if image.platform.split("/")[:2] != platform.split("/")[:2]:
        raise DockerError(
            f"Image {image.name}: {origin} is for {image.platform}, and the nodes run {platform}; build or pull it for {platform}."
        )
    digest = image.name.partition("@")[2]
    if digest and digest not in digests:
        raise DockerError(
            f"Image {image.name}: {origin} is not known under this digest, but as {', '.join(sorted(digests))}; "
            "pull it by its digest, or name it by a tag."
        )


def check_registry(wanted: list[Wanted], registry: str) -> None:
    for item in wanted:
        if not item.name.startswith(f"{registry}/") or item.archive:
            what = "comes from an archive" if item.archive else f"is not named by registry={registry}"
            raise ImageNameError(f"image {item.name} {what}; with method=registry each is an image of Docker named {registry}/...")


def planned(states: list[NodeState]) -> list[str]:
    return [
        action
        for state in states
        if not state.error
        for action in [
            *(f"import {name} into {state.node.name}" for name in state.missing),
            *(f"remove {name} from {state.node.name}" for name in state.removed),
        ]
    ]


def as_text(states: list[NodeState], after: bool) -> str:
    """The images of each node, one line each, for the diff."""
    lines = []
    for state in states:
        names = set(state.had) | set(state.removed)
        if after:
            names = names - set(state.removed) | set(state.missing)
        lines += [f"{state.node.name}: {name}" for name in sorted(names) if not state.error]
    return "".join(f"{line}\n" for line in lines)


def absent(state: NodeState, held: Inventory, names: list[str], keep: int | None) -> list[str]:
    """What is to leave a node: the names, and where keep is given what is unused."""
    there = [name for name in names if name in held.images]
    busy = [name for name in there if held.images[name].digest in held.used]
    if busy:
        raise DockerError(
            f"Node {state.node.name} has containers that use {', '.join(busy)}; remove those first, then run again."
        )
    return sorted({*there, *(unused(held, [], keep) if keep is not None else [])})


def run(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    docker = Docker(params["docker"], params["query_timeout"])
    nodes, memory = Nodes(docker), Memory(params["cache_file"])
    wanted = wanted_images(params["images"])
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(nodes.find, params["engine"], params["cluster"])
        images = find_images(docker, wanted) if params["state"] == "present" else []
        found = asked.result()
    if not found:
        raise DockerError(
            f"Docker has no node of the {params['engine']} cluster {params['cluster']!r}; create the cluster first."
        )
    importer, remover = Importer(nodes, images, memory, params["import_timeout"]), Remover(nodes)
    if params["method"] == "registry":
        check_registry(wanted, params["registry"])
        place = (params["engine"], params["registry"], params["registry_address"])
        importer = Puller(nodes, images, memory, params["import_timeout"], *place)
    states = importer.survey(found)
    names = [item.name for item in wanted]
    if params["state"] == "absent":
        remover.look(states, lambda state, held: absent(state, held, names, params["keep"] if params["prune"] else None))
    elif params["prune"]:
        given = [state for state in states if state.missing]
        remover.look(given, lambda _state, held: unused(held, names, params["keep"]))
    actions = planned(states)
    result: dict[str, Any] = {
        "changed": bool(actions),
        "actions": actions,
        "diff": {"before": as_text(states, after=False), "after": as_text(states, after=True)},
    }
    if not module.check_mode:
        importer.bring(states)
        remover.remove(states)
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
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "method": {"type": "str", "choices": ["nodes", "registry"], "default": "nodes"},
            "registry": {"type": "str"},
            "registry_address": {"type": "str"},
            "prune": {"type": "bool", "default": False},
            "keep": {"type": "int", "default": 3},
            "docker": {"type": "str", "default": "docker"},
            "cache_file": {"type": "path"},
            "query_timeout": {"type": "int", "default": 60},
            "import_timeout": {"type": "int", "default": 900},
        },
        required_if=[("method", "registry", ["registry", "registry_address"])],
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module))
    except (ImageNameError, ArchiveError) as error:
        module.fail_json(msg=f"{str(error)[:1].upper()}{str(error)[1:]}.")
    except DockerError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
