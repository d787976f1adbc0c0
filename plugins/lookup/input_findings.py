# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: input_findings
short_description: Tell which variables have values that the inputs of roles cannot have
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Looks at variables by the specifications of the roles that they are inputs of, before the first of them runs.
  - A variable that is not set, or is made of facts which are not there yet, is passed over; Ansible looks at it when its role begins.
options:
  _terms:
    description: Names of variables.
    type: list
    elements: str
    required: true
  specs:
    description: Specifications of inputs by their names, as in C(meta/argument_specs.yml).
    type: dict
    required: true
  secrets:
    description: Names of those whose values are not shown, beside those whose specification says C(no_log).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: What is wrong?
  ansible.builtin.debug:
    msg: "{{ query('luckyplans.platform.input_findings', 'cluster_agents', specs={'cluster_agents': {'type': 'int'}}) }}"
  vars:
    cluster_agents: many
"""

RETURN = r"""
_raw:
  description: C(severity), C(subject), C(value), C(message) and C(remedy) of each finding; nothing where all is well.
  type: list
  elements: dict
"""

from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.luckyplans.platform.plugins.module_utils._inputs import check


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        specs, secrets = self.get_option("specs"), self.get_option("secrets")
        found = []
        for name in terms:
            if name not in specs or name not in variables:
                continue
            try:
                value = self._templar.template(variables[name])
            except AnsibleError:
                continue
            finding = check(name, specs[name], value, secret=bool(specs[name].get("no_log")) or name in secrets)
            found += [asdict(finding)] if finding else []
        return found
