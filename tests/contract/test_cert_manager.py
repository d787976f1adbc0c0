# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role cert_manager does without a cluster: nothing where no certificate is wanted, and what was kept is read or
refused without a word of it. Each case is a host of one play.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from repository import Ansible, Outcome

pytestmark = pytest.mark.slow

ROLE = "luckyplans.platform.cert_manager"
NOT_FOR_EYES = "bm90IGZvciBleWVz"
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "kubernetes.io/tls",
    "metadata": {"name": "luckyplans-tls", "namespace": "luckyplans", "annotations": {"cert-manager.io/issuer-name": "a"}},
    "data": {"tls.key": NOT_FOR_EYES},
}
KEPT = {"luckyplans/luckyplans-tls": SECRET}
# what is there as secrets/cert-manager.json
FILES = {"none": None, "kept": json.dumps(KEPT), "damaged": json.dumps(KEPT)[:-9], "of-another-form": json.dumps([SECRET])}
SEEN = {**SECRET, "metadata": {**SECRET["metadata"], "uid": "1", "resourceVersion": "2", "ownerReferences": [], "managedFields": []}}  # type: ignore[dict-item]


def keep(name: str, content: str) -> dict[str, Any]:
    path = "{{ platform_resolved.cluster_dir }}/" + name
    return {"name": "Keep", "ansible.builtin.copy": {"dest": path, "content": content, "mode": "0600"}, "no_log": True}


PLAY = [
    {
        "name": "What was kept",
        "hosts": "all",
        "gather_facts": False,
        "strategy": "free",
        "tasks": [
            {"name": "Nothing is wanted", "ansible.builtin.include_role": {"name": ROLE}},
            {
                "name": "Read it",
                "block": [
                    {"name": "Read", "ansible.builtin.include_role": {"name": ROLE, "tasks_from": "kept", "public": True}},
                    keep("read.json", "{{ __cert_manager_kept | to_json }}"),
                    keep("seen.json", "{{ __cert_manager_seen | to_json }}"),
                ],
                "rescue": [keep("refused", "{{ ansible_failed_result.msg }}")],
                "vars": {"__cert_manager_secrets": {"results": [{"resources": [SEEN]}, {"resources": []}]}},
            },
        ],
    }
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def outcome(folder: Path) -> Outcome:
    hosts = {}
    for name, content in FILES.items():
        (folder / name / "secrets").mkdir(parents=True)
        if content is not None:
            (folder / name / "secrets" / "cert-manager.json").write_text(content)
        hosts[name] = {"platform_resolved": {"tls": "none", "cluster_dir": str(folder / name), "kubeconfig": "/nowhere", "context": "a"}}
    (folder / "ansible").mkdir()
    return Ansible(folder / "ansible").run(PLAY, hosts, "-vvv", "--diff")


def test_nothing_is_done_where_no_certificate_is_wanted(outcome: Outcome) -> None:
    assert outcome.rc == 0, outcome.stdout
    assert "cert_manager : Release of cert-manager" not in outcome.stdout


@pytest.mark.parametrize(("case", "kept"), [("none", {}), ("kept", KEPT)])
def test_what_was_kept_is_read(outcome: Outcome, folder: Path, case: str, kept: dict[str, Any]) -> None:
    assert json.loads((folder / case / "read.json").read_text()) == kept, outcome.stdout


@pytest.mark.parametrize("case", ["damaged", "of-another-form"])
def test_a_file_that_holds_no_secrets_is_refused(outcome: Outcome, folder: Path, case: str) -> None:
    said = (folder / case / "refused").read_text()
    assert f"{folder}/{case}/secrets/cert-manager.json holds no Secrets" in said
    assert "Next: " in said


def test_what_belongs_to_one_cluster_is_not_kept(outcome: Outcome, folder: Path) -> None:
    assert json.loads((folder / "none" / "seen.json").read_text()) == KEPT, outcome.stdout


def test_no_key_is_told(outcome: Outcome) -> None:
    """Not even with -vvv and --diff."""
    assert NOT_FOR_EYES not in outcome.stdout.replace(json.dumps(SEEN), "")
