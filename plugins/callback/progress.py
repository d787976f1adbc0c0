# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: aggregate
short_description: Show that a long task is alive, at the end what took how long, and keep that for programs
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - While a task runs, prints a line every few seconds with the newest line that its module wrote to the progress file.
  - At the end prints the seconds and the changes of each role, and writes them with all that came of the run to
    O(report), after a failed run too.
  - Works beside the stdout callback and prints nothing while tasks are short.
  - Sets the environment variable E(LUCKYPLANS_PROGRESS_FILE) to a private temporary file, so that modules on the
    controller find it. An already set one is used and kept.
requirements:
  - enabled in C(callbacks_enabled)
options:
  interval:
    description: Seconds between two lines about a running task.
    type: float
    default: 10
    ini:
      - section: callback_progress
        key: interval
    env:
      - name: LUCKYPLANS_PROGRESS_INTERVAL
  report:
    description:
      - Path of a file that the report of the run is written to as JSON, mode 0600; without one there is none.
      - "Its keys: C(result), V(ok) or V(failed); C(playbook), its path; C(check_mode); C(started), UTC in ISO 8601;
        C(seconds); C(phases), each with C(name), C(seconds) and C(changed); C(hosts), of each the counts of the recap;
        C(failures), of each host that failed its C(host), C(phase), C(task) and C(message); C(platform), of each host
        that the role report spoke of what it said: addresses, cluster, image values, release."
      - The file of an earlier run is removed at the start, so that what is there is of this one; a run that is
        interrupted leaves none. A file that cannot be written is a warning.
    type: path
    ini:
      - section: callback_progress
        key: report
    env:
      - name: LUCKYPLANS_RUN_REPORT
"""

import atexit
import contextlib
import datetime
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.plugins.callback import CallbackBase

VARIABLE = "LUCKYPLANS_PROGRESS_FILE"
TAIL_BYTES = 4096
# What the role report says by set_stats.
STATISTIC = "luckyplans_platform"


@dataclass
class Phase:
    name: str
    seconds: float = 0.0
    changed: int = 0


def phase_name(task: Any) -> str:
    """The role that the play lists: the time of a role which that one includes is the listed one's."""
    name = ""
    while task is not None:
        role = getattr(task, "_role", None)
        if role is not None:
            name = role.get_name()
        task = getattr(task, "_parent", None)
    return name.rpartition(".")[2] or "(tasks)"


def newest_line(path: str, offset: int) -> str:
    """The last line that was written after offset, printable; empty when there is none."""
    try:
        with open(path, "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(offset, size - TAIL_BYTES))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    text = next((line for line in reversed(lines) if line.strip()), "")
    return "".join(char for char in text if char.isprintable()).strip()


def write_private(path: str, text: str) -> None:
    """As a whole or not at all, for the eyes of its owner."""
    descriptor, made = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".luckyplans-report-")
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(made, path)
    except OSError:
        os.unlink(made)
        raise


def file_size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def format_phases(phases: list[Phase]) -> list[str]:
    total = Phase("total", sum(phase.seconds for phase in phases), sum(phase.changed for phase in phases))
    width = max(len(phase.name) for phase in [*phases, total])
    return [f"{phase.name:<{width}}  {phase.seconds:7.1f} s  changed={phase.changed}" for phase in [*phases, total]]


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "luckyplans.platform.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = ""
        self._own_file = False
        self._pid = os.getpid()
        self._phases: dict[str, Phase] = {}
        # What the thread reads: replaced as a whole, never changed in place.
        self._running: tuple[str, str, float, int] | None = None
        self._playbook = ""
        self._started = datetime.datetime.now(datetime.timezone.utc)
        # Of each host the newest: it is the one that ended the run, where the run was ended.
        self._failures: dict[str, dict[str, str]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # --- Events ---

    def v2_playbook_on_start(self, playbook: Any) -> None:
        self._playbook = str(getattr(playbook, "_file_name", ""))
        if self.get_option("report"):
            with contextlib.suppress(OSError):
                os.unlink(self.get_option("report"))
        # Before the first worker is forked, so that all of them inherit the variable.
        self._path = os.environ.get(VARIABLE, "")
        if not self._path:
            descriptor, self._path = tempfile.mkstemp(prefix="luckyplans-progress-")
            os.close(descriptor)
            os.environ[VARIABLE] = self._path
            self._own_file = True
            # A run that is interrupted never gets to its statistics.
            atexit.register(self._remove_file)
        self._thread = threading.Thread(target=self._watch, daemon=True, name="luckyplans-progress")
        self._thread.start()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._begin(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._begin(task)

    def v2_runner_on_ok(self, result: Any) -> None:
        if result.is_changed():
            self._phase(phase_name(result.task)).changed += 1

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._failed(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._failed(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._end()
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1)
        self._remove_file()
        if self._phases:
            self._report(list(self._phases.values()))
        if self.get_option("report"):
            self._write_report(self.get_option("report"), stats)

    # --- Report ---

    def _failed(self, result: Any) -> None:
        host, task = result.host.get_name(), result.task
        # what no_log hides is hidden before callbacks get it
        message = str(result.result.get("msg", ""))
        self._failures[host] = {
            "host": host, "phase": phase_name(task), "task": str(task.name or task.action), "message": message}

    def _write_report(self, path: str, stats: Any) -> None:
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        ended = [host for host, counts in hosts.items() if counts["failures"] or counts["unreachable"]]
        phases = [{**asdict(phase), "seconds": round(phase.seconds, 1)} for phase in self._phases.values()]
        content = {
            "result": "failed" if ended else "ok",
            "playbook": self._playbook,
            "check_mode": bool(context.CLIARGS.get("check")),
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": round(sum(phase.seconds for phase in self._phases.values()), 1),
            "phases": phases,
            "hosts": hosts,
            "failures": [self._failures[host] for host in ended if host in self._failures],
            "platform": {host: said[STATISTIC] for host, said in sorted(stats.custom.items()) if STATISTIC in said},
        }
        try:
            write_private(path, json.dumps(content, indent=2, sort_keys=True) + "\n")
        except OSError as error:
            self._display.warning(f"The report {path} cannot be written: {error.strerror}; name another file in LUCKYPLANS_RUN_REPORT.")

    # --- Phases ---

    def _phase(self, name: str) -> Phase:
        return self._phases.setdefault(name, Phase(name))

    def _begin(self, task: Any) -> None:
        self._end()
        name = phase_name(task)
        self._phase(name)
        self._running = (name, str(task.name or task.action), time.monotonic(), file_size(self._path))

    def _end(self) -> None:
        if self._running is not None:
            name, _task, started, _offset = self._running
            self._phase(name).seconds += time.monotonic() - started
        self._running = None

    def _report(self, phases: list[Phase]) -> None:
        if sys.stdout.isatty():
            self._display.banner("PHASES")
        for phase, line in zip([*phases, None], format_phases(phases)):
            self._display.display(line, color=C.COLOR_CHANGED if phase and phase.changed else None)
        self._display.display("")

    # --- Progress ---

    def _watch(self) -> None:
        interval = max(0.05, self.get_option("interval"))
        seen: tuple[str, str, float, int] | None = None
        due = 0.0
        while not self._stop.wait(min(interval, 0.5)):
            running = self._running
            if running is None:
                continue
            now = time.monotonic()
            if running is not seen:
                seen, due = running, running[2] + interval
            if now < due:
                continue
            due += interval
            self._display.display(self._progress_line(running, now, newest_line(self._path, running[3])))

    @staticmethod
    def _progress_line(running: tuple[str, str, float, int], now: float, line: str) -> str:
        name, task, started, _offset = running
        text = f"   … {name}/{task} {now - started:.0f} s  {line}".rstrip()
        if not sys.stdout.isatty():
            return text
        columns = shutil.get_terminal_size().columns
        return text if len(text) < columns else text[: columns - 2] + "…"

    def _remove_file(self) -> None:
        # atexit handlers are copied into a child by fork; the file is the parent's.
        if not self._own_file or os.getpid() != self._pid:
            return
        self._own_file = False
        os.environ.pop(VARIABLE, None)
        with contextlib.suppress(OSError):
            os.unlink(self._path)
