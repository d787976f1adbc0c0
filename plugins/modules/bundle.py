#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Make, verify and prune a bundle, one directory with everything that a platform is made of
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Puts files and images into a directory that can be carried to a machine without a network, where M(luckyplans.platform.bundle_use)
    takes them out again.
  - C(manifest.json) names everything, with checksums, and is written last. Blobs are named by their content, images are one OCI
    layout, so that a layer that several share is there once.
  - Making it again writes only what is new, mends what was altered, and goes on where an earlier run was interrupted. Two bundles
    of the same content differ in nothing but the time.
  - Entries of other architectures stay, as long as they were made from the same lock file.
options:
  path:
    description: The directory of the bundle.
    type: path
    required: true
  state:
    description:
      - V(present) makes it of O(files) and O(images).
      - V(verified) compares every file with the manifest, and fails with the list of those that are missing, altered or surplus.
      - V(pruned) removes the files that the manifest does not name.
    type: str
    choices: [present, verified, pruned]
    default: present
  arch:
    description: The architecture of what is added.
    type: str
    choices: [amd64, arm64]
  lock_file:
    description: The file with the versions, origins and licences of all artifacts.
    type: path
  made_from:
    description: Where the artifacts came from.
    type: str
    choices: [upstream, packages]
    default: upstream
  settings:
    description: What the roles have to know of these artifacts where they use them; kept for O(arch).
    type: dict
    default: {}
  version:
    description: The version of the collection, for those who read the manifest later.
    type: str
    default: ""
  files:
    description:
      - What is to be added beside images.
      - Of V(wheel) and V(package) C(path) is a folder, of which every file is added; V(chart) and V(collection) are directories, kept as
        a tar file; a tool is one file.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: What it is.
        type: str
        choices: [tool, chart, wheel, collection, package]
        required: true
      path:
        description: Where it is.
        type: path
        required: true
      name:
        description: Its name; that of a wheel or Debian package is its file's.
        type: str
        default: ""
      lock:
        description: Its entry in the lock file, where that has another name.
        type: str
        default: ""
      release:
        description: The release of the distribution that Debian packages are for, such as V(trixie).
        type: str
        default: ""
      values:
        description: The values with which a chart is rendered with O(helm). Every image that it names is added, or it is an error.
        type: dict
        default: {}
  images:
    description: Images of the local Docker that are to be added.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The reference by which it is asked for, with a tag.
        type: str
        required: true
      use:
        description: What needs it.
        type: str
        choices: [node, addon, base, other, application]
        required: true
  helm:
    description: The helm with which charts are rendered.
    type: path
  private_key:
    description: PEM file of an ed25519 key without a passphrase, with which the manifest is signed.
    type: path
  public_key:
    description: PEM file of the key that the manifest has to be signed with. Given with O(state=verified), a bundle without its signature is refused.
    type: path
  archive:
    description:
      - A file for transport that is to hold the whole bundle; its name ends with C(.tar.zst) (which needs the program zstd) or C(.tar).
    type: path
  pull:
    description: Whether images that Docker does not have may be pulled from their registries.
    type: bool
    default: false
  docker:
    description: The docker command line.
    type: str
    default: docker
  timeout:
    description: Seconds that reading the images from Docker may take.
    type: int
    default: 1800
extends_documentation_fragment:
  - luckyplans.platform._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The list of artifacts before and after; with O(state=pruned), of files.
  idempotent:
    support: full
requirements:
  - PyYAML
  - cryptography, for signatures
  - the docker command line, for images
seealso:
  - module: luckyplans.platform.bundle_use
"""

EXAMPLES = r"""
- name: Make a bundle of two tools and an image
  luckyplans.platform.bundle:
    path: /srv/luckyplans-bundle
    arch: amd64
    lock_file: artifacts/lock.yml
    files:
      - {kind: tool, name: kind, path: /root/.luckyplans/bin/kind}
      - {kind: tool, name: helm, path: /root/.luckyplans/bin/helm}
    images:
      - {name: "redis:7-alpine", use: other}

- name: Verify it
  luckyplans.platform.bundle:
    path: /srv/luckyplans-bundle
    state: verified

- name: Remove what nothing names any more
  luckyplans.platform.bundle:
    path: /srv/luckyplans-bundle
    state: pruned
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, one sentence each.
  returned: always
  type: list
  elements: str
artifacts:
  description: What the bundle holds.
  returned: success
  type: list
  elements: dict
size:
  description: Bytes of all blobs.
  returned: success
  type: int
written:
  description: Bytes that were written into blobs.
  returned: success
  type: int
missing:
  description: Files that the manifest names and that are not there.
  returned: with O(state=verified)
  type: list
  elements: str
altered:
  description: Files with another content than the manifest says.
  returned: with O(state=verified)
  type: list
  elements: str
surplus:
  description: Files that the manifest does not name.
  returned: with O(state=verified)
  type: list
  elements: str
"""

import email
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
import traceback
import zipfile
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict
from typing import IO, Any, cast

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.luckyplans.platform.plugins.module_utils import _bundle
from ansible_collections.luckyplans.platform.plugins.module_utils._bundle import Artifact, BundleError, Manifest, Store
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Docker, DockerError
from ansible_collections.luckyplans.platform.plugins.module_utils._manifests import RenderError, named_images, render
from ansible_collections.luckyplans.platform.plugins.module_utils._oci import (
    MANIFEST,
    ArchiveError,
    ImageNameError,
    SavedImage,
    full_name,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._process import Process
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report
from ansible_collections.luckyplans.platform.plugins.module_utils._sources import Save, of_docker

# run_command holds all output in memory and neither streams nor ends by a clock of ours.
# pylint: disable=ansible-bad-function

try:
    import yaml

    HAS_YAML, YAML_ERROR = True, None
except ImportError:
    HAS_YAML, YAML_ERROR = False, traceback.format_exc()

PACKAGE_LICENCE = "in the package: /usr/share/doc/*/copyright"
APPLICATION_LICENCE = "that of the application's sources"


def read_lock(path: str) -> tuple[str, dict[str, Any]]:
    """Checksum and artifacts of the lock file."""
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        artifacts = yaml.safe_load(text)["artifacts"]
    except (OSError, yaml.YAMLError, TypeError, KeyError) as error:
        raise BundleError(f"lock_file {path} cannot be read ({error}); give the lock file of the collection.") from error
    return hashlib.sha256(text.encode()).hexdigest(), artifacts


def origin(entry: Mapping[str, Any], made_from: str, arch: str) -> str:
    """Where an artifact of the lock came from."""
    if made_from == "packages":
        recipe = (entry.get("package") or {}).get("recipe") or (entry.get("package") or {}).get("chart", "")
        return f"package registries: artifacts/packages/{recipe}" if recipe else ""
    upstream = entry.get("upstream") or {}
    address = " ".join(upstream[key] for key in ("repository", "address", "image", "chart") if key in upstream)
    return address.replace("{version}", str(entry.get("version", ""))).replace("{arch}", arch)


def wheel_licence(path: str) -> str:
    """What a wheel says of its licence, in whichever of the three ways it says so."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(item for item in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", item))
            said = email.message_from_bytes(archive.read(name))
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise BundleError(f"{path} is no wheel ({error}); empty its folder and run again.") from error
    classes = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier") or [] if line.startswith("License ::")]
    licence = (said.get("License-Expression") or ", ".join(classes) or said.get("License") or "").strip()
    return licence.splitlines()[0][:80] if licence else "in the wheel"


def collection_about(path: str) -> tuple[str, str]:
    """Version and licence of an installed collection."""
    try:
        with open(os.path.join(path, "MANIFEST.json"), encoding="utf-8") as stream:
            info = json.load(stream)["collection_info"]
        return str(info["version"]), ", ".join(info.get("license") or []) or f"in its file {info.get('license_file') or 'LICENSE'}"
    except (OSError, ValueError, KeyError) as error:
        raise BundleError(f"collection {path} has no readable MANIFEST.json ({error!r}); run scripts/bootstrap first.") from error


class Maker:
    """One run that makes a bundle, or in check mode says what it would do."""

    def __init__(self, params: Mapping[str, Any], store: Store) -> None:
        self.params = params
        self.store = store
        self.check = store.dry
        self.docker = Docker(params["docker"])
        self.arch: str = params["arch"]
        digest, self.lock = read_lock(params["lock_file"])
        self.old = self._old()
        self.new = Manifest("", params["version"], digest)
        self.saved: dict[tuple[str, str, str, str], SavedImage] = {}
        self.named: dict[str, str] = {}
        """Images that charts name, and which chart."""
        if self.old and self.old.lock == digest:
            self._keep_others(self.old)
        self.new.settings[self.arch] = {"made_from": params["made_from"], **params["settings"]}

    def _old(self) -> Manifest | None:
        """What is there already; a manifest that was cut off is no reason not to mend it."""
        try:
            return _bundle.read(self.params["path"])
        except _bundle.NewerFormat:
            raise
        except BundleError:
            return None

    def _keep_others(self, old: Manifest) -> None:
        """What was made for other architectures on their own machines."""
        self.new.settings.update({arch: kept for arch, kept in old.settings.items() if arch != self.arch})
        for item in old.artifacts:
            # what is for any architecture is given again by this run
            if item.arch not in (self.arch, "any"):
                digests = self._digests(item)
                self.new.artifacts.append(item)
                self.new.blobs.update({digest: old.blobs[digest] for digest in digests})

    def _digests(self, item: Artifact) -> list[str]:
        """All blobs of an artifact that is there; none where one of them is not as it should be."""
        if not self.store.has(item.sha256):
            return []
        if item.kind != "image":
            return [item.sha256]
        document = self.store.read(item.sha256)
        digests = [item.sha256, *_bundle.digests_of(document)]
        if not self.store.has_all(digests):
            return []
        self.saved[item.key] = SavedImage(f"sha256:{item.sha256}", media_type(document), document, item.config)
        return digests

    def run(self) -> dict[str, Any]:
        for given in self.params["files"]:
            self._look_into(given)
        for given in self.params["files"]:
            self._add_files(given)
        self._add_images()
        index = _bundle.index_text((item, self.saved[item.key]) for item in self.new.artifacts if item.key in self.saved)
        self.new.index = hashlib.sha256(index.encode()).hexdigest()
        return self._finish(index)

    def _look_into(self, given: Mapping[str, Any]) -> None:
        """Every image that a chart names has to be in the bundle: without a network nobody could get it."""
        if given["kind"] == "chart" and self.params["helm"]:
            text = render(self.params["helm"], given["path"], given["values"], 120, given["name"])
            self.named.update(dict.fromkeys(named_images(text), given["name"]))

    def _add_files(self, given: Mapping[str, Any]) -> None:
        kind, path = given["kind"], given["path"]
        if kind not in ("wheel", "package"):
            digest, size = (self.store.add_file if kind == "tool" else self.store.add_tree)(path)
            entry = self.lock.get(given["lock"] or given["name"]) or {}
            version, licence = str(entry.get("version", "")), str(entry.get("licence", ""))
            if kind == "collection":
                version, licence = collection_about(path)
            item = Artifact(kind, given["name"], version, self.arch if kind == "tool" else "any", digest, size,
                            origin(entry, self.params["made_from"], self.arch) or "PyPI: ansible, or Galaxy", licence)
            return self._add(item, [digest])
        about = _bundle.of_wheel if kind == "wheel" else _bundle.of_package
        try:
            names = sorted(name for name in os.listdir(path) if name.endswith({"wheel": ".whl", "package": ".deb"}[kind]))
        except OSError as error:
            raise BundleError(f"The folder {path} cannot be read ({error.strerror}); run the roles before this one first.") from error
        for name in names:
            place = os.path.join(path, name)
            version, arch = about(name)
            digest, size = self.store.add_file(place)
            licence = wheel_licence(place) if kind == "wheel" else PACKAGE_LICENCE
            source = "PyPI" if kind == "wheel" else f"Debian {given['release']}"
            self._add(Artifact(kind, name, version, arch, digest, size, source, licence, given["release"]), [digest])
        return None

    def _add(self, item: Artifact, digests: list[str]) -> None:
        self.new.artifacts = [other for other in self.new.artifacts if other.key != item.key] + [item]
        for digest in digests:
            if self.store.has(digest):
                self.new.blobs[digest] = self.store.size(digest)

    def _add_images(self) -> None:
        named = [{"name": name, "use": "addon"} for name in self.named]
        wanted = {full_name(image["name"]): image for image in [*named, *self.params["images"]]}
        records = self._records([image["name"] for image in wanted.values()])
        before = {item.name: item for item in (self.old.of("image", self.arch) if self.old else [])}
        due = []
        for name, image in wanted.items():
            if "@" in name:
                raise BundleError(f"The image {image['name']} is named by digest, which Docker keeps only for what it pulled; name it by tag.")
            record = records.get(image["name"])
            if record is None and self.check and self.params["pull"]:
                self.new.artifacts.append(self._artifact(image, None))
                continue
            if record is None:
                chart = next((chart for other, chart in self.named.items() if full_name(other) == name), "")
                why = f"which the chart {chart} names" if chart else f"which the bundle is to hold ({image['use']})"
                raise BundleError(f"Docker has no image {image['name']}, {why}; build or pull it, or name another one, and run again.")
            if record["Architecture"] != self.arch:
                raise BundleError(f"The image {image['name']} is for {record['Architecture']}, and the bundle is made for {self.arch}; get it for {self.arch}.")
            kept = before.get(name)
            digests = self._digests(kept) if kept and record["Id"] in (kept.config, f"sha256:{kept.sha256}") else []
            if kept and digests:
                # what the lock says of it may be new
                item = self._artifact(image, self.saved[kept.key])
                self.saved[item.key] = self.saved[kept.key]
                self._add(item, digests)
            else:
                due.append((image, of_docker(name, image["name"], record)))
        if self.check:
            self.new.artifacts += [self._artifact(image, None) for image, _source in due]
        elif due:
            self._save(due)

    def _records(self, names: list[str]) -> dict[str, dict[str, Any]]:
        """Docker's records of images; where they may be pulled, of those too that it did not have."""
        records = self.docker.images(names)
        for name in names if self.params["pull"] and not self.check else []:
            if name not in records:
                report(f"bundle: pulling {name}")
                done = self.docker.call(self.docker.argv("pull", "--quiet", f"--platform=linux/{self.arch}", name), timeout=self.params["timeout"])
                if done.rc:
                    raise DockerError(f"Docker cannot pull {name}: {done.reason()}; mend that or name another image, and run again.")
        return self.docker.images(names) if self.params["pull"] else records

    def _save(self, due: list[tuple[dict[str, str], Any]]) -> None:
        """Reads the images from Docker once, and keeps of them what is not there yet."""
        fresh = []
        with Save(self.docker, [source for _image, source in due], self.params["timeout"]) as save:
            for blob in save.blobs():
                digest = blob.digest.partition(":")[2]
                if not self.store.has(digest):
                    self.store.add_blob(blob)
                    fresh.append(digest)
                    report(f"bundle: {len(fresh)} new blobs, {sum(self.store.written.values()) >> 20} MiB")
            for image, source in due:
                saved = save.saved(source)
                digest = saved.manifest.partition(":")[2]
                if not self.store.has(digest):
                    self.store.add([saved.document], digest, image["name"])
                digests = [digest, *_bundle.digests_of(saved.document)]
                if not self.store.has_all(digests):
                    raise BundleError(f"Docker gave not all of the image {image['name']}; build or pull it again, and run again.")
                item = self._artifact(image, saved)
                self.saved[item.key] = saved
                self._add(item, digests)
        # docker save writes documents of its own beside the images
        for digest in set(fresh) - set(self.new.blobs):
            self.store.drop(digest)

    def _artifact(self, image: Mapping[str, str], saved: SavedImage | None) -> Artifact:
        name = full_name(image["name"])
        _entry_name, entry = _bundle.lock_entry(self.lock, name)
        own = image["use"] == "application"
        digests = [saved.manifest.partition(":")[2], *_bundle.digests_of(saved.document)] if saved else []
        return Artifact(
            "image", name, str(entry.get("version", "")) or name.rpartition(":")[2], self.arch, digests[0] if digests else "",
            sum(self.store.size(digest) for digest in dict.fromkeys(digests)),
            "built from the application's sources" if own else origin(entry, self.params["made_from"], self.arch),
            APPLICATION_LICENCE if own else str(entry.get("licence", "")), image["use"], saved.config if saved else "",
        )

    def _finish(self, index: str) -> dict[str, Any]:
        self.new.made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        same = self.new.same_as(self.old)
        if same and self.old:
            self.new.made = self.old.made
        text = self.new.text()
        files = {_bundle.LAYOUT: _bundle.LAYOUT_TEXT, _bundle.INDEX: index}
        if self.params["private_key"]:
            files[_bundle.SIGNATURE] = _bundle.sign(text, self.params["private_key"])
        # last, because with it the directory is a bundle
        files[_bundle.MANIFEST] = text
        stale = {name: content for name, content in files.items() if not self.store.holds(name, content)}
        before, after = lines(self.old), lines(self.new)
        actions = [f"add {line}" for line in after if line not in before] + [f"take out {line}" for line in before if line not in after]
        if not actions and (stale or self.store.written):
            actions = [f"write {name} again" for name in stale] or ["mend blobs"]
        if not self.check and actions:
            if self.old is None:
                # what docker save wrote beside the images, in a run that was interrupted
                for digest in set(os.listdir(self.store.blob(""))) - set(self.new.blobs):
                    self.store.remove(os.path.join(_bundle.BLOBS, digest))
            self.store.sync()
            for name, content in stale.items():
                self.store.write(name, content)
            if _bundle.SIGNATURE not in files:
                # of the manifest that was there before
                self.store.remove(_bundle.SIGNATURE)
            self.store.sync()
        return {
            "changed": bool(actions),
            "actions": actions,
            "artifacts": [asdict(item) for item in self.new.artifacts],
            "size": sum(self.new.blobs.values()),
            "written": sum(self.store.written.values()),
            "diff": {"before": text_of(before), "after": text_of(after)},
        }


def media_type(document: bytes) -> str:
    return str(json.loads(document).get("mediaType") or MANIFEST)


def lines(manifest: Manifest | None) -> list[str]:
    return sorted(f"{item.title} {item.version} {item.sha256[:12]}".rstrip() for item in manifest.artifacts) if manifest else []


def text_of(entries: list[str]) -> str:
    return "".join(f"{line}\n" for line in entries)


def archive(params: Mapping[str, Any], manifest: Manifest, check: bool) -> list[str]:
    """Writes the file for transport where there is none of this manifest; returns what was done."""
    path, target = params["path"], params["archive"]
    if not target.endswith((".tar", ".tar.zst")):
        raise BundleError(f"archive {target} is of no known kind; let its name end with .tar.zst or .tar.")
    zstd = shutil.which("zstd")
    if target.endswith(".zst") and not zstd:
        raise BundleError(f"archive {target} needs the program zstd; install the package zstd, or let the name end with .tar.")
    # What it was made of stands beside it: to look into it would mean to unpack it.
    stamp, mark = f"{target}.sha256", f"# of the manifest {hashlib.sha256(manifest.text().encode()).hexdigest()}\n"
    with suppress(OSError), open(stamp, encoding="utf-8") as stream:
        if os.path.exists(target) and stream.readline() == mark:
            return []
    if not check:
        report(f"bundle: writing {target}")
        with _bundle.explained(target):
            digest = write_archive(path, target, manifest, [str(zstd), "--quiet", "-T0", "-3"] if target.endswith(".zst") else ["cat"])
            with open(f"{stamp}.new", "w", encoding="utf-8") as stream:
                stream.write(f"{mark}{digest}  {os.path.basename(target)}\n")
            os.replace(f"{stamp}.new", stamp)
    return [f"write {target}"]


def write_archive(path: str, target: str, manifest: Manifest, program: list[str]) -> str:
    """One file, whole or not at all; its checksum."""
    signed = os.path.exists(os.path.join(path, _bundle.SIGNATURE))
    partial = f"{target}.new"
    try:
        with open(partial, "wb") as out, Process(program, stdin=subprocess.PIPE, stdout=out) as process:
            _bundle.write_archive(path, _bundle.archive_order(manifest, signed), cast(IO[bytes], process.stdin), os.path.basename(path))
        if process.returncode:
            raise BundleError(f"{program[0]} ended with {process.returncode} and {target} was not written; see that its file system has room, and run again.")
        digest = _bundle.checksum(partial)[0]
        os.replace(partial, target)
    except BrokenPipeError as error:
        raise BundleError(f"{target} was not written: {program[0]} stopped; see that its file system has room, and run again.") from error
    finally:
        if os.path.exists(partial):
            os.unlink(partial)
    return digest


def present(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    store = Store(params["path"], dry=module.check_mode)
    with nullcontext() if module.check_mode else store.opened():
        maker = Maker(params, store)
        result = maker.run()
        if params["archive"]:
            done = archive(params, maker.new, module.check_mode)
            result["actions"] += done
            result["changed"] = bool(result["actions"])
    return result


def verified(module: AnsibleModule) -> dict[str, Any]:
    path = module.params["path"]
    manifest = _bundle.read(path, module.params["public_key"] or "")
    verdict = _bundle.verify(path, manifest)
    found = asdict(verdict)
    if not verdict.clean:
        module.fail_json(msg=_bundle.sentence(path, verdict), actions=[], **found)
    return {**about(manifest), **found}


def pruned(module: AnsibleModule) -> dict[str, Any]:
    path = module.params["path"]
    manifest = _bundle.read(path, module.params["public_key"] or "")
    before = sorted({*_bundle.surplus(path, manifest), *(f"{_bundle.BLOBS}/{digest}" for digest in manifest.blobs)})
    gone = _bundle.surplus(path, manifest)
    if not module.check_mode and gone:
        with Store(path).opened() as store:
            for name in gone:
                store.remove(name)
    return {
        **about(manifest),
        "changed": bool(gone),
        "actions": [f"remove {name}" for name in gone],
        "diff": {"before": text_of(before), "after": text_of([name for name in before if name not in gone])},
    }


def about(manifest: Manifest) -> dict[str, Any]:
    return {
        "changed": False,
        "actions": [],
        "artifacts": [asdict(item) for item in manifest.artifacts],
        "size": sum(manifest.blobs.values()),
        "written": 0,
        "diff": {"before": "", "after": ""},
    }


def main() -> None:
    file_spec = {
        "kind": {"type": "str", "choices": ["tool", "chart", "wheel", "collection", "package"], "required": True},
        "path": {"type": "path", "required": True},
        "name": {"type": "str", "default": ""},
        "lock": {"type": "str", "default": ""},
        "release": {"type": "str", "default": ""},
        "values": {"type": "dict", "default": {}},
    }
    image_spec = {
        "name": {"type": "str", "required": True},
        "use": {"type": "str", "choices": ["node", "addon", "base", "other", "application"], "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "verified", "pruned"], "default": "present"},
            "arch": {"type": "str", "choices": ["amd64", "arm64"]},
            "lock_file": {"type": "path"},
            "made_from": {"type": "str", "choices": ["upstream", "packages"], "default": "upstream"},
            "settings": {"type": "dict", "default": {}},
            "version": {"type": "str", "default": ""},
            "files": {"type": "list", "elements": "dict", "default": [], "options": file_spec},
            "images": {"type": "list", "elements": "dict", "default": [], "options": image_spec},
            "helm": {"type": "path"},
            "private_key": {"type": "path", "no_log": False},
            "public_key": {"type": "path", "no_log": False},
            "archive": {"type": "path"},
            "pull": {"type": "bool", "default": False},
            "docker": {"type": "str", "default": "docker"},
            "timeout": {"type": "int", "default": 1800},
        },
        required_if=[("state", "present", ["arch", "lock_file"])],
        supports_check_mode=True,
    )
    if not HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_ERROR)
    if (module.params["private_key"] or module.params["public_key"]) and not _bundle.HAS_CRYPTOGRAPHY:
        module.fail_json(msg=missing_required_lib("cryptography"))
    try:
        states = {"present": present, "verified": verified, "pruned": pruned}
        module.exit_json(**states[module.params["state"]](module))
    except (ArchiveError, ImageNameError, RenderError) as error:
        module.fail_json(msg=f"{str(error)[:1].upper()}{str(error)[1:]}.")
    except (BundleError, DockerError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
