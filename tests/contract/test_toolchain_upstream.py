# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role toolchain with the source `upstream`, against servers of our own that stand for the release pages.

Each case is a host of one play: its own mirror, cache and directory for the tools.
"""

from __future__ import annotations

import copy
import datetime
import hashlib
import http.server
import io
import ipaddress
import ssl
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from repository import Ansible, Outcome, load

pytestmark = pytest.mark.slow

LOCK = load("artifacts/lock.yml")["artifacts"]
TOOLS = ("k3d", "kind", "kubectl", "helm")
ARCH = "amd64"
PLAY = [
    {
        "name": "Tools",
        "hosts": "all",
        "gather_facts": False,
        "strategy": "free",
        "tasks": [
            {
                "name": "Tools or a refusal",
                "block": [{"name": "Tools", "ansible.builtin.include_role": {"name": "luckyplans.platform.toolchain"}}],
                "rescue": [
                    {
                        "name": "Keep why it was refused",
                        "ansible.builtin.copy": {
                            "dest": "{{ case_dir }}/refusal",
                            "content": "{{ ansible_failed_result.msg }}",
                            "mode": "0600",
                        },
                    }
                ],
            }
        ],
    }
]


def executable(tool: str) -> bytes:
    return f"#!/bin/sh\necho {tool}\n".encode()


def archive(member: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in (("linux-amd64/LICENSE", b"a licence"), (member, content)):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


class Pages:
    """The files of the publishers, by address without https://, as the lock says where they are."""

    def __init__(self) -> None:
        self.lock = copy.deepcopy({"artifacts": LOCK})
        self.files: dict[str, bytes] = {}
        for tool in TOOLS:
            upstream = self.upstream(tool)
            # sums of the real files, which these are not
            upstream.pop("sha256", None)
            member = upstream.get("member", "").format(arch=ARCH)
            content = executable(tool)
            self.files[self.address(tool)] = archive(member, content) if member else content
            self.publish_sum(tool, self.sum(tool))

    def upstream(self, tool: str) -> dict[str, Any]:
        return self.lock["artifacts"][tool]["upstream"]

    def address(self, tool: str, key: str = "address") -> str:
        filled = self.upstream(tool)[key].format(version=LOCK[tool]["version"], arch=ARCH)
        return filled.removeprefix("https://")

    def sum(self, tool: str) -> str:
        return hashlib.sha256(self.files[self.address(tool)]).hexdigest()

    def publish_sum(self, tool: str, value: str) -> None:
        """Each publisher has a form of its own."""
        name = self.address(tool).rpartition("/")[2]
        lines = {
            "k3d": f"{'1' * 64}  _dist/k3d-darwin-amd64\n{value}  _dist/{name}\n{'2' * 64}  _dist/{name}.exe\n",
            "kubectl": value,
        }
        self.files[self.address(tool, "checksum_url")] = lines.get(tool, f"{value}  {name}\n").encode()

    def write(self, folder: Path) -> None:
        for name, content in self.files.items():
            path = folder / "pages" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (folder / "artifacts").mkdir()
        (folder / "artifacts" / "lock.yml").write_text(yaml.safe_dump(self.lock))


def as_published(pages: Pages) -> None:
    pass


def recorded_sum(pages: Pages) -> None:
    """A recorded sum needs no checksum file."""
    pages.upstream("kubectl")["sha256"] = {ARCH: pages.sum("kubectl")}
    del pages.files[pages.address("kubectl", "checksum_url")]


def other_recorded_sum(pages: Pages) -> None:
    """A recorded sum wins over the publisher's file."""
    pages.upstream("kubectl")["sha256"] = {ARCH: "0" * 64}


def other_sum(pages: Pages) -> None:
    pages.publish_sum("kubectl", "0" * 64)


def other_sum_of_archive(pages: Pages) -> None:
    pages.publish_sum("helm", "0" * 64)


def no_sums(pages: Pages) -> None:
    del pages.files[pages.address("kubectl", "checksum_url")]


def sums_of_others(pages: Pages) -> None:
    pages.files[pages.address("kubectl", "checksum_url")] = f"{'1' * 64}  kubectl.exe\n".encode()


def no_file(pages: Pages) -> None:
    del pages.files[pages.address("kubectl")]


# name of the host -> engine, what is done to the pages
ACCEPTED: dict[str, tuple[str, Callable[[Pages], None]]] = {
    "tls-extra-ca": ("k3d", as_published),
    "recorded-sum": ("kind", recorded_sum),
    "tls-system-ca": ("existing", as_published),
}
TO_RECORD = "Next: compare it with what its publisher states, and record sha256.amd64 of "
TO_REACH = "(platform_upstream_mirror, platform_extra_ca_file)"
# name of the host -> what is done to the pages, what the message has to say
REFUSED: dict[str, tuple[Callable[[Pages], None], tuple[str, ...]]] = {
    "other-recorded-sum": (other_recorded_sum, ("/kubectl", "0" * 64, TO_RECORD + "kubectl in ")),
    "other-sum": (other_sum, ("/kubectl", "0" * 64, TO_RECORD + "kubectl in ")),
    "other-sum-of-archive": (other_sum_of_archive, (".tar.gz", "0" * 64, TO_RECORD + "helm in ")),
    "no-sums": (no_sums, ("/kubectl.sha256", "404", TO_REACH)),
    "sums-of-others": (sums_of_others, ("/kubectl.sha256 holds no sha256 of kubectl", TO_RECORD + "kubectl in ")),
    "no-file": (no_file, ("/kubectl:", "404", TO_REACH)),
    "tls-no-ca": (as_published, ("CERTIFICATE_VERIFY_FAILED", TO_REACH)),
}


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder and remembers what was asked for."""

    def __init__(self, folder: Path, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_request(self, code: Any = "-", size: Any = "-") -> None:
                asked.append(self.path)

            def log_error(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.address = f"{'https' if context else 'http'}://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_: Any) -> None:
        """A client that does not trust us hangs up: that is a case, not an accident."""


class Authority:
    """A certificate authority, and a server's context with a certificate of it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / name / "ca.pem"
        self.file.parent.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.timezone.utc)

        def certificate(subject: x509.Name, of: ec.EllipticCurvePrivateKey, ca: bool) -> bytes:
            builder = (
                x509.CertificateBuilder()
                .issuer_name(issuer)
                .subject_name(subject)
                .public_key(of.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(hours=1))
                .not_valid_after(now + datetime.timedelta(days=1))
            )
            for extension, critical in (
                (x509.BasicConstraints(ca=ca, path_length=None), True),
                (x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False), True),
                (x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), not ca),
                (x509.SubjectKeyIdentifier.from_public_key(of.public_key()), False),
                (x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False),
            ):
                builder = builder.add_extension(extension, critical=critical)
            return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

        self.file.write_bytes(certificate(issuer, key, ca=True))
        # the name under which OpenSSL looks for an authority in a directory
        number = int.from_bytes(hashlib.sha1(issuer.public_bytes()[2:]).digest()[:4], "little")
        (self.file.parent / f"{number:08x}.0").symlink_to(self.file)
        own = ec.generate_private_key(ec.SECP256R1())
        plain = serialization.NoEncryption()
        pem = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        server = folder / name / "server.key"
        server.write_bytes(pem + certificate(x509.Name([]), own, ca=False))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server)


class Cases:
    """All hosts, their mirrors, and what two runs made of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: dict[str, Server] = {}
        self.hosts: dict[str, dict[str, Any]] = {}
        (folder / "ansible").mkdir()
        self.ansible = Ansible(folder / "ansible")
        # what the machine trusts, beside which an extra authority has to be trusted
        self.system = Authority(folder, "system")
        self.extra = Authority(folder, "extra")
        for host, (engine, prepare) in ACCEPTED.items():
            self.add(host, engine, prepare)
        for host, (prepare, _says) in REFUSED.items():
            self.add(host, "existing", prepare)
        self.add("check-mode", "existing", as_published)

    def add(self, host: str, engine: str, prepare: Callable[[Pages], None]) -> None:
        case = self.folder / host
        case.mkdir()
        pages = Pages()
        prepare(pages)
        pages.write(case)
        authority = {"tls-extra-ca": self.extra, "tls-system-ca": self.system, "tls-no-ca": self.extra}.get(host)
        server = Server(case / "pages", authority.context if authority else None)
        self.servers[host] = server
        self.hosts[host] = {
            "case_dir": str(case),
            "toolchain_artifacts_dir": str(case / "artifacts"),
            "platform_resolved": {
                "arch": ARCH,
                "tls": "none",
                "deploy": "helm",
                "source": "upstream",
                "engine": engine,
                "upstream_mirror": server.address,
                "extra_ca_file": str(self.extra.file) if host in ("tls-extra-ca", "tls-system-ca") else "",
                "bin_dir": str(case / "bin"),
                "tools": {},
                "cache_dir": str(case / "cache"),
            },
        }

    def run(self, *arguments: str) -> Outcome:
        return self.ansible.run(PLAY, self.hosts, *arguments)

    def tools(self, host: str) -> list[str]:
        """The files in the directory for tools and those of tools in the cache."""
        case = self.folder / host
        found = [path for part in ("bin", "cache") for path in case.glob(f"{part}/**/*") if not path.is_dir()]
        return sorted(str(path.relative_to(case)) for path in found)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    made = Cases(tmp_path_factory.mktemp("upstream"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_DIR", str(made.system.file.parent))
        yield made
    for server in made.servers.values():
        server.shutdown()


@pytest.fixture(scope="module")
def first(cases: Cases) -> Outcome:
    return cases.run("--limit=!check-mode")


@pytest.fixture(scope="module")
def second(cases: Cases, first: Outcome) -> Outcome:
    for server in cases.servers.values():
        server.asked.clear()
    return cases.run(f"--limit={','.join(ACCEPTED)}")


@pytest.mark.parametrize("host", ACCEPTED)
def test_verified_tools_are_put_in_place(cases: Cases, first: Outcome, host: str) -> None:
    assert not (cases.folder / host / "refusal").exists(), (cases.folder / host / "refusal").read_text()
    assert first.recap[host]["failed"] == 0, first.stdout
    engine = ACCEPTED[host][0]
    found = {path.name: path for path in (cases.folder / host / "bin").iterdir()}
    assert set(found) == {engine, "kubectl", "helm"} - {"existing"}
    for tool, path in found.items():
        assert path.read_bytes() == executable(tool)
        assert path.stat().st_mode & 0o111 == 0o111, f"{tool} cannot be executed by everyone"


@pytest.mark.parametrize("host", ACCEPTED)
def test_second_run_changes_nothing_and_downloads_nothing(cases: Cases, second: Outcome, host: str) -> None:
    assert second.recap[host]["changed"] == 0, second.stdout
    assert cases.servers[host].asked == []


@pytest.mark.parametrize("host", REFUSED)
def test_what_cannot_be_verified_is_refused(cases: Cases, first: Outcome, host: str) -> None:
    refusal = cases.folder / host / "refusal"
    assert refusal.exists(), first.stdout
    for word in REFUSED[host][1]:
        assert word in refusal.read_text()


@pytest.mark.parametrize("host", REFUSED)
def test_nothing_unverified_is_left(cases: Cases, first: Outcome, host: str) -> None:
    verified = {"other-sum-of-archive": ["kubectl"]}.get(host, [])
    assert [path.rpartition("/")[2] for path in cases.tools(host)] == verified
    assert not (cases.folder / host / "bin").exists()


def test_check_mode_says_so_and_writes_nothing(cases: Cases) -> None:
    outcome = cases.run("--limit=check-mode", "--check")
    assert outcome.rc == 0, outcome.stdout
    assert outcome.recap["check-mode"]["changed"] > 0
    assert cases.tools("check-mode") == []
