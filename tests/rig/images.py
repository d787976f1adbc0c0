# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds the images of the rig that Docker does not have yet, and prints the names of all as JSON.

    .venv/bin/python tests/rig/images.py
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

RIG = Path(__file__).resolve().parent
ROOT = RIG.parents[1]
CACHE = Path("~/.luckyplans/cache").expanduser()
#: Image and the file that makes it what it is.
TARGETS = {"k3s": "k3s", "proxy": "proxy", "tools": "k3d-tools"}


def bases() -> dict[str, str]:
    """The images from packages that those of the rig are built on; made here if `make local` never was."""
    options = {
        "names": ["debian", "kind-node", "registry"],
        "recipes_dir": str(ROOT / "artifacts/packages"),
        "lock_file": str(ROOT / "artifacts/lock.yml"),
        "cache_dir": str(CACHE),
    }
    interpreter = {"ansible_python_interpreter": sys.executable}
    ansible = [ROOT / ".venv/bin/ansible", "localhost", f"--extra-vars={json.dumps(interpreter)}"]
    done = subprocess.run(
        [*ansible, "--module-name=luckyplans.platform.package_recipe", f"--args={json.dumps(options)}"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "0"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    result = json.loads(done.stdout.partition("=> ")[2] or "{}")
    if "images" not in result:
        sys.exit(f"The node image could not be had: {result.get('msg', done.stdout)}")
    return result["images"]


def main() -> None:
    base = bases()
    # that one is the real thing, from packages
    names = {"registry": base["registry"]}
    for target, program in TARGETS.items():
        parts = [base["debian"], base["kind-node"], *((RIG / name).read_text(encoding="utf-8") for name in ("Dockerfile", program))]
        tag = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
        names[target] = f"luckyplans-rig/{target}:{tag}"
        known = subprocess.run(["docker", "image", "inspect", names[target]], capture_output=True, check=False)
        if known.returncode == 0:
            continue
        arguments = [f"--build-arg=DEBIAN={base['debian']}", f"--build-arg=NODE={base['kind-node']}"]
        subprocess.run(
            ["docker", "build", "--provenance=false", f"--target={target}", f"--tag={names[target]}", *arguments, RIG],
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
            stdout=sys.stderr,
            check=True,
        )
    print(json.dumps(names))


if __name__ == "__main__":
    main()
