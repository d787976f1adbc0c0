# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Looks at a whole platform at once, so that a later look can tell which roles have nothing to do.

Each part is what can be seen of one role's work, as JSON; None where it is not as it should be, or nobody could be asked.
"""

from __future__ import annotations

import http.client
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.luckyplans.platform.plugins.module_utils._content import ContentError, files_below, hash_of_files
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Docker, DockerError
from ansible_collections.luckyplans.platform.plugins.module_utils._health import Asked, ask, certificate, is_healthy
from ansible_collections.luckyplans.platform.plugins.module_utils._kubeapi import Api, parse_kubeconfig
from ansible_collections.luckyplans.platform.plugins.module_utils._manifests import RenderError
from ansible_collections.luckyplans.platform.plugins.module_utils._nodes import Importer, Memory, Nodes
from ansible_collections.luckyplans.platform.plugins.module_utils._oci import ArchiveError, ImageNameError, full_name
from ansible_collections.luckyplans.platform.plugins.module_utils._plan import PlanError, plan
from ansible_collections.luckyplans.platform.plugins.module_utils._sources import of_docker

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# What an answer that is no answer raises; the roles then find out what is the matter, and say it.
UNANSWERED = (
    DockerError, PlanError, RenderError, ContentError, ImageNameError, ArchiveError, OSError, http.client.HTTPException, ValueError, LookupError, TypeError
)  # fmt: skip

Questions = Mapping[str, Any]


def look_at_toolchain(asked: Questions, docker: Docker) -> Any:
    """Where the links to the tools lead, and the image that nodes are made of."""
    links = [entry for entry in os.scandir(asked["bin_dir"]) if entry.is_symlink()]
    if not all(os.path.exists(link.path) for link in links):
        return None
    tools, image = {link.name: os.readlink(link.path) for link in links}, asked["node_image"]
    return {"tools": tools, "node_image": docker.images([image])[image]["Id"] if image else ""}


def look_at_cluster(asked: Questions, docker: Docker) -> Any:
    """The nodes, which are what they were made as; who answers as the cluster; whose the namespaces of releases are; and
    the files by which the host starts it."""
    nodes = Nodes(docker).find(asked["engine"], asked["cluster"])
    status, body = _api(asked).send("GET", "/api/v1/namespaces", accept=METADATA_ONLY)
    if status != 200 or any(node.state != "running" for node in nodes):
        return None
    namespaces = {item["metadata"]["name"]: item["metadata"] for item in json.loads(body)["items"]}
    return {
        "nodes": {node.name: node.id for node in nodes},
        "uid": namespaces["kube-system"]["uid"],
        # and Argo CD's, by the name that it usually has
        "namespaces": {name: _owner(metadata) for name, metadata in namespaces.items() if _owner(metadata)["annotations"] or "argo" in name},
        "files": hash_of_files(asked["files"]),
    }


def _owner(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What Helm and Argo CD go by, and what keeps the namespace."""
    annotations = metadata.get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if "helm.sh/" in key or "argocd" in key}
    return {"labels": metadata.get("labels") or {}, "annotations": kept}


def look_at_images(asked: Questions, docker: Docker) -> Any:
    """What is to be deployed by content, when all of it has been built and is in every node."""
    with ThreadPoolExecutor(1) as pool:
        planning = pool.submit(plan, asked["plan"], docker)
        complete = _in_every_node(asked, docker)
        planned = planning.result()
    if not complete or not all(build["present"] and build["aliased"] for build in planned["builds"]):
        return None
    return {"values": planned["chart_values"], "others": planned["others"]}


def _in_every_node(asked: Questions, docker: Docker) -> bool:
    names = asked["in_nodes"]
    records = docker.images(names)
    images = [of_docker(full_name(name), name, records[name]) for name in names]
    importer = Importer(Nodes(docker), images, Memory(asked["memory"]), docker.timeout)
    states = importer.survey(importer.nodes.find(asked["engine"], asked["cluster"]))
    return not any(state.error or state.missing for state in states)


def look_at_releases(asked: Questions, docker: Docker) -> Any:
    """The newest revision of every release. Of Helm's Secrets only the labels are asked for, which say all of it."""
    status, body = _api(asked).send("GET", "/api/v1/secrets?labelSelector=owner%3Dhelm", accept=METADATA_ONLY)
    if status != 200:
        return None
    newest: dict[str, tuple[int, str]] = {}
    for item in json.loads(body)["items"]:
        labels = item["metadata"]["labels"]
        release = f"{item['metadata']['namespace']}/{labels['name']}"
        newest[release] = max(newest.get(release, (0, "")), (int(labels["version"]), labels["status"]))
    return newest if all(state == "deployed" for _revision, state in newest.values()) else None


def look_at_application(asked: Questions, docker: Docker) -> Any:
    """The chart by content, when the application says that it is healthy."""
    if not is_healthy(ask(_question(asked))):
        return None
    return hash_of_files(files_below(asked["plan"]["chart_dir"]))


def look_at_certificate(asked: Questions, docker: Docker) -> Any:
    """The one that is served, when it is not yet to be renewed."""
    served = certificate(_question(asked))
    if not served:
        return "none"
    return served.sha256 if served.days() > asked["health_certificate_days"] else None


def _question(asked: Questions) -> Asked:
    return Asked(asked["health_url"], asked["health_query"], asked["health_address"], asked["health_ca_file"])


def _api(asked: Questions) -> Api:
    with open(asked["kubeconfig"], encoding="utf-8") as handle:
        access = parse_kubeconfig(handle.read())
    if access is None:
        raise ValueError(f"{asked['kubeconfig']} is not a kubeconfig as the engines write it")
    with tempfile.TemporaryDirectory() as folder:
        return Api(access, folder)


LOOKS: dict[str, Callable[[Questions, Docker], Any]] = {
    "toolchain": look_at_toolchain,
    "cluster": look_at_cluster,
    "images": look_at_images,
    "releases": look_at_releases,
    "application": look_at_application,
    "certificate": look_at_certificate,
}
# The role, and the parts that must be as they were for it to have nothing to do.
ROLES = {
    "toolchain": ("toolchain",),
    "cluster": ("toolchain", "cluster"),
    "images": ("toolchain", "cluster", "images"),
    "traefik": ("toolchain", "cluster", "releases"),
    "cert_manager": ("toolchain", "cluster", "releases"),
    "tls": ("toolchain", "cluster", "certificate"),
    "luckyplans": ("toolchain", "cluster", "images", "releases", "application"),
}


def look(asked: Questions, docker: Docker) -> dict[str, Any]:
    """All parts, asked at the same time."""

    def answer(question: Callable[[Questions, Docker], Any]) -> Any:
        try:
            return question(asked, docker)
        except UNANSWERED:
            return None

    with ThreadPoolExecutor(len(LOOKS)) as pool:
        # through JSON, in which the record is kept
        answers: dict[str, Any] = json.loads(json.dumps(dict(zip(LOOKS, pool.map(answer, LOOKS.values())))))
    return answers


def settled(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The roles that have nothing to do, by what was seen after their work and what is seen now."""
    same = {part for part in LOOKS if now.get(part) is not None and now[part] == before.get(part)}
    return [role for role, parts in ROLES.items() if same.issuperset(parts)]
