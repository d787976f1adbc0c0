# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad inputs through the real role preflight: each stops the run before any change, and says what to do about it.

Each case is a host of one play in check mode, with the variables that a person would have put into an inventory.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from certificates import issue
from repository import ROLES, ROOT, Ansible, Outcome, load, options

pytestmark = pytest.mark.slow

# as the module looks for it
K3D_EVERYWHERE = f"{os.environ['PATH']}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"
PLAY = [
    {
        "name": "Bad inputs",
        "hosts": "all",
        "gather_facts": False,
        "strategy": "free",
        "tasks": [
            {
                "name": "Preflight, and what it says",
                "block": [
                    {"name": "Look", "ansible.builtin.include_role": {"name": "luckyplans.platform.preflight"}},
                    {
                        "name": "Keep the choices",
                        "ansible.builtin.copy": {
                            "dest": "{{ case_dir }}/accepted.json",
                            "content": "{{ platform_resolved | to_json }}",
                            "mode": "0600",
                        },
                        "check_mode": False,
                    },
                ],
                "rescue": [
                    {
                        "name": "Keep the refusal",
                        "ansible.builtin.copy": {
                            "dest": "{{ case_dir }}/refused.json",
                            "content": "{{ ansible_failed_result | to_json }}",
                            "mode": "0600",
                        },
                        "check_mode": False,
                    }
                ],
            }
        ],
    }
]


@dataclass(frozen=True)
class Said:
    """What the table has to say: the variable, its value, and part of the next step."""

    subject: str
    value: str
    remedy: str


def refused(subject: str, value: str, remedy: str, **variables: Any) -> tuple[dict[str, Any], list[Said]]:
    """A case with one bad variable, by default the one that is named."""
    return variables or {subject: value}, [Said(subject, value, remedy)]


def provided(subject: str, value: str, remedy: str, key: str = "good", **others: Any) -> tuple[dict[str, Any], list[Said]]:
    """A case with good files but for one."""
    files = {"tls_certificate_file": "{certificates}/good.pem", "tls_private_key_file": f"{{certificates}}/{key}.key"}
    return {"platform_tls": "provided", "platform_domain": "example.org", **files, subject: value, **others}, [Said(subject, value, remedy)]


# {here} is a directory of the case's own, which exists and is empty; {certificates} has those of make_certificates
CASES: dict[str, tuple[dict[str, Any], list[Said]]] = {
    "port-too-high": refused(
        "platform_http_port", "65536", "choose a number from 1 to 65535", platform_http_port=65536
    ),
    "port-zero": refused("platform_https_port", "0", "choose a number from 1 to 65535", platform_https_port=0),
    "api-port-negative": refused("platform_api_port", "-1", "0 for a free one", platform_api_port=-1),
    "equal-ports": refused(
        "platform_https_port", "8080", "give each its own port", platform_http_port=8080, platform_https_port=8080
    ),
    "port-taken": refused("platform_http_port", "{taken}", "give another platform_http_port"),
    "domain-with-space": refused("platform_domain", "my platform", "platform_domain: example.org"),
    "domain-with-scheme": refused("platform_domain", "https://example.org", "give the host name alone"),
    "name-with-underscore": refused("platform_cluster_name", "my_cluster", "platform_cluster_name: my-cluster"),
    "name-empty": refused("platform_cluster_name", "", "for example platform_cluster_name: "),
    "name-too-long": refused("platform_cluster_name", "c" * 33, "for example platform_cluster_name: ccc"),
    "misspelt-variable": refused(
        "platform_htp_port", "(set)", "did you mean platform_http_port?", platform_htp_port=8080
    ),
    "misspelt-role-variable": refused("cluster_timout", "(set)", "did you mean cluster_timeout?", cluster_timout=60),
    "no-chart": refused("platform_source_dir", "{here}", "give the checkout of an application"),
    "no-source-dir": refused("platform_source_dir", "{here}/nothing", "give the checkout of the application"),
    "prod-from-packages": refused(
        "platform_source",
        "packages",
        "platform_source: upstream, or bundle",
        platform_environment="prod",
        platform_source="packages",
        platform_domain="example.org",
    ),
    "engine-that-cannot-be-had": refused(
        "platform_cluster_engine",
        "k3d",
        "platform_cluster_engine: kind",
        platform_cluster_engine="k3d",
        platform_source="packages",
    ),
    "existing-without-kubeconfig": refused(
        "platform_kubeconfig",
        "",
        "give the cluster's kubeconfig file",
        platform_cluster_engine="existing",
        platform_registry="registry.example.org/team",
    ),
    "existing-without-context": refused(
        "platform_kubeconfig_context",
        "",
        "config get-contexts",
        platform_cluster_engine="existing",
        platform_kubeconfig="/etc/hostname",
        platform_registry="registry.example.org/team",
    ),
    "existing-without-registry": refused(
        "platform_registry",
        "",
        "registry.example.org/team",
        platform_cluster_engine="existing",
        platform_kubeconfig="/etc/hostname",
        platform_kubeconfig_context="staging",
    ),
    "registry-without-path": refused(
        "platform_registry",
        "registry.example.org",
        "registry.example.org/team",
        platform_registry="registry.example.org",
        platform_cluster_engine="existing",
        platform_kubeconfig="/etc/hostname",
        platform_kubeconfig_context="staging",
    ),
    "bundle-without-directory": refused(
        "platform_bundle_dir", "", "give the directory of the bundle", platform_source="bundle"
    ),
    "relative-state-dir": refused("platform_state_dir", "state", "begin it with / or ~/"),
    "missing-ca-file": refused("platform_extra_ca_file", "{here}/ca.pem", "give a PEM file on this host"),
    "mirror-without-scheme": refused("platform_upstream_mirror", "mirror.example.org", "for example https://"),
    "address-of-another-host": refused("platform_bind_address", "192.0.2.1", "127.0.0.1"),
    "letsencrypt-for-localhost": refused("platform_tls", "letsencrypt", "give a public platform_domain"),
    "certificate-that-nobody-provides": (
        {"platform_tls": "provided"},
        [Said("tls_certificate_file", "", "name the PEM file on"), Said("tls_private_key_file", "", "in a vault as tls_private_key")],
    ),
    "bundle-to-send-that-is-not-there": refused("platform_bundle_send_from", "{here}/none", "make the bundle there (playbooks/bundle.yml)"),
    "certificate-that-is-not-there": provided("tls_certificate_file", "{here}/gone.pem", "give a PEM file on"),
    "certificate-twice": provided("tls_certificate_file", "{certificates}/good.pem", "keep one of them", tls_certificate="a text"),
    "certificate-that-is-none": provided("tls_certificate_file", "{certificates}/no.pem", "openssl x509 -in FILE"),
    "certificate-with-a-key": provided("tls_certificate_file", "{certificates}/good.key", "keep the certificates alone in it"),
    "certificate-of-another-name": provided("tls_certificate_file", "{certificates}/other.pem", "another platform_domain", key="other"),
    "certificate-that-ended": provided("tls_certificate_file", "{certificates}/ended.pem", "have it renewed", key="ended"),
    "certificates-out-of-order": provided("tls_certificate_file", "{certificates}/mixed.pem", "then the one that issued it"),
    "key-of-another-certificate": provided("tls_private_key_file", "{certificates}/other.key", "the key that it was asked for with"),
    "key-with-a-passphrase": provided("tls_private_key_file", "{certificates}/locked.key", "openssl pkey -in FILE"),
    "key-in-a-vault-that-is-none": refused(
        "tls_private_key", "(set)", "as PEM", platform_tls="provided", tls_certificate_file="{certificates}/good.pem", tls_private_key="no key of anybody"
    ),
    "public-address-that-is-a-name": refused("platform_public_address", "example.org", "give the one that platform_domain resolves to"),
    "domain-that-nobody-finds": refused(
        "platform_domain", "no-such-platform.luckyplans.dev", "make a record for it", platform_tls="letsencrypt",
        platform_domain="no-such-platform.luckyplans.dev",
    ),
    "gitops-without-repository": refused("platform_git_url", "", "platform_git_url: https://", platform_deploy="gitops"),
    "repository-with-a-login": refused(
        "platform_git_url", "https://***@git.example.org/a.git", "luckyplans_git_credential", platform_deploy="gitops",
        platform_git_url="https://me:secret@git.example.org/a.git",
    ),
    "secret-of-the-example": refused(
        "luckyplans_pull_secret", "(placeholder)", "ansible-vault edit", luckyplans_pull_secret={"auths": {"a.org": {"auth": "CHANGE_ME_token"}}}
    ),
    "several-at-once": (
        {"platform_http_port": 65536, "platform_domain": "a_b", "platform_state_dir": "state", "platform_htp_port": 1},
        [
            Said("platform_http_port", "65536", "choose a number"),
            Said("platform_domain", "a_b", "example.org"),
            Said("platform_state_dir", "state", "begin it with / or ~/"),
            Said("platform_htp_port", "(set)", "platform_http_port"),
        ],
    ),
}
# Inputs of other roles, all at once on one host: a value, what is wrong with it, and part of the next step.
INPUTS: dict[str, tuple[Any, str, str]] = {
    "argocd_admin_password": (["a", "canary-of-a-list"], "is not a text", "in quotes"),
    "argocd_git_authorities": ("a PEM", "is not a mapping", "{} for none"),
    "argocd_host": ("https://argocd.example.org", "is no host name", "argocd.example.org"),
    "argocd_image": ("quay.io/argoproj/argocd", "is not a mapping", "names with values"),
    "argocd_namespace": ("Argo_CD", "is no name that Kubernetes takes", "argo-cd"),
    "argocd_redis_image": (["redis"], "is not a mapping", "{} for none"),
    "argocd_timeout": ("ten minutes", "is no duration", "5m or 90s"),
    "argocd_values": ("replicas", "is not a mapping", "{} for none"),
    "bundle_docker_for": ({"debian": 13}, "is not a list", "with dashes"),
    "bundle_images": ({"a": "b"}, "is not a list", "[] for none"),
    "bundle_output": ("yaml", "is not one of its choices", "text, json"),
    "bundle_python_versions": ({"3": 11}, "is not a list", "with dashes"),
    "carry_check": ("perhaps", "is not true or false", "write true or false"),
    "carry_debian_packages": ({"a": 1}, "is not a list", "[] for none"),
    "carry_python_packages": ({"a": 1}, "is not a list", "[] for none"),
    "cert_manager_application_namespace": ("my apps", "is no name that Kubernetes takes", "my-apps"),
    "cert_manager_images": ({"controller": "a"}, "is not a list", "[] for none"),
    "cert_manager_issue_timeout": (0, "is no time", "from 1"),
    "cert_manager_namespace": ("-cert", "is no name that Kubernetes takes", "inner dashes"),
    "cert_manager_values": (["a"], "is not a mapping", "{} for none"),
    "cert_manager_webhook_timeout": ("soon", "is not a whole number", "in digits"),
    "cluster_agents": (-1, "is less than nothing", "from 0"),
    "cluster_api_port": (70000, "is no port", "1 to 65535"),
    "cluster_direct_ports": ("sometimes", "is not true or false", "write true or false"),
    "cluster_engine": ("minikube", "is not one of its choices", "k3d, kind, existing"),
    "cluster_http_port": ("http", "is not a whole number", "in digits"),
    "cluster_https_port": (-443, "is no port", "1 to 65535"),
    "cluster_kubeconfig": (["~/.kube/config"], "is not a path", "in quotes"),
    "cluster_merge_kubeconfig": ("both", "is not true or false", "write true or false"),
    "cluster_recreate": ("always", "is not one of its choices", "never, if_needed"),
    "cluster_start_at_boot": ("later", "is not true or false", "write true or false"),
    "cluster_subnet": ("172.28.0.0", "is no network", "172.28.0.0/16"),
    "cluster_timeout": (0, "is no time", "from 1"),
    "docker_manage": ("if needed", "is not true or false", "write true or false"),
    "docker_start_timeout": (1.5, "is not a whole number", "in digits"),
    "images_build_timeout": (-1, "is no time", "from 1"),
    "images_extra": ({"a": "b"}, "is not a list", "[] for none"),
    "images_keep": (-1, "is less than nothing", "from 0"),
    "images_keep_in_nodes": ("all", "is not a whole number", "in digits"),
    "images_method": ("tarball", "is not one of its choices", "nodes, registry, docker"),
    "images_offline": ({"redis": 7}, "is not a list", "[] for none"),
    "images_prefix": (["luckyplans"], "is not a text", "in quotes"),
    "images_registry_port": (99999, "is no port", "1 to 65535"),
    "images_values": ("two replicas", "is not a mapping", "{} for none"),
    "luckyplans_acme_email": ("admin", "is no address of a mailbox", "admin@example.org"),
    "luckyplans_git_kinds": ({"a": "b"}, "is not a list", "[] for none"),
    "luckyplans_git_values_files": ({"a": "b"}, "is not a list", "[] for none"),
    "luckyplans_health_timeout": (0, "is no time", "from 1"),
    "luckyplans_namespace": ("kube/system", "is no name that Kubernetes takes", "kube-system"),
    "luckyplans_release": ("Lucky Plans", "is no name that Kubernetes takes", "lucky-plans"),
    "luckyplans_sync_patience": ("long", "is not a whole number", "in digits"),
    "luckyplans_sync_timeout": (0, "is no time", "from 1"),
    "luckyplans_timeout": ("5 m", "is no duration", "5m or 90s"),
    "luckyplans_unasked_registries": ({"a": "b"}, "is not a list", "[] for none"),
    "luckyplans_values": (["web"], "is not a mapping", "{} for none"),
    "promotion_back": ("one", "is not true or false", "write true or false"),
    "promotion_tag": (["sha-abc1234"], "is not a text", "in quotes"),
    "rotation_lose_redis_data": ("no matter", "is not true or false", "write true or false"),
    "rotation_secrets": ({"jwt": 1}, "is not a list", "with dashes"),
    "rotation_timeout": (True, "is not a whole number", "in digits"),
    "status_output": ("xml", "is not one of its choices", "text, json"),
    "teardown_data": ("some of it", "is not true or false", "write true or false"),
    "tls_renew_before": ("a month", "is not a whole number", "in digits"),
    "tls_validity": (0, "is no time", "from 1"),
    "toolchain_charts": (["cert-manager"], "is not a mapping", "{} for none"),
    "toolchain_source": ("auto", "is not one of its choices", "upstream, bundle, packages"),
    "traefik_access_log": ("json", "is not true or false", "write true or false"),
    "traefik_image": ("traefik:v3", "is not a mapping", "{} for none"),
    "traefik_namespace": ("Traefik", "is no name that Kubernetes takes", "traefik"),
    "traefik_values": ("ports", "is not a mapping", "{} for none"),
}
# Made of a fact that a later role hands on; looked at when its role begins.
LATER = {"images_registry": "{{ platform_artifacts.registry }}"}
# The same kinds of inputs, as people write what is meant so.
GOOD_INPUTS: dict[str, Any] = {
    "argocd_host": "argocd.example.org",
    "argocd_timeout": "1h30m",
    "bundle_python_versions": ["3.13"],
    "cluster_agents": "2",
    "cluster_api_port": 0,
    "cluster_merge_kubeconfig": "yes",
    "cluster_subnet": "172.28.0.0/16",
    "images_keep": 0,
    "images_method": "registry",
    "luckyplans_acme_email": "",
    "luckyplans_namespace": "team-a",
    "tls_validity": 1,
    "traefik_values": {},
    "cluster_node_image": "{{ (platform_artifacts | default({})).node_image | default('') }}",
}
# Refused by Ansible itself, from the specification: what its message has to name.
MISTYPED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "port-that-is-no-number": ({"platform_http_port": "eighty"}, ("platform_http_port", "eighty")),
    "unknown-environment": ({"platform_environment": "staging"}, ("platform_environment", "staging", "local, prod")),
    "unknown-engine": ({"platform_cluster_engine": "minikube"}, ("platform_cluster_engine", "minikube", "k3d, kind")),
}


def make_certificates(folder: Path) -> None:
    authority = issue("authority", authority=True)
    good, other = issue("server", ["example.org"], by=authority), issue("other", ["other.org"])
    ended = issue("ended", ["example.org"], begins=-9, ends=-1)
    texts = {
        **{f"{name}.pem": item.pem for name, item in (("other", other), ("ended", ended))},
        **{f"{name}.key": item.key_pem for name, item in (("good", good), ("other", other), ("ended", ended))},
        "good.pem": good.pem + authority.pem,
        "mixed.pem": good.pem + other.pem + authority.pem,
        "locked.key": good.locked_pem,
        "no.pem": "no PEM\n",
    }
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text)


class Refusals:
    """One run with all cases."""

    def __init__(self, folder: Path, taken: int) -> None:
        self.folder = folder
        self.taken = taken
        self.certificates = folder / "certificates"
        make_certificates(self.certificates)
        hosts = {"nothing-wrong": self.variables("nothing-wrong", {})}
        good = {"platform_tls": "provided", "tls_certificate_file": "{certificates}/good.pem", "tls_private_key_file": "{certificates}/good.key"}
        hosts["nothing-wrong-with-tls"] = self.variables("nothing-wrong-with-tls", {**good, "platform_domain": "example.org"})
        inputs = {name: value for name, (value, _wrong, _remedy) in INPUTS.items()}
        hosts["inputs"] = self.variables("inputs", {**inputs, **LATER})
        hosts["good-inputs"] = self.variables("good-inputs", GOOD_INPUTS)
        for host, (variables, _said) in (CASES | MISTYPED).items():
            hosts[host] = self.variables(host, variables)
        (folder / "ansible").mkdir()
        self.ansible = Ansible(folder / "ansible")
        self.outcome: Outcome = self.ansible.run(PLAY, hosts, "--check")

    def fill(self, value: Any, host: str) -> Any:
        if value == "{taken}":
            return self.taken
        if not isinstance(value, str) or "{{" in value:
            return value
        return value.format(here=self.folder / host / "here", certificates=self.certificates)

    def variables(self, host: str, bad: dict[str, Any]) -> dict[str, Any]:
        case = self.folder / host
        (case / "here").mkdir(parents=True)
        good = {
            "case_dir": str(case),
            "platform_state_dir": str(case / "state"),
            "platform_cache_dir": str(case / "cache"),
            "platform_source": "upstream",
            # those of the machine are not what is looked at here
            "platform_http_port": 28080,
            "platform_https_port": 28443,
            "preflight_min_free_gib": 0,
        }
        return {**good, **{key: self.fill(value, host) for key, value in bad.items()}}

    def result(self, host: str, name: str = "refused") -> dict[str, Any]:
        path = self.folder / host / f"{name}.json"
        assert path.exists(), (
            f"{host} was not {name}: {[file.name for file in path.parent.iterdir()]}\n{self.outcome.stdout}"
        )
        return json.loads(path.read_text())


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> Refusals:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Refusals(tmp_path_factory.mktemp("preflight"), listener.getsockname()[1])


def test_the_same_variables_without_a_fault_are_accepted(refusals: Refusals) -> None:
    """Else every case below could be refused for another reason than its own."""
    resolved = refusals.result("nothing-wrong", "accepted")
    assert (resolved["source"], resolved["engine"], resolved["http_port"]) == ("upstream", "k3d", 28080)


def test_a_good_certificate_is_accepted(refusals: Refusals) -> None:
    assert refusals.result("nothing-wrong-with-tls", "accepted")["url"] == "https://example.org:28443"


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_of_any_role_is_looked_at_before_the_first_one_runs(refusals: Refusals, name: str) -> None:
    _value, wrong, remedy = INPUTS[name]
    found = [item for item in refusals.result("inputs")["findings"] if item["subject"] == name]
    assert len(found) == 1
    assert found[0]["severity"] == "error"
    assert wrong in found[0]["message"] and remedy in found[0]["remedy"], found[0]


def test_inputs_that_are_meant_so_are_accepted(refusals: Refusals) -> None:
    refusals.result("good-inputs", "accepted")


def test_an_input_that_is_made_of_later_facts_is_passed_over(refusals: Refusals) -> None:
    assert {item["subject"] for item in refusals.result("inputs")["findings"]} & set(LATER) == set()


def test_an_input_that_is_secret_is_not_shown(refusals: Refusals) -> None:
    said = (refusals.folder / "inputs" / "refused.json").read_text() + refusals.outcome.stdout
    assert "argocd_admin_password" in said and "canary-of-a-list" not in said


def test_every_kind_of_input_is_among_them() -> None:
    kinds = {option.get("type", "str") for role in ROLES for option in options(role).values()}
    # Ansible looks at preflight's own when it begins, which is before all others; raw can be anything
    assert kinds == {options_of(name)["type"] for name in INPUTS} | {"float", "raw"}


def options_of(name: str) -> dict[str, Any]:
    return next(options(role)[name] for role in ROLES if name in options(role))


def test_no_key_is_shown(refusals: Refusals) -> None:
    lines = [line for path in refusals.certificates.glob("*.key") for line in path.read_text().splitlines()[1:-1]]
    said = refusals.outcome.stdout + "".join(path.read_text() for path in refusals.folder.glob("*/*ed.json"))
    assert len(lines) > 4
    assert not [line for line in [*lines, "no key of anybody"] if line in said]


@pytest.mark.parametrize("host", CASES)
def test_bad_input_is_refused_with_variable_value_and_next_step(refusals: Refusals, host: str) -> None:
    if host == "engine-that-cannot-be-had" and shutil.which("k3d", path=K3D_EVERYWHERE):
        pytest.skip("k3d is installed on this machine, so it can be had")
    result = refusals.result(host)
    errors = [item for item in result["findings"] if item["severity"] == "error"]
    wanted = CASES[host][1]
    for said in wanted:
        value = str(refusals.fill(said.value, host)) or "(empty)"
        found = [item for item in errors if item["subject"] == said.subject]
        assert {item["value"] for item in found} == {value}
        assert any(said.remedy in item["remedy"] for item in found), found
        # in the table a long value goes on in the next line
        assert said.subject in result["msg"]
        assert value[:28] in result["msg"]
    assert {item["subject"] for item in errors} == {said.subject for said in wanted}, "findings of other cases"
    assert "nothing was changed" in result["msg"]


@pytest.mark.parametrize("host", MISTYPED)
def test_wrong_type_or_choice_is_refused_with_variable_and_value(refusals: Refusals, host: str) -> None:
    message = json.dumps(refusals.result(host))
    for word in MISTYPED[host][1]:
        assert word in message


@pytest.mark.parametrize("host", ["nothing-wrong", *CASES, *MISTYPED])
def test_nothing_was_changed(refusals: Refusals, host: str) -> None:
    made = {path.relative_to(refusals.folder / host).as_posix() for path in (refusals.folder / host).rglob("*")}
    assert made <= {"here", "accepted.json", "refused.json"}


def test_refusal_ends_the_whole_run_before_the_next_role(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.json"
    variables = {"platform_http_port": 65536, "platform_state_dir": str(tmp_path / "state")}
    inventory.write_text(json.dumps({"platform": {"hosts": {"laptop": variables}}}))
    outcome = Ansible(tmp_path).playbook(ROOT / "site.yml", inventory, "--check")
    roles = [item["role"].rpartition(".")[2] for item in load("site.yml")[0]["roles"]]
    assert outcome.rc != 0
    assert "65536" in outcome.stdout
    assert roles[0] == "preflight"
    assert not [role for role in roles[1:] if f"luckyplans.platform.{role} :" in outcome.stdout]
    assert not (tmp_path / "state").exists()
