# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Where images come from: either of Docker's image stores, docker save, and archives on disk.

Each is read as a stream of blobs, once, and says at the end which images they make up.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Protocol, Union, cast

from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Completed, Docker, DockerError, LastWords, widen
from ansible_collections.luckyplans.platform.plugins.module_utils._layers import Layer, LayerError, chain_ids
from ansible_collections.luckyplans.platform.plugins.module_utils._oci import (
    CHUNK,
    ArchiveError,
    ArchiveReader,
    Blob,
    SavedImage,
    image_of,
    layers_of,
    pick,
)

# run_command holds all output in memory and neither streams nor ends by a clock of ours.
# pylint: disable=ansible-bad-function

AnyBlob = Union[Blob, Layer]

_STREAMS = 4
"""Imports side by side in a node. ctr sends a megabyte and waits for containerd to have it, so one keeps one core busy at most."""


@dataclass
class Image:
    """An image that the nodes shall have."""

    name: str
    """The complete name that it gets in the nodes."""
    source: str
    """What it is called where it comes from: a reference, or an id (sha256:...); empty for the only one of an archive."""
    id: str
    platform: str
    layers: frozenset[str]
    """The digests of its layers as its source gives them, as far as they are known."""
    config: str | None
    """The digest of the configuration: what an image is. None where Docker's record does not tell."""
    by_manifest: bool
    """Whether Docker keeps it in its containerd image store, where the id is the digest of a manifest or an index."""
    archive: str = ""
    """The path of the archive that it comes from; empty for Docker."""


def of_docker(name: str, source: str, record: Mapping[str, Any]) -> Image:
    """Docker's record of an image, read for both of Docker's image stores."""
    platform = "/".join(part for part in (record["Os"], record["Architecture"], record.get("Variant")) if part)
    by_manifest = bool(record.get("Descriptor")) or any(
        digest.endswith(f"@{record['Id']}") for digest in record.get("RepoDigests") or []
    )
    # In the containerd image store layers are compressed, and the record tells their digests uncompressed.
    layers = [] if by_manifest else (record.get("RootFS") or {}).get("Layers") or []
    config = None if by_manifest else record["Id"]
    return Image(name, source, record["Id"], platform, frozenset(layers), config, by_manifest)


def of_archive(name: str, source: str, path: str, platform: str) -> Image:
    """An image of an archive on disk; its documents are read now, its layers when they are needed."""
    try:
        with Archive(path) as archive:
            for _blob in archive.blobs():
                continue
            found = archive.find(source, platform)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ArchiveError(f"archive {path} is no image archive: {error}") from error
    return Image(name, source, found.manifest, platform, frozenset(layers_of(found)), found.config, True, path)


class Source(Protocol):
    """Something that images are read from."""

    @property
    def digests(self) -> frozenset[str] | None:
        """The blobs that it holds, where they are known before it is read; such a source may be read beside others."""

    def __enter__(self) -> Source: ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def blobs(self) -> Iterator[AnyBlob]:
        """Everything that it holds, once."""

    def saved(self, image: Image) -> SavedImage:
        """One of the images, after all blobs have been read."""


def sources(
    stack: ExitStack, docker: Docker, images: Sequence[Image], timeout: float, by_docker: bool = False
) -> list[tuple[Source, list[Image]]]:
    """Every source that the images need, open until the stack closes, and what each of them gives, in the order of import.

    by_docker has Docker itself hand out its images, which is slower than to read its stores, and always possible.
    """
    groups: dict[str, list[Image]] = {}
    for image in images:
        groups.setdefault(image.archive, []).append(image)
    found: list[tuple[Source, list[Image]]] = []
    for path, group in groups.items():
        found += [(Archive(path), group)] if path else _of_docker(docker, group, timeout, by_docker)
    return [(stack.enter_context(source), group) for source, group in found]


def _of_docker(docker: Docker, images: list[Image], timeout: float, by_docker: bool) -> list[tuple[Source, list[Image]]]:
    """The fastest way to Docker's images that there is here, in parts that can be read side by side."""
    streams = min(_STREAMS, os.cpu_count() or 1)
    parts = [part for part in (*([image] for image in images[: streams - 1]), images[streams - 1 :]) if part]
    for store in () if by_docker else (Store, ClassicStore):
        if found := store.find(docker, parts):
            return list(zip(found, parts))
    return [(Save(docker, images, timeout), images)]


class Archive:
    """An image archive on disk: what `docker save` writes, or an OCI layout in a tar file, compressed or not."""

    digests = None

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._file = open(path, "rb")  # noqa: SIM115, closed by __exit__
        except OSError as error:
            raise ArchiveError(f"archive {path} cannot be read: {error.strerror}") from error
        self._reader = ArchiveReader(self._file, f"archive {path}", seekable=True)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def blobs(self) -> Iterator[Blob]:
        return self._reader.blobs()

    def find(self, source: str, platform: str) -> SavedImage:
        found = self._reader.find(source, platform)
        if found is None:
            held = self._reader.contents()
            raise ArchiveError(
                f"archive {self._path} holds no image {f'{source} ' if source else ''}for {platform}"
                + (f", only {', '.join(held)}; name one of these in source" if held else "; it is no image archive")
            )
        return found

    def saved(self, image: Image) -> SavedImage:
        return self.find(image.source, image.platform)


class Save:
    """`docker save` of several images in one call, which writes what they share only once."""

    digests = None

    def __init__(self, docker: Docker, images: Sequence[Image], timeout: float) -> None:
        self._timeout = timeout
        self._process = subprocess.Popen(
            docker.argv("save", *dict.fromkeys(image.source for image in images)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._words = LastWords(self._process.stderr)
        # Reading from a pipe has no time limit of its own; without its process the pipe ends.
        self._late = False
        self._clock = threading.Timer(timeout, self._stop)
        self._clock.daemon = True
        self._clock.start()
        self._stdout = cast(IO[bytes], self._process.stdout)
        widen(self._stdout)
        self._reader = ArchiveReader(self._stdout, "the image archive of docker save")

    def blobs(self) -> Iterator[Blob]:
        return self._reader.blobs()

    def saved(self, image: Image) -> SavedImage:
        while self._stdout.read(CHUNK):
            continue
        failure = self._failure()
        if failure:
            raise failure
        found = self._reader.find(image.source, image.platform)
        if found is None:
            raise DockerError(f"'docker save' gave no image {image.source} for {image.platform}; build it again.")
        return found

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

    def __enter__(self) -> Save:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave no process behind. Without a reader docker save ends by itself."""
        self._stdout.close()
        failure = self._failure()
        if isinstance(error, ArchiveError) and failure:
            # A broken archive is only what docker save left behind; why it stopped is what counts.
            raise failure from error


class Store:
    """Images read from the content store of Docker's own containerd, blob by blob.

    `docker save` gives nothing but whole images, and of this store it gives them slowly.
    """

    def __init__(self, directory: str, images: Sequence[Image]) -> None:
        self._directory = directory
        self._saved: dict[str, SavedImage] = {}  # by the image's id
        self._order: dict[str, None] = {}
        for image in images:
            found = pick({"digest": image.id}, image.platform, self._document)
            if found is not None:
                self._saved[image.id] = found
                image.layers = frozenset(layers_of(found))
                self._order.update(dict.fromkeys([found.manifest, found.config, *layers_of(found)]))
        self.digests = frozenset(self._order)

    @classmethod
    def find(cls, docker: Docker, parts: Sequence[Sequence[Image]]) -> list[Store]:
        """The store for each part of the images, if it can be read here and has all of them; otherwise nothing."""
        images = [image for part in parts for image in part]
        directory = docker.content_store(images[0].id) if all(image.by_manifest for image in images) else None
        if directory is None:
            return []
        found = [cls(directory, part) for part in parts]
        return found if all(store._is_whole(part) for store, part in zip(found, parts)) else []

    def _is_whole(self, images: Sequence[Image]) -> bool:
        known = all(image.id in self._saved for image in images)
        return known and all(os.access(self._path(digest), os.R_OK) for digest in self._order)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is open between two blobs."""

    def _path(self, digest: str) -> str:
        return os.path.join(self._directory, digest.partition(":")[2])

    def _document(self, digest: str) -> bytes | None:
        try:
            with open(self._path(digest), "rb") as handle:
                return handle.read()
        except OSError:
            return None

    def blobs(self) -> Iterator[Blob]:
        for digest in self._order:
            with open(self._path(digest), "rb") as handle:
                yield Blob(digest, os.fstat(handle.fileno()).st_size, handle)

    def saved(self, image: Image) -> SavedImage:
        return self._saved[image.id]


class ClassicStore:
    """Images read from the classic image store of a Docker on this host, whose root we are.

    `docker save` writes whole images to disk before it gives the first byte of them.
    """

    def __init__(self, root: str, images: Sequence[Image], layers: dict[str, Layer]) -> None:
        """layers is filled with those of the images, for other parts that have the same ones."""
        self._saved: dict[str, SavedImage] = {}  # by the image's id
        self._configs: dict[str, bytes] = {}
        self._layers: dict[str, Layer] = {}
        for image in images:
            with open(os.path.join(root, "image", "overlay2", "imagedb", "content", *image.id.split(":")), "rb") as handle:
                config = self._configs[image.id] = handle.read()
            digests = json.loads(config)["rootfs"].get("diff_ids") or []
            for digest, chain_id in zip(digests, chain_ids(digests)):
                if digest not in layers:
                    layers[digest] = Layer(root, digest, chain_id)
                self._layers[digest] = layers[digest]
            self._saved[image.id] = image_of((image.id, len(config)), [(digest, layers[digest].size) for digest in digests])
        self.digests = frozenset([*self._configs, *self._layers])

    @classmethod
    def find(cls, docker: Docker, parts: Sequence[Sequence[Image]]) -> list[ClassicStore]:
        """The store for each part of the images, if it can be read here and has all of them; otherwise nothing."""
        root = docker.classic_store()
        if not root or any(image.by_manifest for part in parts for image in part):
            return []
        layers: dict[str, Layer] = {}
        try:
            return [cls(root, part, layers) for part in parts]
        except (OSError, LayerError):
            return []

    def __enter__(self) -> ClassicStore:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is open between two blobs."""

    def blobs(self) -> Iterator[AnyBlob]:
        yield from (Blob(digest, len(config), io.BytesIO(config)) for digest, config in self._configs.items())
        yield from self._layers.values()

    def saved(self, image: Image) -> SavedImage:
        return self._saved[image.id]
