# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.luckyplans.platform.plugins.module_utils import _image_ref


def image_ref(spec: Any, full: Any = False) -> str:
    if not isinstance(spec, Mapping):
        raise AnsibleFilterError(f"the input is {spec!r}; give a dictionary with name or repository, and tag or digest.")
    if not isinstance(full, bool):
        raise AnsibleFilterError(f"full is {full!r}; write true or false, without quotes.")
    try:
        reference = _image_ref.image_ref(spec)
        return _image_ref.full(reference) if full else reference
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"image_ref": image_ref}
