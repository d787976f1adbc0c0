"""The repository that Argo CD follows: `git_repository.py CHECKOUT WORK_DIR REGISTRY`.

It holds the chart, with values.prod.yaml of images that the scenario's registry has, and lies under WORK_DIR/git; WORK_DIR/users.json is for the
git server: one login reads, one pushes. Their passwords are canaries, which must appear nowhere.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

READER, WRITER = "canary-of-the-git-reader", "canary-of-the-git-writer"
CHART = "infrastructure/helm/luckyplans"


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=CI", "-c", "user.email=ci@example.org", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def main(checkout: Path, work_dir: Path, registry: str) -> None:
    for name in ("git", "checkout"):
        shutil.rmtree(work_dir / name, ignore_errors=True)
    bare, copy = work_dir / "git/team/luckyplans.git", work_dir / "checkout"
    bare.mkdir(parents=True)
    git(bare, "init", "--quiet", "--bare", "--initial-branch=main")
    shutil.copytree(checkout / CHART, copy / CHART)
    values = copy / CHART / "values.prod.yaml"
    values.write_text(values.read_text().replace("registry: ghcr.io", f"registry: {registry}").replace("sha-abc1234", "sha-aaaaaaa"))
    assert len(re.findall("sha-aaaaaaa", values.read_text())) == 3
    git(copy, "init", "--quiet", "--initial-branch=main")
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "--message=The application")
    git(copy, "push", "--quiet", str(bare), "main")
    shutil.rmtree(copy)
    users = {"reader": {"password": READER, "push": False}, "writer": {"password": WRITER, "push": True}}
    (work_dir / "users.json").write_text(json.dumps(users))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
