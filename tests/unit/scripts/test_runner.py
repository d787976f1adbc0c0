# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""scripts/test: what it counts, and that a failure is never lost."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

JUNIT = """<testsuites><testsuite>
<testcase classname="a" name="one"/><testcase classname="a" name="two"/>
<testcase classname="a" name="three"><skipped message="no helm"/></testcase>{}</testsuite></testsuites>"""
FAILED = '<testcase classname="a" name="four"><failure message="no"/></testcase>'
BROKEN = '<testcase classname="a" name="five"><error message="no"/></testcase>'


@pytest.fixture
def script(program: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = program("scripts/test")
    monkeypatch.setattr(module, "OUTPUT", tmp_path)
    return module


@pytest.fixture
def run(script: ModuleType, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[bool, list[str]]]:
    """Runs a plan of checks; whether all is well, and the lines of the output."""

    def run_(*checks: Any) -> tuple[bool, list[str]]:
        runner = script.Runner(sys.stdout.buffer)
        for check in checks:
            runner.run(check)
        well = runner.report()
        return well, capfd.readouterr().out.splitlines()

    return run_


def says(script: ModuleType, text: str, rc: int = 0, junit: str = "", **others: Any) -> Any:
    check = script.Check("check", [], **others)
    code = f"import sys\nprint({text!r})\nopen({str(check.junit)!r}, 'w').write({junit!r})\nsys.exit({rc})"
    if not junit:
        code = f"import sys\nprint({text!r})\nsys.exit({rc})"
    check.argv = [sys.executable, "-c", code]
    return check


@pytest.mark.parametrize(
    ("given", "well", "last"),
    [
        ({}, True, "1 passed, 0 failed, 0 skipped"),
        ({"rc": 1}, False, "0 passed, 1 failed, 0 skipped"),
        ({"counts": "junit", "junit": JUNIT.format("")}, True, "2 passed, 0 failed, 1 skipped"),
        ({"counts": "junit", "junit": JUNIT.format(FAILED + BROKEN), "rc": 1}, False, "2 passed, 2 failed, 1 skipped"),
        # a crash after the last test, and a report that nobody wrote
        ({"counts": "junit", "junit": JUNIT.format(""), "rc": 3}, False, "2 passed, 1 failed, 1 skipped"),
        ({"counts": "junit"}, False, "0 passed, 1 failed, 0 skipped"),
        ({"counts": "junit", "rc": 5}, False, "0 passed, 1 failed, 0 skipped"),
        (
            {
                "counts": "output",
                "text": "=== 3 passed, 1 skipped in 2.10s ===\nx\n===== 2 passed in 61.00s (0:01:01) =====",
            },
            True,
            "5 passed, 0 failed, 1 skipped",
        ),
        (
            {"counts": "output", "text": "== 1 failed, 3 passed, 1 error in 2.10s ==", "rc": 1},
            False,
            "3 passed, 2 failed, 0 skipped",
        ),
        ({"counts": "output", "text": "=== 3 passed in 2.10s ===", "rc": 1}, False, "3 passed, 1 failed, 0 skipped"),
        ({"counts": "output", "text": "no tests here"}, True, "1 passed, 0 failed, 0 skipped"),
        ({"skip": "no k3d on PATH"}, True, "0 passed, 0 failed, 1 skipped"),
    ],
)
def test_counts(script: ModuleType, run: Callable[..., Any], given: dict[str, Any], well: bool, last: str) -> None:
    result, lines = run(says(script, **{"text": "", **given}))
    assert (result, lines[-1]) == (well, last)


def test_failure_does_not_stop_the_next_step(script: ModuleType, run: Callable[..., Any]) -> None:
    well, lines = run(says(script, "first", rc=1), says(script, "second"))
    assert not well
    assert "second" in lines
    assert lines[-1] == "1 passed, 1 failed, 0 skipped"


def test_what_failed_and_what_was_skipped_is_named(script: ModuleType, run: Callable[..., Any]) -> None:
    failing = says(script, "", rc=1, counts="junit", junit=JUNIT.format(FAILED))
    skipped = script.Check("k3d tests", [], skip="no k3d on PATH")
    _well, lines = run(failing, skipped)
    assert "failed: check: a::four" in lines
    assert "skipped: check: no helm (1)" in lines
    assert "skipped: k3d tests: no k3d on PATH" in lines


def test_report_of_an_earlier_run_does_not_count(script: ModuleType, run: Callable[..., Any]) -> None:
    script.Check("check", []).junit.write_text(JUNIT.format(""))
    well, lines = run(says(script, "", counts="junit"))
    assert (well, lines[-1]) == (False, "0 passed, 1 failed, 0 skipped")


def test_silent_command_is_said_to_be_alive(
    script: ModuleType, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "HEARTBEAT", 0.1)
    _well, lines = run(script.Check("quiet", ["sleep", "1"]))
    assert [line for line in lines if line.startswith("   … quiet, ")]


def test_endless_command_is_stopped_with_all_that_it_started(
    script: ModuleType, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "HEARTBEAT", 0.1)
    monkeypatch.setattr(script, "LIMIT", 0.5)
    well, lines = run(script.Check("endless", ["sh", "-c", "sleep 600 & wait"]))
    assert not well
    assert "endless did not end within 0 s and is stopped" in lines


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["all", "--fast"]])
def test_unknown_step_is_refused(script: ModuleType, arguments: list[str]) -> None:
    assert script.main(arguments) == 2


def plan(script: ModuleType, monkeypatch: pytest.MonkeyPatch, first: Any, aside: Any) -> int:
    """The exit code of a plan with one check, and another one beside it."""
    monkeypatch.setattr(script, "PLANS", {"all": [lambda: iter(()), lambda: iter([first])]})
    monkeypatch.setattr(script, "BESIDE", {"all": [aside]})
    return script.main(["all"])


@pytest.mark.parametrize(("rc", "rc_aside", "last"), [(0, 0, "2 passed, 0"), (1, 0, "1 passed, 1"), (0, 1, "1 passed, 1")])
def test_steps_beside_others_count(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: Any, rc: int, rc_aside: int, last: str
) -> None:
    aside = says(script, "from the other side", rc=rc_aside)
    code = plan(script, monkeypatch, says(script, "from this side", rc=rc), lambda: iter([aside]))
    out = capfd.readouterr().out
    assert code == (1 if rc or rc_aside else 0)
    assert out.splitlines()[-1] == f"{last} failed, 0 skipped"
    # their output is not mixed
    assert out.index("from this side") < out.index("from the other side") < out.index("=== results")


def test_an_error_beside_the_others_is_a_failure(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    def broken() -> Any:
        raise RuntimeError("no such step")
        yield

    assert plan(script, monkeypatch, says(script, "x"), broken) == 1
    assert "no such step" in capfd.readouterr().out


def test_an_interruption_stops_what_runs_beside(script: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    endless = script.Check("endless", [sys.executable, "-c", "import time; time.sleep(600)"])
    started = time.monotonic()

    def interrupted() -> Any:
        time.sleep(0.5)
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(script, "PLANS", {"all": [lambda: iter(()), interrupted]})
    monkeypatch.setattr(script, "BESIDE", {"all": [lambda: iter([endless])]})
    assert script.main(["all"]) == 1
    assert time.monotonic() - started < 60
