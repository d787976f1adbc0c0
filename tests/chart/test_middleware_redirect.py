# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From HTTP to HTTPS, in stages, and without standing in the way of ACME."""

from __future__ import annotations

from typing import Any

import pytest
from charts import TLS, Chart, with_tls

ENTRYPOINTS = "traefik.ingress.kubernetes.io/router.entrypoints"
MIDDLEWARES = "traefik.ingress.kubernetes.io/router.middlewares"


def specs(chart: Chart, values: dict[str, Any]) -> dict[str, Any]:
    return {name: item["spec"] for name, item in chart.render(values).kind("Middleware").items()}


@pytest.mark.parametrize(
    ("tls", "permanent", "seconds", "subdomains"),
    [
        # first a redirect and a policy that browsers soon forget
        ({}, False, 300, False),
        ({"permanentRedirect": True}, True, 300, False),
        ({"hsts": {"maxAgeSeconds": 31536000}}, False, 31536000, False),
        ({"hsts": {"maxAgeSeconds": 0}}, False, 0, False),
        ({"permanentRedirect": True, "hsts": {"maxAgeSeconds": 63072000, "includeSubdomains": True}}, True, 63072000, True),
    ],
)
def test_stages(chart: Chart, tls: dict[str, Any], permanent: bool, seconds: int, subdomains: bool) -> None:
    assert specs(chart, with_tls(certificate="letsencrypt", **tls)) == {
        "redirect-https": {"redirectScheme": {"scheme": "https", "permanent": permanent}},
        "hsts": {"headers": {"stsSeconds": seconds, "stsIncludeSubdomains": subdomains}},
    }


def test_the_redirect_goes_to_the_port_of_https(chart: Chart) -> None:
    redirect = specs(chart, with_tls(certificate="provided", port=8443))["redirect-https"]["redirectScheme"]
    assert redirect["port"] == "8443"


def test_without_tls_there_is_none(chart: Chart) -> None:
    assert specs(chart, {}) == {}


def test_hsts_is_on_https_alone_and_the_redirect_on_http(chart: Chart) -> None:
    """A router with TLS does not answer in clear, so one Ingress with both would redirect nobody."""
    assert {
        name: (
            item["metadata"]["annotations"][ENTRYPOINTS],
            item["metadata"]["annotations"].get("traefik.ingress.kubernetes.io/router.tls"),
            item["metadata"]["annotations"][MIDDLEWARES],
        )
        for name, item in chart.render(TLS).kind("Ingress").items()
    } == {
        "luckyplans": ("websecure", "true", "luckyplans-hsts@kubernetescrd"),
        "luckyplans-redirect": ("web", None, "luckyplans-redirect-https@kubernetescrd"),
    }


def test_an_acme_challenge_wins_over_the_redirect(chart: Chart) -> None:
    """Traefik prefers the longer rule, so the redirect must be of the shortest path there is."""
    redirect = chart.render(TLS).one("Ingress", "luckyplans-redirect")
    paths = [path["path"] for rule in redirect["spec"]["rules"] for path in rule["http"]["paths"]]
    assert paths == ["/"]
    assert "traefik.ingress.kubernetes.io/router.priority" not in redirect["metadata"]["annotations"]


@pytest.mark.parametrize("namespace", ["luckyplans", "other"])
def test_references_follow_the_namespace(chart: Chart, namespace: str) -> None:
    objects = chart.render(TLS, namespace=namespace)
    existing = {
        f"{item['metadata']['namespace']}-{name}@kubernetescrd" for name, item in objects.kind("Middleware").items()
    }
    used = {item["metadata"]["annotations"][MIDDLEWARES] for item in objects.kind("Ingress").values()}
    assert used == existing == {f"{namespace}-hsts@kubernetescrd", f"{namespace}-redirect-https@kubernetescrd"}
