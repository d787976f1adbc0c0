"""Takes the collections of requirements.yml out of the PyPI wheel of the package `ansible`.

usage: unpack_collections.py REQUIREMENTS WHEEL DESTINATION
"""
from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import yaml


def unpack(requirements: Path, wheel: Path, destination: Path) -> None:
    """Extract each collection and refuse a wheel that carries another version than the one asked for."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for wanted in yaml.safe_load(requirements.read_text())["collections"]:
            folder = f"ansible_collections/{wanted['name'].replace('.', '/')}/"
            found = json.loads(archive.read(folder + "MANIFEST.json"))["collection_info"]["version"]
            if found != wanted["version"]:
                sys.exit(f"{wheel.name} carries {wanted['name']} {found}, {requirements} asks for {wanted['version']}: "
                         f"set the version in {requirements} or the pin of the package in scripts/bootstrap")
            archive.extractall(destination, [name for name in names if name.startswith(folder)])


if __name__ == "__main__":
    unpack(*map(Path, sys.argv[1:4]))
