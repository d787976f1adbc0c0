# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Speaks to the Kubernetes API of one cluster, through its own kubeconfig: is it ready, and away with this node."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

#: Seconds in which an API that does not answer may come back: the load balancer before it may just be replaced.
PATIENCE = 60.0


class NotReady(Exception):
    """The cluster did not become usable in time; the text says what it still lacks."""


class NotDrained(Exception):
    """A node could not be emptied; the text says what keeps it."""


@dataclass(frozen=True)
class Access:
    """Where a cluster answers, and how to know it and be known by it."""

    server: str
    ca_pem: str
    cert_pem: str
    key_pem: str

    def fingerprint(self) -> str:
        """Equal as long as a kubeconfig reaches the same cluster as the same user, whatever else is in it."""
        text = "\n".join((self.server, self.ca_pem, self.cert_pem, self.key_pem))
        return hashlib.sha256(text.encode()).hexdigest()


def parse_kubeconfig(text: str) -> Access | None:
    """What a kubeconfig of one cluster and one user says, or nothing if it is not such a file.

    Engines write these four fields as plain scalars, one a line, and kubectl keeps them so; a YAML parser is not part
    of the standard library.
    """

    def field(name: str) -> str | None:
        match = re.search(rf"^[\s-]*{name}:\s*(\S+)\s*$", text, re.MULTILINE)
        return match.group(1).strip("\"'") if match else None

    server = field("server")
    encoded = [field(f"{name}-data") for name in ("certificate-authority", "client-certificate", "client-key")]
    if server is None or None in encoded:
        return None
    try:
        ca_pem, cert_pem, key_pem = (base64.b64decode(value or "", validate=True).decode("ascii") for value in encoded)
    except ValueError:
        return None
    return Access(server, ca_pem, cert_pem, key_pem)


def holds_access(kubeconfig: str, own: str, context: str) -> bool:
    """Whether a kubeconfig of several clusters holds a context with the access that a cluster's own kubeconfig gives.

    By their texts, as there is no YAML parser; both are written by the same library, keys and certificates are unique.
    """
    values = re.findall(r"(?m)^[\s-]*(?:server|[a-z-]+-data):\s*(\S+)\s*$", own)
    named = re.search(rf"(?m)^[\s-]*name:\s*[\"']?{re.escape(context)}[\"']?\s*$", kubeconfig)
    return bool(named and values) and all(value in kubeconfig for value in values)


class Api:
    """A cluster's API, asked as the user of the kubeconfig."""

    def __init__(self, access: Access, workdir: str) -> None:
        parts = urlsplit(access.server)
        self.server = access.server
        self._address = (parts.hostname or "", parts.port or 443)
        # Not create_default_context: Python 3.13 makes it refuse CA certificates as kubeadm and k3s write them.
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.load_verify_locations(cadata=access.ca_pem)
        # OpenSSL reads the client's key from files only.
        handle, path = tempfile.mkstemp(dir=workdir)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as stream:
                stream.write(access.cert_pem.rstrip() + "\n" + access.key_pem)
            self._context.load_cert_chain(path)
        finally:
            os.unlink(path)

    def get(self, path: str) -> tuple[int, str]:
        return self.send("GET", path)

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, accept: str = "application/json"
    ) -> tuple[int, str]:
        # http.client on purpose: it knows no proxies, and a proxy cannot reach a port of this machine.
        connection = http.client.HTTPSConnection(*self._address, context=self._context, timeout=5)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            headers = {"Content-Type": kind, "Accept": accept}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def lacking(self, nodes: Mapping[str, float], *, network_optional: bool) -> str:
        """What keeps the cluster, whose nodes began at these times, from being usable; or the empty string."""
        try:
            status, body = self.get("/readyz")
            if status != 200:
                failed = "".join(f" {line}" for line in body.splitlines() if line.startswith("[-]"))
                return f"{self.server}/readyz answers {status}{failed[:200]}"
            status, body = self.get("/api/v1/nodes")
            if status != 200:
                return f"{self.server}/api/v1/nodes answers {status}"
            return lacking_nodes(json.loads(body), nodes, network_optional=network_optional)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"{self.server} does not answer: {error}"


def epoch(timestamp: str) -> float:
    """Whole seconds of a UTC timestamp, as Docker and Kubernetes write them."""
    return datetime.strptime(timestamp[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()


def lacking_nodes(node_list: Mapping[str, Any], nodes: Mapping[str, float], *, network_optional: bool) -> str:
    """What is missing in an answer to /api/v1/nodes, or the empty string."""
    items = node_list.get("items") or []
    # Objects of nodes that somebody deleted by other means stay behind, and never get ready.
    known = [item for item in items if item["metadata"]["name"] in nodes]
    items = known if len(known) == len(nodes) else items
    if len(items) < len(nodes):
        return f"{len(items)} of {len(nodes)} nodes have joined"
    for item in items:
        name = item["metadata"]["name"]
        conditions = {entry["type"]: entry for entry in item.get("status", {}).get("conditions") or []}
        ready = conditions.get("Ready", {})
        # After a restart the API still shows what the node said before it.
        if ready and epoch(ready["lastHeartbeatTime"]) < nodes.get(name, 0):
            return f'node "{name}" has not reported since it was started'
        if ready.get("status") == "True":
            continue
        message = ready.get("message", "it has not reported yet")
        # Without a pod network no node can be ready: it is for the caller to install one.
        if not (network_optional and "NetworkPluginNotReady" in message):
            return f'node "{name}" is not ready: {message}'
    return ""


def wait_until_ready(
    api: Api,
    *,
    nodes: Mapping[str, float],
    timeout: float,
    network_optional: bool,
    report: Callable[[str], None],
    pause: float = 0.5,
) -> None:
    """Return as soon as the API is ready and every node has joined and is ready; it asks at least once."""
    deadline = time.monotonic() + timeout
    said = ""
    while True:
        lacks = api.lacking(nodes, network_optional=network_optional)
        if not lacks:
            return
        if time.monotonic() >= deadline:
            raise NotReady(lacks)
        if lacks != said:
            report(f"waiting: {lacks}")
            said = lacks
        time.sleep(pause)


def drain(api: Api, node: str, *, timeout: float, report: Callable[[str], None], pause: float = 1) -> None:
    """Empty a node as "kubectl drain" does, or leave it as it was; disruption budgets are respected until the timeout.

    A node that the API does not know is empty already.
    """
    deadline = time.monotonic() + timeout
    path = f"/api/v1/nodes/{node}"
    status = _asked(api, "PATCH", path, {"spec": {"unschedulable": True}}, allowed=(404,))[0]
    if status == 404:
        return
    said = ""
    try:
        while True:
            status, body = _asked(api, "GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")
            pods = evictable(json.loads(body))
            if not pods:
                return
            lacks = "; ".join(filter(None, (_evict(api, pod) for pod in pods))) or f"{len(pods)} pods are ending"
            if time.monotonic() >= deadline:
                raise NotDrained(lacks)
            if lacks != said:
                report(f"draining {node}: {lacks}")
                said = lacks
            time.sleep(pause)
    except BaseException:
        open_node(api, node)
        raise


def open_node(api: Api, node: str) -> None:
    """Let a node have pods again."""
    _asked(api, "PATCH", f"/api/v1/nodes/{node}", {"spec": {"unschedulable": None}}, allowed=(404,))


def delete_node(api: Api, node: str) -> None:
    """Remove a node object; one that is not there is gone already."""
    _asked(api, "DELETE", f"/api/v1/nodes/{node}", allowed=(404,))


def node_names(api: Api) -> list[str]:
    """The names of all node objects, also of nodes that are gone."""
    _status, body = _asked(api, "GET", "/api/v1/nodes")
    return [item["metadata"]["name"] for item in json.loads(body).get("items") or []]


def bound_volumes(api: Api, node: str) -> list[str]:
    """The persistent volumes whose data lie on that node and nowhere else."""
    _status, body = _asked(api, "GET", "/api/v1/persistentvolumes")
    return sorted(item["metadata"]["name"] for item in json.loads(body).get("items") or [] if _bound(item, node))


def _bound(volume: Mapping[str, Any], node: str) -> bool:
    affinity = (volume.get("spec") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("required") or {}).get("nodeSelectorTerms") or []
    rules = [rule for term in terms for rule in [*(term.get("matchExpressions") or []), *(term.get("matchFields") or [])]]
    return any(rule.get("operator") == "In" and rule.get("values") == [node] for rule in rules)


def evictable(pod_list: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The pods that have to leave a node: not those of a daemon set or of the node itself, nor finished ones."""
    return [
        pod
        for pod in pod_list.get("items") or []
        if "kubernetes.io/config.mirror" not in (pod["metadata"].get("annotations") or {})
        and all(owner.get("kind") != "DaemonSet" for owner in pod["metadata"].get("ownerReferences") or [])
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]


def _evict(api: Api, pod: Mapping[str, Any]) -> str:
    """Ask a pod to leave; what keeps it, or the empty string."""
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp"):
        return ""
    name = f"{metadata['namespace']}/{metadata['name']}"
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/eviction"
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
    }
    status, body = _asked(api, "POST", path, eviction, allowed=(404, 429))
    return f'pod "{name}" may not be evicted: {_message(body)}' if status == 429 else ""


def _asked(
    api: Api, method: str, path: str, body: Mapping[str, Any] | None = None, allowed: Sequence[int] = ()
) -> tuple[int, str]:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            status, text = api.send(method, path, body)
            break
        except (OSError, http.client.HTTPException) as error:
            # Every request here may be made twice.
            if time.monotonic() >= deadline:
                raise NotDrained(f"{api.server} does not answer: {error}") from error
        time.sleep(0.5)
    if status >= 300 and status not in allowed:
        raise NotDrained(f"{api.server}{path} answers {status} to {method}: {_message(text)}")
    return status, text


def _message(body: str) -> str:
    """The sentence in an error of the API."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, LookupError, TypeError):
        return body[:200]
