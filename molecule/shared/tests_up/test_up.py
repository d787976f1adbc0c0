"""After the first run, before a second one could have mended anything."""

from __future__ import annotations

SERVICES = {"web", "api-gateway", "service-core", "redis"}


def test_every_pod_is_ready_and_none_has_restarted(platform):
    seen = {
        item["metadata"]["labels"]["app.kubernetes.io/component"]: [(status["ready"], status["restartCount"]) for status in item["status"]["containerStatuses"]]
        for item in platform.pods().values()
    }
    assert seen == {name: [(True, 0)] for name in SERVICES}


def test_it_answers(platform):
    assert platform.graphql("{ health }") == {"health": "API Gateway is running"}
    assert "<h1>luckyplans</h1>" in platform.page()
