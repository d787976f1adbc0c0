# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Cluster nodes that are containers, and the way of images into them and out again.

containerd imports an archive whose layers are missing, as long as its content store has them. So every source is
read once, every blob that a node already has is dropped on the way, and each node gets an archive of its own.
"""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Any, cast

from ansible_collections.luckyplans.platform.plugins.module_utils._content import write_atomically
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Completed, Docker, DockerError, LastWords, widen
from ansible_collections.luckyplans.platform.plugins.module_utils._image_ref import repository
from ansible_collections.luckyplans.platform.plugins.module_utils._layers import LayerError
from ansible_collections.luckyplans.platform.plugins.module_utils._oci import (
    ArchiveWriter,
    SavedImage,
    blob_path,
    index_of,
    matches_platform,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report
from ansible_collections.luckyplans.platform.plugins.module_utils._sources import AnyBlob, Image, Source, sources

# run_command holds all output in memory and neither streams nor ends by a clock of ours.
# pylint: disable=ansible-bad-function

CTR = ("ctr", "-n", "k8s.io")
PINNED = "io.cri-containerd.pinned=pinned"
BROUGHT = "io.luckyplans.brought"
"""The label by which an image that came from here is known, with the time in seconds since 1970."""
CLUSTER_LABEL = {"kind": "io.x-k8s.kind.cluster", "k3d": "k3d.cluster"}
ROLE_LABEL = {"kind": "io.x-k8s.kind.role", "k3d": "k3d.role"}
NODE_ROLES = {"kind": ("control-plane", "worker"), "k3d": ("server", "agent")}

_NSENTER = shutil.which("nsenter")
_QUEUE_CHUNKS = 8
_STALL = 120.0
"""Seconds that a node may take nothing before the others go on without it."""
_TELL = 2.0
"""Seconds between two lines of progress."""
_ROW = re.compile(
    r"^(?P<name>\S+)\s+\S+\s+(?P<digest>sha256:[0-9a-f]{64})\s+(?P<status>complete|incomplete|unavailable|error)\b"
    r".*\s(?P<unpacked>true|false)\s*$"
)
_BROUGHT = re.compile(rf"[\s,]{re.escape(BROUGHT)}=(\d+)(?=[\s,]|$)")


@dataclass(frozen=True)
class Node:
    """A container that is a node of the cluster."""

    id: str
    name: str
    state: str
    pid: int = 0
    """Its process, where this host's root can enter it: that is twice as fast as docker exec. 0 = by docker exec."""


@dataclass(frozen=True)
class Row:
    """What a node says about an image that it knows by name."""

    digest: str
    usable: bool


@dataclass(frozen=True)
class Held:
    """An image that a node holds under a name."""

    digest: str
    brought: int | None
    """When this module brought it, in seconds since 1970; None where it came by other means."""


@dataclass
class Inventory:
    """All images of a node by name, and the digests of those that containers use."""

    images: dict[str, Held] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


class Nodes:
    """The nodes of a cluster, and what their containerd says. Every question has three answers: yes, no, and an error."""

    def __init__(self, docker: Docker) -> None:
        self.docker = docker
        # a process that enters a node takes our PATH along, in which what is usual there may be missing
        self.env = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/local/bin:/usr/bin:/bin:/bin/aux"}

    def find(self, engine: str, cluster: str) -> list[Node]:
        """The containers that are nodes of the cluster, by name; load balancers and helpers are not."""
        role = '{{json (.Label "' + ROLE_LABEL[engine] + '")}}'
        template = '{"id":{{json .ID}},"name":{{json .Names}},"state":{{json .State}},"role":' + role + "}"
        label = f"label={CLUSTER_LABEL[engine]}={cluster}"
        done = self.docker.run("ps", "--all", "--no-trunc", "--filter", label, "--format", template)
        if done.rc:
            raise DockerError(f"Docker does not answer: {done.reason()}; start it and run again.")
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        rows = [row for row in rows if row["role"] in NODE_ROLES[engine]]
        pids = self.docker.pids([row["id"] for row in rows]) if rows and os.geteuid() == 0 and _NSENTER else {}
        found = [Node(row["id"], row["name"], row["state"], pids.get(row["id"], 0)) for row in rows]
        return sorted(found, key=lambda node: node.name)

    def argv(self, node: Node, *args: str) -> list[str]:
        """A call of ctr in a node that reads from us."""
        return self._within(node, *CTR, *args)

    def inside(self, node: Node, *args: str) -> Completed:
        """Ask ctr in a node."""
        return self.execute(node, *CTR, *args)

    def execute(self, node: Node, *argv: str) -> Completed:
        return self.docker.call(self._within(node, *argv), env=self.env)

    def _within(self, node: Node, *argv: str) -> list[str]:
        if node.pid:
            return [_NSENTER or "", "-t", str(node.pid), "-m", "-n", "-p", "--", *argv]
        return self.docker.argv("exec", "-i", node.id, *argv)

    def can_import_itself(self, node: Node) -> bool:
        """Whether this ctr can be told to read the archive itself, and not to hand it to containerd, which is slow."""
        return b"--local" in self.inside(node, "images", "import", "--help").stdout

    def rows(self, node: Node, names: Iterable[str]) -> dict[str, Row]:
        """What the node says about these names; a name that it does not know is left out."""
        done = self.inside(node, "images", "check", *(f'name=="{name}"' for name in names))
        lines = done.stdout.decode(errors="replace").splitlines()
        if done.rc and not lines:
            raise DockerError(f"Node {node.name} cannot be asked for its images: {done.reason()}.")
        matches = [_ROW.match(line) for line in lines[1:]]
        if not all(matches):
            raise DockerError(f"Node {node.name} answered in a form that is not known here: {lines[-1]!r}.")
        return {match["name"]: _row(match) for match in matches if match}

    def blobs(self, node: Node) -> set[str]:
        """The digests of everything in the node's content store."""
        done = self.inside(node, "content", "ls", "-q")
        if done.rc:
            raise DockerError(f"Node {node.name} cannot be asked for its layers: {done.reason()}.")
        return set(done.stdout.decode().split())

    def inventory(self, node: Node) -> Inventory:
        """What the node holds, and what of it is in use."""
        tables = []
        for question in ("images", "containers"):
            done = self.inside(node, question, "ls")
            if done.rc:
                raise DockerError(f"Node {node.name} cannot be asked for its {question}: {done.reason()}.")
            tables.append(done.stdout.decode(errors="replace").splitlines()[1:])
        rows = [(line.split(), _BROUGHT.search(line)) for line in tables[0]]
        held = {row[0]: Held(row[2], int(brought[1]) if brought else None) for row, brought in rows if len(row) > 2}
        used = {held[row[1]].digest for row in map(str.split, tables[1]) if len(row) > 1 and row[1] in held}
        return Inventory(held, used)

    def remove(self, node: Node, names: Sequence[str]) -> None:
        done = self.inside(node, "images", "rm", *names)
        if done.rc:
            raise DockerError(f"Node {node.name} did not remove {', '.join(names)}: {done.reason()}; run again.")

    def document(self, node: Node, digest: str) -> dict[str, Any] | None:
        """A manifest or index from the node's content store; None where it is not there or is something else."""
        done = self.inside(node, "content", "get", digest)
        try:
            content = json.loads(done.stdout) if done.rc == 0 else None
        except ValueError:
            return None
        return content if isinstance(content, dict) else None


def _row(match: re.Match[str]) -> Row:
    # The runtime may drop the packed layers of what it has unpacked; such an image runs all the same.
    return Row(match["digest"], match["status"] == "complete" or match["unpacked"] == "true")


# --- Which image is which ---------------------------------------------------------------------------------------------


class Memory:
    """Which image configuration a digest leads to. A digest names its content, so what was learnt stays true."""

    _LIMIT = 4096

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._known: dict[str, str] = {}
        self._dirty = False
        try:
            with open(path or "", encoding="utf-8") as handle:
                data = json.load(handle)
            self._known = {str(key): str(value) for key, value in data["configs"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._known = {}

    def get(self, digest: str, platform: str) -> str | None:
        return self._known.get(f"{digest} {platform}")

    def learn(self, digest: str, platform: str, config: str) -> None:
        key = f"{digest} {platform}"
        self._dirty = self._dirty or self._known.get(key) != config
        self._known[key] = config

    def save(self) -> None:
        """Keep it for the next run; where that fails, the next run asks again."""
        if not self.path or not self._dirty:
            return
        newest = dict(list(self._known.items())[-self._LIMIT :])
        try:
            write_atomically(self.path, json.dumps({"configs": newest}, separators=(",", ":")))
        except OSError:
            return


# --- Import -----------------------------------------------------------------------------------------------------------


@dataclass
class NodeState:
    """One node, what it has and what happened to it."""

    node: Node
    rows: dict[str, Row] = field(default_factory=dict)
    had: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    bytes: int = 0
    seconds: float = 0.0
    repaired: bool = False
    removed: list[str] = field(default_factory=list)
    inventory: Inventory = field(default_factory=Inventory)
    error: str = ""
    words: str = ""
    """The last thing that ctr said in this node."""

    def result(self) -> dict[str, Any]:
        return {
            "name": self.node.name,
            "had": self.had,
            "moved": [] if self.error else self.missing,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 2),
            "repaired": self.repaired,
            "removed": [] if self.error else self.removed,
            "error": self.error,
        }


class _Import:
    """`ctr images import` in one node, fed by a thread of its own, so that no node waits for another."""

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], state: NodeState, has: set[str], stall: float
    ) -> None:
        """has is what the node's content store holds, and what is on its way there; blobs that are sent are added to it."""
        self.state = state
        self.error = ""
        self._sent = has
        self._mine: set[str] = set()
        self._stall = stall
        self._process = subprocess.Popen(
            argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        widen(self._process.stdin)
        self._words = LastWords(self._process.stderr)
        self._queue: queue.Queue[bytes | None] = queue.Queue(_QUEUE_CHUNKS)
        self._writer = ArchiveWriter(self._put)
        self._thread = threading.Thread(target=self._feed, daemon=True)
        self._thread.start()

    def _feed(self) -> None:
        pipe = cast(IO[bytes], self._process.stdin)
        broken = False
        while (chunk := self._queue.get()) is not None:
            if broken:
                continue
            try:
                pipe.write(chunk)
            except OSError:
                # ctr has ended; its exit code and last words say why.
                broken = True
        try:
            pipe.close()
        except OSError:
            return

    def _put(self, chunk: bytes) -> None:
        if self.error:
            return
        try:
            self._queue.put(chunk, timeout=self._stall)
        except queue.Full:
            self.error = f"it took no data for {self._stall:g} s"
            self._process.kill()

    def claim(self, digests: frozenset[str]) -> None:
        """Take on what the node lacks of these blobs, so that no import beside this one sends it too."""
        self._mine = set(digests) - self._sent
        self._sent |= self._mine

    def wants(self, digest: str, foreign: frozenset[str]) -> bool:
        return not self.error and digest not in foreign and (digest in self._mine or digest not in self._sent)

    def begin(self, blob: AnyBlob) -> None:
        self._mine.discard(blob.digest)
        self._sent.add(blob.digest)
        self._writer.begin(blob_path(blob.digest), blob.size)

    def data(self, chunk: bytes) -> None:
        self._writer.data(chunk)

    def finish(self, images: Mapping[str, SavedImage], timeout: float) -> None:
        """Write the index, wait for ctr, and keep what it said."""
        for image in images.values():
            if image.manifest not in self._sent:
                self._sent.add(image.manifest)
                self._writer.add(blob_path(image.manifest), image.document)
        self._writer.finish(index_of(images))
        self._queue.put(None)
        self._thread.join(timeout)
        try:
            rc = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.error = self.error or f"ctr images import did not end within {timeout:g} s"
            self._process.kill()
            rc = self._process.wait()
        said = Completed(rc, b"", self._words.text())
        self.state.words = self.error or (said.reason() if rc else self.state.words)

    def close(self) -> None:
        """Leave no process behind, however this ended."""
        self.state.bytes += self._writer.bytes
        if self._process.poll() is None:
            # who still sends goes on to the end without us
            self.error = self.error or "it was ended"
            self._process.kill()
            self._process.wait()
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=1)
            except queue.Full:
                continue
            self._thread.join(1)


def each(states: Sequence[NodeState], question: Callable[[NodeState], None]) -> None:
    """Ask all nodes at once; a failing node does not keep the others from answering."""

    def guarded(state: NodeState) -> None:
        try:
            question(state)
        except DockerError as error:
            state.error = str(error)

    if states:
        with ThreadPoolExecutor(max_workers=min(len(states), 8)) as pool:
            list(pool.map(guarded, states))


class Importer:
    """Brings images into all nodes of a cluster."""

    def __init__(self, nodes: Nodes, images: Sequence[Image], memory: Memory, timeout: float) -> None:
        self.nodes = nodes
        self.images = {image.name: image for image in images}
        self.memory = memory
        self.timeout = timeout

    def survey(self, nodes: Sequence[Node]) -> list[NodeState]:
        """What each node has and lacks; a node that cannot be asked carries its error."""
        for image in self.images.values():
            image.config = image.config or self.memory.get(image.id, image.platform)
        states = [NodeState(node) for node in nodes]
        each(states, self._ask)
        self._learn_about_rows(states)
        unsure = {
            image.source: image
            for state in states
            for name, row in state.rows.items()
            for image in [self.images[name]]
            if image.config is None and row.digest != image.id
        }
        if unsure:
            self._learn_from_source(list(unsure.values()))
        for state in states:
            state.had = [name for name in self.images if self._is_there(state, name)]
            state.missing = [name for name in self.images if name not in state.had]
        return states

    def bring(self, states: Sequence[NodeState]) -> None:
        """Move what is missing, prove it, and where the proof fails try once more with everything."""
        lacking = [state for state in states if state.missing and not state.error]
        self._timed(lacking, lambda: self._move(lacking, whole=False))
        failed = self._unproven(lacking)
        if failed:
            report(f"images: repairing {', '.join(state.node.name for state in failed)}")
            for state in failed:
                state.repaired = True
            self._timed(failed, lambda: self._move(failed, whole=True))
            for state in self._unproven(failed):
                absent = [name for name in state.missing if not self._is_there(state, name)]
                state.error = state.error or (
                    f"Node {state.node.name} does not have {', '.join(absent)} after two imports"
                    + (f": {state.words}." if state.words else ".")
                    + " Mend that and run again."
                )

    @staticmethod
    def _timed(states: Sequence[NodeState], work: Callable[[], None]) -> None:
        start = time.monotonic()
        work()
        for state in states:
            state.seconds += time.monotonic() - start

    def _ask(self, state: NodeState) -> None:
        if state.node.state != "running":
            raise DockerError(
                f"Node {state.node.name} is {state.node.state}, not running; start it with "
                f"'docker start {state.node.name}' and run again."
            )
        state.rows = self.nodes.rows(state.node, self.images) if self.images else {}

    def _ask_again(self, state: NodeState) -> None:
        """About what was missing; what was there before stays as it was."""
        before = {name: row for name, row in state.rows.items() if name not in state.missing}
        state.rows = {**before, **self.nodes.rows(state.node, state.missing)}

    def _is_there(self, state: NodeState, name: str) -> bool:
        """Proof: the name leads to the configuration that the image has, and its layers are there."""
        row, image = state.rows.get(name), self.images[name]
        if row is None or not row.usable:
            return False
        if row.digest == image.id:
            return True
        return image.config is not None and self.memory.get(row.digest, image.platform) == image.config

    def _learn_about_rows(self, states: Sequence[NodeState]) -> None:
        """Ask for the manifests that were never seen before, each once, of a node that has it."""
        unknown: dict[tuple[str, str], Node] = {}
        for state in states:
            for name, row in state.rows.items():
                platform = self.images[name].platform
                if row.digest != self.images[name].id and self.memory.get(row.digest, platform) is None:
                    unknown.setdefault((row.digest, platform), state.node)

        def learn(item: tuple[tuple[str, str], Node]) -> None:
            (digest, platform), node = item
            config = self._config_below(node, digest, platform)
            if config:
                self.memory.learn(digest, platform, config)

        if unknown:
            with ThreadPoolExecutor(max_workers=4) as pool:
                list(pool.map(learn, unknown.items()))

    def _config_below(self, node: Node, digest: str, platform: str) -> str | None:
        content = self.nodes.document(node, digest) or {}
        if "config" in content:
            return str(content["config"]["digest"])
        for inner in content.get("manifests") or []:
            if matches_platform(inner, platform):
                return self._config_below(node, inner["digest"], platform)
        return None

    def _learn_from_source(self, images: Sequence[Image]) -> None:
        """Find out which configurations images have where Docker's records do not tell: read them, keep nothing."""
        with ExitStack() as stack:
            for source, group in sources(stack, self.nodes.docker, images, self.timeout):
                for _blob in source.blobs():
                    continue
                self._remember(source, group)

    def _remember(self, source: Source, images: Sequence[Image]) -> dict[str, SavedImage]:
        found = {}
        for image in images:
            entry = source.saved(image)
            if image.config not in (None, entry.config):
                raise DockerError(f"Image {image.source} changed in Docker while it was read; run again.")
            image.config = entry.config
            self.memory.learn(entry.manifest, image.platform, entry.config)
            self.memory.learn(image.id, image.platform, entry.config)
            found[image.name] = entry
        return found

    def _move(self, states: Sequence[NodeState], whole: bool) -> None:
        names = list(dict.fromkeys(name for state in states for name in state.missing))
        images = [self.images[name] for name in names]
        if not images:
            return
        for state in states:
            state.words = ""
        try:
            self._stream(states, images, whole)
        except LayerError as error:
            # nothing is there under its name yet, and Docker itself may do better
            for state in states:
                state.words = str(error)

    def _stream(self, states: Sequence[NodeState], images: Sequence[Image], whole: bool) -> None:
        """An import for each source in each node: layers travel side by side where they can, images are made one after the other."""
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(max_workers=1 + len(images) * (1 + len(states))))
            asked = pool.submit(self._known, states, whole)
            # meanwhile: Docker takes its time too, and `docker save` gets going
            opened = sources(stack, self.nodes.docker, images, self.timeout, by_docker=whole)
            known = asked.result()
            ended: dict[str, Future[None]] = {}
            for source, group in opened:
                imports = []
                for state in states:
                    if state.node.id in known and any(image.name in state.missing for image in group):
                        imports.append(self._start(state, *known[state.node.id], whole))
                        stack.callback(imports[-1].close)
                        imports[-1].claim((source.digests or frozenset()) - self._foreign(state, group))
                sent = pool.submit(self._pump, source, imports, group)
                if source.digests is None:
                    sent.result()
                entries = self._remember(source, group)
                for item in imports:
                    before = [sent, *filter(None, [ended.get(item.state.node.id)])]
                    ended[item.state.node.id] = pool.submit(self._finish, item, entries, before)
            # all of them, before an error of one ends those that still send
            wait(ended.values())
            for future in ended.values():
                future.result()

    def _finish(self, item: _Import, entries: Mapping[str, SavedImage], before: Sequence[Future[None]]) -> None:
        # images name layers that an earlier import brings, and two at once would unpack the same ones
        for future in before:
            future.result()
        item.finish({name: entries[name] for name in item.state.missing if name in entries}, self.timeout)

    def _known(self, states: Sequence[NodeState], whole: bool) -> dict[str, tuple[set[str], list[str]]]:
        """By node: the blobs that need not be sent, and how its ctr is told to import fast; without those that do not answer."""
        known: dict[str, tuple[set[str], list[str]]] = {}

        def ask(state: NodeState) -> None:
            local = ["--local"] if self.nodes.can_import_itself(state.node) else []
            known[state.node.id] = (set() if whole else self.nodes.blobs(state.node), local)

        each(states, ask)
        return known

    def _start(self, state: NodeState, has: set[str], local: Sequence[str], whole: bool) -> _Import:
        flags = ["--label", PINNED, "--label", f"{BROUGHT}={time.time():.0f}", *(["--no-unpack"] if whole else [])]
        argv = self.nodes.argv(state.node, "images", "import", *local, *flags, "-")
        return _Import(argv, self.nodes.env, state, has, stall=min(self.timeout, _STALL))

    def _pump(self, source: Source, imports: Sequence[_Import], images: Sequence[Image]) -> None:
        foreign = {item.state.node.id: self._foreign(item.state, images) for item in imports}
        moved, told = 0, time.monotonic()
        for blob in source.blobs():
            takers = [item for item in imports if item.wants(blob.digest, foreign[item.state.node.id])]
            if not takers:
                continue
            for item in takers:
                item.begin(blob)
            for chunk in blob.chunks():
                for item in takers:
                    item.data(chunk)
                moved += len(chunk)
                if time.monotonic() - told > _TELL:
                    told = time.monotonic()
                    report(f"images: moved {moved / 1e6:.0f} MB to {len(takers)} nodes")

    @staticmethod
    def _foreign(state: NodeState, images: Sequence[Image]) -> frozenset[str]:
        """Layers that only images of other nodes need."""
        own = {layer for image in images if image.name in state.missing for layer in image.layers}
        return frozenset(layer for image in images for layer in image.layers) - own

    def _unproven(self, states: Sequence[NodeState]) -> list[NodeState]:
        asked = [state for state in states if not state.error]
        each(asked, self._ask_again)
        self._learn_about_rows(asked)
        return [
            state
            for state in asked
            if not state.error and not all(self._is_there(state, name) for name in state.missing)
        ]


# --- Removal ----------------------------------------------------------------------------------------------------------


def unused(inventory: Inventory, wanted: Sequence[str], keep: int) -> list[str]:
    """The images of a node that came from here, that nobody wants and no container uses, but for the newest of a repository.

    keep is how many of a repository's images stay, the wanted and the used ones counted; the newest by the time they came.
    """
    stay = Counter(repository(name) for name in wanted)
    ours = {name: held for name, held in inventory.images.items() if held.brought is not None and name not in wanted}
    gone = []
    for name, held in sorted(ours.items(), key=lambda item: item[1].brought or 0, reverse=True):
        if held.digest in inventory.used or stay[repository(name)] < keep:
            stay[repository(name)] += 1
        else:
            gone.append(name)
    return sorted(gone)


class Remover:
    """Takes images out of all nodes of a cluster."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes

    def look(self, states: Sequence[NodeState], choose: Callable[[NodeState, Inventory], list[str]]) -> None:
        """Let choose say what leaves each node."""

        def ask(state: NodeState) -> None:
            state.inventory = self.nodes.inventory(state.node)
            state.removed = choose(state, state.inventory)

        each([state for state in states if not state.error], ask)

    def remove(self, states: Sequence[NodeState]) -> None:
        """Remove what was chosen, and the node's own names by id that would keep it alive."""

        def act(state: NodeState) -> None:
            digests = {state.inventory.images[name].digest for name in state.removed}
            left = {name: held for name, held in state.inventory.images.items() if name not in state.removed}
            named = {held.digest for name, held in left.items() if not name.startswith("sha256:")}
            ids = [name for name, held in left.items() if held.digest in digests - named and name.startswith("sha256:")]
            self.nodes.remove(state.node, [*state.removed, *ids])

        each([state for state in states if state.removed and not state.error], act)
