# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.luckyplans.platform.plugins.module_utils._manifests import RenderError, named_images, pod_images, render

DEPLOYMENT = """
kind: Deployment
spec:
  template:
    spec:
      initContainers:
        - {name: wait, image: "busybox:1"}
      containers:
        - {name: web, image: "luckyplans/web:c-1"}
        - {name: side, image: "redis@sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}
"""
CRON_JOB = """
kind: CronJob
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers:
            - {name: mail, image: "luckyplans/mailer:c-2"}
"""


@pytest.mark.parametrize(
    ("manifests", "images"),
    [
        ("", []),
        ("---\n---\n", []),
        (DEPLOYMENT, ["busybox:1", "luckyplans/web:c-1", "redis@sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"]),
        (CRON_JOB, ["luckyplans/mailer:c-2"]),
        (
            f"{DEPLOYMENT}---{CRON_JOB}---{DEPLOYMENT}",
            ["busybox:1", "luckyplans/mailer:c-2", "luckyplans/web:c-1", "redis@sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"],
        ),
        ("kind: List\nitems: [{spec: {containers: [{image: a}]}}]", ["a"]),
        # what only looks like a pod
        ("kind: ConfigMap\ndata: {image: not-one, containers: none}", []),
        ("spec: {containers: [text, {image: a}]}", ["a"]),
        ("spec: {containers: null, initContainers: [{name: without-an-image}]}", []),
    ],
)
def test_every_image_once_in_order(manifests: str, images: list[str]) -> None:
    assert pod_images(manifests) == images


def test_without_the_library_of_yaml_it_takes_longer_and_that_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert pod_images(CRON_JOB) == ["luckyplans/mailer:c-2"]


@pytest.mark.parametrize(
    ("metadata", "images"),
    [
        ("{}", ["a"]),
        ("null", ["a"]),
        ("{annotations: null}", ["a"]),
        ("{annotations: {helm.sh/hook: null}}", ["a"]),
        ("{annotations: {helm.sh/hook: pre-install}}", ["a"]),
        ("{annotations: {a.test/hook: test}}", ["a"]),
        ("{annotations: {helm.sh/hook: test}}", []),
        # as Helm 2 called it
        ("{annotations: {helm.sh/hook: test-success}}", []),
        ("{annotations: {helm.sh/hook: 'pre-install, test'}}", []),
        ("{annotations: {helm.sh/hook: 'pre-install,test'}}", []),
    ],
)
def test_what_only_tests_run_is_passed_over(metadata: str, images: list[str]) -> None:
    manifests = f"kind: Pod\nmetadata: {metadata}\nspec: {{containers: [{{image: a}}]}}\n"
    assert pod_images(manifests) == named_images(manifests) == images


@pytest.mark.parametrize(
    ("container", "images"),
    [
        ("image: b, args: ['--acme-solver-image=a:1', '--v=2']", ["a:1", "b"]),
        ("image: b, command: [run, '--image=a:1', 7], args: ['--image=c:1']", ["a:1", "b", "c:1"]),
        ("image: b, command: null, args: null", ["b"]),
        ("args: ['--image=a:1']", ["a:1"]),
        ("image: b, args: ['--image=', '--image=a b', '-image=a', 'x--image=a', '--images=a', '--Image=a']", ["b"]),
    ],
)
def test_images_that_an_argument_names(container: str, images: list[str]) -> None:
    assert named_images(f"spec: {{containers: [{{{container}}}]}}") == images


def helm(folder: Path, script: str) -> str:
    program = folder / "helm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(("more", "release"), [({}, "luckyplans"), ({"release": "traefik"}, "traefik")])
def test_the_chart_gets_its_values_through_a_pipe(tmp_path: Path, more: dict[str, str], release: str) -> None:
    program = helm(tmp_path, f'echo "$@" > {tmp_path}/argv; cat > {tmp_path}/given; echo "kind: größer"')
    assert render(program, "/chart", {"web": {"password": "canary"}}, 30, **more) == "kind: größer\n"
    assert (tmp_path / "argv").read_text() == f"template {release} /chart --namespace={release} --values=-\n"
    assert yaml.safe_load((tmp_path / "given").read_text()) == {"web": {"password": "canary"}}


@pytest.mark.parametrize(
    ("script", "timeout", "words"),
    [
        ("echo 'Error: no such template' >&2; exit 1", 30, "chart_dir /chart cannot be rendered with these values: Error: no such template"),
        ("exec sleep 60", 0.5, "{helm} cannot render chart_dir /chart: Command '['{helm}', 'template'"),
    ],
)
def test_why_a_chart_is_not_rendered(tmp_path: Path, script: str, timeout: float, words: str) -> None:
    program = helm(tmp_path, script)
    with pytest.raises(RenderError) as error:
        render(program, "/chart", {}, timeout)
    assert words.format(helm=program) in str(error.value)


def test_a_helm_that_is_not_there_is_named() -> None:
    with pytest.raises(RenderError) as error:
        render("/nowhere/helm", "/chart", {}, 30)
    assert str(error.value) == "helm /nowhere/helm cannot render chart_dir /chart: [Errno 2] No such file or directory: '/nowhere/helm'"
