# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _settled
from ansible_collections.luckyplans.platform.plugins.modules import node_images, settled

pytestmark = pytest.mark.slow

FAKE = Path(__file__).parents[2] / "fixtures" / "images" / "fake_docker.py"
SPEC = importlib.util.spec_from_file_location("fake_docker", FAKE)
fake_docker = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fake_docker)

WEB, REDIS, NODE = "luckyplans/web:c-1", "redis:7-alpine", "kindest/node:v1"
ALL = ["toolchain", "cluster", "images", "traefik", "cert_manager", "tls", "luckyplans"]


class FakeApi:
    """The parts of a cluster's API that are asked."""

    def __init__(self) -> None:
        self.status = 200
        self.kube_system = {"name": "kube-system", "uid": "uid-1"}
        self.owned = {"name": "luckyplans", "uid": "uid-7", "labels": {"by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "luckyplans", "at": "10:00"}}
        self.namespaces = [self.kube_system, self.owned]
        self.releases = [("traefik", "traefik", 1, "deployed"), ("luckyplans", "luckyplans", 1, "superseded"), ("luckyplans", "luckyplans", 2, "deployed")]

    def send(self, method: str, path: str, accept: str) -> tuple[int, str]:
        assert method == "GET"
        assert "as=PartialObjectMetadataList" in accept, "the Secrets themselves hold what was deployed"
        if path == "/api/v1/namespaces":
            return self.status, json.dumps({"items": [{"metadata": metadata} for metadata in self.namespaces]})
        assert path == "/api/v1/secrets?labelSelector=owner%3Dhelm"
        items = [
            {"metadata": {"namespace": namespace, "labels": {"name": name, "version": str(version), "status": status}}}
            for namespace, name, version, status in self.releases
        ]
        return self.status, json.dumps({"items": items})


class FakeApplication(http.server.BaseHTTPRequestHandler):
    answer = b'{"data": {"health": "API Gateway is running"}}'

    def do_POST(self) -> None:
        assert json.loads(self.rfile.read(int(self.headers["Content-Length"]))) == {"query": "{ health }"}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(type(self).answer)

    def log_message(self, *_arguments: Any) -> None:
        """Not into the output of the tests."""


@pytest.fixture
def application() -> Iterator[type[FakeApplication]]:
    handler = type("Handler", (FakeApplication,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler.url = f"http://127.0.0.1:{server.server_port}/graphql"
    yield handler
    server.shutdown()
    server.server_close()


class Platform:
    """A whole platform that stands, and what a test can do to it."""

    def __init__(self, folder: Path, world: Any, application: Any) -> None:
        self.folder, self.world, self.api, self.application = folder, world, FakeApi(), application
        self.builds = [{"name": "web", "present": True, "aliased": True}]
        self.values = {"web": {"image": {"tag": "c-1"}}}
        (folder / "bin").mkdir()
        (folder / "helm").write_text("a tool")
        (folder / "bin" / "helm").symlink_to(folder / "helm")
        (folder / "chart").mkdir()
        (folder / "chart" / "Chart.yaml").write_text("name: luckyplans")
        (folder / "boot").write_text("start")
        for image in (WEB, REDIS, NODE):
            world.image(image, [image.encode()])
        world.node("lp-a")
        self.questions = {
            "engine": "kind", "cluster": "lp", "kubeconfig": str(folder / "kubeconfig"), "bin_dir": str(folder / "bin"), "node_image": NODE,
            "files": [str(folder / "boot")], "plan": {"chart_dir": str(folder / "chart")}, "in_nodes": [WEB, REDIS],
            "memory": str(folder / "manifests.json"), "health_url": application.url, "health_query": "{ health }",
        }  # fmt: skip

    def plan(self, options: dict[str, Any], _docker: Any) -> dict[str, Any]:
        assert options == self.questions["plan"]
        return {"builds": self.builds, "chart_values": self.values, "others": [REDIS]}


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, application: Any, run_module: Any) -> Platform:
    world = fake_docker.World(tmp_path / "world")
    world.put_program(tmp_path / "bin-of-docker")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin-of-docker'}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "platform").mkdir()
    platform = Platform(tmp_path / "platform", world, application)
    monkeypatch.setattr(_settled, "plan", platform.plan)
    monkeypatch.setattr(_settled, "_api", lambda _asked: platform.api)
    run_module(node_images, engine="kind", cluster="lp", images=[WEB, REDIS], cache_file=platform.questions["memory"])
    return platform


@pytest.fixture
def look(platform: Platform, run_module: Any) -> Callable[..., dict[str, Any]]:
    record = str(platform.folder / "settled.json")

    def call(inputs: str = "same", **options: Any) -> dict[str, Any]:
        return run_module(settled, record_file=record, inputs=inputs, **options)

    return call


@pytest.fixture
def kept(platform: Platform, look: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return look(state="present", questions=platform.questions, facts={"release": {"revision": 2}})


def test_nothing_is_settled_before_there_is_a_record(look: Callable[..., dict[str, Any]]) -> None:
    result = look()
    assert (result["changed"], result["roles"], result["facts"], result["unsettled"]) == (False, [], {}, ["inputs"])


def test_what_was_kept_is_settled(platform: Platform, kept: dict[str, Any], look: Callable[..., dict[str, Any]]) -> None:
    assert kept["changed"] is False
    assert (kept["roles"], kept["unsettled"]) == (ALL, [])
    result = look()
    assert (result["roles"], result["unsettled"]) == (ALL, [])
    assert result["facts"] == {"release": {"revision": 2}}
    assert result["namespaces"] == {"luckyplans": {"labels": {"by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "luckyplans"}}}
    assert stat.S_IMODE((platform.folder / "settled.json").stat().st_mode) == 0o600


def test_with_other_inputs_nothing_is_settled(kept: dict[str, Any], look: Callable[..., dict[str, Any]]) -> None:
    assert look("others")["roles"] == []
    assert look("others")["unsettled"] == ["inputs"]


def test_a_record_is_kept_in_no_check(platform: Platform, look: Callable[..., dict[str, Any]]) -> None:
    look(state="present", questions=platform.questions, _ansible_check_mode=True)
    assert not (platform.folder / "settled.json").exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"inputs": "same"}', "no json"])
def test_a_record_that_cannot_be_used_is_none(platform: Platform, look: Callable[..., dict[str, Any]], text: str) -> None:
    (platform.folder / "settled.json").write_text(text)
    assert look()["unsettled"] == ["inputs"]


def tool_led_elsewhere(platform: Platform) -> None:
    (platform.folder / "bin" / "helm").unlink()
    (platform.folder / "bin" / "helm").symlink_to("/bin/true")


def tool_gone(platform: Platform) -> None:
    (platform.folder / "helm").unlink()


def node_image_gone(platform: Platform) -> None:
    platform.world.set(images={name: image for name, image in platform.world.read()["images"].items() if name != NODE})


def node_stopped(platform: Platform) -> None:
    platform.world.write_node("lp-a", {**platform.world.read_node("lp-a"), "state": "exited"})


def another_node(platform: Platform) -> None:
    platform.world.node("lp-b")


def other_cluster(platform: Platform) -> None:
    platform.api.kube_system["uid"] = "uid-2"


def namespace_given_away(platform: Platform) -> None:
    platform.api.owned["annotations"] = {"meta.helm.sh/release-name": "another"}


def namespace_of_somebody_else(platform: Platform) -> None:
    platform.api.namespaces.append({"name": "theirs", "uid": "uid-8"})


def api_refuses(platform: Platform) -> None:
    platform.api.status = 403


def boot_script_edited(platform: Platform) -> None:
    (platform.folder / "boot").write_text("stop")


def boot_script_gone(platform: Platform) -> None:
    (platform.folder / "boot").unlink()


def service_edited(platform: Platform) -> None:
    platform.builds[0]["present"] = False


def alias_moved(platform: Platform) -> None:
    platform.builds[0]["aliased"] = False


def another_tag(platform: Platform) -> None:
    platform.values = {"web": {"image": {"tag": "c-2"}}}


def image_gone_from_node(platform: Platform) -> None:
    node = platform.world.read_node("lp-a")
    del node["images"]["docker.io/library/redis:7-alpine"]
    platform.world.write_node("lp-a", node)


def image_rebuilt_under_its_name(platform: Platform) -> None:
    platform.world.image(REDIS, [b"another redis"])


def image_gone_from_docker(platform: Platform) -> None:
    platform.world.set(images={name: image for name, image in platform.world.read()["images"].items() if name != REDIS})


def rolled_back_by_hand(platform: Platform) -> None:
    platform.api.releases.append(("luckyplans", "luckyplans", 3, "deployed"))


def upgrade_killed(platform: Platform) -> None:
    platform.api.releases.append(("luckyplans", "luckyplans", 3, "pending-upgrade"))


def release_gone(platform: Platform) -> None:
    del platform.api.releases[0]


def unhealthy(platform: Platform) -> None:
    platform.application.answer = b'{"errors": [{"message": "no"}], "data": {"health": ""}}'


def silent(platform: Platform) -> None:
    platform.application.answer = b"Bad Gateway"


def chart_edited(platform: Platform) -> None:
    (platform.folder / "chart" / "values.yaml").write_text("web: {}")


@pytest.mark.parametrize(
    ("happens", "unsettled", "roles"),
    [
        (tool_led_elsewhere, ["toolchain"], []),
        (tool_gone, ["toolchain"], []),
        (node_image_gone, ["toolchain"], []),
        (node_stopped, ["cluster", "images"], ["toolchain"]),
        (another_node, ["cluster", "images"], ["toolchain"]),
        (other_cluster, ["cluster"], ["toolchain"]),
        (namespace_given_away, ["cluster"], ["toolchain"]),
        (namespace_of_somebody_else, [], ALL),
        (api_refuses, ["cluster", "releases"], ["toolchain"]),
        (boot_script_edited, ["cluster"], ["toolchain"]),
        (boot_script_gone, ["cluster"], ["toolchain"]),
        (service_edited, ["images"], ["toolchain", "cluster", "traefik", "cert_manager", "tls"]),
        (alias_moved, ["images"], ["toolchain", "cluster", "traefik", "cert_manager", "tls"]),
        (another_tag, ["images"], ["toolchain", "cluster", "traefik", "cert_manager", "tls"]),
        (image_gone_from_node, ["images"], ["toolchain", "cluster", "traefik", "cert_manager", "tls"]),
        (image_rebuilt_under_its_name, ["images"], ["toolchain", "cluster", "traefik", "cert_manager", "tls"]),
        (image_gone_from_docker, ["images"], ["toolchain", "cluster", "traefik", "cert_manager", "tls"]),
        (rolled_back_by_hand, ["releases"], ["toolchain", "cluster", "images", "tls"]),
        (upgrade_killed, ["releases"], ["toolchain", "cluster", "images", "tls"]),
        (release_gone, ["releases"], ["toolchain", "cluster", "images", "tls"]),
        (unhealthy, ["application"], ["toolchain", "cluster", "images", "traefik", "cert_manager", "tls"]),
        (silent, ["application"], ["toolchain", "cluster", "images", "traefik", "cert_manager", "tls"]),
        (chart_edited, ["application"], ["toolchain", "cluster", "images", "traefik", "cert_manager", "tls"]),
    ],
)
def test_every_change_is_seen(
    platform: Platform, kept: dict[str, Any], look: Callable[..., dict[str, Any]], happens: Any, unsettled: list[str], roles: list[str]
) -> None:
    happens(platform)
    result = look()
    assert (result["unsettled"], result["roles"]) == (unsettled, roles)


def test_what_was_never_well_is_not_settled(platform: Platform, look: Callable[..., dict[str, Any]]) -> None:
    """Not even where it is as it was."""
    unhealthy(platform)
    look(state="present", questions=platform.questions)
    assert look()["roles"] == ["toolchain", "cluster", "images", "traefik", "cert_manager", "tls"]


def test_docker_that_does_not_answer_settles_nothing(platform: Platform, kept: dict[str, Any], look: Callable[..., dict[str, Any]]) -> None:
    platform.world.set(down=True)
    assert look()["roles"] == []


def test_a_record_that_cannot_be_written_is_an_error(platform: Platform, run_module: Any) -> None:
    place = platform.folder / "helm" / "settled.json"
    result = run_module(settled, record_file=str(place), inputs="same", state="present", questions=platform.questions)
    assert result["failed"] is True
    assert f"record_file {place} cannot be written: " in result["msg"]


def test_a_kubeconfig_of_another_form_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("clusters: []")
    with pytest.raises(_settled.UNANSWERED, match="kubeconfig is not a kubeconfig as the engines write it"):
        _settled._api({"kubeconfig": str(tmp_path / "kubeconfig")})
