# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The git server of the rehearsal, asked by a real git."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import git_server
import pytest

pytestmark = pytest.mark.slow

USERS = {"reader": {"password": "r:1"}, "writer": {"password": "w", "push": True}}


def git(*argv: object) -> subprocess.CompletedProcess[str]:
    # no question at a terminal, and nothing of the settings of whoever runs the tests
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"], "LC_ALL": "C"}
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "t"), ("EMAIL", "t@example.test"))}
    return subprocess.run(["git", *map(str, argv)], env={**quiet, **who}, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Address of a repository with one commit, without a login."""
    assert git("init", "--bare", "--initial-branch=main", tmp_path / "served/app.git").returncode == 0
    server = git_server.server("127.0.0.1", 0, tmp_path / "served", USERS)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}/app.git"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def work(tmp_path: Path, address: str) -> Path:
    """A clone whose first commit was pushed."""
    path = tmp_path / "work"
    assert git("clone", f"http://writer:w@{address}", path).returncode == 0
    commit(path, b"first")
    pushed = git("-C", path, "push", "origin", "HEAD:main")
    assert pushed.returncode == 0, pushed.stderr
    return path


def commit(path: Path, content: bytes) -> None:
    (path / "file").write_bytes(content)
    assert git("-C", path, "add", "file").returncode == 0
    assert git("-C", path, "commit", "--message=t").returncode == 0


def test_what_was_pushed_is_read_by_the_login_that_may_read(work: Path, address: str) -> None:
    heads = git("ls-remote", f"http://reader:r%3A1@{address}", "refs/heads/main")
    assert heads.stdout.split()[0] == git("-C", work, "rev-parse", "HEAD").stdout.strip()


@pytest.mark.parametrize("login", ["", "reader:wrong@", "nobody:w@", "reader@"])
def test_without_a_right_login_nothing_is_read(work: Path, address: str, login: str) -> None:
    asked = git("ls-remote", f"http://{login}{address}")
    assert asked.returncode != 0 and asked.stdout == ""


def test_the_login_that_may_read_cannot_push(work: Path, address: str) -> None:
    commit(work, b"second")
    pushed = git("-C", work, "push", f"http://reader:r%3A1@{address}", "HEAD:main")
    assert pushed.returncode != 0 and "403" in pushed.stderr
    served = git("ls-remote", f"http://writer:w@{address}", "refs/heads/main").stdout.split()[0]
    assert served == git("-C", work, "rev-parse", "HEAD~1").stdout.strip()


def test_a_push_larger_than_gits_buffer_arrives(work: Path, address: str, tmp_path: Path) -> None:
    """git sends it in chunks, without a length."""
    content = os.urandom(3 << 20)
    commit(work, content)
    pushed = git("-C", work, "push", "origin", "HEAD:main")
    assert pushed.returncode == 0, pushed.stderr
    assert git("clone", f"http://reader:r%3A1@{address}", tmp_path / "again").returncode == 0
    assert (tmp_path / "again/file").read_bytes() == content


def test_a_push_that_is_not_a_fast_forward_is_refused(work: Path, address: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert git("clone", f"http://writer:w@{address}", other).returncode == 0
    commit(other, b"theirs")
    assert git("-C", other, "push", "origin", "HEAD:main").returncode == 0
    commit(work, b"ours")
    refused = git("-C", work, "push", "origin", "HEAD:main")
    assert refused.returncode != 0 and "fetch first" in refused.stderr
