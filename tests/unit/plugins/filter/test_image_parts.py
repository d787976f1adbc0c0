# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.luckyplans.platform.plugins.filter import image_parts as parts_filter
from ansible_collections.luckyplans.platform.plugins.filter import image_ref as ref_filter
from hypothesis import given, settings
from hypothesis import strategies as st

DIGEST = "sha256:" + "0a" * 32

image_parts = parts_filter.FilterModule().filters()["image_parts"]
image_ref = ref_filter.FilterModule().filters()["image_ref"]


@pytest.mark.parametrize(
    ("reference", "registry", "repository", "tag", "digest"),
    [
        ("redis:7", "", "redis", "7", ""),
        ("luckyplans/web:latest", "", "luckyplans/web", "latest", ""),
        ("ghcr.io/a/b:1", "ghcr.io", "a/b", "1", ""),
        (f"ghcr.io/a/b:1@{DIGEST}", "ghcr.io", "a/b", "1", DIGEST),
        (f"redis@{DIGEST}", "", "redis", "", DIGEST),
        ("index.docker.io/x/y:1", "index.docker.io", "x/y", "1", ""),
        ("localhost/x:1", "localhost", "x", "1", ""),
        ("localhost:5000/x:1", "localhost:5000", "x", "1", ""),
        (f"registry:5000/a/b/c@{DIGEST}", "registry:5000", "a/b/c", "", DIGEST),
        # without a slash there is no registry, whatever it looks like
        ("localhost:5000", "", "localhost", "5000", ""),
        ("ghcr.io:1", "", "ghcr.io", "1", ""),
        ("a__b/c--d.e:X_1.2-", "", "a__b/c--d.e", "X_1.2-", ""),
    ],
)
def test_parts_and_back(reference: str, registry: str, repository: str, tag: str, digest: str) -> None:
    parts = image_parts(reference)
    assert parts == {"registry": registry, "repository": repository, "tag": tag, "digest": digest}
    assert image_ref(parts) == reference


@pytest.mark.parametrize("reference", ["redis", "localhost:5000/x", "ghcr.io/a/b"])
def test_no_tag_is_an_empty_tag(reference: str) -> None:
    assert (image_parts(reference)["tag"], image_parts(reference)["digest"]) == ("", "")


@settings(max_examples=200, deadline=None, database=None)
@given(
    registry=st.sampled_from(["", "ghcr.io/", "localhost/", "r:5000/", "a-b.example.org:1/"]),
    words=st.lists(st.sampled_from(["a", "0", "web", "a__b", "a-b", "a--b"]), min_size=1, max_size=4),
    end=st.sampled_from([":1", ":V1_rc.2-x", f"@{DIGEST}", f":1@{DIGEST}"]),
)
def test_any_reference_comes_back(registry: str, words: list[str], end: str) -> None:
    reference = f"{registry}{'/'.join(words)}{end}"
    assert image_ref(image_parts(reference)) == reference


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("Redis:7", "'Redis:7' has uppercase letters outside its tag; write them in lower case."),
        ("GHCR.io/a/b:1", "'GHCR.io/a/b:1' has uppercase letters outside its tag"),
        (f"redis@{DIGEST.upper()}", "has uppercase letters outside its tag"),
        (DIGEST, f"'{DIGEST}' is the id of an image, not a reference; give its name"),
        ("sha256:0a1b2c", "'sha256:0a1b2c' is the id of an image"),
        ("0a" * 32, "is the id of an image"),
        ("", "'' cannot be read as an image reference; write it like ghcr.io/takeshi-su57/api-gateway:sha-abc1234."),
        ("https://ghcr.io/a/b:1", "'https://ghcr.io/a/b:1' cannot be read"),
        ("a:", "'a:' cannot be read"),
        ("a@", "'a@' cannot be read"),
        ("a@sha256:0a", "'a@sha256:0a' cannot be read"),
        ("a:1:2", "'a:1:2' cannot be read"),
        ("a: 1", "'a: 1' cannot be read"),
        ("a:1\n", "'a:1\\n' cannot be read"),
        ("/a:1", "'/a:1' cannot be read"),
        ("a//b:1", "'a//b:1' cannot be read"),
        ("ghcr.io/:1", "'ghcr.io/:1' cannot be read"),
        ("ghcr..io/a:1", "'ghcr..io/a:1' cannot be read"),
        ("ghcr.io/b:5000/c:1", "'ghcr.io/b:5000/c:1' cannot be read"),
        # a host by its dot, but no host has an underscore
        ("a_b.c/x:1", "'a_b.c/x:1' cannot be read"),
        ("a:\u00e9", "cannot be read"),
        (7, "the input is 7; give a reference in quotes"),
        (None, "the input is None; give a reference in quotes"),
    ],
)
def test_refuses(reference: object, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        image_parts(reference)
    assert message in str(error.value)


def test_what_is_wrong_is_said_once_and_nothing_else() -> None:
    with pytest.raises(AnsibleFilterError) as error:
        image_parts("Redis:7")
    assert str(error.value) == "'Redis:7' has uppercase letters outside its tag; write them in lower case."
