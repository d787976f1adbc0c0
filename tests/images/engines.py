# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker with either of its image stores, and nodes in it that are a containerd and nothing else.

An import has no need of Kubernetes, so such nodes are there in a second and fill in any way that a test wants. The Docker
with the containerd image store is one of its own, beside the machine's. scripts/bench uses this file too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULE = "ansible_collections.luckyplans.platform.plugins.modules.node_images"
#: All containers and images of these tests, of either Docker.
PREFIX = "lpimages"
NODE_IMAGE = f"{PREFIX}/node:1"
MB = 1_000_000


@dataclass
class Result:
    """What the module said, and what its process took."""

    answer: dict[str, Any]
    seconds: float
    rss: int
    """The largest resident set of the process, in bytes; its children's are not in it."""

    def __getitem__(self, key: str) -> Any:
        return self.answer[key]

    @property
    def bytes(self) -> int:
        return max(node["bytes"] for node in self.answer["nodes"])


@dataclass
class Engine:
    """One Docker."""

    store: str
    host: str = ""
    env: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.env = {**os.environ, "DOCKER_BUILDKIT": "1", **({"DOCKER_HOST": self.host} if self.host else {})}

    def docker(self, *arguments: str | Path, check: bool = True, **options: Any) -> str:
        done = subprocess.run(["docker", *arguments], env=self.env, capture_output=True, check=False, **options)
        assert not check or done.returncode == 0, f"docker {arguments}: {done.stderr.decode()}"
        return done.stdout.decode().strip()

    def build(self, reference: str, folder: Path, layers: dict[str, bytes | Path], *flags: str) -> str:
        """An image without a base: one layer for each file. A path is a file that is linked and not copied."""
        context = folder / reference.replace("/", "-").replace(":", "-")
        context.mkdir(parents=True, exist_ok=True)
        for name, content in layers.items():
            target = context / name
            target.unlink(missing_ok=True)
            if isinstance(content, Path):
                os.link(content, target)
            else:
                target.write_bytes(content)
        text = "\n".join(["FROM scratch", *(f"COPY {name} /{name}" for name in layers), 'CMD ["/x"]', ""])
        (context / "Dockerfile").write_text(text)
        self.docker("buildx", "build", "--quiet", "--provenance=false", f"--tag={reference}", *flags, context)
        shutil.rmtree(context)
        return reference

    @contextmanager
    def nodes(self, cluster: str, count: int, size: str = "2g") -> Iterator[list[str]]:
        """Nodes of a cluster as kind labels them, each with its data in memory."""
        names = [f"{PREFIX}-{cluster}-{number}" for number in range(count)]
        try:
            for name in names:
                self.node(name, cluster, f"--tmpfs=/var/lib/containerd:size={size}")
            for name in names:
                self.wait(name)
            yield names
        finally:
            self.docker("rm", "--force", *names, check=False)

    def node(self, name: str, cluster: str, *flags: str, image: str = NODE_IMAGE, network: str = "none") -> None:
        labels = [f"--label=io.x-k8s.kind.cluster={PREFIX}-{cluster}", "--label=io.x-k8s.kind.role=worker"]
        places = ["--tmpfs=/run", "--tmpfs=/tmp", "--entrypoint=/usr/local/bin/containerd"]
        self.docker("run", "--detach", f"--name={name}", "--privileged", f"--network={network}", *labels, *flags, *places, image)

    def wait(self, node: str) -> None:
        deadline = time.monotonic() + 30
        while not self.ctr(node, "version", check=False):
            assert time.monotonic() < deadline, f"containerd in {node} does not start"
            time.sleep(0.1)

    def ctr(self, node: str, *arguments: str, check: bool = True) -> str:
        return self.docker("exec", node, "ctr", "-n", "k8s.io", *arguments, check=check)

    def names(self, node: str) -> set[str]:
        """The images that a node knows by a name."""
        return {name for name in self.ctr(node, "images", "ls", "-q").split() if not name.startswith("sha256:")}

    def start_module(self, cluster: str, images: list[Any], check: bool = False, **options: Any) -> subprocess.Popen[bytes]:
        given = {"engine": "kind", "cluster": f"{PREFIX}-{cluster}", "images": images, **options}
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**given, "_ansible_check_mode": check}})
        env = {**self.env, "PYTHONPATH": str(ROOT / ".venv/collections")}
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdin
        process.stdin.write(arguments.encode())
        process.stdin.close()
        return process

    def module(self, cluster: str, images: list[Any], **options: Any) -> Result:
        """One run of node_images, as its process sees it: Python's start and all."""
        start = time.monotonic()
        process = self.start_module(cluster, images, **options)
        assert process.stdout
        # read while it runs: a pipe that is full would stop it
        said = ThreadPoolExecutor(1).submit(process.stdout.read)
        # not wait4, whose ru_maxrss begins with the size of the process that forked
        rss = 0
        while process.poll() is None:
            rss = max(rss, peak(process.pid))
            time.sleep(0.01)
        return Result(json.loads(said.result()), time.monotonic() - start, rss)

    def sweep(self) -> None:
        containers = self.docker("ps", "--all", "--quiet", f"--filter=name=^{PREFIX}-").split()
        if containers:
            self.docker("rm", "--force", "--volumes", *containers)
        images = self.docker("images", "--quiet", f"--filter=reference={PREFIX}/*").split()
        if images:
            self.docker("rmi", "--force", *set(images), check=False)


def peak(pid: int) -> int:
    """The largest resident set that a running process has had, in bytes; 0 where it has ended."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def make_node_image(engine: Engine, base: str) -> None:
    engine.docker("build", f"--build-arg=NODE={base}", f"--tag={NODE_IMAGE}", "--provenance=false", Path(__file__).parent)


def why_no_second_docker() -> str:
    """Empty where a Docker of its own can be started."""
    if os.geteuid() != 0:
        return "only root can start a Docker with the containerd image store"
    missing = [program for program in ("dockerd", "unshare") if not shutil.which(program)]
    return f"no {' and no '.join(missing)} on PATH" if missing else ""


@contextmanager
def second_docker(first: Engine) -> Iterator[Engine]:
    """A Docker with the containerd image store, in a network namespace of its own: it would take the other's bridge away."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{PREFIX}-", dir="/var/tmp", ignore_cleanup_errors=True)))
        machine = Path("/etc/docker/daemon.json")
        config = json.loads(machine.read_text()) if machine.exists() else {}
        config["features"] = {"containerd-snapshotter": True}
        (folder / "daemon.json").write_text(json.dumps(config))
        engine = Engine("containerd", f"unix://{folder}/docker.sock")
        argv = ["unshare", "--net", "dockerd", f"--config-file={folder}/daemon.json", f"--data-root={folder}/data"]
        argv += [f"--exec-root={folder}/exec", f"--host={engine.host}", f"--pidfile={folder}/docker.pid"]
        argv += ["--bridge=none", "--iptables=false", "--ip-masq=false"]
        log = stack.enter_context(open(folder / "log", "wb"))
        daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            deadline = time.monotonic() + 60
            while not engine.docker("version", "--format={{.Server.Version}}", check=False):
                assert daemon.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
                time.sleep(0.2)
            saved = subprocess.Popen(["docker", "save", NODE_IMAGE], env=first.env, stdout=subprocess.PIPE)
            engine.docker("load", stdin=saved.stdout)
            assert saved.wait() == 0
            yield engine
        finally:
            engine.docker("rm", "--force", *engine.docker("ps", "--all", "--quiet", check=False).split(), check=False)
            daemon.terminate()
            daemon.wait(30)
