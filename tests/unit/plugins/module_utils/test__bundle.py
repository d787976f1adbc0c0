# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _bundle as lib
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

HEX = "0a" * 32


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest(**changes: Any) -> lib.Manifest:
    artifacts = [lib.Artifact("tool", "kind", "1.0", "amd64", HEX, 3), lib.Artifact("wheel", "a-1-py3-none-any.whl", "1", "any", HEX, 3)]
    given = {"made": "2026-01-01T00:00:00Z", "version": "0.1.0", "lock": HEX, "settings": {"amd64": {}}, "artifacts": artifacts}
    return lib.Manifest(**{**given, "blobs": {HEX: 3}, "index": HEX, **changes})


def made(folder: Path, *contents: bytes) -> lib.Manifest:
    """A small bundle on the disk."""
    store = lib.Store(str(folder))
    with store.opened():
        for content in contents:
            store.add([content], sha(content), "a test")
        store.write(lib.LAYOUT, lib.LAYOUT_TEXT)
        store.write(lib.INDEX, "{}")
        tools = [lib.Artifact("tool", f"tool-{number}", "1", "amd64", sha(content), len(content)) for number, content in enumerate(contents)]
        new = manifest(artifacts=tools, blobs={sha(content): len(content) for content in contents}, index=sha(b"{}"))
        store.write(lib.MANIFEST, new.text())
    return new


# --- Manifest ---


def test_a_manifest_is_read_as_it_was_written() -> None:
    text = manifest().text()
    assert lib.parse(text, "m").text() == text


def test_two_manifests_of_the_same_are_equal_but_for_the_time() -> None:
    later = manifest(made="2027-01-01T00:00:00Z", artifacts=list(reversed(manifest().artifacts)))
    assert later.same_as(manifest())
    assert not manifest(index="0b" * 32).same_as(manifest())
    assert not manifest().same_as(None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"format": 1', "m is not JSON"),
        ("[]", "m is not the manifest of a bundle"),
        ("{}", "m is not the manifest of a bundle"),
        (manifest().text().replace('"format": 1', '"format": 0'), "format 0"),
        (manifest().text().replace(f'"{HEX}": 3', '"../../etc/passwd": 3'), "passwd"),
        (manifest().text().replace('"name": "kind"', '"name": "../../bin/kind"'), "../../bin/kind"),
        (manifest().text().replace('"name": "kind"', '"name": ".."'), "'..'"),
        (manifest().text().replace('"kind": "tool"', '"kind": "virus"'), "virus"),
        (manifest().text().replace('"arch": "amd64"', '"arch": "s390x"'), "s390x"),
        (manifest().text().replace(f'"sha256": "{HEX}"', f'"sha256": "{"0b" * 32}"'), "artifact"),
        (manifest().text().replace('"use": ""', '"used": ""'), "used"),
    ],
)
def test_a_manifest_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(lib.BundleError, match="carry the bundle here again, or make it again") as caught:
        lib.parse(text, "m")
    assert said in str(caught.value)


def test_a_newer_format_names_the_version_that_reads_it() -> None:
    with pytest.raises(lib.NewerFormat, match=r"m has format 2.*reads up to 1; take version 0\.1\.0 or newer"):
        lib.parse(manifest().text().replace('"format": 1', '"format": 2'), "m")


def test_what_is_for_any_architecture_is_for_each() -> None:
    found = manifest().of("wheel", "arm64")
    assert [item.name for item in found] == ["a-1-py3-none-any.whl"]
    with pytest.raises(lib.BundleError, match=r"/b lacks the tool kind for arm64, which the inventory asks for \(it has none\)"):
        manifest().find("tool", "kind", "arm64", "/b")


def test_a_directory_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(lib.BundleError, match=r"manifest\.json is not there: this is no bundle, or its making or carrying has not ended"):
        lib.read(str(tmp_path))


# --- Store ---


def test_a_blob_is_written_once_and_only_with_the_content_of_its_name(tmp_path: Path) -> None:
    made(tmp_path, b"one")
    store = lib.Store(str(tmp_path))
    with store.opened():
        assert store.has(sha(b"one"))
        with pytest.raises(lib.BundleError, match=f"its origin has sha256 {sha(b'two')} and not {HEX}; get it again"):
            store.add([b"two"], HEX, "its origin")
    assert sorted(os.listdir(tmp_path / lib.BLOBS)) == [sha(b"one")]
    assert not (tmp_path / lib.TEMPORARY).exists()


def test_an_altered_blob_is_written_again(tmp_path: Path) -> None:
    made(tmp_path, b"one")
    (tmp_path / lib.BLOBS / sha(b"one")).write_bytes(b"two")
    dry = lib.Store(str(tmp_path), dry=True)
    assert not dry.has(sha(b"one"))
    assert (tmp_path / lib.BLOBS / sha(b"one")).read_bytes() == b"two", "nothing is removed where nothing may be changed"
    source = tmp_path / "source"
    source.write_bytes(b"one")
    store = lib.Store(str(tmp_path))
    with store.opened():
        assert store.add_file(str(source)) == (sha(b"one"), 3)
    assert (tmp_path / lib.BLOBS / sha(b"one")).read_bytes() == b"one"
    assert store.written == {sha(b"one"): 3}


def test_what_an_interrupted_run_has_left_is_surplus_and_goes_with_the_next(tmp_path: Path) -> None:
    new = made(tmp_path, b"one")
    (tmp_path / lib.TEMPORARY).mkdir()
    (tmp_path / lib.TEMPORARY / "half").write_bytes(b"o")
    assert lib.verify(str(tmp_path), new).surplus == [".new/half"]
    with lib.Store(str(tmp_path)).opened():
        assert not (tmp_path / lib.TEMPORARY).exists()


def test_a_directory_is_packed_by_its_content_alone(tmp_path: Path) -> None:
    packed = []
    for name, names in (("a", ["x", "y/z"]), ("b", ["y/z", "x"])):
        for entry in names:
            file = tmp_path / name / entry
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(entry)
            os.utime(file, (len(packed), len(packed)))
            file.chmod(0o777 if entry == "x" else 0o600)
        (tmp_path / name / "__pycache__").mkdir()
        (tmp_path / name / "__pycache__" / "x.pyc").write_text(name)
        stream = io.BytesIO()
        lib.pack(str(tmp_path / name), stream)
        packed.append(stream.getvalue())
    assert packed[0] == packed[1]
    lib.unpack(io.BytesIO(packed[0]), str(tmp_path / "out"), "a blob")
    assert {path.relative_to(tmp_path / "out").as_posix(): path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*") if path.is_file()} == {
        "x": 0o755,
        "y/z": 0o644,
    }


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_a_member_that_leads_out_of_its_directory_is_refused(tmp_path: Path, name: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    stream.seek(0)
    with pytest.raises(lib.BundleError, match="which no bundle has"):
        lib.unpack(stream, str(tmp_path / "out"), "a blob")
    assert not (tmp_path / "outside").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone may mount a small file system")
def test_a_full_disk_is_one_sentence_and_running_again_goes_on(tmp_path: Path) -> None:
    import subprocess

    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=True)
    try:
        store = lib.Store(str(place))
        large = b"x" * (3 << 20)
        said = "the file system is full; free space, or take a larger one, and run again: what is whole is kept"
        with pytest.raises(lib.BundleError, match=said), store.opened():
            store.add([b"one"], sha(b"one"), "a test")
            store.add([large[:1000], large[1000:]], sha(large), "a test")
        assert sorted(path.name for path in place.rglob("*") if path.is_file()) == [sha(b"one")]
        subprocess.run(["mount", "-o", "remount,size=16m", place], check=True)
        again = lib.Store(str(place))
        with again.opened():
            assert again.has(sha(b"one")) and not again.has(sha(large))
            again.add([large], sha(large), "a test")
        assert again.written == {sha(large): len(large)}
    finally:
        subprocess.run(["umount", place], check=True)


# --- Verifying ---


def test_every_file_that_is_not_as_it_should_be_is_named(tmp_path: Path) -> None:
    contents = [b"one", b"two", b"three", b"four"]
    new = made(tmp_path, *contents)
    assert lib.verify(str(tmp_path), new).clean
    blobs = tmp_path / lib.BLOBS
    (blobs / sha(b"one")).unlink()
    (blobs / sha(b"two")).write_bytes(b"TWO")
    (blobs / sha(b"three")).write_bytes(b"thre")
    (blobs / HEX).write_bytes(b"unknown")
    (tmp_path / "index.json").write_text("{ }")
    found = lib.verify(str(tmp_path), new)
    assert found.missing == [f"blobs/sha256/{sha(b'one')} (tool tool-0 (amd64))"]
    assert sorted(found.altered) == sorted(
        [
            "index.json",
            f"blobs/sha256/{sha(b'two')} (tool tool-1 (amd64); other content than its name says)",
            f"blobs/sha256/{sha(b'three')} (tool tool-2 (amd64); 4 bytes and not 5)",
        ]
    )
    assert found.surplus == [f"blobs/sha256/{HEX}"]
    said = lib.sentence(str(tmp_path), found)
    assert "(1 missing, 3 altered, 1 surplus)" in said
    assert all(entry in said for entry in [*found.missing, *found.altered, *found.surplus])
    assert lib.lacking(str(tmp_path), new, checksums=True) == sorted(map(sha, (b"one", b"two", b"three")))
    assert lib.lacking(str(tmp_path), new, checksums=False) == sorted(map(sha, (b"one", b"three")))


# --- Signature ---


@pytest.fixture
def keys(tmp_path: Path) -> tuple[str, str]:
    return write_keys(tmp_path, "own", Ed25519PrivateKey.generate())


def write_keys(folder: Path, name: str, key: Any) -> tuple[str, str]:
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return str(private), str(public)


def test_a_signed_manifest_is_accepted_and_an_altered_one_is_not(tmp_path: Path, keys: tuple[str, str]) -> None:
    private, public = keys
    path = tmp_path / "bundle"
    new = made(path, b"one")
    with pytest.raises(lib.BundleError, match=r"manifest\.json\.sig is not there, and the inventory asks for a signature"):
        lib.read(str(path), public)
    (path / lib.SIGNATURE).write_text(lib.sign(new.text(), private))
    assert lib.read(str(path), public).text() == new.text()
    assert lib.verify(str(path), new).clean, "a signature is not surplus"
    _private, other = write_keys(tmp_path, "other", Ed25519PrivateKey.generate())
    with pytest.raises(lib.BundleError, match=r"is not the signature of manifest\.json by the key of .*other\.pub"):
        lib.read(str(path), other)
    (path / lib.MANIFEST).write_text(new.text().replace("0.1.0", "0.1.1"))
    with pytest.raises(lib.BundleError, match="one of them was altered"):
        lib.read(str(path), public)
    (path / lib.SIGNATURE).write_text("é")
    with pytest.raises(lib.BundleError, match="one of them was altered"):
        lib.read(str(path), public)


def test_keys_of_another_kind_are_refused(tmp_path: Path, keys: tuple[str, str]) -> None:
    private, public = write_keys(tmp_path, "curve", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(lib.BundleError, match="no ed25519 key; make one: openssl genpkey -algorithm ed25519"):
        lib.sign("x", private)
    with pytest.raises(lib.BundleError, match="is no ed25519 key"):
        lib.check_signature(str(tmp_path), "x", public)
    with pytest.raises(lib.BundleError, match="is no PEM file of a public key"):
        lib.check_signature(str(tmp_path), "x", keys[0])
    with pytest.raises(lib.BundleError, match="nothing.key cannot be read: No such file"):
        lib.sign("x", str(tmp_path / "nothing.key"))


# --- One file ---


def test_one_file_holds_all_of_it_and_the_manifest_last(tmp_path: Path) -> None:
    new = made(tmp_path, b"one", b"two")
    written = []
    for _turn in range(2):
        stream = io.BytesIO()
        lib.write_archive(str(tmp_path), lib.archive_order(new, signed=False), stream, "bundle")
        written.append(stream.getvalue())
    assert written[0] == written[1]
    with tarfile.open(fileobj=io.BytesIO(written[0])) as archive:
        names = archive.getnames()
    assert names[-1] == "bundle/manifest.json"
    assert {name.removeprefix("bundle/") for name in names} == {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}


# --- What is known of an artifact ---


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("six-1.17.0-py2.py3-none-any.whl", ("1.17.0", "any")),
        ("cffi-2.0.0-cp313-cp313-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", ("2.0.0", "amd64")),
        ("cffi-2.0.0-cp313-cp313-manylinux_2_28_aarch64.whl", ("2.0.0", "arm64")),
    ],
)
def test_of_wheel(name: str, known: tuple[str, str]) -> None:
    assert lib.of_wheel(name) == known


def test_of_package() -> None:
    assert lib.of_package("iptables_1%3a1.8_amd64.deb") == ("1:1.8", "amd64")
    assert lib.of_package("ca-certificates_20_all.deb") == ("20", "any")
    with pytest.raises(lib.BundleError, match="not named as Debian packages are"):
        lib.of_package("iptables.deb")


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("docker.io/library/redis:7-alpine", "redis"),
        ("docker.io/library/node:22-alpine", "node-22"),
        ("docker.io/library/node:24.1-alpine", "node-24"),
        ("docker.io/luckyplans-packages/kind-node:1-abc", "kind-node"),
        ("docker.io/luckyplans-packages/traefik-image:3-abc", "traefik"),
        ("docker.io/somebody/kind-node:1", ""),
    ],
)
def test_an_image_is_known_by_its_public_name_or_its_recipe(image: str, name: str) -> None:
    lock = {
        "redis": {"version": "7", "upstream": {"image": "docker.io/library/redis:{version}-alpine"}},
        "node-22": {"version": "22.1", "upstream": {"image": "docker.io/library/node:{version}-alpine"}},
        "node-24": {"version": "24.2", "upstream": {"image": "docker.io/library/node:{version}-alpine"}},
        "kind-node": {"version": "1", "package": {"recipe": "kind-node"}},
        "traefik": {"version": "3", "upstream": {"image": "docker.io/library/traefik:v{version}"}, "package": {"recipe": "traefik-image"}},
    }
    assert lib.lock_entry(lock, image)[0] == name


def test_the_index_names_each_image_with_its_platform() -> None:
    saved = lib.SavedImage(f"sha256:{HEX}", "type", b"{}", HEX)
    image = lib.Artifact("image", "docker.io/library/redis:7", "7", "arm64", HEX, 2)
    (entry,) = json.loads(lib.index_text([(image, saved)]))["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": "docker.io/library/redis:7"}
    assert entry["platform"] == {"os": "linux", "architecture": "arm64"}
