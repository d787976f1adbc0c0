# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_findings
short_description: Tell whether a certificate can be served for a name
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Looks at a certificate and its private key, in files of the controller or as text, before anything is sent anywhere.
  - It is to be PEM, for the name, within its time, with its issuers after it in their order; the key is to be its own and without a passphrase.
options:
  _terms:
    description: The name.
    type: list
    elements: str
    required: true
  certificate_file:
    description: Path of the certificate and its issuers.
    type: str
    default: ""
  private_key_file:
    description: Path of the private key.
    type: str
    default: ""
  certificate:
    description: In place of O(certificate_file), its content.
    type: str
    default: ""
  private_key:
    description: In place of O(private_key_file), its content.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Can it be served?
  ansible.builtin.debug:
    msg: "{{ query('luckyplans.platform.certificate_findings', 'example.org', certificate_file='/srv/cert.pem', private_key_file='/srv/key.pem') }}"
"""

RETURN = r"""
_raw:
  description: C(severity), C(subject), C(value), C(message) and C(remedy) of each finding; nothing where it can be served.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.luckyplans.platform.plugins.module_utils._certificate import MISSING, findings


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        if MISSING:
            raise AnsibleLookupError(f"{MISSING}: certificates cannot be looked at; install the Python package cryptography beside ansible-core.")
        self.set_options(var_options=variables, direct=kwargs)
        given = {name: self.get_option(name) for name in ("certificate_file", "private_key_file", "certificate", "private_key")}
        return [finding for term in terms for finding in findings(given, term)]
