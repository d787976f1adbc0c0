# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values: the schema is closed, what it refuses is named, and every value is read and documented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART_DIR = Path(__file__).resolve().parents[2] / "infrastructure" / "helm" / "luckyplans"
SCHEMA = json.loads((CHART_DIR / "values.schema.json").read_text())


def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Dotted names of all values; resources are Kubernetes' own and count as one."""
    if isinstance(node, dict) and node and path[-1:] != ("resources",):
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    else:
        yield ".".join(path)


def properties(node: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    if "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]]
    if "properties" in node and path[-1:] != ("resources",):
        for key, value in node["properties"].items():
            yield from properties(value, (*path, key))
    else:
        yield ".".join(path)


def mappings(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield node
        for value in node.values():
            yield from mappings(value)


DEFAULTS = set(leaves(yaml.safe_load((CHART_DIR / "values.yaml").read_text())))


def test_the_schema_is_closed() -> None:
    found = list(mappings(SCHEMA))
    assert len(found) > 10
    for mapping in found:
        assert mapping["additionalProperties"] is False


def test_schema_and_defaults_have_the_same_keys() -> None:
    assert set(properties(SCHEMA)) == DEFAULTS


@pytest.mark.parametrize("value", sorted(DEFAULTS))
def test_every_value_is_read(value: str) -> None:
    templates = "".join(path.read_text() for path in (CHART_DIR / "templates").rglob("*") if path.is_file())
    assert re.search(rf"\.{value.rsplit('.', 1)[-1]}\b", templates)


def test_the_readme_lists_exactly_the_values() -> None:
    listed = re.findall(r"^\| `([^`]+)` \|", (CHART_DIR / "README.md").read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == DEFAULTS


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"imgae": {}}, "'imgae'"),
        ({"web": {"tag": "1"}}, "'tag'"),
        ({"redis": {"image": {"registry": "x"}}}, "'registry'"),
        ({"config": {"CORS_ORIGIN": "x"}}, "'CORS_ORIGIN'"),
        ({"secrets": {"generated": "x"}}, "'generated'"),
        ({"web": {"replicas": -1}}, "/web/replicas"),
        ({"web": {"replicas": "2"}}, "/web/replicas"),
        ({"apiGateway": {"replicas": 1.5}}, "/apiGateway/replicas"),
        ({"serviceCore": {"image": {"tag": "a b"}}}, "/serviceCore/image/tag"),
        ({"serviceCore": {"image": {"tag": 7}}}, "/serviceCore/image/tag"),
        ({"redis": {"image": {"digest": "sha256:abc"}}}, "/redis/image/digest"),
        ({"redis": {"image": {"repository": "Redis"}}}, "/redis/image/repository"),
        ({"redis": {"maxMemory": "lots"}}, "/redis/maxMemory"),
        ({"redis": {"persistence": {"size": "1 GB"}}}, "/redis/persistence/size"),
        ({"image": {"registry": "https://ghcr.io"}}, "/image/registry"),
        ({"image": {"owner": ""}}, "/image/owner"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"image": {"pullSecrets": [{"name": "x"}]}}, "/image/pullSecrets/0"),
        ({"config": {"nodeEnv": "prod"}}, "/config/nodeEnv"),
        ({"config": {"redisPort": 70000}}, "/config/redisPort"),
        ({"config": {"redisHost": "redis://x"}}, "/config/redisHost"),
        ({"config": {"corsOrigin": "*"}}, "/config/corsOrigin"),
        ({"config": {"corsOrigin": "http://localhost/"}}, "/config/corsOrigin"),
        ({"config": {"logLevel": "loud"}}, "/config/logLevel"),
        ({"secrets": {"create": "yes"}}, "/secrets/create"),
        ({"ingress": {"host": "https://x.org"}}, "/ingress/host"),
        ({"ingress": {"tls": {"certificate": "none"}}}, "/ingress/tls/certificate"),
        ({"ingress": {"tls": {"email": "nobody"}}}, "/ingress/tls/email"),
        ({"ingress": {"tls": {"hsts": {"maxAgeSeconds": -1}}}}, "/ingress/tls/hsts/maxAgeSeconds"),
        ({"web": {"resources": {"limits": {"memory": "512 MB"}}}}, "/web/resources/limits/memory"),
        ({"web": {"resources": {"limit": {}}}}, "'limit'"),
        ({"smokeTest": {"deadlineSeconds": 1}}, "/smokeTest/deadlineSeconds"),
    ],
)
def test_refused(chart: Any, values: dict[str, Any], named: str) -> None:
    message = chart.refusal(values)
    assert "the schema" in message
    assert named in message


HOST = {"host": "plans.example.org"}
HTTPS = {"corsOrigin": "https://plans.example.org"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"config": HTTPS, "ingress": {"tls": {"enabled": True}}}, "ingress.host is empty; name the host"),
        ({"config": HTTPS, "ingress": HOST | {"enabled": False, "tls": {"enabled": True}}}, "ingress.enabled is false"),
        ({"ingress": HOST | {"tls": {"enabled": True}}}, 'config.corsOrigin is "http://localhost"'),
        (
            {"config": {"corsOrigin": "https://a.org,http://b.org"}, "ingress": HOST | {"tls": {"enabled": True}}},
            'config.corsOrigin is "https://a.org,http://b.org"',
        ),
        ({"web": {"buildArgs": {"graphqlUrl": "/api"}}}, 'web.buildArgs.graphqlUrl is "/api"'),
        ({"config": {"nodeEnv": "production"}}, "secrets.create is true"),
        ({"smokeTest": {"throughIngress": True}}, "smokeTest.throughIngress is true"),
        (
            {
                "config": {"nodeEnv": "production"},
                "secrets": {"create": False},
                "image": {"registry": "ghcr.io"},
                "web": {"image": {"tag": "1.0.0"}},
                "serviceCore": {"image": {"digest": "sha256:" + "0a" * 32}},
            },
            'apiGateway.image.tag is "latest"',
        ),
    ],
)
def test_values_that_do_not_go_together(chart: Any, values: dict[str, Any], sentence: str) -> None:
    message = chart.refusal(values)
    assert sentence in message
    assert len(re.findall(r"\.\n", message)) == 1, "exactly one finding"


def test_all_findings_come_at_once(chart: Any) -> None:
    message = chart.refusal({"config": {"nodeEnv": "production"}, "ingress": {"tls": {"enabled": True}}})
    for key in ("ingress.host", "config.corsOrigin", "secrets.create"):
        assert key in message


@pytest.mark.parametrize("url", ["/graphql", "https://api.example.org/graphql", "http://localhost:8080/graphql"])
def test_a_graphql_url_that_leads_to_the_api_gateway(chart: Any, url: str) -> None:
    chart.render({"web": {"buildArgs": {"graphqlUrl": url}}})
