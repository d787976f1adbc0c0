# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.luckyplans.platform.plugins.filter import secret_consumers as module

secret_consumers = module.FilterModule().filters()["secret_consumers"]

REFERENCE = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "A"}}}


def workload(pod: dict[str, Any] | None = None, kind: str = "Deployment", labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    pod = {"containers": [{"name": "c"}], **(pod or {})}
    metadata = {"labels": labels} if labels else {}
    return {"kind": kind, "metadata": {"name": "w"}, "spec": {"template": {"metadata": metadata, "spec": pod}, **spec}}


def used(pod: dict[str, Any]) -> list[str]:
    found = secret_consumers([workload(pod)], "s", ["A", "B"])
    return found[0]["keys"] if found else []


@pytest.mark.parametrize(
    ("pod", "keys"),
    [
        ({"containers": [{"env": [REFERENCE]}]}, ["A"]),
        ({"initContainers": [{"env": [REFERENCE]}]}, ["A"]),
        ({"containers": [{}, {"env": [{"name": "PLAIN", "value": "s"}, REFERENCE, REFERENCE]}]}, ["A"]),
        ({"containers": [{"envFrom": [{"secretRef": {"name": "s"}}]}]}, ["A", "B"]),
        ({"volumes": [{"secret": {"secretName": "s"}}]}, ["A", "B"]),
        ({"volumes": [{"secret": {"secretName": "s", "items": [{"key": "B", "path": "b"}]}}]}, ["B"]),
        ({"volumes": [{"projected": {"sources": [{"configMap": {"name": "s"}}, {"secret": {"name": "s"}}]}}]}, ["A", "B"]),
        ({"volumes": [{"projected": {"sources": [{"secret": {"name": "s", "items": [{"key": "A", "path": "a"}]}}]}}]}, ["A"]),
    ],
)
def test_uses(pod: dict[str, Any], keys: list[str]) -> None:
    assert used(pod) == keys


@pytest.mark.parametrize(
    "pod",
    [
        {},
        {"containers": [{"env": None, "envFrom": None}], "volumes": None, "initContainers": None},
        {"containers": [{"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "other", "key": "A"}}}]}]},
        {"containers": [{"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "C"}}}]}]},
        {"containers": [{"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "s", "key": "A"}}}]}]},
        {"containers": [{"envFrom": [{"configMapRef": {"name": "s"}}]}]},
        {"volumes": [{"configMap": {"name": "s"}}, {"emptyDir": {}}]},
        {"volumes": [{"secret": {"secretName": "other"}}, {"projected": {"sources": [{"secret": {"name": "other"}}]}}]},
        {"imagePullSecrets": [{"name": "s"}]},
    ],
)
def test_does_not_use(pod: dict[str, Any]) -> None:
    assert used(pod) == []


def test_keys_come_in_the_order_that_was_asked_for() -> None:
    pod = {"containers": [{"envFrom": [{"secretRef": {"name": "s"}}]}]}
    assert secret_consumers([workload(pod)], "s", ["B", "A"])[0]["keys"] == ["B", "A"]


def test_it_says_whose_pods_they_are() -> None:
    pod = {"containers": [{"env": [REFERENCE]}]}
    labelled = workload(pod, kind="StatefulSet", labels={"app.kubernetes.io/component": "redis"})
    bare = workload(pod)
    del bare["spec"]["template"]["metadata"]
    found = secret_consumers([labelled, workload(), workload(pod), bare], "s", ["A"])
    told = [(item["kind"], item["name"], item["component"]) for item in found]
    assert told == [("StatefulSet", "w", "redis"), ("Deployment", "w", "w"), ("Deployment", "w", "w")]


@pytest.mark.parametrize(
    ("volumes", "spec", "persistent"),
    [
        ([], {}, False),
        ([{"name": "data", "emptyDir": {}}], {}, False),
        ([{"name": "data", "persistentVolumeClaim": {"claimName": "d"}}], {}, True),
        ([], {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}, True),
    ],
)
def test_it_says_whether_data_stay(volumes: list[Any], spec: dict[str, Any], persistent: bool) -> None:
    item = workload({"containers": [{"env": [REFERENCE]}], "volumes": volumes}, **spec)
    assert secret_consumers([item], "s", ["A"])[0]["persistent"] is persistent


@pytest.mark.parametrize("wrong", [None, "text", {"kind": "Deployment"}, ["hidden"], [{}]])
def test_what_are_no_objects_is_refused_and_not_shown(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        secret_consumers(wrong, "s", ["A"])
    assert "the input is no list of objects; give the resources" in str(error.value)
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize("arguments", [(), ("s",), (None, ["A"]), ("s", "A")])
def test_the_secret_and_its_keys_are_asked_for(arguments: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="give the name of a Secret, and a list of its keys"):
        secret_consumers([], *arguments)
