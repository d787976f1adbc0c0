# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _kubeapi
from ansible_collections.luckyplans.platform.tests.unit.fixtures.cluster_world import KUBECONFIG, FakeApi, encoded
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BEAT = "2026-11-22T15:00:10Z"
READY = {"type": "Ready", "status": "True", "lastHeartbeatTime": BEAT, "message": "kubelet is posting ready status"}
NO_NETWORK = {**READY, "status": "False", "message": "NetworkReady=false reason:NetworkPluginNotReady message:..."}
NODES = {"a": _kubeapi.epoch(BEAT), "b": 0.0}


def node(name: str, *conditions: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"conditions": list(conditions)}}


# A kubeconfig


def test_parse_kubeconfig():
    access = _kubeapi.parse_kubeconfig(KUBECONFIG)
    assert access == _kubeapi.Access("https://127.0.0.1:36443", "the CA", "the certificate", "the private key")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just text",
        KUBECONFIG.replace("server:", "servant:"),
        KUBECONFIG.replace("client-key-data:", "client-key:"),
        KUBECONFIG.replace(encoded("the CA"), "not base64!"),
    ],
)
def test_what_is_no_kubeconfig(text):
    assert _kubeapi.parse_kubeconfig(text) is None


def test_fingerprint_is_of_the_way_not_of_the_file():
    def fingerprint(text: str) -> str:
        access = _kubeapi.parse_kubeconfig(text)
        assert access is not None
        return access.fingerprint()

    same = fingerprint(KUBECONFIG)
    assert fingerprint(KUBECONFIG.replace("  name: the-cluster\n", "  name: another\n")) == same
    assert fingerprint(KUBECONFIG.replace("36443", "36444")) != same
    assert fingerprint(KUBECONFIG.replace(encoded("the private key"), encoded("another key"))) != same


# Nodes


@pytest.mark.parametrize(
    ("items", "network_optional", "lacks"),
    [
        ([node("a", READY), node("b", READY)], False, ""),
        ([node("a", READY)], False, "1 of 2 nodes have joined"),
        ([node("a", READY), node("b")], False, 'node "b" is not ready: it has not reported yet'),
        ([node("a", READY), node("b", NO_NETWORK)], False, 'node "b" is not ready: NetworkReady=false'),
        ([node("a", READY), node("b", NO_NETWORK)], True, ""),
        ([node("a", READY), node("b", {**NO_NETWORK, "message": "out of disk"})], True, "out of disk"),
        (None, False, "0 of 2 nodes have joined"),
        # Deleted by hand, it is still known to the API.
        ([node("a", READY), node("b", READY), node("gone")], False, ""),
        ([node("a", READY), node("other", READY), node("gone")], False, 'node "gone" is not ready'),
        (
            [node("a", {**READY, "lastHeartbeatTime": "2026-11-22T15:00:09Z"}), node("b", READY)],
            False,
            'node "a" has not reported since it was started',
        ),
    ],
)
def test_lacking_nodes(items, network_optional, lacks):
    found = _kubeapi.lacking_nodes({"items": items}, NODES, network_optional=network_optional)
    assert (lacks in found) if lacks else found == ""


@pytest.mark.parametrize(
    ("timestamp", "seconds"),
    [("2026-11-22T12:24:08.5Z", 1795350248.0), ("2026-11-22T12:24:08Z", 1795350248.0), ("1970-01-01T00:00:00Z", 0.0)],
)
def test_epoch(timestamp, seconds):
    assert _kubeapi.epoch(timestamp) == seconds


def test_a_container_that_never_ran_has_an_epoch_too():
    assert _kubeapi.epoch("0001-01-01T00:00:00Z") < 0


# A real TLS server, known by a CA of its own and asking for a client certificate


class Authority:
    """A CA, and certificates by it."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key, ca=True)

    def _sign(self, subject: x509.Name, key: Any, *, ca: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, name: str) -> tuple[str, str]:
        """Certificate and key for somebody."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, ca=False)
        pem = serialization.Encoding.PEM
        text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return certificate.public_bytes(pem).decode(), text.decode()


class Cluster:
    """A server that answers as a Kubernetes API does."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory, "the-ca")
        self.answers: dict[str, tuple[int, str]] = {
            "/readyz": (200, "ok"),
            "/api/v1/nodes": (200, json.dumps({"items": [node("a", READY)]})),
        }
        certificate, key = self.authority.issue("server")
        (directory / "server.pem").write_text(certificate + key)
        (directory / "ca.pem").write_text(self.authority.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "server.pem")
        context.load_verify_locations(directory / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        answers = self.answers

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers[self.path]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_args: None
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def access(self, authority: Authority | None = None) -> _kubeapi.Access:
        certificate, key = self.authority.issue("admin")
        server = f"https://127.0.0.1:{self.server.server_port}"
        return _kubeapi.Access(server, (authority or self.authority).pem, certificate, key)


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("api"))
    yield cluster
    cluster.server.shutdown()
    cluster.server.server_close()


@pytest.fixture
def cluster(running: Cluster) -> Iterator[Cluster]:
    before = dict(running.answers)
    yield running
    running.answers.update(before)


def lacking(cluster: Cluster, workdir: Path, **options: Any) -> str:
    return _kubeapi.Api(cluster.access(**options), str(workdir)).lacking({"a": 0.0}, network_optional=False)


def test_a_ready_cluster_lacks_nothing(cluster, tmp_path):
    assert lacking(cluster, tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_proxy_in_the_environment_is_not_asked(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert lacking(cluster, tmp_path) == ""


def test_what_readyz_says_is_told(cluster, tmp_path):
    cluster.answers["/readyz"] = (500, "[+]ping ok\n[-]etcd failed\nreadyz check failed")
    assert lacking(cluster, tmp_path).endswith("/readyz answers 500 [-]etcd failed")


def test_a_refused_user_is_told(cluster, tmp_path):
    cluster.answers["/api/v1/nodes"] = (403, "no")
    assert lacking(cluster, tmp_path).endswith("/api/v1/nodes answers 403")


def test_another_cluster_at_the_same_address_is_not_taken_for_it(cluster, tmp_path):
    assert "certificate verify failed" in lacking(cluster, tmp_path, authority=Authority(tmp_path, "another-ca"))


def test_a_closed_port_is_told(cluster, tmp_path):
    access = _kubeapi.Access("https://127.0.0.1:1", *list(vars(cluster.access()).values())[1:])
    assert "does not answer" in _kubeapi.Api(access, str(tmp_path)).lacking({"a": 0.0}, network_optional=False)


# Waiting


class Script:
    """An API that lacks one thing after another."""

    def __init__(self, *lacks: str) -> None:
        self.lacks = list(lacks)

    def lacking(self, _nodes: dict[str, float], *, network_optional: bool) -> str:
        assert network_optional is True
        return self.lacks.pop(0) if len(self.lacks) > 1 else self.lacks[0]


def wait(api: Script, timeout: float) -> list[str]:
    lines: list[str] = []
    _kubeapi.wait_until_ready(api, nodes={}, timeout=timeout, network_optional=True, report=lines.append, pause=0.01)
    return lines


def test_waits_and_says_each_thing_once():
    assert wait(Script("the API", "the API", "a node", ""), 5) == ["waiting: the API", "waiting: a node"]


def test_does_not_wait_for_what_is_ready():
    assert wait(Script(""), 0) == []


def test_gives_up_with_what_is_lacking():
    with pytest.raises(_kubeapi.NotReady, match="a node"):
        wait(Script("the API", "a node"), 0.05)


# Away with a node


def pod(name: str, **more: Any) -> dict[str, Any]:
    metadata = {"namespace": "a", "name": name, **more.pop("metadata", {})}
    return {"metadata": metadata, **more}


WEB = pod("web")
STAYS = [
    pod("agent", metadata={"ownerReferences": [{"kind": "DaemonSet"}]}),
    pod("static", metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}),
    pod("job", status={"phase": "Succeeded"}),
    pod("failed", status={"phase": "Failed"}),
]


def drained(api: FakeApi, timeout: float = 5) -> None:
    _kubeapi.drain(api, "n", timeout=timeout, report=lambda text: None, pause=0)


def test_who_has_to_leave():
    owned = pod("owned", metadata={"ownerReferences": [{"kind": "ReplicaSet"}]})
    assert _kubeapi.evictable({"items": [WEB, owned, *STAYS]}) == [WEB, owned]
    assert _kubeapi.evictable({"items": None}) == []


def test_drain_evicts_and_leaves_the_node_closed():
    api = FakeApi()
    api.pods = [WEB, *STAYS]
    drained(api)
    assert api.writes() == [
        ("PATCH", "/api/v1/nodes/n"),
        ("POST", "/api/v1/namespaces/a/pods/web/eviction"),
    ]


def test_a_pod_that_is_ending_is_waited_for_and_not_asked_again():
    api = FakeApi()
    api.pods = [pod("web", metadata={"deletionTimestamp": BEAT})]
    with pytest.raises(_kubeapi.NotDrained, match="1 pods are ending"):
        drained(api, timeout=0)
    assert ("POST", "/api/v1/namespaces/a/pods/web/eviction") not in api.asked


def test_a_disruption_budget_is_respected_and_the_node_opened_again():
    api = FakeApi()
    api.pods, api.refuses = [WEB], True
    with pytest.raises(_kubeapi.NotDrained, match='pod "a/web" may not be evicted: it would violate'):
        drained(api, timeout=0)
    assert api.writes()[-1] == ("PATCH", "/api/v1/nodes/n")


def test_a_node_that_the_api_does_not_know_is_empty():
    class Unknown(FakeApi):
        def send(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
            self.asked.append((method, path))
            return 404, "{}"

    api = Unknown()
    drained(api)
    _kubeapi.delete_node(api, "n")
    assert api.asked == [("PATCH", "/api/v1/nodes/n"), ("DELETE", "/api/v1/nodes/n")]


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (403, '{"message": "you may not"}', "answers 403 to DELETE: you may not"),
        (500, "no JSON", "answers 500 to DELETE: no JSON"),
    ],
)
def test_a_refusal_of_the_api_is_told(status, body, sentence):
    class Refusing(FakeApi):
        def send(self, method: str, path: str, _body: Any = None) -> tuple[int, str]:
            return status, body

    with pytest.raises(_kubeapi.NotDrained, match=sentence):
        _kubeapi.delete_node(Refusing(), "n")


def test_an_api_that_comes_back_is_waited_for():
    class Returning(FakeApi):
        def send(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
            self.asked.append((method, path))
            if len(self.asked) == 1:
                raise ConnectionRefusedError("not yet")
            return 200, "{}"

    api = Returning()
    _kubeapi.delete_node(api, "n")
    assert len(api.asked) == 2


def test_an_api_that_is_gone_is_told(running, monkeypatch):
    monkeypatch.setattr(_kubeapi, "PATIENCE", 0)
    access = running.access()
    away = _kubeapi.Access("https://127.0.0.1:1", access.ca_pem, access.cert_pem, access.key_pem)
    with pytest.raises(_kubeapi.NotDrained, match="does not answer"):
        _kubeapi.delete_node(_kubeapi.Api(away, str(running.authority.directory)), "n")


@pytest.mark.parametrize(
    ("rule", "bound"),
    [
        ({"key": "kubernetes.io/hostname", "operator": "In", "values": ["n"]}, True),
        ({"key": "kubernetes.io/hostname", "operator": "In", "values": ["n", "m"]}, False),
        ({"key": "kubernetes.io/hostname", "operator": "In", "values": ["m"]}, False),
        ({"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["n"]}, False),
    ],
)
def test_volumes_whose_data_lie_on_one_node(rule, bound):
    api = FakeApi()
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}}
    api.volumes = [{"metadata": {"name": "v"}, "spec": {"nodeAffinity": affinity}}, {"metadata": {"name": "w"}}]
    assert _kubeapi.bound_volumes(api, "n") == (["v"] if bound else [])


# One context among others


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (f"- context:\n  name: k3d-a\n{KUBECONFIG}", True),
        (f"- context:\n  name: k3d-ab\n{KUBECONFIG}", False),
        (KUBECONFIG, False),
        ("name: k3d-a\n" + KUBECONFIG.replace(encoded("the private key"), encoded("another key")), False),
        ("", False),
    ],
)
def test_holds_access(text, holds):
    assert _kubeapi.holds_access(text, KUBECONFIG, "k3d-a") is holds


def test_nothing_holds_an_access_that_there_is_not():
    assert not _kubeapi.holds_access("name: k3d-a\n", "", "k3d-a")
