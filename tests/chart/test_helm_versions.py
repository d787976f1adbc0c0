# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest Helm 3 that the chart is for, beside the Helm that all other tests use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from charts import CHART_DIR, FIXED, Chart
from modules import HELM3, Missing, helm3


@pytest.fixture(scope="session")
def older(helm_env: dict[str, str]) -> Chart:
    try:
        return Chart(str(helm3()), helm_env)
    except Missing as missing:
        pytest.skip(f"no Helm {HELM3}: {missing}")


def test_it_is_the_oldest_that_the_readme_names(older: Chart) -> None:
    minor = HELM3.rpartition(".")[0]
    assert f"Helm {minor} or newer" in (CHART_DIR / "README.md").read_text()
    assert f"helm.sh/helm/v3 v{HELM3}" in (Path(__file__).parent / "helm3" / "go.mod").read_text()
    done = older.run("template", "x", str(CHART_DIR), "--debug")
    assert done.returncode == 0


def test_both_render_the_same_documents_to_the_byte(chart: Chart, older: Chart, profile: Path) -> None:
    values = {} if "prod" in profile.name or "create: false" in profile.read_text() else FIXED
    # They put different blank lines between the documents, and nothing else.
    documents = [[text.strip() for text in each.text(values, file=profile).split("---\n")] for each in (older, chart)]
    assert documents[0] == documents[1]
    assert len(documents[0]) > 5


def test_both_lint(older: Chart, profile: Path) -> None:
    done = older.run("lint", "--strict", str(older.path), "--values", str(profile))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"imgae": {}}, "imgae"),
        ({"web": {"replicas": -1}}, "web/replicas"),
        ({"web": {"image": {"tag": "a b"}}}, "web/image/tag"),
        ({"ingress": {"tls": {"enabled": True}}}, "ingress.host is empty"),
        ({"config": {"nodeEnv": "production"}}, "secrets.create is true"),
    ],
)
def test_both_refuse_by_name(chart: Chart, older: Chart, values: dict[str, Any], named: str) -> None:
    for each in (older, chart):
        assert re.search(re.escape(named).replace("/", "[./]"), each.refusal(values))
