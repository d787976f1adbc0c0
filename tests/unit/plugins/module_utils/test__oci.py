# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import json
import tarfile
import tracemalloc
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils._oci import (
    ArchiveError,
    ArchiveReader,
    ArchiveWriter,
    ImageNameError,
    SavedImage,
    blob_path,
    digest_of,
    full_name,
    index_of,
    matches_platform,
)

DIGEST = "sha256:" + "0a" * 32
AMD64 = {"architecture": "amd64", "os": "linux"}


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("redis:7-alpine", "docker.io/library/redis:7-alpine"),
        ("luckyplans/web:c-1", "docker.io/luckyplans/web:c-1"),
        ("docker.io/luckyplans/web:c-1", "docker.io/luckyplans/web:c-1"),
        ("docker.io/redis:7", "docker.io/library/redis:7"),
        ("index.docker.io/redis:7", "docker.io/library/redis:7"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("localhost/web:1", "localhost/web:1"),
        ("localhost:5000/a/web:1", "localhost:5000/a/web:1"),
        ("ghcr.io/takeshi-su57/api-gateway:sha-abc1234", "ghcr.io/takeshi-su57/api-gateway:sha-abc1234"),
        ("a__b/c--d:X_1.2", "docker.io/a__b/c--d:X_1.2"),
        (f"redis@{DIGEST}", f"docker.io/library/redis@{DIGEST}"),
        (f"redis:7@{DIGEST}", f"docker.io/library/redis@{DIGEST}"),
        (f"localhost:5000/web@{DIGEST}", f"localhost:5000/web@{DIGEST}"),
    ],
)
def test_full_name(reference: str, expected: str) -> None:
    assert full_name(reference) == expected
    assert full_name(expected) == expected


@pytest.mark.parametrize(
    "reference",
    ["", "redis", "a/b", "localhost:5000/web", "a@sha256:0", "a:1@sha256:0", "A:1", "a:", "a: 1", "/a:1", "a:é"],
)
def test_names_without_a_tag_or_with_half_a_digest_are_refused(reference: str) -> None:
    with pytest.raises(ImageNameError):
        full_name(reference)


def tar(members: list[tuple[str, bytes | str]]) -> bytes:
    """An archive; text instead of bytes makes a symbolic link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(data: bytes) -> tuple[str, bytes]:
    return blob_path(digest_of(data)), data


def image(*layers: bytes, **config: Any) -> tuple[bytes, bytes]:
    """Config and manifest of an image."""
    document = json.dumps({**AMD64, **config}).encode()
    manifest = {
        "schemaVersion": 2,
        "config": {"digest": digest_of(document), "size": len(document)},
        "layers": [{"digest": digest_of(layer), "size": len(layer)} for layer in layers],
    }
    return document, json.dumps(manifest).encode()


def described(document: bytes, name: str = "", kind: str = "manifest", **extra: Any) -> dict[str, Any]:
    entry = {
        "mediaType": f"application/vnd.oci.image.{kind}.v1+json",
        "digest": digest_of(document),
        "size": len(document),
        **extra,
    }
    return {**entry, "annotations": {"io.containerd.image.name": name}} if name else entry


def read(archive: bytes, *names: str) -> tuple[dict[str, bytes], dict[str, SavedImage]]:
    reader = ArchiveReader(io.BytesIO(archive), "the archive")
    blobs = {blob.digest: b"".join(blob.chunks()) for blob in reader.blobs()}
    found = {name: reader.find(name, "linux/amd64") for name in names}
    return blobs, {name: image for name, image in found.items() if image}


def test_reads_the_layout_of_docker_25_and_later_where_the_index_comes_last() -> None:
    big = b"layer" * 2_000_000
    config, manifest = image(big)
    index = {"manifests": [described(manifest, "docker.io/a/b:1"), described(manifest, "docker.io/a/b:alias")]}
    archive = tar([member(big), member(config), member(manifest), ("index.json", json.dumps(index).encode())])
    blobs, images = read(archive, "docker.io/a/b:1", "docker.io/a/other:1")
    assert blobs == {digest_of(data): data for data in (big, config, manifest)}
    assert set(images) == {"docker.io/a/b:1"}
    found = images["docker.io/a/b:1"]
    assert (found.manifest, found.config, found.document) == (digest_of(manifest), digest_of(config), manifest)


def test_picks_the_platform_from_an_index_and_no_attestation() -> None:
    config, manifest = image(b"x")
    attestation = json.dumps({"config": {"digest": digest_of(b"a")}, "layers": []}).encode()
    inner = json.dumps(
        {
            "manifests": [
                {
                    **described(attestation),
                    "platform": {"architecture": "unknown", "os": "unknown"},
                    "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
                },
                {"digest": digest_of(b"elsewhere"), "platform": {"architecture": "arm64", "os": "linux"}},
                described(manifest, platform={**AMD64, "variant": "v2"}),
            ]
        }
    ).encode()
    index = {"manifests": [described(inner, "docker.io/a/b:1", "index")]}
    archive = tar(
        [("index.json", json.dumps(index).encode()), *map(member, (attestation, config, inner, manifest, b"x"))]
    )
    _blobs, images = read(archive, "docker.io/a/b:1")
    assert images["docker.io/a/b:1"].manifest == digest_of(manifest)


def test_an_index_without_the_platform_gives_no_image() -> None:
    inner = json.dumps(
        {"manifests": [{"digest": digest_of(b"x"), "platform": {"architecture": "arm64", "os": "linux"}}]}
    )
    index = {"manifests": [described(inner.encode(), "docker.io/a/b:1", "index")]}
    archive = tar([member(inner.encode()), ("index.json", json.dumps(index).encode())])
    assert read(archive, "docker.io/a/b:1")[1] == {}


def test_one_image_is_found_without_its_name_and_by_any_of_its_ids() -> None:
    config, manifest = image(b"x")
    inner = json.dumps({"manifests": [described(manifest, platform=AMD64)]}).encode()
    index = {"manifests": [described(inner, kind="index")]}
    archive = tar([("index.json", json.dumps(index).encode()), *map(member, (config, inner, manifest, b"x"))])
    for source in ("", digest_of(config), digest_of(manifest), digest_of(inner)):
        assert read(archive, source)[1][source].config == digest_of(config)
    assert read(archive, digest_of(b"another"))[1] == {}
    other = image(b"x", variant="v2")
    index["manifests"].append(described(other[1]))
    both = tar([("index.json", json.dumps(index).encode()), *map(member, (config, inner, manifest, *other, b"x"))])
    assert read(both, "")[1] == {}, "which of the two?"


def test_an_image_for_another_platform_is_none_even_where_only_its_configuration_says_so() -> None:
    config, manifest = image(b"x", architecture="arm64")
    index = {"manifests": [described(manifest, "docker.io/a/b:1")]}
    archive = tar([("index.json", json.dumps(index).encode()), *map(member, (config, manifest, b"x"))])
    assert read(archive, "docker.io/a/b:1")[1] == {}


def test_contents_names_what_there_is_with_its_platforms() -> None:
    configs, manifests = zip(*(image(b"x", architecture=name) for name in ("amd64", "arm64")))
    inner = json.dumps({"manifests": [described(manifest) for manifest in manifests]}).encode()
    index = {"manifests": [described(inner, "docker.io/a/b:1"), described(manifests[1])]}
    archive = tar([("index.json", json.dumps(index).encode()), *map(member, (inner, *configs, *manifests))])
    reader = ArchiveReader(io.BytesIO(archive), "the archive")
    assert list(reader.blobs())
    assert reader.contents() == ["docker.io/a/b:1 (linux/amd64, linux/arm64)", f"{digest_of(manifests[1])} (linux/arm64)"]


def test_reads_the_layout_before_docker_25_and_makes_the_manifest_itself() -> None:
    base, top = b"base" * 3_000_000, b"top"
    config, _manifest = image(base, top)
    name = f"{digest_of(config)[7:]}.json"
    other = tar(
        [
            ("1/VERSION", b"1.0"),
            ("1/json", b"{}"),
            ("1/layer.tar", base),
            ("2/layer.tar", top),
            ("3/layer.tar", "../1/layer.tar"),
            (name, config),
            (
                "manifest.json",
                json.dumps(
                    [
                        {"Config": name, "RepoTags": ["a/b:1"], "Layers": ["1/layer.tar", "2/layer.tar"]},
                        {"Config": name, "RepoTags": ["redis:7"], "Layers": ["3/layer.tar"]},
                        {"Config": name, "RepoTags": None, "Layers": []},
                    ]
                ).encode(),
            ),
            ("repositories", b"{}"),
        ]
    )
    blobs, images = read(other, "docker.io/a/b:1", "docker.io/library/redis:7")
    assert blobs == {digest_of(data): data for data in (base, top, config)}
    first = json.loads(images["docker.io/a/b:1"].document)
    assert [(layer["digest"], layer["size"]) for layer in first["layers"]] == [
        (digest_of(base), len(base)),
        (digest_of(top), len(top)),
    ]
    assert first["config"]["digest"] == images["docker.io/a/b:1"].config == digest_of(config)
    assert images["docker.io/a/b:1"].manifest == digest_of(images["docker.io/a/b:1"].document)
    assert json.loads(images["docker.io/library/redis:7"].document)["layers"] == first["layers"][:1]


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (b"", "the archive is no tar file"),
        (b"no archive at all" * 100, "the archive is no tar file"),
        (tar([("index.json", b"{")]), "cannot be read"),
        (tar([member(b"x" * 9_000_000)])[:6_000_000], "ends in the middle of blob"),
    ],
)
def test_a_broken_archive_is_an_error(archive: bytes, words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        read(archive)


def test_an_archive_that_names_what_it_does_not_hold_is_an_error() -> None:
    archive = tar([("manifest.json", json.dumps([{"Config": "x.json", "RepoTags": ["a/b:1"], "Layers": []}]).encode())])
    with pytest.raises(ArchiveError, match=r"names x\.json, which is not in it"):
        read(archive, "docker.io/a/b:1")


def test_what_is_written_can_be_read_again() -> None:
    big, empty = b"x" * 5_000_001, b""
    config, manifest = image(big, empty)
    saved = SavedImage(digest_of(manifest), "application/vnd.oci.image.manifest.v1+json", manifest, digest_of(config))
    out = io.BytesIO()
    writer = ArchiveWriter(out.write)
    for data in (big, empty):
        writer.begin(blob_path(digest_of(data)), len(data))
        for start in range(0, len(data), 1_000_000):
            writer.data(data[start : start + 1_000_000])
    writer.add(blob_path(digest_of(config)), config)
    writer.add(blob_path(digest_of(manifest)), manifest)
    writer.finish(index_of({"docker.io/a/b:1": saved, "docker.io/a/b:2": saved}))
    assert writer.bytes == len(out.getvalue())
    assert len(out.getvalue()) % tarfile.BLOCKSIZE == 0
    blobs, images = read(out.getvalue(), "docker.io/a/b:1", "docker.io/a/b:2")
    assert set(blobs) == {digest_of(data) for data in (big, empty, config, manifest)}
    assert images == {"docker.io/a/b:1": saved, "docker.io/a/b:2": saved}
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        assert archive.getnames()[-2:] == ["oci-layout", "index.json"]


def test_a_layer_passes_without_being_held_in_memory() -> None:
    class Endless(io.RawIOBase):
        """An archive with one blob of 300 MB that exists nowhere."""

        def __init__(self) -> None:
            header = tarfile.TarInfo(blob_path(digest_of(b"big")))
            header.size = 300_000_000
            self.head = header.tobuf()
            self.left = len(self.head) + header.size + -header.size % 512 + 1024

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            size = min(size, self.left)
            self.left -= size
            part, self.head = self.head[:size], self.head[size:]
            return part + b"\0" * (size - len(part))

    counted = 0
    tracemalloc.start()
    for blob in ArchiveReader(Endless(), "the archive").blobs():
        for chunk in blob.chunks():
            counted += len(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counted == 300_000_000
    assert peak < 16_000_000


def test_a_descriptor_without_a_platform_is_the_image() -> None:
    assert matches_platform({}, "linux/amd64")
    assert matches_platform({"platform": AMD64}, "linux/amd64")
    assert matches_platform({"platform": {**AMD64, "architecture": "arm64"}}, "linux/arm64/v8")
    assert not matches_platform({"platform": AMD64}, "linux/arm64")
