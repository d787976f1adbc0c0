# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""The one way to run a binary: argv lists, a clean environment, masked secrets, errors that carry their evidence."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

# run_command holds all output in memory and neither streams nor ends by a clock of ours.
# pylint: disable=ansible-bad-function

if TYPE_CHECKING:
    # Python 3.8 cannot make this value.
    LineReader = Callable[[str], None]

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# What looks like a secret in foreign text is hidden even if nobody told us its value.
_NAMED_SECRET = re.compile(
    r"(?i)((?:token|password|secret|client-key-data|client-certificate-data)[\"']?\s*[=:]\s*[\"']?)[^\s\"',}]+"
)
MASKED = "********"


def plain(text: str) -> str:
    """The text without terminal colours."""
    return _ANSI.sub("", text)


def last_lines(text: str, count: int) -> str:
    """The last lines that hold anything, as they stand."""
    lines = [line.rstrip() for line in plain(text).splitlines() if line.strip()]
    return "\n".join(lines[-count:])


class Secrets:
    """Values that no output may show."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def add(self, value: str | None) -> None:
        if value:
            self._values.add(value)

    def values(self) -> frozenset[str]:
        return frozenset(self._values)

    def mask(self, text: str) -> str:
        # Longest first: a secret may contain another one.
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, MASKED)
        return _NAMED_SECRET.sub(lambda match: match.group(1) + MASKED, text)


@dataclass(frozen=True)
class Completed:
    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str


class CliError(Exception):
    """A binary is missing, failed, hung, or said something that cannot be understood."""

    def __init__(self, sentence: str, completed: Completed | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.completed = completed

    def details(self) -> dict[str, Any]:
        if self.completed is None:
            return {}
        return {
            "cmd": list(self.completed.argv),
            "rc": self.completed.rc,
            "stdout": self.completed.stdout,
            "stderr": self.completed.stderr,
        }


def clean_env(
    base: Mapping[str, str],
    *,
    without_prefixes: Sequence[str] = (),
    without: Iterable[str] = (),
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment for a binary: the caller's, without the variables that would silently change what it does."""
    dropped = set(without)
    kept = {
        key: value
        for key, value in base.items()
        if key not in dropped and not any(key.startswith(prefix) for prefix in without_prefixes)
    }
    kept.update(extra or {})
    return kept


def called(argv: Sequence[str]) -> str:
    """A command in a sentence: the binary and its subcommand, no arguments, so nothing that could be secret."""
    words = []
    for word in argv[1:3]:
        if word.startswith("-"):
            break
        words.append(word)
    return f'"{" ".join([os.path.basename(argv[0]), *words])}"'


def find_executable(executable: str, path: str | None) -> str:
    """Absolute path of a binary given by name or by path."""
    found = shutil.which(os.path.expanduser(executable), path=path)
    if found is None:
        where = "does not exist or cannot be run" if os.sep in executable else f"is not on PATH ({path or 'empty'})"
        raise CliError(f'The executable "{executable}" {where}; install it or name another one.')
    return found


class Cli:
    """One binary, always started with the same environment."""

    def __init__(self, executable: str, env: Mapping[str, str], secrets: Secrets | None = None) -> None:
        self.executable = executable
        self.env = dict(env)
        self.secrets = secrets or Secrets()

    def run(
        self,
        args: Sequence[str],
        *,
        timeout: float = 120,
        env: Mapping[str, str] | None = None,
        on_line: LineReader | None = None,
        on_start: Callable[[int], None] | None = None,
        check: bool = True,
        private: bool = False,
    ) -> Completed:
        """Run it to its end. C(private) keeps its standard output, which is then a credential, out of every message."""
        full_env = {**self.env, **(env or {})}
        argv = [find_executable(self.executable, full_env.get("PATH")), *args]
        try:
            process = subprocess.Popen(
                argv,
                env=full_env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise CliError(f'The executable "{argv[0]}" cannot be started: {error}.') from error
        if on_start is not None:
            on_start(process.pid)
        out: list[str] = []
        err: list[str] = []
        masked = self._masked(on_line)
        readers = [
            threading.Thread(target=_pump, args=(process.stdout, out, None if private else masked), daemon=True),
            threading.Thread(target=_pump, args=(process.stderr, err, masked), daemon=True),
        ]
        for reader in readers:
            reader.start()
        try:
            rc = process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            _stop(process)
            _join(readers)
            completed = self._completed(argv, -1, out, err, hide_stdout=True)
            raise CliError(f"{called(argv)} did not end within {timeout:.0f} s and was stopped.", completed) from None
        finally:
            if process.poll() is None:
                _stop(process)
        _join(readers)
        if rc != 0 and check:
            completed = self._completed(argv, rc, out, err, hide_stdout=private)
            how = f"was ended by signal {-rc}" if rc < 0 else f"failed with exit code {rc}"
            raise CliError(f"{called(argv)} {how}.", completed)
        return Completed(tuple(argv), rc, "".join(out), "".join(err))

    def json(self, args: Sequence[str], **options: Any) -> Any:
        """Run it and read its standard output as JSON."""
        completed = self.run(args, **options)
        try:
            return json.loads(completed.stdout)
        except ValueError as error:
            # The text itself stays hidden: it could be anything, also a list of tokens.
            hidden = self._completed(list(completed.argv), completed.rc, [], [completed.stderr], hide_stdout=True)
            raise CliError(f"{called(completed.argv)} did not print JSON: {error}.", hidden) from error

    def _masked(self, on_line: LineReader | None) -> LineReader | None:
        if on_line is None:
            return None
        return lambda line: on_line(self.secrets.mask(plain(line)))

    def _completed(
        self, argv: Sequence[str], rc: int, out: Sequence[str], err: Sequence[str], *, hide_stdout: bool
    ) -> Completed:
        """The same facts, fit to be shown."""
        return Completed(
            tuple(self.secrets.mask(item) for item in argv),
            rc,
            "(withheld)" if hide_stdout else self.secrets.mask(plain("".join(out))),
            self.secrets.mask(plain("".join(err))),
        )


def _pump(stream: IO[str], sink: list[str], on_line: LineReader | None) -> None:
    for line in stream:
        sink.append(line)
        if on_line is not None:
            on_line(line)


def _join(readers: Sequence[threading.Thread]) -> None:
    # A grandchild that outlived a killed binary can hold the pipes open: its lines are not worth waiting for.
    for reader in readers:
        reader.join(timeout=5)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
