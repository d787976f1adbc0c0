# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All clusters of these tests are named lpkind-*, their own images lpkind/*, and whatever is named so is removed before and after them.

Their nodes run the node image from packages; LUCKYPLANS_TEST_KIND_IMAGE names another one, such as kindest/node:v1.36.4.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clusters
import pytest
import yaml
from clusters import ROOT, Cluster, sweep
from images import bases

PLACES = (ROOT / ".cache/molecule/state/bin/kind", Path("~/.luckyplans/bin/kind").expanduser())


def find_kind() -> str | None:
    return next((found for place in ("kind", *map(str, PLACES)) if (found := shutil.which(place))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    if ours and not find_kind():
        for item in ours:
            item.add_marker(pytest.mark.skip(reason="no kind on PATH nor in ~/.luckyplans/bin"))


@pytest.fixture(scope="session", autouse=True)
def swept() -> Iterator[None]:
    sweep("lpkind")
    yield
    sweep("lpkind")


@pytest.fixture(scope="session")
def node() -> dict[str, Any]:
    """Options of the module that belong to the node image."""
    config = yaml.safe_load((ROOT / "roles/toolchain/vars/main.yml").read_text())["__toolchain_node_config"]
    given = os.environ.get("LUCKYPLANS_TEST_KIND_IMAGE")
    return {"image": given or bases()["kind-node"], **config["upstream" if given else "packages"]}


@pytest.fixture(scope="session")
def other_image(node: dict[str, Any]) -> str:
    return clusters.other_image(node["image"], "lpkind/kind-node:other")


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory, node: dict[str, Any]) -> Callable[..., Cluster]:
    """Declares a cluster; the module has to make it."""

    def make(name: str, port: int, **options: Any) -> Cluster:
        folder = tmp_path_factory.mktemp(name)
        given = {**node, "executable": find_kind(), "wait": 180, **options}
        return Cluster(f"lpkind-{name}", port, folder, given, {"HOME": str(folder)}, engine="kind")

    return make
