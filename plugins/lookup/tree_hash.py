# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tree_hash
short_description: Know directories of the controller by their content
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - For each directory one sha256 over the names, the contents and the executable bits of all files in it, at any depth.
  - Directories called C(__pycache__) are left out.
options:
  _terms:
    description: Paths of directories on the controller.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Is this the same release of our own roles?
  ansible.builtin.debug:
    msg: "{{ lookup('luckyplans.platform.tree_hash', role_path) }}"
"""

RETURN = r"""
_raw:
  description: The sha256 of each directory, in the order of the terms. An empty or missing one has the hash of nothing.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.luckyplans.platform.plugins.module_utils._content import files_below, hash_of_files


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        try:
            return [hash_of_files(files_below(term)) for term in terms]
        except OSError as error:
            raise AnsibleLookupError(f"{error.filename} cannot be read: {error.strerror}; let this user read it") from error
