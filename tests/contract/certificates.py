# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates for tests, good ones and bad ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PLAIN = serialization.NoEncryption()


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self._key(PLAIN)

    @property
    def locked_pem(self) -> str:
        return self._key(serialization.BestAvailableEncryption(b"passphrase"))

    def _key(self, encryption: Any) -> str:
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


def issue(name: str, domains: Sequence[str] = (), by: Issued | None = None, begins: int = -1, ends: int = 365, authority: bool = False) -> Issued:
    """begins and ends in days from now; without an issuer it signs itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends, hours=1))
        .add_extension(x509.BasicConstraints(authority, None), True)
    )
    if domains:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(domain) for domain in domains]), False)
    return Issued(builder.sign(by.key if by else key, hashes.SHA256()), key)
