# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _cluster
from ansible_collections.luckyplans.platform.plugins.module_utils._cluster import (
    ClusterError,
    Difference,
    Goal,
    Live,
    Node,
    Record,
    Situation,
)
from ansible_collections.luckyplans.platform.tests.unit.fixtures.cluster_world import recorded_text

NODES = (Node("a-server", "server", "1"), Node("a-agent", "agent", "2"))
RUNNING = Live(NODES, "image:1", "https://127.0.0.1:1", ("1", "2"), {"image": "image:1"})
STOPPED = Live(
    (NODES[0], Node("a-agent", "agent", "2", running=False)), "image:1", "", ("1", "2"), {"image": "image:1"}
)
PLANNED = Live((Node("a-server", "server"),), "image:2", "", settings={"image": "image:2"})
DIFFERENCE = Difference("image", "image:1", "image:2")


def goal(state: str = "present", recreate: str = "never") -> Goal:
    return Goal("a", state, "/state/a/kubeconfig", recreate, 10)


def kinds(situation: Situation, state: str = "present", recreate: str = "never") -> list[str]:
    return [step.kind for step in _cluster.make_plan("k", goal(state, recreate), situation, PLANNED)]


# Plan


@pytest.mark.parametrize(
    ("state", "situation", "expected"),
    [
        ("present", Situation(None, "none"), ["create", "kubeconfig"]),
        ("present", Situation(RUNNING, "ours", kubeconfig="current"), []),
        ("present", Situation(RUNNING, "ours", kubeconfig="missing"), ["kubeconfig"]),
        ("present", Situation(RUNNING, "ours", kubeconfig="outdated"), ["kubeconfig"]),
        ("present", Situation(STOPPED, "ours", kubeconfig="current"), ["start"]),
        ("present", Situation(STOPPED, "ours", kubeconfig="missing"), ["start", "kubeconfig"]),
        ("present", Situation(RUNNING, "half-made"), ["remove", "create", "kubeconfig"]),
        ("present", Situation(STOPPED, "half-made"), ["remove", "create", "kubeconfig"]),
        ("started", Situation(STOPPED, "ours", kubeconfig="current"), ["start"]),
        ("started", Situation(RUNNING, "ours", kubeconfig="current"), []),
        ("stopped", Situation(RUNNING, "ours", kubeconfig="current"), ["stop"]),
        ("stopped", Situation(STOPPED, "ours", kubeconfig="missing"), ["stop"]),
        ("absent", Situation(None, "none"), []),
        ("absent", Situation(None, "none", leftovers=("/state/a/spec.json",)), ["forget"]),
        ("absent", Situation(RUNNING, "ours"), ["remove"]),
        ("absent", Situation(STOPPED, "half-made"), ["remove"]),
    ],
)
def test_plan(state, situation, expected):
    assert kinds(situation, state) == expected


def test_a_stopped_cluster_has_nothing_to_stop():
    none_running = Live((Node("a-server", "server", running=False),), "image:1", "", ("1",))
    assert kinds(Situation(none_running, "ours"), "stopped") == []


@pytest.mark.parametrize("state", ["present", "started", "stopped", "absent"])
@pytest.mark.parametrize("recreate", ["never", "if_needed"])
def test_a_foreign_cluster_is_refused_in_every_state(state, recreate):
    with pytest.raises(ClusterError, match="was not made by this module"):
        kinds(Situation(RUNNING, "foreign"), state, recreate)


@pytest.mark.parametrize(
    ("state", "situation", "sentence"),
    [
        ("started", Situation(None, "none"), "does not exist; create it first"),
        ("stopped", Situation(RUNNING, "half-made"), "was never finished; create it first"),
        ("present", Situation(None, "none", kubeconfig="taken"), "move it away, or give the path of another file"),
        ("present", Situation(RUNNING, "half-made", kubeconfig="taken"), "move it away"),
    ],
)
def test_refused_plans(state, situation, sentence):
    with pytest.raises(ClusterError, match=sentence):
        kinds(situation, state)


def test_gate_refuses_with_a_table():
    situation = Situation(RUNNING, "ours", (DIFFERENCE, Difference("ports", ["x"], [])), kubeconfig="current")
    with pytest.raises(ClusterError) as caught:
        kinds(situation)
    assert caught.value.sentence.splitlines()[1:] == [
        "  setting  now      wanted   takes",
        "  image    image:1  image:2  recreate",
        "  ports    x        -        recreate",
    ]
    assert caught.value.details["differences"][0] == {
        "path": "image",
        "before": "image:1",
        "after": "image:2",
        "class": "recreate",
    }


def test_gate_opens():
    situation = Situation(RUNNING, "ours", (DIFFERENCE,), kubeconfig="current")
    assert kinds(situation, recreate="if_needed") == ["remove", "create", "kubeconfig"]


def test_long_values_are_cut_in_the_table():
    assert "x" * 77 + "..." in _cluster.table([Difference("a", "x" * 200, "")])


def test_result_of_a_recreation():
    situation = Situation(RUNNING, "ours", (DIFFERENCE,), kubeconfig="current")
    wanted = goal(recreate="if_needed")
    steps = _cluster.make_plan("k", wanted, situation, PLANNED)
    result = _cluster.make_result("k", wanted, situation, steps, PLANNED)
    assert result["diff"]["before"] == {"state": "running", "kubeconfig": "current", "image": "image:1"}
    assert result["diff"]["after"] == {"state": "running", "kubeconfig": "current", "image": "image:2"}
    assert result["cluster"]["image"] == "image:2"
    assert result["actions"][0] == 'delete the k cluster "a" to change: image'


# Whose cluster it is


@pytest.mark.parametrize(
    ("record", "served", "bond"),
    [
        (None, True, "foreign"),
        (None, False, "half-made"),
        (Record("k", "a", complete=True, identity=["1", "2"]), True, "ours"),
        (Record("k", "a", complete=True, identity=["1", "2", "3"]), True, "ours"),
        (Record("k", "a", complete=True, identity=["1"]), True, "foreign"),
        (Record("k", "a", complete=True, identity=["8", "9"]), True, "foreign"),
        (Record("k", "a", complete=False, identity=["1", "2"]), True, "half-made"),
        (Record("k", "a", complete=False, identity=[]), True, "foreign"),
        (Record("k", "a", complete=False, identity=[]), False, "half-made"),
    ],
)
def test_find_bond(record, served, bond):
    assert _cluster.find_bond(RUNNING, record, lambda: served) == bond


def test_a_record_is_private_and_read_back(tmp_path):
    path = str(tmp_path / "spec.json")
    record = Record("k", "a", True, ["1"], {"image": "x"}, "hash", "access", 7)
    record.save(path)
    assert Record.load(path) == record
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(tmp_path) == ["spec.json"]


def test_a_record_of_a_newer_version_is_read(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({"engine": "k", "name": "a", "invented": "later"}))
    assert Record.load(str(path)) == Record("k", "a")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"name": "a"}'])
def test_a_damaged_record_is_an_error(tmp_path, text):
    path = tmp_path / "spec.json"
    path.write_text(text)
    with pytest.raises(ClusterError, match="cannot be read"):
        Record.load(str(path))


def test_spec_hash_depends_on_content_only():
    assert _cluster.spec_hash({"a": 1, "b": 2}) == _cluster.spec_hash({"b": 2, "a": 1})
    assert _cluster.spec_hash({"a": 1}) != _cluster.spec_hash({"a": 2})


def test_still_creating():
    script = "import time; print('up', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", script, "create", "cluster", "--name", "a"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert _cluster.still_creating(process.pid, "a")
        assert not _cluster.still_creating(process.pid, "b")
        process.kill()
        process.wait()
        assert not _cluster.still_creating(process.pid, "a")


# Sentences


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (recorded_text("k3d/create-port-taken.err"), "The port 127.0.0.1:8081 is already in use; stop what uses it"),
        (
            "failed to bind host port for 127.0.0.1:80:172.18.0.2:80/tcp: address already in use",
            "The port 127.0.0.1:80 is already in use; stop what uses it",
        ),
        (
            "Error starting userland proxy: listen tcp4 127.0.0.1:80: bind: address already in use.",
            "The port 127.0.0.1:80 is already in use; stop what uses it",
        ),
        (
            "Ports are not available: exposing port TCP 127.0.0.1:443 -> 127.0.0.1:0: listen tcp: bind",
            "The port 127.0.0.1:443 cannot be published; stop what uses it",
        ),
        (recorded_text("k3d/create-noimage.err"), 'The image "rancher/k3s:v0.0.0-nothere" is not on this machine'),
        (
            'ERROR: failed to create cluster: failed to pull image "kindest/node:v0": command "docker pull" failed',
            'The image "kindest/node:v0" is not on this machine and could not be pulled; load it, or correct image.',
        ),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "Docker does not answer at unix:///var/run/docker.sock; start it",
        ),
        ("something else", ""),
    ],
)
def test_explain(text, sentence):
    assert _cluster.explain(text).startswith(sentence)
    assert bool(_cluster.explain(text)) is bool(sentence)
