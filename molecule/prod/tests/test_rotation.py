"""New values for the secrets of a platform that Argo CD deploys; after test_prod.py, on what it leaves."""

from __future__ import annotations

import base64
import time

from platform_fixtures import NAMESPACE
from prod_fixtures import ARGOCD, changed, said

HEALTH = {"query": "{ health }"}
NOTE = "luckyplans.platform/rotation"


def rotate(server, *arguments, **variables):
    return server.playbook("rotate.yml", *arguments, push=False, **variables)


def secret(server):
    return server.get("secret", "luckyplans-secrets")


def value(server, key):
    return base64.b64decode(secret(server)["data"][key]).decode()


def kept(server, name):
    assert server.mode(server.secrets / name) == 0o600
    return server.read(server.secrets / name).strip()


def uids(server):
    """Of the pods that stay, by their component."""
    found: dict[str, set[str]] = {}
    for pod in server.pods().values():
        found.setdefault(pod["metadata"]["labels"]["app.kubernetes.io/component"], set()).add(pod["metadata"]["uid"])
    return found


def settled(server):
    """What Argo CD says, once it has seen the new pods; it does not go out of sync on the way."""
    for _ in range(30):
        sync, health = server.state()
        assert sync == "Synced"
        if health == "Healthy":
            break
        time.sleep(1)
    return sync, health


def login(server, password):
    return server.ask("/argocd/api/v1/session", {"username": "admin", "password": password})[0]


def restarted(before, after):
    """Components of which no pod is one of before, and those of which some are not."""
    assert before.keys() == after.keys()
    return {name for name in before if not before[name] & after[name]}, {name for name in before if before[name] != after[name]}


def state(server):
    """Everything that a rotation changes."""
    return {
        "files": {name: server.read(server.secrets / name) for name in server.names(server.secrets)},
        "application": secret(server),
        "argocd": server.get("secret", "argocd-secret", namespace=ARGOCD)["data"],
        "deployments": {item["metadata"]["name"]: item["metadata"]["generation"] for item in server.get("deployments")["items"]},
    }


def test_an_unknown_name_is_refused_before_anything_is_changed(server):
    before = state(server)
    result = rotate(server, rotation_secrets="jwt-secret,jwt-secrets")
    text = said(result)
    assert "rotation_secrets names jwt-secrets, and no secret is called so." in text
    assert "Next: one or several of jwt-secret, redis-password, argocd-admin-password." in text
    assert changed(result) == 0
    assert state(server) == before


def test_check_mode_foretells_and_changes_nothing(server):
    before = state(server)
    result = rotate(server, "--check", "--diff")
    assert result.returncode == 0, result.stdout
    assert "jwt-secret: would be generated anew; would be restarted: Deployment/api-gateway" in result.stdout
    assert "restartedAt" in result.stdout
    assert changed(result) > 0
    assert state(server) == before
    assert [name for name, text in before["files"].items() if not name.endswith(".pem") and text.strip() in result.stdout] == []


def test_a_new_jwt_secret_restarts_its_users_alone(server):
    before, pods = {key: value(server, key) for key in ("JWT_SECRET", "REDIS_PASSWORD")}, uids(server)
    result = rotate(server, "-vvv", "--diff", rotation_secrets=["jwt-secret"])
    assert result.returncode == 0, result.stdout
    assert "jwt-secret: generated anew; restarted: Deployment/api-gateway" in result.stdout
    after = {key: value(server, key) for key in before}
    assert after["JWT_SECRET"] == kept(server, "jwt-secret") != before["JWT_SECRET"]
    assert after["REDIS_PASSWORD"] == before["REDIS_PASSWORD"]
    assert NOTE not in secret(server)["metadata"].get("annotations", {})
    assert restarted(pods, uids(server)) == ({"api-gateway"}, {"api-gateway"})
    assert server.ask("/graphql", HEALTH) == (200, {"data": {"health": "API Gateway is running"}})
    # neither undone nor taken for a difference
    assert settled(server) == ("Synced", "Healthy")
    assert restarted(pods, uids(server)) == ({"api-gateway"}, {"api-gateway"})
    texts = [text for one in (*before.values(), *after.values()) for text in (one, base64.b64encode(one.encode()).decode())]
    assert [number for number, text in enumerate(texts) if text in result.stdout + result.stderr] == []


def test_what_a_run_that_was_cut_off_left_is_finished(server):
    """Cut off after the file was renewed: the note is there, the Secret is old."""
    pods, old = uids(server), value(server, "JWT_SECRET")
    server.kubectl(f"--namespace={NAMESPACE}", "annotate", "secret", "luckyplans-secrets", f"{NOTE}=JWT_SECRET")
    server.host.check_output("printf a-value-of-the-run-that-was-cut-off-00000000 > %s", str(server.secrets / "jwt-secret"))
    result = rotate(server, "-e", "rotation_secrets=[]")
    assert result.returncode == 0, result.stdout
    assert "jwt-secret: left by a run before; restarted: Deployment/api-gateway" in result.stdout
    assert old != value(server, "JWT_SECRET") == kept(server, "jwt-secret") == "a-value-of-the-run-that-was-cut-off-00000000"
    assert NOTE not in secret(server)["metadata"].get("annotations", {})
    assert restarted(pods, uids(server)) == ({"api-gateway"}, {"api-gateway"})


def test_what_the_vault_says_already_stays(server):
    before = state(server)
    result = rotate(server, rotation_secrets="jwt-secret", luckyplans_jwt_secret=value(server, "JWT_SECRET"))
    assert result.returncode == 0, result.stdout
    assert "jwt-secret: the Secret luckyplans-secrets has the value of luckyplans_jwt_secret already" in result.stdout
    assert changed(result) == 0
    assert state(server) == before


def test_a_new_password_of_argo_cd_is_the_one_that_logs_in(server):
    """The vault has it, so it was edited there."""
    old, new, pods = server.vault["vault_argocd_admin_password"], "canary-of-the-next-administrator", uids(server)
    result = rotate(server, "-vvv", rotation_secrets="argocd-admin-password", argocd_admin_password=new)
    assert result.returncode == 0, result.stdout
    deadline = time.monotonic() + 20
    while login(server, new) != 200 and time.monotonic() < deadline:
        time.sleep(1)
    assert (login(server, new), login(server, old)) == (200, 401)
    assert uids(server) == pods
    assert "canary-" not in result.stdout + result.stderr
