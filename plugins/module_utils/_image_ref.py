# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references, rendered as the chart's helpers luckyplans.image and luckyplans.reference render them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"

# Key: default, pattern, example. The chart's values.schema.json has the same patterns.
_KEYS = {
    "registry": ("", rf"(?:{_HOST})?", "ghcr.io"),
    "owner": ("", rf"(?:{_PATH})?", "takeshi-su57"),
    "localPrefix": ("luckyplans", _PATH, "luckyplans"),
    "name": ("", rf"(?:{_PATH})?", "api-gateway"),
    "repository": ("", rf"(?:(?:{_HOST}/)?{_PATH})?", "docker.io/library/redis"),
    "tag": (None, r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "sha-abc1234"),
    "digest": ("", r"(?:sha256:[0-9a-f]{64})?", "sha256:<64 hex digits>"),
}


def image_ref(spec: Mapping[str, Any]) -> str:
    """Return the reference that spec describes; a ValueError names the key that is wrong."""
    for key in spec:
        if key not in _KEYS:
            raise ValueError(f"{key} is not a key of an image; use {', '.join(_KEYS)}.")
    part = {key: _checked(key, spec.get(key, default)) for key, (default, _pattern, _example) in _KEYS.items()}
    if bool(part["name"]) == bool(part["repository"]):
        raise ValueError(
            f"name is {part['name']!r} and repository is {part['repository']!r}; give exactly one of the two."
        )
    if part["registry"] and part["name"] and not part["owner"]:
        raise ValueError(f"owner is empty, but registry is {part['registry']!r}; name the owner of {part['name']}.")

    repository = part["repository"]
    if part["name"] and part["registry"]:
        repository = f"{part['registry']}/{part['owner']}/{part['name']}"
    elif part["name"]:
        repository = f"{part['localPrefix']}/{part['name']}"
    elif part["registry"]:
        repository = f"{part['registry']}/{repository}"
    digest = f"@{part['digest']}" if part["digest"] else ""
    return f"{repository}:{part['tag']}{digest}"


def _checked(key: str, value: Any) -> str:
    _default, pattern, example = _KEYS[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is {value!r}, not a string; write it in quotes, for example '{example}'.")
    if re.fullmatch(pattern, value):
        return value
    if key != "tag" and value != value.lower():
        raise ValueError(f"{key} is {value!r}, which has uppercase letters; write it in lower case.")
    raise ValueError(f"{key} is {value!r}, which cannot be part of an image reference; write it like {example}.")
