# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All clusters of these tests are named lpk3d-*, their own images lpk3d/*, and whatever is named so is removed before
and after them: one run on a machine at a time.

Their nodes run the images of tests/rig; LUCKYPLANS_TEST_K3S_IMAGE names a real one of k3s instead, with which k3d's own
helper images are used.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clusters
import pytest
from clusters import ROOT, Cluster, sweep
from images import bases

OLDEST = (5, 9, 0)


def lacking() -> str:
    """Why these tests cannot run, or the empty string."""
    if not shutil.which("k3d"):
        return "no k3d on PATH"
    done = subprocess.run(["k3d", "version"], capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout.partition("\n")[0]
    version = re.search(r"v(\d+)\.(\d+)\.(\d+)", said)
    if not version or tuple(map(int, version.groups())) < OLDEST:
        return f'the k3d on PATH says "{said}"; {".".join(map(str, OLDEST))} is the oldest that the module works with'
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    if reason := lacking() if ours else "":
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def swept() -> Iterator[None]:
    sweep("lpk3d")
    yield
    sweep("lpk3d")


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """Options of the module that name images."""
    if real := os.environ.get("LUCKYPLANS_TEST_K3S_IMAGE"):
        return {"image": real}
    done = subprocess.run([sys.executable, ROOT / "tests/rig/images.py"], stdout=subprocess.PIPE, text=True, check=True)
    rig = json.loads(done.stdout)
    return {"image": rig["k3s"], "load_balancer_image": rig["proxy"], "tools_image": rig["tools"]}


@pytest.fixture(scope="session")
def registry_image() -> str:
    """Image of a registry, or the empty string for k3d's own."""
    if os.environ.get("LUCKYPLANS_TEST_K3S_IMAGE"):
        return ""
    return bases()["registry"]


@pytest.fixture(scope="session")
def other_image(images: dict[str, str]) -> str:
    return clusters.other_image(images["image"], "lpk3d/k3s:other")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a user who has a kubeconfig already."""
    home = tmp_path_factory.mktemp("home")
    (home / ".kube").mkdir()
    (home / ".kube/config").write_text("# mine\n")
    return home


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory, images: dict[str, str], home: Path) -> Callable[..., Cluster]:
    """Declares a cluster; the module has to make it."""

    def make(name: str, port: int, **options: Any) -> Cluster:
        folder = tmp_path_factory.mktemp(name)
        (folder / "tmp").mkdir()
        env = {"HOME": str(home), "TMPDIR": str(folder / "tmp")}
        return Cluster(f"lpk3d-{name}", port, folder, {**images, "timeout": 180, **options}, env)

    return make
