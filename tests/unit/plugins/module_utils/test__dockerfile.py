# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils._dockerfile import (
    DockerfileError,
    parse,
    without_frontend,
)

BASE_IMAGES = {
    "plain": ("FROM node:24-alpine\n", ["node:24-alpine"]),
    "lower case": ("from node:24 as build\n", ["node:24"]),
    "stages are no images": ("FROM node:24 AS build\nFROM build AS test\nFROM Build\n", ["node:24"]),
    "scratch is no image": ("FROM scratch\n", []),
    "each once, in order": ("FROM b:1 AS x\nFROM a:1\nFROM b:1\n", ["b:1", "a:1"]),
    "a stage named like its image": ("FROM redis AS redis\nFROM scratch\nCOPY --from=redis /x /x\n", ["redis"]),
    "platform flag": ("FROM --platform=$BUILDPLATFORM golang:1.26 AS build\n", ["golang:1.26"]),
    "registry with a port": ("FROM localhost:5000/a/b:1@sha256:abc\n", ["localhost:5000/a/b:1@sha256:abc"]),
    "argument": ("ARG BASE=node:24\nFROM $BASE\n", ["node:24"]),
    "argument in braces": ("ARG TAG=24\nFROM node:${TAG}-alpine\n", ["node:24-alpine"]),
    "argument of an argument": ("ARG A=24\nARG B=node:$A\nFROM ${B}\n", ["node:24"]),
    "several arguments in a line": ("ARG A=node B=24\nFROM $A:$B\n", ["node:24"]),
    "quoted argument": ('ARG BASE="node:24"\nFROM ${BASE}\n', ["node:24"]),
    "single quotes keep the dollar": ("ARG BASE='a$b'\nFROM x:${BASE}\n", ["x:a$b"]),
    "default in place": ("ARG TAG\nFROM node:${TAG:-24}\n", ["node:24"]),
    "default for empty": ("ARG TAG=\nFROM node:${TAG:-24}\n", ["node:24"]),
    "no default for empty": ("ARG TAG=\nFROM node:24${TAG-x}\n", ["node:24"]),
    "alternative": ("ARG SLIM=1\nFROM node:24${SLIM:+-slim}\n", ["node:24-slim"]),
    "no alternative": ("FROM node:24${SLIM:+-slim}\n", ["node:24"]),
    "default with a variable": ("ARG D=24\nFROM node:${TAG:-$D}\n", ["node:24"]),
    "required and there": ("ARG TAG=24\nFROM node:${TAG:?}\n", ["node:24"]),
    "given argument wins": ("ARG GIVEN=x\nFROM node:$GIVEN\n", ["node:given"]),
    "given argument without default": ("ARG GIVEN\nFROM node:$GIVEN\n", ["node:given"]),
    "given argument that is not declared": ("FROM node:24$GIVEN\n", ["node:24"]),
    "platform arguments": ("FROM base-$TARGETOS-$TARGETARCH:1\n", ["base-linux-arm64:1"]),
    "argument after the first FROM": ("FROM a:1\nARG B=b:1\nFROM ${B:-c:1}\n", ["a:1", "c:1"]),
    "copy from an image": ("FROM a:1\nCOPY --from=b:1 /x /y\n", ["a:1", "b:1"]),
    "copy from a stage": ("FROM a:1 AS s\nFROM b:1\nCOPY --chown=1:1 --from=s /x /y\n", ["a:1", "b:1"]),
    "copy from a numbered stage": ("FROM a:1\nFROM b:1\nCOPY --from=0 /x /y\n", ["a:1", "b:1"]),
    "mount from an image": ("FROM a:1\nRUN --mount=type=bind,from=b:1,target=/b true\n", ["a:1", "b:1"]),
    "mount from a stage": ("FROM a:1 AS s\nFROM b:1\nRUN --mount=from=s,target=/b true\n", ["a:1", "b:1"]),
    "cache mount from an image": ("FROM a:1\nRUN --mount=type=cache,from=b:1,target=/b true\n", ["a:1", "b:1"]),
    "comment between continued lines": ("FROM \\\n# a comment\n  a:1\n", ["a:1"]),
    "empty line between continued lines": ("FROM a:1\nRUN x \\\n\n  && y\nFROM b:1\n", ["a:1", "b:1"]),
    "comment at the end of a continuation": ("FROM a:1\nRUN x \\\n# FROM c:1\n  FROM d:1\nFROM b:1\n", ["a:1", "b:1"]),
    "escaped backslash at the end": ("FROM a:1\nRUN echo \\\\\nFROM b:1\n", ["a:1", "b:1"]),
    "spaces after the backslash": ("FROM \\  \n a:1\n", ["a:1"]),
    "backtick as escape": ("# escape=`\nFROM `\n a:1\nRUN dir c:\\\nFROM b:1\n", ["a:1", "b:1"]),
    "escape after a comment is a comment": ("# hello\n# escape=`\nFROM \\\n a:1\n", ["a:1"]),
    "here-document": ("FROM a:1\nRUN <<EOF\nFROM c:1\nEOF\nFROM b:1\n", ["a:1", "b:1"]),
    "here-document after words": ("FROM a:1\nRUN cat <<-'E F' > /x\n\tFROM c:1\n\tE F\nFROM b:1\n", ["a:1", "b:1"]),
    "two here-documents": ("FROM a:1\nCOPY <<A <<B /\nFROM c:1\nA\nFROM d:1\nB\nFROM b:1\n", ["a:1", "b:1"]),
    "here-string is none": ("FROM a:1\nRUN cat <<<EOF\nFROM b:1\n", ["a:1", "b:1"]),
    "shift is none": ("FROM a:1\nRUN echo $((1<<2))\nFROM b:1\n", ["a:1", "b:1"]),
    "quoted is none": ('FROM a:1\nRUN echo "x <<EOF"\nFROM b:1\n', ["a:1", "b:1"]),
    "JSON is none": ('FROM a:1\nRUN ["cat", "<<EOF"]\nFROM b:1\n', ["a:1", "b:1"]),
    "trigger": ("FROM a:1\nONBUILD COPY --from=b:1 /x /x\n", ["a:1", "b:1"]),
    "Windows line ends": ("# syntax=x\r\nFROM \\\r\n a:1\r\nRUN <<E\r\nFROM c:1\r\nE\r\n", ["a:1"]),
    "byte order mark": ("\ufeffFROM a:1\n", ["a:1"]),
    "tab after the keyword": ("FROM\ta:1\tAS\tx\n", ["a:1"]),
}


@pytest.mark.parametrize("case", BASE_IMAGES)
def test_base_images(case: str) -> None:
    text, images = BASE_IMAGES[case]
    assert list(parse(text, {"GIVEN": "given"}, "linux/arm64").base_images) == images


SOURCES = {
    "nothing": ("RUN true", []),
    "files and directories": ("COPY package.json ./apps/web/ /app/", ["package.json", "apps/web"]),
    "absolute and dotted": ("COPY /a ./b/../c ../../d /app/", ["a", "c", "d"]),
    "wildcards": ("COPY apps/*/package.json lib/?.js /app/", ["apps/*/package.json", "lib/?.js"]),
    "parents": ("COPY --parents ./apps/./*/package.json **/x /app/", ["apps/*/package.json", "**/x"]),
    "JSON": ('COPY ["a b", "c", "/app/"]', ["a b", "c"]),
    "add": ("ADD --chown=1 a.tar /", ["a.tar"]),
    "add from afar": ("ADD https://example.invalid/a git@example.invalid:b a /", ["a"]),
    "only from other stages": ("COPY --from=x a /a", []),
    "here-document": ("COPY <<EOF /x\nhello\nEOF", []),
    "bind mount": (
        "RUN --mount=type=bind,source=pnpm-lock.yaml,target=/l --mount=type=cache,target=/c x",
        ["pnpm-lock.yaml"],
    ),
    "bind mount, short": ("RUN --mount=src=a/b,dst=/l x", ["a/b"]),
    "secret and ssh": ("RUN --mount=type=secret,id=x --mount=type=ssh --mount=type=tmpfs,target=/t x", []),
    "trigger": ("ONBUILD COPY a /a", ["a"]),
    "trigger with a mount": ("ONBUILD RUN --mount=source=b,target=/b x", ["b"]),
    "continued": ("COPY a \\\n  b \\\n  /app/", ["a", "b"]),
    "each once": ("COPY a /a\nCOPY a /b", ["a"]),
}
WHOLE = {
    "dot": "COPY . /app",
    "slash": "COPY / /app",
    "dot among others": "COPY a . /app/",
    "bind mount of everything": "RUN --mount=target=/src x",
    "variable": "ARG X=a\nCOPY $X /app",
    "quotes": 'COPY "a" /app',
    "escapes": "COPY a\\ b /app",
    "character class": "COPY apps/[ab] /app/",
    "variable in a mount": "RUN --mount=source=$X,target=/x y",
}


@pytest.mark.parametrize("case", SOURCES)
def test_sources(case: str) -> None:
    text, sources = SOURCES[case]
    assert parse(f"FROM scratch\n{text}\n").sources == tuple(sources)


@pytest.mark.parametrize("case", WHOLE)
def test_where_it_cannot_be_told_the_whole_context_counts(case: str) -> None:
    assert parse(f"FROM scratch\n{WHOLE[case]}\n").sources is None


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        ("# syntax=docker/dockerfile:1\nFROM a\n", "docker/dockerfile:1"),
        ("#syntax = docker/dockerfile:1.7 cmdline\nFROM a\n", "docker/dockerfile:1.7"),
        ("# escape=\\\n# SYNTAX=x\nFROM a\n", "x"),
        ("#!/usr/bin/env buildx\n# syntax=x\nFROM a\n", "x"),
        ("# comment\n# syntax=x\nFROM a\n", ""),
        ("\n# syntax=x\nFROM a\n", ""),
        ("FROM a\n# syntax=x\n", ""),
        ("# other=y\n# syntax=x\nFROM a\n", ""),
    ],
)
def test_syntax_line(text: str, syntax: str) -> None:
    assert parse(text).syntax == syntax


@pytest.mark.parametrize(
    ("text", "escape"),
    [
        ("# syntax=docker/dockerfile:1\n# escape=`\nFROM `\n a:1\n", "`"),
        ("# check=skip=all\n# syntax=x\nFROM \\\n a:1\n", "\\"),
        ("\ufeff# syntax=x\r\nFROM \\\r\n a:1\r\n", "\\"),
    ],
)
def test_without_frontend_the_rest_stays_as_it_was(text: str, escape: str) -> None:
    original = parse(text)
    copy = without_frontend(text, original)
    assert copy.endswith(text.lstrip("\ufeff"))
    changed = parse(copy)
    assert changed.syntax == ""
    assert changed.directives == original.directives
    assert changed.base_images == original.base_images == ("a:1",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it has no FROM line"),
        ("# only a comment\n", "it has no FROM line"),
        ("FROM\n", "its line 1 names no image"),
        ("FROM a b\n", "its line 1 is not FROM <image> [AS <name>]"),
        ("FROM a AS b c\n", "its line 1 is not FROM <image> [AS <name>]"),
        ("ARG X\n\nFROM $X\n", "its line 3 names no image: '$X' is empty"),
        ("FROM ${X:?}\n", "its line 1 needs the build argument X"),
        ("FROM ${X#y}\n", "its line 1 uses '${X#y}'"),
        ("FROM a\nRUN <<EOF\n", "its here-document 'EOF' of line 2 has no end"),
        ("# escape=x\nFROM a\n", "only a backslash or a backtick is allowed"),
    ],
)
def test_what_cannot_be_understood_is_told_with_its_line(text: str, words: str) -> None:
    with pytest.raises(DockerfileError) as error:
        parse(text)
    assert words in str(error.value)
