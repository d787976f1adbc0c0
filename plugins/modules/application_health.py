#!/usr/bin/python

# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: application_health
short_description: Wait until the application says that it is healthy
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Asks a GraphQL endpoint until it answers with data and no errors, or until the time is over. It changes nothing.
  - The endpoint is asked under its name, also where that name leads elsewhere or nowhere, and over https it has to prove it.
extends_documentation_fragment:
  - luckyplans.platform._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - It changes nothing.
  idempotent:
    support: full
options:
  url:
    description: Address of the GraphQL endpoint, C(http://) or C(https://), with the name that users type.
    type: str
    required: true
  query:
    description: The query whose answer must hold data and no errors.
    type: str
    default: "{ health }"
  address:
    description: What to connect to in place of the name in O(url); empty looks the name up.
    type: str
    default: ""
  ca_file:
    description: PEM file of certificates to know the server by, alone; empty trusts what the system trusts.
    type: path
    default: ""
  patience:
    description: Seconds in which a healthy answer has to come.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Wait for the application
  luckyplans.platform.application_health:
    url: https://shop.test:18443/graphql
    address: 127.0.0.1
    ca_file: ~/.luckyplans/clusters/luckyplans/secrets/ca.pem
  register: __example_health
  failed_when: not __example_health.healthy
"""

RETURN = r"""
healthy:
  description: Whether a healthy answer came in time.
  returned: always
  type: bool
detail:
  description: The last answer, or why there was none.
  returned: always
  type: str
  sample: '{"data": {"health": "API Gateway is running"}}'
"""

import http.client
import json
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils._health import Asked, ask, is_healthy


def look(asked: Asked) -> tuple[bool, str]:
    """One question."""
    try:
        answer = ask(asked)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return False, str(error) or type(error).__name__
    return is_healthy(answer), json.dumps(answer)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "query": {"type": "str", "default": "{ health }"},
            "address": {"type": "str", "default": ""},
            "ca_file": {"type": "path", "default": ""},
            "patience": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    params = module.params
    asked = Asked(params["url"], params["query"], params["address"], params["ca_file"])
    deadline = time.monotonic() + params["patience"]
    healthy, detail = look(asked)
    while not healthy and time.monotonic() < deadline:
        time.sleep(min(1.0, max(0.0, deadline - time.monotonic())))
        healthy, detail = look(asked)
    module.exit_json(changed=False, healthy=healthy, detail=detail)


if __name__ == "__main__":
    main()
