# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""_helpers.tpl: image references, by the table of the design document and the filter image_ref beside the chart; labels; sizes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.luckyplans.platform.plugins.filter.image_ref import FilterModule
from charts import CHART_DIR, FIXED, Chart, Objects, load, merged
from hypothesis import given, settings
from hypothesis import strategies as st

DIGEST = "sha256:" + "0a" * 32

image_ref = FilterModule().filters()["image_ref"]

# registry, owner, localPrefix, tag, digest -> the image of api-gateway
TABLE = [
    (("", "takeshi-su57", "luckyplans", "latest", ""), "luckyplans/api-gateway:latest"),
    (("ghcr.io", "takeshi-su57", "luckyplans", "sha-abc1234", ""), "ghcr.io/takeshi-su57/api-gateway:sha-abc1234"),
    (("", "takeshi-su57", "luckyplans", "c-0123456789abcdef", ""), "luckyplans/api-gateway:c-0123456789abcdef"),
    (("", "takeshi-su57", "mine/apps", "latest", DIGEST), f"mine/apps/api-gateway:latest@{DIGEST}"),
    (("ghcr.io", "a/b.c__d", "luckyplans", "1.0.0", DIGEST), f"ghcr.io/a/b.c__d/api-gateway:1.0.0@{DIGEST}"),
    (("localhost:5000", "x", "luckyplans", "V1_rc.2-x", ""), "localhost:5000/x/api-gateway:V1_rc.2-x"),
    (("", "takeshi-su57", "luckyplans", "a" * 128, ""), f"luckyplans/api-gateway:{'a' * 128}"),
    (("", "takeshi-su57", "luckyplans", "", DIGEST), f"luckyplans/api-gateway@{DIGEST}"),
    (("ghcr.io", "takeshi-su57", "luckyplans", "", DIGEST), f"ghcr.io/takeshi-su57/api-gateway@{DIGEST}"),
]

REFUSED = [
    ("ghcr.io", "Takeshi-Su57", "luckyplans", "1", ""),
    ("GHCR.io", "takeshi-su57", "luckyplans", "1", ""),
    ("https://ghcr.io", "takeshi-su57", "luckyplans", "1", ""),
    ("ghcr.io/team", "takeshi-su57", "luckyplans", "1", ""),
    ("ghcr..io", "takeshi-su57", "luckyplans", "1", ""),
    ("ghcr.io:", "takeshi-su57", "luckyplans", "1", ""),
    ("ghcr.io", "", "luckyplans", "1", ""),
    ("", "takeshi-su57", "", "1", ""),
    ("", "takeshi-su57", "Luckyplans", "1", ""),
    ("", "takeshi-su57", "luckyplans/", "1", ""),
    ("", "takeshi-su57", "luckyplans", "a b", ""),
    ("", "takeshi-su57", "luckyplans", "-a", ""),
    ("", "takeshi-su57", "luckyplans", "a" * 129, ""),
    ("", "takeshi-su57", "luckyplans", "latest\n", ""),
    ("", "takeshi-su57", "luckyplans", 7, ""),
    ("", "takeshi-su57", "luckyplans", "1", "sha256:abc"),
    ("", "takeshi-su57", "luckyplans", "1", DIGEST.upper()),
]


def values(registry: str, owner: str, prefix: str, tag: object, digest: str) -> dict[str, Any]:
    return {
        "image": {"registry": registry, "owner": owner, "localPrefix": prefix},
        "apiGateway": {"image": {"tag": tag, "digest": digest}},
    }


def spec(registry: str, owner: str, prefix: str, tag: object, digest: str) -> dict[str, Any]:
    return {
        "registry": registry,
        "owner": owner,
        "localPrefix": prefix,
        "name": "api-gateway",
        "tag": tag,
        "digest": digest,
    }


def image_of(objects: Objects, name: str) -> str:
    return objects.one("Deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"]


@pytest.mark.parametrize(("row", "expected"), TABLE)
def test_chart_and_filter_render_the_same(chart: Chart, row: Any, expected: str) -> None:
    assert image_of(chart.render(values(*row)), "api-gateway") == expected
    assert image_ref(spec(*row)) == expected


@pytest.mark.parametrize("row", REFUSED)
def test_chart_and_filter_refuse_the_same(chart: Chart, row: Any) -> None:
    assert "the schema" in chart.refusal(values(*row))
    with pytest.raises(AnsibleFilterError):
        image_ref(spec(*row))


def test_the_filter_refuses_neither_tag_nor_digest_as_well() -> None:
    with pytest.raises(AnsibleFilterError, match="tag is '' and digest is ''"):
        image_ref({"repository": "redis", "tag": "", "digest": ""})


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "redis:7-alpine"),
        ({"repository": "registry.example.org:5000/redis", "tag": "8.2"}, "registry.example.org:5000/redis:8.2"),
        ({"digest": DIGEST}, f"redis:7-alpine@{DIGEST}"),
        ({"tag": "", "digest": DIGEST}, f"redis@{DIGEST}"),
    ],
)
def test_redis(chart: Chart, image: dict[str, str], expected: str) -> None:
    objects = chart.render({"image": {"registry": "ghcr.io"}, "redis": {"image": image}})
    assert image_of(objects, "redis") == expected
    assert image_ref({"repository": "redis", "tag": "7-alpine"} | image) == expected


def test_each_application_has_its_own_tag(chart: Chart) -> None:
    tags = {"web": "web", "apiGateway": "api-gateway", "serviceCore": "service-core"}
    objects = chart.render({value: {"image": {"tag": f"of-{name}"}} for value, name in tags.items()})
    for name in tags.values():
        assert image_of(objects, name) == f"luckyplans/{name}:of-{name}"


def test_pull_policy_and_secrets(chart: Chart) -> None:
    objects = chart.render({"image": {"pullPolicy": "Always", "pullSecrets": ["one", "two"]}})
    for name, template in objects.pod_templates().items():
        assert template["spec"]["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
        # A public image by a fixed tag: asking its registry at every start would only meet its rate limit.
        expected = "IfNotPresent" if name == "redis" else "Always"
        assert template["spec"]["containers"][0]["imagePullPolicy"] == expected


# --- Labels and sizes -------------------------------------------------------------------------------------------------


def test_labels(objects: Objects) -> None:
    for item in objects:
        labels = item["metadata"]["labels"]
        assert labels["helm.sh/chart"] == "luckyplans-0.2.0"
        assert labels["app.kubernetes.io/instance"] == "luckyplans"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"


def test_a_new_chart_version_rolls_no_pod(chart: Chart, profile: Path, tmp_path: Path) -> None:
    copy = tmp_path / "luckyplans"
    shutil.copytree(chart.path, copy)
    metadata = (copy / "Chart.yaml").read_text()
    (copy / "Chart.yaml").write_text(metadata.replace("version: 0.2.0\n", "version: 9.0.0+abcdef0123456789\n"))
    before = chart.render(FIXED, file=profile)
    after = chart.at(copy).render(FIXED, file=profile)
    assert after.one("Deployment", "web")["metadata"]["labels"]["helm.sh/chart"] == "luckyplans-9.0.0_abcdef0123456789"
    assert after.pod_templates() == before.pod_templates()
    for name, template in after.pod_templates().items():
        assert "helm.sh/chart" not in template["metadata"]["labels"], name


@pytest.mark.parametrize(
    ("size", "number"),
    [("2", 2), ("0.5", 0.5), ("250m", 0.25), ("3k", 3e3), ("1.5Gi", 1.5 * 2**30), ("2G", 2e9), ("96mb", 96 * 2**20), ("64kb", 2**16), ("1Ti", 2**40)],
)
def test_sizes(chart: Chart, tmp_path: Path, size: str, number: float) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: sizes, version: 0.1.0}")
    (tmp_path / "templates" / "size.yaml").write_text('number: {{ include "luckyplans.number" .Values.size | float64 }}')
    shutil.copy(CHART_DIR / "templates" / "_helpers.tpl", tmp_path / "templates")
    (found,) = chart.at(tmp_path).render({"size": size})
    assert float(found["number"]) == number


# --- Generated cases --------------------------------------------------------------------------------------------------


def joined(separators: str, most: int) -> st.SearchStrategy[str]:
    """Words with separators between them; Hypothesis' from_regex is ten times slower."""
    more = st.tuples(st.sampled_from(separators.split()), st.sampled_from(["a", "7", "b0", "web"])).map("".join)
    return st.builds("{}{}".format, st.sampled_from(["x", "0", "lucky"]), st.lists(more, max_size=most).map("".join))


PATHS = joined("/ . _ __ - --", 5)
HOSTS = st.builds("{}{}".format, joined(". - --", 3), st.sampled_from(["", ":5000", ":1"]))
# What may stand at each key of an image.
PARTS = {
    "registry": st.just("") | HOSTS,
    "owner": PATHS,
    "localPrefix": PATHS,
    "name": PATHS,
    "repository": PATHS | st.builds("{}/{}".format, HOSTS, PATHS),
    "tag": st.just("") | st.builds("{}{}".format, st.sampled_from("aZ0_"), st.text("aZ0_.-", max_size=5)),
    "digest": st.sampled_from(["", DIGEST]),
}
SPECS = st.one_of(
    st.fixed_dictionaries({key: PARTS[key] for key in ("registry", "owner", "localPrefix", "name", "tag", "digest")}),
    st.fixed_dictionaries({key: PARTS[key] for key in ("repository", "tag", "digest")}),
).filter(lambda spec: spec["tag"] or spec["digest"])

# Calls the chart's own helpers as its templates do, for one case after the other.
CASES_TEMPLATE = """
{{- $references := list }}
{{- range .Values.cases }}
{{- $reference := "" }}
{{- if .name }}
{{- $reference = include "luckyplans.image" (dict "root" (dict "Values" (dict "image" .)) "name" .name "image" .) }}
{{- else }}
{{- $reference = include "luckyplans.reference" (dict "repository" .repository "image" .) }}
{{- end }}
{{- $references = append $references $reference }}
{{- end }}
references: {{ $references | toJson }}
"""


def rendered(chart: Chart, folder: Path, specs: list[dict[str, str]]) -> list[str]:
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("{apiVersion: v2, name: cases, version: 0.1.0}")
    (folder / "templates" / "cases.yaml").write_text(CASES_TEMPLATE)
    shutil.copy(CHART_DIR / "templates" / "_helpers.tpl", folder / "templates")
    (found,) = chart.at(folder).render({"cases": specs})
    return found["references"]


def test_chart_and_filter_render_the_same_for_generated_images(chart: Chart, tmp_path: Path) -> None:
    specs: list[dict[str, str]] = []

    # Only drawn here: one Helm renders them all.
    @settings(max_examples=600, deadline=None, database=None)
    @given(SPECS)
    def draw(spec: dict[str, str]) -> None:
        specs.append(spec)

    draw()
    for key, wanted in {
        "registry": ("", ".", ":", "-"),
        "owner": ("/", ".", "_", "__", "-", "--"),
        "localPrefix": ("/",),
        "name": ("/",),
        "repository": ("/", ":", ".", "_", "__", "-", "--"),
    }.items():
        drawn = [spec[key] for spec in specs if key in spec]
        for part in wanted:
            assert any(part in value if part else not value for value in drawn), f"no generated {key} has {part!r}"
    assert {(bool(spec["tag"]), bool(spec["digest"])) for spec in specs} == {(True, False), (False, True), (True, True)}

    pairs = zip(specs, rendered(chart, tmp_path, specs), map(image_ref, specs), strict=True)
    different = [pair for pair in pairs if pair[1] != pair[2]]
    assert not different, f"{len(different)} of {len(specs)}, the shortest: {min(different, key=lambda pair: len(pair[1]))}"


# Where Python's $ also matches before a newline at the end, Helm's does not.
SCHEMA = jsonschema.Draft202012Validator(json.loads((CHART_DIR / "values.schema.json").read_text().replace('$"', r'\\Z"')))
DEFAULTS = load(CHART_DIR / "values.yaml")
STRAY = st.sampled_from(["", *"aZ0._-/:@ \n\u00e9", "..", "//"])


def accepted(spec: dict[str, str]) -> bool:
    try:
        image_ref(spec)
    except AnsibleFilterError:
        return False
    return True


@pytest.mark.parametrize("key", ["registry", "owner", "localPrefix", "repository", "tag", "digest"])
def test_schema_and_filter_accept_the_same(key: str) -> None:
    """One value of an image that is right otherwise: right itself, or with a stray character in each of its places."""
    base = {"repository": "redis"} if key == "repository" else {"registry": "ghcr.io", "owner": "a", "name": "api-gateway"}
    base |= {"tag": "1", "digest": DIGEST}
    answers: set[bool] = set()

    @settings(max_examples=120, deadline=None, database=None)
    @given(PARTS[key], STRAY)
    def compare(right: str, stray: str) -> None:
        for place in range(len(right) + 1):
            value = right[:place] + stray + right[place:]
            image = {"image": {key: value}}
            answer = accepted(base | image["image"])
            assert answer == SCHEMA.is_valid(merged(DEFAULTS, {"redis": image} if key in ("repository", "tag", "digest") else image)), value
            answers.add(answer)

    compare()
    assert answers == {True, False}
