# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection.

"""Image references, and image archives that are read and written as streams.

An archive is read once, that of `docker save` from a pipe; what comes out is a sequence of blobs, and at the end the images they make up.
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
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from ansible_collections.luckyplans.platform.plugins.module_utils import _image_ref

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
NAME = "io.containerd.image.name"
REF_NAME = "org.opencontainers.image.ref.name"
ATTESTATION = "vnd.docker.reference.type"

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
    """The complete name under which containerd and the kubelet know an image: registry, path, and tag or digest."""
    try:
        parts = _image_ref.parse(reference)
    except ValueError as error:
        raise ImageNameError(f"image {str(error).rstrip('.')}") from error
    if not (parts.tag or parts.digest):
        raise ImageNameError(
            f"image {reference!r} has neither tag nor digest; write what the pods ask for, such as {reference}:1.0"
        )
    return _image_ref.full(reference)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


# --- Writing ----------------------------------------------------------------------------------------------------------


class ArchiveWriter:
    """A tar stream of blobs and documents, handed piece by piece to a function."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
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
                "annotations": {NAME: name},
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
    origin: str = "the content store"

    def chunks(self) -> Iterator[bytes]:
        left = self.size
        while left:
            try:
                chunk = self.stream.read(min(CHUNK, left))
            except tarfile.TarError:
                chunk = b""
            if not chunk:
                raise ArchiveError(f"{self.origin} ends in the middle of blob {self.digest}")
            left -= len(chunk)
            yield chunk


class ArchiveReader:
    """Reads an image archive: the OCI layout, which Docker 25 and later save too, and the older one of Docker."""

    def __init__(self, stream: IO[bytes], origin: str, seekable: bool = False) -> None:
        """origin says in errors what is read; only what is seekable may be compressed."""
        self._stream = stream
        self._origin = origin
        self._seekable = seekable
        self._documents: dict[str, bytes] = {}
        self._index: dict[str, Any] = {}
        self._legacy: list[dict[str, Any]] = []
        self._files: dict[str, tuple[str, int]] = {}
        self._links: dict[str, str] = {}

    def blobs(self) -> Iterator[Blob]:
        """All blobs in the order of the archive; afterwards `find` has its answers."""
        try:
            with self._open() as archive:
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
        except (tarfile.TarError, ValueError, EOFError, OSError, zlib.error) as error:
            raise ArchiveError(f"{self._origin} cannot be read: {error}") from error

    def _open(self) -> tarfile.TarFile:
        try:
            if self._seekable:
                return tarfile.open(fileobj=self._stream, mode="r:*", bufsize=CHUNK)
            return tarfile.open(fileobj=self._stream, mode="r|", bufsize=CHUNK)
        except tarfile.ReadError as error:
            raise ArchiveError(f"{self._origin} is no tar file, plain or compressed by gzip, bzip2 or xz") from error

    def _member(self, name: str, size: int, handle: IO[bytes]) -> Iterator[Blob]:
        known = _BLOB.match(name)
        if size <= _DOCUMENT_LIMIT:
            content = handle.read(size)
            digest = f"sha256:{known.group(1)}" if known else digest_of(content)
            if content.startswith(b"{"):
                self._documents[digest] = content
            self._files[name] = (digest, size)
            if known or name.endswith(".json") or posixpath.basename(name) == "layer.tar":
                yield Blob(digest, size, io.BytesIO(content), self._origin)
        elif known:
            self._files[name] = (f"sha256:{known.group(1)}", size)
            yield Blob(f"sha256:{known.group(1)}", size, handle, self._origin)
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
            yield Blob(self._files[name][0], size, spool, self._origin)

    def find(self, source: str, platform: str) -> SavedImage | None:
        """The image of a name, or of an id, for a platform; without a source the only one. Once all blobs have passed."""
        wanted = full_name(source) if source and not source.startswith("sha256:") else source
        found = {
            image.config: image
            for names, image in self._images(platform)
            if not wanted or wanted in names or wanted in (image.manifest, image.config)
        }
        return next(iter(found.values())) if len(found) == 1 else None

    def contents(self) -> list[str]:
        """What the archive holds, for messages: names, and ids of what has none, with platforms."""
        held = []
        for entry in self._index.get("manifests") or []:
            name = _name_in(entry) or entry["digest"]
            held.append(f"{name} ({', '.join(platforms_below(entry, self._documents.get)) or 'unknown platform'})")
        if not held:
            held = [", ".join(entry.get("RepoTags") or [entry["Config"]]) for entry in self._legacy]
        return sorted(set(held))

    def _images(self, platform: str) -> Iterator[tuple[set[str], SavedImage]]:
        """Names, the id that Docker may call it by among them, and image; one that has several entries comes several times."""
        known: dict[str, SavedImage] = {}
        for entry in self._index.get("manifests") or []:
            image = pick(entry, platform, self._documents.get)
            if image and runs_on(self._documents.get(image.config), platform):
                known[image.config] = image
                yield {_name_in(entry), entry["digest"]}, image
        for entry in self._legacy:
            names = {full_name(tag) for tag in entry.get("RepoTags") or []}
            config = self._file(entry["Config"])[0]
            if config in known or runs_on(self._documents.get(config), platform):
                yield names, known.get(config) or self._built(entry)

    def _built(self, entry: Mapping[str, Any]) -> SavedImage:
        """A manifest of our own for an image that the archive describes only in Docker's older way."""
        return image_of(self._file(entry["Config"]), [self._file(layer) for layer in entry["Layers"]])

    def _file(self, name: str) -> tuple[str, int]:
        name = posixpath.normpath(name)
        for _turn in range(len(self._links) + 1):
            if name in self._files:
                return self._files[name]
            name = self._links.get(name, name)
        raise ArchiveError(f"{self._origin} names {name}, which is not in it")


def image_of(config: tuple[str, int], layers: Sequence[tuple[str, int]]) -> SavedImage:
    """An image with a manifest of our own: digest and size in bytes of its configuration and of its unpacked layers."""
    document = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config[0], "size": config[1]},
            "layers": [{"mediaType": LAYER, "digest": digest, "size": size} for digest, size in layers],
        },
        sort_keys=True,
    ).encode()
    return SavedImage(digest_of(document), MANIFEST, document, config[0])


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


def _name_in(entry: Mapping[str, Any]) -> str:
    """The complete name that an entry of an archive's index has; empty where it has none, or only a tag."""
    notes = entry.get("annotations") or {}
    for name in (notes.get(NAME), notes.get(REF_NAME)):
        try:
            return full_name(name or "")
        except ImageNameError:
            continue
    return ""


def platforms_below(descriptor: Mapping[str, Any], load: Callable[[str], bytes | None]) -> list[str]:
    """What an image, or an index of images, is for."""
    content = json.loads(load(descriptor["digest"]) or b"{}")
    if "config" in content:
        config = json.loads(load(content["config"]["digest"]) or b"{}")
        return [f"{config['os']}/{config['architecture']}"] if {"os", "architecture"} <= set(config) else []
    inner = [entry for entry in content.get("manifests") or [] if ATTESTATION not in (entry.get("annotations") or {})]
    return sorted({platform for entry in inner for platform in platforms_below(entry, load)})


def runs_on(config: bytes | None, platform: str) -> bool:
    """Whether an image of this configuration is for the platform; one that says nothing is."""
    given = json.loads(config or b"{}")
    wanted = platform.split("/")[:2]
    return [given.get("os", wanted[0]), given.get("architecture", wanted[1])] == wanted


def layers_of(image: SavedImage) -> list[str]:
    """The digests of an image's layers."""
    return [layer["digest"] for layer in json.loads(image.document)["layers"]]


def matches_platform(descriptor: Mapping[str, Any], platform: str) -> bool:
    """Whether an entry of an image index is the image for the platform, and no attestation."""
    if ATTESTATION in (descriptor.get("annotations") or {}):
        return False
    given = descriptor.get("platform")
    if not given:
        return True
    system, _slash, tail = platform.partition("/")
    return (given.get("os"), given.get("architecture")) == (system, tail.partition("/")[0])
