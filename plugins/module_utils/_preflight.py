# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the preflight module looks at. Private to this collection.

Three kinds of function: `check_*` and `choose_*` decide from plain values and return findings; `look_*` read the
host; `examine` joins them. Nothing here changes the host.
"""

from __future__ import annotations

import contextlib
import difflib
import glob
import importlib.util
import ipaddress
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Callable

# run_command holds all output in memory and neither streams nor ends by a clock of ours.
# pylint: disable=ansible-bad-function

ERROR, WARNING, INFO = "error", "warning", "info"
SEVERITIES = (ERROR, WARNING, INFO)
ENGINES = ("k3d", "kind", "existing")
SOURCES = ("upstream", "bundle", "packages")
UPSTREAM = "https://github.com/"
PROBE_SECONDS = 3.0
DOCKER_SECONDS = 10.0
MIN_MEMORY_GIB = 2.0
# k3s, Traefik and the application do not fit into less, whatever else is closed; a server sold with 2 GiB has about 1.9.
MIN_TOTAL_MEMORY_GIB = 1.5
# Of the room that a first run needs, what one needs that finds the cluster made: an edit's three images of some 0.3 GiB,
# once in Docker and once in a node. Kubernetes removes pods from a node with less than a tenth of its disk free.
MADE_SHARE = 0.2
MAX_CLOCK_SECONDS = 300
# What the modules of kubernetes.core and community.docker import, and Debian's packages of it.
PYTHON_PACKAGES = {"kubernetes": "python3-kubernetes", "yaml": "python3-yaml", "requests": "python3-requests"}
GIB = 1024.0**3
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
# A service manager or sudo may hand down a short PATH; the tools are looked for in the usual places too.
TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin:/snap/bin"
DOCKER_STATES = {
    "running": "running",
    "denied": "no permission",
    "silent": "no answer",
    "stopped": "not running",
    "absent": "not installed",
}
NOT_ROOT = "this user is not root"
# What the role luckyplans leaves in the cluster's directory before Argo CD deploys.
ARGOCD_NOTE = "argocd.json"
CLUSTER_LABELS = ("io.x-k8s.kind.cluster", "k3d.cluster")
# Names that no certificate authority can see: RFC 2606, RFC 6761, RFC 6762 and the top level domain for private use.
PRIVATE_DOMAINS = ("localhost", "local", "internal", "test", "example", "invalid", "lan", "home.arpa")


@dataclass(frozen=True)
class Finding:
    severity: str
    subject: str
    value: str
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class Docker:
    """The answer of the Docker CLI. state is a key of DOCKER_STATES."""

    state: str
    root: str = "/var/lib/docker"
    remote: str = ""
    rootless: bool = False
    buildx: bool = False


@dataclass(frozen=True)
class Published:
    """A TCP port that a running container publishes on the host."""

    container: str
    address: str
    port: int
    ours: bool


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket of the host."""

    address: str
    port: int
    uid: int
    inode: str


@dataclass
class Host:
    """What was seen of the host; everything that the choices and checks need and that is not a variable."""

    arch: str
    root: bool
    debian: bool
    docker: Docker
    published: list[Published] = field(default_factory=list)
    listeners: list[Listener] | None = None


# --- Findings -------------------------------------------------------------------------------------------------------


def error(subject: str, value: Any, message: str, remedy: str) -> Finding:
    return Finding(ERROR, subject, show(value), message, remedy)


def warning(subject: str, value: Any, message: str, remedy: str) -> Finding:
    return Finding(WARNING, subject, show(value), message, remedy)


def info(subject: str, value: Any, message: str) -> Finding:
    return Finding(INFO, subject, show(value), message)


def show(value: Any) -> str:
    """A value as a person would write it, without the password that an address may carry."""
    if value is None or value == "":
        return "(empty)"
    if isinstance(value, bool):
        return str(value).lower()
    return re.sub(r"(?<=://)[^/@\s]+@", "***@", str(value))


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first; within a severity the order of the checks stays."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def format_table(findings: Iterable[Finding], width: int = 120) -> str:
    """An aligned table. The remedy stands on its own line under the message, where a reader looks for it."""
    head = ("severity", "what", "value", "finding and remedy")
    items = list(findings)
    if not items:
        return ""
    columns = [(item.severity, item.subject, item.value) for item in items]
    widths = [min(cap, max(map(len, (head[i], *(row[i] for row in columns))))) for i, cap in enumerate((8, 30, 28))]
    widths.append(width - sum(widths) - 2 * len(widths))
    lines = [_line(head, widths), _line(tuple("-" * size for size in widths), widths)]
    for item, row in zip(items, columns):
        text = _wrap(item.message, widths[3])
        if item.remedy:
            text += _wrap("-> " + item.remedy, widths[3], indent="   ")
        cells = [_wrap(cell, size) for cell, size in zip(row, widths)] + [text]
        for index in range(max(len(cell) for cell in cells)):
            lines.append(_line(tuple(cell[index] if index < len(cell) else "" for cell in cells), widths))
    return "\n".join(lines)


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(size) for cell, size in zip(cells, widths)).rstrip()


# --- Variables ------------------------------------------------------------------------------------------------------


def check_variables(names: Iterable[str], known: Iterable[str]) -> list[Finding]:
    """A name with one of our prefixes that no role knows is a typing error, which Ansible passes over in silence."""
    found = []
    known = sorted(set(known))
    for name in sorted(set(names) - set(known)):
        near = difflib.get_close_matches(name, known, 1)
        remedy = f"did you mean {near[0]}? Otherwise remove it" if near else "remove it, or correct its name"
        found.append(error(name, "(set)", "is set, and no role knows a variable of this name", remedy))
    return found


def check_placeholders(names: Iterable[str]) -> list[Finding]:
    """Secrets that still have the value of an example. Only names come here, so that no secret can go any further."""
    text = "still has a placeholder of the example, CHANGE_ME"
    remedy = "give it a value in vault.yml of the inventory (ansible-vault edit), or remove the variable"
    return [error(name, "(placeholder)", text, remedy) for name in sorted(names)]


def check_cluster_name(name: str) -> list[Finding]:
    if re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
        return []
    nearest = re.sub(r"[^a-z0-9-]+", "-", name.lower())[:32].strip("-") or "luckyplans"
    return [
        error(
            "platform_cluster_name",
            name,
            "is not 1 to 32 small letters, digits and inner dashes",
            f"for example platform_cluster_name: {nearest}",
        )
    ]


def check_ports(http: Any, https: Any, api: Any) -> list[Finding]:
    found = []
    ports = {"platform_http_port": http, "platform_https_port": https, "platform_api_port": api}
    for subject, port in ports.items():
        lowest = 0 if subject == "platform_api_port" else 1
        if not is_port(port, lowest):
            free = ", 0 for a free one" if lowest == 0 else ""
            found.append(error(subject, port, "is not a port", f"choose a number from {lowest} to 65535{free}"))
    seen: dict[int, str] = {}
    for subject, port in ports.items():
        if not is_port(port, 1):
            continue
        if port in seen:
            found.append(error(subject, port, f"is the port of {seen[port]} too", "give each its own port"))
        seen.setdefault(port, subject)
    return found


def is_port(value: Any, lowest: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= 65535


def check_bind_address(address: str, environment: str) -> list[Finding]:
    subject = "platform_bind_address"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return [error(subject, address, "is not an IP address", "give one of this host, such as 127.0.0.1")]
    if not _can_bind(parsed):
        return [error(subject, address, "is not an address of this host", "see `ip address`, or take 127.0.0.1")]
    if environment == "prod" and parsed.is_loopback:
        text = "is reached from this host only, and the environment is prod"
        return [warning(subject, address, text, "set it to 0.0.0.0 unless a proxy of this host stands in front")]
    if environment == "local" and not parsed.is_loopback:
        text = "opens the platform to the network, past a host firewall, and the environment is local"
        return [warning(subject, address, text, "set it to 127.0.0.1 unless that is meant")]
    return []


def _can_bind(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def check_domain(domain: str, environment: str) -> list[Finding]:
    subject = "platform_domain"
    if "://" in domain or "/" in domain or ":" in domain:
        return [error(subject, domain, "is an address, not a name", "give the host name alone, such as example.org")]
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    if len(domain) > 253 or not re.fullmatch(rf"{label}(\.{label})*", domain):
        text = "is not a host name: labels of small letters, digits and inner dashes, with dots between"
        return [error(subject, domain, text, "for example platform_domain: example.org")]
    if re.fullmatch(r"[0-9.]+", domain):
        text = "is a number, and an ingress host is a name"
        return [error(subject, domain, text, "give a name that resolves to the address")]
    if environment == "prod" and domain == "localhost":
        return [error(subject, domain, "is not reached from outside, and the environment is prod", "give its name")]
    return []


def is_issued(tls: str) -> bool:
    """Whether cert-manager gets the certificate from an ACME server."""
    return tls.startswith("letsencrypt") or tls == "acme"


def acme_name(tls: str) -> str:
    return "the ACME server" if tls == "acme" else "Let's Encrypt"


def is_under(domain: str, names: Iterable[str]) -> bool:
    return any(domain == name or domain.endswith("." + name) for name in names)


def check_tls(tls: str, domain: str, environment: str, http_port: Any, source: str, charts: Iterable[str] = ()) -> list[Finding]:
    """`charts`: names of those that the user has of his own."""
    subject = "platform_tls"
    found = []
    if is_issued(tls):
        if tls == "acme" and is_under(domain, ["localhost"]):
            text = f"asks a server for a certificate of platform_domain {show(domain)}, which is another machine to each"
            found.append(error(subject, tls, text, "give the name by which the server finds this host, or platform_tls: self_signed"))
        elif tls != "acme" and ("." not in domain or is_under(domain, PRIVATE_DOMAINS)):
            text = f"asks Let's Encrypt for a certificate of platform_domain {show(domain)}, which is not a public name"
            found.append(error(subject, tls, text, "give a public platform_domain, or platform_tls: none"))
        if http_port != 80:
            text = f"is proven on port 80, and platform_http_port is {show(http_port)}"
            found.append(warning(subject, tls, text, "set it to 80, or forward port 80 of the domain to it"))
        if source == "packages" and "cert-manager" not in charts:
            text = "needs cert-manager's ACME client, which cannot be had from packages"
            remedy = "platform_tls: none, platform_source: upstream or bundle, or a chart of your own in toolchain_charts"
            found.append(error(subject, tls, text, remedy))
    if environment == "prod" and tls == "none":
        text = "leaves the platform on plain http, and the environment is prod"
        found.append(warning(subject, tls, text, "put a proxy that ends TLS in front of it"))
    return found


def check_acme_server(server: str, tls: str) -> list[Finding]:
    subject = "platform_acme_server"
    if tls != "acme":
        return [warning(subject, server, f"is not used: platform_tls is {tls}", "remove it, or platform_tls: acme")] if server else []
    if not server:
        return [error(subject, server, "is empty, and platform_tls is acme", "give the https URL of that server's directory")]
    if not re.fullmatch(r"https://[^\s/?#]+(/[^\s?#]*)?", server):
        return [error(subject, server, "is not an https URL", "for example https://acme.example.org/acme/acme/directory")]
    if "@" in server.split("://", 1)[1].split("/", 1)[0]:
        return [error(subject, server, "carries a login, and it stands in the cluster for all to read", "leave it out")]
    return []


def check_acme_answer(server: str, answered: bool, what: str, is_new: bool) -> list[Finding]:
    """A certificate that is there already outlives a server that is away for a while."""
    if answered:
        return []
    finding = error if is_new else warning
    remedy = "see that the server runs, and that platform_extra_ca_file has its authority"
    return [finding("platform_acme_server", server, f"does not answer this host: {what}", remedy)]


def check_public_address(address: str, tls: str) -> list[Finding]:
    subject = "platform_public_address"
    if not address:
        return []
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return [error(subject, address, "is not an IP address", "give the one that platform_domain resolves to, or leave it empty")]
    if not is_issued(tls):
        return [warning(subject, address, f"is not used: platform_tls is {tls}", "remove it, or platform_tls: letsencrypt_staging")]
    return []


def check_reached(
    domain: str, addresses: list[str], public: str, is_ours: Callable[[str], bool], source: str, tls: str = "letsencrypt"
) -> list[Finding]:
    """Let's Encrypt looks the domain up and comes to port 80 of whichever address it finds, so each has to lead here.

    Behind NAT or a proxy this host does not have the address by which it is reached, and nothing here can tell that from a
    record that is wrong: `public` is the word of somebody who knows. `source` is what this host sends from. An ACME server of a
    private network finds private addresses.
    """
    subject = "platform_domain"
    if not addresses:
        text = f"does not resolve here, and {acme_name(tls)} finds the platform by its address"
        return [error(subject, domain, text, "make a record for it that leads here, or platform_tls: none")]
    near = [address for address in addresses if not ipaddress.ip_address(address).is_global]
    strange = [address for address in addresses if address not in near and not (address == public if public else is_ours(address))]
    found = []
    if near and tls != "acme":
        text = f"resolves here to {', '.join(near)}, which is not where the world finds it (/etc/hosts, or a name server of your own)"
        found.append(warning(subject, domain, text, "see from another network that it leads here"))
    if strange and public:
        text = f"is to be where the platform is reached, and platform_domain {domain} resolves to {', '.join(strange)}"
        found.append(error("platform_public_address", public, text, f"correct the record, or platform_public_address: {strange[0]}"))
    elif strange:
        text = f"resolves to {', '.join(strange)}, which this host does not have (it sends from {source})"
        remedy = f"correct the record; behind NAT or a proxy that passes port 80 on, platform_public_address: {strange[0]}"
        found.append(error(subject, domain, text, remedy))
    return found


def check_port_80(bind_address: str, engine: str, source: str, tls: str = "letsencrypt", charts: Iterable[str] = ()) -> list[Finding]:
    """What can be said from inside. Whether a firewall or a router is in the way only a look from outside can tell."""
    if engine == "existing":
        if source == "upstream" or "cert-manager" in charts:
            return []
        text = f"brings cert-manager into an existing cluster from upstream only, and platform_source is {source}"
        return [error("platform_tls", tls, text, "platform_source: upstream, or platform_tls: none")]
    if not ipaddress.ip_address(bind_address).is_loopback:
        return []
    text = f"is reached from this host only, and {acme_name(tls)} comes to port 80 from outside"
    return [warning("platform_bind_address", bind_address, text, "set it to 0.0.0.0 unless a proxy of this host passes port 80 on")]


def check_bundle(bundle: Mapping[str, Any], path: str, environment: str) -> list[Finding]:
    """What a bundle was made from matters as much as if it had been taken from there."""
    if environment != "prod" or bundle.get("made_from") != "packages":
        return []
    text = "was made from packages, with small stand-ins for Traefik, cert-manager and Argo CD, and the environment is prod"
    return [warning("platform_bundle_dir", path, text, "make it where upstream is in reach, unless this is a rehearsal")]


def check_environment(environment: str, expected: str, source: str) -> list[Finding]:
    found = []
    if expected and environment != expected:
        text = f"does not fit this playbook, which is for {expected}"
        remedy = f"take the inventory of {expected} (-i inventories/{expected}), or run site.yml"
        found.append(error("platform_environment", environment, text, remedy))
    if environment == "prod" and source == "packages":
        text = "gives small stand-ins for Traefik, cert-manager and Argo CD, and the environment is prod"
        found.append(error("platform_source", source, text, "platform_source: upstream, or bundle with its directory"))
    return found


def check_deploy(deploy: str, is_argocds: bool, cluster_name: str, break_glass: str) -> list[Finding]:
    """Helm on a platform that Argo CD brings: each undoes what the other does. And a pause that nobody asked for by mistake."""
    found = []
    if deploy == "helm" and is_argocds:
        text = "is not what this cluster was deployed with: Argo CD brings its application, and its next sync would undo what Helm does"
        remedy = f"platform_deploy: gitops, and playbooks/promote.yml for another build; to pause it in an emergency, -e luckyplans_break_glass={cluster_name}"
        found.append(error("platform_deploy", deploy, text, remedy))
    if break_glass and (break_glass != cluster_name or deploy == "helm"):
        text = f"is not the name of this cluster, {cluster_name}" if break_glass != cluster_name else "pauses Argo CD, and platform_deploy is helm"
        found.append(error("luckyplans_break_glass", break_glass, text, "remove it, unless you mean to pause Argo CD's automatic syncs on that cluster"))
    return found


def check_git(deploy: str, url: str, engine: str, source: str) -> list[Finding]:
    """The repository that Argo CD follows. A login in its address would stand in the cluster for everybody to read."""
    subject, example = "platform_git_url", "for example platform_git_url: https://git.example.org/team/luckyplans.git"
    if deploy != "gitops":
        return [warning(subject, url, "is not used: platform_deploy is helm", "remove it, or platform_deploy: gitops")] if url else []
    if engine == "existing" and source != "upstream":
        text = f"brings Argo CD into an existing cluster from upstream only, and platform_source is {source}"
        return [error("platform_deploy", deploy, text, "platform_source: upstream, or platform_deploy: helm")]
    if not url:
        return [error(subject, url, "is empty, and Argo CD has to follow a repository", example)]
    match = re.fullmatch(r"(https?)://([^\s/?#]+)/[^\s?#]+|ssh://[^\s/?#]+/[^\s?#]+|[\w.-]+@[\w.-]+:[^\s?#]+", url)
    if not match:
        return [error(subject, url, "is not the address of a git repository", example)]
    if "@" in (match[2] or ""):
        return [error(subject, url, "carries a login", "take it out of the address, and give luckyplans_git_credential")]
    if match[1] == "http":
        return [warning(subject, url, "sends what it carries, and its login, in clear", "take https:// unless the network is your own")]
    return []


def check_mirror(url: str) -> list[Finding]:
    subject = "platform_upstream_mirror"
    if not url:
        return []
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        return [error(subject, url, "is not an http or https address", "for example https://mirror.example.org/up")]
    if "@" in url.split("://", 1)[1].split("/", 1)[0]:
        text = "carries a user or password, which would stand in logs and process lists"
        return [error(subject, url, text, "let the mirror trust this host instead, and remove the part before the @")]
    return []


def check_registry(registry: str, engine: str, deploy: str) -> list[Finding]:
    subject = "platform_registry"
    if not registry:
        if engine != "existing" or deploy != "helm":
            return []
        text = "is empty, and an existing cluster gets the application's images from a registry"
        return [error(subject, registry, text, "for example platform_registry: registry.example.org/team")]
    part = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    if not re.fullmatch(rf"[a-z0-9][a-z0-9.-]*(:[0-9]{{1,5}})?(/{part})+", registry):
        text = "is not the name of a registry with a path, in small letters and without https://"
        return [error(subject, registry, text, "for example platform_registry: registry.example.org/team")]
    if engine != "existing":
        text = f"is not used: images go straight into the nodes of a {engine} cluster"
        return [warning(subject, registry, text, "remove it, or platform_cluster_engine: existing")]
    return []


def check_directory(subject: str, path: str) -> list[Finding]:
    """A directory that we shall write to: it or its nearest existing parent must allow that."""
    if not os.path.isabs(os.path.expanduser(path)):
        return [error(subject, path, "is not an absolute path", "begin it with / or ~/")]
    full = full_path(path)
    if full in ("/", os.path.realpath(os.path.expanduser("~"))):
        text = "would mix our files with those of the system or the user"
        return [error(subject, path, text, f"give a directory of its own, such as {os.path.join(full, '.luckyplans')}")]
    if ":" in full:
        return [error(subject, path, "holds a colon, which Docker's volumes cannot", "choose a path without colons")]
    parent = existing_parent(full)
    if not os.path.isdir(parent):
        return [error(subject, path, f"cannot be a directory: {parent} is a file", "choose another path")]
    if not os.access(parent, os.W_OK | os.X_OK):
        return [
            error(subject, path, f"cannot be written: {parent} is not ours", "choose another path, or run as its owner")
        ]
    return []


def full_path(path: str) -> str:
    return os.path.realpath(os.path.expanduser(path))


def existing_parent(path: str) -> str:
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def check_ca_file(path: str) -> list[Finding]:
    subject = "platform_extra_ca_file"
    if not path:
        return []
    try:
        with open(os.path.expanduser(path), encoding="utf-8", errors="replace") as stream:
            text = stream.read(4 * 1024 * 1024)
    except OSError as exc:
        return [
            error(subject, path, f"cannot be read: {exc.strerror}", "give a PEM file on this host, or leave it empty")
        ]
    if "PRIVATE KEY-----" in text:
        return [
            error(subject, path, "holds a private key, and it is copied into images", "give the certificates alone")
        ]
    if not _loads_as_ca(text):
        return [
            error(subject, path, "is not a list of PEM certificates", "convert it: openssl x509 -in FILE -out ca.pem")
        ]
    return []


def read_authority(path: str) -> str:
    """PEM of a file that check_ca_file let pass, or nothing where there is none."""
    if not path:
        return ""
    with open(os.path.expanduser(path), encoding="utf-8") as stream:
        return stream.read()


def _loads_as_ca(text: str) -> bool:
    import ssl  # slow to import, and few runs need it

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        return False
    return True


def check_source_dir(path: str) -> tuple[str, list[Finding]]:
    """The chart directory, and what is missing in the application repository."""
    subject = "platform_source_dir"
    full = full_path(path)
    charts_dir = os.path.join(full, "infrastructure", "helm")
    preferred = os.path.join(charts_dir, "luckyplans")
    if not path or not os.path.isabs(os.path.expanduser(path)):
        return preferred, [error(subject, path, "is not an absolute path", "begin it with / or ~/")]
    if not os.path.isdir(full):
        return preferred, [error(subject, path, "is not a directory", "give the checkout of the application")]
    found = []
    charts = [
        os.path.dirname(name) for name in sorted(glob.glob(os.path.join(glob.escape(charts_dir), "*", "Chart.yaml")))
    ]
    chart = preferred
    if not charts:
        text = "holds no chart: no infrastructure/helm/<name>/Chart.yaml"
        found.append(error(subject, path, text, "give the checkout of an application with that layout"))
    elif preferred not in charts:
        chart = charts[0]
        if len(charts) > 1:
            names = ", ".join(os.path.basename(name) for name in charts)
            text = f"holds several charts and none is named luckyplans: {names}"
            found.append(error(subject, path, text, "keep one chart under infrastructure/helm, or name it luckyplans"))
    if not glob.glob(os.path.join(glob.escape(full), "apps", "*", "Dockerfile")):
        text = "holds nothing to build: no apps/<name>/Dockerfile"
        found.append(error(subject, path, text, "give the checkout of an application with that layout"))
    return chart, found


# --- Host -----------------------------------------------------------------------------------------------------------


def check_disk(paths: dict[str, str], min_free_gib: float, made: bool) -> list[Finding]:
    """One finding a file system, however many of our paths are on it.

    Where the cluster was `made`, what the most room was needed for is there already, and an edit needs little.
    """
    found = []
    needed = min_free_gib * (MADE_SHARE if made else 1)
    seen: set[int] = set()
    for purpose, path in paths.items():
        place = existing_parent(path)
        try:
            device = os.stat(place).st_dev
            stat = os.statvfs(place)
        except OSError:
            continue
        free = stat.f_bavail * stat.f_frsize / GIB
        if device not in seen and free < min_free_gib:
            text = f"has {free:.1f} GiB free, and {needed:g} are needed for {purpose}"
            remedy = "free space, move it to a larger file system, or lower preflight_min_free_gib"
            if free >= needed:
                text, remedy = f"has {free:.1f} GiB free, and a new cluster would need {min_free_gib:g} for {purpose}", "free space"
            found.append((error if free < needed else warning)("disk", place, text, remedy))
        seen.add(device)
    return found


def check_memory(total_gib: float | None, available_gib: float | None, ours_run: bool) -> list[Finding]:
    """Our own running cluster is what takes the memory on a second run, and proof that it fits."""
    if total_gib is None or available_gib is None or ours_run:
        return []
    if total_gib < MIN_TOTAL_MEMORY_GIB:
        text = f"is all that this host has, and the platform needs {MIN_TOTAL_MEMORY_GIB:g} GiB"
        return [error("memory", f"{total_gib:.1f} GiB", text, "take a larger host")]
    if available_gib >= MIN_MEMORY_GIB:
        return []
    text = f"is available, and the platform wants {MIN_MEMORY_GIB:g} GiB"
    return [warning("memory", f"{available_gib:.1f} GiB", text, "close other programs, or expect evicted pods")]


def check_clock(here: float, controller: float) -> list[Finding]:
    """0 is a controller that did not say. Which of the two clocks is wrong cannot be told from here."""
    off = abs(here - controller)
    if not controller or off <= MAX_CLOCK_SECONDS:
        return []
    direction = "behind" if here < controller else "ahead of"
    text = f"is {show_duration(off)} {direction} the machine that runs ansible-playbook; certificates and tokens would not be valid"
    remedy = "set it: timedatectl set-ntp true, or install chrony; and see that the other one is right"
    return [error("clock", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(here)), text, remedy)]


def show_duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    for name, size in (("day", 24 * 60), ("hour", 60)):
        if minutes >= size:
            count = round(minutes / size)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{minutes} minutes"


def check_python_packages(missing: Iterable[str], python: str, may_install: bool) -> tuple[list[str], list[Finding]]:
    """Debian's packages that the role carry has to install, or why the modules would fail. On a laptop the controller's environment has them."""
    packages = [PYTHON_PACKAGES[name] for name in missing]
    if not packages:
        return [], []
    if may_install:
        return packages, [info("python", python, f"the role carry will install {', '.join(packages)}")]
    text = f"lacks what the modules import there: {', '.join(missing)}"
    remedy = f"as root, apt-get install {' '.join(packages)}, or name an ansible_python_interpreter that has them"
    return [], [error("python", python, text, remedy)]


def check_arch(machine: str) -> list[Finding]:
    if machine in MACHINES:
        return []
    return [error("machine", machine, "is an architecture without artifacts", "use an x86_64 or aarch64 host")]


def check_docker(docker: Docker, manage: bool, root: bool, debian: bool, no_packages: str = "") -> tuple[str, list[Finding]]:
    """What the docker role has to do (install, start or none), or why it cannot."""
    subject, value = "docker", DOCKER_STATES[docker.state]
    if docker.state == "running":
        return "none", []
    if docker.state == "denied":
        remedy = "add this user to the group docker and log in again, or run as root"
        return "none", [error(subject, value, "runs, and this user may not talk to it", remedy)]
    if docker.state == "silent":
        text = f"did not answer within {DOCKER_SECONDS:g} s"
        return "none", [error(subject, value, text, "see journalctl -u docker, and restart it")]
    if docker.remote:
        text = f"does not answer at DOCKER_HOST {show(docker.remote)}"
        return "none", [error(subject, value, text, "start the engine there, or unset DOCKER_HOST")]
    action = "start" if docker.state == "stopped" else "install"
    obstacles = []
    if not manage:
        obstacles.append("platform_manage_docker is false")
    if not root:
        obstacles.append(NOT_ROOT)
    if not debian:
        obstacles.append("this is neither Debian nor Ubuntu")
    if no_packages and action == "install":
        obstacles.append(no_packages)
    if not obstacles:
        return action, [info(subject, value, f"the role docker will {action} it")]
    remedy = "sudo systemctl start docker" if action == "start" else "install Docker Engine and start it"
    if obstacles == [NOT_ROOT]:
        remedy = f"give the host ansible_become: true (and -K where sudo wants a password), or {remedy}"
    text = f"is needed, and we may not {action} it: {', '.join(obstacles)}"
    return "none", [error(subject, value, text, f"{remedy}, then run again")]


def check_rootless(docker: Docker, ports: dict[str, Any], first_free: int) -> list[Finding]:
    """A rootless Docker may not publish low ports, and says so only when the cluster is half made."""
    if not docker.rootless:
        return []
    text = f"cannot be published by a rootless Docker: the lowest port is {first_free}"
    return [
        error(subject, port, text, f"choose a higher port, or sysctl net.ipv4.ip_unprivileged_port_start={port}")
        for subject, port in ports.items()
        if is_port(port) and port < first_free
    ]


def overlaps(wanted: str, held: str) -> bool:
    """Whether two sockets on these addresses and one port exclude each other."""
    one, two = _plain_ip(wanted), _plain_ip(held)
    if one is None or two is None:
        return True
    if one == two:
        return True
    # A socket on :: takes IPv4 too unless it was told not to, which cannot be seen from outside.
    if any(item.is_unspecified and item.version == 6 for item in (one, two)):
        return True
    return one.version == two.version and (one.is_unspecified or two.is_unspecified)


def _plain_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text or "0.0.0.0")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def check_port_holders(
    ports: dict[str, Any],
    address: str,
    published: Iterable[Published],
    listeners: list[Listener] | None,
    name_holder: Callable[[Listener], str],
    can_bind: Callable[[str, int], bool],
) -> list[Finding]:
    """Ports that something else than our own running cluster holds.

    A container that publishes the port is named rather than docker-proxy, which only listens on its behalf; without
    Docker's userland proxy nothing listens at all, and the containers are the only trace.
    """
    found = []
    for subject, port in ports.items():
        if not is_port(port):
            continue
        here = [item for item in published if item.port == port and overlaps(address, item.address)]
        if any(item.ours for item in here):
            continue
        if here:
            holder = f"the container {here[0].container}"
        elif listeners is not None:
            held = [item for item in listeners if item.port == port and overlaps(address, item.address)]
            holder = name_holder(held[0]) if held else ""
        else:
            holder = "" if can_bind(address, port) else "a process that cannot be seen"
        if holder:
            text = f"on {address} is held by {holder}"
            found.append(error(subject, port, text, f"stop it, or give another {subject}"))
    return found


# --- Choices --------------------------------------------------------------------------------------------------------


def read_record(path: str) -> tuple[dict[str, Any], list[Finding]]:
    """The choices of an earlier run. A record that cannot be read is not the same as none: it stops the run."""
    try:
        with open(path, encoding="utf-8") as stream:
            record = json.load(stream)
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not JSON"
        remedy = "run as the user who made the cluster, or move the file away after looking at the cluster"
        return {}, [error("record", path, f"cannot be read: {reason}", remedy)]
    if not isinstance(record, dict) or record.get("engine") not in ENGINES or record.get("source") not in SOURCES:
        remedy = "move the file away after looking at the cluster"
        return {}, [error("record", path, "names no engine and source that we know", remedy)]
    return record, []


def choose_source(
    asked: str,
    bundle_dir: str,
    mirror: str,
    record: dict[str, Any],
    probe: Callable[[], tuple[bool, str]],
    is_sent: bool = False,
) -> tuple[str, str, list[Finding]]:
    """The source, the reason, and findings."""
    found = []
    if asked != "auto":
        source, reason = asked, f"platform_source is {asked}"
    elif record:
        source, reason = record["source"], "the cluster was made with it"
    else:
        reached, answer = probe()
        if reached:
            source, reason = "upstream", answer
        elif bundle_dir:
            source, reason = "bundle", f"{answer}, and platform_bundle_dir is given"
        else:
            source, reason = "packages", f"{answer}, and platform_bundle_dir is empty"
    if source == "bundle":
        full = full_path(bundle_dir) if bundle_dir else ""
        if not os.path.isdir(full) and not (full and is_sent):
            text = "is not a directory, and the source is bundle" if full else "is empty, and the source is bundle"
            found.append(
                error("platform_bundle_dir", bundle_dir, text, "give the directory of the bundle on this host")
            )
    if asked == "auto":
        found.append(info("platform_source", source, f"{'is kept' if record else 'was chosen'}: {reason}"))
        # Nobody names a mirror or sits behind a proxy of their own to get the slowest source.
        if source != "upstream" and not record and (mirror or "certificate" in reason):
            text = "was chosen although upstream seems to be meant"
            found.append(warning("platform_source", source, f"{text}: {reason}", "mend that, or name the source"))
    return source, reason, found


def choose_engine(
    asked: str, source: str, record: dict[str, Any], record_path: str, has_k3d: bool, bundle: Mapping[str, Any] = MappingProxyType({})
) -> tuple[str, str, list[Finding]]:
    """The engine, the reason, and findings."""
    subject = "platform_cluster_engine"
    made_with = record.get("engine", "")
    if asked == "auto" and made_with:
        return made_with, "the cluster was made with it", [info(subject, made_with, f"is kept: {record_path}")]
    if asked == "auto":
        engine = bundle.get("engine") or ("kind" if source == "packages" else "k3d")
        reason = "packages give kind's node image" if source == "packages" else f"{source} gives {engine}"
        return engine, reason, [info(subject, engine, f"was chosen: {reason}")]
    found = []
    if made_with and made_with != asked:
        text = f"is not the engine of the cluster that exists, {made_with} ({record_path})"
        remedy = f"{subject}: auto, another platform_cluster_name, or playbooks/teardown.yml first"
        found.append(error(subject, asked, text, remedy))
    if asked == "k3d" and source == "packages" and not has_k3d:
        text = "cannot be had from the source packages, and there is no k3d on PATH"
        found.append(error(subject, asked, text, f"{subject}: kind, or install k3d, or platform_source: upstream"))
    if bundle.get("engine") in ENGINES and "existing" not in (asked, bundle["engine"]) and asked != bundle["engine"]:
        text = f"is not the engine that the bundle was made for, {bundle['engine']}"
        found.append(error(subject, asked, text, f"{subject}: auto, or make the bundle with {subject}: {asked}"))
    return asked, f"{subject} is {asked}", found


def check_packages(cache_dir: str, root: bool, debian: bool, go: str | None) -> list[Finding]:
    """What building from packages needs; nothing once there are built artifacts to take."""
    if has_artifacts(cache_dir):
        return []
    subject, found = "platform_source", []
    if not debian:
        text = "builds on Debian or Ubuntu only, and this is neither"
        found.append(error(subject, "packages", text, "platform_source: upstream or bundle"))
    if not root:
        text = "builds a root file system, which needs root"
        found.append(error(subject, "packages", text, "run as root once; afterwards the cache serves"))
    if not go:
        text = f"builds with Go, which is neither on PATH nor in /usr/local/go/bin, and {cache_dir} is empty"
        found.append(error(subject, "packages", text, "install Go, or copy a filled cache there"))
    return found


def has_artifacts(cache_dir: str) -> bool:
    """Whether the module package_recipe, here or where the cache was copied from, has left something to take."""
    try:
        with os.scandir(os.path.join(cache_dir, "packages")) as entries:
            return any(True for entry in entries)
    except OSError:
        return False


def choose_context(
    engine: str, name: str, kubeconfig: str, context: str, own_kubeconfig: str
) -> tuple[str, str, list[Finding]]:
    """Kubeconfig and context; those of a cluster of ours follow from its name."""
    if engine != "existing":
        found = []
        for subject, value in (("platform_kubeconfig", kubeconfig), ("platform_kubeconfig_context", context)):
            if value:
                text = f"is not used: the engine is {engine}, whose clusters have a kubeconfig of their own"
                found.append(warning(subject, value, text, "remove it, or platform_cluster_engine: existing"))
        return own_kubeconfig, f"{engine}-{name}", found
    if not kubeconfig:
        text = "is empty, and platform_cluster_engine is existing"
        return "", context, [error("platform_kubeconfig", kubeconfig, text, "give the cluster's kubeconfig file")]
    full = full_path(kubeconfig)
    try:
        with open(full, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
    except OSError as exc:
        remedy = "give the cluster's kubeconfig file on this host"
        return full, context, [error("platform_kubeconfig", kubeconfig, f"cannot be read: {exc.strerror}", remedy)]
    if not context:
        # Whatever a person looked at last must not become the target of a run.
        match = re.search(r"^\s*\"?current-context\"?:\s*\"?([^\"\s,]+)\"?", text, re.MULTILINE)
        current = f"; its current one is {match.group(1)}" if match else ""
        text = f"is empty, and which cluster of {full} is meant has to be said{current}"
        remedy = f"name one of: kubectl --kubeconfig {full} config get-contexts -o name"
        return full, "", [error("platform_kubeconfig_context", context, text, remedy)]
    return full, context, []


# --- Looking --------------------------------------------------------------------------------------------------------


def find_tool(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=TOOL_PATH)


def look_k3d(own: str) -> str:
    """A k3d that was there before, or one of ours; the file itself, because ours are links."""
    found = find_tool("k3d") or (own if os.access(own, os.X_OK) else "")
    return os.path.realpath(found) if found else ""


def look_os_release(path: str = "/etc/os-release") -> bool:
    """Whether this is Debian, Ubuntu or one of their children."""
    try:
        with open(path, encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return False
    words = " ".join(line.split("=", 1)[1].strip("\"'") for line in lines if line.startswith(("ID=", "ID_LIKE=")))
    return bool({"debian", "ubuntu"} & set(words.split()))


def look_release(path: str = "/etc/os-release") -> str:
    """The name of the distribution's release, such as trixie; empty where it says none."""
    try:
        with open(path, encoding="utf-8") as stream:
            match = re.search(r"^VERSION_CODENAME=[\"']?([a-z0-9-]+)", stream.read(), re.MULTILINE)
    except OSError:
        return ""
    return match[1] if match else ""


def look_bundle(path: str, text: str, arch: str, public_key: str) -> tuple[dict[str, Any], list[Finding]]:
    """What the bundle says that it is for, and why it cannot be used; text is its manifest where it is yet to be sent."""
    # slow to import, and only this source needs it
    from ansible_collections.luckyplans.platform.plugins.module_utils import _bundle

    subject = "platform_bundle_dir"
    if not text and not os.path.isdir(full_path(path)):
        return {}, []
    if public_key and not _bundle.HAS_CRYPTOGRAPHY:
        return {}, [error("platform_bundle_public_key", public_key, "cannot be used: Python's cryptography is not there", "install it")]
    try:
        manifest = _bundle.parse(text, _bundle.MANIFEST) if text else _bundle.read(full_path(path), full_path(public_key) if public_key else "")
    except _bundle.BundleError as exc:
        message, _semicolon, remedy = str(exc).rstrip(".").rpartition("; ")
        return {}, [error(subject, path, f"cannot be used: {message}", remedy)]
    if arch not in manifest.settings:
        held = ", ".join(manifest.architectures)
        remedy = f"run playbooks/bundle.yml with the same directory on a machine that is {arch}, too"
        return {}, [error(subject, path, f"is for {held}, and this machine is {arch}", remedy)]
    return {**manifest.settings[arch], "releases": sorted({item.use for item in manifest.of("package", arch)})}, []


def look_memory(path: str = "/proc/meminfo") -> tuple[float | None, float | None]:
    """GiB in all and GiB available, or None where that cannot be seen."""
    try:
        with open(path, encoding="ascii") as stream:
            sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", stream.read(), re.MULTILINE))
    except OSError:
        sizes = {}
    total, available = (int(sizes[key]) * 1024 / GIB if key in sizes else None for key in ("MemTotal", "MemAvailable"))
    return total, available


def look_python_packages() -> list[str]:
    """Those that are missing; looked for and not imported, which would take longer than all else here."""
    return [name for name in PYTHON_PACKAGES if importlib.util.find_spec(name) is None]


def look_first_free_port(path: str = "/proc/sys/net/ipv4/ip_unprivileged_port_start") -> int:
    try:
        with open(path, encoding="ascii") as stream:
            return int(stream.read())
    except (OSError, ValueError):
        return 1024


def run(argv: list[str], seconds: float = DOCKER_SECONDS) -> tuple[int | None, str, str]:
    """rc (None when it did not end in time or did not start), stdout, stderr."""
    options: dict[str, Any] = {"env": dict(os.environ, LC_ALL="C"), "stdin": subprocess.DEVNULL}
    try:
        # an argv list of our own tools
        done = subprocess.run(argv, capture_output=True, timeout=seconds, check=False, **options)
    except (OSError, subprocess.TimeoutExpired) as exc:
        return None, "", str(exc)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def look_docker() -> Docker:
    cli = find_tool("docker")
    installed = "stopped" if find_tool("dockerd") else "absent"
    if cli is None:
        return Docker("absent")
    # Named fields only: for the whole document the CLI starts every plugin it has.
    template = '{"root":{{json .DockerRootDir}},"security":{{json .SecurityOptions}}}'
    code, out, err = run([cli, "info", "--format", template])
    if code is None:
        return Docker("silent")
    if code == 0:
        try:
            answer = json.loads(out)
        except ValueError:
            return Docker("silent")
        rootless = any("name=rootless" in option for option in answer.get("security") or [])
        return Docker("running", root=answer.get("root") or Docker.root, rootless=rootless, buildx=look_buildx())
    if "permission denied" in err.lower():
        return Docker("denied")
    remote = os.environ.get("DOCKER_HOST", "")
    return Docker("stopped" if remote else installed, remote=remote)


def look_buildx() -> bool:
    """Whether the plugin is where Docker's CLI looks for it; starting the CLI to ask takes longer than all else here."""
    own = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    places = [own, "/usr/local/lib/docker", "/usr/local/libexec/docker", "/usr/lib/docker", "/usr/libexec/docker"]
    return any(os.access(os.path.join(place, "cli-plugins/docker-buildx"), os.X_OK) for place in places)


def look_tools(bin_dir: str) -> dict[str, str]:
    """Where the links in the directory of our tools lead."""
    try:
        return {item.name: os.readlink(item.path) for item in os.scandir(bin_dir) if item.is_symlink()}
    except OSError:
        return {}


def look_published(cluster: str) -> list[Published]:
    """The TCP ports that running containers publish, and whether they are of the cluster of this name."""
    cli = find_tool("docker")
    if cli is None:
        return []
    code, out, _err = run([cli, "ps", "--quiet", "--no-trunc"])
    ids = out.split() if code == 0 else []
    if not ids:
        return []
    # A container that ended since then makes the code 1; the others are printed all the same.
    _code, out, _err = run([cli, "container", "inspect", *ids])
    try:
        containers = json.loads(out)
    except ValueError:
        return []
    return [item for container in containers for item in parse_published(container, cluster)]


def parse_published(container: dict[str, Any], cluster: str) -> list[Published]:
    labels = (container.get("Config") or {}).get("Labels") or {}
    ours = any(labels.get(key) == cluster for key in CLUSTER_LABELS)
    name = str(container.get("Name", "")).lstrip("/") or str(container.get("Id", ""))[:12]
    ports = (container.get("NetworkSettings") or {}).get("Ports") or {}
    return [
        Published(name, binding.get("HostIp") or "0.0.0.0", int(binding["HostPort"]), ours)
        for key, bindings in ports.items()
        if key.endswith("/tcp")
        for binding in bindings or []
        if str(binding.get("HostPort", "")).isdigit()
    ]


def look_listeners(proc: str = "/proc") -> list[Listener] | None:
    """All listening TCP sockets, or None where the kernel does not say."""
    tables = []
    for name in ("tcp", "tcp6"):
        try:
            with open(os.path.join(proc, "net", name), encoding="ascii") as stream:
                tables.append(stream.read())
        except OSError:
            continue
    if not tables:
        return None
    return [item for table in tables for item in parse_listeners(table)]


def parse_listeners(table: str) -> list[Listener]:
    found = []
    for line in table.splitlines()[1:]:
        columns = line.split()
        # 0A is TCP_LISTEN in include/net/tcp_states.h
        if len(columns) < 10 or columns[3] != "0A":
            continue
        address, _colon, port = columns[1].rpartition(":")
        found.append(Listener(_kernel_ip(address), int(port, 16), int(columns[7]), columns[9]))
    return found


def _kernel_ip(digits: str) -> str:
    """The kernel prints addresses as 32 bit words in its own byte order."""
    raw = bytes.fromhex(digits)
    if sys.byteorder == "little":
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    return str(ipaddress.ip_address(raw))


def look_addresses(name: str, seconds: float = 5.0) -> list[str]:
    """What the name resolves to here. A thread, because the search for a name has no timeout of its own."""
    found: list[str] = []

    def ask() -> None:
        with contextlib.suppress(OSError):
            found.extend(sorted({str(answer[4][0]) for answer in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)}))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return list(found)


def look_source(towards: str) -> str:
    """The address of this host from which packets to another would be sent; none are."""
    family = socket.AF_INET6 if ":" in towards else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((towards, 80))
            return str(probe.getsockname()[0])
    except OSError:
        return "no address"


def look_reached(domain: str, public: str, engine: str, tls: str) -> list[Finding]:
    """An existing cluster is reached by addresses of its own, which are not those of this host."""
    addresses = look_addresses(domain)

    def is_ours(address: str) -> bool:
        return engine == "existing" or _can_bind(ipaddress.ip_address(address))

    return check_reached(domain, addresses, public, is_ours, look_source(addresses[0]) if addresses else "", tls)


def look_holder(listener: Listener, proc: str = "/proc") -> str:
    """Who listens: pid and command; of another user's process only the user can be seen."""
    target = f"socket:[{listener.inode}]"
    for pid in sorted((name for name in _entries(proc) if name.isdigit()), key=int):
        fd_dir = os.path.join(proc, pid, "fd")
        for descriptor in _entries(fd_dir):
            try:
                if os.readlink(os.path.join(fd_dir, descriptor)) == target:
                    return f"process {pid} ({_command(os.path.join(proc, pid))})"
            except OSError:
                continue
    return f"a process of the user with id {listener.uid}"


def _entries(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _command(process_dir: str) -> str:
    """The first words of a command line; the rest may hold what is nobody's business."""
    try:
        with open(os.path.join(process_dir, "cmdline"), "rb") as stream:
            words = stream.read(4096).decode(errors="replace").split("\0")
    except OSError:
        words = []
    text = " ".join(word for word in words[:3] if word)
    return textwrap.shorten(text, 60, placeholder=" ...") or "its command cannot be seen"


def can_bind(address: str, port: int) -> bool:
    """Asked only where the kernel lists no sockets. Not being allowed to bind says nothing about who holds the port."""
    parsed = ipaddress.ip_address(address)
    family = socket.AF_INET if parsed.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def release_address(mirror: str) -> str:
    return f"{mirror.rstrip('/')}/github.com/" if mirror else UPSTREAM


class Probe:
    """One question to an address, asked in the background from the moment this is made.

    A thread, because the timeout of a socket does not cover the search for its name.
    """

    def __init__(self, url: str, ca_file: str, method: str = "HEAD", seconds: float = PROBE_SECONDS) -> None:
        self.url = url
        self._method = method
        self._ca_file = ca_file
        self._seconds = seconds
        self._started = time.monotonic()
        self._answer: tuple[bool, str] | None = None
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def result(self) -> tuple[bool, str]:
        self._thread.join(max(0.0, self._seconds - (time.monotonic() - self._started)))
        return self._answer or (False, f"{show(self.url)} did not answer within {self._seconds:g} s")

    def _ask(self) -> None:
        import ssl  # slow to import, and most runs keep a recorded source
        import urllib.error
        import urllib.request

        shown = show(self.url)
        try:
            context = ssl.create_default_context()
            if self._ca_file:
                context.load_verify_locations(cafile=os.path.expanduser(self._ca_file))
                # an authority of a company may lack the extensions that newer Pythons insist on, and browsers do not
                context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            # check_mirror and check_acme_server let only http and https through
            request = urllib.request.Request(self.url, method=self._method)
            opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
            with opener.open(request, timeout=self._seconds) as response:
                self._answer = (response.status < 400, f"{shown} answered {response.status}")
        except urllib.error.HTTPError as exc:
            self._answer = (False, f"{shown} answered {exc.code}")
        except urllib.error.URLError as exc:
            self._answer = (False, f"{shown} was not reached ({_why(exc.reason)})")
        except (OSError, ValueError) as exc:
            self._answer = (False, f"{shown} was not reached ({_why(exc)})")


def _why(reason: Any) -> str:
    if isinstance(reason, socket.gaierror):
        return "its name is not found"
    if "CERTIFICATE_VERIFY_FAILED" in str(reason):
        return "its certificate is not trusted; platform_extra_ca_file may help"
    if isinstance(reason, (TimeoutError, socket.timeout)):
        return "no answer in time"
    return getattr(reason, "strerror", None) or str(reason)


# --- All of it ------------------------------------------------------------------------------------------------------


def look_host(inputs: dict[str, Any]) -> Host:
    """Docker is asked its two questions at once: each costs the start of its CLI."""
    published: list[Published] = []
    asking = threading.Thread(target=lambda: published.extend(look_published(inputs["cluster_name"])))
    asking.start()
    docker = look_docker()
    asking.join()
    return Host(
        arch=platform.machine(),
        root=os.geteuid() == 0,
        debian=look_os_release(),
        docker=docker,
        published=published,
        listeners=look_listeners(),
    )


def examine(
    inputs: dict[str, Any],
    variables: Iterable[str],
    known: Iterable[str],
    expected_environment: str,
    min_free_gib: float,
    cluster: bool = True,
    bundle_manifest: str = "",
    placeholders: Iterable[str] = (),
    controller_time: float = 0,
    break_glass: str = "",
    charts: Iterable[str] = (),
) -> tuple[list[Finding], dict[str, Any]]:
    """Every finding, and everything that the other roles need to know. inputs: platform_* without the prefix.

    Without a cluster, artifacts are only collected: ports do not matter, nor what an earlier cluster was made with.
    """
    state_dir = full_path(inputs["state_dir"])
    cache_dir = full_path(inputs["cache_dir"])
    cluster_dir = os.path.join(state_dir, "clusters", inputs["cluster_name"])
    record_path = os.path.join(cluster_dir, "record.json")

    # first of all: what follows may wait for an address
    found = check_clock(time.time(), controller_time)
    found += check_variables(variables, known)
    found += check_placeholders(placeholders)
    record, findings = read_record(record_path) if cluster else ({}, [])
    found += findings
    ca_findings = check_ca_file(inputs["extra_ca_file"])
    mirror_findings = check_mirror(inputs["upstream_mirror"])
    probe = None
    if inputs["source"] == "auto" and not record and not ca_findings and not mirror_findings:
        probe = Probe(release_address(inputs["upstream_mirror"]), inputs["extra_ca_file"])
    acme_findings = check_acme_server(inputs["acme_server"], inputs["tls"])
    acme_probe = None
    if inputs["tls"] == "acme" and cluster and not acme_findings and not ca_findings:
        # a directory is asked for by GET (RFC 8555, 7.1.1)
        acme_probe = Probe(inputs["acme_server"], inputs["extra_ca_file"], "GET")
    host = look_host(inputs)

    source, source_reason, source_findings = choose_source(
        inputs["source"],
        inputs["bundle_dir"],
        inputs["upstream_mirror"],
        record,
        # Without a usable mirror or CA file the run ends here anyway; packages would only add errors of their own.
        probe.result if probe else lambda: (True, "the release address could not be asked"),
        bool(bundle_manifest),
    )
    arch = MACHINES.get(host.arch, host.arch)
    bundle: dict[str, Any] = {}
    bundle_findings: list[Finding] = []
    if source == "bundle" and cluster:
        bundle, bundle_findings = look_bundle(inputs["bundle_dir"], bundle_manifest, arch, inputs["bundle_public_key"])
    elif source == "bundle":
        remedy = "platform_source: upstream or packages"
        source_findings = [error("platform_source", source, "is what is to be made here, and cannot be what it is made from", remedy)]
    k3d = look_k3d(os.path.join(state_dir, "bin", "k3d"))
    engine, engine_reason, engine_findings = choose_engine(
        inputs["cluster_engine"], source, record, record_path, bool(k3d), bundle
    )
    kubeconfig, context, context_findings = choose_context(
        engine,
        inputs["cluster_name"],
        inputs["kubeconfig"],
        inputs["kubeconfig_context"],
        os.path.join(cluster_dir, "kubeconfig"),
    )

    found += check_cluster_name(inputs["cluster_name"])
    found += check_ports(inputs["http_port"], inputs["https_port"], inputs["api_port"])
    bind_findings = check_bind_address(inputs["bind_address"], inputs["environment"])
    found += bind_findings
    domain_findings = check_domain(inputs["domain"], inputs["environment"])
    found += domain_findings
    tls_findings = check_tls(inputs["tls"], inputs["domain"], inputs["environment"], inputs["http_port"], source, charts)
    public_findings = check_public_address(inputs["public_address"], inputs["tls"])
    found += tls_findings + public_findings + acme_findings
    if acme_probe:
        found += check_acme_answer(inputs["acme_server"], *acme_probe.result(), not record)
    refused = [item for item in [*bind_findings, *domain_findings, *tls_findings, *public_findings] if item.severity == ERROR]
    if is_issued(inputs["tls"]) and cluster and not refused:
        found += check_port_80(inputs["bind_address"], engine, source, inputs["tls"], charts)
        found += look_reached(inputs["domain"], inputs["public_address"], engine, inputs["tls"])
    found += check_environment(inputs["environment"], expected_environment, source)
    found += check_deploy(inputs["deploy"], os.path.exists(os.path.join(cluster_dir, ARGOCD_NOTE)), inputs["cluster_name"], break_glass)
    found += check_git(inputs["deploy"], inputs["git_url"], engine, source)
    found += mirror_findings + ca_findings
    found += check_registry(inputs["registry"], engine, inputs["deploy"])
    found += check_directory("platform_state_dir", inputs["state_dir"])
    found += check_directory("platform_cache_dir", inputs["cache_dir"])
    chart_dir, chart_findings = check_source_dir(inputs["source_dir"])
    # With gitops the application comes from git, and this host need not have a checkout.
    found += chart_findings if inputs["deploy"] == "helm" else []
    found += bundle_findings + check_bundle(bundle, inputs["bundle_dir"], inputs["environment"])
    found += source_findings + engine_findings + context_findings
    if source == "packages":
        found += check_packages(cache_dir, host.root, host.debian, find_tool("go"))

    found += check_arch(host.arch)
    # where a bundle is sent, they come out of it; an environment of somebody's own gets nothing from apt
    missing = [] if bundle_manifest else look_python_packages()
    may_install = host.root and host.debian and sys.prefix == "/usr"
    python_packages, findings = check_python_packages(missing, sys.executable, may_install)
    found += findings
    docker_action = "none"
    if engine != "existing" or inputs["deploy"] == "helm":
        release = look_release()
        lacks = source == "bundle" and bundle and release not in bundle["releases"]
        no_packages = f"the bundle holds no packages of Docker for {release or 'this release'}" if lacks else ""
        docker_action, findings = check_docker(host.docker, inputs["manage_docker"], host.root, host.debian, no_packages)
        found += findings
        places = {"platform_state_dir": state_dir, "platform_cache_dir": cache_dir, "Docker": host.docker.root}
        found += check_disk(places, min_free_gib, bool(record))
    if engine != "existing" and cluster:
        ports = {f"platform_{key}": inputs[key] for key in ("http_port", "https_port", "api_port")}
        found += check_rootless(host.docker, ports, look_first_free_port())
        if not any(item.severity == ERROR for item in bind_findings):
            found += check_port_holders(
                ports, inputs["bind_address"], host.published, host.listeners, look_holder, can_bind
            )
        found += check_memory(*look_memory(), any(item.ours for item in host.published))

    resolved = dict(
        inputs,
        arch=arch,
        bin_dir=os.path.join(state_dir, "bin"),
        bundle_dir=full_path(inputs["bundle_dir"]) if inputs["bundle_dir"] else "",
        bundle_public_key=full_path(inputs["bundle_public_key"]) if inputs["bundle_public_key"] else "",
        cache_dir=cache_dir,
        chart_dir=chart_dir,
        cluster_dir=cluster_dir,
        context=context,
        docker_action=docker_action,
        docker_ready=host.docker.state == "running" and host.docker.buildx,
        engine=engine,
        engine_reason=engine_reason,
        extra_ca_file=full_path(inputs["extra_ca_file"]) if inputs["extra_ca_file"] else "",
        # what cert-manager, which cannot see this host's files, is to know the ACME server by
        acme_authority=read_authority(inputs["extra_ca_file"]) if inputs["tls"] == "acme" and not ca_findings else "",
        k3d=k3d,
        kubeconfig=kubeconfig,
        python_packages=python_packages,
        record=record,
        root=host.root,
        source=source,
        source_dir=full_path(inputs["source_dir"]),
        source_reason=source_reason,
        state_dir=state_dir,
        tools=look_tools(os.path.join(state_dir, "bin")),
        upstream_mirror=inputs["upstream_mirror"].rstrip("/"),
        url=public_url(inputs["tls"], inputs["domain"], inputs["http_port"], inputs["https_port"]),
    )
    # Two names for one answer would let a role take the question for it.
    del resolved["cluster_engine"], resolved["kubeconfig_context"]
    return sort_findings(found), resolved


def public_url(tls: str, domain: str, http_port: Any, https_port: Any) -> str:
    """Where a browser finds the platform, without a slash at the end."""
    scheme, port, usual = ("http", http_port, 80) if tls == "none" else ("https", https_port, 443)
    return f"{scheme}://{domain}" if port == usual else f"{scheme}://{domain}:{port}"


def summarise(findings: Iterable[Finding]) -> str:
    """`2 errors and 1 warning`"""
    severities = [item.severity for item in findings]
    parts = []
    for severity in (ERROR, WARNING):
        count = severities.count(severity)
        if count:
            parts.append(f"{count} {severity}{'' if count == 1 else 's'}")
    return " and ".join(parts) or "nothing in the way"


def as_dicts(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [asdict(item) for item in findings]
