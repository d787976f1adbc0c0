# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _git

VALUES = (
    '# of CI\r\nweb:\r\n  image: {tag: "sha-a", "pull": always} # keep\r\n\r\n'
    'api:\r\n  image:\r\n    tag: &t sha-a   # and this\r\n  words: "Größe — ✓"\r\n'
)


def changed(text: str, **tags: str) -> str:
    return _git.replace_scalars(text, {f"{component}.image.tag": tag for component, tag in tags.items()}, "values.yaml")


def test_every_other_character_stays() -> None:
    expected = VALUES.replace('"sha-a"', "sha-bbb").replace("&t sha-a ", "&t sha-cc ")
    assert changed(VALUES, web="sha-bbb", api="sha-cc") == expected


@pytest.mark.parametrize("value", ["1.0", "123", "true", "null", "1e3", "0x1f", "2026-11-26", "a,b", "a: b", "[", "# no", "", "\u2713 ok"])
def test_a_value_that_yaml_would_take_for_something_else_is_quoted(value: str) -> None:
    for text in ("web: {image: {tag: sha-a}}\n", "web:\n  image:\n    tag: 'sha-a' # why\n"):
        assert _git.parse(changed(text, web=value), "values.yaml") == {"web": {"image": {"tag": value}}}


def test_a_tag_that_needs_no_quotes_has_none() -> None:
    assert changed("web: {image: {tag: 'x'}}\n", web="sha-4f0c2a0") == "web: {image: {tag: sha-4f0c2a0}}\n"


def test_an_empty_place_is_filled() -> None:
    assert changed("web:\n  image:\n    tag:\n", web="sha-b") == "web:\n  image:\n    tag: sha-b\n"


def test_what_an_anchor_shares_is_replaced_once() -> None:
    text = "web: {image: {tag: &all sha-a}}\napi: {image: {tag: *all}}\n"
    assert changed(text, web="sha-long", api="sha-long") == "web: {image: {tag: &all sha-long}}\napi: {image: {tag: *all}}\n"


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("web: {image: {tag: &all sha-a}}\napi: {image: {tag: *all}}\n", {"web": "sha-b", "api": "sha-c"}),
        ("web: {image: {tag: &all sha-a}}\napi: {image: {tag: *all}}\n", {"web": "sha-b"}),
        ("web: {image: {tag: sha-a}}\nweb: {image: {tag: sha-b}}\n", {"web": "sha-c"}),
    ],
)
def test_a_change_that_would_mean_something_else_is_refused(text: str, tags: dict[str, str]) -> None:
    with pytest.raises(_git.GitError, match=r"values.yaml .*Next: write each tag out once"):
        changed(text, **tags)


@pytest.mark.parametrize("text", ["web: {image: {}}\n", "web: {image: {tag: {}}}\n", "web: 1\n", "{}\n", "", "x: &d {tag: a}\nweb: {image: {<<: *d}}\n"])
def test_a_place_that_is_not_there_is_refused(text: str) -> None:
    with pytest.raises(_git.GitError, match=r"values.yaml has no web.image.tag, which is to become sha-b. Next: write it there once by hand"):
        changed(text, web="sha-b")


def test_values_are_merged_as_helm_does() -> None:
    layers = [{"a": {"x": 1, "y": 2}, "b": 1, "c": {"x": 1}}, {"a": {"y": None, "z": 3}, "b": None, "c": 5, "d": {"n": None}}]
    assert _git.merge(layers) == {"a": {"x": 1, "z": 3}, "c": 5, "d": {}}


def test_tags_are_of_components_that_have_one() -> None:
    values = {"web": {"image": {"tag": 1.5}}, "api": {"image": {"tag": ""}}, "image": {"tag": "x"}, "n": 1, "m": {"image": "x"}}
    assert _git.tags(values) == {"web": "1.5"}


@pytest.mark.parametrize(("text", "reason"), [("a: [", "is not YAML"), ("- a", "holds a list")])
def test_what_are_no_values_is_refused(text: str, reason: str) -> None:
    with pytest.raises(_git.GitError, match=f"v.yaml {reason}.*Next: mend it by a commit"):
        _git.parse(text, "v.yaml")
