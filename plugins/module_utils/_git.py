# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Values of a chart in a git repository: read, changed by a commit, and taken back by one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# run_command holds all output in memory and neither streams nor ends by a clock of ours.
# pylint: disable=ansible-bad-function

try:
    import yaml

    HAS_YAML = True
except ImportError:
    HAS_YAML = False

# How often a push is tried anew when somebody else has pushed in the meantime.
PUSHES = 5
SECONDS = 120
# What git itself writes into the commit that takes another one back.
REVERTS = re.compile(r"This reverts commit ([0-9a-f]{40})")
MOVED = re.compile(r"non-fast-forward|fetch first|\[rejected\]|cannot lock ref|incorrect old value", re.IGNORECASE)
# Of a login, through the environment: arguments can be read by everybody on the machine.
HELPER = '!f() { test "$1" = get && echo "username=$LUCKYPLANS_GIT_USERNAME" && echo "password=$LUCKYPLANS_GIT_PASSWORD"; }; f'


def mask(text: str) -> str:
    """Without the logins of addresses."""
    return re.sub(r"(?<=://)[^/@\s]+@", "***@", text)


class GitError(Exception):
    """What git, or a file in the repository, has against it; without secrets, with the next step."""


@dataclass(frozen=True)
class Login:
    """For a push. Empty: git's own configuration, its credential helpers and agents."""

    username: str = ""
    password: str = ""
    ssh_private_key: str = ""

    @contextmanager
    def environment(self, folder: str) -> Iterator[dict[str, str]]:
        env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        if self.password:
            # the first helper that is empty forgets those of the machine's owner, who is somebody else
            settings = [("credential.helper", ""), ("credential.helper", HELPER)]
            first = int(env.get("GIT_CONFIG_COUNT", "0"))
            for number, (key, value) in enumerate(settings, first):
                env[f"GIT_CONFIG_KEY_{number}"], env[f"GIT_CONFIG_VALUE_{number}"] = key, value
            env |= {"GIT_CONFIG_COUNT": str(first + len(settings)), "LUCKYPLANS_GIT_USERNAME": self.username, "LUCKYPLANS_GIT_PASSWORD": self.password}
        if self.ssh_private_key:
            path = os.path.join(folder, "key")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as stream:
                stream.write(self.ssh_private_key.strip() + "\n")
            env["GIT_SSH_COMMAND"] = f"ssh -i {path} -o IdentitiesOnly=yes -o BatchMode=yes"
        yield env


class Checkout:
    """A branch of a repository, in a directory that goes away again."""

    def __init__(self, url: str, branch: str, folder: str, env: Mapping[str, str]) -> None:
        # for sentences; what git was given stays in its own configuration
        self.url = mask(url)
        self.branch, self.path, self._env = branch, os.path.join(folder, "checkout"), dict(env)
        self._git(folder, "clone", "--quiet", "--single-branch", "--no-tags", f"--branch={branch}", url, self.path)
        if not self.git("config", "--get", "user.email", check=False):
            # a machine without an owner; a person's own name is better
            nobody = {"NAME": "luckyplans.platform", "EMAIL": "platform@localhost"}
            self._env = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in nobody.items()} | self._env

    def git(self, *words: str, check: bool = True) -> str:
        return self._git(self.path, *words, check=check)

    def _git(self, folder: str, *words: str, check: bool = True) -> str:
        try:
            done = subprocess.run(["git", *words], cwd=folder, env=self._env, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
        except FileNotFoundError as error:
            raise GitError("git is not on PATH of the machine that runs ansible-playbook. Next: install it.") from error
        except subprocess.TimeoutExpired as error:
            raise GitError(f"git {words[0]} of {self.url} did not end within {SECONDS} s. Next: see that the server answers.") from error
        if done.returncode and check:
            raise GitError(self._sentence(words[0], done.stderr.decode(errors="replace")))
        return done.stdout.decode(errors="replace").strip()

    def _sentence(self, command: str, said: str) -> str:
        text = mask(" ".join(said.split()))
        if re.search(r"could not read Username|Authentication failed|\b40[13]\b|Permission denied|may only read", text):
            step = "give promotion_git_credential a login that may push, or have git on this machine know one"
        elif re.search(r"Remote branch .* not found", text):
            step = f"luckyplans_git_revision is {self.branch}, and promotions are commits to a branch: name one that there is"
        else:
            step = "see that platform_git_url is right and its server answers"
        return f"git {command} of {self.url} failed: {text or 'it said nothing'}. Next: {step}."

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def read(self, name: str, commit: str = "") -> str:
        if commit:
            return self.git("show", f"{commit}:{name}", check=False)
        try:
            # no other ends of lines than the file has
            with open(os.path.join(self.path, name), encoding="utf-8", newline="") as stream:
                return stream.read()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", "") or "it is not UTF-8"
            raise GitError(
                f"{name} of {self.url} at {self.branch} cannot be read: {reason}. Next: see luckyplans_git_path and luckyplans_git_values_files."
            ) from error

    def write(self, name: str, text: str) -> None:
        with open(os.path.join(self.path, name), "w", encoding="utf-8", newline="") as stream:
            stream.write(text)

    def push(self, change: Callable[[], bool], report: Callable[[str], None] = lambda line: None) -> str:
        """Make a commit by `change` and push it; where somebody else was faster, again on top of theirs. The commit, or nothing to do."""
        for attempt in range(1, PUSHES + 1):
            if not change():
                return ""
            try:
                self.git("push", "--quiet", "origin", f"HEAD:refs/heads/{self.branch}")
                return self.head()
            except GitError as error:
                if not MOVED.search(str(error)) or attempt == PUSHES:
                    raise
            report(f"somebody else has pushed to {self.branch}: once more on top of it, {attempt} of {PUSHES - 1}")
            self.git("fetch", "--quiet", "origin", self.branch)
            self.git("reset", "--quiet", "--hard", "FETCH_HEAD")
        raise AssertionError("not reached")

    def log(self, name: str, count: int) -> list[dict[str, str]]:
        """The commits of a file, the newest first, without those that were taken back and those that did so."""
        lines = self.git("log", f"--max-count={count}", "--format=%H%x09%cI%x09%s%x09%b%x00", "--", name).split("\0")
        entries = [dict(zip(("commit", "date", "subject", "body"), line.strip().split("\t", 3))) for line in lines if line.strip()]
        reverts = {entry["commit"]: match[1] for entry in entries if (match := REVERTS.search(entry.get("body", "")))}
        gone = {*reverts, *reverts.values()}
        return [{key: entry[key] for key in ("commit", "date", "subject")} for entry in entries if entry["commit"] not in gone]


def parse(text: str, name: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise GitError(f"{name} is not YAML: {' '.join(str(error).split())}. Next: mend it by a commit.") from error
    if not isinstance(values, dict):
        raise GitError(f"{name} holds a {type(values).__name__}, and a file of values is a mapping. Next: mend it by a commit.")
    return values


def merge(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """As Helm lays files of values over each other: mappings are merged, null removes."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if value is None:
                merged.pop(key, None)
            elif isinstance(value, Mapping):
                below = merged.get(key)
                merged[key] = merge([below if isinstance(below, Mapping) else {}, value])
            else:
                merged[key] = value
    return merged


def tags(values: Mapping[str, Any]) -> dict[str, str]:
    """The tag of each component that has one in this file."""
    images = {key: value.get("image") for key, value in values.items() if isinstance(value, Mapping)}
    return {key: str(image["tag"]) for key, image in images.items() if isinstance(image, Mapping) and image.get("tag")}


def leaves(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """What is no mapping, by paths such as web.image.tag."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= leaves(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def replace_scalars(text: str, changes: Mapping[str, str], name: str) -> str:
    """Other values at paths such as web.image.tag, and every other character as it was."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    # by place: what an anchor shares stands in one
    places = {}
    for path, value in changes.items():
        node = root
        for key in path.split("."):
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            node = next((below for above, below in pairs if above.value == key), None)
        if not isinstance(node, yaml.ScalarNode):
            raise GitError(f"{name} has no {path}, which is to become {value}. Next: write it there once by hand.")
        if (node.tag, node.value) != ("tag:yaml.org,2002:str", value):
            places[node.start_mark.index, node.end_mark.index] = value
    edited = text
    for (start, end), value in sorted(places.items(), reverse=True):
        edited = edited[:start] + _scalar(text[start:end], value) + edited[end:]
    if leaves(parse(edited, name)) != {**leaves(parse(text, name)), **changes}:
        raise GitError(f"{name} cannot be given {', '.join(changes)} alone: an anchor or a key that stands twice is in the way. Next: write each tag out once.")
    return edited


def _scalar(old: str, value: str) -> str:
    """A value in the place of another, whose anchor it keeps."""
    anchor = re.match(r"(?:!\S*\s+)?(&\S+\s+)?", old)[1] or ""  # type: ignore[index]
    plain = re.fullmatch(r"\w[\w.-]*", value, re.ASCII) and yaml.safe_load(value) == value
    return f"{anchor if old else ' '}{value if plain else json.dumps(value)}"


@contextmanager
def checkout(url: str, branch: str, login: Login) -> Iterator[Checkout]:
    with tempfile.TemporaryDirectory(prefix="luckyplans-git-") as folder, login.environment(folder) as env:
        yield Checkout(url, branch, folder, env)
