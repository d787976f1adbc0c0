# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.modules import argocd_application

OLD, NEW = "a" * 40, "b" * 40
# Answers from files: each look at the Application is the next one, and the last one stays. A look without a file is a refused connection.
KUBECTL = """#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >> calls
case "$*" in
  *" get --output=json --namespace=argocd applications"*)
    looks=$(($(cat looks) + 1)); echo $looks > looks
    [ -e application.$looks ] || [ -e refused.$looks ] || looks=last
    [ -e application.$looks ] && exec cat application.$looks
    echo "The connection to the server 127.0.0.1:6443 was refused" >&2; exit 1;;
  *" pods") exec cat pods;;
  *" events "*) exec cat events;;
  *" logs "*"job/smoke-test"*) exec cat smoke;;
  *" logs "*--previous*) exec cat previous;;
esac
"""


def application(sync: str = "Synced", health: str = "Healthy", seen: str = NEW, phase: str = "Succeeded", at: str = NEW, **more: Any) -> dict[str, Any]:
    operation = {"phase": phase, "syncResult": {"revision": at}, **more.pop("operation", {})}
    return {"metadata": {}, "status": {"sync": {"status": sync, "revision": seen}, "health": {"status": health}, "operationState": operation, **more}}


DONE = application()
UNREADABLE = application(conditions=[{"type": "ComparisonError", "message": "authentication required: https://reader:hunter2@git.test"}])


class World:
    """A kubectl that answers what a test wants, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in {"looks": "0", "calls": "", "pods": "{}", "events": "{}", "smoke": "", "previous": "", "kubectl": KUBECTL}.items():
            (folder / name).write_text(text)
        (folder / "kubectl").chmod(0o755)

    def answers(self, *looks: dict[str, Any] | None) -> None:
        for number, look in enumerate(looks, 1):
            (self.folder / (f"application.{number}" if look else f"refused.{number}")).write_text(json.dumps(look))
        if looks[-1]:
            (self.folder / "application.last").write_text(json.dumps(looks[-1]))

    def items(self, name: str, *found: dict[str, Any]) -> None:
        (self.folder / name).write_text(json.dumps({"items": found}))

    def calls(self, verb: str) -> list[str]:
        return [line for line in (self.folder / "calls").read_text().splitlines() if f" {verb} " in line]

    @property
    def looks(self) -> int:
        return int((self.folder / "looks").read_text())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(argocd_application, "PAUSE", 0.02)
    return World(tmp_path)


@pytest.fixture
def run(world: World, run_module: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def call(**options: Any) -> dict[str, Any]:
        cluster = {"kubeconfig": "/k", "context": "kind-lp", "kubectl": str(world.folder / "kubectl")}
        result = run_module(argocd_application, name="luckyplans", destination="lp", **{"revision": NEW, **cluster, **options})
        assert result["changed"] is False
        return result

    return call


def test_done_is_said_at_once(world: World, run: Callable[..., dict[str, Any]]) -> None:
    world.answers(DONE)
    result = run()
    assert (result["healthy"], result["revision"], result["reason"]) == (True, NEW, "Synced to bbbbbbbbbbbb and Healthy")
    assert world.looks == 1
    assert world.calls("annotate") == [
        "--kubeconfig=/k --context=kind-lp --request-timeout=20s annotate --overwrite --namespace=argocd applications.argoproj.io/luckyplans "
        "argocd.argoproj.io/refresh=normal"
    ]
    assert world.calls("patch") == []


def test_argocd_is_asked_to_look_before_its_answer_is_taken(world: World, run: Callable[..., dict[str, Any]]) -> None:
    world.answers(DONE)
    run()
    verbs = [line.split()[3] for line in (world.folder / "calls").read_text().splitlines()]
    assert verbs[:2] == ["annotate", "get"]


def test_check_mode_looks_once_and_asks_for_nothing(world: World, run: Callable[..., dict[str, Any]]) -> None:
    world.answers(application(sync="OutOfSync", phase="Running", at=OLD))
    result = run(_ansible_check_mode=True)
    assert (result["healthy"], world.looks) == (False, 1)
    assert "a sync of aaaaaaaaaaaa has to end" in result["reason"]
    assert world.calls("annotate") + world.calls("patch") == []


def test_check_mode_masks_too(world: World, run: Callable[..., dict[str, Any]]) -> None:
    world.answers(UNREADABLE)
    reason = run(_ansible_check_mode=True)["reason"]
    assert "https://***@git.test" in reason and "hunter2" not in reason


def test_an_error_that_passes_is_waited_for(world: World, run: Callable[..., dict[str, Any]]) -> None:
    world.answers(UNREADABLE, application(sync="OutOfSync", at=OLD), UNREADABLE, DONE)
    assert (run(patience=30)["healthy"], world.looks) == (True, 4)


def test_an_error_that_lasts_ends_it_with_the_next_step(world: World, run: Callable[..., dict[str, Any]]) -> None:
    world.answers(UNREADABLE)
    begun = time.monotonic()
    result = run(patience=1)
    assert 1 <= time.monotonic() - begun < 10 and world.looks > 1
    assert result["healthy"] is False
    assert "authentication required" in result["reason"] and "hunter2" not in result["reason"]
    assert result["reason"].endswith("Next: give luckyplans_git_credential a login that may read platform_git_url")


def test_a_sync_that_failed_ends_it_at_once_with_the_last_words_of_the_smoke_test(world: World, run: Callable[..., dict[str, Any]]) -> None:
    world.answers(application(phase="Failed", operation={"message": "hook smoke-test failed"}))
    (world.folder / "smoke").write_text("GET / ok\nGET /graphql failed: 502\n")
    world.items("events", {"involvedObject": {"kind": "Pod", "name": "other"}, "message": "not asked for"})
    result = run(patience=600)
    assert (result["healthy"], world.looks) == (False, 1)
    assert result["reason"].splitlines() == [
        "hook smoke-test failed", "Last words of the smoke test:", "  GET / ok", "  GET /graphql failed: 502", "Next: mend it by a commit, and run again",
    ]  # fmt: skip


def test_a_pod_that_keeps_ending_is_told_with_its_last_words(world: World, run: Callable[..., dict[str, Any]]) -> None:
    world.answers(application(health="Progressing"))
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    world.items("pods", {"metadata": {"name": "api-1"}, "status": {"containerStatuses": [{"image": "api:sha-1", "state": waiting}]}})
    (world.folder / "previous").write_text("cannot reach redis\n")
    reason = run(patience=0)["reason"]
    assert "Pod/api-1, api:sha-1: CrashLoopBackOff: back-off\nLast words of api-1:\n  cannot reach redis\n" in reason
    assert all("--namespace=lp" in line for line in world.calls("logs"))


def test_a_sync_of_an_older_commit_is_ended(world: World, run: Callable[..., dict[str, Any]]) -> None:
    before, ending = (application(sync="OutOfSync", phase=phase, at=OLD) for phase in ("Running", "Terminating"))
    world.answers(before, ending, DONE)
    assert run()["healthy"] is True
    (patch,) = world.calls("patch")
    assert patch.endswith('applications.argoproj.io/luckyplans --type=merge --patch={"status": {"operationState": {"phase": "Terminating"}}}')


def test_the_time_ends_it(world: World, run: Callable[..., dict[str, Any]]) -> None:
    world.answers(application(seen=OLD, at=OLD))
    result = run(timeout=1)
    assert (result["healthy"], result["revision"]) == (False, OLD)
    assert result["reason"].startswith("not done within 1 s: Argo CD is at aaaaaaaaaaaa and is to come to bbbbbbbbbbbb\n")


def test_an_api_that_is_away_for_a_moment_is_waited_for(world: World, run: Callable[..., dict[str, Any]]) -> None:
    world.answers(None, None, DONE)
    assert (run(patience=30)["healthy"], world.looks) == (True, 3)


def test_an_api_that_stays_away_is_said(world: World, run: Callable[..., dict[str, Any]]) -> None:
    world.answers(None)
    result = run(patience=0)
    assert (result["healthy"], result["revision"]) == (False, "")
    assert "The connection to the server 127.0.0.1:6443 was refused" in result["reason"]


def test_an_answer_that_is_no_json_is_none(world: World, run: Callable[..., dict[str, Any]]) -> None:
    world.answers(DONE)
    (world.folder / "application.1").write_text("<html>a proxy")
    assert "no JSON: <html>a proxy" in run(patience=0)["reason"]
