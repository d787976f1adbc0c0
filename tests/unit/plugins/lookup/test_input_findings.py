# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.luckyplans.platform.plugins.lookup.input_findings import LookupModule

SPECS = {"a_keep": {"type": "int"}, "a_port": {"type": "int"}, "a_password": {"type": "str", "no_log": True}, "a_token": {"type": "str"}}


def findings(**variables: Any) -> list[dict[str, Any]]:
    loader = DataLoader()
    templar = Templar(loader, {key: trust_as_template(value) if isinstance(value, str) else value for key, value in variables.items()})
    lookup = LookupModule(loader=loader, templar=templar)
    # as Ansible would set them, which wants a collection that it has found itself
    lookup.set_options = lambda var_options, direct: None
    lookup.get_option = {"specs": SPECS, "secrets": ["a_token"]}.get
    return lookup.run([*SPECS, "unknown"], templar.available_variables)


def test_templates_are_filled_in_first() -> None:
    assert findings(a_keep="{{ number }}", number=3) == []
    (found,) = findings(a_keep="{{ number }}", number="many")
    assert (found["subject"], found["value"], found["severity"]) == ("a_keep", "many", "error")


def test_what_waits_for_a_fact_is_passed_over_and_the_rest_is_not() -> None:
    assert [found["subject"] for found in findings(a_keep="{{ platform_artifacts.number }}", a_port=70000, unknown="x")] == ["a_port"]


def test_secrets_are_not_shown() -> None:
    assert {found["subject"]: found["value"] for found in findings(a_password=["canary"], a_token=["canary"])} == {"a_password": "(set)", "a_token": "(set)"}
