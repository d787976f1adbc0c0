#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verdict on what runs."""
from __future__ import annotations

DOCUMENTATION = r"""
module: platform_status
short_description: A verdict on what runs
version_added: 0.1.0
author: luckyplans contributors (@luckyplans)
description:
  - Looks at the cluster, its nodes, every workload, every Helm release, what Argo CD says where it deploys, the application's own
    answer and the certificate that it answers with, and changes nothing.
  - What cannot be asked is C(unknown), which is never healthy.
attributes:
  check_mode:
    support: full
    description: Changes nothing in either mode.
  diff_mode:
    support: none
    description: Changes nothing.
  idempotent:
    support: full
    description: Changes nothing.
options:
  cluster:
    description: Name of the cluster.
    type: str
    required: true
  cluster_dir:
    description: Directory with the cluster's C(record.json) and C(kubeconfig).
    type: path
    required: true
  bin_dir:
    description: Directory with C(kubectl) and C(helm).
    type: path
    required: true
  health_url:
    description: Address of the GraphQL endpoint.
    type: str
    required: true
  health_query:
    description: The query whose answer must hold data and no errors.
    type: str
    default: "{ health }"
  health_address:
    description: What to connect to in place of the name in O(health_url); empty looks the name up.
    type: str
    default: ""
  health_ca_file:
    description: PEM file of certificates to know the application by, alone; empty trusts what the system trusts.
    type: path
    default: ""
  namespaces:
    description: Where to look in a cluster that was there before; what else runs there is not judged.
    type: list
    elements: str
    default: [luckyplans, traefik]
  timeout:
    description: Seconds that one question may take.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: Look at the platform
  luckyplans.platform.platform_status:
    cluster: luckyplans
    cluster_dir: ~/.luckyplans/clusters/luckyplans
    bin_dir: ~/.luckyplans/bin
    health_url: http://localhost/graphql
"""

RETURN = r"""
verdict:
  description: C(healthy) when every check is, C(absent) when there is no such cluster, else C(unhealthy).
  type: str
  returned: always
checks:
  description: One entry for each thing that was looked at; C(warning), of a certificate that ends soon, is healthy still.
  type: list
  elements: dict
  returned: always
  sample: [{subject: "deployment luckyplans/web", state: healthy, detail: "1 of 1 ready"}]
table:
  description: The checks as text.
  type: str
  returned: always
"""

import http.client
import json
import os
import time
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils._health import Asked, ask, certificate, is_healthy

LABELS = {"kind": "io.x-k8s.kind.cluster", "k3d": "k3d.cluster"}
# days before the end of a certificate
SOON = 14
# desired and ready, by kind of workload
COUNTS = {
    "Deployment": (("spec", "replicas"), ("status", "readyReplicas")),
    "StatefulSet": (("spec", "replicas"), ("status", "readyReplicas")),
    "DaemonSet": (("status", "desiredNumberScheduled"), ("status", "numberReady")),
}


def check(subject: str, healthy: bool | None, detail: str) -> dict[str, str]:
    """One line of the verdict; healthy is None where nobody could be asked."""
    return {"subject": subject, "state": {True: "healthy", False: "unhealthy", None: "unknown"}[healthy], "detail": detail}


def nodes_of(answer: dict[str, Any]) -> list[dict[str, str]]:
    """Each node's Ready condition, from `kubectl get nodes -o json`."""
    found = []
    for node in answer["items"]:
        ready: dict[str, str] = next((c for c in node["status"].get("conditions", []) if c["type"] == "Ready"), {})
        found.append(check(f"node {node['metadata']['name']}", ready.get("status") == "True",
                           f"{node['status']['nodeInfo']['kubeletVersion']}, {ready.get('reason', 'no Ready condition')}"))
    return found


def workloads_of(answer: dict[str, Any]) -> list[dict[str, str]]:
    """How many pods of each workload are ready, from `kubectl get deployments,... -o json`."""
    found = []
    for item in answer["items"]:
        wanted, ready = ((item.get(part) or {}).get(field) or 0 for part, field in COUNTS[item["kind"]])
        found.append(check(f"{item['kind'].lower()} {item['metadata']['namespace']}/{item['metadata']['name']}",
                           ready >= wanted, f"{ready} of {wanted} ready"))
    return found


def releases_of(answer: list[dict[str, str]]) -> list[dict[str, str]]:
    """The state of each release, from `helm list --all -o json`."""
    return [check(f"release {release['namespace']}/{release['name']}", release["status"] == "deployed",
                  f"{release['chart']}, revision {release['revision']}, {release['status']}") for release in answer]


def applications_of(answer: dict[str, Any]) -> list[dict[str, str]]:
    """What Argo CD says of each Application, from `kubectl get applications -o json`; that automatic syncs are paused is worth knowing."""
    found = []
    for item in answer["items"]:
        sync, health = ((item.get("status") or {}).get(key) or {} for key in ("sync", "health"))
        states = [sync.get("status", "Unknown"), health.get("status", "Unknown")]
        detail = f"{', '.join(states)}, revision {sync.get('revision', '')[:12] or 'unknown'}"
        found.append(check(f"application {item['metadata']['namespace']}/{item['metadata']['name']}", states == ["Synced", "Healthy"], detail))
        if not (item["spec"].get("syncPolicy") or {}).get("automated"):
            found[-1].update(state="warning" if found[-1]["state"] == "healthy" else found[-1]["state"], detail=f"{detail}; automatic syncs are paused")
    return found


def health_of(asked: Asked) -> list[dict[str, str]]:
    """What the application says of itself, and the certificate that it says it with."""
    try:
        answer = ask(asked)
        served = certificate(asked)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return [check(asked.url, False, str(error) or type(error).__name__)]
    found = [check(asked.url, is_healthy(answer), json.dumps(answer))]
    if served:
        ends = time.strftime("%Y-%m-%d", time.gmtime(served.ends))
        found.append(check(f"certificate {urlsplit(asked.url).hostname}", True, f"ends on {ends}, in {served.days():.0f} days"))
        if served.days() < SOON:
            found[-1].update(state="warning", detail=found[-1]["detail"] + "; have it renewed, and run again")
    return found


class Looker:
    """Asks the tools; an answer that is no answer becomes an `unknown` check."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.checks: list[dict[str, str]] = []

    def run(self, argv: list[str]) -> tuple[int, str, str]:
        """Run a tool; one that is not there is an answer too."""
        try:
            code, out, err = self.module.run_command(argv, handle_exceptions=False)
            return code, out, err
        except OSError as error:
            return 127, "", f"{argv[0]}: {error.strerror}"

    def ask(self, subject: str, argv: list[str]) -> Any:
        rc, out, err = self.run(argv)
        try:
            if rc == 0:
                return json.loads(out)
        except ValueError:
            err = f"no JSON: {out[:80]}"
        self.checks.append(check(subject, None, err.strip().splitlines()[-1] if err.strip() else f"{argv[0]} ended with {rc}"))
        return None

    def containers(self, engine: str, cluster: str) -> bool:
        """Whether the cluster's containers run."""
        rc, out, err = self.run(
            ["docker", "ps", "--all", "--filter", f"label={LABELS[engine]}={cluster}", "--format", "{{.Names}} {{.State}}"])
        if rc:
            self.checks.append(check(f"cluster {cluster}", None, err.strip()))
            return False
        states = dict(line.split(" ", 1) for line in out.splitlines())
        running = bool(states) and set(states.values()) == {"running"}
        self.checks.append(check(f"cluster {cluster}", running, ", ".join(f"{n} {s}" for n, s in sorted(states.items())) or "no containers"))
        return running


def look(module: AnsibleModule) -> list[dict[str, str]]:
    """Every check, in the order in which one thing needs the other."""
    parameters = module.params
    path = os.path.join(parameters["cluster_dir"], "record.json")
    with open(path, encoding="utf-8") as file:
        try:
            record = json.load(file)
            engine = record["engine"]
        except (ValueError, KeyError, TypeError):
            return [check(f"cluster {parameters['cluster']}", None, f"{path} does not say what it was made with")]
    looker = Looker(module)
    if engine in LABELS and not looker.containers(engine, parameters["cluster"]):
        return looker.checks
    kubeconfig = f"--kubeconfig={record.get('kubeconfig') or parameters['cluster_dir'] + '/kubeconfig'}"
    context = record.get("context", "")
    kubectl = [f"{parameters['bin_dir']}/kubectl", kubeconfig, f"--context={context}", f"--request-timeout={parameters['timeout']}s", "get", "-o", "json"]
    helm = [f"{parameters['bin_dir']}/helm", kubeconfig, f"--kube-context={context}", "list", "--output", "json"]
    nodes = looker.ask("nodes", [*kubectl, "nodes"])
    looker.checks += nodes_of(nodes) if nodes else []
    # what else runs in a cluster that was there before is not ours to judge
    places = ["--all-namespaces"] if engine in LABELS else [f"--namespace={name}" for name in parameters["namespaces"]]
    for place in places:
        workloads = looker.ask("workloads", [*kubectl, place, "deployments,statefulsets,daemonsets"])
        looker.checks += workloads_of(workloads) if workloads else []
    for place in places:
        releases = looker.ask("releases", [*helm, place])
        looker.checks += releases_of(releases) if releases else []
    if os.path.exists(os.path.join(parameters["cluster_dir"], "argocd.json")):
        applications = looker.ask("applications", [*kubectl, "--all-namespaces", "applications.argoproj.io"])
        looker.checks += applications_of(applications) if applications else []
    health = {name: parameters[f"health_{name}"] for name in ("url", "query", "address", "ca_file")}
    looker.checks += health_of(Asked(**health, timeout=parameters["timeout"]))
    return looker.checks


def main() -> None:
    module = AnsibleModule({
        "cluster": {"type": "str", "required": True},
        "cluster_dir": {"type": "path", "required": True},
        "bin_dir": {"type": "path", "required": True},
        "health_url": {"type": "str", "required": True},
        "health_query": {"type": "str", "default": "{ health }"},
        "health_address": {"type": "str", "default": ""},
        "health_ca_file": {"type": "path", "default": ""},
        "namespaces": {"type": "list", "elements": "str", "default": ["luckyplans", "traefik"]},
        "timeout": {"type": "int", "default": 10},
    }, supports_check_mode=True)
    try:
        checks = look(module)
        verdict = "healthy" if all(item["state"] in ("healthy", "warning") for item in checks) else "unhealthy"
    except FileNotFoundError as error:
        checks = [check(f"cluster {module.params['cluster']}", False, f"never made here ({error.filename} is missing)")]
        verdict = "absent"
    width = max(len(item["subject"]) for item in checks)
    table = "\n".join(f"{item['state']:<10} {item['subject']:<{width}}  {item['detail']}" for item in checks)
    module.exit_json(changed=False, verdict=verdict, checks=checks, table=table)


if __name__ == "__main__":
    main()
