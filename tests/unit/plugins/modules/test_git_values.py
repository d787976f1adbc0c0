# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import git_server
import pytest
from ansible_collections.luckyplans.platform.plugins.modules import git_values

FILE = "chart/values.prod.yaml"
VALUES = b'# of CI\r\nweb:\r\n  image: {tag: "sha-a"} # keep\r\napi:\r\n  image:\r\n    tag: sha-a\r\nname: "Gr\xc3\xb6\xc3\x9fe"'
USERS = {"reader": {"password": "hunter2"}, "writer": {"password": "hunter3", "push": True}}
Run = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of an operator who is nobody that runs the tests."""
    path = tmp_path / "gitconfig"
    path.write_text("[user]\n\tname = Ada\n\temail = ada@example.test\n")
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in {"GIT_CONFIG_GLOBAL": str(path), "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tmp_path), "GIT_TERMINAL_PROMPT": "0"}.items():
        monkeypatch.setenv(name, value)
    return path


def git(*argv: object) -> str:
    return subprocess.run(["git", *map(str, argv)], capture_output=True, text=True, timeout=60, check=True).stdout.strip()


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A bare repository with the values on the branch main."""
    path = tmp_path / "served/app.git"
    git("init", "--quiet", "--bare", "--initial-branch=main", path)
    git("init", "--quiet", "--initial-branch=main", tmp_path / "work")
    (tmp_path / "work/chart").mkdir()
    (tmp_path / "work/chart/values.yaml").write_text("web: {replicas: 1, image: {tag: dev}}\n")
    commit(tmp_path / "work", VALUES, "first")
    git("-C", tmp_path / "work", "push", "--quiet", path, "main")
    return path


def commit(work: Path, content: bytes, message: str, name: str = FILE) -> str:
    (work / name).write_bytes(content)
    git("-C", work, "add", ".")
    git("-C", work, "commit", "--quiet", f"--message={message}")
    return git("-C", work, "rev-parse", "HEAD")


@pytest.fixture
def run(served: Path, run_module: Run) -> Run:
    def call(check: bool = False, **options: Any) -> dict[str, Any]:
        place = {"url": str(served), "branch": "main", "path": "chart", "values_files": ["values.yaml", "values.prod.yaml"]}
        return run_module(git_values, _ansible_check_mode=check, **{**place, **options})

    return call


def head(served: Path) -> str:
    return git("-C", served, "rev-parse", "main")


def content(served: Path) -> bytes:
    return subprocess.run(["git", "-C", served, "show", f"main:{FILE}"], capture_output=True, check=True).stdout


def test_a_tag_for_all_is_one_commit_that_changes_nothing_else(run: Run, served: Path) -> None:
    before = head(served)
    result = run(tag="sha-b")
    assert (result["changed"], result["before"], result["commit"]) == (True, before, head(served))
    assert git("-C", served, "rev-list", "--count", f"{before}..main") == "1"
    assert content(served) == VALUES.replace(b'"sha-a"', b"sha-b").replace(b"tag: sha-a", b"tag: sha-b")
    assert git("-C", served, "log", "-1", "--format=%an <%ae> %s", "main") == "Ada <ada@example.test> deploy: sha-b"
    assert result["tags"] == {"web": "sha-b", "api": "sha-b"}
    assert result["chart_values"] == {"web": {"replicas": 1, "image": {"tag": "sha-b"}}, "api": {"image": {"tag": "sha-b"}}, "name": "Größe"}
    assert result["diff"]["before"].encode() == VALUES and result["diff"]["after"].encode() == content(served)


def test_tags_by_component_leave_the_others(run: Run, served: Path) -> None:
    result = run(tags={"api": "1.0"}, commit_message="deploy: api")
    assert (result["tags"], content(served)) == ({"web": "sha-a", "api": "1.0"}, VALUES.replace(b"tag: sha-a", b'tag: "1.0"'))
    assert git("-C", served, "log", "-1", "--format=%s", "main") == "deploy: api"


@pytest.mark.parametrize("options", [{}, {"tag": "sha-a"}, {"tags": {"web": "sha-a"}}])
def test_nothing_to_do_is_no_commit(run: Run, served: Path, options: dict[str, Any]) -> None:
    before = head(served)
    result = run(**options)
    assert (result["changed"], result["commit"], head(served)) == (False, before, before)


@pytest.mark.parametrize("action", ["tag", "revert"])
def test_check_mode_foretells_and_pushes_nothing(run: Run, served: Path, action: str) -> None:
    run(tag="sha-b")
    before = head(served)
    result = run(check=True, **{action: {"tag": "sha-c", "revert": before}[action]})
    assert (result["changed"], result["commit"], head(served)) == (True, before, before)
    assert result["tags"]["web"] == {"tag": "sha-c", "revert": "sha-a"}[action]


def test_a_component_without_a_tag_is_refused(run: Run, served: Path) -> None:
    before = head(served)
    assert f"{FILE} has no worker.image.tag, which is to become sha-b. Next:" in run(tags={"worker": "sha-b"})["msg"]
    assert head(served) == before


def test_a_file_without_tags_is_refused(run: Run, tmp_path: Path, served: Path) -> None:
    commit(tmp_path / "work", b"web: {}\n", "no tags")
    git("-C", tmp_path / "work", "push", "--quiet", served, "main")
    assert f"{FILE} names no image.tag of any component. Next: write one there" in run(tag="sha-b")["msg"]


def test_a_file_that_is_not_there_is_refused(run: Run) -> None:
    result = run(values_files=["values.yaml", "values.test.yaml"])
    assert "chart/values.test.yaml of" in result["msg"] and "Next: see luckyplans_git_path and luckyplans_git_values_files" in result["msg"]


def test_a_wrong_branch_is_named_with_its_variable(run: Run) -> None:
    assert "luckyplans_git_revision is nowhere, and promotions are commits to a branch" in run(branch="nowhere")["msg"]


def test_a_repository_that_is_not_there_is_told(run: Run, tmp_path: Path) -> None:
    message = run(url=str(tmp_path / "nothing.git"))["msg"]
    assert "git clone of" in message and "Next: see that platform_git_url is right" in message


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"tag": "a", "tags": {"web": "b"}}, "tag, tags and revert exclude each other"), ({"values_files": []}, "values_files is empty")],
)
def test_what_contradicts_itself_is_refused(run: Run, options: dict[str, Any], reason: str) -> None:
    assert reason in run(**options)["msg"]


# --- somebody else pushes too ---------------------------------------------------------------------------------------------


def overtake(served: Path, tmp_path: Path, times: int) -> None:
    """Before each of the next pushes somebody else's arrives, by a git on PATH that pushes first."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    script = f"""#!/bin/sh
real={shutil.which("git")}
left=$(cat {tmp_path}/left)
if [ "$1" = push ] && [ "$left" -gt 0 ]; then
  echo $((left - 1)) > {tmp_path}/left
  $real -C {tmp_path}/work fetch --quiet {served} main && $real -C {tmp_path}/work reset --quiet --hard FETCH_HEAD
  $real -C {tmp_path}/work commit --quiet --allow-empty --message="theirs $left" && $real -C {tmp_path}/work push --quiet {served} main
fi
exec $real "$@"
"""
    (tmp_path / "left").write_text(str(times))
    (bin_dir / "git").write_text(script)
    (bin_dir / "git").chmod(0o755)
    os.environ["PATH"] = f"{bin_dir}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"])


@pytest.mark.usefixtures("path")
def test_a_push_that_was_overtaken_is_made_again_on_top(run: Run, served: Path, tmp_path: Path) -> None:
    overtake(served, tmp_path, 2)
    result = run(tag="sha-b")
    assert (result["changed"], result["commit"]) == (True, head(served))
    assert git("-C", served, "log", "-3", "--format=%s", "main").splitlines() == ["deploy: sha-b", "theirs 1", "theirs 2"]


@pytest.mark.usefixtures("path")
def test_a_revert_that_was_overtaken_is_made_again_on_top(run: Run, served: Path, tmp_path: Path) -> None:
    bad = run(tag="sha-b")["commit"]
    overtake(served, tmp_path, 1)
    assert run(revert=bad)["changed"] is True
    assert git("-C", served, "log", "-2", "--format=%s", "main").splitlines() == ['Revert "deploy: sha-b"', "theirs 1"]
    assert content(served) == VALUES


@pytest.mark.usefixtures("path")
def test_whoever_is_always_overtaken_gives_up(run: Run, served: Path, tmp_path: Path) -> None:
    overtake(served, tmp_path, 99)
    assert "git push of" in run(tag="sha-b")["msg"]
    assert (tmp_path / "left").read_text().strip() == "94"
    assert content(served) == VALUES


# --- back, and the history ------------------------------------------------------------------------------------------------


def test_a_commit_is_taken_back_once(run: Run, served: Path) -> None:
    bad = run(tag="sha-b")["commit"]
    result = run(revert=bad)
    assert (result["changed"], result["commit"], content(served)) == (True, head(served), VALUES)
    assert f"This reverts commit {bad}" in git("-C", served, "log", "-1", "--format=%b", "main")
    again = run(revert=bad)
    assert (again["changed"], again["commit"]) == (False, result["commit"])


def test_a_later_change_of_the_same_lines_is_not_undone(run: Run, served: Path) -> None:
    bad = run(tag="sha-b")["commit"]
    good = run(tag="sha-c")["commit"]
    message = run(revert=bad)["msg"]
    assert f"The commit {bad[:12]} of" in message and f"Next: bring {FILE} to where it should be by a commit" in message
    assert head(served) == good


def test_the_history_is_of_commits_that_changed_tags_and_were_not_taken_back(run: Run, served: Path, tmp_path: Path) -> None:
    second = run(tag="sha-b")["commit"]
    bad = run(tag="sha-bad")["commit"]
    run(revert=bad)
    git("-C", tmp_path / "work", "pull", "--quiet", served, "main")
    commit(tmp_path / "work", content(served) + b"\r\n# more", "a remark")
    broken = commit(tmp_path / "work", b"a: [", "no YAML")
    git("-C", tmp_path / "work", "revert", "--no-edit", broken)
    git("-C", tmp_path / "work", "push", "--quiet", served, "main")
    last = run(tags={"web": "sha-d"})
    assert [(entry["subject"], entry["tags"]) for entry in last["history"]] == [
        ("deploy: sha-d", {"web": "sha-d", "api": "sha-b"}), ("deploy: sha-b", {"web": "sha-b", "api": "sha-b"}), ("first", {"web": "sha-a", "api": "sha-a"}),
    ]  # fmt: skip
    assert last["history"][1]["commit"] == second
    assert run(history=1)["history"] == last["history"][:1]


# --- logins ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def address(served: Path) -> Iterator[str]:
    server = git_server.server("127.0.0.1", 0, served.parent, USERS)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}/app.git"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What git and its helpers are called with."""
    bin_dir, log = tmp_path / "recorder", tmp_path / "arguments"
    bin_dir.mkdir()
    (bin_dir / "git").write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {shutil.which("git")} "$@"\n')
    (bin_dir / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_dir}{os.pathsep}{os.environ['PATH']}")
    return log


def test_a_login_pushes_and_is_in_no_argument_or_file(run: Run, served: Path, address: str, arguments: Path, tmp_path: Path) -> None:
    result = run(url=f"http://{address}", username="writer", password="hunter3", tag="sha-b")
    assert (result["changed"], result["commit"]) == (True, head(served))
    told = arguments.read_text()
    assert "push" in told and "hunter3" not in told
    assert "hunter3" not in str({key: value for key, value in result.items() if key != "invocation"})
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"hunter3" in path.read_bytes()]


def test_a_login_that_may_only_read_is_told_what_to_do(run: Run, served: Path, address: str, arguments: Path) -> None:
    before = head(served)
    message = run(url=f"http://{address}", username="reader", password="hunter2", tag="sha-b")["msg"]
    assert "git push of" in message and "403" in message and "hunter2" not in message
    assert message.endswith("Next: give promotion_git_credential a login that may push, or have git on this machine know one.")
    assert head(served) == before and "hunter2" not in arguments.read_text()


@pytest.mark.parametrize("login", [{}, {"username": "writer", "password": "wrong"}])
def test_without_a_right_login_nobody_is_asked_for_one(run: Run, address: str, login: dict[str, str]) -> None:
    message = run(url=f"http://{address}", tag="sha-b", **login)["msg"]
    assert "git clone of" in message and "Next: give promotion_git_credential" in message


def test_the_operators_own_git_knows_a_login(run: Run, served: Path, address: str, own_config: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text(f"http://writer:hunter3@{address.partition('/')[0]}\n")
    own_config.write_text(own_config.read_text() + f"[credential]\n\thelper = store --file={tmp_path}/store\n")
    assert run(url=f"http://{address}", tag="sha-b")["commit"] == head(served)


def test_a_login_that_is_given_wins_over_the_operators(run: Run, address: str, own_config: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text(f"http://writer:hunter3@{address.partition('/')[0]}\n")
    own_config.write_text(own_config.read_text() + f"[credential]\n\thelper = store --file={tmp_path}/store\n")
    assert "403" in run(url=f"http://{address}", username="reader", password="hunter2", tag="sha-b")["msg"]


def test_a_password_in_the_address_is_masked(run: Run, address: str) -> None:
    message = run(url=f"http://reader:hunter2@{address}", tag="sha-b")["msg"]
    assert "git push of" in message and "hunter2" not in message


def test_a_machine_without_an_owner_commits_too(run: Run, served: Path, own_config: Path) -> None:
    own_config.write_text("[user]\n\tuseConfigOnly = true\n")
    assert run(tag="sha-b")["changed"] is True
    assert git("-C", served, "log", "-1", "--format=%an <%ae> %cn", "main") == "luckyplans.platform <platform@localhost> luckyplans.platform"


def test_who_it_is_may_be_said_by_the_environment(run: Run, served: Path, own_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_config.write_text("")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Grace")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "grace@example.test")
    run(tag="sha-b")
    assert git("-C", served, "log", "-1", "--format=%an <%ae> %cn", "main") == "Grace <grace@example.test> luckyplans.platform"


def test_a_key_is_kept_closed_while_it_is_needed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh is somebody else's work: this one notes how it was called, and what the key is like."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text(f'#!/bin/sh\n(echo "$@"; stat -c %a "$2"; cat "$2") > {tmp_path}/called\nexit 1\n')
    (tmp_path / "bin/ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    assert "git clone of" in run(url="ssh://git@git.test/app.git", ssh_private_key="  a key\n")["msg"]
    called, mode, key = (tmp_path / "called").read_text().splitlines()
    assert (mode, key) == ("600", "a key") and "-o IdentitiesOnly=yes -o BatchMode=yes" in called and "a key" not in called
    assert not os.path.exists(called.split()[1])
