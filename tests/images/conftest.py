# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine's Docker, and one with the containerd image store; whatever is named lpimages* is removed before and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import Engine, make_node_image, second_docker, why_no_second_docker
from images import bases


@pytest.fixture(scope="session")
def classic() -> Iterator[Engine]:
    engine = Engine("classic")
    engine.sweep()
    make_node_image(engine, bases()["kind-node"])
    yield engine
    engine.sweep()


@pytest.fixture(scope="session")
def containerd(classic: Engine) -> Iterator[Engine]:
    reason = why_no_second_docker()
    if reason:
        pytest.skip(reason)
    with second_docker(classic) as engine:
        yield engine


@pytest.fixture(scope="session", params=["classic", "containerd"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each of Docker's image stores; the machine's own is the classic one unless its owner chose otherwise."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contexts")
