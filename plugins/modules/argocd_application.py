#!/usr/bin/python

# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: argocd_application
short_description: Wait until an Application of Argo CD is synced and healthy
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Has Argo CD look at the repository now, and waits until the Application is Synced and Healthy and the hooks of the sync have ended, a smoke test among them.
  - It does not wait for what does not mend itself. A sync that failed ends it at once; an error of the repository, a pod without its image or one that keeps
    ending does when it lasts for O(patience).
  - The answer is RV(healthy) and, where that is false, RV(reason) with the objects that are in the way, their events and their last words. The
    module does not fail for that.
  - A sync of an older commit that is still waited for is ended, since Argo CD begins no other before.
  - It changes nothing but that, and the annotation by which Argo CD is asked to look, which Argo CD takes away again.
extends_documentation_fragment:
  - luckyplans.platform._attributes
attributes:
  check_mode:
    support: full
    details:
      - It looks once, and does not ask Argo CD to look.
  diff_mode:
    support: none
    details:
      - It describes no state.
  idempotent:
    support: full
options:
  name:
    description: Name of the Application.
    type: str
    required: true
  namespace:
    description: Namespace of the Application.
    type: str
    default: argocd
  destination:
    description: Namespace that the Application deploys into, of which pods and events are looked at.
    type: str
    required: true
  revision:
    description: The commit that is to run, in full; empty for whatever the Application follows.
    type: str
    default: ""
  smoke_test:
    description: Name of the Job that is the smoke test, of which the last words are told.
    type: str
    default: smoke-test
  timeout:
    description: Seconds to wait in all.
    type: int
    default: 600
  patience:
    description: Seconds that an error may last which can pass by itself.
    type: int
    default: 60
  kubeconfig:
    description: Kubeconfig of the cluster.
    type: path
    required: true
  context:
    description: Context in O(kubeconfig).
    type: str
    required: true
  kubectl:
    description: The kubectl command line.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Wait for a commit
  luckyplans.platform.argocd_application:
    name: luckyplans
    destination: luckyplans
    revision: 4f0c2a0e6d3b1f5a8c7e9d0b2a4c6e8f0a1b3c5d
    kubeconfig: ~/.luckyplans/clusters/luckyplans/kubeconfig
    context: k3d-luckyplans
    kubectl: ~/.luckyplans/bin/kubectl
  register: __example_application
  failed_when: not __example_application.healthy
"""

RETURN = r"""
healthy:
  description: Whether it is Synced and Healthy, with O(revision) if one was given.
  returned: always
  type: bool
revision:
  description: The commit that Argo CD compares with.
  returned: always
  type: str
  sample: 4f0c2a0e6d3b1f5a8c7e9d0b2a4c6e8f0a1b3c5d
reason:
  description: What keeps it from being healthy, and the next step; secrets are masked.
  returned: always
  type: str
  sample: "Synced to 4f0c2a0e6d3b and Healthy"
"""

import json
import time
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils import _argocd
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report

PAUSE = 1.5
LAST_LINES = 20


class Cluster:
    """kubectl, for the cluster of the module's options."""

    def __init__(self, module: AnsibleModule) -> None:
        params = module.params
        self.module, self.params = module, params
        self.address = [f"--namespace={params['namespace']}", f"applications.argoproj.io/{params['name']}"]
        self.argv = [params["kubectl"], f"--kubeconfig={params['kubeconfig']}", f"--context={params['context']}", "--request-timeout=20s"]

    def run(self, *words: str) -> tuple[int, str, str]:
        code, out, err = self.module.run_command([*self.argv, *words])
        return code, out, err

    def get(self, *words: str) -> dict[str, Any]:
        """An answer in JSON. One that is no answer is {"error": ...}: the API may be away for a moment."""
        code, out, err = self.run("get", "--output=json", *words)
        try:
            answer: dict[str, Any] = json.loads(out) if code == 0 else {"error": err.strip()}
            return answer
        except ValueError:
            return {"error": f"no JSON: {out[:80]}"}

    def application(self) -> dict[str, Any]:
        return self.get(*self.address)

    def items(self, *words: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get(f"--namespace={self.params['destination']}", *words).get("items", [])
        return items

    def refresh(self) -> None:
        self.run("annotate", "--overwrite", *self.address, f"{_argocd.REFRESH}=normal")

    def terminate(self) -> None:
        """What the command `argocd app terminate-op` does: the sync that runs ends, with what it has applied."""
        patch = json.dumps({"status": {"operationState": {"phase": "Terminating"}}})
        self.run("patch", *self.address, "--type=merge", f"--patch={patch}")

    def log(self, *words: str) -> str:
        code, out, _err = self.run("logs", f"--namespace={self.params['destination']}", f"--tail={LAST_LINES}", *words)
        return out if code == 0 else ""

    def last_words(self, pod: str) -> dict[str, str]:
        """Of the smoke test where it failed, and of a pod that keeps ending."""
        smoke = self.log(f"job/{self.params['smoke_test']}")
        logs = {"the smoke test": smoke} if "failed" in smoke else {}
        if pod:
            logs[pod] = self.log(pod, "--all-containers", "--previous") or self.log(pod, "--all-containers")
        return {whose: log for whose, log in logs.items() if log.strip()}


def look(cluster: Cluster) -> tuple[_argocd.State, dict[str, Any]]:
    application = cluster.application()
    if "error" in application:
        return _argocd.State(_argocd.FAILED, application["error"], passing=True), {"metadata": {}}
    return _argocd.judge(application, cluster.params["revision"], cluster.items("pods")), application


def wait(cluster: Cluster, pretend: bool, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic) -> dict[str, Any]:
    """Until it is done, has failed for good, or the time is over."""
    params = cluster.params
    if not pretend:
        cluster.refresh()
    begun = clock()
    failing_since: float | None = None
    while True:
        state, application = look(cluster)
        report(f"Argo CD: {state.text}")
        if state.superseded and not pretend:
            cluster.terminate()
        now = clock()
        failing_since = (failing_since or now) if state.state == _argocd.FAILED else None
        lasts = failing_since is not None and (not state.passing or now - failing_since >= params["patience"])
        if state.state == _argocd.DONE or lasts or pretend or now - begun >= params["timeout"]:
            break
        sleep(PAUSE)
    revision = ((application.get("status") or {}).get("sync") or {}).get("revision", "")
    healthy = state.state == _argocd.DONE
    if healthy or pretend:
        return {"healthy": healthy, "revision": revision, "reason": _argocd.mask(state.text)}
    if state.state == _argocd.UNDERWAY:
        state = _argocd.State(state.state, f"not done within {params['timeout']} s: {state.text}")
    events = cluster.items("events", "--field-selector=type=Warning")
    reason = _argocd.explain(state, application, cluster.items("pods"), events, cluster.last_words(state.pod))
    return {"healthy": False, "revision": revision, "reason": reason}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "default": "argocd"},
            "destination": {"type": "str", "required": True},
            "revision": {"type": "str", "default": ""},
            "smoke_test": {"type": "str", "default": "smoke-test"},
            "timeout": {"type": "int", "default": 600},
            "patience": {"type": "int", "default": 60},
            "kubeconfig": {"type": "path", "required": True},
            "context": {"type": "str", "required": True},
            "kubectl": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **wait(Cluster(module), module.check_mode))


if __name__ == "__main__":
    main()
