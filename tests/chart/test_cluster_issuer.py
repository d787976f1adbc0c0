# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from typing import Any

import pytest
from charts import TLS, Chart, with_tls

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
ISSUER = "cert-manager.io/cluster-issuer"


def acme(server: str, name: str, **extra: str) -> dict[str, Any]:
    clear = {"traefik.ingress.kubernetes.io/router.entrypoints": "web"}
    solver = {"ingressClassName": "traefik", "ingressTemplate": {"metadata": {"annotations": clear}}}
    return {
        "acme": {
            "server": server,
            **extra,
            "privateKeySecretRef": {"name": f"{name}-account"},
            "solvers": [{"http01": {"ingress": solver}}],
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
        (
            {"certificate": "acme", "acme": {"server": "https://acme.example.org/directory"}},
            "luckyplans-acme",
            acme("https://acme.example.org/directory", "luckyplans-acme"),
        ),
        (
            {"certificate": "acme", "acme": {"server": "https://acme.example.org/directory", "caBundle": PEM}},
            "luckyplans-acme",
            acme("https://acme.example.org/directory", "luckyplans-acme", caBundle=base64.b64encode(PEM.encode()).decode()),
        ),
        ({"certificate": "self_signed"}, "luckyplans-self-signed", {"selfSigned": {}}),
    ],
)
def test_it_is_the_one_owner_of_the_certificate(
    chart: Chart, tls: dict[str, Any], name: str, expected: dict[str, Any]
) -> None:
    objects = chart.render(with_tls(**tls))
    issuer = objects.one("ClusterIssuer", name)
    assert (issuer["apiVersion"], issuer["spec"]) == ("cert-manager.io/v1", expected)
    owners = [item for item in objects.kind("Ingress").values() if ISSUER in item["metadata"]["annotations"]]
    assert [item["metadata"]["annotations"][ISSUER] for item in owners] == [name]
    # One certificate for one host: neither a Certificate beside the annotation, nor a second Ingress with TLS.
    assert not objects.kind("Certificate")
    assert [item["metadata"]["name"] for item in objects.kind("Ingress").values() if "tls" in item["spec"]] == ["luckyplans"]


def test_the_solver_is_of_the_ingress_class(chart: Chart) -> None:
    values = TLS | {"ingress": TLS["ingress"] | {"className": "other"}}
    (issuer,) = chart.render(values).kind("ClusterIssuer").values()
    assert issuer["spec"]["acme"]["solvers"][0]["http01"]["ingress"]["ingressClassName"] == "other"


def test_it_belongs_to_the_release_of_its_namespace(chart: Chart) -> None:
    """It is of the whole cluster, and a second release must not fight over it."""
    assert list(chart.render(TLS, namespace="other").kind("ClusterIssuer")) == ["other-letsencrypt-staging"]


@pytest.mark.parametrize("values", [{}, with_tls(certificate="provided")], ids=["without TLS", "provided"])
def test_there_is_none_where_nothing_is_issued(chart: Chart, values: dict[str, Any]) -> None:
    assert not chart.render(values).kind("ClusterIssuer")
