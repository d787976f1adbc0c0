# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module image_check, and what the role luckyplans makes of it. docker is a program that answers from files."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.luckyplans.platform.plugins.module_utils import _registry
from ansible_collections.luckyplans.platform.plugins.modules import image_check

RunModule = Callable[..., dict[str, Any]]
ROOT = Path(__file__).resolve().parents[4]
HOST = "registry.example.org"
WEB, API = "luckyplans/web:c-0000000000000001", "luckyplans/api-gateway:c-0000000000000002"
CHART = {
    "image": {"registry": "", "owner": "team", "localPrefix": "luckyplans", "pullSecrets": []},
    "web": {"image": {"tag": "latest", "digest": ""}, "buildArgs": {"graphqlUrl": "/graphql"}},
    "apiGateway": {"image": {"tag": "latest", "digest": ""}},
    "redis": {"image": {"repository": "redis", "tag": "7-alpine", "digest": ""}},
    "config": {"redisHost": ""},
}
BUILT_TAGS = {"web": {"image": {"tag": WEB.split(":")[1]}}, "apiGateway": {"image": {"tag": API.split(":")[1]}}}
DIGEST = "sha256:" + "0a" * 32
LABELS = {"io.luckyplans.content": "1", "io.luckyplans.build-arg.NEXT_PUBLIC_GRAPHQL_URL": "/graphql"}
PASSWORD = "canary-password"
LOGIN = base64.b64encode(f"puller:{PASSWORD}".encode()).decode()
CONFIG = {"auths": {HOST: {"auth": LOGIN}}}

# It answers from files named by the reference, and notes its arguments and what it was given to log in with.
DOCKER = f"""#!{sys.executable}
import json, os, sys, time
here, args = {{here!r}}, sys.argv[1:]
config = os.environ.get("DOCKER_CONFIG", "")
login = open(os.path.join(config, "config.json")).read() if config else ""
modes = [oct(os.stat(path).st_mode)[-3:] for path in (config, os.path.join(config, "config.json"))] if config else []
system, *others = os.environ.get("SSL_CERT_DIR", "").split(":")
trusts = [os.path.realpath(os.path.join(path, name)) for path in others if os.path.isdir(path) for name in sorted(os.listdir(path))]
with open(os.path.join(here, "calls"), "a") as calls:
    calls.write(json.dumps({{{{"args": args, "config": config, "login": login, "modes": modes, "trusts": trusts}}}}) + "\\n")
if args[:2] == ["image", "inspect"]:
    known = json.load(open(os.path.join(here, "records")))
    print(json.dumps([dict(known[name], RepoTags=[name]) for name in args[2:] if name in known]))
    for name in args[2:]:
        if name not in known:
            print("Error response from daemon: No such image: " + name, file=sys.stderr)
    sys.exit(any(name not in known for name in args[2:]))
answers = json.load(open(os.path.join(here, "answers")))
answer = answers.get(args[-1], {{{{"error": args[-1] + ": not found"}}}})
if isinstance(answer, list):
    used = sum(1 for line in open(os.path.join(here, "calls")) if json.loads(line)["args"][-1] == args[-1])
    answer = answer[min(used, len(answer)) - 1]
time.sleep(answer.get("seconds", 0))
if "error" in answer:
    sys.exit("ERROR: " + answer["error"])
sys.stdout.write(answer["raw" if args[-2] == "--raw" else "image"])
"""


def image(platform: str = "linux/amd64", labels: dict[str, str] | None = None) -> dict[str, Any]:
    system, architecture = platform.split("/")
    return {"os": system, "architecture": architecture, "config": {"Labels": labels}}


def single(**given: Any) -> dict[str, str]:
    """What docker says of an image for one platform."""
    return {"raw": json.dumps({"schemaVersion": 2, "config": {}}), "image": json.dumps(image(**given))}


def index(*platforms: str, labels: dict[str, str] | None = None) -> dict[str, str]:
    """What docker says of one for several, with an attestation beside them."""
    entries = [dict(zip(("os", "architecture"), platform.split("/"))) for platform in (*platforms, "unknown/unknown")]
    return {
        "raw": json.dumps({"manifests": [{"platform": entry} for entry in entries]}),
        "image": json.dumps({platform: image(platform, labels) for platform in platforms}),
    }


class Docker:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "docker"
        self.path.write_text(DOCKER.format(here=str(folder)))
        self.path.chmod(0o755)
        self.has({WEB: LABELS, API: {"io.luckyplans.content": "2"}})
        self.answers({})

    def has(self, images: dict[str, dict[str, str]]) -> None:
        """What `docker image inspect` finds: references and their labels."""
        (self.folder / "records").write_text(json.dumps({name: {"Id": name, "Config": {"Labels": labels}} for name, labels in images.items()}))

    def answers(self, answers: dict[str, Any]) -> None:
        """What registries say: references and answers, or lists of one for each question."""
        (self.folder / "answers").write_text(json.dumps(answers))

    def calls(self) -> list[dict[str, Any]]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def asked(self) -> list[str]:
        """The registries' part of it, in the order of the names."""
        return sorted(call["args"][-1] for call in self.calls() if call["args"][0] == "buildx")


@pytest.fixture
def docker(tmp_path: Path, pauses: list[float]) -> Docker:
    return Docker(tmp_path)


@pytest.fixture
def check(docker: Docker, run_module: RunModule, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs the module on a chart of these values, with what was built laid over them."""
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(CHART))

    def check(values: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
        given = {"chart_dir": str(tmp_path), "values": {**BUILT_TAGS, **(values or {})}, "built": [WEB, API], "docker": str(docker.path)}
        return run_module(image_check, **{**given, **others})

    return check


def references(result: dict[str, Any]) -> dict[str, str]:
    return {item["component"]: item["reference"] for item in result["images"]}


# --- What the values name ---


@pytest.mark.parametrize(
    ("layers", "keys", "found"),
    [
        ([{"a": {"b": 1}}], ("a", "b"), 1),
        ([{}, {"a": {"b": 1}}], ("a", "b"), 1),
        ([{"a": {}}, {"a": {"b": 1}}], ("a", "b"), 1),
        ([{"a": {"b": 2}}, {"a": {"b": 1}}], ("a", "b"), 2),
        ([{"a": {"b": None}}, {"a": {"b": 1}}], ("a", "b"), None),
        ([{"a": None}, {"a": {"b": 1}}], ("a", "b"), None),
        ([{"a": "text"}, {"a": {"b": 1}}], ("a", "b"), None),
        ([{}, {}], ("a",), None),
    ],
)
def test_values_are_read_as_helm_merges_them(layers: list[dict[str, Any]], keys: tuple[str, ...], found: Any) -> None:
    assert image_check.look_up(layers, *keys) == found


REGISTRY = {"image": {"registry": HOST, "owner": "team"}}
PREFIX = f"{HOST}/team"
LATEST = {"web": "luckyplans/web:latest", "apiGateway": "luckyplans/api-gateway:latest"}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, LATEST),
        (REGISTRY, {"web": f"{PREFIX}/web:latest", "apiGateway": f"{PREFIX}/api-gateway:latest"}),
        ({"web": {"image": {"tag": "v1"}}}, {**LATEST, "web": "luckyplans/web:v1"}),
        ({"web": {"image": {"digest": DIGEST}}}, {**LATEST, "web": f"luckyplans/web:latest@{DIGEST}"}),
        ({"web": {"image": {"tag": "", "digest": DIGEST}}}, {**LATEST, "web": f"luckyplans/web@{DIGEST}"}),
        ({"web": {"image": {"tag": 7}}}, {**LATEST, "web": "luckyplans/web:7"}),
        # not there, or as other charts write what they do not say
        ({"web": None, "apiGateway": {"image": None}}, {}),
        ({"web": {"image": {"tag": ""}}, "apiGateway": {"image": {"tag": None}}}, {}),
        ({"web": {"image": "web:1"}, "apiGateway": "text"}, {}),
        # whatever names all of an image is not the application's
        ({"redis": {"image": {"repository": f"{PREFIX}/redis"}}}, LATEST),
    ],
)
def test_every_component_deploys_what_the_chart_would_render(values: dict[str, Any], named: dict[str, str]) -> None:
    images = image_check.images_of([values, CHART], [], only_built=False)
    assert {item.component: item.reference for item in images} == named


def test_component_that_names_all_of_an_image_that_was_built_deploys_it() -> None:
    layers = [{"api": {"image": {"repository": "luckyplans/api", "tag": "c-1"}}, "redis": {"image": {"repository": "redis", "tag": "7"}}}]
    images = image_check.images_of(layers, ["luckyplans/api:c-1"], only_built=False)
    assert [(item.component, item.reference) for item in images] == [("api", "luckyplans/api:c-1")]


def test_chart_with_a_prefix_of_its_own_deploys_what_was_built() -> None:
    """It writes the name into its templates, and the values say the tag alone."""
    layers = [{"cronMailer": {"image": {"tag": "c-1"}}, "other": {"image": {"tag": "1"}}}, {"image": {"pullPolicy": "Always"}}]
    images = image_check.images_of(layers, ["mycompany/cron-mailer:c-1"], only_built=False)
    assert [(item.component, item.reference) for item in images] == [("cronMailer", "mycompany/cron-mailer:c-1")]


@pytest.mark.parametrize("path", ["", "Chart.yaml"])
def test_chart_without_values_is_a_sentence(check: Callable[..., dict[str, Any]], tmp_path: Path, path: str) -> None:
    assert f"{tmp_path}/none{path}/values.yaml cannot be read" in check(chart_dir=f"{tmp_path}/none{path}")["msg"]


def test_name_that_cannot_be_is_a_sentence(check: Callable[..., dict[str, Any]]) -> None:
    result = check({"worker": {"image": {"tag": "a b"}}}, where="registry")
    assert "The image of worker in the values cannot be named: tag is 'a b'" in result["msg"]
    assert "'a b' cannot be read as an image reference" in check(where="registry", others=["a b"])["msg"]


# --- From Docker into the nodes ---


def test_images_that_were_built_are_asked_for_in_one_question(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    result = check()
    assert (result["changed"], references(result)) == (False, {"web": WEB, "apiGateway": API})
    assert [item["build_args"] for item in result["images"]] == [{}, {"NEXT_PUBLIC_GRAPHQL_URL": "/graphql"}]
    assert [call["args"] for call in docker.calls()] == [["image", "inspect", API, WEB]]


@pytest.mark.parametrize("where", ["local", "registry"])
def test_values_that_disagree_with_the_build_are_refused_with_both(check: Callable[..., dict[str, Any]], docker: Docker, where: str) -> None:
    docker.answers({WEB: single(), API: single()})
    result = check({"web": {**BUILT_TAGS["web"], "buildArgs": {"graphqlUrl": "/api"}}}, where=where)
    assert result["msg"] == (
        f"web.buildArgs.graphqlUrl is '/api' in the values, but the image {WEB} was built with NEXT_PUBLIC_GRAPHQL_URL='/graphql'. "
        "Next: build it again with the value that is meant, or set web.buildArgs.graphqlUrl to '/graphql'."
    )


def test_build_without_what_the_values_say_is_refused(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    docker.has({WEB: {"io.luckyplans.content": "1"}, API: {}})
    assert "was built without NEXT_PUBLIC_GRAPHQL_URL" in check()["msg"]


def test_values_that_say_nothing_of_the_build_agree_with_any(check: Callable[..., dict[str, Any]]) -> None:
    assert not check({"web": {**BUILT_TAGS["web"], "buildArgs": None}}).get("failed")


def test_image_that_docker_has_lost_is_refused(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    docker.has({WEB: LABELS})
    result = check()
    assert f"The image {API} of apiGateway does not exist." in result["msg"]
    assert len(result["msg"].splitlines()) == 1


def test_digest_that_no_node_would_find_is_refused(check: Callable[..., dict[str, Any]]) -> None:
    result = check({"web": {"image": {**BUILT_TAGS["web"]["image"], "digest": DIGEST}}})
    assert result["msg"].startswith("web.image.digest is set, but")


def test_image_that_would_be_built_is_no_error_in_check_mode(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    docker.has({WEB: LABELS})
    assert not check(_ansible_check_mode=True).get("failed")
    disagreeing = check({"web": {**BUILT_TAGS["web"], "buildArgs": {"graphqlUrl": "/api"}}}, _ansible_check_mode=True)
    assert "'/api' in the values" in disagreeing["msg"]


def test_docker_that_does_not_answer_is_a_sentence(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    docker.path.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n")
    assert "Docker does not answer: Cannot connect" in check()["msg"]


# --- From a registry ---

IN_REGISTRY = {f"{PREFIX}/web:v1": single(labels=LABELS), f"{PREFIX}/api-gateway:v1": single(), f"{PREFIX}/redis:7-alpine": index("linux/amd64")}
TAGGED = {**REGISTRY, **{name: {"image": {"tag": "v1"}} for name in ("web", "apiGateway")}}


def ask(check: Callable[..., dict[str, Any]], values: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    given = {"where": "registry", "built": [], "others": [f"{PREFIX}/redis:7-alpine"], **others}
    return check({**TAGGED, **(values or {})}, **given)


def test_every_image_is_asked_for_in_its_registry(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    docker.answers(IN_REGISTRY)
    result = ask(check)
    found = {item["component"]: item for item in result["images"]}
    assert found[""]["reference"] == f"{PREFIX}/redis:7-alpine"
    raw = IN_REGISTRY[f"{PREFIX}/web:v1"]["raw"]
    assert found["web"] == {
        "component": "web",
        "reference": f"{PREFIX}/web:v1",
        "digest": f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}",
        "platforms": ["linux/amd64"],
        "build_args": {"NEXT_PUBLIC_GRAPHQL_URL": "/graphql"},
    }
    assert found[""]["platforms"] == ["linux/amd64"]
    # reading each image of an index would count as a pull of each; nothing more is wanted of redis
    assert docker.asked() == [f"{PREFIX}/{name}" for name in ("api-gateway:v1", "api-gateway:v1", "redis:7-alpine", "web:v1", "web:v1")]


def test_labels_are_those_of_the_image_for_our_platform(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    other = {**LABELS, "io.luckyplans.build-arg.NEXT_PUBLIC_GRAPHQL_URL": "/other"}
    images = {"linux/arm64": image("linux/arm64", other), "linux/amd64": image(labels=LABELS)}
    both = {**index("linux/amd64", "linux/arm64"), "image": json.dumps(images)}
    docker.answers({**IN_REGISTRY, f"{PREFIX}/web:v1": both})
    assert not ask(check).get("failed")
    assert "NEXT_PUBLIC_GRAPHQL_URL='/other'" in ask(check, platform="linux/arm64")["msg"]


def test_all_that_is_wrong_is_said_at_once(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    docker.answers({f"{PREFIX}/web:v1": single(labels=LABELS), f"{PREFIX}/redis:7-alpine": index("linux/arm64", "linux/s390x")})
    result = ask(check, {"web": {"image": {"tag": "v1"}, "buildArgs": {"graphqlUrl": "/api"}}})
    missing, disagreeing, wrong = result["msg"].splitlines()
    assert missing == (
        f"The image {PREFIX}/api-gateway:v1 of apiGateway does not exist. Next: name one in the values that does, or build and push it."
    )
    assert wrong.startswith(f"The image {PREFIX}/redis:7-alpine is made for linux/arm64, linux/s390x and not for linux/amd64.")
    assert disagreeing.startswith("web.buildArgs.graphqlUrl is '/api' in the values")
    assert len(result["images"]) == 3


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (f"{PREFIX}/web:v1: not found", "does not exist"),
        ("unexpected status from HEAD request to https://x/v2/: 404 Not Found", "does not exist"),
        ("pull access denied, repository does not exist or may require authorization", "may not be read"),
        ("unexpected status from HEAD request to https://x/v2/: 401 Unauthorized", "may not be read"),
        ("unexpected status from HEAD request to https://x/v2/: 403 Forbidden", "may not be read"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "is not known"),
        ("dial tcp 192.0.2.1:443: connect: connection refused", "is not known"),
        ("dial tcp: lookup registry.example.org on 192.0.2.53:53: no such host", "is not known"),
        ("toomanyrequests: You have reached your pull rate limit", "is not known"),
        ("pull access denied, repository may require authorization: authorization failed: token: i/o timeout", "is not known"),
        ("unexpected status: 500 Internal Server Error", "is not known"),
    ],
)
def test_no_answer_is_not_taken_for_absence(check: Callable[..., dict[str, Any]], docker: Docker, error: str, said: str) -> None:
    docker.answers({**IN_REGISTRY, f"{PREFIX}/web:v1": {"error": error}})
    message = ask(check)["msg"]
    assert message.startswith(("The image", "Whether the image"))
    assert f"{PREFIX}/web:v1 of web" in message
    assert said in message
    assert "Next: " in message


def test_login_that_is_missing_is_named_by_what_it_would_be_put_into(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    docker.answers({**IN_REGISTRY, f"{PREFIX}/web:v1": {"error": "401 Unauthorized"}})
    assert f"Next: docker login {HOST}." in ask(check)["msg"]
    assert "Next: put a login into my_secret that may read it." in ask(check, auth=json.dumps(CONFIG), auth_name="my_secret")["msg"]


def test_fault_of_the_network_is_tried_again(check: Callable[..., dict[str, Any]], docker: Docker, pauses: list[float]) -> None:
    fault = {"error": "read: connection reset by peer"}
    docker.answers({**IN_REGISTRY, f"{PREFIX}/redis:7-alpine": [fault, fault, IN_REGISTRY[f"{PREFIX}/redis:7-alpine"]]})
    assert not ask(check).get("failed")
    assert pauses == [2, 4]
    pauses.clear()
    docker.answers({**IN_REGISTRY, f"{PREFIX}/redis:7-alpine": fault})
    assert "is not known (read: connection reset by peer)" in ask(check, retries=1)["msg"]
    assert pauses == [2]


@pytest.mark.slow
def test_registry_that_says_nothing_is_not_waited_for_for_ever(check: Callable[..., dict[str, Any]], docker: Docker, pauses: list[float]) -> None:
    docker.answers({**IN_REGISTRY, f"{PREFIX}/redis:7-alpine": {"seconds": 30}})
    result = ask(check, {"web": None, "apiGateway": None}, timeout=1, retries=1)
    assert "did not end within 1 s and was stopped" in result["msg"]
    assert pauses == [2]


def test_answer_that_is_not_json_is_no_answer(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    docker.answers({**IN_REGISTRY, f"{PREFIX}/web:v1": {"raw": "<html>", "image": ""}})
    assert "is not known (docker buildx imagetools inspect did not answer in JSON)" in ask(check)["msg"]


def test_registry_that_is_not_to_be_asked_is_not(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    docker.answers({})
    result = ask(check, unasked_registries=[HOST])
    assert (result.get("failed"), docker.asked(), result["images"]) == (None, [], [])


def test_image_that_was_made_by_other_means_is_let_through_with_a_warning(
    check: Callable[..., dict[str, Any]], docker: Docker, warnings: list[str]
) -> None:
    docker.answers({**IN_REGISTRY, f"{PREFIX}/web:v1": single(labels={"io.luckyplans.recipe": "of its base"})})
    result = ask(check)
    assert not result.get("failed")
    # the values of the others say nothing of a build
    [warning] = warnings
    assert warning.startswith(f"The image {PREFIX}/web:v1 has no labels")


def test_image_that_was_pushed_is_asked_for_once_and_its_labels_in_docker(
    check: Callable[..., dict[str, Any]], docker: Docker, warnings: list[str]
) -> None:
    pushed = [f"{PREFIX}/web:v1", f"{PREFIX}/api-gateway:v1"]
    docker.has({pushed[0]: LABELS, pushed[1]: {}})
    docker.answers({**IN_REGISTRY, pushed[0]: index("linux/amd64"), pushed[1]: index("linux/amd64")})
    result = ask(check, built=pushed)
    assert not result.get("failed")
    assert warnings == []
    assert docker.asked() == sorted([*pushed, f"{PREFIX}/redis:7-alpine"])


def test_check_mode_asks_for_nothing_that_would_be_pushed(
    check: Callable[..., dict[str, Any]], docker: Docker, warnings: list[str]
) -> None:
    pushed = [f"{PREFIX}/web:v1", f"{PREFIX}/api-gateway:v1"]
    docker.has({})
    result = ask(check, built=pushed, _ansible_check_mode=True)
    assert not result.get("failed")
    assert docker.asked() == [f"{PREFIX}/redis:7-alpine"]
    [warning] = warnings
    assert f"{PREFIX}/redis:7-alpine does not exist" in warning
    assert "In check mode nothing is pushed" in warning
    docker.answers({f"{PREFIX}/redis:7-alpine": {"error": "401 Unauthorized"}})
    assert "may not be read" in ask(check, built=pushed, _ansible_check_mode=True)["msg"]


# --- Logins ---


def test_login_is_in_a_private_directory_while_docker_runs_and_gone_afterwards(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    docker.answers(IN_REGISTRY)
    assert not ask(check, auth=json.dumps(CONFIG)).get("failed")
    docker.answers({})
    assert ask(check, auth=json.dumps(CONFIG))["failed"]
    calls = [call for call in docker.calls() if call["args"][0] == "buildx"]
    assert {json.dumps(json.loads(call["login"])["auths"]) for call in calls} == {json.dumps(CONFIG["auths"])}
    assert {tuple(call["modes"]) for call in calls} == {("700", "600")}
    assert not [call["config"] for call in calls if os.path.exists(call["config"])]
    # the plugins of the person who runs it are still found
    assert json.loads(calls[0]["login"])["cliPluginsExtraDirs"] == [os.path.expanduser("~/.docker/cli-plugins")]


def test_without_a_login_docker_uses_its_own(check: Callable[..., dict[str, Any]], docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    docker.answers(IN_REGISTRY)
    ask(check)
    assert {call["config"] for call in docker.calls()} == {""}


def test_login_is_shown_nowhere(check: Callable[..., dict[str, Any]], docker: Docker) -> None:
    """Not even where a registry says it back."""
    docker.answers({f"{PREFIX}/web:v1": {"error": f"401 for {PASSWORD} in {LOGIN}"}})
    said = json.dumps(ask(check, auth=json.dumps(CONFIG)))
    assert "401 for ********" in said
    assert PASSWORD not in said
    assert LOGIN not in said
    assert not [call for call in docker.calls() if PASSWORD in str(call["args"]) or LOGIN in str(call["args"])]


def test_login_with_name_and_password_becomes_one_that_docker_reads() -> None:
    found = _registry.parse_auths(json.dumps({"auths": {HOST: {"username": "puller", "password": PASSWORD}}}))
    assert found[HOST]["auth"] == LOGIN


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("canary {", "is not JSON (line 1, column 1)"),
        ('["canary"]', "has no auths"),
        ('{"canary": 1}', "has no auths"),
        ('{"auths": {}}', "has no auths"),
        ('{"auths": ["canary"]}', "has no auths"),
        ('{"auths": {"canary": {}}}', "has neither auth nor username and password in entry 1 of auths"),
        ('{"auths": {"a.example.org": {"auth": "YTpi"}, "canary": "canary"}}', "in entry 2 of auths"),
        ('{"auths": {"canary": {}}, "credsStore": "canary"}', "a credential helper keeps it"),
        ('{"auths": {"canary": {"username": "canary"}}}', "has neither auth nor username and password"),
        ('{"auths": {"canary": {"auth": "canary!"}}}', "not base64 of user:password"),
        ('{"auths": {"canary": {"auth": "Y2FuYXJ5"}}}', "has neither auth nor username and password"),
        ('{"auths": {"canary": {"identitytoken": "canary"}}}', "has neither auth nor username and password"),
    ],
)
@pytest.mark.parametrize("where", ["local", "registry"])
def test_login_that_is_of_no_use_is_refused_before_anything_is_asked(
    check: Callable[..., dict[str, Any]], docker: Docker, where: str, text: str, said: str
) -> None:
    result = check(auth=text, auth_name="my_secret", where=where)
    assert result["msg"].startswith("my_secret ")
    assert said in result["msg"]
    assert "Next: " in result["msg"]
    assert "canary" not in json.dumps(result)
    assert docker.calls() == []


def test_authorities_are_trusted_while_docker_runs(
    check: Callable[..., dict[str, Any]], docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the host's own, and those that Docker's daemon trusts for this registry, whose name has a colon."""
    registry = "registry.example.org:5000"
    (tmp_path / "ca.pem").touch()
    (tmp_path / "certs.d" / registry).mkdir(parents=True)
    (tmp_path / "certs.d" / registry / "ca.crt").touch()
    monkeypatch.setattr(_registry, "_CERTS", str(tmp_path / "certs.d"))
    docker.answers({f"{registry}/redis:7-alpine": index("linux/amd64")})
    values = {"web": None, "apiGateway": None}
    result = ask(check, values, others=[f"{registry}/redis:7-alpine"], ca_file=str(tmp_path / "ca.pem"))
    assert not result.get("failed"), result
    assert docker.calls()[0]["trusts"] == [str(tmp_path / "ca.pem"), str(tmp_path / "certs.d" / registry / "ca.crt")]


# --- The role luckyplans ---

PLAY = [
    {
        "name": "What the role luckyplans makes of its inputs",
        "hosts": "all",
        "gather_facts": False,
        "strategy": "free",
        "tasks": [
            {
                "name": "Contract",
                "ansible.builtin.include_role": {"name": "luckyplans.platform.luckyplans", "tasks_from": "contract", "public": True},
            },
            {
                "name": "Values that would be deployed",
                "ansible.builtin.copy": {"dest": "{{ case_dir }}/values.json", "content": "{{ __luckyplans_values | to_json }}", "mode": "0600"},
            },
        ],
    }
]
PUSHED = {
    "chart_values": {**REGISTRY, **BUILT_TAGS},
    "images": [reference.replace("luckyplans", PREFIX) for reference in (WEB, API)],
    "others": ["redis:7-alpine"],
}
MIRRORED = {
    "chart_values": {"image": {"registry": "other.example.org"}, "redis": {"image": {"repository": f"{PREFIX}/redis", "digest": ""}}},
    "images": [],
    "others": [],
}
ROLE_CASES: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({}, ""),
    "tag-for-people": ({"luckyplans_values": {"web": {"image": {"tag": "v1"}, "replicas": 2}}}, ""),
    "registry-of-the-users": (
        {
            "luckyplans_values": {**REGISTRY, "redis": {"image": {"digest": DIGEST}}},
            "platform_images": MIRRORED,
        },
        "",
    ),
    "disagreeing": ({"luckyplans_values": {"web": {"buildArgs": {"graphqlUrl": "/api"}}}}, "web.buildArgs.graphqlUrl is '/api' in the values"),
    "secret": ({"luckyplans_pull_secret": CONFIG, "luckyplans_values": {"image": {"pullSecrets": ["mine"]}}}, ""),
    "secret-as-text": ({"luckyplans_pull_secret": json.dumps(CONFIG)}, ""),
    "secret-in-file": ({"luckyplans_pull_secret_file": "{here}/config.json"}, ""),
    "two-secrets": ({"luckyplans_pull_secret": CONFIG, "luckyplans_pull_secret_file": "{here}/config.json"}, "are both set. Next: keep one"),
    "no-such-file": ({"luckyplans_pull_secret_file": "{here}/none.json"}, "luckyplans_pull_secret_file is {here}/none.json"),
    "secret-without-logins": ({"luckyplans_pull_secret": {PASSWORD: LOGIN}}, "luckyplans_pull_secret has no auths"),
    "file-without-logins": ({"luckyplans_pull_secret_file": "{here}/empty.json"}, "luckyplans_pull_secret_file is not JSON"),
    "registry": (
        {"platform_resolved": {"engine": "existing"}, "platform_images": PUSHED, "luckyplans_pull_secret": CONFIG},
        f"The image {PREFIX}/web:{WEB.split(':')[1]} of web does not exist.",
    ),
}


@pytest.fixture(scope="module")
def role(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the cases, and what ansible-playbook has said with -vvv; each case is a host of one play."""
    here = tmp_path_factory.mktemp("role")
    docker = Docker(here)
    docker.answers({f"{PREFIX}/api-gateway:{API.split(':')[1]}": single(), "redis:7-alpine": index("linux/amd64")})
    (here / "config.json").write_text(json.dumps(CONFIG))
    (here / "empty.json").touch()
    (here / "values.yaml").write_text(yaml.safe_dump(CHART))
    resolved = {"chart_dir": str(here), "engine": "kind", "arch": "amd64", "extra_ca_file": "", "domain": "localhost", "tls": "none"}
    shared = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "platform_images": {"chart_values": BUILT_TAGS, "images": [WEB, API], "others": ["redis:7-alpine"]},
    }
    hosts = {}
    for name, (variables, _said) in ROLE_CASES.items():
        (here / name).mkdir()
        given = json.loads(json.dumps(variables).replace("{here}", str(here)))
        given["platform_resolved"] = {**resolved, **given.get("platform_resolved", {})}
        hosts[name] = {**shared, "case_dir": str(here / name), **given}
    (here / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    (here / "play.json").write_text(json.dumps(PLAY))
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", f"--inventory={here}/inventory.json", "-vvv", "--diff", here / "play.json"],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{here}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_FORKS": "8",
            # with the arguments of the modules, as it was usual once
            "ANSIBLE_INJECT_INVOCATION": "true",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return here, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("name", ROLE_CASES)
def test_role_lets_through_what_is_right_and_refuses_what_is_not(role: tuple[Path, str], name: str) -> None:
    here, output = role
    said = ROLE_CASES[name][1].replace("{here}", str(here))
    assert (here / name / "values.json").exists() == (not said), output
    assert said in output


def deployed(role: tuple[Path, str], name: str) -> dict[str, Any]:
    return json.loads((role[0] / name / "values.json").read_text())


@pytest.mark.slow
def test_content_wins_over_a_tag_for_people_and_leaves_all_else(role: tuple[Path, str]) -> None:
    """Nodes know the images by the tags of their content alone."""
    assert deployed(role, "tag-for-people") == {**BUILT_TAGS, "web": {**BUILT_TAGS["web"], "replicas": 2}}


@pytest.mark.slow
def test_images_are_called_what_they_are_called_where_they_were_put(role: tuple[Path, str]) -> None:
    """An image gets a digest of its own in another registry; how a cluster calls that registry is the user's to say."""
    assert deployed(role, "registry-of-the-users") == {**REGISTRY, "redis": {"image": {"repository": f"{PREFIX}/redis", "digest": ""}}}


@pytest.mark.slow
def test_values_name_the_secret_beside_those_of_the_user(role: tuple[Path, str]) -> None:
    assert deployed(role, "secret")["image"] == {"pullSecrets": ["mine", "luckyplans-pull"]}
    for name in ("secret-as-text", "secret-in-file"):
        assert deployed(role, name)["image"] == {"pullSecrets": ["luckyplans-pull"]}
    assert "image" not in deployed(role, "plain")


@pytest.mark.slow
@pytest.mark.slow
def test_role_hands_the_login_to_the_registry_and_to_nobody_else(role: tuple[Path, str]) -> None:
    here, output = role
    calls = map(json.loads, (here / "calls").read_text().splitlines())
    logins = [json.loads(call["login"])["auths"] for call in calls if call["login"]]
    assert logins
    assert all(login == CONFIG["auths"] for login in logins)
    assert PASSWORD not in output
    assert LOGIN not in output
    assert not [name for name in ROLE_CASES if (here / name / "values.json").exists() and LOGIN in (here / name / "values.json").read_text()]
