# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.luckyplans.platform.plugins.module_utils import _image_ref


def image_parts(reference: Any) -> dict[str, str]:
    if not isinstance(reference, str):
        raise AnsibleFilterError(f"the input is {reference!r}; give a reference in quotes, for example 'redis:7-alpine'.")
    try:
        return _image_ref.parse(reference)._asdict()
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        return {"image_parts": image_parts}
