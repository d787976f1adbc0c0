"""A cluster that was there before: the application runs in it, and the cluster itself is nobody's but its owner's."""

from __future__ import annotations

import json

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
    assert sorted(path.name for path in platform.cluster_dir.iterdir()) == [
        "record.json",
        "release-luckyplans-luckyplans.json",
        "release-traefik-traefik.json",
        "report.json",
    ]


def test_status_is_healthy(platform):
    result = platform.playbook("status.yml")
    assert result.rc == 0, result.stdout


def test_context_that_is_not_named_is_refused(platform):
    said = refusal(platform, platform.kubeconfig, "")
    assert "platform_kubeconfig_context" in said
    assert f"its current one is kind-{platform.name}" in said


def test_context_that_is_not_there_is_refused(platform):
    assert "The cluster of context elsewhere in" in refusal(platform, platform.kubeconfig, "elsewhere")


def test_user_without_rights_is_refused(platform, tmp_path):
    token = platform.kubectl("--namespace=default", "create", "token", "default")
    said = refusal(platform, as_user(platform, tmp_path / "weak", token=token), f"kind-{platform.name}")
    assert "may not:" in said
    assert "create namespaces" in said
    assert "delete deployments in luckyplans" in said


def test_cluster_that_does_not_answer_is_refused(platform, tmp_path):
    config = yaml.safe_load(platform.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    path = tmp_path / "silent"
    path.write_text(yaml.safe_dump(config))
    assert "does not answer" in refusal(platform, path, f"kind-{platform.name}")


def test_release_of_somebody_else_is_refused(platform, tmp_path):
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: theirs\nversion: 1.0.0\n")
    helm = f"{platform.state_dir}/bin/helm --kubeconfig={platform.kubeconfig} --namespace=theirs"
    platform.host.check_output(f"{helm} install traefik {tmp_path} --create-namespace")
    variables = {
        "platform_cluster_engine": "existing",
        "platform_registry": "localhost:18050/team",
        "platform_kubeconfig": str(platform.kubeconfig),
        "platform_kubeconfig_context": f"kind-{platform.name}",
        "traefik_namespace": "theirs",
    }
    result = platform.playbook("local.yml", "--tags=traefik", f"--extra-vars={json.dumps(variables)}")
    assert result.rc != 0, result.stdout
    assert "that these roles did not make" in " ".join(result.stdout.split())
    [revision] = json.loads(platform.host.check_output(f"{helm} history traefik --output=json"))
    assert revision["chart"] == "theirs-1.0.0"


def test_teardown_of_a_cluster_that_does_not_answer_keeps_its_records(platform, tmp_path):
    config = yaml.safe_load(platform.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "away").write_text(yaml.safe_dump(config))
    cluster_dir = tmp_path / "clusters" / platform.name
    cluster_dir.mkdir(parents=True)
    record = json.loads((platform.cluster_dir / "record.json").read_text())
    (cluster_dir / "record.json").write_text(json.dumps({**record, "kubeconfig": str(tmp_path / "away")}))
    result = platform.playbook("teardown.yml", f"--extra-vars=platform_state_dir={tmp_path}")
    said = " ".join(result.stdout.split())
    assert result.rc != 0, said
    assert "does not answer, so what was put into it cannot be taken out" in said
    assert "changed=0" in said
    assert (cluster_dir / "record.json").exists()
