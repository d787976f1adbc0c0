# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _content
from ansible_collections.luckyplans.platform.plugins.module_utils._content import (
    ContentError,
    IgnoreRules,
    Sources,
    Tree,
    content_hash,
    read_ignore_patterns,
)
from hypothesis import given, settings
from hypothesis import strategies as st

# Docker's documented cases (moby/patternmatcher, TestMatches and TestMatch): pattern, path, whether it is ignored.
DOCUMENTED = [
    ("**", "file", True),
    ("**/", "file", True),
    ("**", "dir/file", True),
    ("**/", "dir/file", True),
    ("**/**", "dir/file", True),
    ("dir/**", "dir/file", True),
    ("dir/**", "dir/dir2/file", True),
    ("**/dir", "dir", True),
    ("**/dir", "dir/file", True),
    ("**/dir2/*", "dir/dir2/file", True),
    ("**/dir2/**", "dir/dir2/dir3/file", True),
    ("**file", "file", True),
    ("**file", "dir/file", True),
    ("**/file", "dir/file", True),
    ("**file", "dir/dir/file", True),
    ("**/file", "dir/dir/file", True),
    ("**/file*", "dir/dir/file", True),
    ("**/file*", "dir/dir/file.txt", True),
    ("**/file*txt", "dir/dir/file.txt", True),
    ("**/file*.txt", "dir/dir/file.txt", True),
    ("**/file*.txt*", "dir/dir/file.txt", True),
    ("**/**/*.txt", "dir/dir/file.txt", True),
    ("**/**/*.txt2", "dir/dir/file.txt", False),
    ("**/*.txt", "file.txt", True),
    ("**/**/*.txt", "file.txt", True),
    ("a**/*.txt", "a/file.txt", True),
    ("a**/*.txt", "a/dir/file.txt", True),
    ("a**/*.txt", "a/dir/dir/file.txt", True),
    ("a/*.txt", "a/dir/file.txt", False),
    ("a/*.txt", "a/file.txt", True),
    ("a/*.txt**", "a/file.txt", True),
    ("a[b-d]e", "ae", False),
    ("a[b-d]e", "ace", True),
    ("a[b-d]e", "aae", False),
    ("a[^b-d]e", "aze", True),
    (".*", ".foo", True),
    (".*", "foo", False),
    ("abc.def", "abcdef", False),
    ("abc.def", "abc.def", True),
    ("abc.def", "abcZdef", False),
    ("abc?def", "abcZdef", True),
    ("abc?def", "abcdef", False),
    ("a\\\\", "a\\", True),
    ("a\\*b", "a*b", True),
    ("a\\*b", "ab", False),
    ("**/foo/bar", "foo/bar", True),
    ("**/foo/bar", "dir/foo/bar", True),
    ("**/foo/bar", "dir/dir2/foo/bar", True),
    ("abc/**", "abc", False),
    ("abc/**", "abc/def", True),
    ("abc/**", "abc/def/ghi", True),
    ("**/.foo", ".foo", True),
    ("**/.foo", "bar.foo", False),
    ("a(b)c/def", "a(b)c/def", True),
    ("a(b)c/def", "a(b)c/xyz", False),
    ("a.|)$(}+{bc", "a.|)$(}+{bc", True),
    ("dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", True),
    ("*", "abc", True),
    ("*c", "abc", True),
    ("a*", "a", True),
    ("a*", "ab/c", True),
    ("a*/b", "abc/b", True),
    ("a*/b", "a/c/b", False),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
    ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", False),
    ("a*b?c*x", "abxbbxdbxebxczzx", True),
    ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("ab[^e-g]", "abc", True),
    ("a?b", "a☺b", True),
    ("a[^a]b", "a☺b", True),
    ("a???b", "a☺b", False),
    ("[a-ζ]*", "α", True),
    ("*[a-ζ]", "A", False),
    ("a?b", "a/b", False),
    ("a*b", "a/b", False),
    ("[\\]a]", "]", True),
    ("[\\-]", "-", True),
    ("[x\\-]", "x", True),
    ("[x\\-]", "z", False),
    ("[\\-x]", "-", True),
    ("[[]", "[", True),
    # the rules of the file: order, exceptions, roots
    ("docs\n!docs/README.md", "docs/README.md", False),
    ("docs/\n!docs/README.md", "docs/README.md", False),
    ("docs/*\n!docs/README.md", "docs/README.md", False),
    ("*.go\n!fileutils.go", "fileutils.go", False),
    ("!fileutils.go\n*.go", "fileutils.go", True),
    ("**\n!util/docker/web", "util/docker/web/foo", False),
    ("**\n!util/docker/web\nutil/docker/web/foo", "util/docker/web/foo", True),
    ("**\n!dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", False),
    ("*\n!apps\napps/*/node_modules", "apps/web/index.js", False),
    ("*\n!apps\napps/*/node_modules", "apps/web/node_modules/x.js", True),
    ("*\n!apps\napps/*/node_modules", "README.md", True),
    ("/node_modules", "node_modules/x", True),
    ("node_modules", "apps/node_modules/x", False),
    ("**/node_modules", "apps/web/node_modules/x", True),
    ("./a/../b/", "b/c", True),
    ("  spaced  \n\n", "spaced", True),
    ("# comment\n#file", "#file", False),
    ("\ufeff# comment\nb", "b", True),
    ("! b\n*\n! b", "b", False),
    ("b\r\n", "b", True),
    ("file", "FILE", False),
]


def ignored(text: str, path: str) -> bool:
    """Ask as the walk does: from the top down, each directory before what lies in it."""
    rules, state, answer = IgnoreRules(read_ignore_patterns(text)), (), False
    parts = path.split("/")
    for depth in range(len(parts)):
        answer, state = rules.match("/".join(parts[: depth + 1]), state)
    return answer


@pytest.mark.parametrize(("text", "path", "expected"), DOCUMENTED)
def test_documented_cases(text: str, path: str, expected: bool) -> None:
    assert ignored(text, path) is expected


@pytest.mark.parametrize(
    "pattern",
    ["[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "a[", "\\", "a\\", "[z-a]", "[\\", "!", "!/"],
)
def test_patterns_that_docker_refuses_are_refused(pattern: str) -> None:
    with pytest.raises(ContentError):
        IgnoreRules([pattern])


def test_the_patterns_of_a_file_are_cleaned_as_docker_cleans_them() -> None:
    text = "test1\n/test2\n/a/file/here\n\nlastfile\n# this is a comment\n! /inverted/abs/path\n!\n! "
    assert read_ignore_patterns(text) == ["test1", "test2", "a/file/here", "lastfile", "!inverted/abs/path", "!", "!"]
    assert read_ignore_patterns("//x\n/\n.\na//b/\n") == ["x", "/", ".", "a/b"]


def plant(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def names(tree: Tree, ignore: str, sources: list[str] | None = None) -> list[str]:
    return [entry.path for entry in tree.entries(read_ignore_patterns(ignore), sources)]


def test_directories_on_the_way_count_and_empty_ones_too(tmp_path: Path) -> None:
    plant(tmp_path, "a/b/c.txt", "a/b/d.txt", "x.txt")
    (tmp_path / "empty").mkdir()
    (tmp_path / "gone").mkdir()
    assert names(Tree(str(tmp_path)), "*\n!a/b/c.txt\n!empty") == ["a", "a/b", "a/b/c.txt", "empty"]


@pytest.mark.parametrize(
    "ignore", ["node_modules\n.git", "*\n!apps", "**/.git\n!keep\n**/node_modules", "!apps\n*\n!apps"]
)
def test_ignored_directories_are_not_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignore: str) -> None:
    plant(tmp_path, "node_modules/a/b.js", ".git/objects/x", "apps/web/index.js")
    walked = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: walked.append(os.path.relpath(path, tmp_path)) or scan(path))
    assert "apps/web/index.js" in names(Tree(str(tmp_path)), ignore)
    assert not [path for path in walked if path.startswith(("node_modules", ".git"))]


def test_directories_outside_the_sources_are_not_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "node_modules/a/b.js", "apps/web/src/index.js", "apps/api/index.js", "package.json")
    walked = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: walked.append(os.path.relpath(path, tmp_path)) or scan(path))
    found = names(Tree(str(tmp_path)), "", ["apps/web", "package.json"])
    assert found == ["apps", "apps/web", "apps/web/src", "apps/web/src/index.js", "package.json"]
    assert sorted(walked) == [".", "apps", "apps/web", "apps/web/src"]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["apps/*/package.json"], ["apps/api/package.json", "apps/web/package.json"]),
        (["apps/a?i"], ["apps/api/index.js", "apps/api/package.json"]),
        (["**/index.js"], ["apps/api/index.js", "apps/web/src/index.js"]),
        (["apps/web/src/index.js"], ["apps/web/src/index.js"]),
        (["nowhere"], []),
        ([], []),
    ],
)
def test_sources_select_files_and_what_lies_below(tmp_path: Path, sources: list[str], expected: list[str]) -> None:
    plant(tmp_path, "apps/api/index.js", "apps/api/package.json", "apps/web/package.json", "apps/web/src/index.js")
    entries = Tree(str(tmp_path)).entries([], sources)
    assert [entry.path for entry in entries if entry.kind == "f"] == expected


def test_a_source_behind_a_link_makes_everything_count(tmp_path: Path) -> None:
    plant(tmp_path, "real/a.txt", "other.txt")
    (tmp_path / "linked").symlink_to("real")
    everything = names(Tree(str(tmp_path)), "")
    assert everything == ["linked", "other.txt", "real", "real/a.txt"]
    for source in ("linked", "linked/a.txt", "link*", "*/a.txt"):
        assert names(Tree(str(tmp_path)), "", [source]) == everything
    assert names(Tree(str(tmp_path)), "", ["real"]) == ["real", "real/a.txt"]


def test_a_link_inside_a_source_counts_as_a_link(tmp_path: Path) -> None:
    plant(tmp_path, "real/a.txt", "other.txt")
    (tmp_path / "real" / "up").symlink_to("../other.txt")
    entries = Tree(str(tmp_path)).entries([], ["real"])
    assert [(entry.path, entry.kind, entry.content) for entry in entries if entry.kind == "l"] == [
        ("real/up", "l", "../other.txt")
    ]


def test_links_to_directories_are_not_followed(tmp_path: Path) -> None:
    plant(tmp_path, "a/x.txt")
    (tmp_path / "a" / "loop").symlink_to("..")
    assert names(Tree(str(tmp_path)), "") == ["a", "a/loop", "a/x.txt"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "secret")

    def refuse(path: str, *_args: Any, **_options: Any) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(_content, "open", refuse, raising=False)
    with pytest.raises(ContentError, match="Permission denied: .*secret; allow it or name it in .dockerignore"):
        Tree(str(tmp_path)).entries([], None)
    assert names(Tree(str(tmp_path)), "secret") == []


# --- What the hash answers to -----------------------------------------------------------------------------------------


def hash_of(root: Path, ignore: str = "", **inputs: Any) -> str:
    return content_hash(inputs, Tree(str(root)).entries(read_ignore_patterns(ignore), None))


CHANGES: dict[str, Callable[[Path], Any]] = {
    "content": lambda root: (root / "a" / "x").write_text("new"),
    "content of the same size": lambda root: (root / "a" / "x").write_text("b/x"),
    "new file": lambda root: (root / "new").write_text(""),
    "removed file": lambda root: (root / "a" / "x").unlink(),
    "new empty directory": lambda root: (root / "dir").mkdir(),
    "renamed": lambda root: (root / "a" / "x").rename(root / "a" / "z"),
    "executable": lambda root: (root / "a" / "x").chmod(0o755),
    "not for others to read": lambda root: (root / "a" / "x").chmod(0o600),
    "directory's permissions": lambda root: (root / "a").chmod(0o700),
    "target of a link": lambda root: ((root / "link").unlink(), (root / "link").symlink_to("other")),
    "file for a link": lambda root: ((root / "link").unlink(), (root / "link").write_text("a/x")),
}
NO_CHANGES: dict[str, Callable[[Path], Any]] = {
    "time": lambda root: os.utime(root / "a" / "x", (1, 1)),
    "written again": lambda root: (root / "a" / "x").write_text("a/x"),
    "ignored content": lambda root: (root / "out" / "y").write_text("new"),
    "ignored file": lambda root: (root / "out" / "z").write_text("new"),
    "another inode": lambda root: (
        shutil.copy2(root / "a" / "x", root / "out" / "t"),
        os.replace(root / "out" / "t", root / "a" / "x"),
    ),
}


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    plant(root, "a/x", "out/y")
    (root / "a").chmod(0o755)
    (root / "a" / "x").chmod(0o644)
    (root / "link").symlink_to("a/x")
    return root


@pytest.mark.parametrize("change", CHANGES)
def test_the_hash_changes_with(planted: Path, change: str) -> None:
    before = hash_of(planted, "out")
    CHANGES[change](planted)
    assert hash_of(planted, "out") != before


@pytest.mark.parametrize("change", NO_CHANGES)
def test_the_hash_does_not_change_with(planted: Path, change: str) -> None:
    before = hash_of(planted, "out")
    NO_CHANGES[change](planted)
    assert hash_of(planted, "out") == before


def test_the_hash_changes_with_every_input_and_with_the_scheme(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = {"dockerfile": "FROM a", "platform": "linux/amd64", "args": {"A": "1"}, "bases": [["a", "a"]]}
    others = [
        {**inputs, "dockerfile": "FROM b"},
        {**inputs, "platform": "linux/arm64"},
        {**inputs, "args": {"A": "2"}},
        {**inputs, "args": {}},
        {**inputs, "bases": [["a", "recipe"]]},
    ]
    hashes = {hash_of(planted, **given) for given in [inputs, *others]}
    assert len(hashes) == len(others) + 1
    assert hash_of(planted, **dict(reversed(inputs.items()))) == hash_of(planted, **inputs)
    monkeypatch.setattr(_content, "HASH_SCHEME", "next")
    assert hash_of(planted, **inputs) not in hashes


FILES = st.dictionaries(
    st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "out/a"]),
    st.tuples(st.binary(max_size=3), st.booleans()),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(FILES, FILES)
def test_two_trees_have_one_hash_exactly_where_docker_sees_no_difference(
    first: dict[str, tuple[bytes, bool]], second: dict[str, tuple[bytes, bool]]
) -> None:
    def build(files: dict[str, tuple[bytes, bool]], top: str) -> str:
        root = Path(tempfile.mkdtemp(dir=top))
        for path, (content, executable) in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
            (root / path).chmod(0o755 if executable else 0o644)
        return hash_of(root, "out")

    def seen(files: dict[str, tuple[bytes, bool]]) -> dict[str, tuple[bytes, bool]]:
        return {path: value for path, value in files.items() if not path.startswith("out/")}

    with tempfile.TemporaryDirectory() as top:
        assert (build(first, top) == build(second, top)) == (seen(first) == seen(second))


# --- The cache --------------------------------------------------------------------------------------------------------


def age(root: Path) -> None:
    """Let the files be old enough to be remembered; the change time cannot be set, so the limit is."""
    for path in root.rglob("*"):
        os.utime(path, (time.time() - 60, time.time() - 60), follow_symlinks=False)


@pytest.fixture
def remembering(planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Tree]:
    monkeypatch.setattr(_content, "_TOO_YOUNG", -60)
    age(planted)

    def look() -> Tree:
        tree = Tree(str(planted), str(tmp_path / "cache" / "content.json"))
        tree.entries([], None)
        tree.save()
        return tree

    return look


def test_unchanged_files_are_not_read_again(remembering: Callable[[], Tree], planted: Path) -> None:
    assert remembering().read_bytes > 0
    assert remembering().read_bytes == 0
    (planted / "a" / "x").write_text("b/x")
    os.utime(planted / "a" / "x", (1, 1))
    assert remembering().read_bytes == len("b/x")
    (planted / "out" / "y").unlink()
    assert remembering().read_bytes == 0


def test_content_that_comes_with_the_old_time_and_size_is_seen(remembering: Callable[[], Tree], planted: Path) -> None:
    before = remembering().entries([], None)
    status = (planted / "a" / "x").stat()
    (planted / "a" / "x").write_text("b/x")
    os.utime(planted / "a" / "x", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert remembering().entries([], None) != before


def test_files_that_just_changed_are_not_remembered(planted: Path, tmp_path: Path) -> None:
    cache = tmp_path / "content.json"
    tree = Tree(str(planted), str(cache))
    tree.entries([], None)
    tree.save()
    assert not cache.exists() or json.loads(cache.read_text())["files"] == {}


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 1}', '{"version": 1, "root": "/", "files": 1}'])
def test_a_damaged_cache_costs_time_only(remembering: Callable[[], Tree], tmp_path: Path, damage: str) -> None:
    remembering()
    cache = tmp_path / "cache" / "content.json"
    cache.write_text(damage)
    assert remembering().read_bytes > 0
    assert remembering().read_bytes == 0
    assert oct(cache.stat().st_mode)[-3:] == "600"


def test_a_cache_that_cannot_be_written_is_no_error(planted: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    tree = Tree(str(planted), str(tmp_path / "file" / "content.json"))
    assert tree.entries([], None)
    tree.save()


def test_500_files_for_three_services_take_less_than_a_second(tmp_path: Path) -> None:
    for number in range(500):
        plant(tmp_path, f"apps/app{number % 3}/src/dir{number % 17}/file{number}.ts")
    for number in range(2000):
        plant(tmp_path, f"node_modules/package{number % 40}/file{number}.js")
    ignore = "**/node_modules\n**/.git\n**/*.md\n**/.next\n**/dist\n!README.md\n**/test/**\n*.log\n" * 3
    start = time.process_time()
    tree = Tree(str(tmp_path))
    for number in range(3):
        entries = tree.entries(read_ignore_patterns(f"{ignore}x{number}\n"), None)
        assert len([entry for entry in entries if entry.kind == "f"]) == 500
        content_hash({}, entries)
    assert time.process_time() - start < 1


def test_sources_ask_for_nothing_but_their_prefix() -> None:
    sources = Sources(["apps/*/package.json", "lib"])
    assert [sources.may_lead(path) for path in ("apps", "apps/web", "lib", "libx", "other")] == [
        True,
        True,
        True,
        False,
        False,
    ]
