# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.luckyplans.platform.plugins.filter.pod_images import FilterModule

pod_images = FilterModule().filters()["pod_images"]

DEPLOYMENT = """
kind: Deployment
spec:
  template:
    spec:
      initContainers:
        - {name: wait, image: "busybox:1"}
      containers:
        - {name: web, image: "luckyplans/web:c-1"}
        - {name: side, image: "redis@sha256:0123"}
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
        (DEPLOYMENT, ["busybox:1", "luckyplans/web:c-1", "redis@sha256:0123"]),
        (CRON_JOB, ["luckyplans/mailer:c-2"]),
        (
            f"{DEPLOYMENT}---{CRON_JOB}---{DEPLOYMENT}",
            ["busybox:1", "luckyplans/mailer:c-2", "luckyplans/web:c-1", "redis@sha256:0123"],
        ),
        ("kind: List\nitems: [{spec: {containers: [{image: a}]}}]", ["a"]),
        # what only looks like a pod
        ("kind: ConfigMap\ndata: {image: not-one, containers: none}", []),
        ("spec: {containers: null, initContainers: [{name: without-an-image}]}", []),
    ],
)
def test_every_image_once_in_order(manifests: str, images: list[str]) -> None:
    assert pod_images(manifests) == images
