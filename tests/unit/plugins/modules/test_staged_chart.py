# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.luckyplans.platform.plugins.modules import staged_chart

DESCRIPTION = """\
# The chart of the application
apiVersion: v2
name: luckyplans
version: 0.1.0  # of the chart
appVersion: "1.0"
dependencies:
  - name: other
    version: 2.0.0
"""
LABEL = 'helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}\n'


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    root = tmp_path / "chart"
    for name, content in {
        "Chart.yaml": DESCRIPTION,
        "values.yaml": "a: 1\n",
        "templates/_helpers.tpl": LABEL,
        "templates/web/deployment.yaml": "kind: Deployment\n",
        ".helmignore": "ci/\n",
        "ci/test-values.yaml": "a: 2\n",
        "templates/tests/smoke.yaml": "kind: Job\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.fixture
def run(tmp_path: Path, chart: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def call(check: bool = False, **options: Any) -> dict[str, Any]:
        given = {"chart": str(chart), "dest": str(tmp_path / "stages"), **options}
        capsys.readouterr()
        with patch_module_args({**given, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            staged_chart.main()
        return json.loads(capsys.readouterr().out)

    return call


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_the_copy_differs_in_the_version_line_only(run: Any, chart: Path, tmp_path: Path) -> None:
    result = run()
    assert result["changed"] is False
    assert result["name"] == "luckyplans"
    assert result["version"] == f"0.1.0+{result['hash']}"
    assert result["path"] == str(tmp_path / "stages" / f"luckyplans-{result['hash']}")
    assert len(result["hash"]) == 12
    expected = contents(chart)
    expected["Chart.yaml"] = DESCRIPTION.replace("version: 0.1.0 ", f"version: {result['version']} ")
    assert contents(Path(result["path"])) == expected
    assert run() == result
    assert os.listdir(tmp_path / "stages") == [f"luckyplans-{result['hash']}"]


def test_check_mode_makes_the_copy_too(run: Any) -> None:
    assert Path(run(check=True)["path"], "Chart.yaml").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "templates/web/deployment.yaml").write_text("kind: Deployment\n#\n"),
        lambda root: (root / "values.yaml").unlink(),
        lambda root: (root / "new.yaml").write_text(""),
        lambda root: (root / "Chart.yaml").write_text(DESCRIPTION.replace("0.1.0", "0.2.0")),
        lambda root: (root / "values.yaml").rename(root / "valuez.yaml"),
    ],
)
def test_every_change_of_a_file_changes_the_version(run: Any, chart: Path, change: Callable[[Path], Any]) -> None:
    before = run()
    change(chart)
    after = run()
    assert after["version"] != before["version"]
    assert after["path"] != before["path"]


def test_touching_a_file_changes_nothing(run: Any, chart: Path) -> None:
    before = run()
    os.utime(chart / "values.yaml", (1, 1))
    assert run() == before


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("version: 0.1.0", "version: 0.1.0+HASH"),
        ('version: "0.1.0"', 'version: "0.1.0+HASH"'),
        ("version:   '0.1.0'   # comment", "version:   '0.1.0+HASH'   # comment"),
        ("version: 0.1.0-rc.1", "version: 0.1.0-rc.1+HASH"),
        ("version: 0.1.0+build.5", "version: 0.1.0+build.5.HASH"),
        ("version: v1.2.3", "version: v1.2.3+HASH"),
        ("version: 0.1.0\r", "version: 0.1.0+HASH\r"),
    ],
)
def test_the_version_line_keeps_its_form(run: Any, chart: Path, line: str, expected: str) -> None:
    text = f"name: 'luckyplans' # x\n{line}\nappVersion: 1\n"
    (chart / "Chart.yaml").write_bytes(text.encode())
    result = run()
    copy = Path(result["path"], "Chart.yaml").read_bytes().decode()
    assert copy == text.replace(line, expected.replace("HASH", result["hash"]))


@pytest.mark.parametrize(
    ("version", "expected"),
    [("0.1.0", "0.1.0-hHASH"), ("0.1.0-rc.1", "0.1.0-rc.1.hHASH"), ("0.1.0+build", "0.1.0-hHASH")],
)
@pytest.mark.parametrize(
    "template",
    [
        'helm.sh/chart: "{{ .Chart.Name }}-{{ .Chart.Version }}"',
        'helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | trunc 63 }}',
        '{{- /* a label */ -}}\n{{- define "x" -}}\n{{ .Chart.Version\n  | quote }}\n{{- end }}',
    ],
)
def test_where_a_template_writes_the_version_as_it_is_no_plus_gets_in(
    run: Any, chart: Path, version: str, expected: str, template: str
) -> None:
    (chart / "Chart.yaml").write_text(DESCRIPTION.replace("0.1.0", version))
    (chart / "templates" / "_helpers.tpl").write_text(template)
    result = run()
    assert result["version"] == expected.replace("HASH", result["hash"])


@pytest.mark.parametrize(
    "template", [LABEL, "{{/* .Chart.Version */}}", "{{ .Chart.AppVersion }}", "{{ .Chart.Version | replace '+' '_' }}"]
)
def test_a_version_that_is_made_fit_for_labels_may_have_a_plus(run: Any, chart: Path, template: str) -> None:
    (chart / "templates" / "_helpers.tpl").write_text(template)
    (chart / "NOTES.txt").write_text("{{ .Chart.Version }}")
    assert "+" in run()["version"]


def test_the_newest_three_copies_are_kept(run: Any, chart: Path, tmp_path: Path) -> None:
    stages = tmp_path / "stages"
    (stages / "luckyplans-worker-0123456789ab").mkdir(parents=True)
    (stages / "luckyplans-notes").mkdir()
    paths = []
    for number in range(5):
        (chart / "values.yaml").write_text(f"a: {number}\n")
        paths.append(Path(run()["path"]))
        os.utime(paths[-1], (time.time() - 100 + number, time.time() - 100 + number))
    assert [path.exists() for path in paths] == [False, False, True, True, True]
    (chart / "values.yaml").write_text("a: 2\n")
    run()
    (chart / "values.yaml").write_text("a: 9\n")
    run()
    assert [path.exists() for path in paths] == [False, False, True, False, True]
    assert (stages / "luckyplans-worker-0123456789ab").exists()
    assert (stages / "luckyplans-notes").exists()
    assert not [name for name in os.listdir(stages) if name.startswith(".")]


def test_a_damaged_copy_is_made_again(run: Any, chart: Path) -> None:
    result = run()
    copy = Path(result["path"])
    (copy / "values.yaml").write_text("edited by hand\n")
    (copy / "extra.yaml").write_text("")
    assert run() == result
    assert (copy / "values.yaml").read_text() == "a: 1\n"
    assert not (copy / "extra.yaml").exists()


def test_links_are_followed_and_programs_stay_programs(run: Any, chart: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "common.tpl").write_text("common")
    (chart / "templates" / "shared").symlink_to(tmp_path / "shared")
    (chart / "hook.sh").write_text("#!/bin/sh\n")
    (chart / "hook.sh").chmod(0o755)
    copy = Path(run()["path"])
    assert (copy / "templates" / "shared" / "common.tpl").read_text() == "common"
    assert not (copy / "templates" / "shared").is_symlink()
    assert os.access(copy / "hook.sh", os.X_OK)
    assert not os.access(copy / "values.yaml", os.X_OK)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda root: (root / "Chart.yaml").unlink(), "has no Chart.yaml; name the directory of a chart"),
        (lambda root: (root / "Chart.yaml").write_text("name: x\n"), "has no line 'version: ...'"),
        (lambda root: (root / "Chart.yaml").write_text("version: 1.0.0\n"), "has no line 'name: ...'"),
        (lambda root: (root / "gone").symlink_to("nowhere"), "cannot be read: No such file or directory"),
        (lambda root: (root / "loop").symlink_to("."), "has a link that leads back into it|cannot be read: Too many"),
    ],
)
def test_a_chart_that_cannot_be_staged_is_told_in_a_sentence(run: Any, chart: Path, change: Any, words: str) -> None:
    change(chart)
    result = run()
    assert result["failed"] is True
    assert any(part in result["msg"] for part in words.split("|"))


def test_a_dest_that_cannot_be_is_told_in_a_sentence(run: Any, chart: Path, tmp_path: Path) -> None:
    assert "lies in the chart" in run(dest=str(chart / "stages"))["msg"]
    (tmp_path / "file").write_text("")
    assert "cannot be written" in run(dest=str(tmp_path / "file"))["msg"]
