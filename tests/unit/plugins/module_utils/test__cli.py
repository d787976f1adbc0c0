# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import sys
import time

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils._cli import (
    Cli,
    CliError,
    Secrets,
    called,
    clean_env,
    find_executable,
    last_lines,
    plain,
)


@pytest.fixture
def python() -> Cli:
    """Some binary: the first argument after -c says what it does."""
    secrets = Secrets()
    secrets.add("hunter2")
    return Cli(sys.executable, {"PATH": os.environ["PATH"]}, secrets)


def test_run_returns_what_was_said(python):
    completed = python.run(["-c", "import sys; print('out'); print('err', file=sys.stderr)"])
    assert (completed.rc, completed.stdout, completed.stderr) == (0, "out\n", "err\n")


def test_run_never_uses_a_shell(python):
    assert python.run(["-c", "import sys; print(sys.argv[1])", "$HOME; `id`"]).stdout == "$HOME; `id`\n"


def test_run_gives_exactly_its_environment(python):
    completed = python.run(["-c", "import os, json; print(json.dumps(dict(os.environ)))"], env={"A": "1"})
    environment = json.loads(completed.stdout)
    assert environment["A"] == "1"
    assert "HOME" not in environment


def test_standard_input_is_empty(python):
    assert python.run(["-c", "import sys; print(repr(sys.stdin.read()))"]).stdout == "''\n"


def test_a_failure_carries_its_evidence_without_secrets(python):
    script = "import sys; print('password is hunter2'); print('token: abc', file=sys.stderr); sys.exit(3)"
    with pytest.raises(CliError) as caught:
        python.run(["-c", script, "hunter2"])
    details = caught.value.details()
    assert details["rc"] == 3
    assert details["stderr"] == "token: ********\n"
    assert "failed with exit code 3" in caught.value.sentence
    assert "hunter2" not in json.dumps(details) + caught.value.sentence


def test_a_killed_binary_is_told_from_a_failed_one(python):
    with pytest.raises(CliError, match="was ended by signal 9"):
        python.run(["-c", "import os; os.kill(os.getpid(), 9)"])


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/bin/kind", "create", "cluster", "--name", "a"], '"kind create cluster"'),
        (["docker", "ps", "--all"], '"docker ps"'),
        (["k3d", "cluster", "start", "a"], '"k3d cluster start"'),
    ],
)
def test_a_command_is_named_without_its_arguments(argv, name):
    assert called(argv) == name


def test_a_failure_can_be_an_answer(python):
    assert python.run(["-c", "raise SystemExit(1)"], check=False).rc == 1


def test_private_output_is_withheld(python):
    lines: list[str] = []
    with pytest.raises(CliError) as caught:
        python.run(["-c", "print('key'); raise SystemExit(1)"], private=True, on_line=lines.append)
    assert caught.value.details()["stdout"] == "(withheld)"
    assert lines == []


def test_lines_are_told_as_they_come_masked_and_without_colours(python):
    lines: list[str] = []
    script = "import sys; print('\\x1b[36mINFO\\x1b[0m hunter2'); print('e', file=sys.stderr)"
    python.run(["-c", script], on_line=lines.append)
    assert sorted(lines) == ["INFO ********\n", "e\n"]


def test_the_process_is_told(python):
    seen: list[int] = []
    completed = python.run(["-c", "import os; print(os.getpid())"], on_start=seen.append)
    assert seen == [int(completed.stdout)]


def test_what_hangs_is_stopped(python):
    started = time.monotonic()
    with pytest.raises(CliError, match=r"did not end within 0 s and was stopped"):
        python.run(["-c", "import time; time.sleep(60)"], timeout=0.3)
    assert time.monotonic() - started < 10


def test_json_is_parsed(python):
    assert python.json(["-c", "print('[1]')"]) == [1]


def test_what_is_not_json_is_not_shown(python):
    with pytest.raises(CliError, match="did not print JSON") as caught:
        python.json(["-c", "print('K3S_TOKEN abc')"])
    assert "abc" not in json.dumps(caught.value.details()["stdout"])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no-such-binary", 'The executable "no-such-binary" is not on PATH (/nowhere); install it'),
        ("/no/such/binary", 'The executable "/no/such/binary" does not exist or cannot be run'),
    ],
)
def test_a_missing_binary_is_named(name, sentence):
    with pytest.raises(CliError) as caught:
        find_executable(name, "/nowhere")
    assert caught.value.sentence.startswith(sentence)
    assert caught.value.details() == {}


def test_clean_env():
    base = {"PATH": "/bin", "K3D_IMAGE": "x", "KUBECONFIG": "y", "HTTP_PROXY": "z"}
    cleaned = clean_env(base, without_prefixes=("K3D_",), without=("KUBECONFIG",), extra={"K3D_IMAGE_TOOLS": "t"})
    assert cleaned == {"PATH": "/bin", "HTTP_PROXY": "z", "K3D_IMAGE_TOOLS": "t"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("K3S_TOKEN=abc next", "K3S_TOKEN=******** next"),
        ('"k3d.cluster.token":"abc","a":1', '"k3d.cluster.token":"********","a":1'),
        ("client-key-data: abc=\n", "client-key-data: ********\n"),
        ("say long-secret and long", "say ******** and ********"),
        ("nothing here", "nothing here"),
    ],
)
def test_mask(text, masked):
    secrets = Secrets()
    for value in ("long", "long-secret", "", None):
        secrets.add(value)
    assert secrets.mask(text) == masked


def test_plain_and_last_lines():
    assert plain("\x1b[31mFATA\x1b[0m[0000] no") == "FATA[0000] no"
    assert last_lines("a\n\nb  \n\nc\n", 2) == "b\nc"
