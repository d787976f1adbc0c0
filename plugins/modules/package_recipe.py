#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: package_recipe
short_description: Build artifacts from package registries
version_added: 0.1.0
description:
  - Runs recipes that make binaries, directories and container images out of Debian packages, Go modules, PyPI and npm,
    for networks where release pages and container registries cannot be reached.
  - A recipe is a folder with an executable C(build), its files and a C(recipe.yml). Its identity is a hash of all its
    files, of its entry in the lock file, of the recipes it needs and of the architecture.
  - Recipes that do not depend on each other are built two at a time.
author:
  - luckyplans contributors (@luckyplans)
requirements:
  - PyYAML
  - docker, with a running engine, for recipes that make images
extends_documentation_fragment:
  - luckyplans.platform._attributes
attributes:
  check_mode:
    support: full
    details:
      - RV(built) and RV(host_packages) say what a run would build and need.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - What exists under the hash of its inputs is not built again.
options:
  recipes_dir:
    description: The folder that holds one folder for each recipe.
    type: path
    required: true
  lock_file:
    description: The file with the versions and checksums of all artifacts.
    type: path
    required: true
  cache_dir:
    description:
      - Where results, logs and work in progress are kept.
      - What recipes of kind C(files) make is in its folder C(packages).
    type: path
    required: true
  names:
    description: Recipes to build, each with its default parameters.
    type: list
    elements: str
    default: []
  images:
    description:
      - Public images to stand in for, such as C(node:24-alpine) or C(redis:7-alpine).
      - The image built in its place gets that name too.
      - If Docker has an image of that name that this module did not make, that one is taken as it is.
    type: list
    elements: str
    default: []
  arch:
    description: The architecture to build for; that of this host when not given.
    type: str
    choices: [amd64, arm64]
"""

EXAMPLES = r"""
- name: The tools and the node image
  luckyplans.platform.package_recipe:
    recipes_dir: artifacts/packages
    lock_file: artifacts/lock.yml
    cache_dir: /root/.luckyplans/cache
    names: [kind, helm, kubernetes, kind-node]
  register: made

- name: What Dockerfiles start from
  luckyplans.platform.package_recipe:
    recipes_dir: artifacts/packages
    lock_file: artifacts/lock.yml
    cache_dir: /root/.luckyplans/cache
    images: ["node:24-alpine", "redis:7-alpine"]
"""

RETURN = r"""
paths:
  description: The folder of each recipe of kind C(files) that was asked for.
  type: dict
  returned: success
  sample: {kind: /root/.luckyplans/cache/packages/kind-0123456789ab}
images:
  description: The local image of each recipe of kind C(image) and of each public image that was asked for.
  type: dict
  returned: success
  sample: {"redis:7-alpine": "luckyplans-packages/redis:7-0123456789ab"}
built:
  description: The recipes that were built, or would be in check mode, each after those it needs.
  type: list
  elements: str
  returned: success
tagged:
  description: The public names given to local images, or that would be in check mode.
  type: list
  elements: str
  returned: success
host_packages:
  description: Debian packages that this host lacks for the builds that are due.
  type: list
  elements: str
  returned: always
"""

import concurrent.futures
import contextlib
import fcntl
import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, cast

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.luckyplans.platform.plugins.module_utils._process import Process
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report
from ansible_collections.luckyplans.platform.plugins.module_utils._recipe import (
    ARCHITECTURES,
    Build,
    Cookbook,
    Recipe,
    RecipeError,
    check_names,
    images_from_inspect,
    in_order,
    missing,
    missing_packages,
    packages_sentence,
    parse_recipe,
    shell_name,
    short_name,
    unknown_from_inspect,
)

# run_command holds all output in memory and neither streams nor ends by a clock of ours.
# pylint: disable=ansible-bad-function

try:
    import yaml

    HAS_YAML = True
except ImportError:
    HAS_YAML = False

AT_ONCE = 2
LOG_LINES = 15
# A build prints lines with this mark to say where it is.
MARK = "==> "
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class Interrupted(Exception):
    """This module was told to stop."""


def read_yaml(path: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with open(path, encoding="utf-8") as stream:
            return yaml.load(stream, Loader=loader)  # noqa: S506 (both are safe loaders)
    except OSError as error:
        raise RecipeError(f'The file "{path}" cannot be read: {error.strerror}.') from error
    except yaml.YAMLError as error:
        raise RecipeError(f'The file "{path}" is not valid YAML: {" ".join(str(error).split())}.') from error


def read_recipes(directory: str) -> dict[str, Recipe]:
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError as error:
        raise RecipeError(f'recipes_dir "{directory}" cannot be read: {error.strerror}.') from error
    folders = {entry.name: entry.path for entry in entries if os.path.isfile(os.path.join(entry.path, "recipe.yml"))}
    check_names(folders)
    return {
        name: parse_recipe(name, path, read_yaml(os.path.join(path, "recipe.yml"))) for name, path in folders.items()
    }


def read_lock(path: str) -> dict[str, Any]:
    content = read_yaml(path)
    artifacts = content.get("artifacts") if isinstance(content, dict) else None
    if not isinstance(artifacts, dict):
        raise RecipeError(f'lock_file "{path}" has no mapping "artifacts"; give the lock file of the collection.')
    return artifacts


def find_missing_commands(builds: Iterable[Build]) -> list[str]:
    # The tools of an administrator are not on the PATH of everybody.
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    wanted = {need for build in builds for need in build.recipe.host_packages}
    return [
        need
        for need in sorted(wanted)
        if not (os.path.exists(need) if need.startswith("/") else shutil.which(need, path=path))
    ]


class Docker:
    """The images of the local Docker engine."""

    def look_up(self, references: Sequence[str]) -> dict[str, str]:
        """Which of these exist, with the hash that their label carries."""
        if not references:
            return {}
        argv = ["docker", "image", "inspect", *references]
        try:
            done = subprocess.run(argv, capture_output=True, encoding="utf-8", errors="replace", timeout=120, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RecipeError(f"Docker cannot be asked for its images ({error}); install and start it.") from error
        unknown = unknown_from_inspect(done.stderr) if done.returncode != 0 else ""
        if unknown:
            raise RecipeError(f"Docker cannot be asked for its images: {unknown}")
        return images_from_inspect(done.stdout)

    def tag(self, source: str, target: str) -> None:
        done = subprocess.run(["docker", "tag", source, target], capture_output=True, encoding="utf-8", timeout=120, check=False)
        if done.returncode != 0:
            raise RecipeError(f'Docker cannot name the image "{source}" also "{target}": {done.stderr.strip()}')


class Kitchen:
    """Runs builds: private work directories, logs, locks, and no child left behind."""

    def __init__(self, cache_dir: str, docker: Docker) -> None:
        self.cache_dir = cache_dir
        self.docker = docker
        self.stop = threading.Event()
        self._running: set[Process[str]] = set()
        self._guard = threading.Lock()

    def path(self, build: Build) -> str:
        return os.path.join(self.cache_dir, "packages", build.slug)

    def log(self, build: Build) -> str:
        return os.path.join(self.cache_dir, "logs", f"{build.slug}.log")

    def is_present(self, build: Build) -> bool:
        if build.recipe.kind == "files":
            return os.path.isdir(self.path(build))
        return self.docker.look_up([build.reference]).get(build.reference) == build.hash

    def make_all(self, builds: Sequence[Build]) -> list[Build]:
        """Build these, which are in order; returns those built here and not meanwhile by another run."""
        waiting = list(builds)
        due = {build.slug for build in builds}
        done: set[str] = set()
        made: list[Build] = []
        failure: BaseException | None = None
        running: dict[concurrent.futures.Future[bool], Build] = {}
        with concurrent.futures.ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            try:
                while waiting or running:
                    for build in list(waiting):
                        ready = all(need.slug in done or need.slug not in due for need in build.needs)
                        if ready and failure is None and len(running) < AT_ONCE:
                            waiting.remove(build)
                            running[pool.submit(self.make, build)] = build
                    if not running:
                        break
                    # The timeout lets the main thread see signals.
                    finished, _pending = concurrent.futures.wait(
                        running, timeout=0.5, return_when=concurrent.futures.FIRST_COMPLETED
                    )
                    for future in finished:
                        build = running.pop(future)
                        error = future.exception()
                        if error is None:
                            done.add(build.slug)
                            if future.result():
                                made.append(build)
                        else:
                            # What else is running may be nearly done and is of use to the next run.
                            failure = failure or error
            except BaseException:
                self.stop.set()
                self.kill()
                raise
        if failure is not None:
            raise failure
        return made

    def make(self, build: Build) -> bool:
        """Build one; False if another run has built it while this one waited."""
        with self._locked(build):
            if self.is_present(build):
                return False
            started = time.monotonic()
            report(f"package {build.title}: building")
            work = tempfile.mkdtemp(prefix=build.slug + ".", dir=self._directory("tmp"))
            try:
                self._run(build, work)
                self._keep(build, work)
            finally:
                remove_tree(work)
            report(f"package {build.title}: built in {time.monotonic() - started:.0f} s")
            return True

    def _run(self, build: Build, work: str) -> None:
        folder = os.path.join(work, "recipe")
        copy_recipe(build.recipe.directory, folder)
        os.mkdir(os.path.join(work, "out"))
        os.mkdir(os.path.join(work, "tmp"))
        env = {
            **os.environ,
            **build.environment(),
            "OUT": os.path.join(work, "out"),
            "TMPDIR": os.path.join(work, "tmp"),
            "PYTHON": sys.executable,
            "BUILDKIT_PROGRESS": "plain",
            "DOCKER_BUILDKIT": "1",
            "LC_ALL": "C.UTF-8",
            "PATH": os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"]),
        }
        if build.recipe.kind == "image":
            env["IMAGE"] = build.reference
        for need in build.needs:
            env[f"NEED_{shell_name(need.name)}"] = need.reference if need.recipe.kind == "image" else self.path(need)
        self._directory("logs")
        with open(self.log(build), "w", encoding="utf-8") as log:
            try:
                process = Process(
                    ["./build"],
                    cwd=folder,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,
                )
            except OSError as error:
                path = os.path.join(build.recipe.directory, "build")
                raise RecipeError(f'The build script "{path}" cannot be started: {error.strerror}.') from error
            with self._guard:
                self._running.add(process)
            try:
                if self.stop.is_set():
                    self.kill()
                for line in cast(IO[str], process.stdout):
                    log.write(line)
                    log.flush()
                    if line.startswith(MARK):
                        report(f"package {build.title}: {line[len(MARK) :].strip()}")
                rc = process.wait()
            finally:
                with self._guard:
                    self._running.discard(process)
        if rc != 0:
            raise RecipeError(self._failure(build, f"failed with exit code {rc}"))

    def _keep(self, build: Build, work: str) -> None:
        if build.recipe.kind == "image":
            if not self.is_present(build):
                raise RecipeError(self._failure(build, f'ended well but left no image "{build.reference}"'))
            return
        if not os.listdir(os.path.join(work, "out")):
            raise RecipeError(self._failure(build, "ended well but left nothing in OUT"))
        self._directory("packages")
        os.rename(os.path.join(work, "out"), self.path(build))

    def _failure(self, build: Build, what: str) -> str:
        with open(self.log(build), encoding="utf-8", errors="replace") as stream:
            lines = [line.rstrip() for line in stream if line.strip()][-LOG_LINES:]
        return f'The recipe "{build.name}" {what}; its log is "{self.log(build)}" and ends with:\n' + "\n".join(lines)

    def _directory(self, name: str) -> str:
        path = os.path.join(self.cache_dir, name)
        os.makedirs(path, exist_ok=True)
        return path

    @contextlib.contextmanager
    def _locked(self, build: Build) -> Iterator[None]:
        """One build of the same thing at a time, also between processes."""
        with open(os.path.join(self._directory("locks"), f"{build.slug}.lock"), "w", encoding="utf-8") as stream:
            told = False
            while True:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not told:
                        report(f"package {build.title}: waiting for another run that builds it")
                        told = True
                    if self.stop.wait(0.5):
                        raise Interrupted from None
            # What a killed run left; nobody else can be working there while the lock is ours.
            parent = self._directory("tmp")
            for name in os.listdir(parent):
                if name.startswith(build.slug + "."):
                    remove_tree(os.path.join(parent, name))
            yield

    def kill(self) -> None:
        with self._guard:
            processes = list(self._running)
        for how in (signal.SIGTERM, signal.SIGKILL):
            alive = [process for process in processes if process.poll() is None]
            for process in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, how)
            deadline = time.monotonic() + 5
            while any(process.poll() is None for process in alive) and time.monotonic() < deadline:
                time.sleep(0.05)


def copy_recipe(source: str, target: str) -> None:
    """Copy a recipe with modes of its own: those of a checkout follow its umask, and images keep what is copied."""
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for parent, folders, names in os.walk(target):
        for path in (os.path.join(parent, name) for name in folders + names):
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.stat(path).st_mode & stat.S_IXUSR else 0o644)


def mounts_below(directory: str) -> list[str]:
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as stream:
            points = [line.split()[1].encode().decode("unicode_escape") for line in stream]
    except OSError:
        return []
    return sorted((point for point in points if point.startswith(directory + os.sep)), reverse=True)


def remove_tree(directory: str) -> None:
    """Remove a work directory, never what is mounted in it: an interrupted debootstrap leaves /proc mounted."""
    for point in mounts_below(directory):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
    if not mounts_below(directory):
        shutil.rmtree(directory, ignore_errors=True)


def run(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    arch = params["arch"] or MACHINES.get(platform.machine(), "")
    if arch not in ARCHITECTURES:
        raise RecipeError(f'This host is a "{platform.machine()}"; recipes know {", ".join(ARCHITECTURES)}.')
    cookbook = Cookbook(read_recipes(params["recipes_dir"]), read_lock(params["lock_file"]), arch)
    named = {name: cookbook.by_name(name) for name in params["names"]}
    public = {reference: cookbook.by_image(reference) for reference in params["images"]}

    docker = Docker()
    kitchen = Kitchen(os.path.abspath(params["cache_dir"]), docker)
    everything = in_order([*named.values(), *public.values()])
    references = [build.reference for build in everything if build.recipe.kind == "image"]
    try:
        images = docker.look_up(references + list(public))
    except RecipeError as error:
        if not module.check_mode:
            raise
        # Before the first run Docker is not there yet, and then neither is any image.
        module.warn(f"Predicting as if no image existed. {error}")
        images = {}
    # An image of that name that we did not make is the real one, and better than ours.
    real = {reference for reference in public if images.get(short_name(reference)) == ""}
    present = {
        build.slug
        for build in everything
        if (
            images.get(build.reference) == build.hash
            if build.recipe.kind == "image"
            else os.path.isdir(kitchen.path(build))
        )
    }
    wanted = [*named.values(), *(build for reference, build in public.items() if reference not in real)]
    todo = missing(wanted, present)
    packages = missing_packages(todo, find_missing_commands(todo))
    tags = [
        reference
        for reference, build in public.items()
        if reference not in real and images.get(short_name(reference)) != build.hash
    ]

    made = todo
    if not module.check_mode:
        if packages:
            module.fail_json(msg=packages_sentence(packages), host_packages=list(packages))
        made = kitchen.make_all(todo)
        for reference in tags:
            docker.tag(public[reference].reference, reference)
    return {
        "changed": bool(made or tags),
        "built": [build.name for build in made],
        "tagged": tags,
        "host_packages": list(packages),
        "paths": {name: kitchen.path(build) for name, build in named.items() if build.recipe.kind == "files"},
        "images": {
            **{name: build.reference for name, build in named.items() if build.recipe.kind == "image"},
            **{ref: ref if ref in real else build.reference for ref, build in public.items()},
        },
    }


def stop_on_signal(number: int, _frame: Any) -> None:
    raise Interrupted(signal.Signals(number).name)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "recipes_dir": {"type": "path", "required": True},
            "lock_file": {"type": "path", "required": True},
            "cache_dir": {"type": "path", "required": True},
            "names": {"type": "list", "elements": "str", "default": []},
            "images": {"type": "list", "elements": "str", "default": []},
            "arch": {"type": "str", "choices": list(ARCHITECTURES)},
        },
        supports_check_mode=True,
    )
    if not HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop_on_signal)
    try:
        result = run(module)
    except RecipeError as error:
        module.fail_json(msg=str(error))
    except Interrupted as error:
        module.fail_json(msg=f"Stopped by {error}; what was being built is discarded, run again to continue.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
