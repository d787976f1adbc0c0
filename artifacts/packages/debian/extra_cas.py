"""Write each certificate that this machine trusts and the given bundle lacks to a file of its own."""

from __future__ import annotations

import os
import pathlib
import re
import sys

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)
HOST_BUNDLES = (
    os.environ.get("SSL_CERT_FILE", ""),
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
)


def certificates(path: pathlib.Path) -> dict[str, str]:
    """By their base64 body without white space: two tools rarely break the lines alike."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return {"".join(block.split("-----")[2].split()): block for block in PEM.findall(text)}


known = certificates(pathlib.Path(sys.argv[1]))
target = pathlib.Path(sys.argv[2])
extra: dict[str, str] = {}
for name in HOST_BUNDLES:
    if name and os.path.isfile(name):
        extra.update(certificates(pathlib.Path(name)))
for number, body in enumerate(sorted(set(extra) - set(known))):
    (target / f"host-{number:03d}.crt").write_text(extra[body] + "\n", encoding="utf-8")
print(f"{len(set(extra) - set(known))} certificates of this machine added")
