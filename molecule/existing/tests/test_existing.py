"""A cluster that was there before: the application runs in it, and the cluster itself is nobody's but its owner's."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from contextlib import suppress

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
    assert "changed=0    unreachable" in result.stdout
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
    assert "changed=0 unreachable" in said
    assert (cluster_dir / "record.json").exists()


# --- Images: what the values name is there, and is what they say ---

PRIVATE = "localhost:18051"
PASSWORD = "canary-of-the-pull-secret"
# of htpasswd -B, for puller and that password
HTPASSWD = "puller:$2b$04$4BCHyC7IUYRyPXew8WpR9e47kNpYQDQBQEydL6pH4YYFqdKiFd.8G\n"


def deploy(platform, folder, *arguments, **variables):
    """The application alone, deployed as this scenario does it, with more variables. They go through a file: arguments can be read by everybody."""
    given = {
        "platform_cluster_engine": "existing",
        "platform_registry": "localhost:18050/team",
        "platform_kubeconfig": str(platform.kubeconfig),
        "platform_kubeconfig_context": f"kind-{platform.name}",
        **variables,
    }
    path = folder / "variables.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(given))
    return platform.playbook("local.yml", "--tags=luckyplans", f"--extra-vars=@{path}", *arguments)


def refused(platform, folder, **variables):
    """What is said of a deploy that must not be: nothing is written, no revision made."""
    before = platform.host.check_output(f"{helm(platform)} history luckyplans --output=json")
    result = deploy(platform, folder, **variables)
    assert result.rc != 0, result.stdout
    assert "changed=0    unreachable" in result.stdout
    assert platform.host.check_output(f"{helm(platform)} history luckyplans --output=json") == before
    return " ".join(result.stdout.split())


def helm(platform):
    return f"{platform.state_dir}/bin/helm --kubeconfig={platform.kubeconfig} --namespace=luckyplans"


def pods_pull_from(platform):
    """Names of the Secrets that the pods' images are pulled with."""
    deployments = platform.get("deployments")["items"]
    return {secret["name"] for item in deployments for secret in item["spec"]["template"]["spec"].get("imagePullSecrets", [])}


def test_values_that_disagree_with_an_image_are_refused(platform, tmp_path):
    """The image is built from other values than those that are deployed."""
    said = refused(platform, tmp_path, images_values={}, luckyplans_values={"web": {"buildArgs": {"graphqlUrl": "/api"}}})
    assert "web.buildArgs.graphqlUrl is '/api' in the values" in said
    assert "was built with NEXT_PUBLIC_GRAPHQL_URL='/graphql'" in said


def test_image_that_does_not_exist_is_refused(platform, tmp_path):
    nowhere = f"sha256:{'0' * 64}"
    said = refused(platform, tmp_path, luckyplans_values={"web": {"image": {"digest": nowhere}}})
    assert f"The image {platform.images()['web']}@{nowhere} of web does not exist." in said


def test_tag_for_people_does_not_change_what_is_deployed(platform, tmp_path):
    """Docker gets one name more, which is a change the first time; the release does not."""
    history = f"{helm(platform)} history luckyplans --output=json"
    images, revisions = platform.images(), platform.host.check_output(history)
    result = deploy(platform, tmp_path, luckyplans_values={"web": {"image": {"tag": "for-people"}}})
    assert result.rc == 0, result.stdout
    assert platform.host.check_output(history) == revisions
    assert platform.images() == images


def wait_for_registry(address):
    for _ in range(100):
        with suppress(OSError):
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=5)
            except urllib.error.HTTPError as error:
                # it is there, and asks who we are
                assert error.code == 401
                return
        time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


@pytest.fixture(scope="module")
def private(platform, tmp_path_factory):
    """A registry that asks for a login, with the images of this platform; the node reaches it under the same name."""
    folder = tmp_path_factory.mktemp("private")
    (folder / "htpasswd").write_text(HTPASSWD)
    name, docker, run = f"{platform.name}-registry-private", f"docker --config={folder}", platform.host.check_output
    image = run(f"docker inspect --format '{{{{.Config.Image}}}}' {platform.name}-registry")
    settings = f"REGISTRY_AUTH=htpasswd REGISTRY_AUTH_HTPASSWD_REALM={name} REGISTRY_AUTH_HTPASSWD_PATH=/htpasswd"
    environment = " ".join(f"--env={setting}" for setting in settings.split())
    run(f"docker run --detach --name={name} --network=kind --publish=127.0.0.1:18051:5000 --volume={folder}/htpasswd:/htpasswd:ro {environment} {image}")
    hosts = f"/etc/containerd/certs.d/{PRIVATE}"
    run(
        f"docker exec {platform.name}-control-plane sh -c %s",
        f"mkdir -p {hosts} && echo '[host.\"http://{name}:5000\"]' > {hosts}/hosts.toml",
    )
    basic = base64.b64encode(f"puller:{PASSWORD}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {PRIVATE: {"auth": basic}}}))
    wait_for_registry(f"http://{PRIVATE}/v2/")
    images = {key: value.replace("localhost:18050", PRIVATE) for key, value in platform.images().items() if key != "redis"}
    for pushed in images.values():
        run(f"docker tag {pushed.replace(PRIVATE, 'localhost:18050')} {pushed} && {docker} push --quiet {pushed}")
    yield images
    result = deploy(platform, folder)
    platform.kubectl("--namespace=luckyplans", "delete", "secret", "luckyplans-pull", "--ignore-not-found")
    run(f"docker rm --force --volumes {name} && docker image rm {' '.join(images.values())}")
    assert result.rc == 0, result.stdout


def login(password):
    return {"auths": {PRIVATE: {"username": "puller", "password": password}}}


def test_login_that_may_not_read_is_refused(platform, private, tmp_path):
    values = {"image": {"registry": PRIVATE}}
    said = refused(platform, tmp_path, luckyplans_values=values)
    assert f"Next: docker login {PRIVATE}." in said
    said = refused(platform, tmp_path, luckyplans_values=values, luckyplans_pull_secret=login("wrong"))
    assert f"The image {private['web']} of web may not be read" in said
    assert "Next: put a login into luckyplans_pull_secret that may read it." in said
    assert "luckyplans-pull" not in platform.kubectl("--namespace=luckyplans", "get", "secrets")


def test_login_that_is_of_no_use_is_refused(platform, tmp_path):
    said = refused(platform, tmp_path, luckyplans_pull_secret={"auths": {PRIVATE: {}}})
    assert "luckyplans_pull_secret has neither auth nor username and password in entry 1 of auths" in said


def test_cluster_pulls_with_the_login_and_nobody_gets_to_see_it(platform, private, tmp_path):
    secret = tmp_path / "config.json"
    secret.touch(mode=0o600)
    secret.write_text(json.dumps(login(PASSWORD)))
    variables = {"luckyplans_values": {"image": {"registry": PRIVATE}}, "luckyplans_pull_secret_file": str(secret)}
    foretold = deploy(platform, tmp_path, "--check", "--diff", "-vvv", **variables)
    assert foretold.rc == 0, foretold.stdout
    assert "luckyplans-pull" not in platform.kubectl("--namespace=luckyplans", "get", "secrets")
    first = deploy(platform, tmp_path, "--diff", "-vvv", **variables)
    assert first.rc == 0, first.stdout
    again = deploy(platform, tmp_path, "--diff", "-vvv", **variables)
    assert "changed=0    unreachable" in again.stdout

    # the pods are ready, so the node has pulled with it
    assert {name: image for name, image in platform.images().items() if name != "redis"} == private
    assert pods_pull_from(platform) == {"luckyplans-pull"}
    assert platform.graphql("{ health }") == {"health": "API Gateway is running"}
    made = platform.get("secret", "luckyplans-pull")
    assert made["type"] == "kubernetes.io/dockerconfigjson"
    assert made["metadata"]["labels"] == {"app.kubernetes.io/part-of": "luckyplans", "app.kubernetes.io/managed-by": "ansible"}
    assert not [key for key in made["metadata"].get("annotations", {}) if key.startswith("meta.helm.sh/")]
    assert json.loads(base64.b64decode(made["data"][".dockerconfigjson"])) == login(PASSWORD)

    shown = [foretold.stdout, foretold.stderr, first.stdout, first.stderr, again.stdout, again.stderr]
    released = platform.host.check_output(f"{helm(platform)} get all luckyplans")
    encoded = made["data"][".dockerconfigjson"]
    basic = base64.b64encode(f"puller:{PASSWORD}".encode()).decode()
    assert not [text for text in (PASSWORD, encoded, basic) for place in (*shown, released) if text in place]
