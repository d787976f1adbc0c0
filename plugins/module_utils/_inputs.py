# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Is a value one that an input of a role can have? By its specification, and by what the last word of its name says that it is.

Ansible asks the same when the role begins, which may be after others have changed something."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.common.validation import check_type_bool, check_type_dict, check_type_int, check_type_list
from ansible_collections.luckyplans.platform.plugins.module_utils._preflight import Finding, error

KINDS = {
    "bool": ("true or false", "write true or false"),
    "dict": ("a mapping", "write names with values below them, or {} for none"),
    "int": ("a whole number", "write it in digits"),
    "list": ("a list", "write its entries with dashes below it, or [] for none"),
    "path": ("a path", "write it in quotes"),
    "str": ("a text", "write it in quotes"),
}
CONVERTERS: dict[str, Callable[[Any], Any]] = {"bool": check_type_bool, "dict": check_type_dict, "int": check_type_int, "list": check_type_list}
# of a name in Kubernetes: RFC 1123
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
# of Go, which Helm is written in
DURATION = re.compile(r"(\d+(\.\d+)?(ms|s|m|h))+")


def check(name: str, option: Mapping[str, Any], value: Any, secret: bool) -> Finding | None:
    """What is wrong with a value, shown unless it is secret. None is an input that is not set."""
    if value is None:
        return None
    shown = "(set)" if secret else shorten(value)
    wrong = _type(option, value) or _choice(option, value) or _range(name, option, value) or _form(name, option, value)
    return error(name, shown, *wrong) if wrong else None


def shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _type(option: Mapping[str, Any], value: Any) -> tuple[str, str] | None:
    kind = option.get("type", "str")
    if kind not in KINDS:
        return None
    # Ansible would write a list as a text, which nobody means
    fits = not isinstance(value, (dict, list)) if kind in ("str", "path") else _converts(kind, value)
    what, remedy = KINDS[kind]
    return None if fits else (f"is not {what}", remedy)


def _converts(kind: str, value: Any) -> bool:
    try:
        CONVERTERS[kind](value)
    except (TypeError, ValueError):
        return False
    # true is 1 to Python
    return kind != "int" or not isinstance(value, bool)


def _choice(option: Mapping[str, Any], value: Any) -> tuple[str, str] | None:
    choices = option.get("choices")
    if not choices or value in choices:
        return None
    return "is not one of its choices", f"choose one of {', '.join(choices)}"


def _range(name: str, option: Mapping[str, Any], value: Any) -> tuple[str, str] | None:
    if option.get("type") != "int":
        return None
    number = int(value)
    if name.endswith("_port"):
        return None if 0 <= number <= 65535 else ("is no port", "choose a number from 1 to 65535")
    if name.endswith(("_timeout", "_patience", "_validity")):
        return None if number >= 1 else ("is no time to wait or to last", "choose a number from 1")
    return None if number >= 0 else ("is less than nothing", "choose a number from 0")


def _form(name: str, option: Mapping[str, Any], value: Any) -> tuple[str, str] | None:
    if option.get("type", "str") != "str" or value == "":
        return None
    text = str(value)
    if name.endswith("_timeout"):
        return None if DURATION.fullmatch(text) else ("is no duration", "write it like 5m or 90s")
    if name.endswith(("_namespace", "_release")):
        return None if LABEL.fullmatch(text) else ("is no name that Kubernetes takes", f"use small letters, digits and inner dashes: {nearest(text)}")
    if name.endswith("_host"):
        return None if HOST.fullmatch(text) else ("is no host name", "give the name alone, such as argocd.example.org")
    if name.endswith("_subnet"):
        return None if text == "auto" or is_network(text) else ("is no network", "give one with its length, such as 172.28.0.0/16, or auto")
    if name.endswith("_email"):
        return None if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text) else ("is no address of a mailbox", "give one that is read, such as admin@example.org")
    return None


def nearest(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:63].strip("-") or "luckyplans"


def is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text
