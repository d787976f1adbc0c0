"""From every earlier chart to this one, on a cluster."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from history import earlier
from release_fixtures import Release, component_of

PERSISTENT = {"redis": {"persistence": {"enabled": True}}}


def test_earlier_releases_are_upgraded_and_keep_what_they_had(platform, tmp_path):
    charts = earlier(tmp_path)
    if not charts:
        pytest.skip("no history of the chart: not a git repository, or a shallow clone")
    # the first of each version: the last ones differ from them less than from this one
    wanted = [name for name in charts if name.endswith("-first")]
    with ThreadPoolExecutor(2) as pool:
        for name, kept in zip(wanted, pool.map(lambda name: upgraded(platform, name, charts[name]), wanted), strict=True):
            assert kept, name


def upgraded(platform, name, chart):
    release = Release(platform, f"t-from-{name.replace('.', '-')}")
    release.make_namespace()
    try:
        release.upgrade(chart, values=PERSISTENT)
        secret = release.get("secret/luckyplans-secrets")["data"]["JWT_SECRET"]
        claim = release.get("pvc/redis-data")["spec"]["volumeName"]
        release.upgrade(values=PERSISTENT)
        assert [item["status"] for item in json.loads(release.helm("history", "luckyplans", "--output=json"))] == ["superseded", "deployed"]
        assert release.get("secret/luckyplans-secrets")["data"]["JWT_SECRET"] == secret
        assert release.get("pvc/redis-data")["spec"]["volumeName"] == claim
        return {component_of(item) for item in release.pods().values()} == {"web", "api-gateway", "service-core", "redis"}
    finally:
        release.run("kubectl", "delete", "namespace", release.namespace, "--wait=false")
