#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: staged_chart
short_description: Copy a local chart under a version that names its content
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Helm and M(kubernetes.core.helm) see a change of a chart by its version. This module copies a chart to
    C(<dest>/<name>-<hash>) with a hash of all its files in the version, so that an edited template is a change, and an
    unedited chart is none.
  - The hash follows a V(+), as build metadata. Where a template writes C(.Chart.Version) without replacing that
    character, which labels do not allow, it follows a V(-) instead.
  - The newest three copies of a chart are kept.
options:
  chart:
    description: The directory of the chart.
    type: path
    required: true
  dest:
    description: The directory for the copies.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Can run in check mode. The copy is a cache and is made in check mode too, for later tasks to read.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: full
    description: It never changes anything but its own cache.
"""

EXAMPLES = r"""
- name: Give the chart a version that names its content
  luckyplans.platform.staged_chart:
    chart: infrastructure/helm/luckyplans
    dest: ~/.luckyplans/cache/charts
  register: staged

- name: Deploy it
  kubernetes.core.helm:
    release_name: luckyplans
    release_namespace: luckyplans
    chart_ref: "{{ staged.path }}"
"""

RETURN = r"""
path:
  description: The copy of the chart.
  returned: success
  type: str
  sample: /home/me/.luckyplans/cache/charts/luckyplans-0123456789ab
version:
  description: The version in the copy.
  returned: success
  type: str
  sample: 0.1.0+0123456789ab
name:
  description: The name of the chart.
  returned: success
  type: str
  sample: luckyplans
hash:
  description: The hash of the chart's files.
  returned: success
  type: str
  sample: 0123456789ab
"""

import hashlib
import os
import re
import shutil
import stat
import tempfile

from ansible.module_utils.basic import AnsibleModule

KEEP = 3
DEEPEST = 40
_NAME = re.compile(rb"""^name:[ \t]*(["']?)([A-Za-z0-9][A-Za-z0-9._-]*)\1[ \t]*(?:#.*)?\r?$""", re.MULTILINE)
_VERSION = re.compile(rb"""^(version:[ \t]*(["']?))(v?\d+[0-9A-Za-z.+-]*)(\2[ \t]*(?:#.*)?\r?)$""", re.MULTILINE)
_ACTION = re.compile(r"\{\{(?!-?\s*/\*).*?\}\}", re.DOTALL)
_REPLACED = re.compile(r"""replace\s+["']\+["']""")


class ChartError(Exception):
    """A sentence about a chart that cannot be staged."""


def read_files(chart: str) -> dict[str, tuple[bytes, bool]]:
    """All files of the chart, links followed as Helm follows them: path to content and executable bit."""
    files = {}

    def fail(error: OSError) -> None:
        raise ChartError(f"chart {chart} cannot be read: {error.strerror}: {error.filename}")

    for directory, names, members in os.walk(chart, followlinks=True, onerror=fail):
        names.sort()
        if directory.count(os.sep) - chart.count(os.sep) > DEEPEST:
            raise ChartError(f"chart {chart} has a link that leads back into it: {directory}; remove the link")
        for member in sorted(members):
            path = os.path.join(directory, member)
            try:
                with open(path, "rb") as handle:
                    files[os.path.relpath(path, chart)] = (handle.read(), os.access(path, os.X_OK))
            except OSError as error:
                fail(error)
    return files


def hash_files(files: dict[str, tuple[bytes, bool]]) -> str:
    digest = hashlib.sha256()
    for path, (content, executable) in sorted(files.items()):
        inner = hashlib.sha256(content).hexdigest()
        digest.update(f"{inner} {int(executable)} {path}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:12]


def version_goes_into_text(files: dict[str, tuple[bytes, bool]]) -> bool:
    """Whether a template writes the version as it is, where a `+` could end up in a label."""
    for path, (content, _executable) in files.items():
        if not path.startswith("templates" + os.sep):
            continue
        for action in _ACTION.findall(content.decode(errors="replace")):
            if ".Chart.Version" in action and not _REPLACED.search(action):
                return True
    return False


def with_hash(version: str, content: str, as_metadata: bool) -> str:
    """The version with the hash: as build metadata, or, where that cannot be, as a pre-release."""
    if as_metadata:
        return f"{version}{'.' if '+' in version else '+'}{content}"
    base = version.partition("+")[0]
    # A part of a pre-release may not be a number with a leading zero, hence the letter.
    return f"{base}{'.' if '-' in base else '-'}h{content}"


def stage(chart: str, dest: str) -> dict[str, str]:
    chart, dest = os.path.abspath(chart), os.path.abspath(dest)
    if not os.path.isfile(os.path.join(chart, "Chart.yaml")):
        raise ChartError(f"chart {chart} has no Chart.yaml; name the directory of a chart")
    if os.path.realpath(dest).startswith(os.path.join(os.path.realpath(chart), "")):
        raise ChartError(f"dest {dest} lies in the chart {chart}; name a directory outside of it")
    files = read_files(chart)
    description, executable = files["Chart.yaml"]
    name, found = _NAME.search(description), _VERSION.search(description)
    if name is None or found is None:
        key = "version" if name else "name"
        raise ChartError(f"{os.path.join(chart, 'Chart.yaml')} has no line '{key}: ...'; write it on a line of its own")
    chart_name, content = name.group(2).decode(), hash_files(files)
    version = with_hash(found.group(3).decode(), content, as_metadata=not version_goes_into_text(files))
    line = found.group(1) + version.encode() + found.group(4)
    files["Chart.yaml"] = (description[: found.start()] + line + description[found.end() :], executable)
    path = os.path.join(dest, f"{chart_name}-{content}")
    try:
        put(files, path)
        os.utime(path)
        prune(dest, chart_name)
    except OSError as error:
        raise ChartError(f"dest {dest} cannot be written: {error.strerror}: {error.filename}") from error
    return {"path": path, "version": version, "name": chart_name, "hash": content}


def put(files: dict[str, tuple[bytes, bool]], path: str) -> None:
    """Make the directory hold these files, in one step that nobody sees half of."""
    dest = os.path.dirname(path)
    os.makedirs(dest, exist_ok=True)
    try:
        if read_files(path) == files:
            return
    except ChartError:
        # What cannot be read cannot be used either, and is replaced.
        pass
    temporary = tempfile.mkdtemp(prefix=".stage-", dir=dest)
    try:
        fresh = os.path.join(temporary, "fresh")
        for member, (content, executable) in files.items():
            target = os.path.join(fresh, member)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as handle:
                handle.write(content)
            if executable:
                os.chmod(target, os.stat(target).st_mode | stat.S_IXUSR)
        if os.path.lexists(path):
            os.rename(path, os.path.join(temporary, "old"))
        os.rename(fresh, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def prune(dest: str, name: str) -> None:
    """Remove all but the newest copies of this chart."""
    mine = [entry for entry in os.scandir(dest) if re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{12}}", entry.name)]
    for entry in sorted(mine, key=lambda item: item.stat().st_mtime_ns, reverse=True)[KEEP:]:
        shutil.rmtree(entry.path, ignore_errors=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "chart": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, **stage(module.params["chart"], module.params["dest"]))
    except ChartError as error:
        module.fail_json(msg=f"{error}.")


if __name__ == "__main__":
    main()
