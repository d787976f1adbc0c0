"""Each profile of ci/ and prod: applied to the API server as it is, and installed with the images of this machine."""

from __future__ import annotations

import http.client
import json
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from charts import CHART_DIR, PROD, PROFILES, load
from release_fixtures import HTTP_PORT, HTTPS_PORT, Release, eventually, merged

CI = [path for path in PROFILES if path != PROD]
APPLY = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "--field-manager=argocd-controller", "--filename=-")
# what stands in for a Redis somewhere else
EXTERNAL = {"config": {"redisHost": "redis.t-elsewhere.svc"}}


def name_of(path):
    return path.name.removesuffix("-values.yaml").removesuffix(".yaml").replace(".", "-")


@pytest.mark.parametrize("path", PROFILES, ids=name_of)
def test_the_api_server_takes_it_as_it_is(release, custom_resources, path):
    """Strictly: unknown and duplicate fields are errors."""
    applied = Release(release.platform, "t-dry")
    applied.make_namespace()
    applied.kubectl(*APPLY, stdin=applied.helm("template", "luckyplans", CHART_DIR, f"--values={path}"))


@pytest.fixture(scope="module")
def elsewhere(platform):
    """A Redis that is not the chart's."""
    redis = Release(platform, "t-elsewhere")
    redis.make_namespace()
    labels = {"app": "redis"}
    image = platform.images()["redis"]
    pod = {"name": "redis", "image": image, "command": ["redis-server"], "args": ["--port", "6380", "--protected-mode", "no"]}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": [pod]}}}
    service = {"selector": labels, "ports": [{"port": 6380}]}
    objects = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "redis"}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "redis"}, "spec": service},
    ]
    redis.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(objects))
    redis.kubectl("rollout", "status", "deployment/redis", "--timeout=60s")


@pytest.fixture(scope="module")
def installed(platform, custom_resources, elsewhere):
    """What became of each, by name: its release, or what Helm said. All at once, for each waits for its pods."""
    classes = {item["metadata"]["name"] for item in Release(platform).get("storageclasses")["items"]}

    def install(path):
        release = Release(platform, f"t-{name_of(path)}")
        release.make_namespace()
        values = load(path)
        if values.get("config", {}).get("redisHost"):
            values = merged(values, EXTERNAL)
        if values.get("redis", {}).get("persistence", {}).get("storageClass") not in classes:
            values = merged(values, {"redis": {"persistence": {"storageClass": ""}}})
        if not values.get("secrets", {}).get("create", True):
            release.kubectl("create", "secret", "generic", "luckyplans-secrets", "--from-literal=JWT_SECRET=" + "0123456789abcdef" * 4)
        release.upgrade(values=values)
        return release

    found = {}
    with ThreadPoolExecutor(3) as pool:
        for path, future in [(path, pool.submit(install, path)) for path in CI]:
            found[name_of(path)] = future
    yield found
    for path in CI:
        # First what takes requests of any host, and with them those of the next tests.
        Release(platform, f"t-{name_of(path)}").kubectl("delete", "ingress", "--all")
        Release(platform).kubectl("delete", "namespace", f"t-{name_of(path)}", "--wait=false")
    Release(platform).kubectl("delete", "namespace", "t-dry", "t-elsewhere", "--wait=false")


@pytest.mark.parametrize("path", CI, ids=name_of)
def test_it_comes_up(installed, path):
    release = installed[name_of(path)].result()
    pods = release.pods()
    assert len(pods) >= 3
    for name, item in pods.items():
        (status,) = item["status"]["containerStatuses"]
        assert (status["ready"], status["restartCount"]) == (True, 0), name
    logs = release.kubectl("logs", "--selector=app.kubernetes.io/part-of=luckyplans", "--all-containers", "--tail=-1")
    assert not [line for line in logs.splitlines() if "EROFS" in line or "EACCES" in line]
    if load(path).get("smokeTest", {}).get("enabled"):
        assert "ok      service-core through redis" in release.kubectl("logs", "job/smoke-test")
    # The services reach the Redis of this release, whichever it is.
    gateway = release.pod("api-gateway")
    question = (
        "fetch('http://localhost:3001/graphql', {method: 'POST', headers: {'content-type': 'application/json'},"
        " body: JSON.stringify({query: '{ plans { id } }'})}).then((answer) => answer.text()).then(console.log)"
    )
    assert json.loads(release.kubectl("exec", gateway, "--", "node", "-e", question)) == {"data": {"plans": []}}


def answer(port, path, host, tls=False):
    """Status and headers."""
    trusting = ssl._create_unverified_context()
    options = {"context": trusting} if tls else {}
    connection = (http.client.HTTPSConnection if tls else http.client.HTTPConnection)("127.0.0.1", port, timeout=10, **options)
    try:
        connection.request("GET", path, headers={"Host": host})
        found = connection.getresponse()
        return found.status, {key.lower(): value for key, value in found.getheaders()}, found.read().decode(errors="replace")
    except OSError as error:
        return 0, {}, str(error)
    finally:
        connection.close()


@pytest.mark.parametrize("path", CI, ids=name_of)
def test_argo_cd_has_nothing_to_fight_over(installed, path):
    """Applied again as it is, and by another hand: no field of another owner, and none that the API server changed."""
    release = installed[name_of(path)].result()
    manifest = release.helm("get", "manifest", "luckyplans")
    release.kubectl(*APPLY, stdin=manifest)
    assert release.kubectl("diff", "--server-side", "--field-manager=argocd-controller", "--filename=-", stdin=manifest) == ""


HOST = "luckyplans.test"


@pytest.fixture(scope="module")
def tls(installed):
    release = installed["self-signed"].result()
    # Traefik reads its CRDs when it likes
    eventually(lambda: answer(HTTP_PORT, "/", HOST)[0] in (301, 302, 307, 308), 60)
    return release


def test_clear_text_is_redirected_for_a_while(tls):
    status, headers, _ = answer(HTTP_PORT, "/plans?x=1", HOST)
    assert status in (302, 307)
    assert headers["location"] == f"https://{HOST}/plans?x=1"
    # in clear it would be ignored, and it is not Traefik's to say there
    assert "strict-transport-security" not in headers


def test_https_answers_with_hsts(tls):
    status, headers, body = eventually(lambda: (found := answer(HTTPS_PORT, "/", HOST, tls=True))[0] == 200 and found, 30)
    assert headers["strict-transport-security"] == "max-age=300"
    assert "<h1>luckyplans</h1>" in body


def test_an_acme_challenge_is_answered_in_clear(tls):
    """The objects that cert-manager makes for HTTP-01, from the solver of the chart's own issuer."""
    path = "/.well-known/acme-challenge/token"
    script = f"require('http').createServer((q, a) => a.end(q.url === '{path}' ? 'token.key' : 'no')).listen(8089)"
    labels = {"acme.cert-manager.io/http01-solver": "true"}
    image = tls.get("deployment/api-gateway")["spec"]["template"]["spec"]["containers"][0]["image"]
    solver = {"name": "acmesolver", "image": image, "command": ["node", "-e", script]}
    rule = {"path": path, "pathType": "Exact", "backend": {"service": {"name": "solver", "port": {"number": 8089}}}}
    template = yaml.safe_load(tls.helm("template", "luckyplans", CHART_DIR, "--show-only=templates/cluster-issuer.yaml", values=merged(
        load(CHART_DIR / "ci/self-signed-values.yaml"), {"ingress": {"tls": {"certificate": "letsencrypt"}}}
    )))["spec"]["acme"]["solvers"][0]["http01"]["ingress"]
    objects = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "solver", "labels": labels}, "spec": {"containers": [solver]}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "solver"}, "spec": {"selector": labels, "ports": [{"port": 8089}]}},
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "solver", **template["ingressTemplate"]["metadata"]},
            "spec": {"ingressClassName": template["ingressClassName"], "rules": [{"host": HOST, "http": {"paths": [rule]}}]},
        },
    ]
    tls.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(objects))
    status, _, body = eventually(lambda: (found := answer(HTTP_PORT, path, HOST))[0] == 200 and found, 60)
    assert (status, body) == (200, "token.key")
    assert answer(HTTP_PORT, "/", HOST)[0] in (302, 307)
