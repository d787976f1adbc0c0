# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""The way of images into nodes over a registry: pushed once, pulled by every node, proved as every other import is."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ansible_collections.luckyplans.platform.plugins.module_utils._docker import DockerError
from ansible_collections.luckyplans.platform.plugins.module_utils._nodes import (
    BROUGHT,
    PINNED,
    Importer,
    Memory,
    Nodes,
    NodeState,
    each,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report
from ansible_collections.luckyplans.platform.plugins.module_utils._sources import Image

# Where containerd of either engine looks for hosts.toml, and so the kubelet too.
HOSTS = {"kind": "/etc/containerd/certs.d", "k3d": "/var/lib/rancher/k3s/agent/etc/containerd/certs.d"}
_WRITE = 'mkdir -p "$1" && printf "%s\\n" "$2" > "$1/hosts.toml"'


class Puller(Importer):
    """Brings images into all nodes over a registry that Docker and the nodes reach, each in its own way."""

    def __init__(
        self, nodes: Nodes, images: Sequence[Image], memory: Memory, timeout: float, engine: str, registry: str, address: str
    ) -> None:
        """registry is the first part of the images' names, where Docker pushes them; address is where nodes reach it."""
        super().__init__(nodes, images, memory, timeout)
        self.engine = engine
        self.registry = registry
        self.address = address

    def _move(self, states: Sequence[NodeState], whole: bool) -> None:
        names = list(dict.fromkeys(name for state in states for name in state.missing))
        for name in names:
            self._push(self.images[name])
        each(states, self._pull)

    def _push(self, image: Image) -> None:
        report(f"images: pushing {image.name}")
        docker = self.nodes.docker
        done = docker.run("tag", image.source, image.name)
        if not done.rc:
            done = docker.call(docker.argv("push", image.name), timeout=self.timeout)
        if done.rc:
            raise DockerError(f"Image {image.name} cannot be pushed to {self.registry}: {done.reason()}; start that registry and run again.")

    def _pull(self, state: NodeState) -> None:
        directory = f"{HOSTS[self.engine]}/{self.registry}"
        told = self.nodes.execute(state.node, "sh", "-c", _WRITE, "sh", directory, f'[host."{self.address}"]')
        if told.rc:
            raise DockerError(f"Node {state.node.name} cannot be told of the registry {self.registry}: {told.reason()}; run again.")
        before = self.nodes.blobs(state.node)
        labels = ["--label", PINNED, "--label", f"{BROUGHT}={time.time():.0f}"]
        for name in state.missing:
            argv = self.nodes.argv(state.node, "images", "pull", f"--hosts-dir={HOSTS[self.engine]}", *labels, name)
            done = self.nodes.docker.call(argv, env=self.nodes.env, timeout=self.timeout)
            state.words = done.reason() if done.rc else ""
            if done.rc:
                return
        state.bytes += self._size(state, self.nodes.blobs(state.node) - before)

    def _size(self, state: NodeState, blobs: set[str]) -> int:
        """What new blobs hold, as the manifests of the images say."""
        self._ask(state)
        documents = [self.nodes.document(state.node, state.rows[name].digest) or {} for name in state.missing if name in state.rows]
        sizes = {part["digest"]: int(part["size"]) for content in documents for part in [content.get("config", {}), *content.get("layers", [])] if part}
        return sum(size for digest, size in sizes.items() if digest in blobs)
