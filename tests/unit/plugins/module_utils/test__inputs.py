# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils._inputs import LABEL, check, nearest
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("a_namespace", "str", "a"), ("a_namespace", "str", "a-1"), ("a_namespace", "str", "x" * 63), ("a_namespace", "str", ""),
        ("a_host", "str", "a.b-c.example"), ("a_host", "str", "localhost"), ("a_timeout", "str", "1.5h"), ("a_timeout", "str", "90s"),
        ("a_timeout", "int", "1"), ("a_port", "int", 0), ("a_port", "int", 65535), ("a_keep", "int", 0), ("a_subnet", "str", "auto"),
        ("a_subnet", "str", "fd00::/64"), ("a_email", "str", "a@b.org"), ("a", "bool", "on"), ("a", "bool", 0), ("a", "list", "one,two"),
        ("a", "dict", "a=b"), ("a", "str", 5), ("a", "path", "~/x"), ("a", "raw", ["anything"]), ("a", "int", None),
    ],
)  # fmt: skip
def test_fits(name: str, kind: str, value: Any) -> None:
    assert check(name, {"type": kind}, value, secret=False) is None


@pytest.mark.parametrize(
    ("name", "kind", "value", "wrong"),
    [
        ("a_namespace", "str", "x" * 64, "Kubernetes"), ("a_namespace", "str", "a-", "Kubernetes"), ("a_release", "str", "a.b", "Kubernetes"),
        ("a_host", "str", "a..b", "host name"), ("a_host", "str", "a" * 64, "host name"), ("a_host", "str", ".".join(["a" * 60] * 5), "host name"),
        ("a_timeout", "str", "5", "duration"), ("a_timeout", "str", "-5m", "duration"), ("a_timeout", "int", 0, "time"), ("a_port", "int", 65536, "port"),
        ("a_patience", "int", 0, "time"), ("a_validity", "int", 0, "time"),
        ("a_keep", "int", "-1", "less than nothing"), ("a_subnet", "str", "10.0.0.1/8", "network"), ("a_subnet", "str", "10.0.0.0", "network"),
        ("a_email", "str", "a b@c.org", "mailbox"), ("a", "bool", 2, "true or false"), ("a", "int", True, "whole number"), ("a", "int", 1.5, "whole number"),
        ("a", "list", {"a": 1}, "list"), ("a", "dict", "b", "mapping"), ("a", "str", ["a"], "text"), ("a", "path", {"a": 1}, "path"),
    ],
)  # fmt: skip
def test_does_not_fit(name: str, kind: str, value: Any, wrong: str) -> None:
    finding = check(name, {"type": kind}, value, secret=False)
    assert finding is not None
    assert (finding.severity, finding.subject) == ("error", name)
    assert wrong in finding.message and finding.remedy


@pytest.mark.parametrize(
    ("name", "kind", "value", "remedy"),
    [
        ("a", "bool", 2, "write true or false"), ("a", "dict", "b", "write names with values below them, or {} for none"),
        ("a", "int", "x", "write it in digits"), ("a", "list", {"a": 1}, "write its entries with dashes below it, or [] for none"),
        ("a", "path", ["a"], "write it in quotes"), ("a", "str", ["a"], "write it in quotes"), ("a_port", "int", -1, "choose a number from 1 to 65535"),
        ("a_patience", "int", 0, "choose a number from 1"), ("a_keep", "int", -1, "choose a number from 0"),
        ("a_timeout", "str", "5", "write it like 5m or 90s"), ("a_release", "str", "My App", "use small letters, digits and inner dashes: my-app"),
        ("a_host", "str", "a/b", "give the name alone, such as argocd.example.org"),
        ("a_subnet", "str", "10", "give one with its length, such as 172.28.0.0/16, or auto"),
        ("a_email", "str", "a", "give one that is read, such as admin@example.org"),
    ],
)  # fmt: skip
def test_says_what_to_do(name: str, kind: str, value: Any, remedy: str) -> None:
    finding = check(name, {"type": kind}, value, secret=False)
    assert finding and finding.remedy == remedy


def test_what_has_no_type_is_a_text() -> None:
    assert check("a_host", {}, "example.org", secret=False) is None
    wrong = [check("a", {}, ["a"], secret=False), check("a_host", {}, "a..b", secret=False)]
    assert [finding and finding.message for finding in wrong] == ["is not a text", "is no host name"]


def test_choices_are_named() -> None:
    option = {"type": "str", "choices": ["never", "if_needed"]}
    assert check("a", option, "never", secret=False) is None
    finding = check("a", option, "always", secret=False)
    assert finding and finding.message == "is not one of its choices"
    assert finding.remedy == "choose one of never, if_needed"


def test_a_secret_is_not_shown_and_a_long_value_is_cut() -> None:
    hidden = check("a", {"type": "str"}, ["canary"], secret=True)
    assert hidden and hidden.value == "(set)"
    for length, told in ((60, "x" * 60), (61, f"{'x' * 60}…"), (100, f"{'x' * 60}…")):
        shown = check("a_port", {"type": "int"}, "x" * length, secret=False)
        assert shown and shown.value == told


@given(st.text())
def test_a_name_that_is_proposed_can_be_taken(text: str) -> None:
    assert LABEL.fullmatch(nearest(text))


@pytest.mark.parametrize(("text", "name"), [("My App", "my-app"), ("-a_b-", "a-b"), ("x" * 64, "x" * 63), ("?", "luckyplans")])
def test_the_name_that_is_proposed_is_like_the_one_that_was_meant(text: str, name: str) -> None:
    assert nearest(text) == name
