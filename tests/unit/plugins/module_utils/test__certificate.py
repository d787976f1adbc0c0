# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _certificate
from ansible_collections.luckyplans.platform.plugins.module_utils._certificate import findings
from certificates import Issued, issue

NAME_IT = "name the PEM file on the machine that runs ansible-playbook, or keep its content in a vault as"
UNLOCK = "write it without one, mode 0600: openssl pkey -in FILE -out key.pem"


@pytest.fixture(scope="module")
def authority() -> Issued:
    return issue("authority", authority=True)


def look(domain: str = "example.org", **given: str) -> list[dict[str, Any]]:
    return findings({"certificate_file": "", "private_key_file": "", "certificate": "", "private_key": "", **given}, domain)


def look_at(certificate: str, key: str, domain: str = "example.org") -> list[tuple[str, str, str, str]]:
    """Both as text."""
    found = look(domain, certificate=certificate, private_key=key)
    assert all(item["value"] == ("(empty)" if item["subject"].endswith("_file") else "(set)") for item in found)
    assert not [item for item in found if any(line in str(item) for line in key.splitlines()[1:-1])], "a key is shown"
    return [(item["severity"], item["subject"], item["message"], item["remedy"]) for item in found]


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
        (["a.org", "*.example.org"], "example.org", "is for a.org, *.example.org, and"),
        (["*.example.org"], "a.b.example.org", "is for *.example.org, and"),
        ([], "example.org", "is for no name at all"),
    ],
)
def test_another_name(names: list[str], domain: str, message: str) -> None:
    server = issue("server", names)
    [(severity, subject, said, remedy)] = look_at(server.pem, server.key_pem, domain)
    assert (severity, subject, remedy) == ("error", "tls_certificate", "give one with that name as subjectAltName, or another platform_domain")
    assert message in said


@pytest.mark.parametrize(
    ("begins", "ends", "severity", "message", "remedy"),
    [
        (-20, -1, "error", "which ended on", "have it renewed"),
        (1, 20, "error", "which begins on", "see that the clock here is right"),
        (-20, 13, "warning", "which ends on", "have it renewed"),
    ],
)
def test_time(begins: int, ends: int, severity: str, message: str, remedy: str) -> None:
    server = issue("server", ["example.org"], begins=begins, ends=ends)
    [(how_bad, subject, said, to_do)] = look_at(server.pem, server.key_pem)
    assert (how_bad, subject, to_do) == (severity, "tls_certificate", remedy)
    assert said.startswith(f"holds CN=server, {message} 20")


def test_to_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    server = issue("server", ["example.org"])
    begins, ends, second = server.certificate.not_valid_before_utc, server.certificate.not_valid_after_utc, timedelta(seconds=1)
    soon = ends - timedelta(days=14)

    def at(now: datetime) -> list[str]:
        class Clock(datetime):
            now = staticmethod(lambda _zone: moment)

        moment = now
        monkeypatch.setattr(_certificate, "datetime", Clock)
        return [item[0] for item in look_at(server.pem, server.key_pem)]

    assert [at(begins - second), at(begins), at(soon - second), at(soon), at(ends - second), at(ends)] == [
        ["error"], [], [], ["warning"], ["warning"], ["error"]
    ]  # fmt: skip


def test_order_and_owner(authority: Issued) -> None:
    server, another = issue("server", ["example.org"], by=authority), issue("another", ["example.org"])
    for chain, key, subject, message, remedy in (
        (authority.pem + server.pem, server.key_pem, "tls_private_key", "belongs to another certificate than the first", "put the server's certificate first"),
        (
            server.pem + another.pem, server.key_pem, "tls_certificate", "is out of order: CN=server was not issued by CN=another, which comes after it",
            "put the server's certificate first, then the one that issued it, and so on",
        ),
        (server.pem, another.key_pem, "tls_private_key", "does not belong to the certificate of CN=server", "give the key that it was asked for with"),
    ):  # fmt: skip
        assert look_at(chain, key)[0] == ("error", subject, message, remedy)


def test_one_without_a_subject_is_called_so() -> None:
    server, another = issue("", ["example.org"]), issue("another")
    assert look_at(server.pem, another.key_pem)[0][2] == "does not belong to the certificate of a certificate without a subject"


@pytest.mark.parametrize(
    ("certificate", "key", "subject", "message", "remedy"),
    [
        ("", "key", "tls_certificate_file", "is empty, and platform_tls is provided", f"{NAME_IT} tls_certificate"),
        ("certificate", "", "tls_private_key_file", "is empty, and platform_tls is provided", f"{NAME_IT} tls_private_key"),
        ("no PEM", "key", "tls_certificate", "is not a list of PEM certificates", "convert it: openssl x509 -in FILE -out cert.pem"),
        ("both", "key", "tls_certificate", "holds a private key, and is read by many", "keep the certificates alone in it"),
        ("certificate", "no PEM", "tls_private_key", "is not a PEM private key", "give the one that the certificate was asked for with, as PEM"),
        ("certificate", "locked", "tls_private_key", "is locked with a passphrase, which nobody could type for Traefik", UNLOCK),
    ],
)
def test_what_is_no_pair(certificate: str, key: str, subject: str, message: str, remedy: str) -> None:
    made = issue("server", ["example.org"])
    texts = {"certificate": made.pem, "key": made.key_pem, "both": made.pem + made.key_pem, "locked": made.locked_pem}
    assert look_at(texts.get(certificate, certificate), texts.get(key, key)) == [("error", subject, message, remedy)]


def test_files(tmp_path: Path) -> None:
    made = issue("server", ["example.org"])
    for name, text in (("cert.pem", made.pem), ("key.pem", made.key_pem)):
        (tmp_path / name).write_text(text)
    (tmp_path / "cert.der").write_bytes(b"0\x82\xff")
    good = {"certificate_file": str(tmp_path / "cert.pem"), "private_key_file": str(tmp_path / "key.pem")}
    assert look(**good) == []
    here = "give a PEM file on the machine that runs ansible-playbook"
    for change, message, remedy in (
        ({"certificate_file": str(tmp_path / "no.pem")}, "cannot be read: No such file or directory", here),
        ({"certificate_file": "cert.pem"}, "is not an absolute path", "begin it with / or ~/"),
        ({"certificate_file": str(tmp_path / "cert.der")}, "is not a list of PEM certificates", "convert it: openssl x509 -in FILE -out cert.pem"),
    ):
        [finding] = look(**{**good, **change})
        assert (finding["subject"], finding["value"]) == ("tls_certificate_file", change["certificate_file"])
        assert (finding["message"], finding["remedy"]) == (message, remedy)
    [finding] = look(**good, private_key=made.key_pem)
    assert (finding["subject"], finding["value"]) == ("tls_private_key_file", good["private_key_file"])
    assert (finding["message"], finding["remedy"]) == ("and tls_private_key are both set", "keep one of them")


def test_what_is_found_in_a_file_is_said_of_the_file(tmp_path: Path) -> None:
    made, another = issue("server", ["other.org"], ends=-1), issue("another")
    (tmp_path / "cert.pem").write_text(made.pem + another.pem)
    (tmp_path / "key.pem").write_text(issue("third").key_pem)
    files = {"certificate_file": str(tmp_path / "cert.pem"), "private_key_file": str(tmp_path / "key.pem")}
    certificate, key = ("tls_certificate_file", files["certificate_file"]), ("tls_private_key_file", files["private_key_file"])
    # whose key it is, the order, the name, and the time
    assert [(item["subject"], item["value"]) for item in look(**files)] == [key, certificate, certificate, certificate]


def test_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _certificate.MISSING
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "cryptography", None)
        importlib.reload(_certificate)
        assert "cryptography" in str(_certificate.MISSING)
    importlib.reload(_certificate)
