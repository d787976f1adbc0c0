# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

COMPONENT = "app.kubernetes.io/component"


def secret_consumers(workloads: Any, secret: Any = None, keys: Any = None) -> list[dict[str, Any]]:
    if not isinstance(secret, str) or not isinstance(keys, list):
        raise AnsibleFilterError(f"secret is {secret!r} and keys is {keys!r}; give the name of a Secret, and a list of its keys.")
    # what is wrong is not shown: objects may hold what nobody else is to see
    if not isinstance(workloads, list) or not all(isinstance(item, Mapping) and "kind" in item for item in workloads):
        raise AnsibleFilterError("the input is no list of objects; give the resources that kubernetes.core.k8s_info returns.")
    found = []
    for item in workloads:
        pod = item["spec"]["template"]
        used = set(_keys(pod["spec"], secret))
        read = [key for key in keys if key in used or None in used]
        if read:
            name = item["metadata"]["name"]
            component = (pod.get("metadata", {}).get("labels") or {}).get(COMPONENT, name)
            found.append({"kind": item["kind"], "name": name, "component": component, "keys": read, "persistent": _is_persistent(item["spec"])})
    return found


def _keys(pod: Mapping[str, Any], secret: str) -> Iterator[str | None]:
    """The keys that a pod uses; None stands for all of them."""
    for container in [*pod["containers"], *(pod.get("initContainers") or [])]:
        for variable in container.get("env") or []:
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
            if reference.get("name") == secret:
                yield reference["key"]
        for source in container.get("envFrom") or []:
            if (source.get("secretRef") or {}).get("name") == secret:
                yield None
    for volume in pod.get("volumes") or []:
        plain = volume.get("secret") or {}
        if plain.get("secretName") == secret:
            yield from _items(plain)
        for source in (volume.get("projected") or {}).get("sources") or []:
            part = source.get("secret") or {}
            if part.get("name") == secret:
                yield from _items(part)


def _items(source: Mapping[str, Any]) -> list[str | None]:
    """The keys of a volume, which holds all of them where it names none."""
    return [item["key"] for item in source.get("items") or []] or [None]


def _is_persistent(spec: Mapping[str, Any]) -> bool:
    claims = [volume for volume in spec["template"]["spec"].get("volumes") or [] if volume.get("persistentVolumeClaim")]
    return bool(claims or spec.get("volumeClaimTemplates"))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        return {"secret_consumers": secret_consumers}
