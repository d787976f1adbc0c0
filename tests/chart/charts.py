# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the chart share: Helm, what it renders, and a few questions to it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
CHART_DIR = REPOSITORY / "infrastructure" / "helm" / "luckyplans"
PROD = CHART_DIR / "values.prod.yaml"
PROFILES = [*sorted((CHART_DIR / "ci").glob("*-values.yaml")), PROD]
# Without a random secret, so that renders can be compared.
FIXED: dict[str, Any] = {"secrets": {"create": False}}
AUTH: dict[str, Any] = {"redis": {"auth": {"enabled": True}}}
TLS: dict[str, Any] = {
    "config": {"corsOrigin": "https://plans.example.org"},
    "ingress": {"host": "plans.example.org", "tls": {"enabled": True}},
}


def with_tls(**tls: Any) -> dict[str, Any]:
    return TLS | {"ingress": {"host": "plans.example.org", "tls": {"enabled": True} | tls}}


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

    def container(self, name: str) -> dict[str, Any]:
        (container,) = self.pod_templates()[name]["spec"]["containers"]
        return container

    def selected(self, labels: dict[str, str]) -> set[str]:
        """Names of the Deployments and Jobs whose pods have the labels."""
        return {
            name for name, template in self.pod_templates().items() if labels.items() <= template["metadata"]["labels"].items()
        }


class Chart:
    def __init__(self, helm: str, env: dict[str, str], path: Path = CHART_DIR) -> None:
        self.helm, self.env, self.path = helm, env, path
        self.rendered: dict[str, Objects] = {}

    def at(self, path: Path) -> Chart:
        return Chart(self.helm, self.env, path)

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

    def refusal(self, values: dict[str, Any], options: tuple[str, ...] = (), env: dict[str, str] | None = None) -> str:
        done = self.run("template", "luckyplans", str(self.path), "--namespace=luckyplans", *options, values=values, env=env)
        assert done.returncode != 0, "helm template accepted the values"
        return done.stderr


def merged(base: Any, over: Any) -> Any:
    """Values as Helm merges them."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return base | {key: merged(base.get(key), value) for key, value in over.items()}


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def rolled(before: Objects, after: Objects) -> set[str]:
    """Whose pods a change replaces."""
    old, new = before.pod_templates(), after.pod_templates()
    assert old.keys() == new.keys()
    return {name for name in old if old[name] != new[name]}


def sources(objects: Objects, name: str) -> dict[str, set[str]]:
    """What a container takes from ConfigMaps and Secrets, as environment or as a file: keys by kind and name, "*" for all."""
    found: dict[str, set[str]] = {}
    pod = objects.pod_templates()[name]["spec"]
    (container,) = pod["containers"]
    for source in container.get("envFrom", []):
        ((kind, value),) = source.items()
        found.setdefault(f"{kind.removesuffix('Ref')}/{value['name']}", set()).add("*")
    for variable in container.get("env", []):
        for kind, value in variable.get("valueFrom", {}).items():
            assert variable["name"] == value["key"]
            found.setdefault(f"{kind.removesuffix('KeyRef')}/{value['name']}", set()).add(value["key"])
    for volume in pod["volumes"]:
        if "secret" in volume:
            found.setdefault(f"secret/{volume['secret']['secretName']}", set()).update(
                item["key"] for item in volume["secret"]["items"]
            )
    return found
