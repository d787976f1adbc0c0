# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Layers of Docker's classic image store (overlay2), read without Docker.

The store keeps a layer as a directory of its files, and beside it the rest of the archive that it came in, byte for byte:
tar-split, lines of JSON in gzip (github.com/vbatts/tar-split, tar/storage/entry.go). Both together are that archive again.
Nobody has to trust the result: a layer is named by the digest of its archive, which containerd computes anew.
"""

from __future__ import annotations

import binascii
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from ansible_collections.luckyplans.platform.plugins.module_utils._oci import CHUNK

_FILE, _SEGMENT = 1, 2


class LayerError(Exception):
    """A sentence about a layer that cannot be put together from Docker's own files."""


def chain_ids(layers: list[str]) -> list[str]:
    """How the store calls each layer on top of those before it (image-spec, config.md, Layer ChainID)."""
    chain: list[str] = []
    for layer in layers:
        chain.append(f"sha256:{hashlib.sha256(f'{chain[-1]} {layer}'.encode()).hexdigest()}" if chain else layer)
    return chain


class Layer:
    """One layer, as the archive that its digest names."""

    def __init__(self, root: str, digest: str, chain_id: str) -> None:
        """root is the engine's data directory; OSError where the store does not have the layer or must not be read."""
        self.digest = digest
        place = os.path.join(root, "image", "overlay2", "layerdb", *chain_id.split(":"))
        self._split = os.path.join(place, "tar-split.json.gz")
        with open(os.path.join(place, "cache-id"), encoding="ascii") as handle:
            self._files = os.fsencode(os.path.realpath(os.path.join(root, "overlay2", handle.read().strip(), "diff")))
        self._inside: dict[bytes, bytes] = {}
        os.stat(self._split)
        os.stat(self._files)

    @cached_property
    def size(self) -> int:
        """Bytes of the archive."""
        total = 0
        for entry in self._entries():
            text = entry["payload"] or ""
            total += entry.get("size", 0) if entry["type"] == _FILE else len(text) // 4 * 3 - text[-2:].count("=")
        return total

    def chunks(self) -> Iterator[bytes]:
        """The archive, in pieces of at most two megabytes."""
        held: list[bytes] = []
        size = 0
        for entry in self._entries():
            for piece in self._pieces(entry):
                held.append(piece)
                size += len(piece)
                if size >= CHUNK:
                    yield b"".join(held)
                    held, size = [], 0
        if held:
            yield b"".join(held)

    def _entries(self) -> Iterator[Mapping[str, Any]]:
        try:
            with gzip.open(self._split) as lines:
                yield from map(json.loads, lines)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise LayerError(f"layer {self.digest} cannot be read from {self._split}: {error}") from error

    def _pieces(self, entry: Mapping[str, Any]) -> Iterator[bytes]:
        if entry["type"] == _SEGMENT:
            yield binascii.a2b_base64(entry["payload"] or "")
            return
        left = entry.get("size")
        if not left:
            return
        name = binascii.a2b_base64(entry["name_raw"]) if entry.get("name_raw") else os.fsencode(entry["name"])
        try:
            with open(self._path(name), "rb", buffering=0, opener=_not_through_a_link) as handle:
                while piece := handle.read(min(left, CHUNK)):
                    left -= len(piece)
                    yield piece
        except OSError as error:
            raise LayerError(f"layer {self.digest} cannot be read: {os.fsdecode(name)}: {error.strerror}") from error
        if left:
            raise LayerError(f"layer {self.digest} cannot be read: {os.fsdecode(name)} is shorter than when it came")

    def _path(self, name: bytes) -> bytes:
        """The path of a file in the layer; a link in the layer must not lead out of it, to a file of this host."""
        folder, file = os.path.split(name)
        if folder not in self._inside:
            path = os.path.realpath(os.path.join(self._files, folder.lstrip(b"/")))
            if os.path.commonpath([path, self._files]) != self._files:
                raise LayerError(f"layer {self.digest} cannot be read: {os.fsdecode(folder)} leads out of it")
            self._inside[folder] = path
        return os.path.join(self._inside[folder], file)


def _not_through_a_link(path: str | bytes, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)
