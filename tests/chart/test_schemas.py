# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every object against the schema of its kind, in which a field that it does not know is an error."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from charts import REPOSITORY, TLS, Chart, Objects, with_tls
from modules import Missing, crds

KUBERNETES = "1.36"
CUSTOM_GROUPS = ("traefik.io", "cert-manager.io")


def closed(node: Any) -> Any:
    """A structural schema as Kubernetes reads it: what it does not name is pruned, so here it is refused."""
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: closed(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and "additionalProperties" not in node:
        made["additionalProperties"] = bool(node.get("x-kubernetes-preserve-unknown-fields"))
    if node.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    return made


@pytest.fixture(scope="session")
def custom() -> dict[tuple[str, str], Any]:
    """Schemas of Traefik's and cert-manager's objects, by apiVersion and kind."""
    try:
        found = crds()
    except Missing as missing:
        pytest.skip(f"no CRDs of Traefik and cert-manager: {missing}")
    schemas = {}
    for definition in found:
        spec = definition["spec"]
        for version in spec["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            # Kubernetes' own, which it does not spell out
            schema["properties"]["metadata"] = {"type": "object"}
            schemas[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = jsonschema.Draft202012Validator(schema)
    return schemas


def is_custom(item: dict[str, Any]) -> bool:
    return item["apiVersion"].partition("/")[0] in CUSTOM_GROUPS


def test_the_version_is_the_pinned_one() -> None:
    lock = yaml.safe_load((REPOSITORY / "artifacts" / "lock.yml").read_text())
    pinned = [entry["version"] for entries in lock.values() if isinstance(entries, dict) for name, entry in entries.items() if name == "kubernetes"]
    assert pinned
    assert {".".join(version.split(".")[:2]) for version in pinned} == {KUBERNETES}


def test_objects_fit_the_schemas_of_kubernetes(objects: Objects) -> None:
    checked = [item for item in objects if not is_custom(item)]
    for item in checked:
        kubernetes_validate.validate(item, KUBERNETES, strict=True)
    assert len(checked) > 5


@pytest.mark.parametrize("certificate", ["letsencrypt", "letsencrypt_staging", "acme", "self_signed", "provided"])
def test_objects_fit_the_schemas_of_traefik_and_cert_manager(chart: Chart, custom: Any, certificate: str) -> None:
    server = {"server": "https://acme.example.org/directory", "caBundle": "-----BEGIN CERTIFICATE-----"}
    objects = chart.render(with_tls(certificate=certificate, email="ops@example.org", acme=server))
    checked = [item for item in objects if is_custom(item)]
    assert {item["kind"] for item in checked} == {"Middleware"} | ({"ClusterIssuer"} if certificate != "provided" else set())
    for item in checked:
        custom[item["apiVersion"], item["kind"]].validate(item)


def test_so_do_those_of_every_profile(objects: Objects, custom: Any) -> None:
    for item in objects:
        if is_custom(item):
            custom[item["apiVersion"], item["kind"]].validate(item)


@pytest.mark.parametrize(
    ("kind", "name", "path", "field"),
    [
        ("Middleware", "redirect-https", ("spec", "redirectScheme"), "permanently"),
        ("Middleware", "hsts", ("spec", "headers"), "stsSecond"),
        ("Middleware", "hsts", ("spec",), "header"),
        ("ClusterIssuer", "luckyplans-letsencrypt-staging", ("spec", "acme"), "mail"),
        ("ClusterIssuer", "luckyplans-letsencrypt-staging", ("spec",), "selfSign"),
    ],
)
def test_a_misspelt_field_is_refused(
    chart: Chart, custom: Any, kind: str, name: str, path: tuple[str, ...], field: str
) -> None:
    item = copy.deepcopy(chart.render(TLS).one(kind, name))
    at = item
    for key in path:
        at = at[key]
    at[field] = "x"
    with pytest.raises(jsonschema.ValidationError, match=field):
        custom[item["apiVersion"], kind].validate(item)


def test_a_misspelt_field_of_kubernetes_is_refused(chart: Chart) -> None:
    item = copy.deepcopy(chart.render().one("Service", "web"))
    item["spec"]["prots"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(item, KUBERNETES, strict=True)
