# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART_DIR = Path(__file__).resolve().parents[2] / "infrastructure" / "helm" / "luckyplans"


class Objects(list[dict[str, Any]]):
    """What a render gives, in its order."""

    def one(self, kind: str, name: str) -> dict[str, Any]:
        found = [item for item in self if (item["kind"], item["metadata"]["name"]) == (kind, name)]
        assert len(found) == 1, f"{len(found)} objects are {kind} {name}"
        return found[0]

    def kind(self, kind: str) -> dict[str, dict[str, Any]]:
        return {item["metadata"]["name"]: item for item in self if item["kind"] == kind}

    def pod_templates(self) -> dict[str, dict[str, Any]]:
        """By the name of the Deployment or Job."""
        return {
            item["metadata"]["name"]: item["spec"]["template"] for item in self if item["kind"] in ("Deployment", "Job")
        }


class Chart:
    def __init__(self, helm: str, env: dict[str, str], path: Path = CHART_DIR) -> None:
        self.helm, self.env, self.path = helm, env, path
        self.rendered: dict[str, Objects] = {}

    def run(
        self, *args: str, values: dict[str, Any] | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.helm, *args, "--values", "-"],
            input=json.dumps(values or {}),
            env=self.env | (env or {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def text(
        self,
        values: dict[str, Any] | None = None,
        file: Path | None = None,
        namespace: str = "luckyplans",
        options: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
    ) -> str:
        files = ["--values", str(file)] if file else []
        done = self.run(
            "template", "luckyplans", str(self.path), "--namespace", namespace, *files, *options, values=values, env=env
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def render(self, *args: Any, **kwargs: Any) -> Objects:
        """The objects; the same question is put to Helm once, so tests only read them."""
        question = repr((args, sorted(kwargs.items())))
        if question not in self.rendered:
            documents = yaml.load_all(self.text(*args, **kwargs), yaml.CSafeLoader)
            self.rendered[question] = Objects(item for item in documents if item)
        return self.rendered[question]

    def refusal(self, values: dict[str, Any]) -> str:
        done = self.run("template", "luckyplans", str(self.path), values=values)
        assert done.returncode != 0, "helm template accepted the values"
        return done.stderr


def find_helm() -> str | None:
    return os.environ.get("HELM") or shutil.which("helm") or shutil.which(Path.home() / ".luckyplans" / "bin" / "helm")


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Chart:
    helm = find_helm()
    if not helm:
        pytest.skip("no helm: neither the variable HELM, nor on PATH, nor ~/.luckyplans/bin/helm")
    home = tmp_path_factory.mktemp("helm")
    # Nothing of the user's Helm or cluster takes part.
    return Chart(helm, {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(home / "none")})
