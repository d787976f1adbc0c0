# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two environments: the tables of the design document, a snapshot of each, and the rehearsal of prod.

UPDATE_SNAPSHOTS=1 pytest tests/chart/test_environments.py writes the snapshots; read what it changed before you commit it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from charts import CHART_DIR, FIXED, PROD, Chart, Objects, load, merged

SNAPSHOTS = Path(__file__).parent / "snapshots"
ENVIRONMENTS: dict[str, dict[str, Any]] = {"local": {}, "prod": {"file": PROD}}
APPLICATIONS = ("web", "api-gateway", "service-core")


def config(objects: Objects) -> dict[str, str]:
    return objects.one("ConfigMap", "luckyplans-config")["data"]


def images(objects: Objects) -> dict[str, str]:
    return {name: objects.container(name)["image"] for name in APPLICATIONS}


def replicas(objects: Objects) -> set[int]:
    return {objects.one("Deployment", name)["spec"]["replicas"] for name in APPLICATIONS}


def hosts(objects: Objects) -> set[str | None]:
    return {rule.get("host") for item in objects.kind("Ingress").values() for rule in item["spec"]["rules"]}


# The table "Environment differences", row by row.
DIFFERENCES = {
    "config.nodeEnv": (lambda objects: config(objects)["NODE_ENV"], "development", "production"),
    "config.corsOrigin": (lambda objects: config(objects)["CORS_ORIGIN"], "http://localhost", "https://luckyplans.xyz"),
    "ingress.host": (hosts, {None}, {"luckyplans.xyz"}),
    "ingress.tls.enabled": (lambda objects: "tls" in objects.one("Ingress", "luckyplans")["spec"], False, True),
    "image.registry": (
        lambda objects: {image.rpartition("/")[0] for image in images(objects).values()},
        {"luckyplans"},
        {"ghcr.io/takeshi-su57"},
    ),
    "replicas": (replicas, {1}, {2}),
}


@pytest.mark.parametrize("key", DIFFERENCES)
def test_they_differ_as_the_design_document_says(chart: Chart, key: str) -> None:
    look, local, prod = DIFFERENCES[key]
    assert look(chart.render()) == local
    assert look(chart.render(file=PROD)) == prod


def test_image_tags(chart: Chart) -> None:
    assert images(chart.render()) == {name: f"luckyplans/{name}:latest" for name in APPLICATIONS}
    for image in images(chart.render(file=PROD)).values():
        assert re.fullmatch(r".*:(sha-[0-9a-f]{7,40}|[0-9]+\.[0-9]+\.[0-9]+)", image)


def test_the_literal_images_of_the_design_document(chart: Chart) -> None:
    prod = {"image": {"registry": "ghcr.io"}, "apiGateway": {"image": {"tag": "sha-abc1234"}}}
    assert chart.render().container("api-gateway")["image"] == "luckyplans/api-gateway:latest"
    assert chart.render(prod).container("api-gateway")["image"] == "ghcr.io/takeshi-su57/api-gateway:sha-abc1234"
    assert chart.render().container("redis")["image"] == "redis:7-alpine"


def test_services_and_ports(chart: Chart) -> None:
    for objects in (chart.render(), chart.render(file=PROD)):
        ports = {name: [port["port"] for port in item["spec"]["ports"]] for name, item in objects.kind("Service").items()}
        assert ports == {"web": [3000], "api-gateway": [3001], "redis": [6379]}
        assert "ports" not in objects.container("service-core")


LOCAL = {
    "ConfigMap/luckyplans-config",
    "Deployment/api-gateway",
    "Deployment/redis",
    "Deployment/service-core",
    "Deployment/web",
    "Ingress/luckyplans",
    "Namespace/luckyplans",
    "NetworkPolicy/redis",
    "Secret/luckyplans-secrets",
    "Service/api-gateway",
    "Service/redis",
    "Service/web",
}
PROD_ONLY = {
    "ClusterIssuer/luckyplans-letsencrypt",
    "Ingress/luckyplans-redirect",
    "Job/smoke-test",
    "Middleware/hsts",
    "Middleware/redirect-https",
    "PersistentVolumeClaim/redis-data",
    "PodDisruptionBudget/api-gateway",
    "PodDisruptionBudget/service-core",
    "PodDisruptionBudget/web",
}


def test_what_each_consists_of(chart: Chart) -> None:
    def names(objects: Objects) -> set[str]:
        return {f"{item['kind']}/{item['metadata']['name']}" for item in objects}

    assert names(chart.render()) == LOCAL
    assert names(chart.render(file=PROD)) == LOCAL - {"Secret/luckyplans-secrets"} | PROD_ONLY


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_snapshot(chart: Chart, name: str) -> None:
    # the random secret left out
    values = {} if name == "prod" else FIXED
    text = chart.text(values, **ENVIRONMENTS[name])
    path = SNAPSHOTS / f"{name}.yaml"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text)
    assert path.read_text() == text, "the render has changed; if it should have, see the head of this file"


def test_prod_renders_twice_the_same(chart: Chart) -> None:
    assert chart.text(file=PROD) == chart.text(file=PROD)


def test_one_replica_of_each_fits_a_small_laptop(chart: Chart) -> None:
    requests = [chart.render().container(name)["resources"]["requests"]["cpu"] for name in (*APPLICATIONS, "redis")]
    assert all(request.endswith("m") for request in requests)
    assert 0 < sum(int(request[:-1]) for request in requests) < 500


def flat(values: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {path: values}
    return {key: value for name, inner in values.items() for key, value in flat(inner, f"{path}.{name}".lstrip(".")).items()}


def test_the_rehearsal_is_prod_but_for_what_a_laptop_cannot_have(chart: Chart) -> None:
    """Else what only prod renders is tried in prod first."""
    defaults = load(CHART_DIR / "values.yaml")
    prod = flat(merged(defaults, load(PROD)))
    rehearsal = flat(merged(defaults, load(CHART_DIR / "ci" / "self-signed-values.yaml")))
    assert {key for key in prod if prod[key] != rehearsal[key]} == {
        # images of this machine, by whatever tag it gave them
        "image.registry",
        "web.image.tag",
        "apiGateway.image.tag",
        "serviceCore.image.tag",
        "config.nodeEnv",
        # a name of its own, which no authority certifies
        "config.corsOrigin",
        "ingress.host",
        "ingress.tls.certificate",
        # Helm instead of Argo CD
        "secrets.create",
        "smokeTest.hook",
        "smokeTest.throughIngress",
    }
