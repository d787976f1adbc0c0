# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

TLS = {
    "config": {"corsOrigin": "https://plans.example.org"},
    "ingress": {"host": "plans.example.org", "tls": {"enabled": True}},
}
ENTRYPOINTS = "traefik.ingress.kubernetes.io/router.entrypoints"
MIDDLEWARES = "traefik.ingress.kubernetes.io/router.middlewares"
ISSUER = "cert-manager.io/cluster-issuer"


def with_tls(**tls: Any) -> dict[str, Any]:
    return TLS | {"ingress": {"host": "plans.example.org", "tls": {"enabled": True} | tls}}


def routes(ingress: dict[str, Any]) -> list[tuple[str | None, str, str, str]]:
    return [
        (rule.get("host"), path["path"], path["pathType"], path["backend"]["service"]["name"])
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]


def test_without_tls_any_host_and_no_middleware(chart: Any) -> None:
    objects = chart.render()
    ingress = objects.one("Ingress", "luckyplans")
    assert ingress["spec"]["ingressClassName"] == "traefik"
    # Two paths and nothing that rewrites them: /argocd and every other path stay with whoever has the longer rule.
    assert routes(ingress) == [(None, "/graphql", "Prefix", "api-gateway"), (None, "/", "Prefix", "web")]
    assert "annotations" not in ingress["metadata"]
    assert "tls" not in ingress["spec"]
    assert list(objects.kind("Ingress")) == ["luckyplans"]


def test_backends_are_services_with_that_port(chart: Any) -> None:
    objects = chart.render(TLS)
    for ingress in objects.kind("Ingress").values():
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                ports = [port["name"] for port in objects.one("Service", backend["name"])["spec"]["ports"]]
                assert backend["port"]["name"] in ports


def test_off(chart: Any) -> None:
    assert not chart.render({"ingress": {"enabled": False}}).kind("Ingress")


def test_tls_is_one_router_and_the_redirect_another(chart: Any) -> None:
    objects = chart.render(TLS)
    secure, redirect = objects.one("Ingress", "luckyplans"), objects.one("Ingress", "luckyplans-redirect")
    assert secure["metadata"]["annotations"][ENTRYPOINTS] == "websecure"
    assert secure["metadata"]["annotations"]["traefik.ingress.kubernetes.io/router.tls"] == "true"
    assert secure["metadata"]["annotations"][MIDDLEWARES] == "luckyplans-hsts@kubernetescrd"
    assert secure["spec"]["tls"] == [{"hosts": ["plans.example.org"], "secretName": "luckyplans-tls"}]
    assert [route[0] for route in routes(secure)] == ["plans.example.org"] * 2
    assert redirect["metadata"]["annotations"] == {
        ENTRYPOINTS: "web",
        MIDDLEWARES: "luckyplans-redirect-https@kubernetescrd",
    }
    assert "tls" not in redirect["spec"]
    assert routes(redirect) == [("plans.example.org", "/", "Prefix", "web")]


def test_middlewares(chart: Any) -> None:
    middlewares = chart.render(TLS).kind("Middleware")
    assert {name: item["spec"] for name, item in middlewares.items()} == {
        "redirect-https": {"redirectScheme": {"scheme": "https", "permanent": False}},
        "hsts": {"headers": {"stsSeconds": 300, "stsIncludeSubdomains": False}},
    }
    raised = chart.render(
        with_tls(permanentRedirect=True, hsts={"maxAgeSeconds": 31536000, "includeSubdomains": True})
    ).kind("Middleware")
    assert {name: item["spec"] for name, item in raised.items()} == {
        "redirect-https": {"redirectScheme": {"scheme": "https", "permanent": True}},
        "hsts": {"headers": {"stsSeconds": 31536000, "stsIncludeSubdomains": True}},
    }


@pytest.mark.parametrize("namespace", ["luckyplans", "other"])
def test_references_to_middlewares_follow_the_namespace(chart: Any, namespace: str) -> None:
    objects = chart.render(TLS, namespace=namespace)
    existing = {
        f"{item['metadata']['namespace']}-{name}@kubernetescrd" for name, item in objects.kind("Middleware").items()
    }
    used = {item["metadata"]["annotations"][MIDDLEWARES] for item in objects.kind("Ingress").values()}
    assert used == existing == {f"{namespace}-hsts@kubernetescrd", f"{namespace}-redirect-https@kubernetescrd"}


def acme(server: str, name: str, **extra: str) -> dict[str, Any]:
    return {
        "acme": {
            "server": server,
            **extra,
            "privateKeySecretRef": {"name": f"{name}-account"},
            "solvers": [{"http01": {"ingress": {"ingressClassName": "traefik"}}}],
        }
    }


@pytest.mark.parametrize(
    ("tls", "name", "expected"),
    [
        (
            {"certificate": "letsencrypt"},
            "luckyplans-letsencrypt",
            acme("https://acme-v02.api.letsencrypt.org/directory", "luckyplans-letsencrypt"),
        ),
        (
            {"certificate": "letsencrypt_staging", "email": "ops@example.org"},
            "luckyplans-letsencrypt-staging",
            acme(
                "https://acme-staging-v02.api.letsencrypt.org/directory",
                "luckyplans-letsencrypt-staging",
                email="ops@example.org",
            ),
        ),
        ({"certificate": "self_signed"}, "luckyplans-self-signed", {"selfSigned": {}}),
    ],
)
def test_the_issuer_is_the_one_owner_of_the_certificate(
    chart: Any, tls: dict[str, str], name: str, expected: dict[str, Any]
) -> None:
    objects = chart.render(with_tls(**tls))
    issuer = objects.one("ClusterIssuer", name)
    assert (issuer["apiVersion"], issuer["spec"]) == ("cert-manager.io/v1", expected)
    owners = [item for item in objects.kind("Ingress").values() if ISSUER in item["metadata"]["annotations"]]
    assert [item["metadata"]["annotations"][ISSUER] for item in owners] == [name]
    assert not objects.kind("Certificate")


def test_a_provided_certificate_has_no_issuer(chart: Any) -> None:
    objects = chart.render(with_tls(certificate="provided", secretName="mine"))
    assert not objects.kind("ClusterIssuer")
    ingress = objects.one("Ingress", "luckyplans")
    assert not [key for key in ingress["metadata"]["annotations"] if key.startswith("cert-manager.io/")]
    assert ingress["spec"]["tls"][0]["secretName"] == "mine"
