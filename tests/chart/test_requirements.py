# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that do not go together: requirements.yaml stops with a sentence that names the key, one for each finding."""

from __future__ import annotations

import re
from typing import Any

import pytest
from charts import FIXED, PROD, TLS, Chart, load, merged, with_tls

HOST = {"host": "plans.example.org"}
HTTPS = {"corsOrigin": "https://plans.example.org"}
PRODUCTION = {
    "config": {"nodeEnv": "production"},
    "secrets": {"create": False},
    "web": {"image": {"tag": "1.0.0"}},
    "apiGateway": {"image": {"tag": "1.0.0"}},
    "serviceCore": {"image": {"tag": "1.0.0"}},
}


def graphql(url: str, **ingress: Any) -> dict[str, Any]:
    return {"web": {"buildArgs": {"graphqlUrl": url}}, "config": HTTPS, "ingress": HOST | ingress}


def persistent(**persistence: Any) -> dict[str, Any]:
    return {"redis": {"persistence": {"enabled": True} | persistence}}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        # TLS
        ({"config": HTTPS, "ingress": {"tls": {"enabled": True}}}, "ingress.host is empty; name the host"),
        ({"config": HTTPS, "ingress": HOST | {"enabled": False, "tls": {"enabled": True}}}, "ingress.enabled is false"),
        (merged(TLS, {"config": {"corsOrigin": "https://plans.example.org,http://b.org"}}), "write the origin with https://"),
        (with_tls(certificate="acme"), 'ingress.tls.certificate is "acme", but ingress.tls.acme.server is empty'),
        (with_tls(permanentRedirect=True), 'ingress.tls.certificate is "letsencrypt_staging", which no browser trusts'),
        (with_tls(hsts={"maxAgeSeconds": 301}), "ingress.tls.hsts are raised"),
        (with_tls(certificate="self_signed", hsts={"includeSubdomains": True}), '"self_signed", which no browser trusts'),
        # addresses
        ({"ingress": HOST}, 'config.corsOrigin is "http://localhost", but ingress.host is "plans.example.org"'),
        ({"config": {"corsOrigin": "https://x.plans.example.org"}, "ingress": HOST}, "name the origin of that host too"),
        ({"web": {"buildArgs": {"graphqlUrl": "/api"}}}, 'web.buildArgs.graphqlUrl is "/api"'),
        (graphql("https://api.example.org/graphql", tls={"enabled": True}), "https://plans.example.org/graphql"),
        (graphql("http://plans.example.org/graphql", tls={"enabled": True}), "ingress.tls.enabled"),
        (graphql("https://plans.example.org/graphql"), "http://plans.example.org/graphql"),
        (graphql("https://plans.example.org/api", tls={"enabled": True}), "https://plans.example.org/graphql"),
        ({"smokeTest": {"throughIngress": True}}, "smokeTest.throughIngress is true"),
        # production
        ({"config": {"nodeEnv": "production"}} | merged(PRODUCTION, {"secrets": {"create": True}}), "secrets.create is true"),
        (merged(PRODUCTION, {"apiGateway": {"image": {"tag": "latest"}}}), 'apiGateway.image.tag is "latest"'),
        (merged(PRODUCTION, {"web": {"replicas": 2, "image": {"tag": "latest"}}}), "2 replicas must run one image"),
        # sizes
        ({"redis": {"maxMemory": "256mb"}}, 'redis.resources.limits.memory is "256Mi"'),
        ({"redis": {"maxMemory": "1gb"}}, 'redis.maxMemory is "1gb"'),
        ({"web": {"resources": {"requests": {"memory": "1Gi"}}}}, 'web.resources.requests.memory is "1Gi"'),
        ({"apiGateway": {"resources": {"limits": {"cpu": "10m"}}}}, 'apiGateway.resources.limits.cpu, which is "10m"'),
        ({"serviceCore": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1.5}}}}, 'serviceCore.resources.requests.cpu is "2"'),
        # images
        ({"web": {"image": {"tag": ""}}}, "web.image.tag and web.image.digest are both empty"),
    ],
)
def test_values_that_do_not_go_together(chart: Chart, values: dict[str, Any], sentence: str) -> None:
    message = chart.refusal(values)
    assert sentence in message
    assert len(re.findall(r"\.\n", message)) == 1, "exactly one finding"


@pytest.mark.parametrize(
    "values",
    [
        {"web": {"buildArgs": {"graphqlUrl": "https://api.example.org/graphql"}}},
        {"web": {"buildArgs": {"graphqlUrl": "http://localhost:8080/graphql"}}},
        graphql("https://plans.example.org:8443/graphql", tls={"enabled": True}),
        graphql("http://plans.example.org/graphql"),
        graphql("/graphql", tls={"enabled": True}),
        # TLS ends before Traefik
        {"config": HTTPS, "ingress": HOST},
        {"config": {"corsOrigin": "https://other.org,https://plans.example.org:8443"}, "ingress": HOST},
        {"ingress": HOST | {"enabled": False}},
        with_tls(certificate="letsencrypt", permanentRedirect=True, hsts={"maxAgeSeconds": 31536000}),
        PRODUCTION,
        merged(PRODUCTION, {"web": {"image": {"tag": "latest", "digest": "sha256:" + "0a" * 32}}}),
        {"web": {"image": {"tag": "latest"}, "replicas": 2}},
        {"redis": {"maxMemory": "255mb"}},
        {"redis": {"maxMemory": "1gb", "resources": {"limits": {"memory": "1.5Gi"}}}},
        {"redis": {"maxMemory": "1gb"}, "config": {"redisHost": "redis.example.org"}},
        {"web": {"resources": {"requests": {"cpu": 0.5}, "limits": {"cpu": "500m"}}}},
        {"web": {"resources": {"requests": {}, "limits": {}}}},
    ],
)
def test_values_that_do(chart: Chart, values: dict[str, Any]) -> None:
    assert chart.render(values)


def test_all_findings_come_at_once(chart: Chart) -> None:
    message = chart.refusal({"config": {"nodeEnv": "production"}, "ingress": {"tls": {"enabled": True}}})
    for key in ("ingress.host", "config.corsOrigin", "secrets.create", "web.image.tag", "serviceCore.image.tag"):
        assert f"\n{key} is" in message or f"but {key} is" in message, key


@pytest.mark.parametrize("part", ["web", "apiGateway", "serviceCore"])
def test_prod_with_latest(chart: Chart, part: str) -> None:
    values = merged(load(PROD), {part: {"image": {"tag": "latest"}}})
    assert f'{part}.image.tag is "latest", but config.nodeEnv is "production"' in chart.refusal(values)


@pytest.mark.parametrize("key", ["JWT_SECRET", "jwtSecret", "REDIS_PASSWORD"])
def test_no_secret_can_be_given_as_a_value(chart: Chart, key: str) -> None:
    """So no placeholder can reach prod either."""
    assert f"'{key}' not allowed" in chart.refusal(merged(load(PROD), {"secrets": {key: "changeme"}}))


@pytest.mark.parametrize("tag", ["", None])
@pytest.mark.parametrize("part", ["web", "apiGateway", "serviceCore", "redis"])
def test_neither_tag_nor_digest(chart: Chart, part: str, tag: str | None) -> None:
    sentence = f"{part}.image.tag and {part}.image.digest are both empty; give at least one of the two."
    assert sentence in chart.refusal({part: {"image": {"tag": tag}}})


# --- What only a live Helm can know -----------------------------------------------------------------------------------


@pytest.fixture
def claim(cluster: Any) -> Any:
    cluster.has(
        "persistentvolumeclaims",
        "redis-data",
        spec={"storageClassName": "local-path", "resources": {"requests": {"storage": "2Gi"}}},
    )
    return cluster


@pytest.mark.parametrize(
    ("persistence", "sentence"),
    [
        ({}, 'redis.persistence.size is "1Gi", but the claim redis-data has 2Gi and cannot shrink; write 2Gi or more.'),
        ({"size": "2047Mi"}, 'redis.persistence.size is "2047Mi"'),
        ({"size": "2G"}, 'redis.persistence.size is "2G"'),
        ({"size": "3Gi", "storageClass": "fast"}, 'redis.persistence.storageClass is "fast", but the claim redis-data is of class "local-path"'),
    ],
)
def test_a_claim_neither_shrinks_nor_changes_its_class(
    chart: Chart, claim: Any, persistence: dict[str, str], sentence: str
) -> None:
    assert sentence in chart.refusal(persistent(**persistence), **claim.helm)


@pytest.mark.parametrize("persistence", [{"size": "2Gi"}, {"size": "2048Mi"}, {"size": "3Gi", "storageClass": "local-path"}])
def test_a_claim_stays_or_grows(chart: Chart, claim: Any, persistence: dict[str, str]) -> None:
    assert chart.render(persistent(**persistence), **claim.helm).kind("PersistentVolumeClaim")


def test_without_a_claim_any_size_will_do(chart: Chart, cluster: Any) -> None:
    assert chart.render(persistent(size="1Mi"), **cluster.helm).kind("PersistentVolumeClaim")
    assert chart.render(persistent(size="1Mi") | FIXED).kind("PersistentVolumeClaim")
