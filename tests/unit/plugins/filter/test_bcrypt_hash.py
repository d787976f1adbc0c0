# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import sys
from typing import Any

import bcrypt
import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.luckyplans.platform.plugins.filter import bcrypt_hash as plugin

bcrypt_hash = plugin.FilterModule().filters()["bcrypt_hash"]
# of htpasswd, and what Go writes
KNOWN = "$2b$04$4BCHyC7IUYRyPXew8WpR9e47kNpYQDQBQEydL6pH4YYFqdKiFd.8G"


def test_it_is_of_the_password() -> None:
    hashed = bcrypt_hash("a password")
    assert hashed.startswith("$2b$10$")
    assert bcrypt.checkpw(b"a password", hashed.encode())
    assert bcrypt_hash("a password") != hashed


@pytest.mark.parametrize("known", [KNOWN, KNOWN.replace("$2b$", "$2a$", 1)])
def test_a_hash_of_the_password_is_kept(known: str) -> None:
    assert bcrypt_hash("canary-of-the-pull-secret", known) == known


@pytest.mark.parametrize("known", [KNOWN, "", "no hash", "$2b$04$short"])
def test_another_one_is_not(known: str) -> None:
    hashed = bcrypt_hash("another password", known)
    assert hashed != known
    assert bcrypt.checkpw(b"another password", hashed.encode())


@pytest.mark.parametrize(("password", "message"), [("", "is not a text, or empty"), (7, "is not a text"), (None, "is not a text"), ("é" * 37, "has 74 bytes")])
def test_refuses(password: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message) as refused:
        bcrypt_hash(password)
    assert "é" not in str(refused.value)


@pytest.mark.parametrize("password", ["é" * 36, "a" * 72])
def test_takes_as_much_as_bcrypt_looks_at(password: str) -> None:
    assert bcrypt.checkpw(password.encode(), bcrypt_hash(password).encode())
    with pytest.raises(AnsibleFilterError, match="has 73 bytes, and bcrypt knows 72 at most"):
        bcrypt_hash(f"{password}a")


def test_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "bcrypt", None)
        importlib.reload(plugin)
        with pytest.raises(AnsibleFilterError, match="pip install bcrypt"):
            plugin.bcrypt_hash("a password")
    importlib.reload(plugin)
