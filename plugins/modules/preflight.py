#!/usr/bin/python

# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Look for everything that could stop a run of the platform
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Looks at variables, ports, disks, memory, Docker, the application repository and the sources of artifacts, and
    reports all findings together in one table. It fails with that table when one of them is an error, and warns about
    the others.
  - Decides what was left to be chosen (source, engine) and says why.
  - It changes nothing, needs no privileges, and does the same in check mode.
attributes:
  check_mode:
    description: Can run in check mode and returns the same result as without it.
    support: full
  diff_mode:
    description: Returns details on what has changed.
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    description: A second run with the same parameters changes nothing.
    support: full
options:
  platform:
    description:
      - The C(platform_*) variables without their prefix.
      - See the role P(luckyplans.platform.preflight#role) for their meaning.
    type: dict
    required: true
    suboptions:
      environment:
        description: What the platform is for.
        type: str
        choices: [local, prod]
        required: true
      source:
        description: Where artifacts come from.
        type: str
        choices: [auto, upstream, bundle, packages]
        required: true
      bundle_dir:
        description: Directory of the bundle, or empty.
        type: str
        required: true
      bundle_send_from:
        description: Directory of the bundle on the controller, or empty.
        type: str
        required: true
      bundle_public_key:
        description: PEM file of the key that the bundle has to be signed with, or empty.
        type: str
        required: true
      upstream_mirror:
        description: Address that stands in for C(https://) of upstream addresses, or empty.
        type: str
        required: true
      cluster_engine:
        description: What runs the cluster.
        type: str
        choices: [auto, k3d, kind, existing]
        required: true
      cluster_name:
        description: Name of the cluster.
        type: str
        required: true
      kubeconfig:
        description: Kubeconfig file of an existing cluster, or empty.
        type: str
        required: true
      kubeconfig_context:
        description: Context in O(platform.kubeconfig).
        type: str
        required: true
      registry:
        description: Registry and path that an existing cluster gets images from, or empty.
        type: str
        required: true
      http_port:
        description: Port for http on the host.
        type: int
        required: true
      https_port:
        description: Port for https on the host.
        type: int
        required: true
      api_port:
        description: Port of the Kubernetes API on the host; V(0) is a free one.
        type: int
        required: true
      bind_address:
        description: Address of the host on which the ports are opened.
        type: str
        required: true
      domain:
        description: Host name of the platform.
        type: str
        required: true
      tls:
        description: Where the certificate comes from.
        type: str
        choices: [none, letsencrypt, letsencrypt_staging, acme, self_signed, provided]
        required: true
      acme_server:
        description: URL of the directory of an ACME server other than Let's Encrypt, for V(acme), or empty.
        type: str
        required: true
      public_address:
        description: Address by which the world reaches the platform, where this host does not have it, or empty.
        type: str
        required: true
      deploy:
        description: What brings the application into the cluster.
        type: str
        choices: [helm, gitops]
        required: true
      git_url:
        description: Repository that Argo CD follows, or empty.
        type: str
        required: true
      state_dir:
        description: Directory for tools, records and kubeconfigs.
        type: str
        required: true
      cache_dir:
        description: Directory for downloaded and built artifacts.
        type: str
        required: true
      source_dir:
        description: Checkout of the application.
        type: str
        required: true
      extra_ca_file:
        description: PEM file of certificate authorities to trust beside those of the system, or empty.
        type: str
        required: true
      manage_docker:
        description: Whether Docker may be installed and started.
        type: bool
        required: true
  variables:
    description: Names of all variables of the host that have a prefix of this collection.
    type: list
    elements: str
    default: []
  known:
    description:
      - Names that such a variable may have. When it is empty, O(variables) is not looked at.
    type: list
    elements: str
    default: []
  expected_environment:
    description: The environment that the running playbook is for; empty for a playbook that serves all.
    type: str
    choices: ["", local, prod]
    default: ""
  cluster:
    description: Whether a cluster is to run here. Without one artifacts are only collected, so that ports and memory do not matter.
    type: bool
    default: true
  charts:
    description: Names of the charts that are given, and need not come from the source.
    type: list
    elements: str
    default: []
  break_glass:
    description: The name of the cluster, where Argo CD's automatic syncs are to be paused.
    type: str
    default: ""
  bundle_manifest:
    description: The manifest of a bundle that is yet to be sent to O(platform.bundle_dir).
    type: str
    default: ""
  placeholders:
    description: Names of secret variables that still have the value of an example.
    type: list
    elements: str
    default: []
  controller_time:
    description: Seconds since 1970 on the machine that runs ansible-playbook; V(0) leaves the clock of the host alone.
    type: float
    default: 0
  min_free_gib:
    description: GiB free on the file systems of the state directory, the cache and Docker that a new cluster needs; a fifth of it for one that was made.
    type: float
    default: 10
  more_findings:
    description: What was found elsewhere, as RV(findings); it goes into the same table.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Look at everything before a change
  luckyplans.platform.preflight:
    platform:
      environment: local
      source: auto
      bundle_dir: ""
      bundle_send_from: ""
      bundle_public_key: ""
      upstream_mirror: ""
      cluster_engine: auto
      cluster_name: luckyplans
      kubeconfig: ""
      kubeconfig_context: ""
      registry: ""
      http_port: 80
      https_port: 443
      api_port: 0
      bind_address: 127.0.0.1
      domain: localhost
      tls: none
      acme_server: ""
      public_address: ""
      deploy: helm
      git_url: ""
      state_dir: ~/.luckyplans
      cache_dir: ~/.luckyplans/cache
      source_dir: ~/src/luckyplans
      extra_ca_file: ""
      manage_docker: true
  register: __example_preflight
"""

RETURN = r"""
findings:
  description: Everything that was found, errors first.
  returned: always
  type: list
  elements: dict
  contains:
    severity:
      description: One of V(error), V(warning) and V(info).
      type: str
    subject:
      description: The variable, file, port or part of the host.
      type: str
    value:
      description: Its value.
      type: str
    message:
      description: What is the matter with it.
      type: str
    remedy:
      description: The next step; empty for V(info).
      type: str
table:
  description: The findings as text, aligned, at most 120 columns wide; empty without findings.
  returned: success
  type: str
resolved:
  description: Choices, paths and the values of O(platform), for the fact C(platform_resolved).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils import _preflight

PLATFORM_SPEC = {
    "environment": {"type": "str", "choices": ["local", "prod"], "required": True},
    "source": {"type": "str", "choices": ["auto", "upstream", "bundle", "packages"], "required": True},
    "bundle_dir": {"type": "str", "required": True},
    "bundle_send_from": {"type": "str", "required": True},
    "bundle_public_key": {"type": "str", "required": True, "no_log": False},
    "upstream_mirror": {"type": "str", "required": True},
    "cluster_engine": {"type": "str", "choices": ["auto", "k3d", "kind", "existing"], "required": True},
    "cluster_name": {"type": "str", "required": True},
    "kubeconfig": {"type": "str", "required": True},
    "kubeconfig_context": {"type": "str", "required": True},
    "registry": {"type": "str", "required": True},
    "http_port": {"type": "int", "required": True},
    "https_port": {"type": "int", "required": True},
    "api_port": {"type": "int", "required": True},
    "bind_address": {"type": "str", "required": True},
    "domain": {"type": "str", "required": True},
    "tls": {
        "type": "str",
        "choices": ["none", "letsencrypt", "letsencrypt_staging", "acme", "self_signed", "provided"],
        "required": True,
    },
    "acme_server": {"type": "str", "required": True},
    "public_address": {"type": "str", "required": True},
    "deploy": {"type": "str", "choices": ["helm", "gitops"], "required": True},
    "git_url": {"type": "str", "required": True},
    "state_dir": {"type": "str", "required": True},
    "cache_dir": {"type": "str", "required": True},
    "source_dir": {"type": "str", "required": True},
    "extra_ca_file": {"type": "str", "required": True},
    "manage_docker": {"type": "bool", "required": True},
}
ARGUMENT_SPEC = {
    "platform": {"type": "dict", "required": True, "options": PLATFORM_SPEC},
    "variables": {"type": "list", "elements": "str", "default": []},
    "known": {"type": "list", "elements": "str", "default": []},
    "expected_environment": {"type": "str", "choices": ["", "local", "prod"], "default": ""},
    "cluster": {"type": "bool", "default": True},
    "bundle_manifest": {"type": "str", "default": ""},
    "break_glass": {"type": "str", "default": ""},
    "charts": {"type": "list", "elements": "str", "default": []},
    "placeholders": {"type": "list", "elements": "str", "default": []},
    "controller_time": {"type": "float", "default": 0},
    "min_free_gib": {"type": "float", "default": 10},
    "more_findings": {"type": "list", "elements": "dict", "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    params = module.params
    findings, resolved = _preflight.examine(
        params["platform"],
        params["variables"] if params["known"] else [],
        params["known"],
        params["expected_environment"],
        params["min_free_gib"],
        params["cluster"],
        params["bundle_manifest"],
        params["placeholders"],
        params["controller_time"],
        params["break_glass"],
        params["charts"],
    )
    findings = _preflight.sort_findings(findings + [_preflight.Finding(**item) for item in params["more_findings"]])
    table = _preflight.format_table(findings)
    if any(item.severity == _preflight.ERROR for item in findings):
        message = f"preflight found {_preflight.summarise(findings)}; nothing was changed\n\n{table}"
        module.fail_json(msg=message, findings=_preflight.as_dicts(findings))
    for item in findings:
        if item.severity == _preflight.WARNING:
            module.warn(f"{item.subject} {item.value} {item.message}: {item.remedy}.")
    module.exit_json(changed=False, findings=_preflight.as_dicts(findings), table=table, resolved=resolved)


if __name__ == "__main__":
    main()
