# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""The docker command line: questions with three answers, and the end of what its processes say."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

from ansible_collections.luckyplans.platform.plugins.module_utils._oci import CHUNK, full_name

# run_command holds all output in memory and neither streams nor ends by a clock of ours.
# pylint: disable=ansible-bad-function

# as the kernel calls them, and as images do
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", 1031)
_NO_SUCH_IMAGE = re.compile(r"no such image", re.IGNORECASE)


class DockerError(Exception):
    """A sentence about Docker, or a node in it, that did not do what it was asked."""


@dataclass(frozen=True)
class Completed:
    """What a command said."""

    rc: int
    stdout: bytes
    stderr: str

    def reason(self) -> str:
        """The last line that says something, for the end of a sentence."""
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {self.rc}"


class Docker:
    """The docker command line. Every question has three answers: yes, no, and an error."""

    def __init__(self, executable: str = "docker", timeout: float = 60) -> None:
        self.executable = executable
        self.timeout = timeout
        self._engine: dict[str, str] = {}

    def argv(self, *args: str) -> list[str]:
        return [self.executable, *args]

    def run(self, *args: str) -> Completed:
        return self.call(self.argv(*args))

    def call(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Completed:
        timeout = timeout or self.timeout
        try:
            done = subprocess.run(
                argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
            )
        except FileNotFoundError as error:
            raise DockerError(
                f"The program {argv[0]!r} was not found; install Docker's command line or name it in docker."
            ) from error
        except OSError as error:
            raise DockerError(f"The program {argv[0]!r} cannot be started: {error.strerror}.") from error
        except subprocess.TimeoutExpired as error:
            raise DockerError(
                f"'{' '.join(argv[:3])}' gave no answer within {timeout:g} s; "
                "look at the Docker service and run again."
            ) from error
        return Completed(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    def images(self, references: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Reference to Docker's record of the image; what Docker does not have is left out."""
        wanted = list(dict.fromkeys(references))
        if not wanted:
            return {}
        done = self.run("image", "inspect", *wanted)
        complaints = [line for line in done.stderr.splitlines() if line.strip()] if done.rc else []
        try:
            records = json.loads(done.stdout or b"[]")
        except ValueError as error:
            raise DockerError(f"'docker image inspect' did not answer in JSON: {error}.") from error
        if done.rc == 0 and len(records) == len(wanted):
            return dict(zip(wanted, records))
        if not complaints or not all(_NO_SUCH_IMAGE.search(line) for line in complaints):
            raise DockerError(f"Docker does not answer: {done.reason()}; start it and run again.")
        known = {name: record for record in records for name in _names(record)}
        return {reference: known[_key(reference)] for reference in wanted if _key(reference) in known}

    def platform(self) -> str:
        """What Docker's engine runs, and with it the nodes: linux/amd64."""
        return self._about()["platform"]

    def _about(self) -> dict[str, str]:
        """Platform, data directory and storage driver of the engine, asked once."""
        if not self._engine:
            template = '{"os":{{json .OSType}},"arch":{{json .Architecture}},"root":{{json .DockerRootDir}},"driver":{{json .Driver}}}'
            done = self.run("info", "--format", template)
            if done.rc:
                raise DockerError(f"Docker does not answer: {done.reason()}; start it and run again.")
            answer = json.loads(done.stdout)
            machine = _MACHINES.get(answer["arch"], answer["arch"])
            self._engine = {**answer, "platform": f"{answer['os']}/{machine}"}
        return self._engine

    def pids(self, containers: Sequence[str]) -> dict[str, int]:
        """Container id to the process in it, for those whose processes are this host's."""
        done = self.run("container", "inspect", "--format", "{{.Id}} {{.State.Pid}}", *containers)
        rows = [line.split() for line in done.stdout.decode(errors="replace").splitlines()]
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit() and _is_of(row[0], row[1])}

    def content_store(self, digest: str) -> str | None:
        """The directory of Docker's own containerd that holds a blob; None where it is not here or may not be read."""
        for place in (os.path.join(self._about()["root"], "containerd", "daemon"), "/var/lib/containerd"):
            directory = os.path.join(place, "io.containerd.content.v1.content", "blobs", "sha256")
            if os.access(os.path.join(directory, digest.partition(":")[2]), os.R_OK):
                return directory
        return None

    def classic_store(self) -> str | None:
        """The engine's data directory, where it keeps images in its classic store with the driver overlay2."""
        return self._about()["root"] if self._about()["driver"] == "overlay2" else None


def _is_of(container: str, pid: str) -> bool:
    """Whether a process of this host belongs to a container; Docker may be elsewhere, and its numbers mean others here."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as handle:
            return container in handle.read()
    except OSError:
        return False


def _key(reference: str) -> str:
    """A reference in the form that _names uses."""
    if reference.startswith("sha256:"):
        return reference
    return full_name(reference if "@" in reference or ":" in reference.rpartition("/")[2] else f"{reference}:latest")


def _names(record: Mapping[str, Any]) -> set[str]:
    given = [*(record.get("RepoTags") or []), *(record.get("RepoDigests") or [])]
    return {record["Id"], *(_key(name) for name in given if "<none>" not in name)}


def widen(stream: IO[bytes] | None) -> None:
    """Let a pipe hold as much as is moved at a time: each turn of the processes at its ends costs more than the copying."""
    try:
        fcntl.fcntl(cast(IO[bytes], stream), _SET_PIPE_SIZE, CHUNK)
    except (OSError, AttributeError):
        return


class LastWords:
    """The end of what a process writes to its standard error."""

    _LIMIT = 16384

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._text = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes] | None) -> None:
        if stream is not None:
            with stream:
                while chunk := stream.read1(4096):  # type: ignore[attr-defined]
                    self._text = (self._text + chunk)[-self._LIMIT :]

    def text(self) -> str:
        self._thread.join(5)
        return self._text.decode(errors="replace")
