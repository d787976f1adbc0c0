# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from charts import PROD, TLS, Chart, Objects, with_tls


def routes(ingress: dict[str, Any]) -> list[tuple[str | None, str, str, str]]:
    return [
        (rule.get("host"), path["path"], path["pathType"], path["backend"]["service"]["name"])
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]


def test_without_tls_any_host_and_no_middleware(chart: Chart) -> None:
    objects = chart.render()
    ingress = objects.one("Ingress", "luckyplans")
    assert ingress["spec"]["ingressClassName"] == "traefik"
    # Two paths and nothing that rewrites them: /argocd and every other path stay with whoever has the longer rule.
    assert routes(ingress) == [(None, "/graphql", "Prefix", "api-gateway"), (None, "/", "Prefix", "web")]
    assert "annotations" not in ingress["metadata"]
    assert "tls" not in ingress["spec"]
    assert list(objects.kind("Ingress")) == ["luckyplans"]


def test_with_tls(chart: Chart) -> None:
    objects = chart.render(TLS)
    secure, redirect = objects.one("Ingress", "luckyplans"), objects.one("Ingress", "luckyplans-redirect")
    assert secure["spec"]["tls"] == [{"hosts": ["plans.example.org"], "secretName": "luckyplans-tls"}]
    assert routes(secure) == [
        ("plans.example.org", "/graphql", "Prefix", "api-gateway"),
        ("plans.example.org", "/", "Prefix", "web"),
    ]
    # cert-manager's default, which nothing else may fill in
    assert secure["metadata"]["annotations"]["cert-manager.io/usages"] == "digital signature,key encipherment"
    assert "tls" not in redirect["spec"]
    assert routes(redirect) == [("plans.example.org", "/", "Prefix", "web")]


def test_a_provided_certificate(chart: Chart) -> None:
    ingress = chart.render(with_tls(certificate="provided", secretName="mine")).one("Ingress", "luckyplans")
    assert not [key for key in ingress["metadata"]["annotations"] if key.startswith("cert-manager.io/")]
    assert ingress["spec"]["tls"][0]["secretName"] == "mine"


def test_another_class(chart: Chart) -> None:
    objects = chart.render(TLS | {"ingress": TLS["ingress"] | {"className": "other"}})
    assert {item["spec"]["ingressClassName"] for item in objects.kind("Ingress").values()} == {"other"}


def test_off(chart: Chart) -> None:
    assert not chart.render({"ingress": {"enabled": False}}).kind("Ingress")


def test_backends_are_services_with_that_port(objects: Objects) -> None:
    for ingress in objects.kind("Ingress").values():
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                ports = [port["name"] for port in objects.one("Service", backend["name"])["spec"]["ports"]]
                assert backend["port"]["name"] in ports


def test_every_host_of_prod_is_the_one_of_its_values(chart: Chart) -> None:
    """Whoever forks prod changes ingress.host and config.corsOrigin; no third place may hold the name."""
    other = {
        "ingress": {"host": "plans.example.org"},
        "config": {"corsOrigin": "https://plans.example.org"},
    }
    text = chart.text(other, file=PROD)
    assert "luckyplans.xyz" in chart.text(file=PROD)
    assert "luckyplans.xyz" not in text
