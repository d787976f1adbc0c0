# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""A bundle: one directory with everything that a platform is made of.

`manifest.json` names every artifact and every blob, and is written last; blobs are named by their content; images stand in
it as one OCI layout. Nothing is read from a bundle that its manifest does not name, and nothing is used before its checksum was
compared.
"""

from __future__ import annotations

import base64
import binascii
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from ansible_collections.luckyplans.platform.plugins.module_utils._oci import CHUNK, NAME, Blob, SavedImage

# slow to import, and few runs look at a signature
HAS_CRYPTOGRAPHY = importlib.util.find_spec("cryptography") is not None

FORMAT = 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.json.sig"
LAYOUT, INDEX = "oci-layout", "index.json"
LAYOUT_TEXT = '{"imageLayoutVersion":"1.0.0"}'
BLOBS = os.path.join("blobs", "sha256")
TEMPORARY = ".new"
"""The folder for what is being written; a run that was interrupted leaves something in it, and the next one removes that."""
KINDS = ("tool", "chart", "image", "wheel", "collection", "package")
ARCHITECTURES = ("amd64", "arm64", "any")

_HEX = re.compile(r"[0-9a-f]{64}")
# Names become parts of paths on the target.
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~!%-]*")


class BundleError(Exception):
    """A sentence about a bundle that is not what it should be, with the next step."""


class NewerFormat(BundleError):
    """It was made by a later version, so that nothing here may touch it."""


@dataclass(frozen=True)
class Artifact:
    """One thing that a bundle holds."""

    kind: str
    name: str
    """For an image the reference by which it is asked for; for a wheel or a Debian package the name of its file."""
    version: str
    arch: str
    sha256: str
    """The blob; for an image its manifest, which leads to the others."""
    size: int
    """Bytes; for an image all of its blobs, of which it may share some with others."""
    origin: str = ""
    licence: str = ""
    use: str = ""
    """For an image what needs it: node, addon, base, other, application. For a Debian package the release that it is for."""
    config: str = ""
    """For an image the digest of its configuration, which is its id in Docker's classic store."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.kind, self.name, self.arch, self.use

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name} ({self.arch})"


@dataclass
class Manifest:
    """What a bundle holds."""

    made: str
    """When, in UTC. All else follows from what it was made of."""
    version: str
    """Of the collection that made it."""
    lock: str
    """Checksum of the lock file that it was made from."""
    settings: dict[str, Any] = field(default_factory=dict)
    """By architecture: what the roles have to know of these artifacts."""
    artifacts: list[Artifact] = field(default_factory=list)
    blobs: dict[str, int] = field(default_factory=dict)
    """Checksum to size of every blob."""
    index: str = ""
    """Checksum of index.json."""

    def text(self) -> str:
        content = {
            "format": FORMAT,
            "made": self.made,
            "version": self.version,
            "lock": self.lock,
            "settings": self.settings,
            "artifacts": [asdict(item) for item in sorted(self.artifacts, key=lambda item: item.key)],
            "blobs": self.blobs,
            "index": self.index,
        }
        return json.dumps(content, indent=1, sort_keys=True) + "\n"

    def same_as(self, other: Manifest | None) -> bool:
        """Whether they differ in nothing but the time."""
        return other is not None and Manifest(**{**vars(other), "made": self.made}).text() == self.text()

    def of(self, kind: str, arch: str) -> list[Artifact]:
        return [item for item in self.artifacts if item.kind == kind and item.arch in (arch, "any")]

    def find(self, kind: str, name: str, arch: str, path: str) -> Artifact:
        for item in self.of(kind, arch):
            if item.name == name:
                return item
        held = ", ".join(sorted(item.name for item in self.of(kind, arch))) or "none"
        raise BundleError(
            f"The bundle {path} lacks the {kind} {name} for {arch}, which the inventory asks for (it has {held}); "
            "make it again with this inventory (playbooks/bundle.yml), or ask for what it has."
        )

    @property
    def architectures(self) -> list[str]:
        return sorted(self.settings)


def parse(text: str, path: str) -> Manifest:
    """A manifest from its text; path says in errors which file it is."""
    again = "carry the bundle here again, or make it again"
    try:
        content = json.loads(text)
    except ValueError as error:
        raise BundleError(f"{path} is not JSON ({error}): it is cut off or altered; {again}.") from error
    number = content.get("format") if isinstance(content, dict) else None
    if isinstance(number, int) and number > FORMAT:
        raise NewerFormat(
            f"{path} has format {number}, and this version of luckyplans.platform reads up to {FORMAT}; "
            f"take version {content.get('version', '')} or newer, which made it."
        )
    try:
        manifest = Manifest(
            made=str(content["made"]),
            version=str(content["version"]),
            lock=str(content["lock"]),
            settings=dict(content["settings"]),
            artifacts=[Artifact(**item) for item in content["artifacts"]],
            blobs={str(key): int(size) for key, size in content["blobs"].items()},
            index=str(content["index"]),
        )
        wrong = _wrong_entry(manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{path} is not the manifest of a bundle ({error!r}); {again}.") from error
    if number != FORMAT or wrong:
        raise BundleError(f"{path} is not the manifest of a bundle ({wrong or f'format {number}'}); {again}.")
    return manifest


def _wrong_entry(manifest: Manifest) -> str:
    """What in a manifest could lead out of the bundle, or nowhere; empty where nothing does."""
    for digest in manifest.blobs:
        if not _HEX.fullmatch(digest):
            return f"blob {digest!r}"
    for item in manifest.artifacts:
        plain = item.kind == "image" or _FILE.fullmatch(item.name)
        if item.kind not in KINDS or item.arch not in ARCHITECTURES or not plain or item.sha256 not in manifest.blobs:
            return f"artifact {item.kind} {item.name!r} for {item.arch!r}"
    return ""


# --- Files ------------------------------------------------------------------------------------------------------------


def checksum(path: str) -> tuple[str, int]:
    """sha256 and size of a file."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


@contextmanager
def explained(path: str) -> Iterator[None]:
    """A file system that does not do what it is told, in a sentence."""
    try:
        yield
    except OSError as error:
        what = {
            errno.ENOSPC: "the file system is full; free space, or take a larger one",
            errno.EDQUOT: "the quota is used up; free space, or take another file system",
            errno.EROFS: "the file system is read-only; name a directory that can be written",
            errno.EACCES: "it is not ours to write; run as its owner, or name another directory",
            errno.EPERM: "it is not ours to write; run as its owner, or name another directory",
        }.get(error.errno or 0, f"{error.strerror or error}; look at the disk")
        raise BundleError(f"{error.filename or path} was not written: {what}, and run again: what is whole is kept.") from error


class Store:
    """The directory of a bundle that is being made. A blob gets its name only once all of it is on the disk."""

    def __init__(self, path: str, dry: bool = False) -> None:
        """dry writes and removes nothing, and answers as if it had."""
        self.path = path
        self.dry = dry
        self.written: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        """Of the blobs that are there and whole; -1 for those that are not."""

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """Makes the directory, and keeps every other run out of it until the end."""
        with explained(self.path):
            os.makedirs(os.path.join(self.path, BLOBS), exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            shutil.rmtree(os.path.join(self.path, TEMPORARY), ignore_errors=True)
            yield self
        finally:
            shutil.rmtree(os.path.join(self.path, TEMPORARY), ignore_errors=True)
            os.close(handle)

    def blob(self, digest: str) -> str:
        return os.path.join(self.path, BLOBS, digest)

    def size(self, digest: str) -> int:
        return self._sizes[digest]

    def has(self, digest: str) -> bool:
        """Whether a blob is there and whole; one that was altered is removed, so that it is written again."""
        if digest not in self._sizes:
            self._sizes[digest] = -1
            try:
                found, size = checksum(self.blob(digest))
                if found == digest:
                    self._sizes[digest] = size
                elif not self.dry:
                    os.unlink(self.blob(digest))
            except FileNotFoundError:
                pass
        return self._sizes[digest] >= 0

    def has_all(self, digests: Iterable[str]) -> bool:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return all(list(pool.map(self.has, digests)))

    def read(self, digest: str) -> bytes:
        with open(self.blob(digest), "rb") as stream:
            return stream.read()

    def add(self, data: Iterable[bytes], expected: str, origin: str) -> None:
        """Keep content under its checksum, which has to be the expected one."""
        size = sum(map(len, data)) if self.dry else self._write(data, expected, origin)
        self._sizes[expected] = self.written[expected] = size

    def _write(self, data: Iterable[bytes], expected: str, origin: str) -> int:
        digest, size = hashlib.sha256(), 0
        with explained(self.path), self._new("wb") as stream:
            for chunk in data:
                digest.update(chunk)
                size += len(chunk)
                stream.write(chunk)
            if digest.hexdigest() != expected:
                raise BundleError(f"{origin} has sha256 {digest.hexdigest()} and not {expected}; get it again.")
            _place(stream, self.blob(expected))
        return size

    def _new(self, mode: str) -> Any:
        folder = os.path.join(self.path, TEMPORARY)
        os.makedirs(folder, exist_ok=True)
        return tempfile.NamedTemporaryFile(mode, dir=folder, delete=False)

    def add_file(self, path: str) -> tuple[str, int]:
        try:
            found, size = checksum(path)
            if not self.has(found):
                with open(path, "rb") as stream:
                    self.add(chunks(stream), found, path)
        except FileNotFoundError as error:
            raise BundleError(f"{error.filename} is not there; run the roles before this one first.") from error
        return found, size

    def add_tree(self, path: str) -> tuple[str, int]:
        """A directory as a tar file that depends on its content alone."""
        if not os.path.isdir(path):
            raise BundleError(f"{path} is no directory; run the roles before this one first.")
        with tempfile.TemporaryFile() as stream:
            pack(path, stream)
            size = stream.tell()
            stream.seek(0)
            digest = hashlib.sha256()
            for chunk in chunks(stream):
                digest.update(chunk)
            found = digest.hexdigest()
            if not self.has(found):
                stream.seek(0)
                self.add(chunks(stream), found, path)
        return found, size

    def add_blob(self, blob: Blob) -> None:
        self.add(blob.chunks(), blob.digest.partition(":")[2], f"{blob.origin}: {blob.digest}")

    def write(self, name: str, text: str) -> None:
        """A file with a name of its own: all of it or nothing, whatever happens meanwhile."""
        target = os.path.join(self.path, name)
        with explained(target), self._new("wb") as stream:
            stream.write(text.encode())
            _place(stream, target)

    def holds(self, name: str, text: str) -> bool:
        try:
            with open(os.path.join(self.path, name), "rb") as stream:
                return stream.read() == text.encode()
        except (FileNotFoundError, NotADirectoryError):
            return False

    def sync(self) -> None:
        """Names, too, have to be on the disk before the manifest says that they are."""
        for folder in (os.path.join(self.path, BLOBS), self.path):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def drop(self, digest: str) -> None:
        del self.written[digest], self._sizes[digest]
        self.remove(os.path.join(BLOBS, digest))

    def remove(self, name: str) -> None:
        with explained(os.path.join(self.path, name)):
            try:
                os.unlink(os.path.join(self.path, name))
            except FileNotFoundError:
                return


def _place(stream: Any, target: str) -> None:
    """Give a temporary file its name once it is on the disk."""
    stream.flush()
    os.fchmod(stream.fileno(), 0o644)
    os.fsync(stream.fileno())
    os.replace(stream.name, target)


def pack(path: str, stream: IO[bytes]) -> None:
    """Plain files in the order of their names, without times and owners."""
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(names):
                place = os.path.join(folder, name)
                if not os.path.isfile(place):
                    continue
                member = tarfile.TarInfo(os.path.relpath(place, path))
                with open(place, "rb") as content:
                    status = os.fstat(content.fileno())
                    member.size, member.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
                    archive.addfile(member, content)


def unpack(stream: IO[bytes], path: str, origin: str) -> None:
    """What pack has made; a member that would land anywhere else is refused."""
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                target = os.path.normpath(os.path.join(path, member.name))
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or not target.startswith(path + os.sep):
                    raise BundleError(f"{origin} holds {member.name!r}, which no bundle has; make the bundle again.")
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "wb") as out:
                    shutil.copyfileobj(content, out, CHUNK)
                os.chmod(target, member.mode & 0o755)
    except tarfile.TarError as error:
        raise BundleError(f"{origin} is no tar file ({error}); make the bundle again.") from error


# --- Images -----------------------------------------------------------------------------------------------------------


def digests_of(document: bytes) -> list[str]:
    """Checksums of what an image's manifest names: its configuration, then its layers."""
    content = json.loads(document)
    return [entry["digest"].partition(":")[2] for entry in (content["config"], *content["layers"])]


def index_text(images: Iterable[tuple[Artifact, SavedImage]]) -> str:
    """The index of the layout: every image by its name and platform."""
    entries = [
        {
            "mediaType": saved.media_type,
            "digest": saved.manifest,
            "size": len(saved.document),
            "platform": {"os": "linux", "architecture": item.arch},
            "annotations": {NAME: item.name},
        }
        for item, saved in sorted(images, key=lambda pair: pair[0].key)
    ]
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
    return json.dumps(index, indent=1, sort_keys=True) + "\n"


# --- Signature --------------------------------------------------------------------------------------------------------


def _pem(path: str, variable: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(65536)
    except OSError as error:
        raise BundleError(f"{variable} {path} cannot be read: {error.strerror}; name the file of an ed25519 key.") from error


def sign(text: str, key_file: str) -> str:
    """The signature of a manifest, as the text of a file."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_pem(key_file, "private_key"), None)
    except (ValueError, TypeError) as error:
        raise BundleError(f"private_key {key_file} is not a PEM file without a passphrase; give an ed25519 key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"private_key {key_file} is no ed25519 key; make one: openssl genpkey -algorithm ed25519.")
    return base64.b64encode(key.sign(text.encode())).decode() + "\n"


def check_signature(path: str, text: str, key_file: str) -> None:
    """Refuses a bundle whose manifest was not signed by the holder of the key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_pem(key_file, "public_key"))
    except ValueError as error:
        raise BundleError(f"public_key {key_file} is no PEM file of a public key; give an ed25519 key.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BundleError(f"public_key {key_file} is no ed25519 key; name the one that the bundle is signed with.")
    place = os.path.join(path, SIGNATURE)
    try:
        with open(place, encoding="ascii") as stream:
            signature = base64.b64decode(stream.read(4096), validate=False)
        key.verify(signature, text.encode())
    except FileNotFoundError as error:
        raise BundleError(
            f"{place} is not there, and the inventory asks for a signature (platform_bundle_public_key); "
            "make the bundle again with bundle_private_key."
        ) from error
    except (InvalidSignature, binascii.Error, UnicodeDecodeError) as error:
        raise BundleError(
            f"{place} is not the signature of {MANIFEST} by the key of {key_file}: one of them was altered, or it is another's "
            "key; carry the bundle here again, and compare the key with its owner's."
        ) from error


# --- Reading and verifying ---------------------------------------------------------------------------------------------


def read(path: str, public_key: str = "") -> Manifest:
    """The manifest of a bundle, with its signature checked where a key is given."""
    place = os.path.join(path, MANIFEST)
    try:
        with open(place, encoding="utf-8", newline="") as stream:
            text = stream.read()
    except FileNotFoundError as error:
        raise BundleError(
            f"{place} is not there: this is no bundle, or its making or carrying has not ended; do that again, or name the directory of a bundle."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{place} cannot be read ({error}); carry the bundle here again.") from error
    if public_key:
        check_signature(path, text, public_key)
    return parse(text, place)


@dataclass
class Verdict:
    """What is wrong with a bundle: paths within it, with a word why."""

    missing: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.missing or self.altered or self.surplus)


def owners(manifest: Manifest, digest: str) -> str:
    """What needs a blob, for a sentence."""
    named = [item.title for item in manifest.artifacts if item.sha256 == digest]
    return ", ".join(named) or "part of an image"


def check_blob(path: str, digest: str, size: int) -> str:
    """missing, altered with a word how, or empty for a blob that is as it should be."""
    place = os.path.join(path, BLOBS, digest)
    try:
        found = os.stat(place).st_size
        if found != size:
            return f"altered: {found} bytes and not {size}"
        if checksum(place)[0] != digest:
            return "altered: other content than its name says"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"altered: cannot be read, {error.strerror}"
    return ""


def verify(path: str, manifest: Manifest, digests: Iterable[str] | None = None) -> Verdict:
    """Compares every blob, or those named, with its checksum."""
    verdict = Verdict()
    wanted = sorted(manifest.blobs if digests is None else set(digests))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = zip(wanted, pool.map(lambda digest: check_blob(path, digest, manifest.blobs[digest]), wanted))
    for digest, what in found:
        entry = f"{BLOBS}/{digest} ({owners(manifest, digest)}"
        if what == "missing":
            verdict.missing.append(f"{entry})")
        elif what:
            verdict.altered.append(f"{entry}; {what.partition(': ')[2]})")
    if digests is None:
        _verify_documents(path, manifest, verdict)
        verdict.surplus = surplus(path, manifest)
    return verdict


def _verify_documents(path: str, manifest: Manifest, verdict: Verdict) -> None:
    expected = {INDEX: manifest.index, LAYOUT: hashlib.sha256(LAYOUT_TEXT.encode()).hexdigest()}
    for name, digest in expected.items():
        try:
            if checksum(os.path.join(path, name))[0] != digest:
                verdict.altered.append(name)
        except FileNotFoundError:
            verdict.missing.append(name)


def surplus(path: str, manifest: Manifest) -> list[str]:
    """Files of the directory that its manifest does not name."""
    named = {MANIFEST, SIGNATURE, INDEX, LAYOUT, *(os.path.join(BLOBS, digest) for digest in manifest.blobs)}
    found = []
    for folder, _folders, names in os.walk(path):
        found += [os.path.relpath(os.path.join(folder, name), path) for name in names]
    return sorted(set(found) - named)


def lacking(path: str, manifest: Manifest, checksums: bool) -> list[str]:
    """Blobs of a manifest that a directory has not, or not whole."""

    def lacks(digest: str) -> bool:
        if checksums:
            return bool(check_blob(path, digest, manifest.blobs[digest]))
        try:
            return os.stat(os.path.join(path, BLOBS, digest)).st_size != manifest.blobs[digest]
        except OSError:
            return True

    return [digest for digest in sorted(manifest.blobs) if lacks(digest)]


def sentence(path: str, verdict: Verdict) -> str:
    """What verify found, one file a line."""
    lines = [
        f"{what}: {entry}"
        for what, entries in (("missing", verdict.missing), ("altered", verdict.altered), ("surplus", verdict.surplus))
        for entry in entries
    ]
    steps = []
    if verdict.missing or verdict.altered:
        steps.append("carry these files here again, or make the bundle again with the same directory, which mends it")
    if verdict.surplus:
        steps.append("--tags prune removes what is surplus")
    counts = ", ".join(f"{len(getattr(verdict, what))} {what}" for what in ("missing", "altered", "surplus"))
    return f"The bundle {path} is not what its manifest says ({counts}); {'; '.join(steps)}.\n" + "\n".join(lines)


def archive_order(manifest: Manifest, signed: bool) -> Sequence[str]:
    """The files of a bundle as they stand in one file for transport: the manifest last, as where it is unpacked it makes a bundle."""
    blobs = [os.path.join(BLOBS, digest) for digest in sorted(manifest.blobs)]
    return [LAYOUT, *blobs, INDEX, *([SIGNATURE] if signed else []), MANIFEST]


def write_archive(path: str, names: Sequence[str], write: IO[bytes], top: str) -> None:
    """The files as a tar stream that depends on their content alone."""
    with tarfile.open(fileobj=write, mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK) as archive:
        for name in names:
            with open(os.path.join(path, name), "rb") as content:
                member = tarfile.TarInfo(f"{top}/{name}")
                member.size, member.mode = os.fstat(content.fileno()).st_size, 0o644
                archive.addfile(member, content)


# --- What is known of an artifact -------------------------------------------------------------------------------------


def of_wheel(name: str) -> tuple[str, str]:
    """Version and architecture, from the name of a wheel's file."""
    parts = name[: -len(".whl")].split("-")
    if len(parts) < 5:
        raise BundleError(f"{name} is not named as wheels are; empty the folder of wheels and run again.")
    return parts[1], _arch(parts[-1], {"x86_64": "amd64", "aarch64": "arm64"})


def of_package(name: str) -> tuple[str, str]:
    """Version and architecture, from the name of a Debian package's file."""
    parts = name[: -len(".deb")].split("_")
    if len(parts) != 3:
        raise BundleError(f"{name} is not named as Debian packages are; empty the folder of packages and run again.")
    return parts[1].replace("%3a", ":"), _arch(parts[2], {"amd64": "amd64", "arm64": "arm64"})


def _arch(text: str, names: Mapping[str, str]) -> str:
    return next((arch for word, arch in names.items() if text.endswith(word)), "any")


def lock_entry(lock: Mapping[str, Any], image: str) -> tuple[str, Mapping[str, Any]]:
    """The entry of the lock that an image comes from: by its public name, or by the recipe that made it."""
    repository = image.partition("@")[0].rpartition(":")[0]
    tag = image.rpartition(":")[2]
    last = repository.rpartition("/")[2]
    known = []
    for name, entry in lock.items():
        address = (entry.get("upstream") or {}).get("image", "")
        filled = address.replace("{version}", str(entry.get("version", "")))
        if filled == image:
            return name, entry
        if address.rpartition(":")[0] == repository or "/luckyplans-packages/" in image and last in (
            name,
            (entry.get("package") or {}).get("recipe"),
        ):
            known.append((name, entry))
    # of several versions of one image the one that the tag begins like
    known.sort(key=lambda pair: not str(pair[1].get("version", "")).startswith(re.split(r"[-.]", tag)[0]))
    return known[0] if known else ("", {})
