#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_use
short_description: Take tools, charts, images and packages out of a bundle
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Puts what M(luckyplans.platform.bundle) has collected where the roles look for it. The bundle itself is only read, so it may be on a
    medium that cannot be written.
  - Whatever is due is compared with its checksum first, all of it, so that nothing of a damaged bundle is used.
  - Of images only the layers that Docker lacks are handed to it, where its image store allows that.
options:
  path:
    description: The directory of the bundle.
    type: path
    required: true
  arch:
    description: The architecture of this machine.
    type: str
    choices: [amd64, arm64]
    required: true
  dest:
    description: Where tools, charts and packages are put.
    type: path
    required: true
  public_key:
    description: PEM file of the ed25519 key that the bundle has to be signed with.
    type: path
  tools:
    description: The tools that are wanted.
    type: list
    elements: str
    default: []
  charts:
    description: The charts that are wanted.
    type: list
    elements: str
    default: []
  images:
    description: The images that Docker has to have, by the reference by which they are asked for.
    type: list
    elements: str
    default: []
  optional:
    description: Images that Docker gets as well, where the bundle has them.
    type: list
    elements: str
    default: []
  uses:
    description: Docker has to have all images of the bundle that are for one of these, too.
    type: list
    elements: str
    choices: [node, addon, base, other, application]
    default: []
  release:
    description:
      - The release of the distribution, such as V(trixie), for which a folder with Debian packages and their index is wanted.
    type: str
    default: ""
  wheels:
    description: Whether a folder with the Python packages of the bundle is wanted, for C(pip install --no-index --find-links).
    type: bool
    default: false
  docker:
    description: The docker command line.
    type: str
    default: docker
  timeout:
    description: Seconds that Docker may take to load the images.
    type: int
    default: 1800
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
  - cryptography, for O(public_key)
  - the docker command line, for images
  - dpkg-deb, for O(release)
seealso:
  - module: luckyplans.platform.bundle
"""

EXAMPLES = r"""
- name: Take what a cluster on kind needs
  luckyplans.platform.bundle_use:
    path: /media/usb/luckyplans-bundle
    arch: amd64
    dest: ~/.luckyplans/cache/bundle
    tools: [kind, kubectl, helm]
    charts: [traefik]
    uses: [node, addon, base, other]
  register: taken
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, one sentence each.
  returned: always
  type: list
  elements: str
settings:
  description: What whoever made the bundle wrote down of these artifacts.
  returned: success
  type: dict
tools:
  description: Where each of O(tools) is.
  returned: success
  type: dict
  sample: {kind: /root/.luckyplans/cache/bundle/kind-0123456789ab/kind}
charts:
  description: Where the directory of each of O(charts) is.
  returned: success
  type: dict
packages:
  description: The folder of the packages for O(release); empty where the bundle has none.
  returned: success
  type: str
wheels:
  description: The folder of the Python packages; empty without O(wheels).
  returned: success
  type: str
images:
  description: The images of the bundle for this architecture, by their complete names, and what each is for.
  returned: success
  type: dict
loaded:
  description: The images that were loaded into Docker, or would be in check mode.
  returned: success
  type: list
  elements: str
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.luckyplans.platform.plugins.module_utils import _bundle
from ansible_collections.luckyplans.platform.plugins.module_utils._bundle import Artifact, BundleError
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Completed, Docker, DockerError, LastWords
from ansible_collections.luckyplans.platform.plugins.module_utils._oci import (
    MANIFEST,
    ArchiveWriter,
    ImageNameError,
    SavedImage,
    blob_path,
    full_name,
    index_of,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._process import Process
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report
from ansible_collections.luckyplans.platform.plugins.module_utils._sources import of_docker

# run_command holds all output in memory and neither streams nor ends by a clock of ours.
# pylint: disable=ansible-bad-function


class Loader:
    """Hands images of a bundle to Docker."""

    def __init__(self, path: str, docker: Docker, timeout: float) -> None:
        self.path = path
        self.docker = docker
        self.timeout = timeout

    def document(self, digest: str) -> bytes:
        with open(os.path.join(self.path, _bundle.BLOBS, digest), "rb") as stream:
            return stream.read()

    def digests(self, item: Artifact) -> list[str]:
        return [item.sha256, *_bundle.digests_of(self.document(item.sha256))]

    def missing(self, items: list[Artifact]) -> list[Artifact]:
        """Images that Docker has not, or of whose name it has another one."""
        records = self.docker.images([item.name for item in items])
        return [item for item in items if records.get(item.name, {}).get("Id") not in (item.config, f"sha256:{item.sha256}")]

    def known_layers(self) -> set[tuple[str, ...]]:
        """Every stack of layers that Docker's classic image store has; its other store wants images whole."""
        done = self.docker.run("image", "ls", "--all", "--quiet", "--no-trunc")
        records = self.docker.images(done.stdout.decode().split())
        known: set[tuple[str, ...]] = set()
        for name, record in records.items():
            if of_docker(name, name, record).by_manifest:
                return set()
            layers = (record.get("RootFS") or {}).get("Layers") or []
            known.update(tuple(layers[: count + 1]) for count in range(len(layers)))
        return known

    def load(self, items: list[Artifact]) -> None:
        known = self.known_layers()
        self._load(items, known)
        if known and self.missing(items):
            # its store is not what it says of it: all of each image
            self._load(items, set())
        still = self.missing(items)
        if still:
            raise DockerError(f"Docker took the image {still[0].name} and has another one under this name; see `docker info`, and run again.")

    def _load(self, items: list[Artifact], known: set[tuple[str, ...]]) -> None:
        argv = self.docker.argv("load", "--quiet")
        process = Process(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        words = LastWords(process.stderr)
        clock = threading.Timer(self.timeout, process.kill)
        clock.start()
        try:
            # docker has ended early where the pipe is broken; its exit code and last words say why
            with suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as stream:
                self._write(ArchiveWriter(stream.write), items, known)
            rc = process.wait()
        finally:
            clock.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()
        if rc:
            reason = f"it did not end within {self.timeout:g} s" if rc < 0 else Completed(rc, b"", words.text()).reason()
            raise DockerError(f"Docker did not take the images of the bundle {self.path}: {reason}; mend that, and run again.")

    def _write(self, writer: ArchiveWriter, items: list[Artifact], known: set[tuple[str, ...]]) -> None:
        """An archive in both of the forms that versions of Docker read."""
        sent: set[str] = set()
        legacy, images = [], {}
        for item in items:
            document = self.document(item.sha256)
            config, *layers = _bundle.digests_of(document)
            stack: tuple[str, ...] = ()
            for digest, diff_id in zip(layers, json.loads(self.document(config))["rootfs"]["diff_ids"]):
                stack += (diff_id,)
                if stack not in known:
                    self._send(writer, digest, sent)
            for digest in (config, item.sha256):
                self._send(writer, digest, sent)
            paths = [blob_path(f"sha256:{digest}") for digest in (config, *layers)]
            legacy.append({"Config": paths[0], "RepoTags": [item.name], "Layers": paths[1:]})
            kind = json.loads(document).get("mediaType") or MANIFEST
            images[item.name] = SavedImage(f"sha256:{item.sha256}", kind, document, item.config)
        writer.add("manifest.json", json.dumps(legacy).encode())
        writer.finish(index_of(images))

    def _send(self, writer: ArchiveWriter, digest: str, sent: set[str]) -> None:
        if digest in sent:
            return
        sent.add(digest)
        with open(os.path.join(self.path, _bundle.BLOBS, digest), "rb") as stream:
            writer.begin(blob_path(f"sha256:{digest}"), os.fstat(stream.fileno()).st_size)
            for chunk in _bundle.chunks(stream):
                writer.data(chunk)
        report(f"bundle: {writer.bytes >> 20} MiB handed to Docker")


@contextmanager
def appearing(target: str) -> Iterator[str]:
    """A directory that has its name when all of it is there, or never."""
    parent = os.path.dirname(target)
    with _bundle.explained(target):
        os.makedirs(parent, exist_ok=True)
        work = tempfile.mkdtemp(prefix=".new-", dir=parent)
        try:
            yield work
            os.chmod(work, 0o755)
            os.rename(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def place(path: str, item: Artifact, target: str) -> None:
    """A tool or a chart."""
    blob = os.path.join(path, _bundle.BLOBS, item.sha256)
    with appearing(target) as work:
        if item.kind == "chart":
            with open(blob, "rb") as stream:
                _bundle.unpack(stream, work, blob)
        else:
            file = os.path.join(work, item.name)
            shutil.copyfile(blob, file)
            os.chmod(file, 0o755)


def place_files(path: str, items: list[Artifact], work: str) -> None:
    for item in items:
        shutil.copyfile(os.path.join(path, _bundle.BLOBS, item.sha256), os.path.join(work, item.name))


def place_packages(path: str, items: list[Artifact], target: str) -> None:
    """A folder that apt reads as a repository. Its content was compared with the manifest, so apt need not look for a signature."""
    with appearing(target) as work:
        place_files(path, items, work)
        entries = []
        for item in items:
            argv = ["dpkg-deb", "--field", os.path.join(work, item.name)]
            done = subprocess.run(argv, capture_output=True, encoding="utf-8", timeout=60, check=False)
            if done.returncode:
                raise BundleError(f"{item.name} of the bundle {path} is no Debian package ({done.stderr.strip()}); make the bundle again.")
            entries.append(f"{done.stdout.strip()}\nFilename: ./{item.name}\nSize: {item.size}\nSHA256: {item.sha256}\n")
        for name, text in (("Packages", "\n".join(entries)), ("sources.list", f"deb [trusted=yes] file:{target} ./\n")):
            with open(os.path.join(work, name), "w", encoding="utf-8") as out:
                out.write(text)
        os.makedirs(os.path.join(work, "lists", "partial"))


def folder_of(dest: str, name: str, items: list[Artifact]) -> str:
    """Where several files are placed together; another set of them has another place."""
    mark = hashlib.sha256("".join(item.sha256 for item in items).encode()).hexdigest()
    return os.path.join(dest, f"{name}-{mark[:12]}") if items else ""


def use(params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    path, arch = params["path"], params["arch"]
    manifest = _bundle.read(path, params["public_key"] or "")
    if arch not in manifest.settings:
        raise BundleError(
            f"The bundle {path} is for {', '.join(manifest.architectures)}, and this machine is {arch}; "
            f"run playbooks/bundle.yml with the same directory on a machine that is {arch}, too."
        )
    placed = {
        kind: {name: manifest.find(kind, name, arch, path) for name in params[f"{kind}s"]} for kind in ("tool", "chart")
    }
    folders = {item: os.path.join(params["dest"], f"{item.name}-{item.sha256[:12]}") for kind in placed.values() for item in kind.values()}
    packages = [item for item in manifest.of("package", arch) if item.use == params["release"]]
    repository = folder_of(params["dest"], f"packages-{params['release']}", packages)
    python = manifest.of("wheel", arch) if params["wheels"] else []
    wheels = folder_of(params["dest"], "wheels", python)

    held = manifest.of("image", arch)
    wanted = [manifest.find("image", full_name(name), arch, path) for name in params["images"]]
    optional = {full_name(name) for name in params["optional"]}
    wanted += [item for item in held if (item.use in params["uses"] or item.name in optional) and item not in wanted]
    loader = Loader(path, Docker(params["docker"]), params["timeout"])
    images = loader.missing(wanted) if wanted else []

    due = [item for item, folder in folders.items() if not os.path.isdir(folder)]
    due_packages = [] if not repository or os.path.isdir(repository) else packages
    due_wheels = [] if not wheels or os.path.isdir(wheels) else python
    refuse_damaged(path, manifest, {item.sha256 for item in [*due, *due_packages, *due_wheels, *images]})
    # only now that they are whole they can be asked what they name
    layers = {digest for item in images for digest in loader.digests(item)}
    refuse_damaged(path, manifest, layers)

    if not check:
        for item in due:
            place(path, item, folders[item])
        if due_packages:
            place_packages(path, packages, repository)
        if due_wheels:
            with appearing(wheels) as work:
                place_files(path, python, work)
        if images:
            loader.load(images)
    actions = [f"place {item.title}" for item in due] + ([f"place packages for {params['release']}"] if due_packages else [])
    actions += ["place wheels"] if due_wheels else []
    actions += [f"load {item.name}" for item in images]
    return {
        "changed": bool(actions),
        "actions": actions,
        "settings": manifest.settings[arch],
        "tools": {name: os.path.join(folders[item], name) for name, item in placed["tool"].items()},
        "charts": {name: folders[item] for name, item in placed["chart"].items()},
        "packages": repository,
        "wheels": wheels,
        "images": {item.name: item.use for item in held},
        "loaded": [item.name for item in images],
    }


def refuse_damaged(path: str, manifest: _bundle.Manifest, digests: set[str]) -> None:
    unnamed = sorted(digests - set(manifest.blobs))
    if unnamed:
        raise BundleError(f"{_bundle.MANIFEST} of {path} does not name blob {unnamed[0]}, which an image in it needs; make the bundle again.")
    verdict = _bundle.verify(path, manifest, digests)
    if not verdict.clean:
        raise BundleError(_bundle.sentence(path, verdict))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "arch": {"type": "str", "choices": ["amd64", "arm64"], "required": True},
            "dest": {"type": "path", "required": True},
            "public_key": {"type": "path", "no_log": False},
            "tools": {"type": "list", "elements": "str", "default": []},
            "charts": {"type": "list", "elements": "str", "default": []},
            "images": {"type": "list", "elements": "str", "default": []},
            "optional": {"type": "list", "elements": "str", "default": []},
            "uses": {"type": "list", "elements": "str", "choices": ["node", "addon", "base", "other", "application"], "default": []},
            "release": {"type": "str", "default": ""},
            "wheels": {"type": "bool", "default": False},
            "docker": {"type": "str", "default": "docker"},
            "timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    if module.params["public_key"] and not _bundle.HAS_CRYPTOGRAPHY:
        module.fail_json(msg=missing_required_lib("cryptography"))
    try:
        module.exit_json(**use(module.params, module.check_mode))
    except ImageNameError as error:
        module.fail_json(msg=f"{str(error)[:1].upper()}{str(error)[1:]}.", actions=[])
    except (BundleError, DockerError) as error:
        module.fail_json(msg=str(error), actions=[])


if __name__ == "__main__":
    main()
