"""The same platform, its images by a registry beside the nodes instead of straight into them. It runs last."""

from __future__ import annotations

import re

REGISTRY = "localhost:18051/luckyplans"


def deploy(platform):
    result = platform.playbook("local.yml", "--tags=deploy", "--extra-vars=images_method=registry images_registry_port=18051")
    assert result.rc == 0, result.stdout
    return re.findall(r"changed=(\d+) .* failed=(\d+)", result.stdout)


def test_what_is_built_comes_from_the_registry(platform):
    deploy(platform)
    images = platform.images()
    for name in ("web", "api-gateway", "service-core"):
        assert re.fullmatch(rf"{REGISTRY}/{name}:c-[0-9a-f]{{16}}", images[name]), images
    assert images["redis"] == "redis:7-alpine"
    assert "health" in platform.graphql("{ health }")
    assert f"{platform.name}-registry" in platform.containers()


def test_a_second_run_changes_nothing(platform):
    assert deploy(platform) == [("0", "0")]


def test_a_pod_on_a_node_that_forgot_the_image_pulls_it(platform):
    """The kubelet finds the registry by itself."""
    image = platform.images()["web"]
    node = next(name for name in platform.containers() if not name.endswith(("-registry", "-serverlb", "-tools")))
    before = set(platform.pods())
    platform.kubectl("--namespace=luckyplans", "scale", "deployment/web", "--replicas=0")
    platform.kubectl("--namespace=luckyplans", "wait", "pod", "--selector=app.kubernetes.io/component=web", "--for=delete", "--timeout=60s")
    platform.host.check_output("docker exec %s ctr -n k8s.io images rm %s", node, image)
    platform.kubectl("--namespace=luckyplans", "scale", "deployment/web", "--replicas=1")
    platform.kubectl("--namespace=luckyplans", "rollout", "status", "deployment/web", "--timeout=120s")
    assert set(platform.pods()) - before
