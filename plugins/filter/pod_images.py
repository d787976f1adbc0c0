# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that rendered manifests run."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml


def _images(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for kind in ("initContainers", "containers"):
            for container in node.get(kind) or []:
                if isinstance(container, dict) and container.get("image"):
                    yield container["image"]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _images(item)


def _is_test(document: Any) -> bool:
    """Whether only `helm test` runs it, as the untagged busybox that `helm create` puts into every new chart."""
    annotations = ((document or {}).get("metadata") or {}).get("annotations") or {}
    return any(hook.strip().startswith("test") for hook in annotations.get("helm.sh/hook", "").split(","))


def pod_images(manifests: str) -> list[str]:
    """Return each image once, in the order of the names, from the text of `helm template`; tests are not deployed."""
    documents = [document for document in yaml.safe_load_all(manifests) if not _is_test(document)]
    return sorted({image for document in documents for image in _images(document)})


class FilterModule:
    """Filters on rendered manifests."""

    def filters(self) -> dict[str, Any]:
        return {"pod_images": pod_images}
