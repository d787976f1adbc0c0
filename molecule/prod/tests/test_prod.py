"""Argo CD deploys. The tests run in this order: first what stands, then what must not be done, then promotions."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography import x509
from platform_fixtures import verdict_of
from prod_fixtures import ARGOCD, CERT_MANAGER, READER, arguments_of_all_programs, changed, said

HEALTH = {"query": "{ health }"}


# --- What stands ---


def test_argo_cd_has_deployed_what_git_says(server):
    assert server.state() == ("Synced", "Healthy")
    assert server.tags() == server.tags_in_git() == {"sha-aaaaaaa"}
    assert server.application()["status"]["sync"]["revision"] == server.git("rev-parse", "main")


def test_the_smoke_test_has_passed_through_the_ingress(server):
    log = server.kubectl("--namespace=luckyplans", "logs", "job/smoke-test")
    assert "ok      api-gateway through the ingress" in log
    assert "failed" not in log


def test_it_answers_by_its_name_and_proves_it(server):
    assert server.ask("/graphql", HEALTH) == (200, {"data": {"health": "API Gateway is running"}})


@pytest.mark.skipif(not CERT_MANAGER, reason="LUCKYPLANS_TEST_CERT_MANAGER_CHART names no chart of cert-manager")
def test_the_certificate_is_of_the_acme_server_and_is_kept(server):
    (issuer,) = server.get("clusterissuers.cert-manager.io")["items"]
    assert issuer["spec"]["acme"]["server"] == "https://acme.lp-prod.test:14000/dir"
    assert server.get("orders.acme.cert-manager.io")["items"][0]["status"]["state"] == "valid"
    served = base64.b64decode(server.get("secret", "luckyplans-tls")["data"]["tls.crt"]).decode()
    assert server.read(server.secrets / "acme.pem").strip() == served.strip()
    assert "Pebble Intermediate CA" in x509.load_pem_x509_certificate(served.encode()).issuer.rfc4514_string()
    kept = server.secrets / "cert-manager.json"
    assert server.mode(kept) == 0o600
    assert sorted(json.loads(server.read(kept))) == ["cert-manager/luckyplans-acme-account", "luckyplans/luckyplans-tls"]


def test_the_administrator_has_the_password_of_the_vault(server):
    login = {"username": "admin", "password": server.vault["vault_argocd_admin_password"]}
    status, answer = server.ask("/argocd/api/v1/session", login)
    assert (status, bool(answer["token"])) == (200, True)
    assert server.ask("/argocd/api/v1/session", {**login, "password": "guessed"})[0] == 401


def test_nobody_made_a_password_besides(server):
    names = {item["metadata"]["name"] for item in server.get("secrets", namespace=ARGOCD)["items"]}
    assert {"argocd-secret", "luckyplans-repository"} <= names
    assert "argocd-initial-admin-secret" not in names


def test_the_project_allows_this_application_alone(server):
    spec = server.get("appprojects.argoproj.io", "luckyplans", namespace=ARGOCD)["spec"]
    assert spec["sourceRepos"] == ["http://git.lp-prod.test:8000/team/luckyplans.git"]
    assert spec["destinations"] == [{"namespace": "luckyplans", "server": "https://kubernetes.default.svc"}]
    assert {"group": "", "kind": "Secret"} not in spec["namespaceResourceWhitelist"]


def test_the_release_is_not_helms(server):
    releases = json.loads(server.helm("list", "--all-namespaces", "--output=json"))
    assert sorted(release["name"] for release in releases) == ["argocd", *(["cert-manager"] if CERT_MANAGER else []), "traefik"]


def test_status_tells_what_argo_cd_says(server):
    result = server.playbook("status.yml", push=False, output="json")
    assert result.returncode == 0, result.stdout
    checks = {item["subject"]: item for item in verdict_of(result.stdout)["checks"]}
    assert checks["application argocd/luckyplans"]["state"] == "healthy"


def secrets_of(name, text):
    """What of a file of secrets must be nowhere else: a line of each key, as PEM and as Kubernetes writes it."""
    if name.endswith(".json"):
        encoded = [secret["data"]["tls.key"] for secret in json.loads(text).values()]
        return [part for key in encoded for part in (key[100:200], base64.b64decode(key).decode().splitlines()[1])]
    return [text.splitlines()[1] if "\n" in text else text]


def test_no_secret_is_in_any_output_argument_object_or_file(server):
    """At -vvv, with every role looking for itself; in the releases, the objects and the events; in the server's files."""
    with arguments_of_all_programs() as arguments:
        result = server.playbook("../site.yml", "-vvv", push=False, preflight_skip_settled=False)
    assert (result.returncode, changed(result)) == (0, 0), result.stdout
    kinds = "configmaps,events,deployments,statefulsets,applications.argoproj.io,appprojects.argoproj.io,jobs,pods"
    seen = {
        "output": result.stdout + result.stderr,
        "arguments": "\n".join(arguments),
        "release": server.helm("--namespace=argocd", "get", "all", "argocd"),
        "objects": server.kubectl("get", kinds, "--all-namespaces", "--output=json"),
        "records": server.host.check_output("cat /root/.luckyplans/clusters/luckyplans/*.json"),
        "files": server.host.check_output("grep --recursive --text --fixed-strings canary- /root /home /etc /opt /tmp /var/log /var/tmp || test $? = 1"),
    }
    assert "helm" in seen["arguments"] and "sshd" in seen["arguments"]
    kept = {name: server.read(server.secrets / name).strip() for name in server.names(server.secrets) if not name.endswith(".pem")}
    assert set(kept) == ({"cert-manager.json", "jwt-secret"} if CERT_MANAGER else {"ca.key", "server.key", "jwt-secret"})
    secrets = [secret for name, text in kept.items() for secret in secrets_of(name, text)] + ["canary-"]
    assert [(value, place) for value in secrets for place, text in seen.items() if value in text] == []
    assert [name for name in kept if server.mode(server.secrets / name) != 0o600] == []


# --- What must not be done ---


def test_helm_is_refused_before_anything_is_changed(server):
    result = server.playbook("../site.yml", push=False, platform_deploy="helm", platform_git_url="")
    text = said(result)
    assert "its next sync would undo what Helm does" in text
    assert "-e luckyplans_break_glass=luckyplans" in text
    assert changed(result) == 0


def test_the_glass_wants_the_name_of_the_cluster(server):
    text = said(server.playbook("../site.yml", "--tags=luckyplans", push=False, luckyplans_break_glass="yes"))
    assert "is not the name of this cluster, luckyplans" in text
    assert "break-glass.log" not in server.names(server.cluster_dir)


def test_a_broken_glass_pauses_is_noted_and_ends_with_the_next_run(server):
    result = server.playbook("../site.yml", "--tags=luckyplans", push=False, luckyplans_break_glass="luckyplans")
    assert result.returncode == 0, result.stdout
    assert "automated" not in server.application()["spec"]["syncPolicy"]
    assert "luckyplans_break_glass" in server.read(server.cluster_dir / "break-glass.log")
    status = verdict_of(server.playbook("status.yml", push=False, output="json").stdout)
    assert [item["detail"].endswith("automatic syncs are paused") for item in status["checks"] if item["state"] == "warning"] == [True]
    # what is done by hand stays, and is undone afterwards
    server.kubectl("--namespace=luckyplans", "scale", "deployment", "web", "--replicas=3")
    again = server.playbook("../site.yml", "--tags=luckyplans", push=False)
    assert again.returncode == 0, again.stdout
    assert server.get("deployment", "web")["spec"]["replicas"] == 2


def test_tags_come_from_git_alone(server):
    text = said(server.playbook("../site.yml", "--tags=luckyplans", push=False, luckyplans_values={"web": {"image": {"tag": "sha-bbbbbbb"}}}))
    assert "luckyplans_values sets web.image, and with platform_deploy gitops images come from git alone" in text


def test_a_login_that_may_not_read_is_told(server):
    wrong = {"username": "reader", "password": "wrong"}
    text = said(server.playbook("../site.yml", "--tags=luckyplans", push=False, luckyplans_git_credential=wrong, luckyplans_sync_patience=5))
    assert "give luckyplans_git_credential a login that may read platform_git_url" in text
    result = server.playbook("../site.yml", "--tags=luckyplans", push=False)
    assert result.returncode == 0, result.stdout


def test_a_path_that_is_not_there_is_told(server):
    text = said(server.playbook("../site.yml", "--tags=luckyplans", push=False, luckyplans_git_path="no/such/chart", luckyplans_sync_patience=5))
    assert "see that luckyplans_git_path is the directory of the chart in the repository" in text
    result = server.playbook("../site.yml", "--tags=luckyplans", push=False)
    assert result.returncode == 0, result.stdout


# --- Promotions ---


def test_a_promotion_needs_images_that_are_there(server):
    before = server.git("rev-parse", "main")
    text = said(server.playbook("promote.yml", tag="sha-nowhere"))
    assert "The image registry.lp-prod.test:5000/takeshi-su57/web:sha-nowhere of web does not exist." in text
    assert server.git("rev-parse", "main") == before


def test_a_promotion_needs_a_login_that_may_push(server):
    reader = {"username": "reader", "password": READER}
    text = said(server.playbook("promote.yml", tag="sha-bbbbbbb", promotion_git_credential=reader))
    assert "give promotion_git_credential a login that may push" in text
    assert server.tags_in_git() == {"sha-aaaaaaa"}


def test_a_promotion_in_check_mode_shows_the_commit_and_makes_none(server):
    result = server.playbook("promote.yml", "--check", "--diff", tag="sha-bbbbbbb")
    assert result.returncode == 0, result.stdout
    assert "sha-bbbbbbb" in result.stdout
    assert server.tags_in_git() == {"sha-aaaaaaa"}


def test_a_promotion_is_a_commit_that_runs(server):
    result = server.playbook("promote.yml", tag="sha-bbbbbbb")
    assert result.returncode == 0, result.stdout
    assert server.tags() == server.tags_in_git() == {"sha-bbbbbbb"}
    assert server.git("log", "-1", "--format=%s") == "deploy: sha-bbbbbbb"
    assert server.state() == ("Synced", "Healthy")


def test_the_same_again_is_no_commit(server):
    before = server.git("rev-parse", "main")
    result = server.playbook("promote.yml", tag="sha-bbbbbbb")
    assert result.returncode == 0, result.stdout
    assert changed(result) == 0
    assert server.git("rev-parse", "main") == before


def test_a_build_that_does_not_run_is_taken_back(server):
    text = said(server.playbook("promote.yml", tag="sha-0bad000", luckyplans_sync_patience=10))
    assert "api-gateway:sha-0bad000: CrashLoopBackOff" in text
    assert "It was taken back by" in text
    assert server.tags() == server.tags_in_git() == {"sha-bbbbbbb"}
    assert server.git("log", "-1", "--format=%s") == 'Revert "deploy: sha-0bad000"'
    assert server.ask("/graphql", HEALTH)[0] == 200


def test_a_rollback_goes_to_what_ran_before(server):
    result = server.playbook("rollback.yml")
    assert result.returncode == 0, result.stdout
    assert server.tags() == server.tags_in_git() == {"sha-aaaaaaa"}


def test_a_rollback_to_what_never_was_is_refused(server):
    text = said(server.playbook("rollback.yml", tag="sha-fffffff"))
    assert "The tag sha-fffffff is not in the last commits of values.prod.yaml." in text
    assert "sha-bbbbbbb" in text
