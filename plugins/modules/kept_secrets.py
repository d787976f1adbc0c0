#!/usr/bin/python

# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kept_secrets
short_description: Generate secrets once and keep them on the host
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Every name of O(secrets) that has no value gets one from the operating system's random numbers. It is kept in a file of its own, so that the next run
    hands on the same one.
  - A value that was given is handed on as it is and not kept here.
  - A name in O(renew) gets a new value in place of the kept one, each time that the module runs.
  - The result holds the secrets, so the task needs C(no_log).
extends_documentation_fragment:
  - luckyplans.platform._attributes
attributes:
  check_mode:
    support: full
    details:
      - A secret that would be generated is handed on as an empty text.
  diff_mode:
    support: none
    details:
      - A difference would show secrets.
  idempotent:
    support: partial
    details:
      - What is in O(renew) is generated anew each time.
options:
  path:
    description: The directory, made with mode C(0700); each file in it has mode C(0600) and the name of its secret.
    type: path
    required: true
  secrets:
    description: Values by name; empty for one that is to be generated. A name is 1 to 64 letters, digits, dots, dashes and underscores.
    type: dict
    required: true
  renew:
    description: Names of O(secrets) that are generated anew though a value is kept. The file is replaced at once, so that it holds the old value or the new
      one whenever the run is cut off. A name that has a given value is not generated.
    type: list
    elements: str
    default: []
  length:
    description: Characters of a generated secret, letters and digits, of which each holds 5.9 bits.
    type: int
    default: 43
"""

EXAMPLES = r"""
- name: The password of an administrator
  luckyplans.platform.kept_secrets:
    path: ~/.luckyplans/clusters/luckyplans/secrets
    secrets:
      admin-password: "{{ vault_admin_password | default('') }}"
  register: __example_secrets
  no_log: true

- name: Another password
  luckyplans.platform.kept_secrets:
    path: ~/.luckyplans/clusters/luckyplans/secrets
    secrets: {admin-password: ""}
    renew: [admin-password]
  register: __example_secrets
  no_log: true
"""

RETURN = r"""
secrets:
  description: The secrets by name.
  returned: always
  type: dict
generated:
  description: Names of the secrets that were generated now.
  returned: always
  type: list
  elements: str
"""

import os
import re
import secrets
import stat
import string
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils._content import write_atomically

ALPHABET = string.ascii_letters + string.digits
# 128 bits
SHORTEST = 22


class SecretError(Exception):
    """A secret cannot be kept; the text says which, and the next step."""


def read(path: str) -> str:
    """A kept secret, or nothing. An empty file is no secret: it is the trace of something that went wrong."""
    try:
        with open(path, encoding="utf-8") as stream:
            value = stream.read().strip()
    except FileNotFoundError:
        return ""
    if not value:
        raise SecretError(f"path: the file {path} is empty. Next: remove it for a new secret, or restore it.")
    return value


def keep(params: dict[str, Any], pretend: bool) -> tuple[dict[str, str], list[str], bool]:
    """Values, what was generated, and whether anything was changed."""
    directory, values, generated = str(params["path"]), {}, []
    changed, renew = False, set(params["renew"])
    if strangers := sorted(renew - set(params["secrets"])):
        raise SecretError(f"renew: {', '.join(strangers)} is not among secrets. Next: name it there, or leave it out.")
    for name, given in params["secrets"].items():
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name) or name in (".", ".."):
            raise SecretError(f"secrets: the name {name!r} is not 1 to 64 letters, digits, dots, dashes and underscores.")
        place = os.path.join(directory, name)
        # the old value of one that is renewed is nobody's business, not even whether it can be read
        values[name] = str(given) if given not in (None, "") else "" if name in renew else read(place)
        if not values[name]:
            generated.append(name)
            if not pretend:
                values[name] = "".join(secrets.choice(ALPHABET) for _nth in range(params["length"]))
                os.makedirs(directory, mode=0o700, exist_ok=True)
                write_atomically(place, values[name] + "\n")
        changed |= close(place, 0o600, pretend)
    return values, generated, close(directory, 0o700, pretend) or changed or bool(generated)


def close(path: str, mode: int, pretend: bool) -> bool:
    """Nobody else may look, whatever became of the mode in the meantime."""
    try:
        if stat.S_IMODE(os.stat(path).st_mode) & ~mode == 0:
            return False
    except FileNotFoundError:
        return False
    if not pretend:
        os.chmod(path, mode)
    return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            # no_log would hide the result from the tasks that need it; the task has it
            "secrets": {"type": "dict", "required": True, "no_log": False},
            "renew": {"type": "list", "elements": "str", "default": []},
            "length": {"type": "int", "default": 43},
        },
        supports_check_mode=True,
    )
    if module.params["length"] < SHORTEST:
        module.fail_json(msg=f"length is {module.params['length']}, which can be guessed. Next: {SHORTEST} or more.")
    try:
        values, generated, changed = keep(module.params, module.check_mode)
    except SecretError as error:
        module.fail_json(msg=str(error))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "it is not text"
        module.fail_json(msg=f"path: {getattr(error, 'filename', '') or module.params['path']} cannot be kept: {reason}. Next: run as its owner.")
    module.exit_json(changed=changed, secrets=values, generated=generated)


if __name__ == "__main__":
    main()
