# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import io
import json
import tarfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils._layers import Layer, LayerError, chain_ids
from ansible_collections.luckyplans.platform.plugins.module_utils._oci import CHUNK
from classic_store import archive_of, sha, write_layer


def layer_of(root: Path, archive: bytes) -> tuple[Layer, Path]:
    files = write_layer(root, sha(archive), archive)
    return Layer(str(root), sha(archive), sha(archive)), files


def layer_with(root: Path, *entries: dict[str, Any]) -> tuple[Layer, Path]:
    """A layer of these lines of tar-split, whatever they make."""
    layer, files = layer_of(root, archive_of({}))
    lines = "".join(json.dumps(entry) + "\n" for entry in entries)
    (root / "image/overlay2/layerdb" / layer.digest.replace(":", "/") / "tar-split.json.gz").write_bytes(gzip.compress(lines.encode()))
    return layer, files


def segment(data: bytes) -> dict[str, Any]:
    return {"type": 2, "payload": b64encode(data).decode()}


def test_a_chain_of_layers_is_called_as_the_image_specification_says() -> None:
    # image-spec, config.md: ChainID(L0) = DiffID(L0), ChainID(L0|...|Ln) = Digest(ChainID(L0|...|Ln-1) + " " + DiffID(Ln))
    assert chain_ids(["sha256:a", "sha256:b", "sha256:c"]) == [
        "sha256:a",
        sha(b"sha256:a sha256:b"),
        sha(f"{sha(b'sha256:a sha256:b')} sha256:c".encode()),
    ]
    assert chain_ids([]) == []


def test_a_layer_comes_out_byte_for_byte(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, size in {"etc/empty": 0, "etc/größe": 700, "big": 2 * CHUNK + 5, "n" * 150: 1, "small": 512}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = size, 1700000000.25, 0o4755
            tar.addfile(info, io.BytesIO(b"x" * size))
        for name, kind, target in [("link", tarfile.SYMTYPE, "/etc"), ("hard", tarfile.LNKTYPE, "small"), ("dir", tarfile.DIRTYPE, "")]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    archive = out.getvalue()
    layer, _files = layer_of(tmp_path, archive)
    assert (layer.size, type(layer.size)) == (len(archive), int)
    pieces = list(layer.chunks())
    assert b"".join(pieces) == archive
    assert max(map(len, pieces)) <= 2 * CHUNK
    assert all(len(piece) >= CHUNK for piece in pieces[:-1])


def test_a_piece_goes_as_soon_as_it_is_big_enough_and_none_is_empty(tmp_path: Path) -> None:
    layer, _files = layer_with(tmp_path, segment(b"a" * CHUNK), segment(b"b"), segment(b"c" * (CHUNK - 1)))
    assert list(map(len, layer.chunks())) == [CHUNK, CHUNK]
    layer, _files = layer_with(tmp_path, *map(segment, [b"a" * (CHUNK - 1), b"b" * 5] * 2))
    assert list(map(len, layer.chunks())) == [CHUNK + 4, CHUNK + 4]


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_its_size_is_known_without_reading_it(tmp_path: Path, length: int) -> None:
    # Go writes null for nothing
    layer, _files = layer_with(tmp_path, {"type": 2, "payload": None}, segment(b"a" * length), {"type": 1, "name": "empty", "payload": None})
    assert layer.size == length
    assert b"".join(layer.chunks()) == b"a" * length


@pytest.mark.parametrize("name", ["/etc/hosts", "X/hosts", "usr/share/"])
def test_a_name_is_one_in_the_layer(tmp_path: Path, name: str) -> None:
    layer, files = layer_with(tmp_path, {"type": 1, "name": f"{name}file", "size": 4, "payload": None})
    path = files / f"{name}file".lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"text")
    assert b"".join(layer.chunks()) == b"text"


def test_a_name_that_is_no_utf_8(tmp_path: Path) -> None:
    archive = archive_of({b"caf\xe9".decode(errors="surrogateescape"): b"text"})
    layer, _files = layer_of(tmp_path, archive)
    assert b"".join(layer.chunks()) == archive


def test_what_the_store_does_not_have_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cache-id"):
        Layer(str(tmp_path), "sha256:a", "sha256:a")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "code: No such file or directory"), (b"shor", "code is shorter than when it came")],
)
def test_a_file_that_is_gone_or_shorter_is_named(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    layer, files = layer_of(tmp_path, archive_of({"code": b"shorter"}))
    (files / "code").unlink()
    if content is not None:
        (files / "code").write_bytes(content)
    with pytest.raises(LayerError, match=f"layer {layer.digest} cannot be read: {sentence}"):
        list(layer.chunks())


@pytest.mark.parametrize(("name", "link"), [("usr/secret", "usr"), ("secret", "secret")])
def test_a_link_leads_to_no_file_of_this_host(tmp_path: Path, name: str, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"of this host")
    layer, files = layer_of(tmp_path / "docker", archive_of({name: b"of the layer"}))
    (files / name).unlink()
    if link != name:
        (files / link).rmdir()
    (files / link).symlink_to(outside / "secret" if link == name else outside)
    with pytest.raises(LayerError, match=r"leads out of it|symbolic links"):
        list(layer.chunks())


# the time in it would be another one in each of the processes that collect the tests
@pytest.mark.parametrize("data", [b"no gzip", gzip.compress(b"{no json\n", mtime=0), gzip.compress(b'{"type": 2}\n' * 999, mtime=0)[:30]])
def test_a_broken_list_of_entries_is_named(tmp_path: Path, data: bytes) -> None:
    layer, _files = layer_of(tmp_path, archive_of({"code": b"text"}))
    place = tmp_path / "image/overlay2/layerdb" / layer.digest.replace(":", "/") / "tar-split.json.gz"
    place.write_bytes(data)
    with pytest.raises(LayerError, match=f"cannot be read from {place}"):
        _size = layer.size
