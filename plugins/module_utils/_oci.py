# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection.

"""Image references, and image archives that are read and written as streams.

`docker save` is read once, from a pipe; what comes out is a sequence of blobs, and at the end the images they make up.
No blob is ever held in memory, except the small JSON documents that describe the images.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
NAME = "io.containerd.image.name"

CHUNK = 1 << 20
_DOCUMENT_LIMIT = 4 << 20
"""Bytes: containerd refuses larger manifests, so a larger blob is no document."""
_BLOB = re.compile(r"^blobs/sha256/([0-9a-f]{64})$")


class ImageNameError(Exception):
    """A sentence about an image reference that cannot be served."""


class ArchiveError(Exception):
    """A sentence about an image archive that is not what it should be."""


# --- References -------------------------------------------------------------------------------------------------------


def full_name(reference: str) -> str:
    """The complete name under which containerd and the kubelet know an image: registry, path and tag."""
    if "@" in reference:
        raise ImageNameError(
            f"image {reference!r} is named by a digest, and an imported image has none that the kubelet would find; "
            "name it by a tag"
        )
    path, colon, tag = reference.rpartition(":")
    if not colon or "/" in tag:
        raise ImageNameError(
            f"image {reference!r} has no tag; write the tag that the pods ask for, such as {reference}:1.0"
        )
    if not re.fullmatch(r"[\w][\w.-]{0,127}", tag, re.ASCII) or not re.fullmatch(
        r"(?:[A-Za-z0-9.\-]+(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*", path
    ):
        raise ImageNameError(f"image {reference!r} is not a valid image reference; write it as name:tag")
    registry, slash, rest = path.partition("/")
    if not slash:
        return f"docker.io/library/{reference}"
    if registry == "index.docker.io":
        registry = "docker.io"
    elif not ("." in registry or ":" in registry or registry == "localhost"):
        return f"docker.io/{reference}"
    if registry == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    return f"{registry}/{rest}:{tag}"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


# --- Writing ----------------------------------------------------------------------------------------------------------


class ArchiveWriter:
    """A tar stream of blobs and documents, handed piece by piece to a function."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._left = 0
        self._padding = 0
        self.bytes = 0

    def _put(self, data: bytes) -> None:
        self.bytes += len(data)
        self._write(data)

    def begin(self, name: str, size: int) -> None:
        """Open the next member; exactly size bytes have to follow."""
        header = tarfile.TarInfo(name)
        header.size, header.mode = size, 0o644
        self._put(header.tobuf(tarfile.GNU_FORMAT))
        self._left, self._padding = size, -size % tarfile.BLOCKSIZE

    def data(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        self._put(chunk)
        if self._left == 0 and self._padding:
            self._put(b"\0" * self._padding)
            self._padding = 0

    def add(self, name: str, content: bytes) -> None:
        self.begin(name, len(content))
        if content:
            self.data(content)

    def finish(self, index: Mapping[str, Any]) -> None:
        """The documents that make the blobs before them images, and the end of the archive."""
        self.add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        self.add("index.json", json.dumps(index, sort_keys=True).encode())
        self._put(b"\0" * 2 * tarfile.BLOCKSIZE)


def blob_path(digest: str) -> str:
    return f"blobs/sha256/{digest[len('sha256:') :]}"


def index_of(images: Mapping[str, SavedImage]) -> dict[str, Any]:
    """The index of an archive: full name to image."""
    return {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {
                "mediaType": image.media_type,
                "digest": image.manifest,
                "size": len(image.document),
                "annotations": {NAME: name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]},
            }
            for name, image in sorted(images.items())
        ],
    }


# --- Reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SavedImage:
    """One image of an archive, for one platform."""

    manifest: str
    media_type: str
    document: bytes
    config: str


@dataclass
class Blob:
    """A blob passing by; read it before asking for the next one."""

    digest: str
    size: int
    stream: IO[bytes]

    def chunks(self) -> Iterator[bytes]:
        left = self.size
        while left:
            try:
                chunk = self.stream.read(min(CHUNK, left))
            except tarfile.TarError:
                chunk = b""
            if not chunk:
                raise ArchiveError(f"the image archive of docker save ends in the middle of blob {self.digest}")
            left -= len(chunk)
            yield chunk


class SaveReader:
    """Reads what `docker save` writes: the OCI layout of Docker 25 and later, and the older one."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._documents: dict[str, bytes] = {}
        self._index: dict[str, Any] = {}
        self._legacy: list[dict[str, Any]] = []
        self._files: dict[str, tuple[str, int]] = {}
        self._links: dict[str, str] = {}

    def blobs(self) -> Iterator[Blob]:
        """All blobs in the order of the archive; afterwards `images` has its answer."""
        try:
            with tarfile.open(fileobj=self._stream, mode="r|", bufsize=CHUNK) as archive:
                for member in archive:
                    name = posixpath.normpath(member.name)
                    if member.issym() or member.islnk():
                        target = member.linkname
                        self._links[name] = posixpath.normpath(
                            posixpath.join(posixpath.dirname(name), target) if member.issym() else target
                        )
                        continue
                    handle = archive.extractfile(member) if member.isfile() else None
                    if handle is None:
                        continue
                    if name == "index.json":
                        self._index = json.loads(handle.read())
                    elif name == "manifest.json":
                        self._legacy = json.loads(handle.read())
                    else:
                        yield from self._member(name, member.size, handle)
        except (tarfile.TarError, ValueError) as error:
            raise ArchiveError(f"the image archive of docker save cannot be read: {error}") from error

    def _member(self, name: str, size: int, handle: IO[bytes]) -> Iterator[Blob]:
        known = _BLOB.match(name)
        if size <= _DOCUMENT_LIMIT:
            content = handle.read(size)
            digest = f"sha256:{known.group(1)}" if known else digest_of(content)
            if content.startswith(b"{"):
                self._documents[digest] = content
            self._files[name] = (digest, size)
            if known or name.endswith(".json") or posixpath.basename(name) == "layer.tar":
                yield Blob(digest, size, io.BytesIO(content))
        elif known:
            self._files[name] = (f"sha256:{known.group(1)}", size)
            yield Blob(f"sha256:{known.group(1)}", size, handle)
        elif posixpath.basename(name) == "layer.tar":
            yield from self._spooled(name, size, handle)

    def _spooled(self, name: str, size: int, handle: IO[bytes]) -> Iterator[Blob]:
        """A layer whose digest is only known once it has been read: Docker before 25."""
        digest = hashlib.sha256()
        with tempfile.TemporaryFile(prefix="luckyplans-layer-") as spool:
            while chunk := handle.read(CHUNK):
                digest.update(chunk)
                spool.write(chunk)
            spool.seek(0)
            self._files[name] = (f"sha256:{digest.hexdigest()}", size)
            yield Blob(self._files[name][0], size, spool)

    def images(self, platforms: Mapping[str, str]) -> dict[str, SavedImage]:
        """Full name to image, for the names and platforms asked for, once all blobs have passed."""
        found: dict[str, SavedImage] = {}
        for entry in self._index.get("manifests") or []:
            name = str((entry.get("annotations") or {}).get(NAME))
            picked = pick(entry, platforms[name], self._documents.get) if name in platforms else None
            if picked:
                found[name] = picked
        for entry in self._legacy:
            for name in platforms:
                if name not in found and name in [full_name(tag) for tag in entry.get("RepoTags") or []]:
                    found[name] = self._built(entry)
        return found

    def _built(self, entry: Mapping[str, Any]) -> SavedImage:
        """A manifest of our own for an image that the archive describes only in Docker's older way."""
        config, config_size = self._file(entry["Config"])
        layers = [self._file(layer) for layer in entry["Layers"]]
        document = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": config, "size": config_size},
                "layers": [{"mediaType": LAYER, "digest": digest, "size": size} for digest, size in layers],
            },
            sort_keys=True,
        ).encode()
        return SavedImage(digest_of(document), MANIFEST, document, config)

    def _file(self, name: str) -> tuple[str, int]:
        name = posixpath.normpath(name)
        for _turn in range(len(self._links) + 1):
            if name in self._files:
                return self._files[name]
            name = self._links.get(name, name)
        raise ArchiveError(f"the image archive of docker save names {name}, which is not in it")


def pick(descriptor: Mapping[str, Any], platform: str, load: Callable[[str], bytes | None]) -> SavedImage | None:
    """The image for a platform at or below a descriptor; load gives the document that a digest names."""
    document = load(descriptor["digest"])
    if document is None:
        return None
    content = json.loads(document)
    if "config" in content:
        media_type = descriptor.get("mediaType") or content.get("mediaType") or MANIFEST
        return SavedImage(descriptor["digest"], media_type, document, content["config"]["digest"])
    for inner in content.get("manifests") or []:
        if matches_platform(inner, platform):
            return pick(inner, platform, load)
    return None


def layers_of(image: SavedImage) -> list[str]:
    """The digests of an image's layers."""
    return [layer["digest"] for layer in json.loads(image.document)["layers"]]


def matches_platform(descriptor: Mapping[str, Any], platform: str) -> bool:
    """Whether an entry of an image index is the image for the platform, and no attestation."""
    if "vnd.docker.reference.type" in (descriptor.get("annotations") or {}):
        return False
    given = descriptor.get("platform")
    if not given:
        return True
    system, _slash, tail = platform.partition("/")
    return (given.get("os"), given.get("architecture")) == (system, tail.partition("/")[0])
