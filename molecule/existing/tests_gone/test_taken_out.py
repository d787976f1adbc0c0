"""After the teardown: the cluster runs on, without what was put into it."""

from __future__ import annotations

import json


def test_the_cluster_runs_on(platform):
    before = json.loads((platform.work_dir / "before.json").read_text())["node"]
    state = platform.host.check_output("docker inspect --format '{{.Id}} {{.State.Running}}' %s", f"{platform.name}-control-plane")
    assert state == f"{before} true"


def test_only_the_release_of_somebody_else_is_left(platform):
    helm = [str(platform.state_dir / "bin/helm"), f"--kubeconfig={platform.kubeconfig}"]
    releases = json.loads(platform.host.check_output(" ".join([*helm, "list --all-namespaces --output=json"])))
    assert [(item["namespace"], item["name"]) for item in releases] == [("theirs", "traefik")]


def test_namespace_is_kept(platform):
    assert platform.get("namespace", "luckyplans")["status"]["phase"] == "Active"


def test_record_is_gone(platform):
    assert not list(platform.cluster_dir.glob("*.json"))
