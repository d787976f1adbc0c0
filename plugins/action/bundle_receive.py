# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of bundle_receive that runs on the controller: it sends the files that the module on the target asks for."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.luckyplans.platform.plugins.module_utils import _bundle
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report

MODULE = "luckyplans.platform.bundle_receive"
AT_ONCE = 256 << 20
"""Bytes after which the target takes in what has arrived: as much as an interrupted run may have to send again."""


class ActionModule(ActionBase):
    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        source = os.path.abspath(os.path.expanduser(str(arguments.get("source", ""))))
        key = os.path.expanduser(str(arguments.get("public_key") or ""))
        try:
            _bundle.read(source, key)
            with open(os.path.join(source, _bundle.MANIFEST), encoding="utf-8", newline="") as stream:
                text = stream.read()
        except (_bundle.BundleError, OSError) as error:
            return {"failed": True, "msg": str(error), "actions": []}
        signed = os.path.exists(os.path.join(source, _bundle.SIGNATURE))
        arguments.update(manifest=text, signed=signed)
        first: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        if first.get("failed") or not first["lacking"] or self._task.check_mode:
            return first
        waiting = 0
        last = first["lacking"][-1]
        for number, name in enumerate(first["lacking"], 1):
            path = os.path.join(source, name)
            try:
                waiting += os.stat(path).st_size
                self._connection.put_file(path, os.path.join(first["incoming"], os.path.basename(name)))
            except (OSError, AnsibleError) as error:
                return {"failed": True, "msg": f"{path} was not sent: {error}; mend that, and run again: what has arrived is kept.", "actions": []}
            report(f"bundle: sent {number} of {len(first['lacking'])} files")
            if waiting >= AT_ONCE or name == last:
                waiting = 0
                arrived = {**arguments, "arrived": True, "checksums": False}
                then: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arrived, task_vars=task_vars)
                if then.get("failed"):
                    return then
        return first
