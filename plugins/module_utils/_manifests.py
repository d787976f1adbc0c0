# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""What a chart makes of its values, and the images that this names."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

# run_command holds all output in memory and neither streams nor ends by a clock of ours.
# pylint: disable=ansible-bad-function

try:
    import yaml
except ImportError:
    # the modules say so before they come here
    yaml = None  # type: ignore[assignment]

_ARGUMENT = re.compile(r"--[a-z0-9-]*image=(\S+)")


class RenderError(Exception):
    """A sentence about a chart that cannot be rendered."""


def _containers_in(node: Any) -> Iterator[Mapping[str, Any]]:
    """The containers in a manifest, whatever kind of object holds them."""
    if isinstance(node, dict):
        for kind in ("initContainers", "containers"):
            for container in node.get(kind) or []:
                if isinstance(container, dict):
                    yield container
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _containers_in(item)


def _is_test(document: Any) -> bool:
    """Whether only `helm test` runs it, as the untagged busybox that `helm create` puts into every new chart."""
    metadata = (document.get("metadata") if isinstance(document, Mapping) else None) or {}
    hooks = (metadata.get("annotations") or {}).get("helm.sh/hook") or ""
    return any(hook.strip().startswith("test") for hook in hooks.split(","))


def _documents(manifests: str) -> list[Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [document for document in yaml.load_all(manifests, Loader=loader) if not _is_test(document)]


def pod_images(manifests: str) -> list[str]:
    """Each image once, sorted, of the text of `helm template`; tests are not deployed."""
    return sorted({container["image"] for container in _containers_in(_documents(manifests)) if container.get("image")})


def named_images(manifests: str) -> list[str]:
    """The same, and images that a program starts by itself because an argument names them (cert-manager's solver)."""
    found = set(pod_images(manifests))
    for container in _containers_in(_documents(manifests)):
        words = [*(container.get("command") or []), *(container.get("args") or [])]
        found.update(match[1] for match in map(_ARGUMENT.fullmatch, map(str, words)) if match)
    return sorted(found)


def render(helm: str, chart_dir: str, values: Mapping[str, Any], timeout: float, release: str = "luckyplans") -> str:
    """What the chart makes of the values, as text. They go through a pipe: an argument could be read by everybody."""
    argv = [helm, "template", release, chart_dir, f"--namespace={release}", "--values=-"]
    try:
        done = subprocess.run(
            argv, input=yaml.safe_dump(dict(values)), capture_output=True, encoding="utf-8", timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RenderError(f"helm {helm} cannot render chart_dir {chart_dir}: {error}") from error
    if done.returncode:
        raise RenderError(f"chart_dir {chart_dir} cannot be rendered with these values: {done.stderr.strip()}")
    return done.stdout
