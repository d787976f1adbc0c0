#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_receive
short_description: Send what a target lacks of a bundle
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Compares a directory on the target with a bundle on the controller, and sends the files that are missing. What arrives is compared with
    its checksum before it gets its name, and the manifest is the last to get it.
  - A run that was interrupted goes on with the next one. Nothing is removed.
options:
  source:
    description: The directory of the bundle on the controller.
    type: path
    required: true
  path:
    description: The directory of the bundle on the target.
    type: path
    required: true
  checksums:
    description: Whether what is there already is compared by its checksum too, and not by its size alone.
    type: bool
    default: false
  public_key:
    description: PEM file, on the controller, of the ed25519 key that the bundle has to be signed with.
    type: path
  manifest:
    description: The text of the manifest; given by the part of this that runs on the controller.
    type: str
  signed:
    description: Whether there is a signature; given by the part of this that runs on the controller.
    type: bool
    default: false
  arrived:
    description: Whether what has arrived is to be taken in; given by the part of this that runs on the controller.
    type: bool
    default: false
extends_documentation_fragment:
  - luckyplans.platform._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - cryptography on the controller, for O(public_key)
seealso:
  - module: luckyplans.platform.bundle
"""

EXAMPLES = r"""
- name: Send the bundle to the server
  luckyplans.platform.bundle_receive:
    source: /srv/luckyplans-bundle
    path: /var/lib/luckyplans-bundle
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, one sentence each.
  returned: always
  type: list
  elements: str
lacking:
  description: The files that the target lacked, in the order in which they are sent.
  returned: success
  type: list
  elements: str
incoming:
  description: Where on the target files arrive.
  returned: success
  type: str
"""

import os
import shutil
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils import _bundle
from ansible_collections.luckyplans.platform.plugins.module_utils._bundle import BundleError, Manifest, Store


def lacking(params: dict[str, Any], manifest: Manifest) -> list[str]:
    """Paths within the bundle, the manifest last."""
    path = params["path"]
    names = [f"{_bundle.BLOBS}/{digest}" for digest in _bundle.lacking(path, manifest, params["checksums"])]
    if names or not Store(path).holds(_bundle.MANIFEST, params["manifest"]):
        names += [_bundle.LAYOUT, _bundle.INDEX, *([_bundle.SIGNATURE] if params["signed"] else []), _bundle.MANIFEST]
    return names


def make_ready(path: str, incoming: str) -> None:
    """An empty folder for what will arrive, into which whoever logged in may write."""
    with _bundle.explained(path):
        os.makedirs(os.path.join(path, _bundle.BLOBS), exist_ok=True)
        shutil.rmtree(incoming, ignore_errors=True)
        os.makedirs(incoming)
        if os.environ.get("SUDO_UID"):
            os.chown(incoming, int(os.environ["SUDO_UID"]), -1)


def take_in(path: str, incoming: str, manifest: Manifest, text: str) -> None:
    """Gives what has arrived its name, if it is what the manifest says."""
    names = sorted(os.listdir(incoming), key=lambda name: (name == _bundle.MANIFEST, name not in manifest.blobs))
    for name in names:
        place = os.path.join(incoming, name)
        blob = name in manifest.blobs
        with _bundle.explained(place):
            if blob and _bundle.checksum(place)[0] != name:
                os.unlink(place)
                what = f"{_bundle.BLOBS}/{name} ({_bundle.owners(manifest, name)})"
                raise BundleError(f"{what} arrived altered, or is so where it was sent from; verify that bundle, and run again.")
            if name == _bundle.MANIFEST and not Store(incoming).holds(name, text):
                raise BundleError(f"{_bundle.MANIFEST} was changed while the bundle was sent; run again.")
            os.chmod(place, 0o644)
            if os.geteuid() == 0:
                os.chown(place, 0, 0)
            os.replace(place, os.path.join(path, _bundle.BLOBS if blob else "", name))


def run(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    manifest = _bundle.parse(params["manifest"], f"{_bundle.MANIFEST} of the bundle that is sent")
    path = params["path"]
    incoming = os.path.join(path, _bundle.TEMPORARY)
    if params["arrived"]:
        take_in(path, incoming, manifest, params["manifest"])
    names = lacking(params, manifest)
    if params["arrived"] and not names:
        os.rmdir(incoming)
    elif names and not params["arrived"] and not module.check_mode:
        make_ready(path, incoming)
    return {"changed": bool(names), "actions": [f"send {name}" for name in names], "lacking": names, "incoming": incoming}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "path": {"type": "path", "required": True},
            "checksums": {"type": "bool", "default": False},
            "public_key": {"type": "path", "no_log": False},
            "manifest": {"type": "str"},
            "signed": {"type": "bool", "default": False},
            "arrived": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if module.params["manifest"] is None:
        module.fail_json(msg="This module sends files from the controller, and can be called from a task only.", actions=[])
    try:
        module.exit_json(**run(module))
    except BundleError as error:
        module.fail_json(msg=str(error), actions=[])


if __name__ == "__main__":
    main()
