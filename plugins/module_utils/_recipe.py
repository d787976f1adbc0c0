# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Recipes that build artifacts from package registries: what they are, which build a name means, and what it hashes to.

Nothing here runs a program or writes a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LABEL = "io.luckyplans.recipe"
IMAGE_PREFIX = "luckyplans-packages"
ARCHITECTURES = ("amd64", "arm64")
KINDS = ("files", "image")
RECIPE_KEYS = frozenset(("artifact", "description", "host_packages", "kind", "needs", "parameters", "stands_in_for"))
# What a Docker name may leave out; two spellings of one image are one image.
_DEFAULT_REGISTRIES = ("docker.io/", "index.docker.io/", "registry-1.docker.io/")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class RecipeError(Exception):
    """Something asked for or written in a recipe cannot be; the message is one sentence with the next step."""


@dataclass(frozen=True)
class Parameter:
    """A value that the tag of a public image carries, such as the major version of Node.js."""

    pattern: str
    default: str

    def read(self, tag: str) -> str:
        match = re.search(self.pattern, tag)
        return match.group(1) if match else self.default


@dataclass(frozen=True)
class Recipe:
    name: str
    directory: str
    kind: str
    description: str
    artifact: str
    needs: tuple[str, ...] = ()
    # Command (or absolute path) that the building host must have -> the Debian package that brings it.
    host_packages: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    stands_in_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class Build:
    """One recipe with its parameters, its part of the lock and the builds it needs: everything its hash depends on."""

    recipe: Recipe
    version: str
    parameters: Mapping[str, str]
    lock: Mapping[str, Any]
    arch: str
    hash: str
    needs: tuple[Build, ...]

    @property
    def name(self) -> str:
        return self.recipe.name

    @property
    def slug(self) -> str:
        return f"{self.name}-{self.hash[:12]}"

    @property
    def reference(self) -> str:
        return f"{IMAGE_PREFIX}/{self.name}:{self.version}-{self.hash[:12]}"

    @property
    def title(self) -> str:
        """The name for people: `node 24.21.0`."""
        return f"{self.name} {self.version}"

    def environment(self) -> dict[str, str]:
        """What the build script is told, apart from where things are."""
        values = {"VERSION": self.version, "ARCH": self.arch, "HASH": self.hash}
        values.update({f"LOCK_{key}": value for key, value in flatten(self.lock, self.arch).items()})
        values.update({f"PARAMETER_{shell_name(key)}": value for key, value in self.parameters.items()})
        return values


def shell_name(text: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", text.upper())


def flatten(value: Mapping[str, Any], arch: str, prefix: str = "") -> dict[str, str]:
    """Nested fields of the lock as shell variables. A mapping by architecture is replaced by its value for ours."""
    flat: dict[str, str] = {}
    for key, inner in value.items():
        name = f"{prefix}_{shell_name(key)}" if prefix else shell_name(key)
        if isinstance(inner, Mapping) and inner and set(inner) <= set(ARCHITECTURES):
            inner = inner.get(arch, "")
        if isinstance(inner, Mapping):
            flat.update(flatten(inner, arch, name))
        elif isinstance(inner, (list, tuple)):
            flat[name] = " ".join(str(item) for item in inner)
        else:
            flat[name] = "" if inner is None else str(inner)
    return flat


def parse_recipe(name: str, directory: str, text: Any) -> Recipe:
    """A recipe from the parsed content of its recipe.yml."""
    where = os.path.join(directory, "recipe.yml")
    if not isinstance(text, Mapping):
        raise RecipeError(f'The recipe file "{where}" is not a mapping; see the recipes beside it for the form.')
    unknown = sorted(set(text) - RECIPE_KEYS)
    if unknown:
        known = ", ".join(sorted(RECIPE_KEYS))
        raise RecipeError(f'The recipe file "{where}" has the unknown key "{unknown[0]}"; known keys are {known}.')
    kind = text.get("kind")
    if kind not in KINDS:
        raise RecipeError(f'The recipe file "{where}" says kind "{kind}"; it has to be one of {", ".join(KINDS)}.')
    try:
        parameters = {
            key: Parameter(pattern=str(value["pattern"]), default=str(value["default"]))
            for key, value in (text.get("parameters") or {}).items()
        }
        return Recipe(
            name=name,
            directory=directory,
            kind=kind,
            description=str(text.get("description", "")),
            artifact=str(text.get("artifact", name)),
            needs=tuple(str(need) for need in text.get("needs") or ()),
            host_packages={str(key): str(value) for key, value in (text.get("host_packages") or {}).items()},
            parameters=parameters,
            stands_in_for=tuple(str(image) for image in text.get("stands_in_for") or ()),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise RecipeError(f'The recipe file "{where}" has an entry of the wrong form: {error!r}.') from error


def canonical_repository(reference: str) -> tuple[str, str]:
    """Repository without what Docker implies, and tag, of an image reference: (`redis`, `7-alpine`)."""
    if "@" in reference:
        raise RecipeError(
            f'The image "{reference}" is named by digest, which only its registry can give; '
            "name it by tag, or use another source than packages."
        )
    repository, _colon, tag = reference.rpartition(":")
    if not repository or "/" in tag:
        repository, tag = reference, "latest"
    for registry in _DEFAULT_REGISTRIES:
        if repository.startswith(registry):
            repository = repository[len(registry) :]
            break
    if repository.startswith("library/"):
        repository = repository[len("library/") :]
    return repository, tag


def stand_in(reference: str, recipes: Iterable[Recipe]) -> tuple[Recipe, dict[str, str]]:
    """The recipe that stands in for a public image, and the parameters its tag carries."""
    repository, tag = canonical_repository(reference)
    known: list[str] = []
    for recipe in recipes:
        if repository in recipe.stands_in_for:
            return recipe, {name: parameter.read(tag) for name, parameter in recipe.parameters.items()}
        known.extend(recipe.stands_in_for)
    raise RecipeError(
        f'No recipe stands in for the image "{reference}"; known ones are {", ".join(sorted(known)) or "none"}: '
        "use one of them, add a recipe under artifacts/packages, or use another source than packages."
    )


def file_digests(directory: str) -> list[tuple[str, str, str]]:
    """Relative path, kind or mode, and checksum of every file of a recipe, sorted."""
    found: list[tuple[str, str, str]] = []
    for parent, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in names + [folder for folder in folders if os.path.islink(os.path.join(parent, folder))]:
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, directory)
            if os.path.islink(path):
                found.append((relative, "link", hashlib.sha256(os.readlink(path).encode()).hexdigest()))
                continue
            with open(path, "rb") as stream:
                digest = hashlib.sha256(stream.read()).hexdigest()
            # Only the executable bit is content: the others follow the umask of whoever cloned the repository.
            executable = os.stat(path).st_mode & stat.S_IXUSR
            found.append((relative, "755" if executable else "644", digest))
    return sorted(found)


def digest_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Cookbook:
    """All recipes with the lock they read; makes builds out of names."""

    def __init__(self, recipes: Mapping[str, Recipe], lock: Mapping[str, Any], arch: str) -> None:
        self.recipes = recipes
        self.lock = lock
        self.arch = arch
        self._builds: dict[tuple[str, tuple[tuple[str, str], ...]], Build] = {}

    def by_name(self, name: str) -> Build:
        recipe = self.recipes.get(name)
        if recipe is None:
            raise RecipeError(f'There is no recipe "{name}"; known recipes are {", ".join(sorted(self.recipes))}.')
        return self._build(recipe, {key: value.default for key, value in recipe.parameters.items()}, ())

    def by_image(self, reference: str) -> Build:
        recipe, parameters = stand_in(reference, self.recipes.values())
        try:
            return self._build(recipe, parameters, ())
        except _NotPinned as error:
            raise RecipeError(f'The image "{reference}" asks for {error}') from error

    def _build(self, recipe: Recipe, parameters: Mapping[str, str], above: tuple[str, ...]) -> Build:
        key = (recipe.name, tuple(sorted(parameters.items())))
        if key in self._builds:
            return self._builds[key]
        if recipe.name in above:
            circle = " needs ".join([*above[above.index(recipe.name) :], recipe.name])
            raise RecipeError(f"Recipes need each other in a circle: {circle}; remove one of these needs.")
        needs = []
        for name in recipe.needs:
            need = self.recipes.get(name)
            if need is None:
                raise RecipeError(f'The recipe "{recipe.name}" needs "{name}", which is no recipe; correct its needs.')
            defaults = {key: value.default for key, value in need.parameters.items()}
            needs.append(self._build(need, defaults, (*above, recipe.name)))
        entry = self._entry(recipe, parameters)
        version = str(entry["version"])
        package = entry.get("package") or {}
        build = Build(
            recipe=recipe,
            version=version,
            parameters=dict(parameters),
            lock=package,
            arch=self.arch,
            hash=digest_of(
                {
                    "files": file_digests(recipe.directory),
                    # `upstream` is left out: it is what the other source downloads and never reaches a build.
                    "lock": {"version": version, "package": package},
                    "parameters": dict(parameters),
                    "needs": {need.name: need.hash for need in needs},
                    "arch": self.arch,
                }
            ),
            needs=tuple(needs),
        )
        self._builds[key] = build
        return build

    def _entry(self, recipe: Recipe, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        if not recipe.artifact:
            # Only files of our own: its hash says everything that a version could.
            return {"version": "own"}
        name = recipe.artifact.format_map(dict(parameters))
        entry = self.lock.get(name)
        if isinstance(entry, Mapping) and entry.get("version"):
            return entry
        if recipe.parameters:
            fixed = re.escape(recipe.artifact)
            for parameter in recipe.parameters:
                fixed = fixed.replace(re.escape("{" + parameter + "}"), "(.+)")
            matches = (re.fullmatch(fixed, other) for other in self.lock)
            pinned = sorted(" ".join(match.groups()) for match in matches if match)
            wanted = " ".join(f"{key} {value}" for key, value in parameters.items())
            raise _NotPinned(
                f'{recipe.name} with {wanted}, which artifacts/lock.yml does not pin (no entry "{name}"); '
                f"pinned are {', '.join(pinned) or 'none'}."
            )
        raise RecipeError(f'The recipe "{recipe.name}" has no version: add the entry "{name}" to artifacts/lock.yml.')


class _NotPinned(RecipeError):
    pass


def check_names(names: Iterable[str]) -> None:
    """A recipe's name becomes part of paths and image names."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise RecipeError(f'The recipe folder "{name}" cannot be an image name; use a-z, 0-9 and hyphens.')


def in_order(builds: Iterable[Build]) -> list[Build]:
    """Every build once, each after what it needs."""
    ordered: dict[str, Build] = {}

    def add(build: Build) -> None:
        if build.slug in ordered:
            return
        for need in build.needs:
            add(need)
        ordered[build.slug] = build

    for build in builds:
        add(build)
    return list(ordered.values())


def missing(wanted: Iterable[Build], present: Iterable[str]) -> list[Build]:
    """The builds to make, in order. What only a present build needed is not looked for."""
    there = set(present)
    todo: dict[str, Build] = {}

    def add(build: Build) -> None:
        if build.slug in there or build.slug in todo:
            return
        for need in build.needs:
            add(need)
        todo[build.slug] = build

    for build in wanted:
        add(build)
    return list(todo.values())


def missing_packages(builds: Iterable[Build], absent: Iterable[str]) -> dict[str, list[str]]:
    """Debian packages to install, each with the recipes that want it, given the commands and paths that are absent."""
    gone = set(absent)
    wanted: dict[str, set[str]] = {}
    for build in builds:
        for need, package in build.recipe.host_packages.items():
            if need in gone:
                wanted.setdefault(package, set()).add(build.name)
    return {package: sorted(names) for package, names in sorted(wanted.items())}


def packages_sentence(packages: Mapping[str, Sequence[str]]) -> str:
    recipes = sorted({name for names in packages.values() for name in names})
    return (
        f"Building {', '.join(recipes)} needs packages that this host does not have ({', '.join(packages)}); "
        f"install them: apt-get install --yes {' '.join(packages)}"
    )


def images_from_inspect(output: str) -> dict[str, str]:
    """Names of the images in the output of `docker image inspect`, each with our label or an empty text."""
    names: dict[str, str] = {}
    for image in json.loads(output or "[]"):
        labels = (image.get("Config") or {}).get("Labels") or {}
        for tag in image.get("RepoTags") or ():
            names[tag] = str(labels.get(LABEL, ""))
    return names


def unknown_from_inspect(errors: str) -> str:
    """What `docker image inspect` complained about apart from images that do not exist."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return " ".join(line for line in lines if "no such image" not in line.lower() and not line.startswith("WARNING"))


def short_name(reference: str) -> str:
    """The name under which Docker lists an image: `docker.io/library/redis` is `redis:latest`."""
    return ":".join(canonical_repository(reference))
