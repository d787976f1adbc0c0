# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection.

"""What a Dockerfile says about its inputs: base images, frontend, and the part of the context that it reads.

Pure text in, data out. Where BuildKit's rules leave room for doubt, the answer errs towards "reads everything": an
image that is built once too often costs seconds, an image that is not built costs a day.
"""

from __future__ import annotations

import csv
import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass


class DockerfileError(Exception):
    """A sentence about a Dockerfile that cannot be understood."""


@dataclass(frozen=True)
class Dockerfile:
    """What matters of one Dockerfile."""

    syntax: str
    """The frontend that a `# syntax=` line asks for, or an empty string."""
    directives: tuple[str, ...]
    """The other parser directives, each as the line it was written in."""
    base_images: tuple[str, ...]
    """Images from outside, in the order of their first appearance."""
    sources: tuple[str, ...] | None
    """Patterns of the context that COPY, ADD and bind mounts read; None means all of it."""


@dataclass(frozen=True)
class _Instruction:
    keyword: str
    flags: tuple[str, ...]
    rest: str
    line: int


_DIRECTIVE = re.compile(r"^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
_DIRECTIVES = ("syntax", "escape", "check")
_HEREDOC = re.compile(r"^\d*<<(-?)\s*([^<]+)$")
_VARIABLE = re.compile(
    r"""\\(?P<escaped>.)
      | \$(?P<plain>[A-Za-z_][A-Za-z0-9_]*)
      | \$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:?[-+?])(?P<word>[^{}]*))?\}
      | (?P<broken>\$\{)""",
    re.VERBOSE,
)
_REMOTE_SOURCE = re.compile(r"^(?:https?://|git://|ssh://|git@)", re.IGNORECASE)


def parse(text: str, build_args: Mapping[str, str] | None = None, platform: str = "linux/amd64") -> Dockerfile:
    """Read a Dockerfile; build_args override the defaults of the ARGs before the first FROM."""
    text = text.removeprefix("\ufeff")
    directives, escape = _directives(text)
    reader = _Reader(escape, build_args or {}, _platform_args(platform))
    for instruction in _instructions(text, escape):
        reader.read(instruction)
    if not reader.stages:
        raise DockerfileError("it has no FROM line")
    return Dockerfile(
        syntax=directives.get("syntax", ("", ""))[0].split(" ", 1)[0],
        directives=tuple(line for name, (_value_of, line) in directives.items() if name != "syntax"),
        base_images=tuple(dict.fromkeys(reader.images)),
        sources=None if reader.whole or "." in reader.sources else tuple(dict.fromkeys(reader.sources)),
    )


class _Reader:
    """Collects what the instructions say, one after the other."""

    def __init__(self, escape: str, build_args: Mapping[str, str], scope: dict[str, str]) -> None:
        self.escape = escape
        self.build_args = build_args
        self.scope = scope
        self.stages: list[str] = []
        self.images: list[str] = []
        self.sources: list[str] = []
        self.whole = False

    def read(self, given: _Instruction) -> None:
        # Triggers run where a later stage starts from this one; read as if they ran here.
        instruction = _split(given.rest, given.line) if given.keyword == "ONBUILD" else given
        if instruction.keyword == "ARG" and not self.stages:
            self._argument(instruction)
        elif instruction.keyword == "FROM":
            image, stage = _from(instruction, self.scope)
            if image.lower() not in self.stages and image != "scratch":
                self.images.append(image)
            self.stages.append(stage)
        elif instruction.keyword in ("COPY", "ADD"):
            self._copy(instruction)
        elif instruction.keyword == "RUN":
            for value in _flags(instruction, "mount"):
                self._mount(value, instruction.line)

    def _argument(self, instruction: _Instruction) -> None:
        for word in _words(instruction.rest):
            name, equals, value = word.partition("=")
            if name in self.build_args:
                self.scope[name] = self.build_args[name]
            elif equals:
                self.scope[name] = expand(value, self.scope, instruction.line)

    def _copy(self, instruction: _Instruction) -> None:
        origins = _flags(instruction, "from")
        if origins:
            self._external(origins[0], instruction.line)
            return
        found = _copy_sources(instruction.rest, self.escape)
        self.whole = self.whole or found is None
        self.sources.extend(found or [])

    def _mount(self, value: str, line: int) -> None:
        origin, source = _mount(value)
        if origin:
            self._external(origin, line)
        elif source is not None:
            plain = _plain_source(source)
            self.whole = self.whole or plain is None
            self.sources.extend([plain] if plain else [])

    def _external(self, origin: str, line: int) -> None:
        """Note the image that `--from=` or `from=` names, unless it is a stage of the same file."""
        name = expand(origin, self.scope, line)
        if name and name != "scratch" and not name.isdigit() and name.lower() not in self.stages:
            self.images.append(name)


def without_frontend(text: str, parsed: Dockerfile) -> str:
    """The same Dockerfile for the frontend that is built into Docker.

    A comment before it turns its directives into ordinary comments; those other than `syntax` still apply and are
    therefore repeated in front.
    """
    text = text.removeprefix("\ufeff")
    head = [*parsed.directives, f"# Built with the frontend inside Docker instead of {parsed.syntax}."]
    return "\n".join(head) + "\n" + text


def _directives(text: str) -> tuple[dict[str, tuple[str, str]], str]:
    """Parser directives: name to (value, line), and the escape character they leave in force."""
    found: dict[str, tuple[str, str]] = {}
    lines = text.splitlines()
    if lines and lines[0].startswith("#!"):
        lines = lines[1:]
    for line in lines:
        match = _DIRECTIVE.match(line.strip())
        if not match or match.group(1).lower() not in _DIRECTIVES or match.group(1).lower() in found:
            break
        found[match.group(1).lower()] = (match.group(2), line.strip())
    escape = found.get("escape", ("\\", ""))[0]
    if escape not in ("\\", "`"):
        raise DockerfileError(f"its escape directive is {escape!r}; only a backslash or a backtick is allowed")
    return found, escape


def _instructions(text: str, escape: str) -> list[_Instruction]:
    """Logical lines: comments and continuations removed, here-documents skipped."""
    continuation = re.compile(rf"(?:^|(?<=[^{re.escape(escape)}])){re.escape(escape)}[ \t]*$")
    lines = text.split("\n")
    result: list[_Instruction] = []
    index = 0
    while index < len(lines):
        start = index + 1
        line = lines[index].rstrip("\r").lstrip()
        index += 1
        if not line or line.startswith("#"):
            continue
        parts = [continuation.sub("", line)]
        more = continuation.search(line) is not None
        while more and index < len(lines):
            line = lines[index].rstrip("\r")
            index += 1
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            parts.append(continuation.sub("", line))
            more = continuation.search(line) is not None
        logical = "".join(parts).strip()
        if not logical:
            continue
        instruction = _split(logical, start)
        result.append(instruction)
        for strip_tabs, word in _heredocs(instruction):
            while index < len(lines):
                line = lines[index].rstrip("\r")
                index += 1
                if (line.lstrip("\t") if strip_tabs else line) == word:
                    break
            else:
                raise DockerfileError(f"its here-document {word!r} of line {start} has no end")
    return result


def _split(logical: str, line: int) -> _Instruction:
    """Keyword, leading `--flags` and the rest."""
    keyword, _separator, rest = logical.partition(" ")
    if "\t" in keyword:
        keyword, _separator, tail = keyword.partition("\t")
        rest = f"{tail} {rest}"
    flags = []
    rest = rest.strip()
    while rest.startswith("--"):
        word = _words(rest)[0]
        flags.append(word)
        rest = rest[len(word) :].strip()
    return _Instruction(keyword.upper(), tuple(flags), rest, line)


def _flags(instruction: _Instruction, name: str) -> list[str]:
    """The values of a flag, such as from of `COPY --from=build`."""
    pairs = [flag[2:].partition("=") for flag in instruction.flags]
    return [value.strip("\"'") for given, _equals, value in pairs if given.lower() == name]


def _words(text: str) -> list[str]:
    """Words as a shell would see them, quotes and escapes kept."""
    words, word, quote, index = [], "", "", 0
    while index < len(text):
        char = text[index]
        if char == "\\" and quote != "'":
            word += text[index : index + 2]
            index += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char.isspace():
            if word:
                words.append(word)
            word = ""
            index += 1
            continue
        word += char
        index += 1
    return [*words, word] if word else words


def _heredocs(instruction: _Instruction) -> list[tuple[bool, str]]:
    if instruction.keyword == "ONBUILD":
        instruction = _split(instruction.rest, instruction.line)
    rest = instruction.rest
    if instruction.keyword not in ("RUN", "COPY", "ADD") or "<<" not in rest or _json_list(rest) is not None:
        return []
    matches = [_HEREDOC.match(word) for word in _words(rest)]
    return [(bool(match.group(1)), _unquote(match.group(2))) for match in matches if match]


def _json_list(text: str) -> list[str] | None:
    """The JSON form of an instruction, or None where it is not that."""
    if not text.startswith("["):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def _unquote(word: str) -> str:
    return re.sub(r"\\(.)|[\"']", lambda match: match.group(1) or "", word)


def _platform_args(platform: str) -> dict[str, str]:
    system, _separator, tail = platform.partition("/")
    arch, _separator, variant = tail.partition("/")
    return {
        f"{side}{key}": value
        for side in ("TARGET", "BUILD")
        for key, value in (("PLATFORM", platform), ("OS", system), ("ARCH", arch), ("VARIANT", variant))
    }


def expand(word: str, scope: Mapping[str, str], line: int) -> str:
    """A word with its variables replaced and its quotes removed, by the rules of a Dockerfile."""
    result, quote, index = "", "", 0
    while index < len(word):
        char = word[index]
        if quote == "'":
            quote, result = ("", result) if char == "'" else (quote, result + char)
            index += 1
        elif char in "\"'":
            quote, result = ("", result) if char == quote else (char, result) if not quote else (quote, result + char)
            index += 1
        elif char in "\\$" and (match := _VARIABLE.match(word, index)):
            result += _value(match, scope, line, word)
            index = match.end()
        else:
            result += char
            index += 1
    return result


def _value(match: re.Match[str], scope: Mapping[str, str], line: int, word: str) -> str:
    if match.group("escaped") is not None:
        return match.group("escaped")
    if match.group("broken"):
        raise DockerfileError(
            f"its line {line} uses {word!r}, a kind of expansion that is not known here; write it plainly"
        )
    name = match.group("plain") or match.group("name")
    value, operator, other = scope.get(name), match.group("operator") or "", match.group("word") or ""
    present = value is not None and (bool(value) or not operator.startswith(":"))
    if operator.endswith("-"):
        return value or "" if present else expand(other, scope, line)
    if operator.endswith("+"):
        return expand(other, scope, line) if present else ""
    if operator.endswith("?") and not present:
        raise DockerfileError(f"its line {line} needs the build argument {name}, which has no value")
    return value or ""


def _from(instruction: _Instruction, scope: Mapping[str, str]) -> tuple[str, str]:
    """The image of a FROM line and the name of its stage, which may be empty."""
    name, *alias = instruction.rest.split() or [""]
    if alias and (alias[0].lower() != "as" or not alias[1:] or alias[2:]):
        raise DockerfileError(f"its line {instruction.line} is not FROM <image> [AS <name>]: {instruction.rest!r}")
    image = expand(name, scope, instruction.line)
    if not image:
        raise DockerfileError(f"its line {instruction.line} names no image: {name!r} is empty; give the ARG a default")
    return image, alias[1].lower() if alias else ""


def _copy_sources(rest: str, escape: str) -> list[str] | None:
    """Patterns that COPY or ADD take from the context; None where that cannot be told."""
    words = _json_list(rest)
    if words is None:
        words = rest.split()
    if escape in rest:
        return None
    result = []
    for word in words[:-1]:
        if _HEREDOC.match(word) or _REMOTE_SOURCE.match(word):
            continue
        source = _plain_source(word)
        if source is None:
            return None
        result.append(source)
    return result


def _plain_source(word: str) -> str | None:
    """A source as a clean pattern relative to the context, or None where it needs more than `*` and `?`."""
    if re.search(r"[$\"'\\\[\]]", word):
        return None
    clean = posixpath.normpath("/" + word).lstrip("/")
    return clean or "."


def _mount(value: str) -> tuple[str, str | None]:
    """(from, source) of one `RUN --mount`; source None where it does not touch the context."""
    fields = {}
    for item in next(csv.reader([value]), []):
        name, _separator, given = item.partition("=")
        fields[name.strip().lower()] = given.strip()
    kind = fields.get("type", "bind")
    if kind in ("bind", "cache") and fields.get("from"):
        return fields["from"], None
    if kind != "bind":
        return "", None
    return "", fields.get("source", fields.get("src", "."))
