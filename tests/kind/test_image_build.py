# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module image_build with a real Docker: small images, without a network. Like all that these tests make they are lpkind/*."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.modules import image_build

RunModule = Callable[..., dict[str, Any]]
AUTHORITY = f"-----BEGIN CERTIFICATE-----\n{uuid.uuid4().hex}\n-----END CERTIFICATE-----\n"
PASSWORD = uuid.uuid4().hex
PROXY = f"http://user:{PASSWORD}@proxy.example.org:3128"


def docker(*arguments: str) -> bytes:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, timeout=60).stdout


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    """A Docker that answers."""
    if subprocess.run(["docker", "version"], capture_output=True, timeout=60, check=False).returncode:
        pytest.skip("docker does not answer")


@pytest.fixture(scope="module")
def base(engine: None) -> str:
    """An image with a shell that is here without a network: the smallest of those from packages."""
    listed = docker("image", "ls", "--filter", "label=io.luckyplans.recipe", "--filter", "reference=luckyplans-packages/*", "--format={{.ID}}")
    if not listed.split():
        pytest.skip("Docker has no image with the label io.luckyplans.recipe; `make local` with platform_source=packages makes them")
    records = json.loads(docker("image", "inspect", *listed.decode().split()))
    return min((record["Size"], record["RepoTags"][0]) for record in records)[1]


@pytest.fixture
def build(tmp_path: Path, run_module: RunModule, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Builds images from the text of their Dockerfiles, by name; the context holds one file."""
    monkeypatch.setattr(image_build, "pause", lambda tries: None)
    context = tmp_path / "context"
    context.mkdir()
    (context / "file").write_text("content")

    def build(tag: str = "c-0123456789abcdef", options: dict[str, Any] | None = None, **dockerfiles: str) -> dict[str, Any]:
        builds = []
        for name, text in dockerfiles.items():
            (tmp_path / name).write_text(text)
            builds.append({"name": name, "image": f"lpkind/{name}", "tag": tag, "context": str(context), "dockerfile": str(tmp_path / name),
                           "labels": {"io.luckyplans.content": tag}})
        return run_module(image_build, builds=builds, log_dir=str(tmp_path / "logs"), **(options or {}))

    return build


def members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of an archive, unpacked where they are packed."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if handle := tar.extractfile(member):
                content = handle.read()
                yield member.name, gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def places(image: str) -> dict[str, bytes]:
    """All that can be read of an image: its history, its configuration, and its layers."""
    read = {"history": docker("history", "--no-trunc", image), "configuration": docker("image", "inspect", image)}
    return {**read, **{f"archive {name}": content for name, content in members(docker("save", image))}}


def run_step(script: str, mounts: str = "") -> str:
    return f"RUN --network=none {mounts} {script}\n"


def test_authority_and_proxies_reach_the_build_and_stay_out_of_the_image(
    base: str, build: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    (tmp_path / "ca,1.pem").write_text(AUTHORITY)
    # by their sums, because the words of the Dockerfile are in the history
    sums = [hashlib.sha256(text.encode()).hexdigest() for text in (AUTHORITY, PROXY)]
    check = f'[ "$(sha256sum < /run/secrets/extra_ca)" = "{sums[0]}  -" ] && [ "$(printf %s "$HTTPS_PROXY" | sha256sum)" = "{sums[1]}  -" ]'
    secret = "--mount=type=secret,id=extra_ca,target=/run/secrets/extra_ca"
    result = build(
        options={"ca_file": str(tmp_path / "ca,1.pem")},
        discreet=f"FROM {base}\n" + run_step(f'{check} && echo "through $HTTPS_PROXY"', secret),
        careless=f"FROM {base}\n" + run_step(f'{check} && cp /run/secrets/extra_ca /kept && echo "$HTTPS_PROXY" > /proxy', secret),
    )
    assert [item["name"] for item in result["built"]] == ["discreet", "careless"], result.get("msg")
    discreet, careless = (places(f"lpkind/{name}:c-0123456789abcdef") for name in ("discreet", "careless"))
    for text in (AUTHORITY.splitlines()[1], PASSWORD, "proxy.example.org"):
        assert [name for name, content in discreet.items() if text.encode() in content] == []
        # such a trace would be seen
        assert [name.split()[0] for name, content in careless.items() if text.encode() in content] == ["archive"]
    log = (tmp_path / "logs/build-discreet.log").read_text()
    assert "through http://user:********@proxy.example.org:3128" in log
    assert PASSWORD not in log


def test_authority_is_optional_for_a_dockerfile(base: str, build: Callable[..., dict[str, Any]]) -> None:
    mount = "--mount=type=secret,id=extra_ca,target=/run/secrets/extra_ca"
    result = build(without=f"FROM {base}\n" + run_step("[ ! -e /run/secrets/extra_ca ]", mount))
    assert result["changed"], result["msg"]


def test_failure_shows_the_last_lines_of_that_build_alone(base: str, build: Callable[..., dict[str, Any]]) -> None:
    result = build(
        good="FROM scratch\nCOPY file /good\n",
        bad=f"FROM {base}\n" + run_step('for n in $(seq 40); do echo "line $n of the bad one"; done; exit 3'),
    )
    assert result["failed"]
    assert "line 40 of the bad one" in result["msg"]
    assert "exit code: 3" in result["msg"]
    assert "COPY file /good" not in result["msg"]
    assert "line 1 of the bad one" not in result["msg"]
    assert [item["reference"] for item in result["built"]] == ["lpkind/good:c-0123456789abcdef"]
    assert docker("image", "ls", "--quiet", "lpkind/good:c-0123456789abcdef")


def test_alias_stays_where_it_was_when_the_build_fails(base: str, build: Callable[..., dict[str, Any]], run_module: RunModule, tmp_path: Path) -> None:
    build(alias="FROM scratch\nCOPY file /1\n")
    docker("tag", "lpkind/alias:c-0123456789abcdef", "lpkind/alias:v1")
    before = docker("image", "inspect", "--format={{.Id}}", "lpkind/alias:v1")
    (tmp_path / "alias").write_text(f"FROM {base}\n" + run_step("exit 3"))
    item = {"name": "alias", "image": "lpkind/alias", "tag": "c-fedcba9876543210", "alias_tag": "v1"}
    item.update(context=str(tmp_path / "context"), dockerfile=str(tmp_path / "alias"))
    failed = run_module(image_build, builds=[item], log_dir=str(tmp_path / "logs"))
    assert failed["failed"]
    assert docker("image", "inspect", "--format={{.Id}}", "lpkind/alias:v1") == before
    (tmp_path / "alias").write_text("FROM scratch\nCOPY file /2\n")
    assert run_module(image_build, builds=[item], log_dir=str(tmp_path / "logs"))["changed"]
    assert docker("image", "inspect", "--format={{.Id}}", "lpkind/alias:v1") != before


def test_fault_of_the_network_is_tried_again(base: str, build: Callable[..., dict[str, Any]]) -> None:
    """The step fails once; what it remembers that by is not part of the image."""
    once = uuid.uuid4().hex
    fault = f"if [ -e /faults/{once} ]; then rm /faults/{once}; else touch /faults/{once}; echo npm error code ECONNRESET; exit 1; fi"
    step = run_step(fault, "--mount=type=cache,id=lpkind-faults,target=/faults")
    result = build(unlucky=f"FROM {base}\n{step}")
    assert [item["tries"] for item in result["built"]] == [2], result.get("msg")


def test_image_is_a_single_manifest(build: Callable[..., dict[str, Any]]) -> None:
    """Provenance would make an index of it, with a manifest that no node can run."""
    if b"io.containerd.snapshotter" not in docker("info", "--format={{json .DriverStatus}}"):
        pytest.skip("Docker's classic image store keeps no provenance")
    build(single="FROM scratch\nCOPY file /single\n")
    files = dict(members(docker("save", "lpkind/single:c-0123456789abcdef")))
    [entry] = json.loads(files["index.json"])["manifests"]
    assert "config" in json.loads(files[f"blobs/sha256/{entry['digest'].partition(':')[2]}"])


def test_older_images_go_but_those_that_a_container_uses(build: Callable[..., dict[str, Any]]) -> None:
    tags = [f"c-{number:016x}" for number in range(5)]
    others = ["lpkind/keep:c-notes", "lpkind/keep-too:c-0000000000000000"]
    for tag in tags[:4]:
        assert build(tag, keep=f"FROM scratch\nCOPY file /{tag}\n")["removed"] == []
    for other in others:
        docker("tag", f"lpkind/keep:{tags[0]}", other)
    container = docker("create", "--name=lpkind-keep", f"lpkind/keep:{tags[1]}", "none").decode().strip()
    try:
        result = build(tags[4], {"keep": 2}, keep=f"FROM scratch\nCOPY file /{tags[4]}\n")
    finally:
        docker("rm", container)
    assert result["removed"] == [f"lpkind/keep:{tags[2]}", f"lpkind/keep:{tags[0]}"]
    assert "warnings" not in result, result["warnings"]
    left = docker("image", "ls", "--filter=reference=lpkind/keep*", "--format={{.Repository}}:{{.Tag}}").decode().split()
    assert sorted(left) == sorted([*others, *(f"lpkind/keep:{tags[number]}" for number in (1, 3, 4))])
