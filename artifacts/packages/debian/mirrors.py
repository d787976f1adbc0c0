"""Print the Debian mirrors of this machine, as shell variables or as an apt source for the image."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import urllib.parse

OVERRIDE = "LUCKYPLANS_DEBIAN_MIRROR"
FIELDS = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"


def targets() -> list[list[str]]:
    argv = ["apt-get", "indextargets", "--format", FIELDS, "Created-By: Packages"]
    try:
        lines = subprocess.run(argv, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []
    return [line.split("|") for line in lines if line.count("|") == 3]


def usable(uri: str) -> bool:
    # mirror+file: and cdrom: sources are read from this machine's disk, which an image does not have.
    return urllib.parse.urlsplit(uri).scheme in ("http", "https")


def find() -> tuple[str, str]:
    """The archive and, if this machine has one, the security archive."""
    archive = os.environ.get(OVERRIDE, "")
    security = ""
    for origin, label, component, uri in targets():
        if component != "main" or not usable(uri):
            continue
        # Origin and label are known only once apt has read the mirror; before that the address has to do.
        last = uri.rstrip("/").rsplit("/", 1)[-1]
        is_security = label == "Debian-Security" or (not label and last == "debian-security")
        is_archive = (origin == "Debian" and label == "Debian") or (not label and last == "debian")
        if is_security:
            security = security or uri.rstrip("/")
        elif is_archive:
            archive = archive or uri.rstrip("/")
    return archive, security


def main() -> None:
    suite = sys.argv[1]
    archive, security = find()
    if not archive:
        sys.exit(
            f"No http or https Debian mirror is among this machine's apt sources; set {OVERRIDE} in the environment "
            "to the address of one."
        )
    if "--sources" not in sys.argv:
        print(f"MIRROR={shlex.quote(archive)}")
        return
    keyring = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"
    print(f"Types: deb\nURIs: {archive}\nSuites: {suite} {suite}-updates\nComponents: main\n{keyring}")
    if security:
        print(f"\nTypes: deb\nURIs: {security}\nSuites: {suite}-security\nComponents: main\n{keyring}")


main()
