# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests take from Go modules, pinned by checksum: the CRDs of Traefik and cert-manager, and a Helm 3.

docs/adr/0014 says why.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CACHE = Path.home() / ".luckyplans" / "cache" / "tests"
# The oldest that the chart is for. tests/chart/helm3 pins it, and what it is compiled from.
HELM3 = "3.18.6"
CRDS = {
    "github.com/cert-manager/cert-manager@v1.21.2": (
        "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
        "deploy/crds/*cert-manager.io_*.yaml",
    ),
    "github.com/traefik/traefik/v3@v3.7.13": (
        "h1:T8wy9KuaFzCkmXCqAzDy7t73pBDR1DHrJe3pqXpNXTw=",
        "docs/content/reference/dynamic-configuration/traefik.io_*.yaml",
    ),
}


class Missing(Exception):
    """Says why it cannot be had; tests skip with it."""


def go(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    program = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not program:
        raise Missing("no go on PATH nor in /usr/local/go")
    # What is fetched is compared with checksums here, so nobody else need be asked about it.
    own = {"GOSUMDB": "off", "GOFLAGS": "-mod=mod", "GOWORK": "off"}
    done = subprocess.run([program, *arguments], cwd=cwd, env=os.environ | own | (env or {}), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"go {' '.join(arguments)}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


@cache
def crds() -> list[dict[str, Any]]:
    """The CustomResourceDefinitions, as their projects publish them."""
    CACHE.mkdir(parents=True, exist_ok=True)
    found = []
    for module, (checksum, pattern) in CRDS.items():
        answer = json.loads(go("mod", "download", "-json", module, cwd=CACHE))
        assert answer["Sum"] == checksum, f"{module} is {answer['Sum']}, pinned is {checksum}"
        files = sorted(Path(answer["Dir"]).glob(pattern))
        assert files, f"{module} has no {pattern}"
        found += [yaml.load(path.read_text(), yaml.CSafeLoader) for path in files]
    return found


@cache
def helm3() -> Path:
    """A Helm 3, compiled once; that takes a minute or two."""
    program = CACHE / f"helm-{HELM3}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            new = program.with_suffix(".new")
            package = "helm.sh/helm/v3"
            # Its Makefile says which Kubernetes it renders for, else it is 1.20.
            kubernetes = [f"{package}/pkg/{part}.k8sVersion{name}" for part in ("chartutil", "lint/rules") for name in ("Major=1", "Minor=33")]
            flags = " ".join(f"-X {value}" for value in (f"{package}/internal/version.version=v{HELM3}", *kubernetes))
            go(
                *("build", "-mod=readonly", "-trimpath", f"-ldflags=-s -w {flags}", "-o", str(new), f"{package}/cmd/helm"),
                cwd=Path(__file__).parent / "helm3",
                env={"GOFLAGS": "", "CGO_ENABLED": "0"},
            )
            new.rename(program)
    return program
