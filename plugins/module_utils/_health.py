# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Asks the application how it is, under the name that its users type, wherever that name leads; over https it has to prove
that name."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

DAY = 86400.0


@dataclass(frozen=True)
class Certificate:
    """What the server proved its name with."""

    sha256: str
    ends: float

    def days(self) -> float:
        """How long it can still be used."""
        return (self.ends - time.time()) / DAY


@dataclass(frozen=True)
class Asked:
    """The question, and where to ask it."""

    url: str
    query: str
    address: str = ""
    """What to connect to; empty is what the name in the URL resolves to."""
    ca_file: str = ""
    """What to know the server by; empty is what the system trusts."""
    timeout: float = 5.0


def ask(asked: Asked) -> Any:
    """The JSON that is answered; OSError, HTTPException or ValueError where that is none."""
    parts = urlsplit(asked.url)
    body = json.dumps({"query": asked.query})
    headers = {"Host": parts.netloc, "Content-Type": "application/json"}
    # to nobody, for it gets a connection that stands: no name is looked up, and no proxy comes between this host and its platform
    connection = http.client.HTTPConnection("")
    with _connect(asked) as connection.sock:
        connection.request("POST", parts.path or "/", body, headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
    if response.status != 200:
        raise OSError(f"HTTP {response.status} {response.reason}: {text[:200]}")
    return json.loads(text)


def is_healthy(answer: Any) -> bool:
    return isinstance(answer, dict) and bool(answer.get("data")) and not answer.get("errors")


def certificate(asked: Asked) -> Certificate | None:
    """What is served there, and trusted; none where the URL is not of https."""
    with _connect(asked) as stream:
        if not isinstance(stream, ssl.SSLSocket):
            return None
        served, said = stream.getpeercert(binary_form=True) or b"", stream.getpeercert() or {}
    return Certificate(hashlib.sha256(served).hexdigest(), ssl.cert_time_to_seconds(str(said["notAfter"])))


def _connect(asked: Asked) -> socket.socket:
    parts = urlsplit(asked.url)
    secure = parts.scheme == "https"
    stream = socket.create_connection((asked.address or parts.hostname, parts.port or (443 if secure else 80)), asked.timeout)
    if not secure:
        return stream
    try:
        return _trusting(asked.ca_file).wrap_socket(stream, server_hostname=parts.hostname)
    except OSError:
        stream.close()
        raise


def _trusting(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or None)
    if ca_file:
        # A certificate that was provided is known by itself, whoever issued it; and as browsers do, one without the
        # extensions that newer Pythons insist on is taken.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
