# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.modules import image_build

RunModule = Callable[..., dict[str, Any]]
BUILD = {
    "name": "web",
    "image": "luckyplans/web",
    "tag": "c-0123456789abcdef",
    "alias_tag": "",
    "context": "/src",
    "dockerfile": "/src/apps/web/Dockerfile",
    "args": {},
    "labels": {},
    "present": False,
}
BASE = [
    *("docker", "buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false", "--load"),
    *("--file", "/src/apps/web/Dockerfile", "--tag", "luckyplans/web:c-0123456789abcdef"),
]


@pytest.mark.parametrize(
    ("changes", "environment", "added"),
    [
        ({}, {}, []),
        ({"alias_tag": "latest"}, {}, ["--tag", "luckyplans/web:latest"]),
        ({"args": {"B": "2", "A": "1 one"}}, {}, ["--build-arg", "A=1 one", "--build-arg", "B=2"]),
        ({"args": {"NUMBER": 1}}, {}, ["--build-arg", "NUMBER=1"]),
        ({"labels": {"b": "2", "a": "1"}}, {}, ["--label", "a=1", "--label", "b=2"]),
        # by name: the value stays out of the command, and Docker keeps these out of the image
        ({}, {"HTTPS_PROXY": "http://user:secret@proxy:3128"}, ["--build-arg", "HTTPS_PROXY"]),
        ({}, {"no_proxy": "", "OTHER": "x"}, []),
        (
            {"alias_tag": "1", "args": {"A": "1"}, "labels": {"l": "m"}},
            {"http_proxy": "http://proxy:3128"},
            ["--tag", "luckyplans/web:1", "--build-arg", "A=1", "--build-arg", "http_proxy", "--label", "l=m"],
        ),
    ],
)
def test_argv(changes: dict[str, Any], environment: dict[str, str], added: list[str]) -> None:
    assert image_build.argv({**BUILD, **changes}, "docker", environment, None) == [*BASE, *added, "/src"]


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("/ca.pem", "id=extra_ca,src=/ca.pem"),
        ("/my ca.pem", "id=extra_ca,src=/my ca.pem"),
        ("/a,b.pem", 'id=extra_ca,"src=/a,b.pem"'),
        ('/a"b.pem', 'id=extra_ca,"src=/a""b.pem"'),
    ],
)
def test_extra_authority_is_a_secret_of_the_build(path: str, secret: str) -> None:
    """A file by its path: what is in it gets neither into the command nor into the image."""
    assert image_build.argv(BUILD, "docker", {}, path) == [*BASE, "--secret", secret, "/src"]


class Docker:
    """A command line tool that does what a test says, and notes how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "docker"
        self.logs = folder / "logs"

    def does(self, script: str) -> None:
        self.path.write_text(f'#!/bin/sh\ncd "{self.folder}"\necho "$*" >> calls\n{script}\n')
        self.path.chmod(0o755)

    def calls(self) -> list[str]:
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def parameters(self, *names: str, **others: Any) -> dict[str, Any]:
        builds = [{**BUILD, "name": name, "image": f"luckyplans/{name}"} for name in names or ["web"]]
        return {"builds": builds, "log_dir": str(self.logs), "executable": str(self.path), **others}


@pytest.fixture
def docker(tmp_path: Path, pauses: list[float]) -> Docker:
    return Docker(tmp_path)


def test_image_is_built(docker: Docker, run_module: RunModule) -> None:
    docker.does('echo "#1 step one"')
    result = run_module(image_build, **docker.parameters())
    assert result["changed"] is True
    assert [(item["reference"], item["tries"]) for item in result["built"]] == [
        ("luckyplans/web:c-0123456789abcdef", 1)
    ]
    assert len(docker.calls()) == 1
    assert (docker.logs / "build-web.log").read_text() == "#1 step one\n"


def test_images_are_built_at_the_same_time(docker: Docker, run_module: RunModule) -> None:
    """Each build ends only when the other one has begun."""
    docker.does(
        'case "$*" in *luckyplans/one:*) mine=one other=two ;; *) mine=two other=one ;; esac\n'
        'touch "$mine"\n'
        'for _ in $(seq 200); do if [ -e "$other" ]; then exit 0; fi; sleep 0.05; done; exit 1'
    )
    result = run_module(image_build, **docker.parameters("one", "two"))
    assert [item["name"] for item in result["built"]] == ["one", "two"]


def test_present_image_is_not_built_again(docker: Docker, run_module: RunModule) -> None:
    docker.does("")
    parameters = docker.parameters("web", "api")
    parameters["builds"][0]["present"] = True
    result = run_module(image_build, **parameters)
    assert [item["name"] for item in result["built"]] == ["api"]
    assert len(docker.calls()) == 1


def test_nothing_to_build_is_no_change(docker: Docker, run_module: RunModule) -> None:
    parameters = docker.parameters()
    parameters["builds"][0]["present"] = True
    result = run_module(image_build, **parameters)
    assert (result["changed"], result["built"]) == (False, [])
    assert not docker.logs.exists()


@pytest.mark.parametrize("check", [True, False])
def test_an_image_that_is_there_gets_its_human_tag_back(docker: Docker, run_module: RunModule, check: bool) -> None:
    docker.does("")
    parameters = docker.parameters()
    parameters["builds"][0] |= {"present": True, "aliased": False, "alias_tag": "latest"}
    result = run_module(image_build, _ansible_check_mode=check, **parameters)
    assert (result["changed"], result["built"]) == (True, [])
    assert docker.calls() == ([] if check else ["tag luckyplans/web:c-0123456789abcdef luckyplans/web:latest"])


def test_check_mode_says_what_would_be_built_and_builds_nothing(docker: Docker, run_module: RunModule) -> None:
    docker.does("")
    result = run_module(image_build, **docker.parameters(), _ansible_check_mode=True)
    assert result["changed"] is True
    assert result["built"] == [{"name": "web", "reference": "luckyplans/web:c-0123456789abcdef"}]
    assert (docker.calls(), docker.logs.exists()) == ([], False)


@pytest.mark.parametrize(
    "fault",
    [
        "npm error code ECONNRESET",
        "dial tcp: lookup mirror: i/o timeout",
        "net/http: TLS handshake timeout",
        "Temporary failure in name resolution",
        "503 Service Unavailable",
        "unexpected status: 429 Too Many Requests",
        "dial tcp 192.0.2.1:443: connect: connection refused",
        "dial tcp: lookup registry.example.org: no such host",
        "npm error code ENOTFOUND",
        "FetchError: request failed, reason: socket hang up",
        "curl: (6) Could not resolve host: example.org",
    ],
)
def test_fault_of_the_network_is_tried_again(docker: Docker, run_module: RunModule, fault: str) -> None:
    docker.does(f'[ -e second ] && exit 0; touch second; echo "{fault}"; exit 1')
    result = run_module(image_build, **docker.parameters())
    assert [item["tries"] for item in result["built"]] == [2]


@pytest.mark.parametrize(("retries", "waited"), [(0, []), (1, [2]), (3, [2, 4, 8])])
def test_lasting_fault_of_the_network_ends_after_the_retries(
    docker: Docker, run_module: RunModule, pauses: list[float], retries: int, waited: list[float]
) -> None:
    """Each pause is longer than the one before, and nobody waits for a try that does not come."""
    docker.does("echo ETIMEDOUT; exit 1")
    result = run_module(image_build, **docker.parameters(retries=retries))
    assert result["failed"]
    assert len(docker.calls()) == retries + 1
    assert pauses == waited


def test_retry_is_told_to_whoever_watches(
    docker: Docker, run_module: RunModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCKYPLANS_PROGRESS_FILE", str(tmp_path / "progress"))
    docker.does("echo ETIMEDOUT; exit 1")
    run_module(image_build, **docker.parameters(retries=1))
    assert "web: a fault of the network, tried again soon\n" in (tmp_path / "progress").read_text()


def test_fault_of_the_dockerfile_is_not_tried_again_and_explained(docker: Docker, run_module: RunModule) -> None:
    docker.does('for n in $(seq 40); do echo "line $n"; done; echo "ERROR: no such stage"; exit 17')
    result = run_module(image_build, **docker.parameters())
    assert len(docker.calls()) == 1
    assert result["failed"]
    for word in (
        "/src/apps/web/Dockerfile",
        "ended with 17",
        str(docker.logs / "build-web.log"),
        "ERROR: no such stage",
    ):
        assert word in result["msg"]
    assert "line 1\n" not in result["msg"], "only the end of a long output belongs into the message"


def test_one_failure_does_not_hide_what_was_built(docker: Docker, run_module: RunModule) -> None:
    docker.does('case "$*" in *luckyplans/api:*) exit 1 ;; esac')
    result = run_module(image_build, **docker.parameters("web", "api"))
    assert result["failed"]
    assert result["changed"] is True
    assert [item["name"] for item in result["built"]] == ["web"]


# docker starts its plugin, which does the work and holds the output open
PLUGIN = "sleep 60 & echo $! > plugin; wait"


def is_running(process: int) -> bool:
    """Whether it is there, and not only its remains."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def test_build_that_never_ends_is_stopped_with_all_that_it_started(docker: Docker, run_module: RunModule) -> None:
    docker.does(f"echo ETIMEDOUT; {PLUGIN}")
    start = time.monotonic()
    result = run_module(image_build, **docker.parameters(timeout=1))
    assert "took longer than timeout=1 s" in result["msg"]
    assert len(docker.calls()) == 1, "what takes too long once takes too long again"
    assert time.monotonic() - start < 15
    plugin = int((docker.folder / "plugin").read_text())
    wait_for(lambda: not is_running(plugin))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_build_ends_with_the_run_that_started_it(tmp_path: Path, number: signal.Signals) -> None:
    docker = Docker(tmp_path)
    docker.does(PLUGIN)
    parameters = json.dumps({"ANSIBLE_MODULE_ARGS": docker.parameters()})
    environment = {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
    module = subprocess.Popen([sys.executable, image_build.__file__, parameters], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: (tmp_path / "plugin").exists() and (tmp_path / "plugin").read_text() != "")
        plugin = int((tmp_path / "plugin").read_text())
        assert is_running(plugin)
        module.send_signal(number)
        wait_for(lambda: not is_running(plugin))
    finally:
        module.kill()
        module.wait()


def test_build_ends_that_was_just_starting(tmp_path: Path) -> None:
    """The signal comes when the build runs, and the module does not know it yet."""
    docker = Docker(tmp_path)
    docker.does(PLUGIN)
    parameters = json.dumps({"ANSIBLE_MODULE_ARGS": docker.parameters()})
    environment = {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
    slow = f"""
import runpy, subprocess, sys, time
class Slow(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        time.sleep(2 if options.get("start_new_session") else 0)
subprocess.Popen = Slow
sys.argv = [{image_build.__file__!r}, sys.argv[1]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    module = subprocess.Popen([sys.executable, "-c", slow, parameters], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: (tmp_path / "plugin").exists() and (tmp_path / "plugin").read_text() != "")
        module.send_signal(signal.SIGTERM)
        plugin = int((tmp_path / "plugin").read_text())
        wait_for(lambda: not is_running(plugin))
        assert module.wait(timeout=10) == -signal.SIGTERM
    finally:
        module.kill()
        module.wait()


def test_password_of_a_proxy_is_shown_nowhere(
    docker: Docker, run_module: RunModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCKYPLANS_PROGRESS_FILE", str(tmp_path / "progress"))
    monkeypatch.setenv("HTTPS_PROXY", "http://user:canary-1@proxy.example.org:3128")
    monkeypatch.setenv("http_proxy", "user:canary-2@proxy.example.org:3128")
    docker.does('echo "proxies $HTTPS_PROXY $http_proxy"; exit 1')
    result = run_module(image_build, **docker.parameters())
    log = (docker.logs / "build-web.log").read_text()
    assert "proxies http://user:********@proxy.example.org:3128" in log
    assert "canary" not in "".join([json.dumps(result), log, (tmp_path / "progress").read_text(), *docker.calls()])


def test_authority_that_cannot_be_read_is_a_sentence(docker: Docker, run_module: RunModule, tmp_path: Path) -> None:
    docker.does("")
    result = run_module(image_build, **docker.parameters(ca_file=str(tmp_path / "ca.pem")))
    assert result["failed"]
    assert f"ca_file={tmp_path}/ca.pem cannot be read" in result["msg"]
    assert docker.calls() == []


def test_log_dir_that_cannot_be_made_is_a_sentence(docker: Docker, run_module: RunModule, tmp_path: Path) -> None:
    docker.does("")
    (tmp_path / "file").touch()
    result = run_module(image_build, **docker.parameters(log_dir=str(tmp_path / "file/logs")))
    assert result["failed"]
    assert f"log_dir={tmp_path}/file/logs cannot be made" in result["msg"]


# --- Older images ---

OLD = [f"luckyplans/web:c-{number:016x}" for number in range(1, 5)]
#: as Docker prints them: fractions of a second with as many digits as they need
AGES = dict(zip(OLD, ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.25Z", "2026-11-22T10:00:00.254Z", "2026-11-22T11:00:00Z")))
BUILT = "luckyplans/web:c-0123456789abcdef"


@pytest.mark.parametrize(
    ("keep", "removed"),
    [
        (1, [OLD[3], OLD[2], OLD[1], OLD[0]]),
        (2, [OLD[2], OLD[1], OLD[0]]),
        (4, [OLD[0]]),
        (5, []),
        (9, []),
    ],
)
@pytest.mark.parametrize("created", ["2026-11-22T12:00:00Z", "1970-01-01T00:00:00Z", None])
def test_newest_images_stay_and_the_one_just_built_in_any_case(keep: int, removed: list[str], created: str | None) -> None:
    records = {name: {"Created": age} for name, age in AGES.items()}
    assert image_build.outdated({**records, BUILT: {"Created": created}}, BUILT, keep) == removed


def holds(docker: Docker, removal: str = "exit 0") -> None:
    """Docker has these images, and others of similar names; C(removal) is what comes of `docker image rm`."""
    records = [{"RepoTags": [name], "Created": age} for name, age in {**AGES, BUILT: "2026-11-22T12:00:00Z"}.items()]
    (docker.folder / "records").write_text(json.dumps(records))
    listed = "\n".join([BUILT, *OLD, "luckyplans/web:c-notes", "luckyplans/web:c-0123456789abcdef0"])
    (docker.folder / "listed").write_text(listed)
    docker.does(
        f'case "$*" in "image ls"*) cat listed ;; "image inspect"*) cat records ;; "image rm"*) {removal} ;; esac'
    )


def removals(docker: Docker) -> list[str]:
    return [call.rpartition(" ")[2] for call in docker.calls() if call.startswith("image rm")]


def test_older_images_of_the_name_are_removed(docker: Docker, run_module: RunModule) -> None:
    holds(docker)
    result = run_module(image_build, **docker.parameters(keep=3))
    assert result["removed"] == [OLD[1], OLD[0]]
    assert docker.calls()[1:] == [
        "image ls --filter label=io.luckyplans.content --filter reference=luckyplans/web:c-* --format {{.Repository}}:{{.Tag}}",
        f"image inspect {BUILT} {' '.join(OLD)}",
        f"image rm {OLD[1]}",
        f"image rm {OLD[0]}",
    ]


def test_all_images_stay_by_default(docker: Docker, run_module: RunModule) -> None:
    holds(docker)
    assert run_module(image_build, **docker.parameters())["removed"] == []
    assert len(docker.calls()) == 1


def test_image_that_a_container_uses_stays(docker: Docker, run_module: RunModule, warnings: list[str]) -> None:
    conflict = "conflict: unable to remove repository reference (must force) - container 0a1b is using its referenced image 2c3d"
    holds(docker, f'case "$*" in *{OLD[1]}) echo "Error response from daemon: {conflict}" >&2; exit 1 ;; esac')
    result = run_module(image_build, **docker.parameters(keep=3))
    assert result["removed"] == [OLD[0]]
    assert removals(docker) == [OLD[1], OLD[0]]
    assert warnings == []


def test_image_that_docker_will_not_remove_is_a_warning(docker: Docker, run_module: RunModule, warnings: list[str]) -> None:
    holds(docker, "echo 'Error response from daemon: disk on fire' >&2; exit 1")
    result = run_module(image_build, **docker.parameters(keep=4))
    assert (result["removed"], result["changed"]) == ([], True)
    assert warnings == [f"An older image was not removed: {OLD[0]}: Error response from daemon: disk on fire"]


def test_failed_run_and_check_mode_remove_nothing(docker: Docker, run_module: RunModule) -> None:
    docker.does('case "$*" in *luckyplans/api:*) exit 1 ;; esac')
    assert run_module(image_build, **docker.parameters("web", "api", keep=1))["removed"] == []
    assert run_module(image_build, **docker.parameters(keep=1), _ansible_check_mode=True)["removed"] == []
    assert not [call for call in docker.calls() if call.startswith("image")]


def test_missing_docker_is_a_sentence(docker: Docker, run_module: RunModule) -> None:
    result = run_module(image_build, **docker.parameters())
    assert result["failed"]
    assert str(docker.path) in result["msg"]


def test_newest_line_is_progress(
    docker: Docker, run_module: RunModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCKYPLANS_PROGRESS_FILE", str(tmp_path / "progress"))
    docker.does('echo "#1 step one"; echo; echo "#2 step two"')
    run_module(image_build, **docker.parameters())
    assert (tmp_path / "progress").read_text() == "web: #1 step one\nweb: #2 step two\n"
