# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

try:
    import bcrypt
except ImportError:
    bcrypt = None  # type: ignore[assignment]  # the filter says so

# what bcrypt looks at; more would be passed over in silence
LONGEST = 72


def bcrypt_hash(password: Any, known: str = "") -> str:
    if bcrypt is None:
        raise AnsibleFilterError("bcrypt_hash needs the Python package bcrypt on the controller. Next: pip install bcrypt, or scripts/bootstrap.")
    if not isinstance(password, str) or not password:
        raise AnsibleFilterError("the input is not a text, or empty; give the password in quotes.")
    secret = password.encode()
    if len(secret) > LONGEST:
        raise AnsibleFilterError(f"the password has {len(secret)} bytes, and bcrypt knows {LONGEST} at most; choose a shorter one.")
    if known and _fits(secret, known.encode()):
        return known
    return bcrypt.hashpw(secret, bcrypt.gensalt(10)).decode()


def _fits(secret: bytes, known: bytes) -> bool:
    try:
        return bcrypt.checkpw(secret, known)
    except ValueError:
        return False


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"bcrypt_hash": bcrypt_hash}
