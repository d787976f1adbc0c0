# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis: what it is started with, with and without a password, and what its probes ask."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from charts import AUTH, Chart, Objects, merged

FILE = "/run/secrets/redis-password"


@pytest.mark.parametrize("auth", [False, True], ids=["open", "password"])
def test_nothing_of_the_image_is_relied_on_but_the_program(chart: Chart, auth: bool) -> None:
    container = chart.render(AUTH if auth else {}).container("redis")
    assert container["command"][-1] == "redis-server"
    arguments = container["args"]
    # Without these, Redis answers on localhost only, forgets, or writes to a root that is read-only.
    for option, value in [
        ("--port", "6379"),
        ("--protected-mode", "no"),
        ("--dir", "/data"),
        ("--bind", "*"),
        ("--appendonly", "yes"),
        ("--save", ""),
        ("--maxmemory", "96mb"),
        ("--maxmemory-policy", "noeviction"),
    ]:
        assert arguments[arguments.index(option) + 1] == value
    assert all(isinstance(argument, str) for argument in arguments)


def test_there_is_never_a_second_one(objects: Objects) -> None:
    if "redis" in objects.kind("Deployment"):
        spec = objects.one("Deployment", "redis")["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
        assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 30


@pytest.mark.parametrize("port", [6379, 6390])
def test_one_value_is_the_port_everywhere(chart: Chart, port: int) -> None:
    objects = chart.render({"config": {"redisPort": port}})
    container = objects.container("redis")
    assert container["args"][:2] == ["--port", str(port)]
    assert container["ports"] == [{"name": "redis", "containerPort": port}]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["exec"]["command"] == ["/bin/sh", "-c", f"redis-cli -p {port} ping | grep -q PONG"]


@pytest.mark.parametrize("values", [{}, AUTH], ids=["open", "password"])
def test_an_external_redis_replaces_it(chart: Chart, values: dict[str, Any]) -> None:
    external = {"config": {"redisHost": "redis.example.org"}, "redis": {"persistence": {"enabled": True}}}
    objects = chart.render(merged(external, values))
    assert [item for item in objects if item["metadata"]["labels"]["app.kubernetes.io/component"] == "redis"] == []


@pytest.mark.parametrize(
    ("persistence", "volume"),
    [
        ({"enabled": False}, {"emptyDir": {"sizeLimit": "1Gi"}}),
        ({"enabled": True}, {"persistentVolumeClaim": {"claimName": "redis-data"}}),
    ],
)
def test_data(chart: Chart, persistence: dict[str, Any], volume: dict[str, Any]) -> None:
    objects = chart.render({"redis": {"persistence": persistence}})
    assert objects.pod_templates()["redis"]["spec"]["volumes"] == [{"name": "data"} | volume]


# --- The password -----------------------------------------------------------------------------------------------------


def test_the_password_is_a_file_that_redis_alone_may_read(chart: Chart) -> None:
    objects = chart.render(AUTH)
    container = objects.container("redis")
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "password"]
    # By subPath it stays as it was at the start, as the environment of the services does.
    assert mount == {"name": "password", "mountPath": FILE, "subPath": "password", "readOnly": True}
    (volume,) = [volume for volume in objects.pod_templates()["redis"]["spec"]["volumes"] if volume["name"] == "password"]
    assert volume["secret"] == {
        "secretName": "luckyplans-secrets",
        "defaultMode": 0o440,
        "items": [{"key": "REDIS_PASSWORD", "path": "password"}],
    }
    assert "env" not in container


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Stands in for redis-server and redis-cli: writes down what it is given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("redis-server", "redis-cli"):
        (folder / name).write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/argv\nenv > {tmp_path}/env\ncat > {tmp_path}/stdin\necho PONG\n')
        (folder / name).chmod(0o755)
    return folder


def run(command: list[str], program: Path, password: str) -> subprocess.CompletedProcess[str]:
    (program.parent / "password").write_text(password)
    here = [part.replace(FILE, str(program.parent / "password")) for part in command]
    env = {"PATH": f"{program}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(here, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False)


@pytest.mark.parametrize(
    ("password", "line"),
    [
        ("Simple123", 'requirepass "Simple123"'),
        ("with newline\n", 'requirepass "with newline"'),
        ('quo"te', r'requirepass "quo\"te"'),
        ("back\\slash", r'requirepass "back\\slash"'),
        ("$HOME `id` $(id) '#%", "requirepass \"$HOME `id` $(id) '#%\""),
    ],
)
def test_redis_reads_it_from_its_standard_input(chart: Chart, program: Path, password: str, line: str) -> None:
    container = chart.render(AUTH).container("redis")
    done = run([*container["command"], *container["args"]], program, password)
    assert done.returncode == 0, done.stderr
    assert (program.parent / "stdin").read_text() == line + "\n"
    assert (program.parent / "argv").read_text().splitlines() == [*container["args"], "-"]
    assert password.strip() not in (program.parent / "argv").read_text() + (program.parent / "env").read_text()


def test_an_empty_password_is_none(chart: Chart, program: Path) -> None:
    """Redis would take it for no password at all."""
    container = chart.render(AUTH).container("redis")
    done = run([*container["command"], *container["args"]], program, "\n")
    assert done.returncode == 1
    assert done.stderr == "REDIS_PASSWORD in the Secret luckyplans-secrets is empty\n"
    assert not (program.parent / "argv").exists()


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_log_in(chart: Chart, program: Path, probe: str) -> None:
    command = chart.render(AUTH).container("redis")[probe]["exec"]["command"]
    done = run(command, program, 'quo"te $x')
    assert done.returncode == 0, done.stderr
    assert (program.parent / "argv").read_text().split() == ["-p", "6379", "ping"]
    assert 'REDISCLI_AUTH=quo"te $x\n' in (program.parent / "env").read_text()


def test_probes_fail_where_redis_refuses(chart: Chart, program: Path) -> None:
    (program / "redis-cli").write_text("#!/bin/sh\necho NOAUTH Authentication required.\n")
    for values in ({}, AUTH):
        command = chart.render(values).container("redis")["livenessProbe"]["exec"]["command"]
        assert run(command, program, "wrong").returncode != 0
