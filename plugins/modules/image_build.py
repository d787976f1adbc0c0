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
  - The proxies of the environment (E(HTTP_PROXY), E(HTTPS_PROXY), E(NO_PROXY)) reach the build and stay out of the image and its
    history. The passwords in them are masked in what is shown and logged.
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
        description: Human tag that the image gets as well, when its build has succeeded.
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
        description: Build arguments. They stay readable in the history of the image, so no secret belongs here.
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
      aliased:
        description: Whether the human tag leads to this image already; if not, an image that is there gets it.
        type: bool
        default: true
  log_dir:
    description: Directory for one log file an image.
    type: path
    required: true
  ca_file:
    description:
      - PEM file of certificate authorities that a build has to trust beside its own, such as that of an intercepting proxy.
      - It is the secret C(extra_ca) of BuildKit, which enters neither layers nor history nor cache. A Dockerfile takes it with
        C(RUN --mount=type=secret,id=extra_ca), which is nothing where no file is given.
    type: path
  keep:
    description:
      - How many images of a name stay in Docker after a build of that name, the one just built among them; V(0) = all.
      - The oldest go of those that M(luckyplans.platform.image_plan) named, which their label and their tag tell. One that a
        container uses stays.
    type: int
    default: 0
  timeout:
    description: Seconds that one build may take. Then it is stopped with all that it started.
    type: int
    default: 1800
  retries:
    description: How often a build is tried again, after 2, 4, 8... seconds, when its output shows a fault of the network.
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
    ca_file: /usr/local/share/ca-certificates/company.crt
    keep: 5
"""

RETURN = r"""
built:
  description: What was built, or would be in check mode.
  type: list
  elements: dict
  returned: always
  sample: [{name: web, reference: "luckyplans/web:c-0123456789abcdef", seconds: 41.2, tries: 1}]
removed:
  description: The older images that O(keep) has removed; none in check mode, nor where a build failed.
  type: list
  elements: str
  returned: always
  sample: ["luckyplans/web:c-fedcba9876543210"]
"""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any, cast

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.luckyplans.platform.plugins.module_utils._cli import Secrets
from ansible_collections.luckyplans.platform.plugins.module_utils._contract import LABEL_CONTENT
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Docker, DockerError
from ansible_collections.luckyplans.platform.plugins.module_utils._process import Process
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report
from ansible_collections.luckyplans.platform.plugins.module_utils._registry import NETWORK_FAULT, pause

# run_command holds all output in memory and neither streams nor ends by a clock of ours.
# pylint: disable=ansible-bad-function

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_PASSWORD = re.compile(r"(?:^|//)[^/:@]*:([^/]+)@")
_CONTENT_TAG = re.compile(r":c-[0-9a-f]{16}")
IN_USE = re.compile(r"container \S+ is using|is being used by")
TAIL = 25
RUNNING: set[Process[str]] = set()
STARTING = threading.Lock()
"""Held while a build starts: what is not yet in RUNNING could not be ended."""


def secret(ca_file: str) -> str:
    """The option --secret is a line of CSV, so that a path may need quotes."""
    source = f"src={ca_file}"
    if re.search(r'[,"\n]', source):
        source = '"' + source.replace('"', '""') + '"'
    return f"id=extra_ca,{source}"


def argv(build: Mapping[str, Any], executable: str, environment: Mapping[str, str], ca_file: str | None) -> list[str]:
    """The command that builds one image. Proxies go by name only: Docker keeps those out of the image's history."""
    command = [executable, "buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false", "--load",
               "--file", build["dockerfile"], "--tag", f"{build['image']}:{build['tag']}"]
    if build["alias_tag"]:
        command += ["--tag", f"{build['image']}:{build['alias_tag']}"]
    if ca_file:
        command += ["--secret", secret(ca_file)]
    for name, value in sorted(build["args"].items()):
        command += ["--build-arg", f"{name}={value}"]
    for name in PROXIES:
        if environment.get(name):
            command += ["--build-arg", name]
    for name, value in sorted(build["labels"].items()):
        command += ["--label", f"{name}={value}"]
    return [*command, build["context"]]


def proxy_passwords(environment: Mapping[str, str]) -> Secrets:
    """What a build may print of its environment, and nobody may read."""
    secrets = Secrets()
    for name in PROXIES:
        found = _PASSWORD.search(environment.get(name, ""))
        secrets.add(found and found[1])
    return secrets


def stop(process: Process[str]) -> None:
    """End a build and all that it started: docker alone would leave its plugin, and with it the build, running."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def stop_all(number: int, _frame: Any) -> None:
    """What ends this module ends its builds, which have sessions of their own and would not hear of it."""
    # never given back: nothing starts any more
    STARTING.acquire(timeout=10)
    for process in list(RUNNING):
        stop(process)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def start(command: list[str]) -> Process[str]:
    with STARTING:
        process = Process(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env={**os.environ, "DOCKER_BUILDKIT": "1"}, start_new_session=True,
        )
        RUNNING.add(process)
    return process


def run(command: list[str], name: str, log: str, timeout: int) -> int:
    """Run one build, its output in the log and its newest line as progress; -1 when the time was up."""
    secrets = proxy_passwords(os.environ)
    with open(log, "w", encoding="utf-8") as out, start(command) as process:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            stop(process)

        timer = threading.Timer(timeout, give_up)
        timer.start()
        for line in map(secrets.mask, cast(IO[str], process.stdout)):
            out.write(line)
            if line.strip():
                report(f"{name}: {line.strip()[:160]}")
        process.wait()
        timer.cancel()
        RUNNING.discard(process)
    return -1 if late.is_set() else process.returncode


def build_one(build: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Build one image, again after a fault of the network; the result has C(error) when it could not be built."""
    log = os.path.join(parameters["log_dir"], f"build-{build['name']}.log")
    command = argv(build, parameters["executable"], os.environ, parameters["ca_file"])
    result = {"name": build["name"], "reference": f"{build['image']}:{build['tag']}"}
    start = time.monotonic()
    for tries in range(1, parameters["retries"] + 2):
        code = run(command, build["name"], log, parameters["timeout"])
        if code == 0:
            return {**result, "seconds": round(time.monotonic() - start, 1), "tries": tries}
        with open(log, encoding="utf-8") as written:
            output = written.read()
        if code == -1 or tries > parameters["retries"] or not NETWORK_FAULT.search(output):
            break
        report(f"{build['name']}: a fault of the network, tried again soon")
        pause(tries)
    reason = f"took longer than timeout={parameters['timeout']} s" if code == -1 else f"ended with {code}"
    tail = "\n".join(output.splitlines()[-TAIL:])
    return {**result, "error": f"The build of {build['dockerfile']} {reason} (try {tries}); all of its output is in {log}. It ended:\n{tail}"}


def outdated(records: Mapping[str, Mapping[str, Any]], built: str, keep: int) -> list[str]:
    """What has to go that C(keep) images stay: the one just built, whatever its time says, and the newest others."""
    # fractions of a second come with as many digits as they need, and without the Z the order is that of the texts
    ages = {name: (record.get("Created") or "").rstrip("Z") for name, record in records.items() if name != built}
    return sorted(ages, key=lambda name: ages[name], reverse=True)[keep - 1 :]


def remove_outdated(docker: Docker, image: str, built: str, keep: int) -> tuple[list[str], list[str]]:
    """What was removed of an image, and what Docker would not remove although no container uses it."""
    done = docker.run("image", "ls", "--filter", f"label={LABEL_CONTENT}", "--filter", f"reference={image}:c-*",
                      "--format", "{{.Repository}}:{{.Tag}}")
    names = [name for name in done.stdout.decode().split() if _CONTENT_TAG.fullmatch(name, len(image))]
    removed, refused = [], [] if done.rc == 0 else [f"{image}: {done.reason()}"]
    for name in outdated(docker.images(names), built, keep):
        done = docker.run("image", "rm", name)
        if done.rc == 0:
            removed.append(name)
        elif not IN_USE.search(done.stderr):
            refused.append(f"{name}: {done.reason()}")
    return removed, refused


def tidy(module: AnsibleModule, wanted: list[dict[str, Any]]) -> list[str]:
    """Remove what is outdated. The builds have succeeded, so nothing here is an error."""
    removed = []
    docker = Docker(module.params["executable"])
    for build in wanted if module.params["keep"] > 0 else []:
        try:
            gone, refused = remove_outdated(docker, build["image"], f"{build['image']}:{build['tag']}", module.params["keep"])
        except DockerError as error:
            gone, refused = [], [str(error)]
        removed += gone
        for reason in refused:
            module.warn(f"An older image was not removed: {reason}")
    return removed


def name_again(module: AnsibleModule, builds: list[dict[str, Any]]) -> None:
    """Give images that are there their human tags."""
    for build in builds:
        module.run_command(
            [module.params["executable"], "tag", f"{build['image']}:{build['tag']}", f"{build['image']}:{build['alias_tag']}"], check_rc=True
        )


def main() -> None:
    spec = {
        "builds": {"type": "list", "elements": "dict", "required": True, "options": {
            "name": {"type": "str", "required": True}, "image": {"type": "str", "required": True},
            "tag": {"type": "str", "required": True}, "alias_tag": {"type": "str", "default": ""},
            "context": {"type": "path", "required": True}, "dockerfile": {"type": "path", "required": True},
            "args": {"type": "dict", "default": {}}, "labels": {"type": "dict", "default": {}},
            "base_images": {"type": "list", "elements": "str", "default": []},
            "present": {"type": "bool", "default": False}, "aliased": {"type": "bool", "default": True},
        }},
        "log_dir": {"type": "path", "required": True},
        "ca_file": {"type": "path"},
        "keep": {"type": "int", "default": 0},
        "timeout": {"type": "int", "default": 1800},
        "retries": {"type": "int", "default": 2},
        "executable": {"type": "str", "default": "docker"},
    }
    module = AnsibleModule(spec, supports_check_mode=True)
    ca_file = module.params["ca_file"]
    wanted = [build for build in module.params["builds"] if not build["present"]]
    if ca_file and not os.access(ca_file, os.R_OK):
        module.fail_json(msg=f"ca_file={ca_file} cannot be read: name a PEM file on this host.")
    # an edit that was taken back: the image is there, and its human tag still names the other one
    stale = [build for build in module.params["builds"] if build["present"] and build["alias_tag"] and not build["aliased"]]
    if module.check_mode or not wanted:
        if not module.check_mode:
            name_again(module, stale)
        module.exit_json(changed=bool(wanted or stale), removed=[], built=[
            {"name": build["name"], "reference": f"{build['image']}:{build['tag']}"} for build in wanted])
    if not shutil.which(module.params["executable"]):
        module.fail_json(msg=f"executable={module.params['executable']} is not there: install Docker's command line tool, or name it by its path.")
    try:
        os.makedirs(module.params["log_dir"], exist_ok=True)
    except OSError as error:
        module.fail_json(msg=f"log_dir={module.params['log_dir']} cannot be made: {error.strerror}; name another directory.")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_all)
    with ThreadPoolExecutor(len(wanted)) as pool:
        built = list(pool.map(lambda build: build_one(build, module.params), wanted))
    errors = [result["error"] for result in built if "error" in result]
    if errors:
        module.fail_json(msg="\n\n".join(errors), built=[result for result in built if "error" not in result],
                         changed=len(errors) < len(built), removed=[])
    name_again(module, stale)
    module.exit_json(changed=True, built=built, removed=tidy(module, wanted))


if __name__ == "__main__":
    main()
