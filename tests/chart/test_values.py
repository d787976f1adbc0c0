# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values: the schema is closed, what it refuses is named, and every value is read, described and documented."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from charts import AUTH, CHART_DIR, FIXED, PROFILES, REPOSITORY, TLS, Chart, load, merged

SCHEMA = json.loads((CHART_DIR / "values.schema.json").read_text())
DEFAULTS = load(CHART_DIR / "values.yaml")


def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all values; resources are Kubernetes' own and count as one."""
    if isinstance(node, dict) and node and path[-1:] != ("resources",):
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    else:
        yield path


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    return SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]] | node if "$ref" in node else node


def properties(node: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every key that the schema knows, with what it says about it."""
    node = resolved(node)
    if path:
        yield path, node
    if path[-1:] != ("resources",):
        for key, value in node.get("properties", {}).items():
            yield from properties(value, (*path, key))


def mappings(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield node
        for value in node.values():
            yield from mappings(value)


def nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return value


PATHS = list(leaves(DEFAULTS))
KEYS = dict(properties(SCHEMA))


def test_the_schema_is_closed() -> None:
    found = list(mappings(SCHEMA))
    assert len(found) > 10
    for mapping in found:
        assert mapping["additionalProperties"] is False


def test_schema_and_defaults_have_the_same_keys() -> None:
    assert [path for path in KEYS if "properties" not in KEYS[path] or path[-1] == "resources"] == PATHS


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_each_key_is_described_and_bounded(path: tuple[str, ...]) -> None:
    node = KEYS[path]
    assert node["description"].endswith(".")
    kind = node.get("type", "enum")
    if kind == "integer":
        assert {"minimum", "maximum"} <= node.keys()
    elif kind == "string":
        assert "pattern" in node
    elif kind == "object":
        assert "properties" in node
    elif kind == "array":
        assert resolved(node["items"])["pattern"]
    else:
        assert kind == "boolean" or node["enum"]


# --- A value nobody reads ---------------------------------------------------------------------------------------------

# Another valid value for each, and what else has to be set for it to matter.
REGISTRY = {"image": {"registry": "ghcr.io"}}
PERSISTENT = {"redis": {"persistence": {"enabled": True}}}
SMOKE = {"smokeTest": {"enabled": True}}
TRUSTED = merged(TLS, {"ingress": {"tls": {"certificate": "letsencrypt"}}})
ACME = merged(TLS, {"ingress": {"tls": {"certificate": "acme", "acme": {"server": "https://acme.example.org/directory"}}}})
OTHER: dict[str, tuple[Any, dict[str, Any]]] = {
    "image.registry": ("ghcr.io", {}),
    "image.owner": ("somebody", REGISTRY),
    "image.localPrefix": ("mine", {}),
    "image.pullPolicy": ("Always", {}),
    "image.pullSecrets": (["pull"], {}),
    **{f"{part}.image.tag": ("other", {}) for part in ("web", "apiGateway", "serviceCore", "redis")},
    **{f"{part}.image.digest": ("sha256:" + "0a" * 32, {}) for part in ("web", "apiGateway", "serviceCore", "redis")},
    **{f"{part}.replicas": (3, {}) for part in ("web", "apiGateway", "serviceCore")},
    **{f"{part}.resources": ({"limits": {"memory": "1Gi"}}, {}) for part in ("web", "apiGateway", "serviceCore", "redis")},
    "redis.auth.enabled": (True, {}),
    "redis.image.repository": ("valkey/valkey", {}),
    "redis.maxMemory": ("64mb", {}),
    "redis.persistence.enabled": (True, {}),
    "redis.persistence.size": ("2Gi", PERSISTENT),
    "redis.persistence.storageClass": ("fast", PERSISTENT),
    "config.nodeEnv": ("test", {}),
    "config.corsOrigin": ("http://example.org", {}),
    "config.redisHost": ("redis.example.org", {}),
    "config.redisPort": (6380, {}),
    "config.logLevel": ("debug", {}),
    "secrets.create": (True, {}),
    "ingress.enabled": (False, {}),
    "ingress.className": ("other", {}),
    "ingress.host": ("localhost", {}),
    "ingress.tls.enabled": (False, TLS),
    "ingress.tls.port": (8443, TLS),
    "ingress.tls.certificate": ("self_signed", TLS),
    "ingress.tls.secretName": ("other", TLS),
    "ingress.tls.email": ("ops@example.org", TLS),
    "ingress.tls.acme.server": ("https://acme.example.org/other", ACME),
    "ingress.tls.acme.caBundle": ("-----BEGIN CERTIFICATE-----", ACME),
    "ingress.tls.permanentRedirect": (True, TRUSTED),
    "ingress.tls.hsts.maxAgeSeconds": (600, TRUSTED),
    "ingress.tls.hsts.includeSubdomains": (True, TRUSTED),
    "smokeTest.enabled": (True, {}),
    "smokeTest.hook": ("argocd", SMOKE),
    "smokeTest.throughIngress": (True, merged(SMOKE, TLS)),
    "smokeTest.deadlineSeconds": (20, SMOKE),
}
# Read by the build alone: the role images passes it on, and image_check compares it with the image.
BUILD_ONLY = {"web.buildArgs.graphqlUrl"}


def test_the_table_of_other_values_is_whole() -> None:
    assert set(OTHER) | BUILD_ONLY == {".".join(path) for path in PATHS}


@pytest.mark.parametrize("name", OTHER)
def test_every_value_is_read(chart: Chart, name: str) -> None:
    value, beside = OTHER[name]
    before = merged(FIXED, beside)
    assert chart.render(before) != chart.render(merged(before, nested(tuple(name.split(".")), value)))


def test_what_only_the_build_reads_is_read_there() -> None:
    for name in BUILD_ONLY:
        assert name.rsplit(".", 1)[1] in (REPOSITORY / "plugins" / "module_utils" / "_contract.py").read_text()


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_a_wrong_type_is_named(chart: Chart, path: tuple[str, ...]) -> None:
    message = chart.refusal(nested(path, ["wrong", {}]))
    assert f"at '/{'/'.join(path)}" in message


@pytest.mark.parametrize("path", [path for path in KEYS if path[-1] not in ("tag", "digest")], ids=".".join)
def test_a_value_taken_away_is_named(chart: Chart, path: tuple[str, ...]) -> None:
    """null takes a key away, and a template without it would stop with an error of Go's."""
    message = chart.refusal(nested(path, None))
    assert f"'{path[-1]}'" in message or f"at '/{'/'.join(path)}'" in message


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"imgae": {}}, "'imgae'"),
        ({"web": {"tag": "1"}}, "'tag'"),
        ({"redis": {"image": {"registry": "x"}}}, "'registry'"),
        ({"redis": {"auth": {"password": "x"}}}, "'password'"),
        ({"config": {"CORS_ORIGIN": "x"}}, "'CORS_ORIGIN'"),
        ({"secrets": {"generated": "x"}}, "'generated'"),
        ({"web": {"resources": {"limit": {}}}}, "'limit'"),
        ({"web": {"replicas": -1}}, "/web/replicas"),
        ({"web": {"replicas": 21}}, "/web/replicas"),
        ({"web": {"replicas": "2"}}, "/web/replicas"),
        ({"apiGateway": {"replicas": 1.5}}, "/apiGateway/replicas"),
        ({"serviceCore": {"image": {"tag": "a b"}}}, "/serviceCore/image/tag"),
        ({"serviceCore": {"image": {"tag": 7}}}, "/serviceCore/image/tag"),
        ({"redis": {"image": {"digest": "sha256:abc"}}}, "/redis/image/digest"),
        ({"redis": {"image": {"repository": "Redis"}}}, "/redis/image/repository"),
        ({"redis": {"maxMemory": "lots"}}, "/redis/maxMemory"),
        ({"redis": {"persistence": {"size": "1 GB"}}}, "/redis/persistence/size"),
        ({"redis": {"persistence": {"storageClass": "Fast one"}}}, "/redis/persistence/storageClass"),
        ({"image": {"registry": "https://ghcr.io"}}, "/image/registry"),
        ({"image": {"owner": ""}}, "/image/owner"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"image": {"pullSecrets": [{"name": "x"}]}}, "/image/pullSecrets/0"),
        ({"image": {"pullSecrets": ["x", "x"]}}, "/image/pullSecrets"),
        ({"config": {"nodeEnv": "prod"}}, "/config/nodeEnv"),
        ({"config": {"redisPort": 70000}}, "/config/redisPort"),
        ({"config": {"redisHost": "redis://x"}}, "/config/redisHost"),
        ({"config": {"corsOrigin": "*"}}, "/config/corsOrigin"),
        ({"config": {"corsOrigin": ""}}, "/config/corsOrigin"),
        ({"config": {"corsOrigin": "http://localhost/"}}, "/config/corsOrigin"),
        ({"config": {"logLevel": "loud"}}, "/config/logLevel"),
        ({"secrets": {"create": "yes"}}, "/secrets/create"),
        ({"ingress": {"host": "https://x.org"}}, "/ingress/host"),
        ({"ingress": {"host": "X.org"}}, "/ingress/host"),
        ({"ingress": {"tls": {"certificate": "none"}}}, "/ingress/tls/certificate"),
        ({"ingress": {"tls": {"email": "nobody"}}}, "/ingress/tls/email"),
        ({"ingress": {"tls": {"acme": {"server": "http://acme.example.org"}}}}, "/ingress/tls/acme/server"),
        ({"ingress": {"tls": {"acme": {"caBundle": "/etc/ssl/ca.pem"}}}}, "/ingress/tls/acme/caBundle"),
        ({"ingress": {"tls": {"hsts": {"maxAgeSeconds": -1}}}}, "/ingress/tls/hsts/maxAgeSeconds"),
        ({"web": {"resources": {"limits": {"memory": "512 MB"}}}}, "/web/resources/limits/memory"),
        ({"web": {"resources": {"limits": {"cpu": "1 core"}}}}, "/web/resources/limits/cpu"),
        ({"smokeTest": {"deadlineSeconds": 1}}, "/smokeTest/deadlineSeconds"),
    ],
)
def test_refused(chart: Chart, values: dict[str, Any], named: str) -> None:
    message = chart.refusal(values)
    assert "the schema" in message
    assert named in message


# --- Documents --------------------------------------------------------------------------------------------------------


def test_the_readme_lists_exactly_the_values() -> None:
    table = (CHART_DIR / "README.md").read_text().partition("\n## Values\n")[2]
    listed = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert listed == [".".join(path) for path in PATHS]
    done = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "role-readme", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_values_files_are_one_document_each_of_known_keys() -> None:
    for path in PROFILES:
        values = load(path)
        assert isinstance(values, dict), path.name
        # resources are Kubernetes' own
        unknown = {".".join(leaf) for leaf in leaves(values)} - {".".join(leaf) for leaf in PATHS}
        assert not {name for name in unknown if name}, path.name


def test_a_password_is_turned_on_alone(chart: Chart) -> None:
    """The Secret's keys are all that stands beside it: nothing about it can be given as a value."""
    assert chart.render(AUTH)
    assert list(KEYS[("redis", "auth")]["properties"]) == ["enabled"]
