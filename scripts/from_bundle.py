"""Takes what scripts/bootstrap needs out of a bundle: wheels under their names, and collections.

usage: from_bundle.py BUNDLE WHEELS COLLECTIONS

Runs on the Python of the machine, with nothing but its standard library, and compares every checksum before a file is used.
"""
from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

AGAIN = "carry the bundle here again, or make it again (playbooks/bundle.yml)"


def blob(bundle: Path, digest: str) -> bytes:
    place = bundle / "blobs" / "sha256" / digest
    try:
        content = place.read_bytes()
    except OSError as error:
        sys.exit(f"{place} cannot be read ({error.strerror}): {AGAIN}")
    if hashlib.sha256(content).hexdigest() != digest:
        sys.exit(f"{place} is altered, its content is not what its name says: {AGAIN}")
    return content


def unpack(content: bytes, target: Path, name: str) -> None:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            place = target / member.name
            if not member.isreg() or ".." in place.parts or Path(member.name).is_absolute():
                sys.exit(f"the collection {name} of the bundle holds {member.name}, which no bundle has: {AGAIN}")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(archive.extractfile(member).read())
            place.chmod(member.mode & 0o755)


def main(bundle: Path, wheels: Path, collections: Path) -> None:
    try:
        manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        number, artifacts = manifest["format"], manifest["artifacts"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{bundle}/manifest.json cannot be read ({error}): LUCKYPLANS_BUNDLE_DIR has to name a bundle; {AGAIN}")
    if number != 1:
        sys.exit(f"{bundle}/manifest.json has format {number}, and this checkout reads 1: take version {manifest.get('version')} of it or newer")
    for item in artifacts:
        name = item["name"]
        if item["kind"] == "wheel" and Path(name).name == name:
            wheels.mkdir(parents=True, exist_ok=True)
            (wheels / name).write_bytes(blob(bundle, item["sha256"]))
        if item["kind"] == "collection":
            unpack(blob(bundle, item["sha256"]), collections / "ansible_collections" / name.replace(".", "/"), name)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
