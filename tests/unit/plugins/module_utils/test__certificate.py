# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils._certificate import findings
from certificates import Issued, issue


@pytest.fixture(scope="module")
def authority() -> Issued:
    return issue("authority", authority=True)


def look(domain: str = "example.org", **given: str) -> list[dict[str, Any]]:
    return findings({"certificate_file": "", "private_key_file": "", "certificate": "", "private_key": "", **given}, domain)


def look_at(certificate: str, key: str, domain: str = "example.org") -> list[tuple[str, str, str]]:
    """Both as text."""
    found = look(domain, certificate=certificate, private_key=key)
    assert all(item["remedy"] for item in found)
    assert not [item for item in found if any(line in str(item) for line in key.splitlines()[1:-1])], "a key is shown"
    return [(item["severity"], item["subject"], item["message"]) for item in found]


@pytest.mark.parametrize(
    ("names", "domain"),
    [(["example.org"], "example.org"), (["a.org", "*.example.org"], "www.example.org"), (["EXAMPLE.org"], "example.org")],
)
def test_nothing_is_the_matter(authority: Issued, names: list[str], domain: str) -> None:
    server = issue("server", names, by=authority)
    assert look_at(server.pem + authority.pem, server.key_pem, domain) == []
    assert look_at(server.pem, server.key_pem, domain) == []


@pytest.mark.parametrize(
    ("names", "domain", "message"),
    [
        (["example.org"], "other.org", "is for example.org, and platform_domain is other.org"),
        (["*.example.org"], "example.org", r"is for *.example.org, and"),
        (["*.example.org"], "a.b.example.org", r"is for *.example.org, and"),
        ([], "example.org", "is for no name at all"),
    ],
)
def test_another_name(names: list[str], domain: str, message: str) -> None:
    server = issue("server", names)
    [(severity, subject, said)] = look_at(server.pem, server.key_pem, domain)
    assert (severity, subject) == ("error", "tls_certificate")
    assert message in said


@pytest.mark.parametrize(
    ("begins", "ends", "severity", "message"),
    [(-20, -1, "error", "which ended on"), (1, 20, "error", "which begins on"), (-20, 13, "warning", "which ends on"), (-20, 15, "", "")],
)
def test_time(begins: int, ends: int, severity: str, message: str) -> None:
    server = issue("server", ["example.org"], begins=begins, ends=ends)
    found = look_at(server.pem, server.key_pem)
    assert [item[0] for item in found] == ([severity] if severity else [])
    assert all(message in item[2] for item in found)


def test_order_and_owner(authority: Issued) -> None:
    server, another = issue("server", ["example.org"], by=authority), issue("another", ["example.org"])
    for chain, key, message in (
        (authority.pem + server.pem, server.key_pem, "belongs to another certificate than the first"),
        (server.pem + another.pem, server.key_pem, "is out of order: CN=server was not issued by CN=another"),
        (server.pem, another.key_pem, "does not belong to the certificate of CN=server"),
    ):
        assert message in look_at(chain, key)[0][2]


@pytest.mark.parametrize(
    ("certificate", "key", "subject", "message"),
    [
        ("", "key", "tls_certificate_file", "is empty, and platform_tls is provided"),
        ("certificate", "", "tls_private_key_file", "is empty, and platform_tls is provided"),
        ("no PEM", "key", "tls_certificate", "is not a list of PEM certificates"),
        ("both", "key", "tls_certificate", "holds a private key"),
        ("certificate", "no PEM", "tls_private_key", "is not a PEM private key"),
        ("certificate", "locked", "tls_private_key", "is locked with a passphrase"),
    ],
)
def test_what_is_no_pair(certificate: str, key: str, subject: str, message: str) -> None:
    made = issue("server", ["example.org"])
    texts = {"certificate": made.pem, "key": made.key_pem, "both": made.pem + made.key_pem, "locked": made.locked_pem}
    [(severity, said_of, said)] = look_at(texts.get(certificate, certificate), texts.get(key, key))
    assert (severity, said_of) == ("error", subject)
    assert message in said


def test_files(tmp_path: Path) -> None:
    made = issue("server", ["example.org"])
    for name, text in (("cert.pem", made.pem), ("key.pem", made.key_pem)):
        (tmp_path / name).write_text(text)
    good = {"certificate_file": str(tmp_path / "cert.pem"), "private_key_file": str(tmp_path / "key.pem")}
    assert look(**good) == []
    for change, subject, value, message in (
        ({"certificate_file": str(tmp_path / "no.pem")}, "tls_certificate_file", str(tmp_path / "no.pem"), "cannot be read: No such file"),
        ({"certificate_file": "cert.pem"}, "tls_certificate_file", "cert.pem", "is not an absolute path"),
        ({"private_key": made.key_pem}, "tls_private_key_file", good["private_key_file"], "and tls_private_key are both set"),
    ):
        [finding] = look(**{**good, **change})
        assert (finding["subject"], finding["value"]) == (subject, value)
        assert message in finding["message"]
