# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils._sources import of_docker

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
RECORD: dict[str, Any] = {"Id": DIGEST, "Os": "linux", "Architecture": "amd64", "RepoTags": ["a/b:1"], "RepoDigests": []}


@pytest.mark.parametrize(
    ("values", "config", "layers"),
    [
        ({"RootFS": {"Layers": [OTHER]}}, DIGEST, {OTHER}),
        ({"RootFS": {"Layers": [OTHER]}, "RepoDigests": [f"a/b@{OTHER}"]}, DIGEST, {OTHER}),
        ({"RootFS": {"Layers": [OTHER]}, "RepoDigests": [f"a/b@{DIGEST}"]}, None, set()),
        ({"RootFS": {"Layers": [OTHER]}, "Descriptor": {"digest": DIGEST}}, None, set()),
    ],
)
def test_what_an_id_means_depends_on_the_image_store(
    values: dict[str, Any], config: str | None, layers: set[str]
) -> None:
    image = of_docker("docker.io/library/redis:7", "a/b:1", {**RECORD, **values})
    assert (image.name, image.source, image.id) == ("docker.io/library/redis:7", "a/b:1", DIGEST)
    assert image.platform == "linux/amd64"
    assert image.config == config
    assert image.layers == layers


def test_a_variant_is_part_of_the_platform() -> None:
    assert of_docker("a:1", "a:1", {**RECORD, "Architecture": "arm64", "Variant": "v8"}).platform == "linux/arm64/v8"
