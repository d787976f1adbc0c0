# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""What an application repository is to become: the images to build, each known by its content, and the values that name them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.luckyplans.platform.plugins.module_utils import _image_ref
from ansible_collections.luckyplans.platform.plugins.module_utils._content import (
    ContentError,
    Tree,
    content_hash,
    read_ignore_patterns,
    write_atomically,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._contract import (
    ARGUMENTS,
    LABEL_ARGUMENT,
    LABEL_CONTENT,
    camel_case,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Docker
from ansible_collections.luckyplans.platform.plugins.module_utils._dockerfile import (
    Dockerfile,
    DockerfileError,
    parse,
    without_frontend,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._manifests import pod_images, render

try:
    import yaml
except ImportError:  # the modules say it to people
    yaml = None  # type: ignore[assignment]

LABEL_RECIPE = "io.luckyplans.recipe"
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")


class PlanError(Exception):
    """A sentence about a repository that cannot be planned."""


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Chart values over chart values, as Helm merges them: null removes a key."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
    return result


def look_up(values: Any, *keys: str) -> Any:
    """A value below a path of keys, or None."""
    for key in keys:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def read_text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as handle:
            return handle.read()
    except OSError as error:
        raise PlanError(f"{path} cannot be read: {error.strerror}") from error


def read_values(files: list[str]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for path in files:
        try:
            content = yaml.safe_load(read_text(path))
        except yaml.YAMLError as error:
            raise PlanError(f"values file {path} is not valid YAML: {' '.join(str(error).split())}") from error
        if not isinstance(content or {}, Mapping):
            raise PlanError(f"values file {path} holds a {type(content).__name__}; it has to be a mapping of values")
        merged = merge(merged, content or {})
    return merged


def find_apps(source_dir: str) -> list[str]:
    """The names of the applications: the directories of apps with a Dockerfile."""
    apps = os.path.join(source_dir, "apps")
    try:
        names = sorted(name for name in os.listdir(apps) if os.path.isfile(os.path.join(apps, name, "Dockerfile")))
    except OSError:
        names = []
    if not names:
        raise PlanError(
            f"source_dir {source_dir} has no apps/<name>/Dockerfile; name the checkout of an application repository"
        )
    for name in names:
        if not _NAME.fullmatch(name):
            raise PlanError(
                f"{os.path.join(apps, name)} cannot be the name of an image; use lower case letters, digits and hyphens"
            )
    return names


class App:
    """One application: its Dockerfile, and what its image is made of."""

    def __init__(self, name: str, source_dir: str, values: Mapping[str, Any], platform: str) -> None:
        self.name = name
        self.key = camel_case(name)
        self.path = os.path.join(source_dir, "apps", name, "Dockerfile")
        self.text = read_text(self.path)
        given = {argument: look_up(values, self.key, "buildArgs", key) for key, argument in ARGUMENTS.items()}
        self.args = {argument: str(value) for argument, value in given.items() if value is not None}
        self.alias = str(look_up(values, self.key, "image", "tag") or "latest")
        try:
            self.parsed: Dockerfile = parse(self.text, self.args, platform)
        except DockerfileError as error:
            raise PlanError(f"{self.path} cannot be understood: {error}") from error
        self.ignore_file = f"{self.path}.dockerignore"
        if not os.path.exists(self.ignore_file):
            self.ignore_file = os.path.join(source_dir, ".dockerignore")
        self.ignore = read_text(self.ignore_file) if os.path.exists(self.ignore_file) else None

    def hash(self, tree: Tree, bases: Mapping[str, Mapping[str, Any]], platform: str) -> str:
        """The hash of everything that can change the image."""
        configs = [bases.get(reference, {}).get("Config") or {} for reference in self.parsed.base_images]
        # Triggers in a base image copy from the context without a word in this Dockerfile.
        sources = None if any(config.get("OnBuild") for config in configs) else self.parsed.sources
        try:
            entries = tree.entries(read_ignore_patterns(self.ignore or ""), sources)
        except ContentError as error:
            raise PlanError(f"apps/{self.name}: {error}") from error
        return content_hash(
            {
                "dockerfile": self.text,
                "platform": platform,
                "args": self.args,
                "bases": [
                    [reference, (config.get("Labels") or {}).get(LABEL_RECIPE) or reference]
                    for reference, config in zip(self.parsed.base_images, configs)
                ],
            },
            entries,
        )

    def place(self, work_dir: str | None) -> str:
        """The Dockerfile to build from: the original, or a copy for the frontend inside Docker."""
        if work_dir is None or not self.parsed.syntax:
            return self.path
        copy = os.path.join(work_dir, f"{self.name}.Dockerfile")
        write_if_new(copy, without_frontend(self.text, self.parsed))
        # The same words apply beside the copy, whichever file they came from.
        write_if_new(f"{copy}.dockerignore", self.ignore or "")
        return copy


def write_if_new(path: str, text: str) -> None:
    try:
        if not os.path.exists(path) or read_text(path) != text:
            write_atomically(path, text)
    except OSError as error:
        raise PlanError(f"{path} cannot be written: {error.strerror}; name another work_dir") from error


def located(registry: str) -> dict[str, Any]:
    """Chart values that say where the images are."""
    host, _slash, owner = registry.partition("/")
    return {"image": {"registry": host, "owner": owner}} if registry else {}


def mirrored(values: Mapping[str, Any], registry: str) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """The images that the values name in full, by the names they get in the registry, and the values that say so."""
    images, moved = [], {}
    for component in sorted(values):
        repository = look_up(values, component, "image", "repository")
        if repository:
            tag, digest = (str(look_up(values, component, "image", key) or "") for key in ("tag", "digest"))
            source = f"{repository}:{tag}" if tag or not digest else f"{repository}@{digest}"
            # the registry gives a pushed image a digest of its own, so that one named by its digest alone gets a tag
            tag = tag or digest.replace(":", "-")[:23]
            place = f"{registry}/{str(repository).rsplit('/', 1)[-1]}"
            images.append({"source": source, "image": f"{place}:{tag}"})
            moved[component] = {"image": {"repository": place, "tag": tag, "digest": ""}}
    return images, moved


def plan(params: Mapping[str, Any], docker: Docker) -> dict[str, Any]:
    source_dir, chart_dir = os.path.abspath(params["source_dir"]), os.path.abspath(params["chart_dir"])
    names = find_apps(source_dir)
    if not os.path.isfile(os.path.join(chart_dir, "Chart.yaml")):
        raise PlanError(f"chart_dir {chart_dir} has no Chart.yaml; name the directory of the application's chart")
    files = params["values_files"] or [os.path.join(chart_dir, "values.yaml")]
    values = merge(read_values(files), params["values"])
    apps = [App(name, source_dir, values, params["platform"]) for name in names]
    base_images = list(dict.fromkeys(image for app in apps for image in app.parsed.base_images))
    bases = docker.images(base_images)

    tree = Tree(source_dir, params["cache_file"])
    hashes = {app.name: app.hash(tree, bases, params["platform"]) for app in apps}
    tree.save()
    tags = {app.name: f"c-{hashes[app.name][:16]}" for app in apps}
    images = {app.name: f"{params['registry'] or params['name_prefix']}/{app.name}" for app in apps}
    found = docker.images([f"{images[app.name]}:{tag}" for app in apps for tag in (tags[app.name], app.alias)])
    work_dir = params["work_dir"] if params["builtin_frontend"] else None
    others, moved = mirrored(values, params["registry"]) if params["registry"] and params["mirror"] else ([], {})

    def present(app: App) -> bool:
        record = found.get(f"{images[app.name]}:{tags[app.name]}", {})
        return ((record.get("Config") or {}).get("Labels") or {}).get(LABEL_CONTENT) == hashes[app.name]

    def aliased(app: App) -> bool:
        built, alias = (found.get(f"{images[app.name]}:{tag}", {}).get("Id") for tag in (tags[app.name], app.alias))
        return built == alias

    tagged = {
        **located(params["registry"]),
        **moved,
        **{app.key: {"image": {"tag": tags[app.name]}} for app in apps},
    }
    rendered = {}
    if params["helm"]:
        manifests = render(params["helm"], chart_dir, merge(params["values"], tagged), params["timeout"])
        # by name, because a new base image gives the tags another content
        own = {_image_ref.repository(image) for image in images.values()}
        try:
            rendered["others"] = [image for image in pod_images(manifests) if _image_ref.repository(image) not in own]
        except ValueError as error:
            raise PlanError(f"chart_dir {chart_dir} runs image {str(error).rstrip('.')}") from error

    return {
        "builds": [
            {
                "name": app.name,
                "image": images[app.name],
                "tag": tags[app.name],
                "alias_tag": app.alias,
                "dockerfile": app.place(work_dir),
                "context": source_dir,
                "args": app.args,
                "labels": {
                    LABEL_CONTENT: hashes[app.name],
                    **{f"{LABEL_ARGUMENT}{name}": value for name, value in app.args.items()},
                },
                "base_images": list(app.parsed.base_images),
                "present": present(app),
                "aliased": aliased(app),
            }
            for app in apps
        ],
        "chart_values": tagged,
        **rendered,
        "mirrored": others,
        "base_images": base_images,
        "needs_frontend": any(app.parsed.syntax for app in apps),
    }
