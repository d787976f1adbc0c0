# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references: the table of the design document, and the filter image_ref beside the chart."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.luckyplans.platform.plugins.filter.image_ref import FilterModule

DIGEST = "sha256:" + "0a" * 32

image_ref = FilterModule().filters()["image_ref"]

# registry, owner, localPrefix, tag, digest -> the image of api-gateway
TABLE = [
    (("", "takeshi-su57", "luckyplans", "latest", ""), "luckyplans/api-gateway:latest"),
    (("ghcr.io", "takeshi-su57", "luckyplans", "sha-abc1234", ""), "ghcr.io/takeshi-su57/api-gateway:sha-abc1234"),
    (("", "takeshi-su57", "luckyplans", "c-0123456789abcdef", ""), "luckyplans/api-gateway:c-0123456789abcdef"),
    (("", "takeshi-su57", "mine/apps", "latest", DIGEST), f"mine/apps/api-gateway:latest@{DIGEST}"),
    (("ghcr.io", "a/b.c__d", "luckyplans", "1.0.0", DIGEST), f"ghcr.io/a/b.c__d/api-gateway:1.0.0@{DIGEST}"),
    (("localhost:5000", "x", "luckyplans", "V1_rc.2-x", ""), "localhost:5000/x/api-gateway:V1_rc.2-x"),
]

REFUSED = [
    ("ghcr.io", "Takeshi-Su57", "luckyplans", "1", ""),
    ("GHCR.io", "takeshi-su57", "luckyplans", "1", ""),
    ("https://ghcr.io", "takeshi-su57", "luckyplans", "1", ""),
    ("ghcr.io/team", "takeshi-su57", "luckyplans", "1", ""),
    ("", "takeshi-su57", "Luckyplans", "1", ""),
    ("", "takeshi-su57", "luckyplans/", "1", ""),
    ("", "takeshi-su57", "luckyplans", "", ""),
    ("", "takeshi-su57", "luckyplans", "a b", ""),
    ("", "takeshi-su57", "luckyplans", "-a", ""),
    ("", "takeshi-su57", "luckyplans", "a" * 129, ""),
    ("", "takeshi-su57", "luckyplans", "latest\n", ""),
    ("", "takeshi-su57", "luckyplans", 7, ""),
    ("", "takeshi-su57", "luckyplans", "1", "sha256:abc"),
    ("", "takeshi-su57", "luckyplans", "1", DIGEST.upper()),
]


def values(registry: str, owner: str, prefix: str, tag: object, digest: str) -> dict[str, Any]:
    return {
        "image": {"registry": registry, "owner": owner, "localPrefix": prefix},
        "apiGateway": {"image": {"tag": tag, "digest": digest}},
    }


def spec(registry: str, owner: str, prefix: str, tag: object, digest: str) -> dict[str, Any]:
    return {
        "registry": registry,
        "owner": owner,
        "localPrefix": prefix,
        "name": "api-gateway",
        "tag": tag,
        "digest": digest,
    }


def image_of(objects: Any, name: str) -> str:
    return objects.one("Deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"]


@pytest.mark.parametrize(("row", "expected"), TABLE)
def test_chart_and_filter_render_the_same(chart: Any, row: Any, expected: str) -> None:
    assert image_of(chart.render(values(*row)), "api-gateway") == expected
    assert image_ref(spec(*row)) == expected


@pytest.mark.parametrize("row", REFUSED)
def test_chart_and_filter_refuse_the_same(chart: Any, row: Any) -> None:
    assert "the schema" in chart.refusal(values(*row))
    with pytest.raises(AnsibleFilterError):
        image_ref(spec(*row))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "redis:7-alpine"),
        ({"repository": "registry.example.org:5000/redis", "tag": "8.2"}, "registry.example.org:5000/redis:8.2"),
        ({"digest": DIGEST}, f"redis:7-alpine@{DIGEST}"),
    ],
)
def test_redis(chart: Any, image: dict[str, str], expected: str) -> None:
    objects = chart.render({"image": {"registry": "ghcr.io"}, "redis": {"image": image}})
    assert image_of(objects, "redis") == expected
    assert image_ref({"repository": "redis", "tag": "7-alpine"} | image) == expected


def test_each_application_has_its_own_tag(chart: Any) -> None:
    tags = {"web": "web", "apiGateway": "api-gateway", "serviceCore": "service-core"}
    objects = chart.render({value: {"image": {"tag": f"of-{name}"}} for value, name in tags.items()})
    for name in tags.values():
        assert image_of(objects, name) == f"luckyplans/{name}:of-{name}"


def test_pull_policy_and_secrets(chart: Any) -> None:
    objects = chart.render({"image": {"pullPolicy": "Always", "pullSecrets": ["one", "two"]}})
    for name, template in objects.pod_templates().items():
        assert template["spec"]["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
        # A public image by a fixed tag: asking its registry at every start would only meet its rate limit.
        expected = "IfNotPresent" if name == "redis" else "Always"
        assert template["spec"]["containers"][0]["imagePullPolicy"] == expected
