#!/usr/bin/python

# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: git_values
short_description: Read a chart's values in a git repository, change image tags by a commit, or take a commit back
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Clones the branch into a temporary directory and reads the files of values. With O(tag) or O(tags) the last of these files gets other image tags, in one
    commit that is pushed; every other character of it stays as it is. With O(revert) a commit is taken back by another one.
  - A push that somebody else has overtaken is made again on top of theirs, four times at most.
  - It is meant for the machine that runs ansible-playbook, where the person is who may push.
extends_documentation_fragment:
  - luckyplans.platform._attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is pushed; RV(commit) is the one that there is.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  url:
    description: Address of the repository.
    type: str
    required: true
  branch:
    description: The branch.
    type: str
    required: true
  path:
    description: Directory of the chart in the repository.
    type: str
    required: true
  values_files:
    description: Files of values in the chart's directory, as Helm gets them; the last is the one that is changed.
    type: list
    elements: str
    required: true
  tag:
    description: The tag for every component that has an C(image.tag) in the last file.
    type: str
    default: ""
  tags:
    description: Tags by component, instead of one for all.
    type: dict
    default: {}
  revert:
    description: The commit that is to be taken back.
    type: str
    default: ""
  commit_message:
    description: First line of the commit.
    type: str
    default: ""
  history:
    description: How many commits of the last file are looked through for RV(history).
    type: int
    default: 30
  username:
    description: Name for the push over http; empty for git's own configuration.
    type: str
    default: ""
  password:
    description: Its password or token. It reaches git by its environment, and no file or command line.
    type: str
    default: ""
  ssh_private_key:
    description: Key for the push over ssh.
    type: str
    default: ""
requirements:
  - git
  - PyYAML
"""

EXAMPLES = r"""
- name: Deploy another build
  luckyplans.platform.git_values:
    url: https://git.example.org/team/luckyplans.git
    branch: main
    path: infrastructure/helm/luckyplans
    values_files: [values.yaml, values.prod.yaml]
    tag: sha-4f0c2a0
    commit_message: "deploy: sha-4f0c2a0"
  delegate_to: localhost
"""

RETURN = r"""
commit:
  description: The commit that the branch is at.
  returned: always
  type: str
before:
  description: The commit that the branch was at.
  returned: always
  type: str
chart_values:
  description: The files of values, merged as Helm does, with the new tags.
  returned: always
  type: dict
tags:
  description: The tags in the last file, by component.
  returned: always
  type: dict
  sample: {web: sha-4f0c2a0, apiGateway: sha-4f0c2a0}
history:
  description: Commits that changed tags, the newest first, with the tags that they left.
  returned: always
  type: list
  elements: dict
  sample: [{commit: 4f0c2a0e6d3b, date: "2026-11-20T10:00:00+00:00", subject: "deploy: sha-4f0c2a0", tags: {web: sha-4f0c2a0}}]
"""

import posixpath
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.luckyplans.platform.plugins.module_utils import _git
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report


def history(repository: _git.Checkout, name: str, count: int) -> list[dict[str, Any]]:
    """A commit that left the tags as they were is none of them; one of which the file was no YAML is passed over."""
    found: list[dict[str, Any]] = []
    for entry in repository.log(name, count):
        try:
            tags = _git.tags(_git.parse(repository.read(name, entry["commit"]), name))
        except _git.GitError:
            continue
        if found and found[-1]["tags"] == tags:
            # the older one is where these tags come from
            found.pop()
        found.append({**entry, "tags": tags})
    return found


def wanted_tags(params: dict[str, Any], there: dict[str, str], name: str) -> dict[str, str]:
    if not params["tag"]:
        return {key: str(value) for key, value in params["tags"].items()}
    if not there:
        raise _git.GitError(f"{name} names no image.tag of any component. Next: write one there for each image that promotions are to change.")
    return dict.fromkeys(there, params["tag"])


def work(params: dict[str, Any], pretend: bool) -> dict[str, Any]:
    login = _git.Login(params["username"], params["password"], params["ssh_private_key"])
    names = [posixpath.join(params["path"], name) for name in params["values_files"]]
    with _git.checkout(params["url"], params["branch"], login) as repository:
        before, last = repository.head(), names[-1]
        old = repository.read(last)

        def change() -> bool:
            text = repository.read(last)
            there = _git.tags(_git.parse(text, last))
            wanted = wanted_tags(params, there, last)
            edited = _git.replace_scalars(text, {f"{key}.image.tag": value for key, value in wanted.items()}, last)
            if edited == text:
                return False
            repository.write(last, edited)
            if not pretend:
                message = params["commit_message"] or f"deploy: {', '.join(sorted(set(wanted.values())))}"
                repository.git("commit", "--quiet", f"--message={message}", "--", last)
            return True

        def revert() -> bool:
            try:
                repository.git("revert", "--no-commit", params["revert"])
            except _git.GitError as error:
                repository.git("revert", "--abort", check=False)
                raise _git.GitError(
                    f"The commit {params['revert'][:12]} of {repository.url} cannot be taken back by git revert, most often because a later one "
                    f"touches the same lines. Next: bring {last} to where it should be by a commit."
                ) from error
            if not repository.git("diff", "--cached", "--name-only"):
                # it was taken back before
                return False
            if not pretend:
                repository.git("commit", "--quiet", "--no-edit")
            return True

        action = revert if params["revert"] else change if params["tag"] or params["tags"] else (lambda: False)
        changed = action() if pretend else bool(repository.push(action, report))
        new = repository.read(last)
        values = _git.merge([_git.parse(repository.read(name), name) for name in names])
        return {
            "changed": changed,
            "before": before,
            "commit": repository.head(),
            "chart_values": values,
            "tags": _git.tags(_git.parse(new, last)),
            "history": history(repository, last, params["history"]),
            "diff": {"before": old, "after": new, "before_header": last, "after_header": last},
        }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "branch": {"type": "str", "required": True},
            "path": {"type": "str", "required": True},
            "values_files": {"type": "list", "elements": "str", "required": True},
            "tag": {"type": "str", "default": ""},
            "tags": {"type": "dict", "default": {}},
            "revert": {"type": "str", "default": ""},
            "commit_message": {"type": "str", "default": ""},
            "history": {"type": "int", "default": 30},
            "username": {"type": "str", "default": ""},
            "password": {"type": "str", "default": "", "no_log": True},
            "ssh_private_key": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    if not _git.HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"))
    params = module.params
    if len([1 for key in ("tag", "tags", "revert") if params[key]]) > 1:
        module.fail_json(msg="tag, tags and revert exclude each other. Next: give one of them.")
    if not params["values_files"]:
        module.fail_json(msg="values_files is empty, and the last of them is the one with the tags. Next: name one.")
    try:
        module.exit_json(**work(params, module.check_mode))
    except _git.GitError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
