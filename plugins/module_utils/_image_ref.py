# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references: rendered as the chart's helpers luckyplans.image and luckyplans.reference do, taken apart, and made complete."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_LABEL = r"[a-z0-9]+(?:-+[a-z0-9]+)*"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]{{1,5}})?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"sha256:[0-9a-f]{64}"

# Key: default, pattern, example. The chart's values.schema.json has the same patterns.
_KEYS = {
    "registry": ("", rf"(?:{_HOST})?", "ghcr.io"),
    "owner": ("", rf"(?:{_PATH})?", "takeshi-su57"),
    "localPrefix": ("luckyplans", _PATH, "luckyplans"),
    "name": ("", rf"(?:{_PATH})?", "api-gateway"),
    "repository": ("", rf"(?:(?:{_HOST}/)?{_PATH})?", "docker.io/library/redis"),
    "tag": ("", rf"(?:{_TAG})?", "sha-abc1234"),
    "digest": ("", rf"(?:{_DIGEST})?", "sha256:<64 hex digits>"),
}

# What stands before the first slash is a host if it has a dot or a port, or is localhost; else it is part of a path.
_IS_HOST = r"[^/]*[.:][^/]*/|localhost/"
_REFERENCE = (
    rf"(?:(?={_IS_HOST})(?P<registry>{_HOST})/|(?!{_IS_HOST}))"
    rf"(?P<repository>{_PATH})(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
_ID = r"sha256:[0-9a-f]+|[0-9a-f]{64}"


class Parts(NamedTuple):
    """What a reference names; "" where it names none."""

    registry: str
    repository: str
    tag: str
    digest: str


def image_ref(spec: Mapping[str, Any]) -> str:
    """Return the reference that spec describes; a ValueError names the key that is wrong."""
    for key in spec:
        if key not in _KEYS:
            raise ValueError(f"{key} is not a key of an image; use {', '.join(_KEYS)}.")
    part = {key: _checked(key, spec.get(key, default)) for key, (default, _pattern, _example) in _KEYS.items()}
    if bool(part["name"]) == bool(part["repository"]):
        raise ValueError(f"name is {part['name']!r} and repository is {part['repository']!r}; give exactly one of the two.")
    if not part["tag"] and not part["digest"]:
        raise ValueError("tag is '' and digest is ''; give at least one of the two.")
    if part["registry"] and part["name"] and not part["owner"]:
        raise ValueError(f"owner is empty, but registry is {part['registry']!r}; name the owner of {part['name']}.")
    if part["registry"] and ":" in part["repository"]:
        raise ValueError(f"registry is {part['registry']!r}, but repository is {part['repository']!r}; name the registry in one of the two.")

    repository = part["repository"]
    if part["name"] and part["registry"]:
        repository = f"{part['registry']}/{part['owner']}/{part['name']}"
    elif part["name"]:
        repository = f"{part['localPrefix']}/{part['name']}"
    elif part["registry"]:
        repository = f"{part['registry']}/{repository}"
    tag = f":{part['tag']}" if part["tag"] else ""
    digest = f"@{part['digest']}" if part["digest"] else ""
    return f"{repository}{tag}{digest}"


def parse(reference: str) -> Parts:
    """Take a reference apart, and add nothing to it; a ValueError says why it cannot be read."""
    match = re.fullmatch(_REFERENCE, reference)
    if re.fullmatch(_ID, reference):
        raise ValueError(f"{reference!r} is the id of an image, not a reference; give its name with a tag or a digest.")
    if match:
        return Parts(**match.groupdict(default=""))
    if re.fullmatch(_REFERENCE, reference, re.IGNORECASE):
        raise ValueError(f"{reference!r} has uppercase letters outside its tag; write them in lower case.")
    raise ValueError(f"{reference!r} cannot be read as an image reference; write it like ghcr.io/takeshi-su57/api-gateway:sha-abc1234.")


def full(reference: str) -> str:
    """The complete name under which containerd and the kubelet know an image: registry, path, and tag or digest."""
    registry, repository, tag, digest = parse(reference)
    if registry in ("", "index.docker.io"):
        registry = "docker.io"
    if registry == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    # A digest says which image it is; containerd drops a tag beside it.
    return f"{registry}/{repository}@{digest}" if digest else f"{registry}/{repository}:{tag or 'latest'}"


def repository(reference: str) -> str:
    """The complete name without tag and digest: what all versions of an image have in common."""
    path, slash, tail = full(reference).partition("@")[0].rpartition("/")
    return f"{path}{slash}{tail.partition(':')[0]}"


def _checked(key: str, value: Any) -> str:
    _default, pattern, example = _KEYS[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is {value!r}, not a string; write it in quotes, for example '{example}'.")
    if re.fullmatch(pattern, value):
        return value
    if key != "tag" and value != value.lower():
        raise ValueError(f"{key} is {value!r}, which has uppercase letters; write it in lower case.")
    raise ValueError(f"{key} is {value!r}, which cannot be part of an image reference; write it like {example}.")
