"""The application after a fresh installation."""

from __future__ import annotations

import base64
import json
import re
import uuid

import pytest

APPLICATIONS = ("web", "api-gateway", "service-core")


def test_health(platform):
    assert platform.graphql("{ health }") == {"health": "API Gateway is running"}


def test_health_tells_of_what_the_gateway_depends_on(platform):
    health = json.loads(platform.kubectl("get", "--raw=/api/v1/namespaces/luckyplans/services/api-gateway:http/proxy/health"))
    assert health == {"status": "ok", "dependencies": {"redis": "up", "service-core": "up"}}


def test_plan_is_created_and_found(platform):
    title = f"a plan of the tests {uuid.uuid4()}"
    query = "mutation ($title: String!) { createPlan(title: $title) { id title createdAt } }"
    token = platform.graphql("mutation { startSession { token } }")["startSession"]["token"]
    created = platform.graphql(query, token, title=title)["createPlan"]
    assert created["title"] == title
    assert created in platform.graphql("{ plans { id title createdAt } }")["plans"]


def test_plan_is_refused_without_a_session(platform):
    with pytest.raises(AssertionError, match="UNAUTHENTICATED"):
        platform.graphql('mutation { createPlan(title: "of nobody") { id } }')


def test_page_is_served(platform):
    page = platform.page()
    assert "<h1>luckyplans</h1>" in page
    assert 'data-testid="plan-title"' in page


def test_every_image_has_a_content_tag(platform):
    images = platform.images()
    for name in APPLICATIONS:
        assert re.fullmatch(rf"luckyplans/{name}:c-[0-9a-f]{{16}}", images[name])


def test_secret_was_made(platform):
    secret = platform.get("secret/luckyplans-secrets")["data"]["JWT_SECRET"]
    assert len(base64.b64decode(secret)) >= 32


def test_nothing_has_restarted(platform):
    restarts = {
        (pod, status["name"]): status["restartCount"]
        for pod, item in platform.pods().items()
        for status in item["status"]["containerStatuses"]
    }
    assert restarts
    assert set(restarts.values()) == {0}, restarts
