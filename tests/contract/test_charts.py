# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the roles give to the charts of Traefik and Argo CD, and when the kinds of a chart are applied.

Every key that the closed schemas of the stand-ins know is one of upstream's charts (read at traefik 41.3.0 and argo-cd 10.1.1),
of which the second would ignore a misspelt one without a word.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from repository import ROOT, Ansible, Outcome, role_file, text

pytestmark = pytest.mark.slow

IMAGE = {"registry": "docker.io", "repository": "luckyplans/traefik", "tag": "1"}
# inputs by case: what platform_resolved says, and what else is set
TRAEFIK: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "k3d-prod": ({"engine": "k3d", "environment": "prod"}, {}),
    "k3d-prod-agents": ({"engine": "k3d", "environment": "prod"}, {"cluster_agents": 2}),
    "k3d-prod-balanced": ({"engine": "k3d", "environment": "prod"}, {"cluster_direct_ports": False}),
    "k3d-local": ({"engine": "k3d", "environment": "local"}, {"traefik_image": IMAGE}),
    "k3d-inside": ({"engine": "k3d", "environment": "prod"}, {"traefik_values": {"service": {"spec": {"type": "ClusterIP"}}}}),
    "kind-logged": ({"engine": "kind", "environment": "local"}, {"traefik_access_log": True, "traefik_image": IMAGE}),
    "existing": ({"engine": "existing", "environment": "prod"}, {"traefik_access_log": "false", "traefik_image": IMAGE}),
}
ARGOCD: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "path": ({"tls": "letsencrypt"}, {}),
    "host": ({"tls": "none"}, {"argocd_host": "argocd.example.org", "argocd_image": IMAGE, "argocd_redis_image": IMAGE}),
    "ssh": ({"tls": "provided"}, {"argocd_ssh_known_hosts": "a ssh-rsa b", "argocd_git_authorities": {"git.example.org": "PEM"}}),
}
# the version that is there, and whether `helm show crds` is asked for that of 2.0.0
KINDS = {"none": ("", False), "same": ("2.0.0", False), "older": ("1.9.0", True), "ends-alike": ("12.0.0", True)}

HELM = """#!/bin/sh
echo "$*" >> "$(dirname "$0")/asked"
case "$*" in
  version) echo 'version.BuildInfo{Version:"v4.3.1", GitCommit:""}' ;;
  list*) cat "$(dirname "$0")/releases" ;;
esac
"""


def values(role: str) -> list[dict[str, Any]]:
    """Tasks that keep the values which the role gives."""
    merged = f"{{{{ __{role}_values_base | combine(__{role}_values_inputs, {role}_values, recursive=true) | to_json }}}}"
    return [
        {"name": "Vars", "ansible.builtin.include_vars": f"{ROOT}/roles/{role}/vars/main.yml"},
        {"name": "Keep", "ansible.builtin.copy": {"dest": "{{ kept }}", "content": merged, "mode": "0600"}},
    ]


TASKS = {
    "traefik": values("traefik"),
    "argocd": values("argocd"),
    "kinds": [{"name": "Kinds", "ansible.builtin.include_role": {"name": "luckyplans.platform.helm_release", "tasks_from": "kinds"}}],
}
PLAY = [{"name": group, "hosts": group, "gather_facts": False, "strategy": "free", "tasks": tasks} for group, tasks in TASKS.items()]
RESOLVED = {
    "cluster_name": "luckyplans", "environment": "prod", "engine": "k3d", "domain": "example.org", "url": "https://example.org", "tls": "none",
    "bind_address": "0.0.0.0", "registry": "registry.example.org/team", "kubeconfig": "/nowhere", "context": "a", "cluster_dir": "/nowhere",
    "cache_dir": "/nowhere",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("charts")


@pytest.fixture(scope="module")
def outcome(folder: Path) -> Outcome:
    groups: dict[str, Any] = {}
    for group, cases in (("traefik", TRAEFIK), ("argocd", ARGOCD)):
        defaults = role_file(group, "defaults/main.yml")
        groups[group] = {
            "hosts": {
                f"{group}-{name}": {
                    **defaults, **inputs, "platform_resolved": {**RESOLVED, **resolved}, "kept": f"{folder}/{group}-{name}.json"
                }
                for name, (resolved, inputs) in cases.items()
            }
        }  # fmt: skip
    groups["kinds"] = {"hosts": {}}
    for name, (version, _asked) in KINDS.items():
        bin_dir = folder / name
        bin_dir.mkdir()
        (bin_dir / "helm").write_text(HELM)
        (bin_dir / "helm").chmod(0o755)
        (bin_dir / "kubeconfig").write_text("{}")
        releases = [{"name": "some", "namespace": "some", "status": "deployed", "chart": f"some-{version}"}] if version else []
        (bin_dir / "releases").write_text(json.dumps(releases))
        groups["kinds"]["hosts"][name] = {
            "platform_resolved": {**RESOLVED, "bin_dir": str(bin_dir), "kubeconfig": str(bin_dir / "kubeconfig")},
            **{f"helm_release_{key}": "some" for key in ("name", "namespace", "chart")},
            "helm_release_chart_version": "2.0.0",
            "helm_release_chart_repository": "https://charts.example.org",
        }
    (folder / "ansible").mkdir()
    ansible = Ansible(folder / "ansible")
    playbook, inventory = folder / "play.json", folder / "inventory.json"
    playbook.write_text(json.dumps(PLAY))
    inventory.write_text(json.dumps({"all": {"children": groups}}))
    return ansible.playbook(playbook, inventory)


def given(outcome: Outcome, folder: Path, case: str) -> dict[str, Any]:
    path = folder / f"{case}.json"
    assert path.exists(), outcome.stdout
    return dict(json.loads(path.read_text()))


@pytest.mark.parametrize("case", [f"traefik-{name}" for name in TRAEFIK] + [f"argocd-{name}" for name in ARGOCD])
def test_every_value_is_one_that_the_chart_knows(outcome: Outcome, folder: Path, case: str) -> None:
    chart = {"traefik": "traefik", "argocd": "argo-cd"}[case.partition("-")[0]]
    schema = json.loads(text(f"artifacts/packages/charts/{chart}/values.schema.json"))
    jsonschema.validate(given(outcome, folder, case), schema)


@pytest.mark.parametrize("case", TRAEFIK)
def test_there_is_no_dashboard(outcome: Outcome, folder: Path, case: str) -> None:
    found = given(outcome, folder, f"traefik-{case}")
    assert (found["api"], found["ingressRoute"]) == ({"dashboard": False}, {"dashboard": {"enabled": False}})


@pytest.mark.parametrize("case", TRAEFIK)
def test_an_access_log_is_asked_for_and_holds_no_headers_and_no_queries(outcome: Outcome, folder: Path, case: str) -> None:
    found = given(outcome, folder, f"traefik-{case}").get("accessLog")
    if case != "kind-logged":
        assert found is None
        return
    assert (found["enabled"], found["format"]) == (True, "json")
    assert {key: value["defaultMode"] for key, value in found["fields"].items()} == {"headers": "drop", "queryParameters": "drop"}


@pytest.mark.parametrize(
    ("case", "policy"), [("k3d-prod", "Local"), ("k3d-prod-agents", "Cluster"), ("k3d-prod-balanced", "Cluster"), ("k3d-local", "Cluster")]
)
def test_the_clients_address_is_kept_where_it_comes_that_far(outcome: Outcome, folder: Path, case: str, policy: str) -> None:
    assert given(outcome, folder, f"traefik-{case}")["service"]["spec"] == {"type": "LoadBalancer", "externalTrafficPolicy": policy}


def test_a_service_for_the_inside_has_no_policy_for_the_outside(outcome: Outcome, folder: Path) -> None:
    """Kubernetes refuses it with one."""
    assert given(outcome, folder, "traefik-k3d-inside")["service"]["spec"] == {"type": "ClusterIP"}


@pytest.mark.parametrize("case", KINDS)
def test_kinds_of_a_chart_are_asked_for_when_another_version_comes(outcome: Outcome, folder: Path, case: str) -> None:
    asked = (folder / case / "asked").read_text().splitlines()
    assert any("list" in line for line in asked), outcome.stdout
    shown = [line for line in asked if "show" in line]
    assert shown == (["show crds some --repo https://charts.example.org --version 2.0.0"] if KINDS[case][1] else [])
    assert outcome.recap[case]["failed"] == 0, outcome.stdout
