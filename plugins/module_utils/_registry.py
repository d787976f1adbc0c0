# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""What registries say about images. Docker's command line asks them, with its own login; no image is pulled."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import sleep
from typing import Any

from ansible_collections.luckyplans.platform.plugins.module_utils._cli import Cli, CliError, Completed, last_lines

# What Docker, npm, pnpm, pip and apt print when the network and not the question is at fault.
NETWORK_FAULT = re.compile(
    r"ECONNRESET|ECONNREFUSED|ECONNABORTED|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|i/o timeout|TLS handshake timeout|deadline exceeded|"
    r"toomanyrequests|connection (reset by peer|refused|timed out)|network is unreachable|no such host|unexpected EOF|socket hang up|"
    r"Could not resolve|Temporary failure (resolving|in name resolution)|"
    r"\b(429|502|503|504)\b.*(Too Many|Bad Gateway|Unavailable|Timeout)",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b40[13]\b|denied|unauthorized|authorization failed", re.IGNORECASE)
_ABSENT = re.compile(r": not found$|\b404\b|manifest unknown|name unknown", re.IGNORECASE)
_CERTS = "/etc/docker/certs.d"
_SYSTEM_CERTS = "/etc/ssl/certs"
_LATE = -1


def pause(tries: int) -> None:
    """Give the network time, the more the more often it has failed."""
    sleep(2**tries)


# --- Credentials ------------------------------------------------------------------------------------------------------


def parse_auths(text: str) -> dict[str, dict[str, str]]:
    """The part C(auths) of a docker config, as both Docker and Kubernetes read it. A ValueError shows nothing of it."""
    try:
        config = json.loads(text)
    except ValueError as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        # not with the cause, which holds the text
        raise ValueError(f"is not JSON{where}") from None
    auths = config.get("auths") if isinstance(config, Mapping) else None
    if not isinstance(auths, Mapping) or not auths:
        raise ValueError("has no auths, which is where a docker config keeps logins")
    return {str(registry): _entry(entry, place, config) for place, (registry, entry) in enumerate(auths.items(), 1)}


def _entry(entry: Any, place: int, config: Mapping[str, Any]) -> dict[str, str]:
    entry = entry if isinstance(entry, Mapping) else {}
    name, password = entry.get("username"), entry.get("password")
    if entry.get("auth"):
        try:
            name, _colon, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, TypeError, ValueError):
            raise ValueError(f"has an auth in entry {place} of auths that is not base64 of user:password") from None
    if not (isinstance(name, str) and isinstance(password, str) and name and password):
        kept = "; a credential helper keeps it on the machine where docker login was run" if _has_helper(config) else ""
        raise ValueError(f"has neither auth nor username and password in entry {place} of auths{kept}")
    return {"username": name, "password": password, "auth": base64.b64encode(f"{name}:{password}".encode()).decode()}


def _has_helper(config: Mapping[str, Any]) -> bool:
    return bool(config.get("credsStore") or config.get("credHelpers"))


@contextmanager
def environments(
    hosts: Iterable[str], auths: Mapping[str, Mapping[str, str]], ca_file: str | None, folder: str | None = None
) -> Iterator[dict[str, dict[str, str]]]:
    """For each registry the variables that make docker log in with these and trust that.

    They lead to a directory that nobody else can read, and that goes at the end, whatever the end is.
    """
    with tempfile.TemporaryDirectory(prefix="luckyplans-", dir=folder) as directory:
        login = {}
        if auths:
            login["DOCKER_CONFIG"] = directory
            _write_config(os.path.join(directory, "config.json"), auths)
        trusted = [os.environ.get("SSL_CERT_DIR") or _SYSTEM_CERTS]
        if ca_file:
            trusted.append(os.path.join(directory, "ca"))
            os.mkdir(trusted[-1])
            os.symlink(os.path.abspath(ca_file), os.path.join(trusted[-1], "ca.pem"))
        found = {}
        for number, host in enumerate(sorted(set(hosts))):
            # What docker's daemon trusts its command line has to be told; in a list of directories no name has a colon.
            link = os.path.join(directory, f"registry-{number}")
            os.symlink(os.path.join(_CERTS, host), link)
            found[host] = {**login, "SSL_CERT_DIR": ":".join([*trusted, link])}
        yield found


def _write_config(path: str, auths: Mapping[str, Mapping[str, str]]) -> None:
    logins = {registry: {"auth": entry["auth"]} for registry, entry in auths.items()}
    # plugins that a person has installed are looked for in the usual directory only
    usual = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    config = {"auths": logins, "cliPluginsExtraDirs": [os.path.join(usual, "cli-plugins")]}
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        json.dump(config, handle)


# --- Questions --------------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """What a registry says: C(present), C(absent), C(denied), or C(unknown) where it did not say anything."""

    state: str
    reason: str = ""
    digest: str = ""
    platforms: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)


class NoAnswer(Exception):
    """Why there is nothing to read."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.answer = Answer(state, reason)


def state_of(complaint: str) -> str:
    """Which answer it is that is not the image."""
    if NETWORK_FAULT.search(complaint):
        return "unknown"
    if _DENIED.search(complaint):
        return "denied"
    return "absent" if _ABSENT.search(complaint) else "unknown"


def platforms_of_index(index: Mapping[str, Any]) -> list[str]:
    """The platforms of an index; attestations have none."""
    found = [entry.get("platform") or {} for entry in index.get("manifests") or []]
    return [platform_of(item) for item in found if item.get("os", "unknown") != "unknown"]


def platform_of(image: Mapping[str, Any]) -> str:
    return "/".join(part for part in (image.get("os"), image.get("architecture"), image.get("variant")) if part)


class Registries:
    """Asks registries through C(docker buildx imagetools inspect)."""

    def __init__(
        self, cli: Cli, variables: Mapping[str, Mapping[str, str]], platform: str, timeout: float, retries: int
    ) -> None:
        self.cli = cli
        self.variables = variables
        self.platform = platform
        self.timeout = timeout
        self.retries = retries

    def ask(self, reference: str, host: str, with_labels: bool) -> Answer:
        """Whether an image is there, for which platforms, and the labels of the one for ours if they are wanted.

        An index tells its platforms at once. Reading its images would count as a pull of each of them, of which some
        registries allow few.
        """
        try:
            raw = self._inspect(reference, host, "--raw")
            answer = Answer("present", digest=f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}")
            answer.platforms = platforms_of_index(_json(raw))
            if with_labels or not answer.platforms:
                image = _json(self._inspect(reference, host, "--format={{json .Image}}"))
                # one image, or one for each platform
                images = {platform_of(image): image} if "os" in image else image
                answer.platforms = list(images)
                answer.labels = labels_of(images.get(self.platform) or {})
        except NoAnswer as error:
            return error.answer
        return answer

    def _inspect(self, reference: str, host: str, form: str) -> str:
        """What docker prints; the network gets more than one chance."""
        tries = 0
        while True:
            tries += 1
            done = self._run(["buildx", "imagetools", "inspect", form, reference], host)
            if done.rc == 0:
                return done.stdout
            complaint = last_lines(done.stderr, 1) or f"exit code {done.rc}"
            if tries > self.retries or not (done.rc == _LATE or NETWORK_FAULT.search(complaint)):
                raise NoAnswer(state_of(complaint), self.cli.secrets.mask(complaint.removeprefix("ERROR: ")))
            pause(tries)

    def _run(self, args: list[str], host: str) -> Completed:
        try:
            return self.cli.run(args, timeout=self.timeout, env=self.variables[host], check=False)
        except CliError as error:
            if error.completed is None:
                raise
            return Completed((), _LATE, "", error.sentence)


def labels_of(image: Mapping[str, Any]) -> dict[str, str]:
    """The labels in the configuration of an image."""
    return (image.get("config") or image.get("Config") or {}).get("Labels") or {}


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise NoAnswer("unknown", "docker buildx imagetools inspect did not answer in JSON")
    return found
