#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds several images at once with BuildKit."""
from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
short_description: Build several images at once with BuildKit
version_added: 0.1.0
author: luckyplans contributors (@luckyplans)
description:
  - Builds what M(luckyplans.platform.image_plan) found to be missing, all images at the same time, each with C(docker buildx build).
  - Says what the builds do while they run, which C(community.docker.docker_image_build) cannot.
  - Provenance and software bills of materials are off, because their manifests break the import into nodes.
attributes:
  check_mode:
    support: full
    description: Says which images would be built and builds none.
  diff_mode:
    support: none
    description: An image has no text to compare.
  idempotent:
    support: full
    description: An image whose tag Docker already has is not built again.
options:
  builds:
    description: The builds, as M(luckyplans.platform.image_plan) returns them; those with C(present=true) are left out.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Short name, for messages.
        type: str
        required: true
      image:
        description: Name of the image without a tag.
        type: str
        required: true
      tag:
        description: Tag made from the content.
        type: str
        required: true
      alias_tag:
        description: Human tag that the image gets as well.
        type: str
        default: ""
      context:
        description: Directory that is the build context.
        type: path
        required: true
      dockerfile:
        description: Path of the Dockerfile.
        type: path
        required: true
      args:
        description: Build arguments.
        type: dict
        default: {}
      labels:
        description: Labels of the image.
        type: dict
        default: {}
      base_images:
        description: Not used; accepted so that the result of the plan can be passed as it is.
        type: list
        elements: str
        default: []
      present:
        description: Whether Docker has the image already.
        type: bool
        default: false
  log_dir:
    description: Directory for one log file an image.
    type: path
    required: true
  timeout:
    description: Seconds that one build may take.
    type: int
    default: 1800
  retries:
    description: How often a build is tried again, with a growing pause, when its output shows a fault of the network.
    type: int
    default: 2
  executable:
    description: Docker's command line tool.
    type: str
    default: docker
"""

EXAMPLES = r"""
- name: Build what changed
  luckyplans.platform.image_build:
    builds: "{{ plan.builds }}"
    log_dir: ~/.luckyplans/cache/logs
"""

RETURN = r"""
built:
  description: What was built, or would be in check mode.
  type: list
  elements: dict
  returned: always
  sample: [{name: web, reference: "luckyplans/web:c-0123456789abcdef", seconds: 41.2, tries: 1}]
"""

import os
import re
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
# what Docker, npm, pnpm, pip and apt print when the network and not the Dockerfile is at fault
NETWORK_FAULT = re.compile(
    r"ECONNRESET|ETIMEDOUT|EAI_AGAIN|ECONNREFUSED|i/o timeout|TLS handshake timeout|connection reset by peer|"
    r"Temporary failure (resolving|in name resolution)|\b(429|502|503|504)\b.*(Too Many|Bad Gateway|Unavailable|Timeout)",
    re.IGNORECASE,
)
TAIL = 25


def argv(build: dict[str, Any], executable: str, environment: dict[str, str]) -> list[str]:
    """The command that builds one image. Proxies go by name only: Docker keeps those out of the image's history."""
    command = [executable, "buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false", "--load",
               "--file", build["dockerfile"], "--tag", f"{build['image']}:{build['tag']}"]
    if build["alias_tag"]:
        command += ["--tag", f"{build['image']}:{build['alias_tag']}"]
    for name, value in sorted(build["args"].items()):
        command += ["--build-arg", f"{name}={value}"]
    for name in PROXIES:
        if environment.get(name):
            command += ["--build-arg", name]
    for name, value in sorted(build["labels"].items()):
        command += ["--label", f"{name}={value}"]
    return [*command, build["context"]]


def run(command: list[str], name: str, log: str, timeout: int) -> int:
    """Run one build, its output in the log and its newest line as progress; -1 when the time was up."""
    with open(log, "w", encoding="utf-8") as out, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
    ) as process:
        late = threading.Event()
        timer = threading.Timer(timeout, lambda: (late.set(), process.kill()))
        timer.start()
        assert process.stdout is not None
        for line in process.stdout:
            out.write(line)
            if line.strip():
                report(f"{name}: {line.strip()[:160]}")
        process.wait()
        timer.cancel()
    return -1 if late.is_set() else process.returncode


def build_one(build: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Build one image, again after a fault of the network; the result has C(error) when it could not be built."""
    log = os.path.join(parameters["log_dir"], f"build-{build['name']}.log")
    command = argv(build, parameters["executable"], dict(os.environ))
    result = {"name": build["name"], "reference": f"{build['image']}:{build['tag']}"}
    start = time.monotonic()
    for tries in range(1, parameters["retries"] + 2):
        code = run(command, build["name"], log, parameters["timeout"])
        if code == 0:
            return {**result, "seconds": round(time.monotonic() - start, 1), "tries": tries}
        with open(log, encoding="utf-8") as written:
            output = written.read()
        if code == -1 or not NETWORK_FAULT.search(output):
            break
        time.sleep(2**tries)
    reason = f"took longer than timeout={parameters['timeout']} s" if code == -1 else f"ended with {code}"
    tail = "\n".join(output.splitlines()[-TAIL:])
    return {**result, "error": f"The build of {build['dockerfile']} {reason} (try {tries}); all of its output is in {log}. It ended:\n{tail}"}


def main() -> None:
    spec = {
        "builds": {"type": "list", "elements": "dict", "required": True, "options": {
            "name": {"type": "str", "required": True}, "image": {"type": "str", "required": True},
            "tag": {"type": "str", "required": True}, "alias_tag": {"type": "str", "default": ""},
            "context": {"type": "path", "required": True}, "dockerfile": {"type": "path", "required": True},
            "args": {"type": "dict", "default": {}}, "labels": {"type": "dict", "default": {}},
            "base_images": {"type": "list", "elements": "str", "default": []},
            "present": {"type": "bool", "default": False},
        }},
        "log_dir": {"type": "path", "required": True},
        "timeout": {"type": "int", "default": 1800},
        "retries": {"type": "int", "default": 2},
        "executable": {"type": "str", "default": "docker"},
    }
    module = AnsibleModule(spec, supports_check_mode=True)
    wanted = [build for build in module.params["builds"] if not build["present"]]
    if module.check_mode or not wanted:
        module.exit_json(changed=bool(wanted), built=[
            {"name": build["name"], "reference": f"{build['image']}:{build['tag']}"} for build in wanted])
    if not shutil.which(module.params["executable"]):
        module.fail_json(msg=f"executable={module.params['executable']} is not there: install Docker's command line tool, or name it by its path.")
    os.makedirs(module.params["log_dir"], exist_ok=True)
    with ThreadPoolExecutor(len(wanted)) as pool:
        built = list(pool.map(lambda build: build_one(build, module.params), wanted))
    errors = [result["error"] for result in built if "error" in result]
    if errors:
        module.fail_json(msg="\n\n".join(errors), built=[result for result in built if "error" not in result],
                         changed=len(errors) < len(built))
    module.exit_json(changed=True, built=built)


if __name__ == "__main__":
    main()
