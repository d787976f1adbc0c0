# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection.

"""The files of a build context that Docker would read, and the hash of what they are.

Ignore patterns follow the matcher that BuildKit uses (moby/patternmatcher, walked as tonistiigi/fsutil walks it), so
a file counts here exactly where Docker would send it.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import stat
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HASH_SCHEME = "1"
"""Part of every content hash: with a new number no older hash is taken for a new one."""

_CACHE_VERSION = 1
_TOO_YOUNG = 2.0
"""Seconds: a file changed more recently than this may change again without its time stamp showing it."""


class ContentError(Exception):
    """A sentence about files that cannot be read or patterns that cannot be understood."""


# --- Patterns ---------------------------------------------------------------------------------------------------------


def read_ignore_patterns(text: str) -> list[str]:
    """The patterns of a .dockerignore file, cleaned as Docker cleans them."""
    patterns = []
    for line in text.removeprefix("\ufeff").split("\n"):
        pattern = line.strip()
        if not pattern or line.startswith("#"):
            continue
        sign = "!" if pattern.startswith("!") else ""
        pattern = pattern[len(sign) :].strip()
        if pattern:
            pattern = _clean(pattern)
            pattern = pattern[1:] if pattern.startswith("/") and pattern != "/" else pattern
        patterns.append(sign + pattern)
    return patterns


def _clean(path: str) -> str:
    """Go's filepath.Clean: normpath, except that it never keeps two leading slashes."""
    clean = posixpath.normpath(path)
    return clean[1:] if clean.startswith("//") else clean


def _class_end(pattern: str, start: int) -> int:
    """The index after the `]` that closes the class opened at start; raises where Docker calls the pattern bad."""
    bad = ContentError(f"the pattern {pattern!r} has a character class that Docker does not accept")

    def character(index: int) -> int:
        if pattern[index : index + 1] in ("", "-", "]"):
            raise bad
        index += 2 if pattern[index] == "\\" else 1
        if index >= len(pattern):
            raise bad
        return index

    index = start + 2 if pattern[start + 1 : start + 2] == "^" else start + 1
    first = True
    while first or pattern[index] != "]":
        index = character(index)
        if pattern[index] == "-":
            index = character(index + 1)
        first = False
    return index + 1


def _class_character(match: re.Match[str]) -> str:
    return re.escape(match.group(1) or "[")


def pattern_regex(pattern: str) -> str:
    """The regular expression that a whole path has to match, as moby/patternmatcher translates the pattern."""
    result, index, special = "", 0, False
    while index < len(pattern):
        char = pattern[index]
        if pattern.startswith("**", index):
            index += 3 if pattern.startswith("**/", index) else 2
            result += "(?:.*/)?" if index < len(pattern) else ".*"
            continue
        if char == "[":
            end = _class_end(pattern, index)
            # A bracket inside a class is an ordinary character to Go, and a warning to Python.
            result += "[" + re.sub(r"\\(.)|\[", _class_character, pattern[index + 1 : end - 1]) + "]"
            index, special = end, True
            continue
        if char == "\\":
            index += 1
            if index >= len(pattern):
                raise ContentError(f"the pattern {pattern!r} ends with a backslash")
            result += re.escape(pattern[index])
            special = True
        elif char in "*?":
            result += "[^/]*" if char == "*" else "[^/]"
            special = True
        else:
            result += re.escape(char)
        index += 1
    literal = pattern[2:]
    if not special and pattern.startswith("**") and "**" not in literal:
        # Docker compares such a pattern as a plain suffix: **foo matches afoo, **/foo matches foo and a/foo.
        return f"(?:.*/)?{re.escape(literal[1:])}" if literal.startswith("/") else f".*{re.escape(literal)}"
    return result


def literal_prefix(pattern: str) -> str:
    """What every match of a pattern begins with; a pattern without wildcards is followed by a slash."""
    match = re.search(r"[*?\\\[]", pattern)
    return pattern[: match.start()] if match else f"{pattern}/"


def _reaches_into(prefix: str, directory: str) -> bool:
    inside = f"{directory}/"
    return prefix.startswith(inside) or inside.startswith(prefix)


@dataclass(frozen=True)
class _Group:
    """Neighbouring patterns of one sign: the first that matches decides, so one expression serves them all."""

    exclusion: bool
    regex: re.Pattern[str]
    prefixes: tuple[str, ...]


class IgnoreRules:
    """The patterns of one .dockerignore file, asked from the top of the tree downwards."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.groups: list[_Group] = []
        signed: list[tuple[bool, str]] = []
        for given in patterns:
            # Cleaned with its sign, as Docker does: "!/" is an exception for nothing, too.
            pattern = _clean(given)
            if pattern == "!":
                raise ContentError(f"the pattern {given!r} names nothing")
            exclusion = pattern.startswith("!")
            signed.append((exclusion, pattern[1:] if exclusion else pattern))
        index = 0
        while index < len(signed):
            end = index
            while end < len(signed) and signed[end][0] == signed[index][0]:
                end += 1
            run = [pattern for _sign, pattern in signed[index:end]]
            self.groups.append(_Group(signed[index][0], _compile(run), tuple(literal_prefix(item) for item in run)))
            index = end

    def match(self, path: str, parent: Sequence[bool] = ()) -> tuple[bool, tuple[bool, ...]]:
        """Whether a path is ignored, and the state to pass on for what lies in it."""
        ignored = False
        state = []
        for index, group in enumerate(self.groups):
            hit = bool(parent) and parent[index]
            if not hit and group.exclusion == ignored:
                hit = group.regex.fullmatch(path) is not None
            state.append(hit)
            if hit:
                ignored = not group.exclusion
        return ignored, tuple(state)

    def may_keep_inside(self, directory: str, state: Sequence[bool]) -> bool:
        """Whether anything in an ignored directory could still be sent: only later `!` patterns can bring it back."""
        last = max((i for i, group in enumerate(self.groups) if state[i] and not group.exclusion), default=-1)
        return any(
            _reaches_into(prefix, directory)
            for group in self.groups[last + 1 :]
            if group.exclusion
            for prefix in group.prefixes
        )


class Sources:
    """The part of the context that a Dockerfile reads: everything at or below a match."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        self.regex = _compile(self.patterns)
        self.prefixes = tuple(literal_prefix(pattern) for pattern in self.patterns)

    def match(self, path: str) -> bool:
        return self.regex.fullmatch(path) is not None

    def may_lead(self, path: str) -> bool:
        """Whether a match could lie at or below the path."""
        return any(_reaches_into(prefix, path) for prefix in self.prefixes)


def _compile(patterns: Sequence[str]) -> re.Pattern[str]:
    try:
        return re.compile("|".join(f"(?:{pattern_regex(pattern)})" for pattern in patterns) or r"(?!)")
    except re.error as error:
        raise ContentError(f"the patterns {list(patterns)!r} cannot be understood: {error}") from error


# --- Files ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One file, directory or link of the context, with all that Docker would take over of it."""

    path: str
    kind: str
    mode: int
    content: str


class _ReadsThroughLink(Exception):
    """A selected source lies behind a symbolic link."""


class Tree:
    """A directory tree that is listed and hashed at most once, however many services ask."""

    def __init__(self, root: str, cache_file: str | None = None) -> None:
        self.root = os.path.abspath(root)
        self.cache_file = cache_file
        self._listings: dict[str, list[tuple[str, os.stat_result]]] = {}
        self._entries: dict[tuple[tuple[str, ...], tuple[str, ...] | None], list[Entry]] = {}
        self._known: dict[str, list[Any]] = self._load()
        self._seen: dict[str, list[Any]] = {}
        self.read_bytes = 0

    def entries(self, ignore: Sequence[str], sources: Sequence[str] | None) -> list[Entry]:
        """What Docker would read with these ignore patterns, restricted to the sources (None: everything)."""
        key = (tuple(ignore), None if sources is None else tuple(sources))
        if key not in self._entries:
            try:
                selection = None if sources is None else Sources(sources)
                found = self._walk("", (), IgnoreRules(ignore), selection, selection is None)
            except _ReadsThroughLink:
                found = self.entries(ignore, None)
            self._entries[key] = sorted(found, key=lambda entry: entry.path)
        return self._entries[key]

    def _walk(
        self, directory: str, state: Sequence[bool], ignore: IgnoreRules, sources: Sources | None, inside: bool
    ) -> list[Entry]:
        found = []
        for name, status in self._list(directory):
            path = f"{directory}/{name}" if directory else name
            ignored, inner = ignore.match(path, state)
            selected = inside or sources is None or sources.match(path)
            if stat.S_ISDIR(status.st_mode):
                if ignored and not ignore.may_keep_inside(path, inner):
                    continue
                if not selected and sources is not None and not sources.may_lead(path):
                    continue
                below = self._walk(path, inner, ignore, sources, selected)
                if below or (selected and not ignored):
                    found.append(Entry(path, "d", stat.S_IMODE(status.st_mode), ""))
                found.extend(below)
            elif ignored:
                continue
            elif stat.S_ISLNK(status.st_mode):
                # A link that is itself a source, or on the way to one, is followed by Docker.
                if sources is not None and not inside and (selected or sources.may_lead(path)):
                    raise _ReadsThroughLink
                if selected:
                    found.append(Entry(path, "l", 0, self._target(path)))
            elif selected and stat.S_ISREG(status.st_mode):
                found.append(Entry(path, "f", stat.S_IMODE(status.st_mode), self.file_hash(path, status)))
        return found

    def _list(self, directory: str) -> list[tuple[str, os.stat_result]]:
        if directory not in self._listings:
            full = os.path.join(self.root, directory)
            try:
                with os.scandir(full) as items:
                    self._listings[directory] = [(item.name, item.stat(follow_symlinks=False)) for item in items]
            except FileNotFoundError:
                self._listings[directory] = []
            except OSError as error:
                raise ContentError(
                    f"the build context {self.root} cannot be read: {error.strerror}: {full}; "
                    "allow it or name it in .dockerignore"
                ) from error
        return self._listings[directory]

    def _target(self, path: str) -> str:
        try:
            return os.readlink(os.path.join(self.root, path))
        except OSError as error:
            raise ContentError(f"the link {os.path.join(self.root, path)} cannot be read: {error.strerror}") from error

    def file_hash(self, path: str, status: os.stat_result) -> str:
        """The sha256 of a file, from the cache where its size, times and inode are what they were."""
        identity = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        known = self._seen.get(path) or self._known.get(path)
        if not known or known[:-1] != identity:
            known = [*identity, self._read(path)]
        self._seen[path] = known
        return str(known[-1])

    def _read(self, path: str) -> str:
        full = os.path.join(self.root, path)
        digest = hashlib.sha256()
        try:
            with open(full, "rb") as handle:
                while chunk := handle.read(1 << 20):
                    digest.update(chunk)
                    self.read_bytes += len(chunk)
        except OSError as error:
            raise ContentError(
                f"the build context {self.root} cannot be read: {error.strerror}: {full}; "
                "allow it or name it in .dockerignore"
            ) from error
        return digest.hexdigest()

    def _load(self) -> dict[str, list[Any]]:
        try:
            with open(self.cache_file or "", encoding="utf-8") as handle:
                data = json.load(handle)
            if data["version"] != _CACHE_VERSION or data["root"] != self.root:
                return {}
            return {str(path): list(entry) for path, entry in data["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def save(self) -> None:
        """Write the cache for the next run; a cache that cannot be written costs time, nothing else."""
        if not self.cache_file:
            return
        limit = (time.time() - _TOO_YOUNG) * 1e9
        files = {path: entry for path, entry in self._seen.items() if max(entry[1], entry[2]) < limit}
        if files == self._known:
            return
        try:
            write_atomically(
                self.cache_file,
                json.dumps({"version": _CACHE_VERSION, "root": self.root, "files": files}, separators=(",", ":")),
            )
        except OSError:
            return


def write_atomically(path: str, text: str) -> None:
    """Write a private file so that no reader ever sees half of it."""
    directory = os.path.dirname(os.path.abspath(path))
    os.makedirs(directory, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=directory)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def content_hash(inputs: Mapping[str, Any], entries: Iterable[Entry]) -> str:
    """One sha256 over the named inputs and the files, in an order that does not depend on the file system."""
    digest = hashlib.sha256(json.dumps(["luckyplans", HASH_SCHEME, inputs], sort_keys=True).encode())
    for entry in entries:
        digest.update(json.dumps([entry.kind, entry.path, entry.mode, entry.content]).encode() + b"\n")
    return digest.hexdigest()


def files_below(folder: str) -> list[str]:
    """All files of a directory, links followed as far as they lead to files, without what Python leaves behind."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        found += [os.path.join(place, name) for name in files]
    return sorted(found)


def hash_of_files(paths: Iterable[str]) -> str:
    """One sha256 over files, their names and what may run; OSError where one cannot be read."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as handle:
            content = hashlib.sha256(handle.read()).hexdigest()
        digest.update(json.dumps([path, os.access(path, os.X_OK), content]).encode())
    return digest.hexdigest()
