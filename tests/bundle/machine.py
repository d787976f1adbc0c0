# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine without a network, and the bundle that is carried to it.

The machine is a container with a loopback interface and nothing else; Docker is installed in it out of the bundle, and the cluster's nodes
run in that Docker. So there is no way out, neither for the machine nor for what runs in it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NAME = "lpbundle-machine"
IMAGE = "lpbundle/machine:test"
CACHE = Path("~/.luckyplans/cache").expanduser()


@dataclass(frozen=True)
class Said:
    rc: int
    text: str

    def changed(self) -> int:
        """Of the only host in the recap."""
        return int(self.text.rpartition("changed=")[0].rpartition("changed=")[2].split()[0]) if "PLAY RECAP" in self.text else -1


def run(*argv: Any, timeout: float = 900, **options: Any) -> Said:
    done = subprocess.run(argv, stdin=options.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, check=False, **options)
    return Said(done.returncode, done.stdout)


def files() -> list[str]:
    argv = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


class Maker:
    """The machine that can reach the artifacts: this one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bundle"
        self._state = folder / "state"

    def playbook(self, *arguments: str, **variables: Any) -> Said:
        given = {"platform_bundle_dir": str(self.path), "platform_state_dir": str(self._state), "platform_cache_dir": str(CACHE), **variables}
        argv = [ROOT / ".venv/bin/ansible-playbook", "playbooks/bundle.yml", f"--extra-vars={json.dumps(given)}", *arguments]
        return run(*argv, cwd=ROOT, env={**os.environ, "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"})

    def verdict(self) -> tuple[int, dict[str, Any]]:
        said = self.playbook("--tags=verify", output="json")
        message = said.text.partition("msg: |-")[2].partition("PLAY RECAP")[0]
        start = message.index("{")
        return said.rc, json.JSONDecoder().raw_decode("\n".join(line.strip() for line in message[start:].splitlines()))[0]


class Machine:
    """The machine without a network."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, *argv: str, timeout: float = 900, **environment: str) -> Said:
        env = {"HOME": "/root", "LUCKYPLANS_BUNDLE_DIR": "/bundle", **environment}
        options = [f"--env={key}={value}" for key, value in env.items()]
        return run("docker", "exec", "--workdir=/root/platform", *options, self.name, *argv, timeout=timeout)


def base_image() -> str:
    from images import bases

    return bases()["debian"]


@contextmanager
def machine(bundle: Path) -> Iterator[Machine]:
    sweep()
    built = run("docker", "build", "--quiet", f"--build-arg=DEBIAN={base_image()}", f"--tag={IMAGE}", Path(__file__).parent)
    assert built.rc == 0, built.text
    argv = ["docker", "run", "--detach", f"--name={NAME}", "--privileged", "--network=none", "--hostname=machine", "--volume=/var/lib/docker"]
    started = run(*argv, f"--volume={bundle}:/bundle:ro", IMAGE)
    assert started.rc == 0, started.text
    try:
        run("docker", "exec", NAME, "mkdir", "/root/platform")
        packed = subprocess.Popen(["tar", "--create", "--null", "--files-from=-"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert packed.stdin
        packed.stdin.write("\0".join(files()).encode())
        packed.stdin.close()
        copied = run("docker", "exec", "--interactive", NAME, "tar", "--extract", "--no-same-owner", "--directory=/root/platform", stdin=packed.stdout)
        assert copied.rc == packed.wait() == 0, copied.text
        yield Machine(NAME)
    finally:
        sweep()


def sweep() -> None:
    """Docker's cache keeps what building the image again takes."""
    run("docker", "rm", "--force", "--volumes", NAME)
    run("docker", "rmi", "--force", IMAGE)
