# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.luckyplans.platform.plugins.module_utils import _plan
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Docker
from ansible_collections.luckyplans.platform.plugins.module_utils._dockerfile import parse
from ansible_collections.luckyplans.platform.plugins.modules import image_plan

FAKE = Path(__file__).parents[2] / "fixtures" / "images" / "fake_docker.py"
SPEC = importlib.util.spec_from_file_location("fake_docker", FAKE)
fake_docker = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fake_docker)

VALUES = """\
web:
  replicas: 1
  image: {tag: latest, digest: ""}
  buildArgs:
    graphqlUrl: "/graphql"
apiGateway:
  image: {tag: 1.5.0}
"""
WEB = "# syntax=docker/dockerfile:1\nFROM node:24 AS build\nCOPY package.json ./\nCOPY apps/web ./\nFROM node:24-slim\n"
API = "FROM node:24\nCOPY package.json ./\nCOPY apps/api-gateway ./\n"
ALL = "FROM redis:7\nCOPY . .\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An application repository with three services, one of which copies everything."""
    files = {
        ".dockerignore": "**/node_modules\n.git\n",
        "package.json": "{}",
        "apps/web/Dockerfile": WEB,
        "apps/web/index.js": "web",
        "apps/web/node_modules/x.js": "x",
        "apps/api-gateway/Dockerfile": API,
        "apps/api-gateway/main.js": "api",
        "apps/service-core/Dockerfile": ALL,
        "apps/service-core/Dockerfile.dockerignore": "*\n!apps/service-core\n",
        "apps/service-core/main.js": "core",
        "apps/mobile/README.md": "no image",
        "chart/Chart.yaml": "name: luckyplans\nversion: 0.1.0\n",
        "chart/values.yaml": VALUES,
    }
    root = tmp_path / "source"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    world = fake_docker.World(tmp_path / "world")
    world.put_program(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return world


@pytest.fixture
def run(world: Any, source: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run the module on the repository and return what it printed."""

    def call(check: bool = False, **options: Any) -> dict[str, Any]:
        given = {"source_dir": str(source), "chart_dir": str(source / "chart"), **options}
        capsys.readouterr()
        with patch_module_args({**given, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            image_plan.main()
        return json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def tags(source: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """The tags by service, with a Docker that has the given images; no process is started."""

    def call(records: dict[str, Any] | None = None, **options: Any) -> dict[str, str]:
        monkeypatch.setattr(
            Docker,
            "images",
            lambda _self, wanted: {name: value for name, value in (records or {}).items() if name in wanted},
        )
        defaults = {"values": {}, "values_files": None, "name_prefix": "luckyplans", "platform": "linux/amd64"}
        defaults |= {"registry": "", "mirror": False, "helm": ""}
        places = {"cache_file": None, "work_dir": None, "builtin_frontend": False}
        given = {"source_dir": str(source), "chart_dir": str(source / "chart"), **defaults, **places, **options}
        return {build["name"]: build["tag"] for build in _plan.plan(given, Docker())["builds"]}

    return call


def by_name(result: dict[str, Any]) -> dict[str, Any]:
    return {build["name"]: build for build in result["builds"]}


def test_the_plan_of_a_repository(run: Any, source: Path) -> None:
    result = run()
    assert result["changed"] is False
    assert list(by_name(result)) == ["api-gateway", "service-core", "web"]
    web = by_name(result)["web"]
    content = web["labels"]["io.luckyplans.content"]
    assert web == {
        "name": "web",
        "image": "luckyplans/web",
        "tag": f"c-{content[:16]}",
        "alias_tag": "latest",
        "dockerfile": str(source / "apps" / "web" / "Dockerfile"),
        "context": str(source),
        "args": {"NEXT_PUBLIC_GRAPHQL_URL": "/graphql"},
        "labels": {"io.luckyplans.content": content, "io.luckyplans.build-arg.NEXT_PUBLIC_GRAPHQL_URL": "/graphql"},
        "base_images": ["node:24", "node:24-slim"],
        "present": False,
        "aliased": True,
    }
    assert len(content) == 64
    gateway = by_name(result)["api-gateway"]
    assert gateway["alias_tag"] == "1.5.0"
    assert gateway["args"] == {}
    assert list(gateway["labels"]) == ["io.luckyplans.content"]
    assert by_name(result)["service-core"]["alias_tag"] == "latest"
    assert result["chart_values"] == {
        "web": {"image": {"tag": web["tag"]}},
        "apiGateway": {"image": {"tag": gateway["tag"]}},
        "serviceCore": {"image": {"tag": by_name(result)["service-core"]["tag"]}},
    }
    assert result["base_images"] == ["node:24", "redis:7", "node:24-slim"]
    assert result["needs_frontend"] is True


def test_images_of_a_cluster_that_pulls(run: Any) -> None:
    result = run(registry="registry.example.org/team/a")
    assert {build["image"] for build in result["builds"]} == {
        "registry.example.org/team/a/web",
        "registry.example.org/team/a/api-gateway",
        "registry.example.org/team/a/service-core",
    }
    assert result["chart_values"]["image"] == {"registry": "registry.example.org", "owner": "team/a"}
    assert result["mirrored"] == []


def test_images_that_nobody_builds_are_mirrored_where_asked(run: Any) -> None:
    values = {"redis": {"image": {"repository": "docker.io/library/redis", "tag": "7-alpine"}}}
    result = run(registry="localhost:5000/team", mirror=True, values=values)
    assert result["mirrored"] == [
        {"source": "docker.io/library/redis:7-alpine", "image": "localhost:5000/team/redis:7-alpine"}
    ]
    moved = {"repository": "localhost:5000/team/redis", "tag": "7-alpine", "digest": ""}
    assert result["chart_values"]["redis"] == {"image": moved}
    assert run(mirror=True, values=values)["mirrored"] == []


def test_an_image_named_by_its_digest_alone_is_mirrored_under_a_tag(run: Any) -> None:
    digest = "sha256:" + "0a" * 32
    result = run(registry="r.example/t", mirror=True, values={"redis": {"image": {"repository": "redis", "tag": "", "digest": digest}}})
    assert result["mirrored"] == [{"source": f"redis@{digest}", "image": "r.example/t/redis:sha256-0a0a0a0a0a0a0a0a"}]
    assert result["chart_values"]["redis"]["image"]["tag"] == "sha256-0a0a0a0a0a0a0a0a"


def test_an_image_is_present_by_tag_and_label(run: Any, world: Any) -> None:
    first = by_name(run(name_prefix="mine"))
    for name in ("web", "api-gateway"):
        reference = f"mine/{name}:{first[name]['tag']}"
        labels = first[name]["labels"] if name == "web" else {"io.luckyplans.content": "something else"}
        world.image(reference, [b"x"], Labels=labels)
    second = by_name(run(name_prefix="mine", check=True))
    assert {name: build["present"] for name, build in second.items()} == {
        "web": True,
        "api-gateway": False,
        "service-core": False,
    }
    assert {name: build["tag"] for name, build in second.items()} == {name: first[name]["tag"] for name in first}


ALL_THREE = {"web", "api-gateway", "service-core"}
EDITS: dict[str, tuple[Callable[[Path], Any], set[str]]] = {
    "one service's code": (lambda root: (root / "apps/web/index.js").write_text("edited"), {"web"}),
    "another service's code": (
        lambda root: (root / "apps/service-core/main.js").write_text("edited"),
        {"service-core"},
    ),
    "a shared file": (lambda root: (root / "package.json").write_text("{ }"), {"web", "api-gateway"}),
    "a file that nobody copies": (lambda root: (root / "README.md").write_text("x"), set()),
    "an ignored file": (lambda root: (root / "apps/web/node_modules/x.js").write_text("y"), set()),
    "the chart": (lambda root: (root / "chart/Chart.yaml").write_text("name: x\n"), set()),
    "a permission": (lambda root: (root / "apps/web/index.js").chmod(0o755), {"web"}),
    "a Dockerfile": (lambda root: (root / "apps/web/Dockerfile").write_text(WEB + "USER 1001\n"), {"web"}),
    "a Dockerfile's comment": (
        lambda root: (root / "apps/api-gateway/Dockerfile").write_text(API + "# x\n"),
        {"api-gateway"},
    ),
    "an ignore file to the same end": (
        lambda root: (root / ".dockerignore").write_text("**/node_modules/\n.git\n"),
        set(),
    ),
    "an ignore file": (lambda root: (root / ".dockerignore").write_text(".git\n"), {"web"}),
    "an ignore file that is copied itself": (
        lambda root: (root / "apps/service-core/Dockerfile.dockerignore").write_text("*\n\n!apps/service-core\n"),
        {"service-core"},
    ),
    "an ignore file of its own": (
        lambda root: (root / "apps/service-core/Dockerfile.dockerignore").write_text("apps/web\n"),
        {"service-core"},
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_the_tags_of_those_it_can_change(tags: Any, source: Path, edit: str) -> None:
    before = tags()
    change, expected = EDITS[edit]
    change(source)
    after = tags()
    assert {name for name in before if before[name] != after[name]} == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"platform": "linux/arm64"}, ALL_THREE),
        ({"values": {"web": {"buildArgs": {"graphqlUrl": "https://api.example.org/graphql"}}}}, {"web"}),
        ({"values": {"web": {"buildArgs": {"graphqlUrl": None}}}}, {"web"}),
        ({"values": {"web": {"replicas": 2}, "config": {"nodeEnv": "production"}}}, set()),
        ({"values": {"web": {"image": {"tag": "other"}}}}, set()),
        ({"values": {"apiGateway": {"buildArgs": {"other": "x"}}}}, set()),
        ({"values": {"apiGateway": {"buildArgs": {"graphqlUrl": "/x"}}}}, {"api-gateway"}),
        ({"name_prefix": "other"}, set()),
    ],
)
def test_an_option_changes_the_tags_of_those_it_can_change(
    tags: Any, options: dict[str, Any], expected: set[str]
) -> None:
    before, after = tags(), tags(**options)
    assert {name for name in before if before[name] != after[name]} == expected


def test_a_base_image_counts_by_its_recipe_where_docker_has_it(tags: Any) -> None:
    def docker_with(labels: dict[str, str] | None) -> dict[str, Any]:
        return {"redis:7": {"Config": {"Labels": labels}}}

    before = tags()
    assert tags(docker_with(None)) == tags(docker_with({"other": "x"})) == before
    first, second = tags(docker_with({"io.luckyplans.recipe": "1"})), tags(docker_with({"io.luckyplans.recipe": "2"}))
    for other in (first, second):
        assert {name for name in before if before[name] != other[name]} == {"service-core"}
    assert first != second


def test_triggers_of_a_base_image_make_everything_count(tags: Any, source: Path) -> None:
    base = {"node:24": {"Config": {"OnBuild": ["COPY . /app"]}}}
    before = tags(base)
    (source / "README.md").write_text("x")
    after = tags(base)
    assert {name for name in before if before[name] != after[name]} == {"web", "api-gateway"}


def test_values_files_are_merged_and_the_inventory_wins(run: Any, source: Path) -> None:
    (source / "more.yaml").write_text("web: {image: {tag: more}, buildArgs: {graphqlUrl: /more}}\n")
    (source / "empty.yaml").write_text("---\n")
    files = [str(source / "chart" / "values.yaml"), str(source / "more.yaml"), str(source / "empty.yaml")]
    web = by_name(run(values_files=files))["web"]
    assert (web["args"]["NEXT_PUBLIC_GRAPHQL_URL"], web["alias_tag"]) == ("/more", "more")
    values = {"web": {"buildArgs": {"graphqlUrl": "/inventory"}}}
    web = by_name(run(values_files=files, values=values))["web"]
    assert (web["args"]["NEXT_PUBLIC_GRAPHQL_URL"], web["alias_tag"]) == ("/inventory", "more")


def test_copies_for_the_builtin_frontend_leave_the_originals_alone(run: Any, source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    plain = by_name(run())
    result = run(builtin_frontend=True, work_dir=str(work))
    builds = by_name(result)
    assert {name: build["tag"] for name, build in builds.items()} == {name: plain[name]["tag"] for name in plain}
    assert result["needs_frontend"] is True
    copy = Path(builds["web"]["dockerfile"])
    assert copy.parent == work
    assert copy.read_text().endswith(WEB)
    assert parse(copy.read_text()).syntax == ""
    assert Path(f"{copy}.dockerignore").read_text() == (source / ".dockerignore").read_text()
    assert (source / "apps/web/Dockerfile").read_text() == WEB
    for name in ("api-gateway", "service-core"):
        assert builds[name]["dockerfile"] == plain[name]["dockerfile"]

    (source / "apps/web/Dockerfile.dockerignore").write_text("own\n")
    run(builtin_frontend=True, work_dir=str(work))
    assert Path(f"{copy}.dockerignore").read_text() == "own\n"
    (source / "apps/web/Dockerfile.dockerignore").unlink()
    (source / ".dockerignore").unlink()
    run(builtin_frontend=True, work_dir=str(work))
    assert Path(f"{copy}.dockerignore").read_text() == ""


def test_the_cache_changes_nothing_but_the_time(tags: Any, source: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache" / "content.json")
    before = tags()
    assert tags(cache_file=cache) == tags(cache_file=cache) == before
    (source / "apps/web/index.js").write_text("edited")
    assert tags(cache_file=cache) == tags() != before


def remove(*parts: str) -> Callable[[Path], Any]:
    return lambda root: root.joinpath(*parts).unlink()


def write(path: str, text: str) -> Callable[[Path], Any]:
    def change(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda root: (root / "apps").rename(root / "gone"), "has no apps/<name>/Dockerfile; name the checkout"),
        (remove("chart", "Chart.yaml"), "has no Chart.yaml; name the directory of the application's chart"),
        (remove("chart", "values.yaml"), "chart/values.yaml cannot be read: No such file or directory"),
        (write("chart/values.yaml", "a: [\n"), "chart/values.yaml is not valid YAML"),
        (write("chart/values.yaml", "- a\n"), "chart/values.yaml holds a list; it has to be a mapping"),
        (write("apps/Big/Dockerfile", "FROM a\n"), "apps/Big cannot be the name of an image"),
        (write("apps/web/Dockerfile", "RUN x\n"), "apps/web/Dockerfile cannot be understood: it has no FROM line"),
        (write("apps/web/Dockerfile", "FROM NO:1\n"), "image 'NO:1' has uppercase letters"),
        (write("apps/web/Dockerfile.dockerignore", "[\n"), "apps/web: the pattern '[' has a character class"),
    ],
)
def test_what_cannot_be_planned_is_told_in_one_sentence(run: Any, source: Path, change: Any, words: str) -> None:
    change(source)
    result = run()
    assert result["failed"] is True
    assert words in result["msg"]
    assert result["msg"].endswith(".")


def test_an_unreachable_docker_is_an_error_and_not_an_absent_image(run: Any, world: Any) -> None:
    world.set(down=True)
    result = run()
    assert result["failed"] is True
    assert result["msg"].startswith("Docker does not answer: Cannot connect to the Docker daemon")


def test_the_builtin_frontend_needs_a_work_dir(run: Any) -> None:
    assert "work_dir" in run(builtin_frontend=True)["msg"]


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": {"b": 1}}, {"a": None}, {}),
        ({"a": {"b": 1}}, {"a": "x"}, {"a": "x"}),
        ({"a": "x"}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({}, {"a": {"b": None}}, {"a": {"b": None}}),
    ],
)
def test_merge(base: dict[str, Any], over: dict[str, Any], merged: dict[str, Any]) -> None:
    assert _plan.merge(base, over) == merged


# --- Images of the rendered chart


def helm(source: Path, answer: str, rc: int = 0) -> str:
    """A helm that keeps what it is given and answers what was prepared."""
    (source / "answer").write_text(answer)
    program = source / "helm"
    program.write_text(f'#!/bin/sh\necho "$@" > {source}/argv\ncat > {source}/given\ncat {source}/answer\nexit {rc}\n')
    program.chmod(0o755)
    return str(program)


def test_others_are_what_the_rendered_chart_runs_and_nobody_builds(run: Any, source: Path) -> None:
    mine = "kind: Pod\nspec: {containers: [{image: luckyplans/web:old}, {image: 'docker.io/luckyplans/service-core:x'}]}\n"
    others = f"kind: Pod\nspec: {{initContainers: [{{image: 'busybox:1'}}], containers: [{{image: 'redis@sha256:{'0a' * 32}'}}]}}\n"
    result = run(helm=helm(source, f"{others}---\n{mine}"), values={"web": {"replicas": 2}})
    tag = by_name(result)["web"]["tag"]
    assert result["others"] == ["busybox:1", "redis@sha256:" + "0a" * 32]
    assert (source / "argv").read_text().split() == ["template", "luckyplans", f"{source}/chart", "--namespace=luckyplans", "--values=-"]
    assert yaml.safe_load((source / "given").read_text())["web"] == {"replicas": 2, "image": {"tag": tag}}
    assert "others" not in run()


@pytest.mark.parametrize(
    ("answer", "rc", "words"),
    [
        ("", 1, "cannot be rendered with these values: "),
        ("spec: {containers: [{image: Big:1}]}", 0, "runs image 'Big:1' has uppercase letters"),
    ],
)
def test_a_chart_that_cannot_be_rendered_is_an_error(run: Any, source: Path, answer: str, rc: int, words: str) -> None:
    assert words in run(helm=helm(source, answer, rc))["msg"]


def test_a_helm_that_is_not_there_is_named(run: Any) -> None:
    assert "helm /nowhere/helm cannot render chart_dir" in run(helm="/nowhere/helm")["msg"]


def test_a_human_tag_that_names_another_build_is_seen(run: Any, world: Any) -> None:
    plan = by_name(run())
    assert all(build["aliased"] for build in plan.values()), "neither is there"
    for name in ("web", "api-gateway"):
        build = plan[name]
        world.image(f"{build['image']}:{build['tag']}", [b"this"], Labels=build["labels"])
    world.image(f"luckyplans/web:{plan['web']['alias_tag']}", [b"that"])
    world.image(f"luckyplans/api-gateway:{plan['api-gateway']['alias_tag']}", [b"this"], Labels=plan["api-gateway"]["labels"])
    again = by_name(run())
    assert {name: build["aliased"] for name, build in again.items()} == {"web": False, "api-gateway": True, "service-core": True}
    assert again["web"]["present"] is True
