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


def test_choices_are_named() -> None:
    option = {"type": "str", "choices": ["never", "if_needed"]}
    assert check("a", option, "never", secret=False) is None
    finding = check("a", option, "always", secret=False)
    assert finding and finding.remedy == "choose one of never, if_needed"


def test_a_secret_is_not_shown_and_a_long_value_is_cut() -> None:
    hidden = check("a", {"type": "str"}, ["canary"], secret=True)
    shown = check("a", {"type": "str"}, ["x" * 100], secret=False)
    assert hidden and hidden.value == "(set)"
    assert shown and len(shown.value) == 61


@given(st.text())
def test_a_name_that_is_proposed_can_be_taken(text: str) -> None:
    assert LABEL.fullmatch(nearest(text))
