# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules bundle and bundle_use: what one has collected the other takes out again."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _bundle as lib
from ansible_collections.luckyplans.platform.plugins.modules import bundle, bundle_use
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

pytestmark = pytest.mark.slow

FAKE = Path(__file__).parents[2] / "fixtures" / "images" / "fake_docker.py"
SPEC = importlib.util.spec_from_file_location("fake_docker", FAKE)
fake_docker = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fake_docker)

BASE, CODE = b"base" * 5000, b"code" * 10
LOCK = """
artifacts:
  kind: {version: "0.33.0", licence: Apache-2.0, upstream: {address: "https://example.org/v{version}/kind-{arch}"}, package: {recipe: kind}}
  redis: {version: "7", licence: BSD-3-Clause, upstream: {image: "docker.io/library/redis:{version}-alpine"}, package: {recipe: redis}}
  traefik-chart: {version: "41.0.0", licence: MIT, package: {chart: charts/traefik}}
"""
HELM = """#!/bin/sh
cat <<END
kind: Deployment
spec:
  containers:
    - image: redis:7-alpine
      args: ["--solver-image=$(cat "$3/solver" 2>/dev/null)"]
END
"""


class Case:
    """A connected machine with a little of everything, and the machine that the bundle is carried to."""

    def __init__(self, folder: Path, run_module: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._run = run_module
        self._monkeypatch = monkeypatch
        self._path = os.environ["PATH"]
        self.maker, self.target = (fake_docker.World(folder / name) for name in ("maker", "target"))
        for name, world in (("maker", self.maker), ("target", self.target)):
            world.put_program(folder / f"{name}-bin")
        self.maker.image("luckyplans/web:c-1", [BASE, CODE])
        self.maker.image("redis:7-alpine", [BASE, b"redis"])
        self.path = folder / "bundle"
        for name, text in (("lock.yml", LOCK), ("kind", "the tool"), ("chart/Chart.yaml", "name: traefik"), ("helm", HELM)):
            self.put(name, text)
        (folder / "helm").chmod(0o755)
        collection = {"collection_info": {"version": "6.6.0", "license": ["GPL-3.0-or-later"]}}
        self.put("core/MANIFEST.json", json.dumps(collection))
        wheel = self.folder / "wheels" / "six-1.17.0-py2.py3-none-any.whl"
        wheel.parent.mkdir()
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(zipfile.ZipInfo("six-1.17.0.dist-info/METADATA"), "Name: six\nLicense: MIT\n\n")

    def put(self, name: str, text: str) -> None:
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def run(self, module: Any, world: Any, check: bool = False, **options: Any) -> dict[str, Any]:
        name = "maker" if world is self.maker else "target"
        self._monkeypatch.setenv("PATH", f"{self.folder / f'{name}-bin'}{os.pathsep}{self._path}")
        return self._run(module, **{"path": str(self.path), **options, "_ansible_check_mode": check, "_ansible_diff": True})

    def make(self, check: bool = False, **options: Any) -> dict[str, Any]:
        given = {
            "arch": "amd64",
            "lock_file": str(self.folder / "lock.yml"),
            "made_from": "packages",
            "version": "0.1.0",
            "settings": {"engine": "kind"},
            "files": [
                {"kind": "tool", "name": "kind", "path": str(self.folder / "kind")},
                {"kind": "chart", "name": "traefik", "lock": "traefik-chart", "path": str(self.folder / "chart")},
                {"kind": "collection", "name": "kubernetes.core", "path": str(self.folder / "core")},
                {"kind": "wheel", "path": str(self.folder / "wheels")},
            ],
            "images": [{"name": "luckyplans/web:c-1", "use": "application"}, {"name": "redis:7-alpine", "use": "other"}],
            "helm": str(self.folder / "helm"),
        }
        return self.run(bundle, self.maker, check, **{**given, **options})

    def use(self, check: bool = False, **options: Any) -> dict[str, Any]:
        given = {"arch": "amd64", "dest": str(self.folder / "dest"), "tools": ["kind"], "charts": ["traefik"], "uses": ["other", "application"]}
        return self.run(bundle_use, self.target, check, **{**given, **options})

    def state(self, state: str, check: bool = False, **options: Any) -> dict[str, Any]:
        return self.run(bundle, self.maker, check, state=state, **options)

    def manifest(self) -> lib.Manifest:
        return lib.read(str(self.path))

    def blob(self, kind: str) -> Path:
        return self.path / lib.BLOBS / next(item.sha256 for item in self.manifest().artifacts if item.kind == kind)

    def files(self) -> dict[str, str]:
        return {
            path.relative_to(self.path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.path.rglob("*") if path.is_file()
        }


@pytest.fixture
def case(tmp_path: Path, run_module: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(tmp_path, run_module, monkeypatch)


# --- Making ---


def test_it_is_made_and_the_second_time_there_is_nothing_to_do(case: Case) -> None:
    foreseen = case.make(check=True)
    assert foreseen["changed"] is True
    assert not case.path.exists()

    first = case.make()
    assert first["changed"] is True
    assert [entry.split()[:3] for entry in foreseen["actions"]] == [entry.split()[:3] for entry in first["actions"]]
    found = {(item["kind"], item["name"]): item for item in first["artifacts"]}
    assert found["tool", "kind"]["version"] == "0.33.0"
    assert found["tool", "kind"]["origin"] == "package registries: artifacts/packages/kind"
    assert {name: item["licence"] for name, item in found.items()} == {
        ("tool", "kind"): "Apache-2.0",
        ("chart", "traefik"): "MIT",
        ("collection", "kubernetes.core"): "GPL-3.0-or-later",
        ("wheel", "six-1.17.0-py2.py3-none-any.whl"): "MIT",
        ("image", "docker.io/luckyplans/web:c-1"): "that of the application's sources",
        ("image", "docker.io/library/redis:7-alpine"): "BSD-3-Clause",
    }
    assert case.state("verified")["missing"] == []
    assert first["written"] == first["size"] < sum(item["size"] for item in first["artifacts"]), "what two images share is there once"
    index = json.loads((case.path / "index.json").read_text())
    assert [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]] == [
        "docker.io/library/redis:7-alpine", "docker.io/luckyplans/web:c-1",
    ]

    before = case.files()
    second = case.make()
    assert (second["changed"], second["actions"], second["written"]) == (False, [], 0)
    assert case.make(check=True)["changed"] is False
    assert case.files() == before
    assert len(case.maker.calls("save")) == 1, "images that are there are not read from Docker again"


def test_two_bundles_of_the_same_differ_in_the_time_alone(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.make()
    before = case.files()
    shutil.rmtree(case.path)
    monkeypatch.setattr(bundle.time, "strftime", lambda *_args: "2030-01-01T00:00:00Z")
    case.make()
    after = case.files()
    assert before.pop("manifest.json") != after.pop("manifest.json")
    assert before == after


def test_made_again_it_writes_what_is_new_and_prune_removes_what_nothing_names(case: Case) -> None:
    case.make()
    old = set(case.manifest().blobs)
    case.maker.image("luckyplans/web:c-2", [BASE, CODE + b"edited"])
    images = [{"name": "luckyplans/web:c-2", "use": "application"}, {"name": "redis:7-alpine", "use": "other"}]
    result = case.make(images=images)
    assert [entry.split()[:3] for entry in result["actions"]] == [
        ["add", "image", "docker.io/luckyplans/web:c-2"], ["take", "out", "image"],
    ]
    assert result["written"] < 2000, "the layer that it shares with the old one is not written again"
    assert result["diff"]["before"].count("\n") == result["diff"]["after"].count("\n") == 6
    assert old <= {path.name for path in (case.path / lib.BLOBS).iterdir()}, "what a running machine may still read stays"

    refused = case.state("verified")
    assert refused["failed"] and len(refused["surplus"]) == 3
    assert "--tags prune removes what is surplus" in refused["msg"]
    foreseen = case.state("pruned", check=True)
    assert [entry.removeprefix("remove ") for entry in foreseen["actions"]] == refused["surplus"]
    pruned = case.state("pruned")
    assert pruned["actions"] == foreseen["actions"]
    assert pruned["diff"] == foreseen["diff"]
    assert case.state("pruned")["changed"] is False
    assert "failed" not in case.state("verified")


def test_what_the_lock_says_of_an_image_that_is_there_is_taken_over(case: Case) -> None:
    case.make()
    case.put("lock.yml", LOCK.replace("BSD-3-Clause", "AGPL-3.0"))
    redis = next(item for item in case.make()["artifacts"] if item["name"] == "docker.io/library/redis:7-alpine")
    assert redis["licence"] == "AGPL-3.0"
    assert len(case.maker.calls("save")) == 1


def test_what_was_made_for_another_architecture_stays(case: Case) -> None:
    case.make()
    for name in ("luckyplans/web:c-1", "redis:7-alpine"):
        case.maker.image(name, [b"arm", name.encode()], architecture="arm64")
    case.put("kind", "the tool for arm")
    result = case.make(arch="arm64")
    assert not [entry for entry in result["actions"] if entry.startswith("take out")]
    assert case.manifest().architectures == ["amd64", "arm64"]
    assert len(case.manifest().of("tool", "amd64")) == len(case.manifest().of("tool", "arm64")) == 1
    assert "failed" not in case.state("verified")
    case.put("lock.yml", LOCK.replace("41.0.0", "42.0.0"))
    case.make(arch="arm64")
    assert case.manifest().architectures == ["arm64"], "of two locks there is no telling what fits together"


def test_a_damaged_bundle_is_mended(case: Case) -> None:
    case.make()
    before = case.files()
    layer = case.path / lib.BLOBS / hashlib.sha256(BASE).hexdigest()
    layer.write_bytes(b"BASE" * 5000)
    case.blob("tool").write_bytes(b"")
    case.blob("wheel").unlink()
    (case.path / "index.json").unlink()
    assert case.state("verified")["failed"]
    assert case.make(check=True)["changed"] is True
    assert case.make()["changed"] is True
    assert case.files() == before
    (case.path / "manifest.json").write_text("{")
    assert case.make()["changed"] is True
    assert case.state("verified")["changed"] is False


def test_interrupted_it_is_no_bundle_and_goes_on(case: Case) -> None:
    case.maker.set(cut=True)
    failed = case.make()
    assert "docker save' failed: Error response from daemon: no space left on device" in failed["msg"]
    assert not (case.path / "manifest.json").exists()
    kept = sum(1 for path in (case.path / lib.BLOBS).iterdir())
    assert kept >= 4
    # docker save writes documents of its own, too
    (case.path / lib.BLOBS / hashlib.sha256(b"{}").hexdigest()).write_bytes(b"{}")
    case.maker.set(cut=False)
    again = case.make()
    assert again["changed"] is True
    assert again["written"] < again["size"], "what is there is not written again"
    assert "failed" not in case.state("verified")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"images": [{"name": "redis:9", "use": "other"}], "helm": None}, "Docker has no image redis:9, which the bundle is to hold (other); build or pull it"),
        ({"images": [{"name": "redis@sha256:" + "0a" * 32, "use": "other"}], "helm": None}, "is named by digest"),
        ({"arch": "arm64"}, "is for amd64, and the bundle is made for arm64"),
        ({"files": [{"kind": "tool", "name": "k3d", "path": "/nowhere/k3d"}]}, "/nowhere/k3d is not there; run the roles before"),
        ({"files": [{"kind": "wheel", "path": "/nowhere"}]}, "The folder /nowhere cannot be read (No such file or directory)"),
        ({"files": [{"kind": "collection", "name": "a.b", "path": "/nowhere"}]}, "/nowhere is no directory"),
        ({"lock_file": "/nowhere/lock.yml"}, "lock_file /nowhere/lock.yml cannot be read"),
        ({"archive": "/nowhere/bundle.zip"}, "let its name end with .tar.zst or .tar"),
        ({"private_key": "/nowhere/key"}, "private_key /nowhere/key cannot be read"),
    ],
)
def test_what_cannot_be_made_is_told_and_leaves_no_bundle(case: Case, options: dict[str, Any], said: str) -> None:
    result = case.make(**options)
    assert said in result["msg"]
    if "archive" not in options:
        assert not (case.path / "manifest.json").exists()


def test_an_image_that_an_argument_names_has_to_be_there_too(case: Case) -> None:
    case.put("chart/solver", "quay.io/solver:1")
    assert "Docker has no image quay.io/solver:1, which the chart traefik names; build or pull it" in case.make()["msg"]
    pulled = case.make(pull=True)
    assert "Docker cannot pull quay.io/solver:1" in pulled["msg"]
    case.maker.image("quay.io/solver:1", [b"solver"])
    uses = {item["name"]: item["use"] for item in case.make(images=[])["artifacts"] if item["kind"] == "image"}
    assert uses == {"docker.io/library/redis:7-alpine": "addon", "quay.io/solver:1": "addon"}


def test_a_bundle_of_a_later_version_is_left_alone(case: Case) -> None:
    case.make()
    (case.path / "manifest.json").write_text(case.manifest().text().replace('"format": 1', '"format": 2'))
    before = case.files()
    for result in (case.make(), case.state("verified"), case.state("pruned"), case.use()):
        assert "has format 2, and this version of luckyplans.platform reads up to 1" in result["msg"]
    assert case.files() == before


@pytest.mark.parametrize("name", ["bundle.tar", "bundle.tar.zst"])
def test_one_file_is_written_for_transport(case: Case, name: str) -> None:
    if name.endswith("zst") and not shutil.which("zstd"):
        pytest.skip("no zstd on PATH")
    target = case.folder / name
    assert case.make(archive=str(target))["actions"][-1] == f"write {target}"
    first = target.read_bytes()
    subprocess.run(["sha256sum", "--check", "--strict", f"{name}.sha256"], cwd=case.folder, check=True, capture_output=True)
    again = case.make(archive=str(target))
    assert again["changed"] is False
    assert case.make(check=True, archive=str(target))["changed"] is False
    target.unlink()
    assert case.make(check=True, archive=str(target))["changed"] is True
    case.make(archive=str(target))
    assert target.read_bytes() == first
    before = case.files()
    case.path = case.folder / "carried" / "bundle"
    case.path.parent.mkdir()
    if name.endswith("zst"):
        subprocess.run(["zstd", "-q", "-d", target, "-o", case.folder / "plain.tar"], check=True)
        target = case.folder / "plain.tar"
    with tarfile.open(target) as archive:
        archive.extractall(case.path.parent, filter="data")
    assert case.files() == before


# --- Using ---


@pytest.mark.parametrize("read_only", [False, True])
def test_all_of_it_is_used_and_the_second_time_there_is_nothing_to_do(case: Case, read_only: bool) -> None:
    case.make()
    if read_only and os.geteuid() == 0:
        subprocess.run(["mount", "--bind", "-o", "ro", case.path, case.path], check=True)
    try:
        foreseen = case.use(check=True)
        assert not (case.folder / "dest").exists()
        first = case.use()
        assert "failed" not in first, first
        assert foreseen["actions"] == first["actions"]
        assert first["changed"] is True
        assert Path(first["tools"]["kind"]).read_text() == "the tool"
        assert os.access(first["tools"]["kind"], os.X_OK)
        assert (Path(first["charts"]["traefik"]) / "Chart.yaml").read_text() == "name: traefik"
        assert first["settings"] == {"engine": "kind", "made_from": "packages"}
        assert first["images"] == {"docker.io/library/redis:7-alpine": "other", "docker.io/luckyplans/web:c-1": "application"}
        assert sorted(case.target.read()["images"]) == ["luckyplans/web:c-1", "redis:7-alpine"]
        second = case.use()
        assert (second["changed"], second["actions"], second["loaded"]) == (False, [], [])
        assert len(case.target.calls("load")) == 1
    finally:
        if read_only and os.geteuid() == 0:
            subprocess.run(["umount", case.path], check=True)


def test_docker_gets_the_layers_that_it_lacks(case: Case) -> None:
    case.make()
    case.target.image("somebody/else:1", [BASE])
    sizes = []
    case.target.set(images=case.target.read()["images"])
    original = bundle_use.ArchiveWriter

    class Measured(original):
        def finish(self, index: Any) -> None:
            super().finish(index)
            sizes.append(self.bytes)

    bundle_use.ArchiveWriter = Measured
    try:
        assert case.use(uses=["other"])["loaded"] == ["docker.io/library/redis:7-alpine"]
        case.target.set(forgetful=True)
        result = case.use(uses=["application"])
    finally:
        bundle_use.ArchiveWriter = original
    assert sizes[0] < len(BASE), "without the layer that it has"
    assert "no such file or directory" in result["msg"], "what Docker says stands in the error"


def test_another_image_under_the_name_is_replaced(case: Case) -> None:
    case.make()
    case.target.image("redis:7-alpine", [b"another"])
    assert case.use()["loaded"] == ["docker.io/library/redis:7-alpine", "docker.io/luckyplans/web:c-1"]
    assert case.use()["changed"] is False


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"arch": "arm64"}, "is for amd64, and this machine is arm64; run playbooks/bundle.yml"),
        ({"tools": ["k3d"]}, "lacks the tool k3d for amd64, which the inventory asks for (it has kind)"),
        ({"charts": ["argocd"]}, "lacks the chart argocd for amd64"),
        ({"images": ["redis:8"]}, "lacks the image docker.io/library/redis:8 for amd64"),
        ({"images": ["redis"]}, "has neither tag nor digest"),
        ({"public_key": "/nowhere.pub"}, "public_key /nowhere.pub cannot be read"),
    ],
)
def test_what_it_lacks_is_told_before_anything_is_used(case: Case, options: dict[str, Any], said: str) -> None:
    case.make()
    assert said in case.use(**options)["msg"]
    assert not (case.folder / "dest").exists()
    assert not case.target.calls("load")


@pytest.mark.parametrize("kind", ["tool", "chart", "image", "layer"])
@pytest.mark.parametrize("damage", ["altered", "cut", "gone"])
def test_nothing_of_a_damaged_bundle_is_used(case: Case, kind: str, damage: str) -> None:
    case.make()
    blob = case.path / lib.BLOBS / hashlib.sha256(BASE).hexdigest() if kind == "layer" else case.blob(kind)
    content = bytearray(blob.read_bytes())
    blob.unlink()
    if damage != "gone":
        content[len(content) // 2] ^= 1
        blob.write_bytes(content if damage == "altered" else content[:-1])
    result = case.use()
    assert ("missing: " if damage == "gone" else "altered: ") + f"blobs/sha256/{blob.name}" in result["msg"]
    assert "carry these files here again, or make the bundle again" in result["msg"]
    assert not (case.folder / "dest").exists()
    assert not case.target.calls("load")
    case.make()
    assert case.use()["changed"] is True


def test_a_full_disk_of_docker_is_told_and_running_again_finishes(case: Case) -> None:
    case.make()
    case.target.set(full=True)
    assert "Docker did not take the images" in (failed := case.use()["msg"])
    assert "no space left on device" in failed
    case.target.set(full=False)
    assert case.use()["loaded"]
    assert case.use()["changed"] is False


def test_a_signature_is_required_where_a_key_is_named(case: Case) -> None:
    key = Ed25519PrivateKey.generate()
    private, public = case.folder / "bundle.key", case.folder / "bundle.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    case.make()
    for result in (case.use(public_key=str(public)), case.state("verified", public_key=str(public))):
        assert "manifest.json.sig is not there" in result["msg"]
    assert case.make(private_key=str(private))["changed"] is True
    assert case.make(private_key=str(private))["changed"] is False
    assert case.state("verified", public_key=str(public))["changed"] is False
    assert case.use(public_key=str(public))["changed"] is True
    manifest = case.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace("0.33.0", "0.33.1"))
    assert "is not the signature of manifest.json" in case.use(public_key=str(public))["msg"]


def test_python_packages_get_their_names_back(case: Case) -> None:
    case.make()
    assert case.use()["wheels"] == ""
    first = case.use(wheels=True)
    assert (first["changed"], os.listdir(first["wheels"])) == (True, ["six-1.17.0-py2.py3-none-any.whl"])
    assert case.use(wheels=True)["changed"] is False


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="no dpkg-deb on PATH")
def test_packages_become_a_repository(case: Case) -> None:
    folder = case.folder / "debs"
    for name in ("one", "two"):
        case.put(f"package-{name}/DEBIAN/control", f"Package: {name}\nVersion: 1.0\nArchitecture: amd64\nMaintainer: a\nDescription: a\n")
        folder.mkdir(exist_ok=True)
        subprocess.run(["dpkg-deb", "--build", case.folder / f"package-{name}", folder / f"{name}_1.0_amd64.deb"], check=True, capture_output=True)
    files = [{"kind": "package", "path": str(folder), "release": "trixie"}]
    case.make(files=files, images=[])
    assert case.use(release="bookworm", tools=[], charts=[])["packages"] == ""
    first = case.use(release="trixie", tools=[], charts=[])
    index = (Path(first["packages"]) / "Packages").read_text()
    assert index.count("Filename: ./") == 2
    assert "SHA256: " + hashlib.sha256((folder / "one_1.0_amd64.deb").read_bytes()).hexdigest() in index
    assert case.use(release="trixie", tools=[], charts=[])["changed"] is False
