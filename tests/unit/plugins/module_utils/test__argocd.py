# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _argocd

OLD, NEW = "a" * 40, "b" * 40


def application(sync: str = "Synced", health: str = "Healthy", seen: str = NEW, phase: str = "Succeeded", at: str = NEW, **more: Any) -> dict[str, Any]:
    """An Application as the API gives it, at rest at NEW unless a test says otherwise."""
    operation = {"phase": phase, "syncResult": {"revision": at}, **more.pop("operation", {})}
    status = {"sync": {"status": sync, "revision": seen}, "health": {"status": health}, "operationState": operation, **more}
    return {"metadata": {"name": "luckyplans"}, "status": status}


def condition(kind: str, message: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "message": message}]}


def pod(reason: str = "", message: str = "", name: str = "web-1", init: bool = False) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}} if reason else {"running": {}}
    return {
        "metadata": {"name": name},
        "status": {"initContainerStatuses" if init else "containerStatuses": [{"image": "registry.test/web:sha-1", "state": state}]},
    }


def resource(name: str, health: str, message: str = "") -> dict[str, Any]:
    return {"kind": "Deployment", "name": name, "health": {"status": health, "message": message}}


def event(name: str, message: str, at: str, **more: Any) -> dict[str, Any]:
    return {"involvedObject": {"kind": "Pod", "name": name}, "reason": "Failed", "message": message, "lastTimestamp": at, **more}


# --- judge ------------------------------------------------------------------------------------------------------------


def judged(seen: dict[str, Any], *pods: dict[str, Any], revision: str = NEW) -> _argocd.State:
    return _argocd.judge(seen, revision, pods)


def test_synced_and_healthy_is_done() -> None:
    state = judged(application(), pod())
    assert (state.state, state.text) == (_argocd.DONE, "Synced to bbbbbbbbbbbb and Healthy")


def test_whatever_revision_is_followed_is_right_where_none_is_wanted() -> None:
    assert judged(application(seen=OLD, at=OLD), revision="").state == _argocd.DONE


def test_what_is_seen_before_argocd_has_looked_says_nothing() -> None:
    seen = application(**condition("ComparisonError", "of before"))
    seen["metadata"]["annotations"] = {_argocd.REFRESH: "normal"}
    assert judged(seen) == _argocd.State(_argocd.UNDERWAY, "Argo CD is yet to look")


@pytest.mark.parametrize("seen", [{"metadata": {}}, {"metadata": {"annotations": None}, "status": {"conditions": None, "operationState": None}}])
def test_an_application_that_nobody_has_looked_at_is_underway(seen: dict[str, Any]) -> None:
    assert judged(seen, revision="") == _argocd.State(_argocd.UNDERWAY, "Unknown and Unknown")
    assert "at no revision and is to come to bbbbbbbbbbbb" in judged(seen).text


@pytest.mark.parametrize("kind", ["ComparisonError", "InvalidSpecError", "UnknownError"])
def test_an_error_that_argocd_tries_again_may_pass(kind: str) -> None:
    """Even where what was deployed before is well."""
    assert judged(application(**condition(kind, "no route"))) == _argocd.State(_argocd.FAILED, f"{kind}: no route", passing=True)


def test_another_commit_is_not_done() -> None:
    state = judged(application(seen=OLD, at=OLD))
    assert (state.state, state.text) == (_argocd.UNDERWAY, "Argo CD is at aaaaaaaaaaaa and is to come to bbbbbbbbbbbb")


def test_a_failure_of_another_commit_is_not_of_this_one() -> None:
    assert judged(application(seen=OLD, at=OLD, phase="Failed")).state == _argocd.UNDERWAY
    assert judged(application(sync="OutOfSync", at=OLD, phase="Failed")).state == _argocd.UNDERWAY


@pytest.mark.parametrize(("phase", "superseded"), [("Running", True), ("Terminating", False)])
def test_a_sync_of_an_older_commit_is_in_the_way_once(phase: str, superseded: bool) -> None:
    state = judged(application(sync="OutOfSync", phase=phase, at=OLD))
    assert (state.state, state.superseded) == (_argocd.UNDERWAY, superseded)
    assert "a sync of aaaaaaaaaaaa has to end before that of bbbbbbbbbbbb" in state.text


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_a_sync_that_failed_has_failed_for_good(phase: str) -> None:
    said = judged(application(sync="OutOfSync", phase=phase, operation={"message": "one or more objects failed to apply"}))
    assert (said.state, said.passing, said.text) == (_argocd.FAILED, False, "one or more objects failed to apply")
    assert judged(application(phase=phase)).text == "the sync of bbbbbbbbbbbb failed"


def test_an_automatic_sync_that_cannot_be_tried_may_pass() -> None:
    assert judged(application(sync="OutOfSync", **condition("SyncError", "retried 2 times"))) == _argocd.State(_argocd.FAILED, "retried 2 times", passing=True)


@pytest.mark.parametrize("init", [False, True])
@pytest.mark.parametrize("reason", sorted(_argocd.HOPELESS))
def test_a_pod_that_waits_in_vain_is_named(reason: str, init: bool) -> None:
    state = judged(application(health="Progressing"), pod("ContainerCreating", name="api-1"), pod(reason, "Back-off", init=init))
    assert (state.state, state.passing, state.pod) == (_argocd.FAILED, True, "web-1")
    assert state.text == f"Pod/web-1, registry.test/web:sha-1: {reason}: Back-off"


def test_it_is_not_done_while_a_hook_runs() -> None:
    state = judged(application(phase="Running", operation={"message": "waiting for completion of hook batch/Job/smoke-test"}))
    assert (state.state, state.superseded) == (_argocd.UNDERWAY, False)
    assert state.text == "Synced and Healthy: waiting for completion of hook batch/Job/smoke-test"


def test_degraded_may_pass_and_says_what_is() -> None:
    told = {"resources": [resource("web", "Degraded", "exceeded its progress deadline"), resource("api", "Healthy")]}
    state = judged(application(health="Degraded", **told))
    assert state == _argocd.State(_argocd.FAILED, "Deployment/web is Degraded: exceeded its progress deadline", passing=True)
    assert judged(application(health="Degraded")).text == "it is Degraded"


def test_degraded_while_a_sync_runs_is_underway() -> None:
    assert judged(application(health="Degraded", phase="Running")).state == _argocd.UNDERWAY


def test_what_is_waited_for_is_said() -> None:
    assert judged(application(health="Progressing", resources=[resource("web", "Progressing")])).text == "Synced and Progressing: Deployment/web is Progressing"


# --- stuck, warnings ----------------------------------------------------------------------------------------------------


def test_only_pods_that_wait_in_vain_are_stuck() -> None:
    found = _argocd.stuck([pod(), pod("PodInitializing", name="a"), {"metadata": {"name": "b"}}, pod("ErrImagePull", name="c")])
    assert found == {"c": "Pod/c, registry.test/web:sha-1: ErrImagePull"}


def test_warnings_are_of_the_objects_and_what_belongs_to_them_each_once_the_newest_last() -> None:
    events = [
        event("web-1", "second\n  line", "2026-11-26T08:00:02Z"),
        event("web-1", "first", "2026-11-26T08:00:01Z"),
        event("other", "not asked for", "2026-11-26T08:00:03Z"),
        event("web-1", "first", "2026-11-26T08:00:04Z"),
        event("web", "without a time", "", lastTimestamp=None),
        event("web", "third", "", lastTimestamp=None, eventTime="2026-11-26T08:00:05Z"),
    ]
    assert _argocd.warnings(events, ["web"]) == [
        "Pod/web: Failed: without a time", "Pod/web-1: Failed: first", "Pod/web-1: Failed: second line", "Pod/web: Failed: third",
    ]  # fmt: skip
    assert _argocd.warnings(events, ["web"], newest=1) == ["Pod/web: Failed: third"]
    assert _argocd.warnings(events, []) == []


# --- explain --------------------------------------------------------------------------------------------------------------


def test_the_explanation_has_everything_once_in_the_order_of_a_look() -> None:
    results = [
        {"kind": "Job", "name": "smoke-test", "hookPhase": "Failed", "message": "Job has reached the specified backoff limit"},
        {"kind": "Service", "name": "web", "status": "SyncFailed", "message": "port is taken"},
        {"kind": "ConfigMap", "name": "fine", "status": "Synced", "message": "unchanged"},
    ]
    seen = application(
        health="Degraded", phase="Failed", resources=[resource("web", "Degraded")], operation={"syncResult": {"revision": NEW, "resources": results}}
    )
    pods, events = [pod("ImagePullBackOff", "Back-off pulling image")], [event("web-1", "not found", "1"), event("fine", "unasked", "2")]
    text = _argocd.explain(_argocd.State(_argocd.FAILED, "Service/web: port is taken"), seen, pods, events, {"the smoke test": "ok\nfailed 1\n"})
    assert text.splitlines() == [
        "Service/web: port is taken",
        "Not applied:",
        "  Job/smoke-test: Job has reached the specified backoff limit",
        "Not healthy:",
        "  Deployment/web is Degraded",
        "Pods:",
        "  Pod/web-1, registry.test/web:sha-1: ImagePullBackOff: Back-off pulling image",
        "Warnings:",
        "  Pod/web-1: Failed: not found",
        "Last words of the smoke test:",
        "  ok",
        "  failed 1",
        "Next: promote a tag that is in the registry, or go back with playbooks/rollback.yml; a registry with a login needs luckyplans_pull_secret",
    ]


def test_without_sections_there_is_the_reason_and_the_next_step() -> None:
    assert _argocd.explain(_argocd.State(_argocd.FAILED, "odd"), {"metadata": {}}, [], [], {}) == f"odd\nNext: {_argocd.OTHERWISE}"


def test_the_warnings_of_the_pod_in_the_way_are_told() -> None:
    state = _argocd.State(_argocd.FAILED, "x", pod="api-7")
    assert "Pod/api-7: Failed: m" in _argocd.explain(state, {"metadata": {}}, [], [event("api-7", "m", "1")], {})


@pytest.mark.parametrize(
    "said",
    [
        "failed to list refs: https://reader:hunter2@git.test/app.git: 500",
        "REDIS_PASSWORD=hunter2",
        'env {"jwtSecret": "hunter2", "a": 1}',
        "password: 'hunter2 with a space'",
        'token="hunter2 with a space"',
        'msg="{\\"password\\":\\"hunter2\\"}"',
        "Authorization: Bearer hunter2",
        '{"authorization":"Basic hunter2"}',
    ],
)
def test_secrets_are_masked_wherever_they_are(said: str) -> None:
    for text in (
        _argocd.explain(_argocd.State(_argocd.FAILED, said), {"metadata": {}}, [], [], {}),
        _argocd.explain(_argocd.State(_argocd.FAILED, "x"), {"metadata": {}}, [], [], {"web": said}),
    ):
        assert "hunter2" not in text and "***" in text and "with a space" not in text


@pytest.mark.parametrize("said", ["resource :Secret is not permitted in project luckyplans", "it may require authorization: server message: no"])
def test_what_is_no_secret_is_not_masked(said: str) -> None:
    assert _argocd.mask(said) == said


GIT_LOGIN, ADDRESS, REVISION, PATH, VALUES, KINDS, REACH, IMAGE = (
    "luckyplans_git_credential", "address of the repository", "luckyplans_git_revision", "luckyplans_git_path",
    "luckyplans_git_values_files", "luckyplans_git_kinds", "argocd_git_authorities", "rollback.yml",
)  # fmt: skip
GENERATE = "Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = "
PULL = 'Pod/web-1, registry.test/web:sha-1: ImagePullBackOff: Back-off pulling image "registry.test/web:sha-1": ErrImagePull: failed to pull and unpack image: '
MESSAGES = {
    "rpc error: code = Unknown desc = authentication required: Unauthorized": GIT_LOGIN,
    "rpc error: code = Unknown desc = failed to list refs: invalid credentials": GIT_LOGIN,
    "rpc error: code = Unknown desc = ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey]": GIT_LOGIN,
    "rpc error: code = Unknown desc = failed to list refs: unexpected requesting \"https://git.test/app.git\" status code: 403": GIT_LOGIN,
    "rpc error: code = Unknown desc = failed to list refs: repository not found": ADDRESS,
    GENERATE + "Unable to resolve 'nowhere' to a commit SHA": REVISION,
    GENERATE + "infrastructure/helm/nowhere: app path does not exist": PATH,
    GENERATE + "`helm template .` failed exit status 1: Error: open /tmp/x/values.prod2.yaml: no such file or directory": VALUES,
    GENERATE + "`helm template .` failed exit status 1: Error: open /tmp/x/prod2.yaml: no such file or directory": VALUES,
    "one or more synchronization tasks are not valid: resource :Secret is not permitted in project luckyplans": KINDS,
    'failed to list refs: Get "https://git.test/app.git/info/refs?service=git-upload-pack": dial tcp: lookup git.test on 10.96.0.10:53: no such host': REACH,
    'Get "https://git.test/app.git/info/refs": tls: failed to verify certificate: x509: certificate signed by unknown authority': REACH,
    PULL + "registry.test/web:sha-1: not found": IMAGE,
    PULL + "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed": IMAGE,
    PULL + "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://registry.test/token: 401 Unauthorized": IMAGE,
    PULL + 'dial tcp: lookup registry.test: no such host': IMAGE,
    "Pod/web-1, web:sha-1: ImagePullBackOff": IMAGE,
    'Failed to pull image "registry.test/web:sha-1": 403 Forbidden': IMAGE,
    "Pod/web-1, web:sha-1: InvalidImageName: couldn't parse image reference": IMAGE,
    "Pod/web-1, web:sha-1: CrashLoopBackOff: back-off 10s restarting failed container": _argocd.OTHERWISE,
    GENERATE + "template: luckyplans/templates/web.yaml:9: executing at <.Values.web.image.tag>: nil pointer evaluating interface {}.tag": _argocd.OTHERWISE,
}  # fmt: skip


@pytest.mark.parametrize(("message", "step"), MESSAGES.items())
def test_the_next_step_fits_what_argocd_says(message: str, step: str) -> None:
    assert step in _argocd.explain(_argocd.State(_argocd.FAILED, message), {"metadata": {}}, [], [], {}).rpartition("\nNext: ")[2]
