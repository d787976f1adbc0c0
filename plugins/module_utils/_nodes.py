# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Docker, the cluster nodes that run in it, and the way of an image from the one into the others.

containerd imports an archive whose layers are missing, as long as its content store has them. So `docker save` is
read once, every blob that a node already has is dropped on the way, and each node gets an archive of its own.
"""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, cast

from ansible_collections.luckyplans.platform.plugins.module_utils._content import write_atomically
from ansible_collections.luckyplans.platform.plugins.module_utils._oci import (
    ArchiveError,
    ArchiveWriter,
    Blob,
    SavedImage,
    SaveReader,
    blob_path,
    full_name,
    index_of,
    layers_of,
    matches_platform,
    pick,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report

CTR = ("ctr", "-n", "k8s.io")
PINNED = "io.cri-containerd.pinned=pinned"
CLUSTER_LABEL = {"kind": "io.x-k8s.kind.cluster", "k3d": "k3d.cluster"}
ROLE_LABEL = {"kind": "io.x-k8s.kind.role", "k3d": "k3d.role"}
NODE_ROLES = {"kind": ("control-plane", "worker"), "k3d": ("server", "agent")}

_QUEUE_CHUNKS = 16
_STALL = 120.0
"""Seconds that a node may take nothing before the others go on without it."""
_TELL = 2.0
"""Seconds between two lines of progress."""
_ROW = re.compile(
    r"^(?P<name>\S+)\s+\S+\s+(?P<digest>sha256:[0-9a-f]{64})\s+(?P<status>complete|incomplete|unavailable|error)\b"
    r".*\s(?P<unpacked>true|false)\s*$"
)
_NO_SUCH_IMAGE = re.compile(r"no such image", re.IGNORECASE)


class DockerError(Exception):
    """A sentence about Docker, or a node in it, that did not do what it was asked."""


@dataclass(frozen=True)
class Completed:
    """What a command said."""

    rc: int
    stdout: bytes
    stderr: str

    def reason(self) -> str:
        """The last line that says something, for the end of a sentence."""
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {self.rc}"


@dataclass(frozen=True)
class Node:
    """A container that is a node of the cluster."""

    id: str
    name: str
    state: str


@dataclass(frozen=True)
class Row:
    """What a node says about an image that it knows by name."""

    digest: str
    usable: bool


class Docker:
    """The docker command line. Every question has three answers: yes, no, and an error."""

    def __init__(self, executable: str = "docker", timeout: float = 60) -> None:
        self.executable = executable
        self.timeout = timeout

    def argv(self, *args: str) -> list[str]:
        return [self.executable, *args]

    def run(self, *args: str) -> Completed:
        try:
            done = subprocess.run(
                self.argv(*args), stdin=subprocess.DEVNULL, capture_output=True, timeout=self.timeout, check=False
            )
        except FileNotFoundError as error:
            raise DockerError(
                f"The program {self.executable!r} was not found; install Docker's command line or name it in docker."
            ) from error
        except OSError as error:
            raise DockerError(f"The program {self.executable!r} cannot be started: {error.strerror}.") from error
        except subprocess.TimeoutExpired as error:
            raise DockerError(
                f"'{self.executable} {' '.join(args[:2])}' gave no answer within {self.timeout:g} s; "
                "look at the Docker service and run again."
            ) from error
        return Completed(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    def images(self, references: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Reference to Docker's record of the image; what Docker does not have is left out."""
        wanted = list(dict.fromkeys(references))
        if not wanted:
            return {}
        done = self.run("image", "inspect", *wanted)
        complaints = [line for line in done.stderr.splitlines() if line.strip()] if done.rc else []
        try:
            records = json.loads(done.stdout or b"[]")
        except ValueError as error:
            raise DockerError(f"'docker image inspect' did not answer in JSON: {error}.") from error
        if done.rc == 0 and len(records) == len(wanted):
            return dict(zip(wanted, records))
        if not complaints or not all(_NO_SUCH_IMAGE.search(line) for line in complaints):
            raise DockerError(f"Docker does not answer: {done.reason()}; start it and run again.")
        known = {name: record for record in records for name in _names(record)}
        return {reference: known[_key(reference)] for reference in wanted if _key(reference) in known}

    def nodes(self, engine: str, cluster: str) -> list[Node]:
        """The containers that are nodes of the cluster, by name; load balancers and helpers are not."""
        role = '{{json (.Label "' + ROLE_LABEL[engine] + '")}}'
        template = '{"id":{{json .ID}},"name":{{json .Names}},"state":{{json .State}},"role":' + role + "}"
        label = f"label={CLUSTER_LABEL[engine]}={cluster}"
        done = self.run("ps", "--all", "--no-trunc", "--filter", label, "--format", template)
        if done.rc:
            raise DockerError(f"Docker does not answer: {done.reason()}; start it and run again.")
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        found = [Node(row["id"], row["name"], row["state"]) for row in rows if row["role"] in NODE_ROLES[engine]]
        return sorted(found, key=lambda node: node.name)

    def inside(self, node: Node, *args: str) -> Completed:
        """Run ctr inside a node."""
        return self.run("exec", node.id, *CTR, *args)

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

    def content_store(self, digest: str) -> str | None:
        """The directory of Docker's own containerd that holds a blob; None where it is not here or may not be read."""
        done = self.run("info", "--format", "{{json .DockerRootDir}}")
        root = json.loads(done.stdout) if done.rc == 0 else ""
        for place in (os.path.join(root, "containerd", "daemon"), "/var/lib/containerd"):
            directory = os.path.join(place, "io.containerd.content.v1.content", "blobs", "sha256")
            if os.access(os.path.join(directory, digest.partition(":")[2]), os.R_OK):
                return directory
        return None

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


def _key(reference: str) -> str:
    """A reference in the form that _names uses."""
    path, at, digest = reference.partition("@")
    tail = path.rpartition("/")[2]
    if at:
        path = path[: len(path) - len(tail)] + tail.partition(":")[0]
        return f"{full_name(path + ':x')[:-2]}@{digest}"
    return full_name(path if ":" in tail else f"{path}:latest")


def _names(record: Mapping[str, Any]) -> set[str]:
    given = [*(record.get("RepoTags") or []), *(record.get("RepoDigests") or [])]
    return {_key(name) for name in given if "<none>" not in name}


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


@dataclass
class Image:
    """An image that the nodes shall have."""

    name: str
    source: str
    id: str
    platform: str
    layers: frozenset[str]
    """The digests of its layers as `docker save` gives them, as far as they are known."""
    config: str | None
    """The digest of the configuration: what an image is. None where Docker's record does not tell."""
    by_manifest: bool
    """Whether Docker keeps it in its containerd image store, where the id is the digest of a manifest or an index."""


def image_from(name: str, source: str, record: Mapping[str, Any], memory: Memory) -> Image:
    """Docker's record of an image, read for both of Docker's image stores."""
    platform = "/".join(part for part in (record["Os"], record["Architecture"], record.get("Variant")) if part)
    by_manifest = bool(record.get("Descriptor")) or any(
        digest.endswith(f"@{record['Id']}") for digest in record.get("RepoDigests") or []
    )
    # In the containerd image store layers are compressed, and the record tells their digests uncompressed.
    layers = [] if by_manifest else (record.get("RootFS") or {}).get("Layers") or []
    config = memory.get(record["Id"], platform) if by_manifest else record["Id"]
    return Image(full_name(name), source, record["Id"], platform, frozenset(layers), config, by_manifest)


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
            "error": self.error,
        }


class _LastWords:
    """The end of what a process writes to its standard error."""

    _LIMIT = 16384

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._text = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes] | None) -> None:
        if stream is not None:
            with stream:
                while chunk := stream.read1(4096):  # type: ignore[attr-defined]
                    self._text = (self._text + chunk)[-self._LIMIT :]

    def text(self) -> str:
        self._thread.join(5)
        return self._text.decode(errors="replace")


class _Import:
    """`ctr images import` in one node, fed by a thread of its own, so that no node waits for another."""

    def __init__(self, docker: Docker, state: NodeState, has: set[str], unpack: bool, stall: float) -> None:
        self.state = state
        self.error = ""
        self._sent = set(has)
        self._stall = stall
        flags = ["--label", PINNED] + ([] if unpack else ["--no-unpack"])
        argv = docker.argv("exec", "-i", state.node.id, *CTR, "images", "import", *flags, "-")
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._words = _LastWords(self._process.stderr)
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

    def wants(self, digest: str, foreign: frozenset[str]) -> bool:
        return not self.error and digest not in self._sent and digest not in foreign

    def begin(self, blob: Blob) -> None:
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
        self.state.words = self.error or (said.reason() if rc else "")

    def close(self) -> None:
        """Leave no process behind, however this ended."""
        self.state.bytes += self._writer.bytes
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=1)
            except queue.Full:
                continue
            self._thread.join(1)


class Importer:
    """Brings images into all nodes of a cluster."""

    def __init__(self, docker: Docker, images: Sequence[Image], memory: Memory, timeout: float) -> None:
        self.docker = docker
        self.images = {image.name: image for image in images}
        self.memory = memory
        self.timeout = timeout

    def survey(self, nodes: Sequence[Node]) -> list[NodeState]:
        """What each node has and lacks; a node that cannot be asked carries its error."""
        states = [NodeState(node) for node in nodes]
        self._each(states, self._ask)
        self._learn_about_rows(states)
        unsure = {
            image.source: image
            for state in states
            for name, row in state.rows.items()
            for image in [self.images[name]]
            if image.config is None and row.digest != image.id
        }
        if unsure:
            self._learn_from_docker(list(unsure.values()))
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
                    f"node {state.node.name} does not have {', '.join(absent)} after two imports"
                    + (f" ({state.words})" if state.words else "")
                )

    @staticmethod
    def _timed(states: Sequence[NodeState], work: Callable[[], None]) -> None:
        start = time.monotonic()
        work()
        for state in states:
            state.seconds += time.monotonic() - start

    def _each(self, states: Sequence[NodeState], question: Callable[[NodeState], None]) -> None:
        """Ask all nodes at once; a failing node does not keep the others from answering."""

        def guarded(state: NodeState) -> None:
            try:
                question(state)
            except DockerError as error:
                state.error = str(error)

        if states:
            with ThreadPoolExecutor(max_workers=min(len(states), 8)) as pool:
                list(pool.map(guarded, states))

    def _ask(self, state: NodeState) -> None:
        if state.node.state != "running":
            raise DockerError(
                f"Node {state.node.name} is {state.node.state}, not running; start it with "
                f"'docker start {state.node.name}' and run again."
            )
        state.rows = self.docker.rows(state.node, self.images)

    def _is_there(self, state: NodeState, name: str) -> bool:
        """Proof: the name leads to the configuration that Docker's image has, and its layers are there."""
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
        content = self.docker.document(node, digest) or {}
        if "config" in content:
            return str(content["config"]["digest"])
        for inner in content.get("manifests") or []:
            if matches_platform(inner, platform):
                return self._config_below(node, inner["digest"], platform)
        return None

    def _learn_from_docker(self, images: Sequence[Image]) -> None:
        """Find out which configurations Docker's images have where its records do not tell: read them, keep nothing."""
        with self._reading(images) as source:
            for _blob in source.blobs():
                continue
            self._remember(source, images)

    @contextmanager
    def _reading(self, images: Sequence[Image]) -> Iterator[_Store | _Save]:
        """The fastest way to Docker's images that there is here."""
        store = None
        if all(image.by_manifest for image in images):
            store = _Store.find(self.docker, images)
        if store is not None:
            yield store
            return
        save = _Save(self.docker, images, self.timeout)
        try:
            yield save
        except BaseException as error:
            save.close(error)
            raise
        save.close(None)

    def _remember(self, source: _Store | _Save, images: Sequence[Image]) -> dict[str, SavedImage]:
        saved = source.finish()
        found = {}
        for image in images:
            entry = saved.get(full_name(image.source))
            if entry is None:
                raise DockerError(f"'docker save' gave no image {image.source} for {image.platform}; build it again.")
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
        imports: list[_Import] = []
        with self._reading(images) as source:
            try:
                imports = self._start(states, whole)
                self._pump(source, imports, images)
                entries = self._remember(source, images)
                with ThreadPoolExecutor(max_workers=max(len(imports), 1)) as pool:
                    list(
                        pool.map(
                            lambda item: item.finish(
                                {name: entries[name] for name in item.state.missing}, self.timeout
                            ),
                            imports,
                        )
                    )
            finally:
                for item in imports:
                    item.close()

    def _start(self, states: Sequence[NodeState], whole: bool) -> list[_Import]:
        has: dict[str, set[str]] = {}

        def ask(state: NodeState) -> None:
            has[state.node.id] = set() if whole else self.docker.blobs(state.node)

        self._each(states, ask)
        return [
            _Import(self.docker, state, has[state.node.id], unpack=not whole, stall=min(self.timeout, _STALL))
            for state in states
            if state.node.id in has
        ]

    def _pump(self, source: _Store | _Save, imports: Sequence[_Import], images: Sequence[Image]) -> None:
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
        """Layers in the archive that only images of other nodes need."""
        own = {layer for image in images if image.name in state.missing for layer in image.layers}
        return frozenset(layer for image in images for layer in image.layers) - own

    def _unproven(self, states: Sequence[NodeState]) -> list[NodeState]:
        asked = [state for state in states if not state.error]
        self._each(asked, self._ask)
        self._learn_about_rows(asked)
        return [
            state
            for state in asked
            if not state.error and not all(self._is_there(state, name) for name in state.missing)
        ]


class _Save:
    """`docker save` of several images in one call, which writes what they share only once."""

    def __init__(self, docker: Docker, images: Sequence[Image], timeout: float) -> None:
        self._platforms = {full_name(image.source): image.platform for image in images}
        self._timeout = timeout
        self._process = subprocess.Popen(
            docker.argv("save", *dict.fromkeys(image.source for image in images)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._words = _LastWords(self._process.stderr)
        # Reading from a pipe has no time limit of its own; without its process the pipe ends.
        self._late = False
        self._clock = threading.Timer(timeout, self._stop)
        self._clock.daemon = True
        self._clock.start()
        self._stdout = cast(IO[bytes], self._process.stdout)
        self._reader = SaveReader(self._stdout)

    def blobs(self) -> Iterator[Blob]:
        return self._reader.blobs()

    def finish(self) -> dict[str, SavedImage]:
        """What was saved, once everything has been read."""
        while self._stdout.read(1 << 20):
            continue
        failure = self._failure()
        if failure:
            raise failure
        return self._reader.images(self._platforms)

    def _stop(self) -> None:
        self._late = True
        self._process.kill()

    def _failure(self) -> DockerError | None:
        rc = self._process.wait()
        self._clock.cancel()
        if rc == 0:
            return None
        if self._late:
            return DockerError(f"'docker save' did not end within {self._timeout:g} s; run again or allow more time.")
        said = Completed(rc, b"", self._words.text())
        return DockerError(f"'docker save' failed: {said.reason()}.")

    def close(self, error: BaseException | None) -> None:
        """Leave no process behind. Without a reader docker save ends by itself."""
        self._stdout.close()
        failure = self._failure()
        if isinstance(error, ArchiveError) and failure:
            # A broken archive is only what docker save left behind; why it stopped is what counts.
            raise failure from error


class _Store:
    """Images read from the content store of Docker's own containerd, blob by blob.

    `docker save` gives nothing but whole images, and of this store it gives them slowly.
    """

    def __init__(self, directory: str, images: Sequence[Image]) -> None:
        self._directory = directory
        self._saved: dict[str, SavedImage] = {}
        self._digests: dict[str, None] = {}
        for image in images:
            found = pick({"digest": image.id}, image.platform, self._document)
            if found is not None:
                self._saved[full_name(image.source)] = found
                image.layers = frozenset(layers_of(found))
                self._digests.update(dict.fromkeys([found.manifest, found.config, *layers_of(found)]))

    @classmethod
    def find(cls, docker: Docker, images: Sequence[Image]) -> _Store | None:
        """The store, if it can be read here and has all of the images."""
        directory = docker.content_store(images[0].id)
        if directory is None:
            return None
        store = cls(directory, images)
        whole = len(store._saved) == len({full_name(image.source) for image in images})
        return store if whole and all(os.access(store._path(digest), os.R_OK) for digest in store._digests) else None

    def _path(self, digest: str) -> str:
        return os.path.join(self._directory, digest.partition(":")[2])

    def _document(self, digest: str) -> bytes | None:
        try:
            with open(self._path(digest), "rb") as handle:
                return handle.read()
        except OSError:
            return None

    def blobs(self) -> Iterator[Blob]:
        for digest in self._digests:
            with open(self._path(digest), "rb") as handle:
                yield Blob(digest, os.fstat(handle.fileno()).st_size, handle)

    def finish(self) -> dict[str, SavedImage]:
        return self._saved
