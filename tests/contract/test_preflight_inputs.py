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
from repository import ROOT, Ansible, Outcome, load

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
        for host, (variables, _said) in (CASES | MISTYPED).items():
            hosts[host] = self.variables(host, variables)
        (folder / "ansible").mkdir()
        self.ansible = Ansible(folder / "ansible")
        self.outcome: Outcome = self.ansible.run(PLAY, hosts, "--check")

    def fill(self, value: Any, host: str) -> Any:
        if value == "{taken}":
            return self.taken
        return value.format(here=self.folder / host / "here", certificates=self.certificates) if isinstance(value, str) else value

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
