# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.luckyplans.platform.plugins.filter.image_ref import FilterModule
from ansible_collections.luckyplans.platform.plugins.module_utils import _image_ref

DIGEST = "sha256:" + "0a" * 32

image_ref = FilterModule().filters()["image_ref"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"name": "web", "tag": "latest"}, "luckyplans/web:latest"),
        ({"name": "web", "tag": "latest", "owner": "somebody"}, "luckyplans/web:latest"),
        ({"name": "web", "tag": "latest", "localPrefix": "mine/apps"}, "mine/apps/web:latest"),
        (
            {"registry": "ghcr.io", "owner": "takeshi-su57", "name": "api-gateway", "tag": "sha-abc1234"},
            "ghcr.io/takeshi-su57/api-gateway:sha-abc1234",
        ),
        ({"registry": "r.example:5000", "owner": "a/b", "name": "web", "tag": "1.0"}, "r.example:5000/a/b/web:1.0"),
        ({"repository": "redis", "tag": "7-alpine"}, "redis:7-alpine"),
        ({"repository": "docker.io/library/redis", "tag": "7"}, "docker.io/library/redis:7"),
        ({"registry": "ghcr.io", "repository": "library/redis", "tag": "7"}, "ghcr.io/library/redis:7"),
        ({"repository": "redis", "tag": "7", "digest": DIGEST}, f"redis:7@{DIGEST}"),
        ({"repository": "redis", "digest": DIGEST}, f"redis@{DIGEST}"),
        ({"repository": "redis", "tag": "", "digest": DIGEST}, f"redis@{DIGEST}"),
        ({"registry": "ghcr.io", "owner": "a", "name": "web", "digest": DIGEST}, f"ghcr.io/a/web@{DIGEST}"),
        ({"registry": "r.example:5000", "repository": "docker.io/redis", "tag": "7"}, "r.example:5000/docker.io/redis:7"),
        ({"name": "web", "tag": "V1_rc.2"}, "luckyplans/web:V1_rc.2"),
    ],
)
def test_renders(spec: dict[str, str], expected: str) -> None:
    assert image_ref(spec) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"repository": "redis", "tag": "7"}, "docker.io/library/redis:7"),
        ({"name": "web", "tag": "latest"}, "docker.io/luckyplans/web:latest"),
        ({"repository": "docker.io/redis", "tag": "7"}, "docker.io/library/redis:7"),
        ({"repository": "docker.io/library/redis", "tag": "7"}, "docker.io/library/redis:7"),
        ({"repository": "index.docker.io/x/y", "tag": "1"}, "docker.io/x/y:1"),
        ({"repository": "index.docker.io/redis", "tag": "7"}, "docker.io/library/redis:7"),
        ({"repository": "localhost:5000/x", "tag": "1"}, "localhost:5000/x:1"),
        ({"repository": "localhost/x", "tag": "1"}, "localhost/x:1"),
        ({"registry": "ghcr.io", "owner": "a/b", "name": "web", "tag": "1"}, "ghcr.io/a/b/web:1"),
        ({"registry": "r.example:5000", "repository": "x", "tag": "1"}, "r.example:5000/x:1"),
        # neither dot nor port: Kubernetes takes it for an owner on Docker Hub
        ({"registry": "registry", "owner": "a", "name": "web", "tag": "1"}, "docker.io/registry/a/web:1"),
        ({"repository": "redis", "digest": DIGEST}, f"docker.io/library/redis@{DIGEST}"),
        ({"repository": "redis", "tag": "7", "digest": DIGEST}, f"docker.io/library/redis@{DIGEST}"),
    ],
)
def test_complete_name(spec: dict[str, str], expected: str) -> None:
    assert image_ref(spec, full=True) == expected
    assert _image_ref.full(expected) == expected


def test_complete_name_without_a_tag_is_latest() -> None:
    assert _image_ref.full("redis") == "docker.io/library/redis:latest"


@pytest.mark.parametrize(
    ("spec", "full", "message"),
    [
        ({"repository": "Redis", "tag": "7"}, True, "repository is 'Redis', which has uppercase letters"),
        ({"repository": "GHCR.io/a", "tag": "7"}, True, "repository is 'GHCR.io/a', which has uppercase letters"),
        ({"localPrefix": "a_b.c", "name": "web", "tag": "1"}, True, "'a_b.c/web:1' cannot be read as an image reference"),
        ({"repository": "redis", "tag": "7"}, "yes", "full is 'yes'; write true or false"),
    ],
)
def test_complete_name_is_refused(spec: dict[str, str], full: object, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        image_ref(spec, full=full)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "Web", "tag": "1"}, "name is 'Web', which has uppercase letters"),
        ({"repository": "library/Redis", "tag": "7"}, "repository is 'library/Redis', which has uppercase letters"),
        (
            {"registry": "ghcr.io", "owner": "Takeshi-Su57", "name": "web", "tag": "1"},
            "owner is 'Takeshi-Su57', which has uppercase letters",
        ),
        ({"registry": "GHCR.io", "owner": "a", "name": "web", "tag": "1"}, "registry is 'GHCR.io'"),
        ({"name": "web", "tag": "1", "digest": DIGEST.upper()}, "digest is"),
        ({"name": "web", "tag": "1", "digest": "sha256:abc"}, "digest is 'sha256:abc'"),
        ({"name": "web", "tag": "a b"}, "tag is 'a b'"),
        ({"name": "web", "tag": "latest\n"}, "tag is 'latest\\n'"),
        ({"name": "web", "tag": ""}, "tag is '' and digest is ''; give at least one of the two."),
        ({"name": "web"}, "tag is '' and digest is ''; give at least one of the two."),
        ({"name": "web", "tag": 7}, "tag is 7, not a string"),
        ({"name": "web", "tag": None, "digest": DIGEST}, "tag is None, not a string"),
        ({"name": "web/", "tag": "1"}, "name is 'web/'"),
        ({"registry": "https://ghcr.io", "owner": "a", "name": "web", "tag": "1"}, "registry is 'https://ghcr.io'"),
        ({"registry": "ghcr..io", "owner": "a", "name": "web", "tag": "1"}, "registry is 'ghcr..io'"),
        ({"registry": "ghcr.io", "name": "web", "tag": "1"}, "owner is empty"),
        ({"registry": "ghcr.io", "repository": "localhost:5000/x", "tag": "1"}, "name the registry in one of the two"),
        ({"tag": "1"}, "exactly one"),
        ({"name": "web", "repository": "web", "tag": "1"}, "exactly one"),
        ({"name": "web", "tag": "1", "pullPolicy": "Always"}, "pullPolicy is not a key"),
        ("luckyplans/web:latest", "the input is 'luckyplans/web:latest'"),
    ],
)
def test_refuses(spec: object, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        image_ref(spec)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("key", "wrong", "remedy"),
    [
        ("registry", "a b", "write it like ghcr.io."),
        ("owner", "a b", "write it like takeshi-su57."),
        ("localPrefix", "", "write it like luckyplans."),
        ("name", "a b", "write it like api-gateway."),
        ("repository", "a b", "write it like docker.io/library/redis."),
        # a tag may have capitals
        ("tag", "A b", "write it like sha-abc1234."),
        ("digest", "a b", "write it like sha256:<64 hex digits>."),
    ],
)
def test_what_is_wrong_is_said_once_with_an_example(key: str, wrong: str, remedy: str) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        image_ref({"name": "web", "tag": "1", key: wrong})
    assert str(error.value) == f"{key} is {wrong!r}, which cannot be part of an image reference; {remedy}"


def test_the_keys_that_there_are_are_named() -> None:
    with pytest.raises(AnsibleFilterError) as error:
        image_ref({"image": "web"})
    assert str(error.value) == "image is not a key of an image; use registry, owner, localPrefix, name, repository, tag, digest."


@pytest.mark.parametrize(
    "reference",
    ["redis", "redis:7", f"redis@{DIGEST}", f"redis:7@{DIGEST}", "docker.io/redis:8", "index.docker.io/library/redis:7-alpine"],
)
def test_all_versions_of_an_image_have_one_name(reference: str) -> None:
    assert _image_ref.repository(reference) == "docker.io/library/redis"


def test_the_port_of_a_registry_is_part_of_the_name() -> None:
    assert _image_ref.repository("r:5000/a/web:1") == _image_ref.repository(f"r:5000/a/web@{DIGEST}") == "r:5000/a/web"
    assert _image_ref.repository("r:5000/web:1") != _image_ref.repository("r:5000/worker:1")
