"""The platform's own release: two replicas of everything, a password and a claim for Redis."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
import time
import uuid

import pytest
from charts import CHART_DIR
from platform_fixtures import HTTP_PORT
from release_fixtures import HEALTH, PAGE, PLANS, Load, ask, component_of, eventually

REUSE = ("--reuse-values", "--wait", "--timeout=240s")


class Secrets:
    """What must be seen nowhere, nor in the report of a test that fails."""

    def __init__(self, data):
        self._data = data

    def keys_in(self, text):
        return {key for key, value in self._data.items() for shape in (value, base64.b64decode(value).decode()) if shape in text}


@pytest.fixture(scope="module")
def secrets(release):
    return Secrets(release.get("secret/luckyplans-secrets")["data"])


def test_everything_is_there_twice_and_answers(release):
    counts: dict[str, int] = {}
    for item in release.pods().values():
        counts[component_of(item)] = counts.get(component_of(item), 0) + 1
    assert set(release.get("secret/luckyplans-secrets")["data"]) == {"JWT_SECRET", "REDIS_PASSWORD"}
    assert counts == {"web": 2, "api-gateway": 2, "service-core": 2, "redis": 1}
    assert [ask(request) for request in (PAGE, HEALTH, PLANS)] == ["", "", ""]


def test_a_browser_stays_with_the_pod_that_gave_it_the_page(release):
    """The scripts of a page are those of one version, and while another one is rolled only some pods have them."""

    def cookie_after(cookie=""):
        connection = http.client.HTTPConnection("localhost", HTTP_PORT, timeout=20)
        connection.request("GET", "/", headers={"Cookie": cookie})
        return (connection.getresponse().headers["Set-Cookie"] or cookie).partition(";")[0]

    def both_pods():
        found = {cookie_after() for _ in range(10)}
        assert all(cookie.startswith("luckyplans_web=") for cookie in found), found
        return found if len(found) == 2 else None

    # Traefik hears of a pod that has just become ready a moment later
    for pod in eventually(both_pods, 60):
        assert {cookie_after(pod) for _ in range(5)} == {pod}


def test_the_commands_of_the_design_document(release, secrets):
    values = release.helm("get", "values", "luckyplans", "--all")
    assert "replicas: 2" in values
    history = release.helm("history", "luckyplans")
    assert re.search(r"^1\s.*\sdeployed\s+luckyplans-", history, re.MULTILINE)
    assert not secrets.keys_in(values + history)


def test_the_values_in_the_record_hold_no_secret(release, secrets):
    """The rendered Secret is part of a release; values, which people print and copy, must not be."""
    records = release.get("secrets", "--selector=owner=helm,name=luckyplans")["items"]
    assert records
    for record in records:
        found = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(record["data"]["release"]))))
        values = json.dumps([found["config"], found["chart"]["values"]])
        assert not secrets.keys_in(values)


def test_redis_asks_for_its_password_and_shows_it_nowhere(release, secrets):
    redis = ("exec", release.pod("redis"), "--")
    assert "NOAUTH" in release.kubectl(*redis, "redis-cli", "ping")
    seen = release.kubectl(*redis, "sh", "-c", "cat /proc/1/cmdline /proc/1/environ | tr '\\0' '\\n'; env")
    assert "redis-server" in seen
    seen += release.kubectl("describe", "pods") + release.kubectl("logs", "--selector=app.kubernetes.io/part-of=luckyplans", "--all-containers")
    assert not secrets.keys_in(seen)


def test_only_the_two_services_may_reach_redis(release):
    """That the object stands: kind's and the packages' networks do not enforce it."""
    policy = release.get("networkpolicy/redis")["spec"]
    peers = [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in policy["ingress"][0]["from"]]
    assert peers == ["api-gateway", "service-core"]


def test_no_request_fails_while_everything_is_replaced(release):
    with Load(PAGE, HEALTH, PLANS) as load, release.rolling() as changed:
        time.sleep(2)
        release.kubectl("rollout", "restart", "deployment/web", "deployment/api-gateway", "deployment/service-core")
        release.settled()
        # the old pods end after the new ones are ready
        eventually(lambda: not [item for item in release.get("pods")["items"] if "deletionTimestamp" in item["metadata"]], 60)
    assert changed == {"web", "api-gateway", "service-core"}
    assert not load.problems
    assert load.answers["ok"] > 200


def test_pods_taken_away_in_a_rollout_are_not_missed(release):
    """As the drain of a node takes them."""
    with Load(PAGE, HEALTH) as load:
        release.kubectl("rollout", "restart", "deployment/web", "deployment/api-gateway")
        for component in ("web", "api-gateway"):
            release.kubectl("delete", "pod", release.pod(component), "--wait=false")
        release.settled()
    assert load.answers["ok"] > 40
    assert not load.problems


def test_pods_killed_in_a_rollout_are_replaced(release):
    """Without a word, as by the kernel or a node that is lost: what was under way there is lost, and nothing after it."""
    with Load(PAGE, HEALTH) as load:
        release.kubectl("rollout", "restart", "deployment/web", "deployment/api-gateway")
        for component in ("web", "api-gateway"):
            release.kubectl("delete", "pod", release.pod(component), "--force", "--grace-period=0")
        release.settled()
    with Load(PAGE, HEALTH) as afterwards:
        time.sleep(2)
    print(load.problems)
    assert len(load.problems) <= load.answers["ok"] * 0.05
    assert not afterwards.problems


def redis_cli(release, *arguments):
    login = 'REDISCLI_AUTH="$(cat /run/secrets/redis-password)" exec redis-cli "$@"'
    return release.kubectl("exec", release.pod("redis"), "--", "sh", "-c", login, "sh", *arguments).strip()


def test_a_redis_that_is_killed_takes_no_data_along_and_nobody_down(release):
    written = str(uuid.uuid4())
    assert redis_cli(release, "SET", "of-the-tests", written) == "OK"
    # the append-only file is written once a second
    time.sleep(2)
    before = release.pods()

    def another_redis_answers():
        fresh = [name for name, item in release.pods().items() if component_of(item) == "redis" and name not in before]
        return fresh and release.run("kubectl", "exec", fresh[0], "--", "redis-cli", "ping").returncode == 0

    with Load(PAGE, HEALTH) as load:
        release.kubectl("delete", "pod", release.pod("redis"), "--force", "--grace-period=0")
        eventually(another_redis_answers, 90)
        # by themselves: nobody restarts them
        eventually(lambda: not ask(PLANS, timeout=5), 90)
    assert not load.problems
    assert redis_cli(release, "GET", "of-the-tests") == written
    after = release.pods()
    services = {name for name, item in before.items() if component_of(item) != "redis"}
    assert services == {name for name, item in after.items() if component_of(item) != "redis"}
    for name in services:
        assert after[name]["status"]["containerStatuses"][0]["restartCount"] == 0, name


def test_a_changed_config_rolls_its_two_consumers_and_back(release):
    revision = json.loads(release.helm("history", "luckyplans", "--output=json"))[-1]["revision"]
    with Load(PAGE, HEALTH) as load:
        with release.rolling() as changed:
            release.helm("upgrade", "luckyplans", CHART_DIR, *REUSE, "--set=config.logLevel=debug")
        assert changed == {"api-gateway", "service-core"}
        assert release.get("configmap/luckyplans-config")["data"]["LOG_LEVEL"] == "debug"
        with release.rolling() as changed:
            release.helm("rollback", "luckyplans", str(revision), "--wait", "--timeout=240s")
        assert changed == {"api-gateway", "service-core"}
    assert release.get("configmap/luckyplans-config")["data"]["LOG_LEVEL"] == "info"
    assert [item["status"] for item in json.loads(release.helm("history", "luckyplans", "--output=json"))][-3:] == [
        "superseded",
        "superseded",
        "deployed",
    ]
    assert not load.problems


def test_a_rotated_key_rolls_those_that_use_it(release, secrets):
    """As the chart's README says it is done."""
    patch = '[{"op": "remove", "path": "/data/JWT_SECRET"}]'
    release.kubectl("patch", "secret", "luckyplans-secrets", "--type=json", f"--patch={patch}")
    with release.rolling() as changed:
        release.helm("upgrade", "luckyplans", CHART_DIR, *REUSE)
    assert changed == {"api-gateway"}
    now = release.kubectl("get", "secret/luckyplans-secrets", "--output=jsonpath={.data}")
    assert secrets.keys_in(now) == {"REDIS_PASSWORD"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"redis": {"persistence": {"enabled": True, "size": "512Mi"}}},
            r'redis.persistence.size is "512Mi", but the claim redis-data has 1Gi and cannot shrink',
        ),
        ({"serviceCore": {"replicas": -1}}, r"/serviceCore/replicas"),
    ],
    ids=["a claim that shrinks", "replicas below nothing"],
)
def test_the_role_stops_by_name_and_changes_nothing(release, platform, values, sentence):
    before = release.helm("history", "luckyplans", "--output=json")
    result = platform.playbook("local.yml", "--tags=luckyplans", f"--extra-vars={json.dumps({'luckyplans_values': values})}")
    assert result.rc != 0
    said = result.stdout.replace('\\"', '"')
    assert sentence in said, result.stdout
    after = release.helm("history", "luckyplans", "--output=json")
    assert [(item["revision"], item["status"]) for item in json.loads(after)] == [
        (item["revision"], item["status"]) for item in json.loads(before)
    ]
