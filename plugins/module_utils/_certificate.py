# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Is a certificate that somebody provides fit to be served for a name? Runs on the controller, where the files are and where
ansible-core has brought `cryptography`. Of a private key nothing is ever said but what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.luckyplans.platform.plugins.module_utils._preflight import Finding, error, warning

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
except ImportError as missing:
    MISSING: str | None = str(missing)
else:
    MISSING = None

SOON = timedelta(days=14)
HERE = "the machine that runs ansible-playbook"


class Unfit(Exception):
    """Nothing more can be said of what this finding is about."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding


def findings(given: Mapping[str, str], domain: str) -> list[dict[str, Any]]:
    """given: certificate_file, private_key_file, certificate and private_key, empty where they are not set."""
    found, parts = [], []
    for name, load in (("certificate", _chain), ("private_key", _key)):
        try:
            subject, value, text = _source(given, name)
            parts.append((subject, value, load(subject, value, text)))
        except Unfit as unfit:
            found.append(unfit.finding)
    if not found:
        (subject, value, chain), (key_subject, key_value, key) = parts
        found += _pair(key_subject, key_value, chain, key)
        found += _order(subject, value, chain)
        found += _name(subject, value, chain[0], domain)
        found += _time(subject, value, chain, datetime.now(timezone.utc))
    return [asdict(finding) for finding in found]


def _source(given: Mapping[str, str], name: str) -> tuple[str, str, str]:
    """The variable, its value as it may be shown, and the text."""
    subject, path, text = f"tls_{name}_file", given[f"{name}_file"], given[name]
    if path and text:
        raise Unfit(error(subject, path, f"and tls_{name} are both set", "keep one of them"))
    if text:
        return f"tls_{name}", "(set)", text
    if not path:
        remedy = f"name the PEM file on {HERE}, or keep its content in a vault as tls_{name}"
        raise Unfit(error(subject, path, "is empty, and platform_tls is provided", remedy))
    if not os.path.isabs(os.path.expanduser(path)):
        raise Unfit(error(subject, path, "is not an absolute path", "begin it with / or ~/"))
    try:
        with open(os.path.expanduser(path), encoding="utf-8", errors="replace") as stream:
            return subject, path, stream.read()
    except OSError as problem:
        raise Unfit(error(subject, path, f"cannot be read: {problem.strerror}", f"give a PEM file on {HERE}")) from None


def _chain(subject: str, value: str, text: str) -> list[x509.Certificate]:
    if "PRIVATE KEY-----" in text:
        raise Unfit(error(subject, value, "holds a private key, and is read by many", "keep the certificates alone in it"))
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        remedy = "convert it: openssl x509 -in FILE -out cert.pem"
        raise Unfit(error(subject, value, "is not a list of PEM certificates", remedy)) from None


def _key(subject: str, value: str, text: str) -> Any:
    try:
        return load_pem_private_key(text.encode(), None)
    except TypeError:
        # the only reason for a TypeError: it asks for a passphrase
        remedy = "write it without one, mode 0600: openssl pkey -in FILE -out key.pem"
        raise Unfit(error(subject, value, "is locked with a passphrase, which nobody could type for Traefik", remedy)) from None
    except Exception:  # its text may hold part of the key
        remedy = "give the one that the certificate was asked for with, as PEM"
        raise Unfit(error(subject, value, "is not a PEM private key", remedy)) from None


def _pair(subject: str, value: str, chain: list[x509.Certificate], key: Any) -> Iterator[Finding]:
    wanted = _public(key.public_key())
    if _public(chain[0].public_key()) == wanted:
        return
    if any(_public(item.public_key()) == wanted for item in chain):
        yield error(subject, value, "belongs to another certificate than the first", "put the server's certificate first")
    else:
        yield error(subject, value, f"does not belong to the certificate of {_who(chain[0])}", "give the key that it was asked for with")


def _public(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _order(subject: str, value: str, chain: list[x509.Certificate]) -> Iterator[Finding]:
    for item, issuer in zip(chain, chain[1:]):
        try:
            item.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            text = f"is out of order: {_who(item)} was not issued by {_who(issuer)}, which comes after it"
            yield error(subject, value, text, "put the server's certificate first, then the one that issued it, and so on")
            return


def _name(subject: str, value: str, server: x509.Certificate, domain: str) -> Iterator[Finding]:
    try:
        names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    # a star stands for one label
    if not {domain, f"*.{domain.partition('.')[2]}"} & {name.lower() for name in names}:
        text = f"is for {', '.join(names) or 'no name at all'}, and platform_domain is {domain}"
        yield error(subject, value, text, "give one with that name as subjectAltName, or another platform_domain")


def _time(subject: str, value: str, chain: list[x509.Certificate], now: datetime) -> Iterator[Finding]:
    for item in chain:
        begins, ends = item.not_valid_before_utc, item.not_valid_after_utc
        if ends <= now:
            yield error(subject, value, f"holds {_who(item)}, which ended on {ends:%Y-%m-%d}", "have it renewed")
        elif begins > now:
            yield error(subject, value, f"holds {_who(item)}, which begins on {begins:%Y-%m-%d}", "see that the clock here is right")
        elif ends <= now + SOON:
            yield warning(subject, value, f"holds {_who(item)}, which ends on {ends:%Y-%m-%d}", "have it renewed")


def _who(item: x509.Certificate) -> str:
    return item.subject.rfc4514_string() or "a certificate without a subject"
