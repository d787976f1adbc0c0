"""Argo CD deploys. The tests run in this order: first what stands, then what must not be done, then promotions."""

from __future__ import annotations

import json

from gitops_fixtures import ARGOCD, READER, WRITER, said
from platform_fixtures import verdict_of

HEALTH = {"query": "{ health }"}


# --- What stands ---


def test_argo_cd_has_deployed_what_git_says(gitops):
    assert gitops.state() == ("Synced", "Healthy")
    assert gitops.tags() == gitops.tags_in_git() == {"sha-aaaaaaa"}
    assert gitops.application()["status"]["sync"]["revision"] == gitops.git("rev-parse", "main")


def test_the_smoke_test_has_passed_through_the_ingress(gitops):
    log = gitops.platform.kubectl("--namespace=luckyplans", "logs", "job/smoke-test")
    assert "ok      api-gateway through the ingress" in log
    assert "failed" not in log


def test_it_answers_by_its_name_and_proves_it(gitops):
    assert gitops.ask("/graphql", HEALTH) == (200, {"data": {"health": "API Gateway is running"}})


def test_the_administrator_has_the_password_that_is_kept(gitops):
    path = gitops.secrets / "argocd-admin-password"
    assert path.stat().st_mode & 0o777 == 0o600
    login = {"username": "admin", "password": path.read_text().strip()}
    status, answer = gitops.ask("/argocd/api/v1/session", login)
    assert (status, bool(answer["token"])) == (200, True)
    assert gitops.ask("/argocd/api/v1/session", {**login, "password": "guessed"})[0] == 401


def test_nobody_made_a_password_besides(gitops):
    names = {item["metadata"]["name"] for item in gitops.platform.get("secrets", namespace=ARGOCD)["items"]}
    assert {"argocd-secret", "luckyplans-repository"} <= names
    assert "argocd-initial-admin-secret" not in names


def test_the_project_allows_this_application_alone(gitops):
    spec = gitops.platform.get("appprojects.argoproj.io", "luckyplans", namespace=ARGOCD)["spec"]
    assert spec["sourceRepos"] == [f"http://{gitops.platform.name}-git:8000/team/luckyplans.git"]
    assert spec["destinations"] == [{"namespace": "luckyplans", "server": "https://kubernetes.default.svc"}]
    assert {"group": "", "kind": "Secret"} not in spec["namespaceResourceWhitelist"]


def test_the_release_is_not_helms(gitops):
    helm = f"{gitops.platform.state_dir}/bin/helm --kubeconfig={gitops.platform.kubeconfig}"
    releases = json.loads(gitops.platform.host.check_output(f"{helm} list --all-namespaces --output=json"))
    assert sorted(release["name"] for release in releases) == ["argocd", "traefik"]


def test_status_tells_what_argo_cd_says(gitops):
    result = gitops.playbook("status.yml", push=False, output="json")
    assert result.rc == 0, result.stdout
    checks = {item["subject"]: item for item in verdict_of(result.stdout)["checks"]}
    assert checks["application argocd/luckyplans"]["state"] == "healthy"


def test_no_secret_is_in_any_output_object_or_file(gitops):
    """At -vvv, with every role looking for itself; in the releases, the objects and the events; in the records."""
    result = gitops.playbook("../site.yml", "-vvv", push=False)
    assert result.rc == 0, result.stdout
    platform = gitops.platform
    helm = f"{platform.state_dir}/bin/helm --kubeconfig={platform.kubeconfig}"
    kinds = "configmaps,events,deployments,statefulsets,applications.argoproj.io,appprojects.argoproj.io,jobs,pods"
    seen = {
        "output": result.stdout + result.stderr,
        "release": platform.host.check_output(f"{helm} --namespace=argocd get all argocd"),
        "objects": platform.kubectl("get", kinds, "--all-namespaces", "--output=json"),
        "records": "".join(path.read_text() for path in platform.cluster_dir.glob("*.json")),
    }
    kept = {path.name: path.read_text().strip() for path in gitops.secrets.iterdir() if path.suffix != ".pem"}
    assert {"argocd-admin-password", "jwt-secret", "redis-password"} <= set(kept)
    secrets = {"reader": READER, "writer": WRITER, **{name: value.splitlines()[1] if "\n" in value else value for name, value in kept.items()}}
    assert [(name, place) for name, value in secrets.items() for place, text in seen.items() if value in text] == []
    assert [path.name for path in gitops.secrets.iterdir() if path.stat().st_mode & 0o077 and path.suffix != ".pem"] == []


# --- What must not be done ---


def test_helm_is_refused_before_anything_is_changed(gitops):
    text = said(gitops.playbook("../site.yml", push=False, platform_deploy="helm", platform_git_url=""))
    assert "its next sync would undo what Helm does" in text
    assert f"-e luckyplans_break_glass={gitops.platform.name}" in text
    assert "changed=0" in text


def test_the_glass_wants_the_name_of_the_cluster(gitops):
    text = said(gitops.playbook("../site.yml", "--tags=luckyplans", push=False, luckyplans_break_glass="yes"))
    assert f"is not the name of this cluster, {gitops.platform.name}" in text
    assert not (gitops.platform.cluster_dir / "break-glass.log").exists()


def test_a_broken_glass_pauses_is_noted_and_ends_with_the_next_run(gitops):
    result = gitops.playbook("../site.yml", "--tags=luckyplans", push=False, luckyplans_break_glass=gitops.platform.name)
    assert result.rc == 0, result.stdout
    assert "automated" not in gitops.application()["spec"]["syncPolicy"]
    assert "luckyplans_break_glass" in (gitops.platform.cluster_dir / "break-glass.log").read_text()
    status = verdict_of(gitops.playbook("status.yml", push=False, output="json").stdout)
    assert [item["detail"].endswith("automatic syncs are paused") for item in status["checks"] if item["state"] == "warning"] == [True]
    # what is done by hand stays, and is undone afterwards
    gitops.platform.kubectl("--namespace=luckyplans", "scale", "deployment", "web", "--replicas=3")
    again = gitops.playbook("../site.yml", "--tags=luckyplans", push=False)
    assert again.rc == 0, again.stdout
    assert gitops.platform.get("deployment", "web")["spec"]["replicas"] == 2


def test_tags_come_from_git_alone(gitops):
    text = said(gitops.playbook("../site.yml", "--tags=luckyplans", push=False, luckyplans_values={"web": {"image": {"tag": "sha-bbbbbbb"}}}))
    assert "luckyplans_values sets web.image, and with platform_deploy gitops images come from git alone" in text


def test_a_login_that_may_not_read_is_told(gitops):
    wrong = {"username": "reader", "password": "wrong"}
    text = said(gitops.playbook("../site.yml", "--tags=luckyplans", push=False, luckyplans_git_credential=wrong, luckyplans_sync_patience=5))
    assert "give luckyplans_git_credential a login that may read platform_git_url" in text
    result = gitops.playbook("../site.yml", "--tags=luckyplans", push=False)
    assert result.rc == 0, result.stdout


def test_a_path_that_is_not_there_is_told(gitops):
    text = said(gitops.playbook("../site.yml", "--tags=luckyplans", push=False, luckyplans_git_path="no/such/chart", luckyplans_sync_patience=5))
    assert "see that luckyplans_git_path is the directory of the chart in the repository" in text
    result = gitops.playbook("../site.yml", "--tags=luckyplans", push=False)
    assert result.rc == 0, result.stdout


# --- Promotions ---


def test_a_promotion_needs_images_that_are_there(gitops):
    before = gitops.git("rev-parse", "main")
    text = said(gitops.playbook("promote.yml", tag="sha-nowhere"))
    assert "The image localhost:18050/takeshi-su57/web:sha-nowhere of web does not exist." in text
    assert gitops.git("rev-parse", "main") == before


def test_a_promotion_needs_a_login_that_may_push(gitops):
    reader = {"username": "reader", "password": READER}
    text = said(gitops.playbook("promote.yml", tag="sha-bbbbbbb", promotion_git_credential=reader))
    assert "give promotion_git_credential a login that may push" in text
    assert gitops.tags_in_git() == {"sha-aaaaaaa"}


def test_a_promotion_in_check_mode_shows_the_commit_and_makes_none(gitops):
    result = gitops.playbook("promote.yml", "--check", "--diff", tag="sha-bbbbbbb")
    assert result.rc == 0, result.stdout
    assert "sha-bbbbbbb" in result.stdout
    assert gitops.tags_in_git() == {"sha-aaaaaaa"}


def test_a_promotion_is_a_commit_that_runs(gitops):
    result = gitops.playbook("promote.yml", tag="sha-bbbbbbb")
    assert result.rc == 0, result.stdout
    assert gitops.tags() == gitops.tags_in_git() == {"sha-bbbbbbb"}
    assert gitops.git("log", "-1", "--format=%s") == "deploy: sha-bbbbbbb"
    assert gitops.state() == ("Synced", "Healthy")


def test_the_same_again_is_no_commit(gitops):
    before = gitops.git("rev-parse", "main")
    result = gitops.playbook("promote.yml", tag="sha-bbbbbbb")
    assert result.rc == 0, result.stdout
    assert "changed=0" in result.stdout
    assert gitops.git("rev-parse", "main") == before


def test_a_build_that_does_not_run_is_taken_back(gitops):
    text = said(gitops.playbook("promote.yml", tag="sha-0bad000", luckyplans_sync_patience=10))
    assert "api-gateway:sha-0bad000: CrashLoopBackOff" in text
    assert "It was taken back by" in text
    assert gitops.tags() == gitops.tags_in_git() == {"sha-bbbbbbb"}
    assert gitops.git("log", "-1", "--format=%s") == 'Revert "deploy: sha-0bad000"'
    assert gitops.ask("/graphql", HEALTH)[0] == 200


def test_a_rollback_goes_to_what_ran_before(gitops):
    result = gitops.playbook("rollback.yml")
    assert result.rc == 0, result.stdout
    assert gitops.tags() == gitops.tags_in_git() == {"sha-aaaaaaa"}


def test_a_rollback_to_what_never_was_is_refused(gitops):
    text = said(gitops.playbook("rollback.yml", tag="sha-fffffff"))
    assert "The tag sha-fffffff is not in the last commits of values.prod.yaml." in text
    assert "sha-bbbbbbb" in text
