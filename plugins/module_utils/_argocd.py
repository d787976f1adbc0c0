# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""What an Application of Argo CD says about itself: is it done, is it on its way, or has it failed, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

REFRESH = "argocd.argoproj.io/refresh"
DONE, UNDERWAY, FAILED = "done", "underway", "failed"
# Argo CD goes on asking, so that these may pass: a repository server that starts, a git server that is away for a moment.
PASSING = ("ComparisonError", "InvalidSpecError", "UnknownError")
# Reasons for which a container waits that no waiting mends.
HOPELESS = frozenset(
    ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "CrashLoopBackOff")
)
# What Argo CD or the kubelet says, and what to do about it. The first that fits.
STEPS = (
    # before those of git: a registry refuses in the same words
    (
        r"ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|pull(ing)? image",
        "promote a tag that is in the registry, or go back with playbooks/rollback.yml; a registry with a login needs luckyplans_pull_secret",
    ),
    (
        r"authentication required|invalid username|invalid credentials|authorization failed|permission denied|publickey|\b40[13]\b",
        "give luckyplans_git_credential a login that may read platform_git_url",
    ),
    (r"repository not found|does not appear to be a git|not found: did you run git update", "see that platform_git_url is the address of the repository"),
    (r"unable to resolve|couldn't find remote ref|unknown revision", "see that luckyplans_git_revision is a branch, tag or commit of the repository"),
    (r"app path does not exist|chart\.yaml file is missing", "see that luckyplans_git_path is the directory of the chart in the repository"),
    (r"\.ya?ml: no such file", "see that luckyplans_git_values_files are in the chart's directory"),
    (r"not permitted in project", "see luckyplans_git_kinds, which says what the project may hold"),
    (
        r"no such host|could not resolve|connection refused|i/o timeout|x509|certificate",
        "see that pods of the cluster reach the git server (argocd_git_authorities)",
    ),
)
OTHERWISE = "mend it by a commit, and run again"
# a password in an address, a login in a header, or a value that is called a secret
SECRETS = (
    (re.compile(r"(?<=://)[^/@\s]+@"), "***@"),
    (re.compile(r"""(?i)(authorization[\\"']*\s*[:=]\s*[\\"']*(?:Bearer|Basic|token)\s+)\S+"""), r"\1***"),
    (re.compile(r"""(?i)((?:secret|token|password|passwd)[\\"'\w-]*\s*[:=]\s*)(?:"[^"]*"|'[^']*'|\S+)"""), r"\1***"),
)


@dataclass(frozen=True)
class State:
    """One look at an Application. `passing` failures are failures only when they last."""

    state: str
    text: str
    passing: bool = False
    pod: str = ""
    """The pod that is in the way."""
    superseded: bool = False
    """A sync of an older commit goes on, and Argo CD does not begin another one before it ends."""


def mask(text: str) -> str:
    for pattern, stars in SECRETS:
        text = pattern.sub(stars, text)
    return text


def judge(application: Mapping[str, Any], revision: str, pods: Iterable[Mapping[str, Any]]) -> State:
    """Where the Application stands; a revision that is given has to be the one that runs."""
    if REFRESH in (application["metadata"].get("annotations") or {}):
        return State(UNDERWAY, "Argo CD is yet to look")
    status = application.get("status") or {}
    conditions = {item["type"]: item.get("message", "") for item in status.get("conditions") or []}
    for kind in PASSING:
        if kind in conditions:
            return State(FAILED, f"{kind}: {conditions[kind]}", passing=True)
    sync, health = (status.get(key) or {} for key in ("sync", "health"))
    operation = status.get("operationState") or {}
    at = (operation.get("syncResult") or {}).get("revision", "")
    seen = sync.get("revision", "")
    if revision and seen != revision:
        return State(UNDERWAY, f"Argo CD is at {seen[:12] or 'no revision'} and is to come to {revision[:12]}")
    running = operation.get("phase") in ("Running", "Terminating")
    if running and at and at != seen:
        return State(UNDERWAY, f"a sync of {at[:12]} has to end before that of {seen[:12]}", superseded=operation["phase"] == "Running")
    if operation.get("phase") in ("Failed", "Error") and at == seen:
        return State(FAILED, operation.get("message") or f"the sync of {at[:12]} failed")
    if "SyncError" in conditions:
        return State(FAILED, conditions["SyncError"], passing=True)
    hopeless = stuck(pods)
    if hopeless:
        pod, text = next(iter(hopeless.items()))
        return State(FAILED, text, passing=True, pod=pod)
    if sync.get("status") == "Synced" and health.get("status") == "Healthy" and not running:
        return State(DONE, f"Synced to {seen[:12]} and Healthy")
    if health.get("status") == "Degraded" and not running:
        return State(FAILED, "; ".join(unwell(status).values()) or "it is Degraded", passing=True)
    waiting = operation.get("message") if running else "; ".join(unwell(status).values())
    return State(UNDERWAY, f"{sync.get('status', 'Unknown')} and {health.get('status', 'Unknown')}{': ' + waiting if waiting else ''}")


def unwell(status: Mapping[str, Any]) -> dict[str, str]:
    """The objects that are not healthy, and what Argo CD says of them."""
    found = {}
    for item in status.get("resources") or []:
        health = item.get("health") or {}
        if health.get("status") not in (None, "Healthy"):
            found[item["name"]] = f"{item['kind']}/{item['name']} is {health['status']}{': ' + health['message'] if health.get('message') else ''}"
    return found


def unsynced(status: Mapping[str, Any]) -> dict[str, str]:
    """What the last sync could not apply, and the hooks that failed."""
    results = ((status.get("operationState") or {}).get("syncResult") or {}).get("resources") or []
    bad = [item for item in results if item.get("status") == "SyncFailed" or item.get("hookPhase") in ("Failed", "Error")]
    return {item["name"]: f"{item['kind']}/{item['name']}: {item.get('message') or item.get('hookPhase') or item['status']}" for item in bad}


def stuck(pods: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Pods with a container that waits for something that does not come by itself, and what it is."""
    found = {}
    for pod in pods:
        status = pod.get("status") or {}
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in HOPELESS:
                name = pod["metadata"]["name"]
                found[name] = f"Pod/{name}, {container['image']}: {waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    return found


def warnings(events: Iterable[Mapping[str, Any]], names: Iterable[str], newest: int = 8) -> list[str]:
    """The last warnings about objects of these names, or what belongs to them; each once."""
    names = tuple(names)
    ordered = sorted(events, key=lambda item: item.get("lastTimestamp") or item.get("eventTime") or "")
    lines = [
        " ".join(f"{item['involvedObject']['kind']}/{item['involvedObject']['name']}: {item.get('reason', '')}: {item.get('message', '')}".split())
        for item in ordered
        if item["involvedObject"]["name"].startswith(names)
    ]
    return list(dict.fromkeys(lines))[-newest:]


def next_step(text: str) -> str:
    return next((step for pattern, step in STEPS if re.search(pattern, text, re.IGNORECASE | re.DOTALL)), OTHERWISE)


def explain(
    state: State, application: Mapping[str, Any], pods: Iterable[Mapping[str, Any]], events: Iterable[Mapping[str, Any]], logs: Mapping[str, str]
) -> str:
    """Why, in the order in which a person would look; secrets masked. logs are last words, by whose they are."""
    status = application.get("status") or {}
    parts = {"Not applied": unsynced(status), "Not healthy": unwell(status), "Pods": stuck(pods)}
    names = [*filter(None, [state.pod]), *(name for found in parts.values() for name in found)]
    text = state.text + _section("Not applied", state.text, parts["Not applied"].values())
    text += _section("Not healthy", text, parts["Not healthy"].values()) + _section("Pods", text, parts["Pods"].values())
    step = next_step(text)
    text += _section("Warnings", text, warnings(events, names))
    for whose, log in logs.items():
        text += _section(f"Last words of {whose}", "", log.strip().splitlines())
    return mask(f"{text}\nNext: {step}")


def _section(title: str, said: str, lines: Iterable[str]) -> str:
    fresh = [line for line in lines if line not in said]
    return f"\n{title}:\n" + "\n".join(f"  {line}" for line in fresh) if fresh else ""
