"""A cluster that was there before: the application runs in it, and the cluster itself is nobody's but its owner's."""

from __future__ import annotations

import json

import pytest
import yaml


def refusal(platform, kubeconfig, context):
    """What the roles say of a cluster that they will not work on."""
    result = platform.playbook(
        "local.yml",
        "--tags=cluster",
        "--extra-vars=platform_cluster_engine=existing platform_registry=localhost:18050/team",
        f"--extra-vars=platform_kubeconfig={kubeconfig} platform_kubeconfig_context={context}",
    )
    assert result.rc != 0, result.stdout
    # only tasks that look have run
    assert "changed=0" in result.stdout
    return " ".join(result.stdout.split())


def as_user(platform, path, **user):
    """The scenario's kubeconfig, for another user of the same cluster."""
    config = yaml.safe_load(platform.kubeconfig.read_text())
    config["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o600)
    return path


def test_the_application_answers(platform):
    assert platform.graphql("{ health }") == {"health": "API Gateway is running"}


def test_every_image_comes_from_the_registry(platform):
    images = platform.images()
    assert set(images) == {"web", "api-gateway", "service-core", "redis"}
    assert all(image.startswith("localhost:18050/team/") for image in images.values()), images


def test_the_cluster_is_the_one_that_was_there(platform):
    before = json.loads((platform.work_dir / "before.json").read_text())["node"]
    node = f"{platform.name}-control-plane"
    assert platform.host.check_output("docker inspect --format '{{.Id}}' %s", node) == before


def test_record_names_the_cluster_and_copies_no_credentials(platform):
    record = json.loads((platform.cluster_dir / "record.json").read_text())
    assert record["engine"] == "existing"
    assert record["uid"] == platform.get("namespace", "kube-system")["metadata"]["uid"]
    assert record["kubeconfig"] == str(platform.kubeconfig)
    assert sorted(path.name for path in platform.cluster_dir.iterdir()) == ["record.json", "report.json"]


def test_status_is_healthy(platform):
    result = platform.playbook("status.yml")
    assert result.rc == 0, result.stdout


def test_context_that_is_not_named_is_refused(platform):
    said = refusal(platform, platform.kubeconfig, "")
    assert "platform_kubeconfig_context" in said
    assert f"its current one is kind-{platform.name}" in said


def test_context_that_is_not_there_is_refused(platform):
    assert "other" in refusal(platform, platform.kubeconfig, "other")


def test_user_without_rights_is_refused(platform, tmp_path):
    token = platform.kubectl("--namespace=default", "create", "token", "default")
    said = refusal(platform, as_user(platform, tmp_path / "weak", token=token), f"kind-{platform.name}")
    assert "may not:" in said
    assert "create namespaces" in said
    assert "delete deployments in luckyplans" in said


@pytest.mark.parametrize("server", ["https://127.0.0.1:1"])
def test_cluster_that_does_not_answer_is_refused(platform, tmp_path, server):
    config = yaml.safe_load(platform.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = server
    path = tmp_path / "silent"
    path.write_text(yaml.safe_dump(config))
    assert "does not answer" in refusal(platform, path, f"kind-{platform.name}")
