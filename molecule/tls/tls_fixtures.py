"""What the tests of both certificates ask: https under the platform's name, at the address where it really is."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
import ssl
import time

DOMAIN, HTTP_PORT, HTTPS_PORT = "plans.example.test", 18080, 18443


def https(ca_file, name=DOMAIN):
    """The answer to a question for health, and the fingerprint of the certificate that it came with."""
    context = ssl.create_default_context(cafile=str(ca_file))
    with socket.create_connection(("127.0.0.1", HTTPS_PORT), 20) as plain, context.wrap_socket(plain, server_hostname=name) as stream:
        connection = http.client.HTTPConnection(name)
        connection.sock = stream
        connection.request("POST", "/graphql", '{"query": "{ health }"}', {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read()), hashlib.sha256(stream.getpeercert(True)).hexdigest()


def eventually(question, seconds=30):
    """Traefik hears of another certificate a moment later."""
    deadline = time.monotonic() + seconds
    while not (answer := question()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return answer


def fingerprint(pem_file):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(re.match(r"(?s).*?-----END CERTIFICATE-----", pem_file.read_text())[0])).hexdigest()


def changed(result):
    """How much a run changed; it ended well."""
    assert result.rc == 0, result.stdout
    return int(re.search(r"changed=(\d+) ", result.stdout)[1])
