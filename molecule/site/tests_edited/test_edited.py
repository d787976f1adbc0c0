"""After an edit of one line of the gateway: its image and its pod are new, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from platform_fixtures import verdict_of


@pytest.fixture(scope="module")
def before(platform):
    """What was there before the edit."""
    return json.loads((platform.work_dir / "before.json").read_text())


@pytest.fixture(scope="module")
def edited(platform):
    """What the playbook did about it."""
    return json.loads((platform.work_dir / "edited.json").read_text())


def test_new_code_answers(platform, before):
    assert platform.graphql("{ health }") == {"health": before["text"]}


def test_only_the_gateway_was_rebuilt(platform, edited):
    assert edited["rebuilt"] == ["api-gateway"]
    assert edited["new_images"] == [platform.images()["api-gateway"], "luckyplans/api-gateway:edited"]


def test_roles_with_nothing_to_do_were_left_out(edited):
    assert edited["left_out"] == ["toolchain", "cluster", "traefik", "cert_manager", "tls"]


def test_only_the_gateway_has_a_new_pod(platform, before):
    now = {name: pod["metadata"]["uid"] for name, pod in platform.pods().items()}
    kept = {name for name, uid in now.items() if before["pods"].get(name) == uid}
    assert {name.rsplit("-", 2)[0] for name in now} == {"web", "api-gateway", "service-core", "redis"}
    assert {name.rsplit("-", 2)[0] for name in now.keys() - kept} == {"api-gateway"}
    assert {name.rsplit("-", 2)[0] for name in kept} == {"web", "service-core", "redis"}


def test_secret_is_kept(platform, before):
    secret = platform.get("secret/luckyplans-secrets")["data"]["JWT_SECRET"]
    assert hashlib.sha256(secret.encode()).hexdigest() == before["jwt_sha256"]


def test_plans_are_kept(platform):
    titles = [plan["title"] for plan in platform.graphql("{ plans { title } }")["plans"]]
    assert any(title.startswith("a plan of the tests ") for title in titles)


def test_release_has_two_revisions(platform):
    # the run that changed nothing between them made none
    records = platform.get("secrets", "--selector=owner=helm,name=luckyplans")["items"]
    assert sorted(record["metadata"]["labels"]["version"] for record in records) == ["1", "2"]


def test_status_is_healthy(platform):
    result = platform.playbook("status.yml", "--extra-vars=output=json")
    assert result.rc == 0, result.stdout
    verdict = verdict_of(result.stdout)
    assert verdict["verdict"] == "healthy"
    subjects = {check["subject"] for check in verdict["checks"]}
    assert {"deployment luckyplans/web", "release luckyplans/luckyplans", f"{platform.url}/graphql"} <= subjects


def test_a_run_without_a_change_is_one_look(platform):
    result = platform.playbook("local.yml")
    assert changes(result) == (0, 0), result.stdout
    assert "image_plan" not in result.stdout and "Apply luckyplans" not in result.stdout
    assert tasks(result) < 12


def test_every_role_finds_nothing_to_do_either(platform, tmp_path, monkeypatch):
    monkeypatch.setenv("LUCKYPLANS_RUN_REPORT", str(tmp_path / "run.json"))
    result = platform.playbook("local.yml", "--extra-vars=preflight_skip_settled=false")
    assert changes(result) == (0, 0), result.stdout
    assert tasks(result) > 30
    report = json.loads((tmp_path / "run.json").read_text())
    assert (report["result"], report["failures"]) == ("ok", [])
    assert {phase["name"]: phase["changed"] for phase in report["phases"]}.items() >= {"images": 0, "luckyplans": 0, "report": 0}.items()
    (said,) = report["platform"].values()
    assert {said["image_values"][name]["image"]["tag"] for name in ("web", "apiGateway")} < {
        reference.rpartition(":")[2] for reference in platform.images().values()
    }
    assert said["release"]["name"] == "luckyplans" and int(said["release"]["revision"]) >= 2


def test_an_image_that_left_a_node_comes_back(platform):
    node = next(name for name in platform.containers() if not name.endswith(("-serverlb", "-tools")))
    listed = f"docker exec {node} ctr -n k8s.io images ls -q name==docker.io/library/redis:7-alpine"
    assert platform.host.check_output(listed)
    platform.host.check_output(f"docker exec {node} ctr -n k8s.io images rm docker.io/library/redis:7-alpine")
    assert changes(platform.playbook("local.yml")) == (1, 0)
    assert platform.host.check_output(listed)


def test_a_traefik_that_cannot_start_is_explained_and_mended(platform):
    """It is not waited for before the application is deployed, but the run does not end well without it."""
    wrong = {"helm_release_timeout": "10s", "traefik_values": {"image": {"tag": "nowhere"}}}
    result = platform.playbook("local.yml", f"--extra-vars={json.dumps(wrong)}")
    assert result.rc != 0, result.stdout
    said = " ".join(result.stdout.replace("\\n", " ").split())
    assert "Release traefik in namespace traefik failed" in said
    assert re.search(r"traefik-\S+: Pending traefik ready=False restarts=0 \w*Image\w+", said), said
    assert changes(platform.playbook("local.yml")) == (1, 0)
    assert platform.graphql("{ health }")


def changes(result) -> tuple[int, int]:
    """How many tasks of a run changed something, and how many failed."""
    [(changed, failed)] = re.findall(r"changed=(\d+) .* failed=(\d+)", result.stdout)
    return int(changed), int(failed)


def tasks(result) -> int:
    """How many tasks of a run did not pass by."""
    return int(re.findall(r" ok=(\d+) ", result.stdout)[0])


def test_upgrade_that_was_killed_is_repaired(platform):
    """Helm leaves such a release pending and then refuses all else. Last: nothing after it may count revisions or pods."""
    helm = f"{platform.state_dir}/bin/helm --kubeconfig={platform.kubeconfig} --namespace=luckyplans"
    chart = f"{platform.work_dir}/source/infrastructure/helm/luckyplans"
    platform.host.run(f"timeout -s KILL 5 {helm} upgrade luckyplans {chart} --reuse-values --set web.image.tag=none --wait")
    assert states(platform, helm)[-1] == "pending-upgrade"

    result = platform.playbook("local.yml", "--tags=deploy")
    assert result.rc == 0, result.stdout
    assert states(platform, helm)[-1] == "deployed"
    assert not platform.images()["web"].endswith(":none")


def states(platform, helm: str) -> list[str]:
    """The states of the release's revisions, the newest last."""
    return [item["status"] for item in json.loads(platform.host.check_output(f"{helm} history luckyplans --output=json"))]
