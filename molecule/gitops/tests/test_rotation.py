"""New values for the secrets of a platform that Argo CD deploys; after test_gitops.py, on what it leaves."""

from __future__ import annotations

import base64
import time

from gitops_fixtures import ARGOCD, said
from platform_fixtures import NAMESPACE

HEALTH = {"query": "{ health }"}
NOTE = "luckyplans.platform/rotation"


def rotate(gitops, *arguments, **variables):
    return gitops.playbook("rotate.yml", *arguments, push=False, **variables)


def secret(gitops):
    return gitops.platform.get("secret", "luckyplans-secrets")


def value(gitops, key):
    return base64.b64decode(secret(gitops)["data"][key]).decode()


def kept(gitops, name):
    path = gitops.secrets / name
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text().strip()


def uids(gitops):
    """Of the pods that stay, by their component."""
    found: dict[str, set[str]] = {}
    for pod in gitops.platform.pods().values():
        found.setdefault(pod["metadata"]["labels"]["app.kubernetes.io/component"], set()).add(pod["metadata"]["uid"])
    return found


def settled(gitops):
    """What Argo CD says, once it has seen the new pods; it does not go out of sync on the way."""
    for _ in range(30):
        sync, health = gitops.state()
        assert sync == "Synced"
        if health == "Healthy":
            break
        time.sleep(1)
    return sync, health


def login(gitops, password):
    return gitops.ask("/argocd/api/v1/session", {"username": "admin", "password": password})[0]


def restarted(before, after):
    """Components of which no pod is one of before, and those of which some are not."""
    assert before.keys() == after.keys()
    return {name for name in before if not before[name] & after[name]}, {name for name in before if before[name] != after[name]}


def state(gitops):
    """Everything that a rotation changes."""
    return {
        "files": {path.name: path.read_bytes() for path in gitops.secrets.iterdir()},
        "application": secret(gitops),
        "argocd": gitops.platform.get("secret", "argocd-secret", namespace=ARGOCD)["data"],
        "deployments": {item["metadata"]["name"]: item["metadata"]["generation"] for item in gitops.platform.get("deployments")["items"]},
    }


def test_an_unknown_name_is_refused_before_anything_is_changed(gitops):
    before = state(gitops)
    text = said(rotate(gitops, rotation_secrets="jwt-secret,jwt-secrets"))
    assert "rotation_secrets names jwt-secrets, and no secret is called so." in text
    assert "Next: one or several of jwt-secret, redis-password, argocd-admin-password." in text
    assert "changed=0" in text
    assert state(gitops) == before


def test_check_mode_foretells_and_changes_nothing(gitops):
    before = state(gitops)
    result = rotate(gitops, "--check", "--diff")
    assert result.rc == 0, result.stdout
    assert "jwt-secret: would be generated anew; would be restarted: Deployment/api-gateway" in result.stdout
    assert "restartedAt" in result.stdout
    assert "changed=0" not in result.stdout
    assert state(gitops) == before
    assert [name for name, text in before["files"].items() if not name.endswith(".pem") and text.decode().strip() in result.stdout] == []


def test_a_new_jwt_secret_restarts_its_users_alone(gitops):
    before, pods = {key: value(gitops, key) for key in ("JWT_SECRET", "REDIS_PASSWORD")}, uids(gitops)
    result = rotate(gitops, "-vvv", "--diff", rotation_secrets=["jwt-secret"])
    assert result.rc == 0, result.stdout
    assert "jwt-secret: generated anew; restarted: Deployment/api-gateway" in result.stdout
    after = {key: value(gitops, key) for key in before}
    assert after["JWT_SECRET"] == kept(gitops, "jwt-secret") != before["JWT_SECRET"]
    assert after["REDIS_PASSWORD"] == before["REDIS_PASSWORD"]
    assert NOTE not in secret(gitops)["metadata"].get("annotations", {})
    assert restarted(pods, uids(gitops)) == ({"api-gateway"}, {"api-gateway"})
    assert gitops.ask("/graphql", HEALTH) == (200, {"data": {"health": "API Gateway is running"}})
    # neither undone nor taken for a difference
    assert settled(gitops) == ("Synced", "Healthy")
    assert restarted(pods, uids(gitops)) == ({"api-gateway"}, {"api-gateway"})
    texts = [text for one in (*before.values(), *after.values()) for text in (one, base64.b64encode(one.encode()).decode())]
    assert [number for number, text in enumerate(texts) if text in result.stdout + result.stderr] == []


def test_what_a_run_that_was_cut_off_left_is_finished(gitops):
    """Cut off after the file was renewed: the note is there, the Secret is old."""
    pods, old = uids(gitops), value(gitops, "JWT_SECRET")
    gitops.platform.kubectl(f"--namespace={NAMESPACE}", "annotate", "secret", "luckyplans-secrets", f"{NOTE}=JWT_SECRET")
    (gitops.secrets / "jwt-secret").write_text("a-value-of-the-run-that-was-cut-off-00000000\n")
    result = rotate(gitops, "-e", "rotation_secrets=[]")
    assert result.rc == 0, result.stdout
    assert "jwt-secret: left by a run before; restarted: Deployment/api-gateway" in result.stdout
    assert old != value(gitops, "JWT_SECRET") == kept(gitops, "jwt-secret") == "a-value-of-the-run-that-was-cut-off-00000000"
    assert NOTE not in secret(gitops)["metadata"].get("annotations", {})
    assert restarted(pods, uids(gitops)) == ({"api-gateway"}, {"api-gateway"})


def test_what_the_vault_says_already_stays(gitops):
    before = state(gitops)
    result = rotate(gitops, rotation_secrets="jwt-secret", luckyplans_jwt_secret=value(gitops, "JWT_SECRET"))
    assert result.rc == 0, result.stdout
    assert "jwt-secret: the Secret luckyplans-secrets has the value of luckyplans_jwt_secret already" in result.stdout
    assert "changed=0" in result.stdout
    assert state(gitops) == before


def test_a_new_password_of_argo_cd_is_the_one_that_logs_in(gitops):
    old, pods = kept(gitops, "argocd-admin-password"), uids(gitops)
    result = rotate(gitops, "-vvv", rotation_secrets="argocd-admin-password")
    assert result.rc == 0, result.stdout
    new = kept(gitops, "argocd-admin-password")
    deadline = time.monotonic() + 20
    while login(gitops, new) != 200 and time.monotonic() < deadline:
        time.sleep(1)
    assert (login(gitops, new), login(gitops, old)) == (200, 401)
    assert uids(gitops) == pods
    assert [name for name, text in {"old": old, "new": new}.items() if text in result.stdout + result.stderr] == []
