# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.luckyplans.platform.plugins.module_utils import _recipe
from ansible_collections.luckyplans.platform.plugins.modules import package_recipe

ROOT = Path(__file__).resolve().parents[4]
PACKAGES = ROOT / "artifacts" / "packages"
LOCK = ROOT / "artifacts" / "lock.yml"

#: Stands in for Docker: an image is a file that is named as Docker lists it and holds its labels.
DOCKER = """\
#!{python} -SE
import json, os, pathlib, sys
world = pathlib.Path({world!r})
args = sys.argv[1:]
with open(world / "calls", "a") as stream:
    stream.write(" ".join(args) + "\\n")
if (world / "down").exists():
    sys.exit("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?")
def familiar(name):
    name = name[len("docker.io/library/"):] if name.startswith("docker.io/library/") else name
    return name if ":" in name else name + ":latest"
def path(name):
    return world / "images" / familiar(name).replace("/", "%")
if args[:2] == ["image", "inspect"]:
    found = [name for name in args[2:] if path(name).exists()]
    print(json.dumps([
        {{"RepoTags": [familiar(name)], "Config": {{"Labels": json.loads(path(name).read_text())}}}} for name in found
    ]))
    for name in args[2:]:
        if name not in found:
            print("Error response from daemon: No such image: " + name, file=sys.stderr)
    sys.exit(len(found) != len(args) - 2)
if args[0] == "tag":
    path(args[2]).write_text(path(args[1]).read_text())
elif args[0] == "build":
    path(args[args.index("--tag") + 1]).write_text(json.dumps(dict([args[args.index("--label") + 1].split("=")])))
else:
    sys.exit("unknown: " + " ".join(args))
"""
BUILD_FILES = '#!/bin/bash\nset -euo pipefail\necho "==> working"\necho done > "$OUT/result"\n'
BUILD_IMAGE = '#!/bin/bash\nset -euo pipefail\ndocker build --tag "$IMAGE" --label "io.luckyplans.recipe=$HASH" .\n'


class World:
    """A folder of recipes, a lock, a cache, and a Docker that is a script."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.recipes = root / "packages"
        self.cache = root / "cache"
        self.lock: dict[str, Any] = {}
        self.progress = root / "progress"
        for folder in ("packages", "images", "bin"):
            (root / folder).mkdir()
        docker = root / "bin" / "docker"
        docker.write_text(DOCKER.format(python=sys.executable, world=str(root)))
        docker.chmod(0o755)

    def recipe(self, name: str, build: str = BUILD_FILES, version: str = "1.0", **spec: Any) -> Path:
        folder = self.recipes / name
        folder.mkdir()
        (folder / "recipe.yml").write_text(json.dumps({"kind": "files", **spec}))
        (folder / "build").write_text(build)
        (folder / "build").chmod(0o755)
        self.lock.setdefault(name, {"version": version, "package": {"recipe": name}})
        return folder

    def image(self, name: str, **spec: Any) -> Path:
        return self.recipe(name, BUILD_IMAGE, kind="image", **spec)

    def params(self, **params: Any) -> dict[str, Any]:
        lock = self.root / "lock.yml"
        lock.write_text(json.dumps({"artifacts": self.lock}))
        common = {"recipes_dir": str(self.recipes), "lock_file": str(lock), "cache_dir": str(self.cache)}
        return {**common, **params}

    def calls(self) -> list[str]:
        calls = self.root / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def images(self) -> dict[str, Mapping[str, str]]:
        found = (self.root / "images").iterdir()
        return {path.name.replace("%", "/"): json.loads(path.read_text()) for path in found}

    def leftovers(self) -> list[str]:
        return sorted(path.name for path in (self.cache / "tmp").iterdir())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path)
    monkeypatch.setenv("PATH", f"{made.root / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LUCKYPLANS_PROGRESS_FILE", str(made.progress))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield made
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def run(world: World, capsys: pytest.CaptureFixture[str]):
    def go(check: bool = False, **params: Any) -> dict[str, Any]:
        capsys.readouterr()
        with patch_module_args({**world.params(**params), "_ansible_check_mode": check}), pytest.raises(SystemExit):
            package_recipe.main()
        return json.loads(capsys.readouterr().out)

    return go


# Names of images


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("redis", ("redis", "latest")),
        ("redis:7-alpine", ("redis", "7-alpine")),
        ("library/redis:7", ("redis", "7")),
        ("docker.io/library/redis:8.2-alpine", ("redis", "8.2-alpine")),
        ("index.docker.io/curlimages/curl:8.21.0", ("curlimages/curl", "8.21.0")),
        ("localhost:5000/redis", ("localhost:5000/redis", "latest")),
        ("ghcr.io/owner/redis:7", ("ghcr.io/owner/redis", "7")),
    ],
)
def test_canonical_repository(reference: str, expected: tuple[str, str]) -> None:
    assert _recipe.canonical_repository(reference) == expected


def test_an_image_by_digest_has_no_stand_in() -> None:
    with pytest.raises(_recipe.RecipeError, match="named by digest"):
        _recipe.canonical_repository("redis@sha256:" + "0" * 64)


# The lock and the hash


def test_flatten_takes_the_value_of_the_architecture() -> None:
    lock = {
        "recipe": "x",
        "wheel": {"name": "a-b", "sha256": {"amd64": "1", "arm64": "2"}},
        "npm": {"node": {"arm64": 3}},
    }
    assert _recipe.flatten(lock, "arm64") == {
        "RECIPE": "x",
        "WHEEL_NAME": "a-b",
        "WHEEL_SHA256": "2",
        "NPM_NODE": "3",
    }
    assert _recipe.flatten(lock, "amd64")["NPM_NODE"] == ""


def test_a_mapping_of_mappings_by_architecture() -> None:
    lock = {"node": {"amd64": {"name": "x64"}, "arm64": {"name": "arm"}}}
    assert _recipe.flatten(lock, "amd64") == {"NODE_NAME": "x64"}


def hash_of(world: World, name: str = "app", arch: str = "amd64") -> str:
    recipes = package_recipe.read_recipes(str(world.recipes))
    return _recipe.Cookbook(recipes, world.lock, arch).by_name(name).hash


def test_what_the_hash_depends_on(world: World) -> None:
    base = world.recipe("base")
    folder = world.recipe("app", needs=["base"])
    (folder / "data").write_text("1")
    first = hash_of(world)
    assert hash_of(world) == first
    assert hash_of(world, arch="arm64") != first

    (folder / "data").write_text("2")
    assert hash_of(world) != first
    (folder / "data").write_text("1")
    assert hash_of(world) == first
    (folder / "data").chmod(0o755)
    assert hash_of(world) != first
    (folder / "data").chmod(0o600)
    assert hash_of(world) == first, "bits that follow the umask are no content"
    (folder / "data").rename(folder / "other")
    assert hash_of(world) != first
    (folder / "other").rename(folder / "data")

    world.lock["app"]["upstream"] = {"note": "of no use to a build"}
    assert hash_of(world) == first
    world.lock["app"]["package"]["wheel"] = {"sha256": "1"}
    assert hash_of(world) != first
    del world.lock["app"]["package"]["wheel"]
    assert hash_of(world) == first

    (base / "build").write_text(BUILD_FILES + "\n")
    assert hash_of(world) != first


def test_parameters_are_part_of_the_hash_and_choose_the_entry(world: World) -> None:
    world.image(
        "node",
        artifact="node-{major}",
        parameters={"major": {"pattern": r"^(\d+)", "default": "24"}},
        stands_in_for=["node"],
    )
    world.lock = {"node-22": {"version": "22.1.0"}, "node-24": {"version": "24.2.0"}, "nodejs": {"version": "1"}}
    book = _recipe.Cookbook(package_recipe.read_recipes(str(world.recipes)), world.lock, "amd64")
    assert book.by_name("node").version == "24.2.0"
    assert book.by_image("node:22-alpine3.20").version == "22.1.0"
    assert book.by_image("docker.io/library/node:24-alpine").hash == book.by_image("node:lts").hash
    assert book.by_image("node:22").environment()["PARAMETER_MAJOR"] == "22"
    with pytest.raises(_recipe.RecipeError, match=r'"node:18-alpine" asks for node with major 18.*pinned are 22, 24\.'):
        book.by_image("node:18-alpine")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kind": "folder"}, 'says kind "folder"; it has to be one of files, image'),
        ({"need": ["x"]}, 'has the unknown key "need"; known keys are artifact,'),
        ({"parameters": {"major": "24"}}, "has an entry of the wrong form"),
    ],
)
def test_a_recipe_that_cannot_be_read(world: World, run: Any, spec: dict[str, Any], message: str) -> None:
    world.recipe("app", **spec)
    result = run(names=["app"])
    assert result["failed"]
    assert message in result["msg"]


def test_needs_that_cannot_be(world: World, run: Any) -> None:
    world.recipe("one", needs=["two"])
    world.recipe("two", needs=["one"])
    world.recipe("three", needs=["four"])
    assert "in a circle: one needs two needs one" in run(names=["one"])["msg"]
    assert 'The recipe "three" needs "four", which is no recipe' in run(names=["three"])["msg"]
    assert 'There is no recipe "five"; known recipes are one, three, two.' in run(names=["five"])["msg"]


def test_a_recipe_without_a_version(world: World, run: Any) -> None:
    world.recipe("app")
    world.recipe("own", artifact="")
    world.lock = {"else": {"version": "1"}}
    assert 'add the entry "app" to artifacts/lock.yml' in run(names=["app"])["msg"]
    assert run(names=["own"])["built"] == ["own"]


# Files


def test_files_are_built_once(world: World, run: Any) -> None:
    world.recipe("base", 'echo "==> of base"; echo base > "$OUT/base"'.join(["#!/bin/bash\n", "\n"]))
    world.recipe(
        "app",
        '#!/bin/bash\nset -eu\ncat "$NEED_BASE/base" > "$OUT/all"\n'
        'echo "$VERSION $ARCH $LOCK_FLAVOUR ${IMAGE:-no image}" >> "$OUT/all"\n'
        'test "$(pwd)" != "$OUT"; touch in-the-work-dir; test -w "$TMPDIR"; test -x "$PYTHON"\n',
        needs=["base"],
        version="2.5",
    )
    world.lock["app"]["package"]["flavour"] = "sweet"

    planned = run(check=True, names=["app"], arch="arm64")
    assert planned["changed"]
    assert planned["built"] == ["base", "app"]
    assert not world.cache.exists(), "a prediction leaves nothing behind"

    made = run(names=["app"], arch="arm64")
    assert made["built"] == ["base", "app"]
    assert set(made["paths"]) == {"app"}
    folder = Path(made["paths"]["app"])
    assert folder.parent == world.cache / "packages"
    assert re.fullmatch(r"app-[0-9a-f]{12}", folder.name)
    assert (folder / "all").read_text() == "base\n2.5 arm64 sweet no image\n"
    assert world.leftovers() == []
    assert not (world.recipes / "app" / "in-the-work-dir").exists()
    progress = world.progress.read_text()
    assert "package base 1.0: of base\n" in progress
    assert re.search(r"package app 2\.5: built in \d+ s\n", progress)

    again = run(names=["app"], arch="arm64")
    assert again["changed"] is False
    assert again["built"] == []
    assert again["paths"] == made["paths"]
    assert world.calls() == [], "files have nothing to ask Docker for"


def test_a_failed_build_names_the_log_and_its_end(world: World, run: Any) -> None:
    world.recipe("app", '#!/bin/bash\nseq 1 30\necho half > "$OUT/half"\necho "no such module" >&2\nexit 3\n')
    result = run(names=["app"])
    lines = result["msg"].splitlines()
    log = re.fullmatch(r'The recipe "app" failed with exit code 3; its log is "(.+)" and ends with:', lines[0])
    assert log
    assert lines[1:] == [str(number) for number in range(17, 31)] + ["no such module"]
    assert Path(log[1]).read_text().startswith("1\n2\n")
    assert world.leftovers() == []
    assert not (world.cache / "packages").exists()


def test_a_build_that_makes_nothing(world: World, run: Any) -> None:
    world.recipe("app", "#!/bin/bash\n")
    world.recipe("picture", "#!/bin/bash\n", kind="image")
    assert "left nothing in OUT" in run(names=["app"])["msg"]
    assert 'left no image "luckyplans-packages/picture:1.0-' in run(names=["picture"])["msg"]


def test_a_build_that_cannot_be_started(world: World, run: Any) -> None:
    folder = world.recipe("app")
    (folder / "build").chmod(0o644)
    assert f'The build script "{folder}/build" cannot be started: Permission denied.' in run(names=["app"])["msg"]


def test_a_failure_starts_nothing_new(world: World, run: Any) -> None:
    world.recipe("bad", "#!/bin/bash\nexit 1\n")
    world.recipe("later", needs=["bad"])
    assert 'The recipe "bad" failed' in run(names=["later"])["msg"]
    assert not (world.cache / "packages").exists()


def test_two_independent_recipes_are_built_at_once(world: World, run: Any) -> None:
    # Each waits for the other to be running.
    meet = (
        '#!/bin/bash\ntouch "{root}/{me}"\n'
        'for _ in $(seq 200); do [ -e "{root}/{other}" ] && touch "$OUT/met" && exit; sleep 0.05; done\nexit 1\n'
    )
    world.recipe("one", meet.format(root=world.root, me="1", other="2"))
    world.recipe("two", meet.format(root=world.root, me="2", other="1"))
    assert sorted(run(names=["one", "two"])["built"]) == ["one", "two"]


def test_missing_host_packages_stop_the_run_before_it_starts(world: World, run: Any) -> None:
    packages = {"no-such-command-here": "some-package", "/no/such/file": "other-package", "sh": "dash"}
    world.recipe("app", host_packages=packages)
    planned = run(check=True, names=["app"])
    assert planned["host_packages"] == ["other-package", "some-package"]
    failed = run(names=["app"])
    assert failed["failed"]
    assert "apt-get install --yes other-package some-package" in failed["msg"]
    assert "Building app needs packages" in failed["msg"]
    assert failed["host_packages"] == ["other-package", "some-package"]
    assert not (world.cache / "logs").exists()


# Images


def test_images_are_built_labelled_and_asked_for_in_one_call(world: World, run: Any) -> None:
    world.image("base")
    world.image("app", needs=["base"], stands_in_for=["node", "owner/node"])
    wanted = {"names": ["base"], "images": ["node:24-alpine", "docker.io/library/node:22", "owner/node"]}

    planned = run(check=True, **wanted)
    assert planned["built"] == ["base", "app"]
    assert planned["tagged"] == wanted["images"]
    assert world.images() == {}
    assert len(world.calls()) == 1

    made = run(**wanted)
    local = made["images"]["node:24-alpine"]
    assert re.fullmatch(r"luckyplans-packages/app:1\.0-[0-9a-f]{12}", local)
    assert made["images"]["base"].startswith("luckyplans-packages/base:1.0-")
    assert {name for name in world.images() if "packages" not in name} == {
        "node:24-alpine",
        "node:22",
        "owner/node:latest",
    }
    assert world.images()["node:22"][_recipe.LABEL].startswith(local[-12:])

    before = len(world.calls())
    again = run(**wanted)
    assert again["changed"] is False
    assert again["images"] == made["images"]
    assert len(world.calls()) == before + 1


def test_an_image_is_enough_without_what_it_was_made_of(world: World, run: Any) -> None:
    world.recipe("part")
    world.image("app", needs=["part"])
    made = run(names=["app"])
    assert made["built"] == ["part", "app"]
    for folder in (world.cache / "packages").iterdir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert run(names=["app"])["built"] == []


def test_a_real_image_stays_what_it_is(world: World, run: Any) -> None:
    world.image("redis", stands_in_for=["redis"])
    (world.root / "images" / "redis:7-alpine").write_text("{}")
    result = run(images=["redis:7-alpine"])
    assert result["changed"] is False
    assert result["images"] == {"redis:7-alpine": "redis:7-alpine"}
    assert world.images() == {"redis:7-alpine": {}}


def test_an_older_stand_in_gives_way(world: World, run: Any) -> None:
    folder = world.image("redis", stands_in_for=["redis"])
    first = run(images=["redis:7-alpine"])
    (folder / "more").write_text("news")
    second = run(images=["redis:7-alpine"])
    assert second["tagged"] == ["redis:7-alpine"]
    assert second["images"] != first["images"]
    assert world.images()["redis:7-alpine"] == world.images()[second["images"]["redis:7-alpine"]]


def test_an_image_of_another_hash_under_our_name_is_not_ours(world: World, run: Any) -> None:
    world.image("app")
    reference = run(names=["app"])["images"]["app"]
    (world.root / "images" / reference.replace("/", "%")).write_text(json.dumps({_recipe.LABEL: "else"}))
    assert run(names=["app"])["built"] == ["app"]


def test_an_image_that_nobody_stands_in_for(world: World, run: Any) -> None:
    world.image("redis", stands_in_for=["redis"])
    world.image("node", stands_in_for=["node"])
    message = run(images=["postgres:17"])["msg"]
    assert 'No recipe stands in for the image "postgres:17"; known ones are node, redis' in message


def test_docker_that_does_not_answer_is_not_docker_without_images(world: World, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # collected here, because Ansible shows a warning itself where its controller is imported in the same process
    warnings: list[str] = []
    monkeypatch.setattr(package_recipe.AnsibleModule, "warn", lambda self, warning: warnings.append(warning))
    world.image("app")
    (world.root / "down").touch()
    assert "Docker cannot be asked for its images: Cannot connect" in run(names=["app"])["msg"]
    planned = run(check=True, names=["app"])
    assert planned["built"] == ["app"]
    assert [warning for warning in warnings if "Predicting as if no image existed" in warning]


# Several runs, and runs that end early

DRIVER = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.luckyplans.platform.plugins.modules import package_recipe
with patch_module_args(json.loads(sys.argv[1])):
    package_recipe.main()
"""


def start(world: World, **params: Any) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    argv = [sys.executable, "-c", DRIVER, json.dumps(world.params(**params))]
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path) -> None:
    for _ in range(200):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


def test_two_runs_do_not_build_the_same_twice(world: World) -> None:
    world.recipe("app", f'#!/bin/bash\necho x >> "{world.root}/runs"\nsleep 0.7\ntouch "$OUT/done"\n')
    runs = [start(world, names=["app"]) for _ in range(2)]
    results = [json.loads(process.communicate(timeout=30)[0]) for process in runs]
    assert sorted(result["built"] for result in results) == [[], ["app"]]
    assert (world.root / "runs").read_text() == "x\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_leaves_nothing_half_made_and_nobody_running(world: World, number: int) -> None:
    world.recipe("app", f'#!/bin/bash\necho half > "$OUT/half"\necho $$ > "{world.root}/pid"\nsleep 60\n')
    process = start(world, names=["app"])
    wait_for(world.root / "pid")
    process.send_signal(number)
    output, _errors = process.communicate(timeout=20)
    assert json.loads(output)["msg"].startswith(f"Stopped by {signal.Signals(number).name}; ")
    assert world.leftovers() == []
    assert not (world.cache / "packages").exists()
    pid = int((world.root / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_a_killed_run_left_is_removed_by_the_next(world: World, run: Any) -> None:
    world.recipe("app", f'#!/bin/bash\necho half > "$OUT/half"\ntouch "{world.root}/on"\nsleep 2\n')
    process = start(world, names=["app"])
    wait_for(world.root / "on")
    process.kill()
    process.communicate()
    assert len(world.leftovers()) == 1
    assert not (world.cache / "packages").exists()
    assert run(names=["app"])["built"] == ["app"]
    assert world.leftovers() == []


# The recipes of this collection


@pytest.fixture(scope="module")
def ours() -> _recipe.Cookbook:
    return _recipe.Cookbook(package_recipe.read_recipes(str(PACKAGES)), package_recipe.read_lock(str(LOCK)), "amd64")


def test_every_recipe_can_be_asked_for(ours: _recipe.Cookbook) -> None:
    for name, recipe in ours.recipes.items():
        build = ours.by_name(name)
        assert re.fullmatch(r"luckyplans-packages/[a-z0-9-]+:[\w.-]+", build.reference)
        assert os.access(os.path.join(recipe.directory, "build"), os.X_OK), f"{name}/build is not executable"
        assert recipe.description
        assert build.needs == tuple(ours.by_name(need) for need in recipe.needs)


def test_every_package_in_the_lock_exists(ours: _recipe.Cookbook) -> None:
    for name, entry in ours.lock.items():
        package = entry.get("package", {})
        assert set(package) & {"recipe", "chart"} or not package, name
        if "recipe" in package:
            assert package["recipe"] in ours.recipes, name
        if "chart" in package:
            assert (PACKAGES / package["chart"] / "Chart.yaml").is_file(), name


def test_every_upstream_file_can_be_verified(ours: _recipe.Cookbook) -> None:
    for name, entry in ours.lock.items():
        upstream = entry.get("upstream", {})
        if "address" in upstream:
            assert upstream.get("checksum_url") or set(upstream.get("sha256", {})) == {"amd64", "arm64"}, name


@pytest.mark.parametrize("path", sorted(PACKAGES.glob("*/go.mod")), ids=lambda path: path.parent.name)
def test_a_go_module_is_the_version_of_the_lock(ours: _recipe.Cookbook, path: Path) -> None:
    build = ours.by_name(path.parent.name)
    module = re.escape(build.lock["module"])
    versions = re.findall(rf"^\s+{module} v(\S+)", path.read_text(), re.M)
    assert versions == [build.version]
    assert (path.parent / "go.sum").is_file()


def test_versions_that_belong_together(ours: _recipe.Cookbook) -> None:
    lock = ours.lock
    assert lock["kubectl"]["version"] == lock["kubernetes"]["version"] == lock["kind-node"]["version"]
    assert lock["k3s"]["version"] == lock["kubernetes"]["version"]
    assert lock["k3d-proxy"]["version"] == lock["k3d-tools"]["version"] == lock["k3d"]["version"]
    chart = yaml.safe_load((PACKAGES / "charts" / "traefik" / "Chart.yaml").read_text())
    assert chart["appVersion"] == "v" + lock["traefik"]["version"]
    assert chart["version"] == lock["traefik-chart"]["version"] + "-packages"


@pytest.mark.parametrize(
    ("reference", "recipe"),
    [
        ("node:24-alpine", "node"),
        ("node:22-alpine3.20", "node"),
        ("node:20-bookworm-slim", "node"),
        ("node:26", "node"),
        ("redis:7-alpine", "redis"),
        ("docker.io/library/redis:8.2-alpine", "redis"),
        ("curlimages/curl:8.21.0", "curl"),
        ("busybox:1.36", "busybox"),
        ("alpine:3.20", "alpine"),
        ("debian:trixie-slim", "debian"),
    ],
)
def test_public_images_that_have_a_stand_in(ours: _recipe.Cookbook, reference: str, recipe: str) -> None:
    build = ours.by_image(reference)
    assert build.name == recipe
    if recipe == "node":
        assert build.version.split(".")[0] == reference.split(":")[1][:2]
        assert build.environment()["LOCK_NPM_NODE_INTEGRITY"].startswith("sha512-")
