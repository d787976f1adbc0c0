# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ansible_collections.luckyplans.platform as collection
import pytest
from ansible.executor.stats import AggregateStats
from ansible_collections.luckyplans.platform.plugins.callback import progress

INTERVAL = 0.1


class Screen:
    """Stands in for Ansible's Display."""

    verbosity = 0

    def __init__(self) -> None:
        self.lines: list[tuple[str, Any]] = []

    def display(self, text: str, color: Any = None, **_options: Any) -> None:
        self.lines.append((text, color))

    def warning(self, text: str, **_options: Any) -> None:
        self.display(f"warning: {text}")

    def banner(self, text: str, **_options: Any) -> None:
        self.lines.append((f"{text} ***", None))

    def text(self) -> list[str]:
        return [line for line, _color in self.lines]


class Role:
    def __init__(self, name: str) -> None:
        self._name = name

    def get_name(self) -> str:
        return self._name


def make_task(name: str, role: str = "", parent: Any = None) -> SimpleNamespace:
    return SimpleNamespace(name=name, action="debug", _role=Role(role) if role else None, _parent=parent)


def make_result(task: Any, changed: bool) -> SimpleNamespace:
    return SimpleNamespace(task=task, is_changed=lambda: changed)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[progress.CallbackModule]:
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(progress.tempfile, "tempdir", str(tmp_path))
    made = progress.CallbackModule()
    made._display = Screen()
    made.options = {"interval": INTERVAL, "report": ""}
    monkeypatch.setattr(made, "get_option", lambda name: made.options[name])
    yield made
    made.v2_playbook_on_stats(None)
    os.environ.pop(progress.VARIABLE, None)


def say(line: str) -> None:
    with open(os.environ[progress.VARIABLE], "a", encoding="utf-8") as stream:
        stream.write(line + "\n")


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_progress_file_is_private_and_goes_away(plugin: progress.CallbackModule) -> None:
    plugin.v2_playbook_on_start(None)
    path = os.environ[progress.VARIABLE]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    plugin.v2_playbook_on_stats(None)
    assert not os.path.exists(path)
    assert progress.VARIABLE not in os.environ


def test_a_progress_file_that_was_given_is_kept(
    plugin: progress.CallbackModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given"
    given.touch()
    monkeypatch.setenv(progress.VARIABLE, str(given))
    plugin.v2_playbook_on_start(None)
    plugin.v2_playbook_on_stats(None)
    assert given.exists()
    assert os.environ[progress.VARIABLE] == str(given)


def test_a_child_does_not_remove_the_file(plugin: progress.CallbackModule) -> None:
    plugin.v2_playbook_on_start(None)
    path = os.environ[progress.VARIABLE]
    plugin._pid += 1
    plugin._remove_file()
    assert os.path.exists(path)
    plugin._pid -= 1


def test_a_running_task_shows_its_newest_line(plugin: progress.CallbackModule) -> None:
    plugin.v2_playbook_on_start(None)
    say("of an earlier task")
    plugin.v2_playbook_on_task_start(make_task("Build", "luckyplans.platform.images"), False)
    wait_for(lambda: plugin._display.lines)
    assert plugin._display.text()[0].startswith("   … images/Build 0 s")
    assert "earlier" not in plugin._display.text()[0]
    say("web: step 1")
    say("web: step \x1b[1m2\x1b[0m\n")
    wait_for(lambda: "web" in plugin._display.text()[-1])
    assert plugin._display.text()[-1].endswith(" s  web: step [1m2[0m")


def test_an_unchanged_line_is_said_at_every_interval(plugin: progress.CallbackModule) -> None:
    plugin.v2_playbook_on_start(None)
    plugin.v2_playbook_on_task_start(make_task("Build", "images"), False)
    wait_for(lambda: len(plugin._display.lines) == 3)


def test_every_interval_is_shown_on_a_terminal(
    plugin: progress.CallbackModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress.sys, "stdout", SimpleNamespace(isatty=lambda: True, fileno=lambda: 1))
    monkeypatch.setenv("COLUMNS", "24")
    plugin.v2_playbook_on_start(None)
    plugin.v2_playbook_on_task_start(make_task("Build everything that changed", "images"), False)
    wait_for(lambda: len(plugin._display.lines) == 3)
    assert {len(line) for line in plugin._display.text()} == {23}
    assert plugin._display.text()[0] == "   … images/Build ever…"


def test_short_tasks_are_silent(plugin: progress.CallbackModule) -> None:
    plugin.options["interval"] = 10
    plugin.v2_playbook_on_start(None)
    plugin.v2_playbook_on_task_start(make_task("Look", "preflight"), False)
    time.sleep(0.6)
    assert plugin._display.lines == []


def test_nothing_is_printed_without_a_task(plugin: progress.CallbackModule) -> None:
    plugin.v2_playbook_on_start(None)
    plugin.v2_playbook_on_stats(None)
    assert plugin._display.lines == []


def test_phases(plugin: progress.CallbackModule, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    included = make_task(
        "Install", "luckyplans.platform.helm_release", make_task("Include", "luckyplans.platform.traefik")
    )
    tasks = [
        (make_task("Look", "luckyplans.platform.preflight"), 1.0, False),
        (included, 20.0, True),
        (make_task("Look again", "luckyplans.platform.preflight"), 0.5, False),
        (make_task("Restart", ""), 2.0, True),
    ]
    for task, seconds, changed in tasks:
        start = plugin.v2_playbook_on_task_start
        if task.name == "Restart":
            plugin.v2_playbook_on_handler_task_start(task)
        else:
            start(task, False)
        clock[0] += seconds
        plugin.v2_runner_on_ok(make_result(task, changed))
    plugin.v2_playbook_on_stats(None)
    assert plugin._display.text() == [
        "preflight      1.5 s  changed=0",
        "traefik       20.0 s  changed=1",
        "(tasks)        2.0 s  changed=1",
        "total         23.5 s  changed=2",
        "",
    ]
    assert [color for _line, color in plugin._display.lines] == [
        None,
        progress.C.COLOR_CHANGED,
        progress.C.COLOR_CHANGED,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("content", "offset", "line"),
    [
        (b"", 0, ""),
        (b"one\ntwo\n", 0, "two"),
        (b"one\ntwo\n\n  \n", 0, "two"),
        (b"one\ntwo\n", 8, ""),
        (b"one\n" + b"x" * 9000 + b"\nend", 0, "end"),
        (b"\xff\xfe broken \x07", 0, "\ufffd\ufffd broken"),
    ],
)
def test_newest_line(tmp_path: Path, content: bytes, offset: int, line: str) -> None:
    path = tmp_path / "progress"
    path.write_bytes(content)
    assert progress.newest_line(str(path), offset) == line
    assert progress.newest_line(str(tmp_path / "none"), 0) == ""


def test_a_report_that_cannot_be_written_is_a_warning(plugin: progress.CallbackModule, tmp_path: Path) -> None:
    plugin.options["report"] = str(tmp_path / "none" / "report.json")
    plugin.v2_playbook_on_start(None)
    plugin.v2_playbook_on_stats(AggregateStats())
    assert plugin._display.text() == [
        f"warning: The report {tmp_path}/none/report.json cannot be written: No such file or directory;"
        " name another file in LUCKYPLANS_RUN_REPORT."
    ]
    plugin.options["report"] = ""


def test_report_of_an_earlier_run_is_gone_while_one_runs(plugin: progress.CallbackModule, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("{}")
    plugin.options["report"] = str(report)
    plugin.v2_playbook_on_start(None)
    assert not report.exists()
    plugin.v2_playbook_on_stats(AggregateStats())
    assert json.loads(report.read_text())["result"] == "ok"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    plugin.options["report"] = ""


PLAY = """
- name: Slow and quick
  hosts: all
  gather_facts: false
  tasks:
    - name: Write progress
      ansible.builtin.shell: >-
        sleep 0.5; echo "half of {{ inventory_hostname }}" >> "$LUCKYPLANS_PROGRESS_FILE";
        stat -c %a "$LUCKYPLANS_PROGRESS_FILE"; sleep 2
      register: shell
    - name: Show
      ansible.builtin.debug:
        msg: "mode {{ shell.stdout }}"
"""


def run_play(tmp_path: Path, play: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "play.yml").write_text(play)
    root = Path(next(iter(collection.__path__))).parents[2]
    python = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
    (tmp_path / "hosts").write_text(f"one {python}\ntwo {python}\n")
    env = {
        **os.environ,
        "ANSIBLE_CALLBACKS_ENABLED": "luckyplans.platform.progress",
        "ANSIBLE_COLLECTIONS_PATH": str(root),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        "LUCKYPLANS_PROGRESS_INTERVAL": "1",
        "TMPDIR": str(tmp_path),
        **variables,
    }
    env.pop(progress.VARIABLE, None)
    code = "import sys; from ansible.cli.playbook import main; sys.exit(main())"
    argv = [sys.executable, "-c", code, "-i", str(tmp_path / "hosts"), str(tmp_path / "play.yml"), *arguments]
    return subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_a_real_run(tmp_path: Path) -> None:
    """Worker processes inherit the variable, and the lines stand among those of the stdout callback."""
    done = run_play(tmp_path, PLAY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "   … (tasks)/Write progress " in done.stdout
    assert " s  half of " in done.stdout
    assert done.stdout.count("mode 600") == 2
    assert "changed=2" in done.stdout.splitlines()[-2]
    assert "\x1b" not in done.stdout
    assert "WARNING" not in done.stdout + done.stderr
    assert not list(tmp_path.glob("luckyplans-progress-*"))


FAILING = """
- name: One host ends, the other is rescued
  hosts: all
  gather_facts: false
  tasks:
    - name: Say what runs
      ansible.builtin.set_stats:
        data: {luckyplans_platform: {release: "of {{ inventory_hostname }}"}}
        per_host: true
    - name: Try
      block:
        - name: With a secret
          ansible.builtin.fail:
            msg: a canary
          no_log: true
      rescue:
        - name: Say why
          ansible.builtin.fail:
            msg: "{{ inventory_hostname }} has no disk"
          when: inventory_hostname == 'two'
        - name: Change something
          ansible.builtin.command: "true"
"""


@pytest.mark.slow
def test_report_of_a_run_that_failed(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = run_play(tmp_path, FAILING, LUCKYPLANS_RUN_REPORT=str(report))
    assert done.returncode == 2, done.stdout + done.stderr
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    content = json.loads(report.read_text())
    assert content["result"] == "failed"
    assert content["playbook"] == str(tmp_path / "play.yml")
    assert content["check_mode"] is False
    assert content["started"].endswith("+00:00")
    assert content["phases"] == [{"name": "(tasks)", "seconds": content["seconds"], "changed": 1}]
    assert content["hosts"]["one"]["changed"] == 1 and content["hosts"]["two"]["failures"] == 1
    assert content["failures"] == [{"host": "two", "phase": "(tasks)", "task": "Say why", "message": "two has no disk"}]
    assert content["platform"] == {"one": {"release": "of one"}, "two": {"release": "of two"}}
    assert "canary" not in report.read_text()


@pytest.mark.slow
def test_report_of_a_check(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    play = "- hosts: one\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: 'true'\n"
    done = run_play(tmp_path, play, "--check", LUCKYPLANS_RUN_REPORT=str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads(report.read_text())
    assert (content["result"], content["check_mode"], content["failures"], content["platform"]) == ("ok", True, [], {})
