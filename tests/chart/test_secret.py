# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""luckyplans-secrets: made once where Helm is live, referred to elsewhere, and never in sight."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest
from charts import AUTH, FIXED, PROD, Chart, rolled, sources

SERVER = ("api-gateway", "service-core", "redis")


def checksums(objects: Any) -> dict[str, dict[str, str]]:
    """By Deployment: the checksums of keys of the Secret."""
    return {
        name: {
            key.removeprefix("checksum/"): value
            for key, value in objects.pod_templates()[name]["metadata"].get("annotations", {}).items()
            if key != "checksum/config"
        }
        for name in (*SERVER, "web")
    }


@pytest.mark.parametrize(
    ("values", "consumers"),
    [
        ({}, {"api-gateway": {"JWT_SECRET"}}),
        (
            AUTH,
            {
                "api-gateway": {"JWT_SECRET", "REDIS_PASSWORD"},
                "service-core": {"REDIS_PASSWORD"},
                "redis": {"REDIS_PASSWORD"},
            },
        ),
    ],
    ids=["without a password", "with a password"],
)
def test_each_consumer_gets_its_keys_and_their_checksums(
    chart: Chart, values: dict[str, Any], consumers: dict[str, set[str]]
) -> None:
    made = chart.render(values)
    assert set(made.one("Secret", "luckyplans-secrets")["data"]) == set().union(*consumers.values())
    for objects in (made, chart.render(values | FIXED)):
        used = {name: sources(objects, name).get("secret/luckyplans-secrets", set()) for name in (*SERVER, "web")}
        assert {name: keys for name, keys in used.items() if keys} == consumers
    expected = {
        name: {key.lower().replace("_", "-") for key in consumers.get(name, set())} for name in (*SERVER, "web")
    }
    assert {name: set(found) for name, found in checksums(made).items()} == expected
    # What is not the chart's is not read, so there is nothing to take a checksum of.
    assert not any(checksums(chart.render(values | FIXED)).values())


def test_secret_and_checksums_speak_of_one_value(chart: Chart) -> None:
    objects = chart.render(AUTH)
    secret = objects.one("Secret", "luckyplans-secrets")
    assert secret["type"] == "Opaque"
    assert secret["metadata"]["annotations"] == {
        "helm.sh/resource-policy": "keep",
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    }
    for key, value in secret["data"].items():
        assert re.fullmatch(rb"[A-Za-z0-9]{48}", base64.b64decode(value))
        expected = hashlib.sha256(value.encode()).hexdigest()
        found = {sums[key.lower().replace("_", "-")] for sums in checksums(objects).values() if key.lower().replace("_", "-") in sums}
        assert found == {expected}, key
        assert value not in chart.text(AUTH), "a cluster without the Secret gets a new one"


def test_a_secret_is_nowhere_but_in_the_secret(chart: Chart) -> None:
    objects = chart.render(AUTH)
    for value in objects.one("Secret", "luckyplans-secrets")["data"].values():
        for shape in (value, base64.b64decode(value).decode()):
            assert not [item["kind"] for item in objects if item["kind"] != "Secret" and shape in repr(item)]


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ({"JWT_SECRET": "kept", "REDIS_PASSWORD": "this too"}, {"JWT_SECRET", "REDIS_PASSWORD"}),
        # the password was turned on later
        ({"JWT_SECRET": "kept"}, {"JWT_SECRET"}),
        ({"OTHER": "x"}, set()),
        (None, set()),
    ],
    ids=["with the keys", "with one of them", "without the keys", "without data"],
)
def test_what_the_cluster_has_is_kept(chart: Chart, cluster: Any, data: dict[str, str] | None, kept: set[str]) -> None:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in (data or {}).items()}
    cluster.has("secrets", "luckyplans-secrets", **({"data": encoded} if data else {}))
    objects = chart.render(AUTH, **cluster.helm)
    found = objects.one("Secret", "luckyplans-secrets")["data"]
    for key in ("JWT_SECRET", "REDIS_PASSWORD"):
        assert (found[key] == encoded.get(key)) is (key in kept)
        assert key in kept or len(base64.b64decode(found[key])) == 48


@pytest.mark.parametrize(
    ("changed", "expected"),
    [({"JWT_SECRET": "b"}, {"api-gateway"}), ({"REDIS_PASSWORD": "b"}, set(SERVER)), ({"OTHER": "b"}, set())],
)
def test_a_changed_key_rolls_its_consumers_alone(
    chart: Chart, cluster: Any, changed: dict[str, str], expected: set[str]
) -> None:
    renders = []
    for change in ({}, changed):
        data = {"JWT_SECRET": "a", "REDIS_PASSWORD": "a"} | change
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        cluster.has("secrets", "luckyplans-secrets", data=encoded)
        renders.append(chart.at(chart.path).render(AUTH, **cluster.helm))
    assert rolled(*renders) == expected


def test_prod_has_none_and_renders_twice_the_same(chart: Chart) -> None:
    first = chart.text(AUTH, file=PROD)
    assert first == chart.text(AUTH, file=PROD)
    assert not chart.render(AUTH, file=PROD).kind("Secret")


def test_only_the_local_branch_reads_the_cluster_or_rolls_dice(chart: Chart) -> None:
    """Argo CD has no cluster to look up in: what it renders would differ from sync to sync."""
    found: dict[str, int] = {}
    for path in (chart.path / "templates").rglob("*.*"):
        text = " ".join(re.findall(r"\{\{.*?\}\}", re.sub(r"\{\{-? ?/\*.*?\*/ ?-?\}\}", "", path.read_text(), flags=re.DOTALL), re.DOTALL))
        words = re.findall(r"\blookup\b|\brand\w+|\bgen\w+(?:Cert|Key)\b|\buuidv4\b|\bnow\b|Release\.(?:IsUpgrade|IsInstall|Revision)", text)
        for word in words:
            found[f"{path.name} {word}"] = found.get(f"{path.name} {word}", 0) + 1
    assert found == {"_helpers.tpl lookup": 2, "_helpers.tpl randAlphaNum": 1}


def test_without_secrets_create_the_cluster_is_not_asked(chart: Chart, cluster: Any) -> None:
    cluster.has("secrets", "luckyplans-secrets", data={"JWT_SECRET": "eA=="})
    cluster.has("persistentvolumeclaims", "redis-data", spec={"resources": {"requests": {"storage": "9Gi"}}})
    values = FIXED | {"redis": {"auth": {"enabled": True}, "persistence": {"enabled": True}}}
    assert chart.render(values, **cluster.helm) == chart.render(values)
