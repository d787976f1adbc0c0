# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""scripts/docs and docs/site/conf.py: where links of the site lead, and that one to nothing is told by its place."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
REPOSITORY = "https://github.com/luckyplans/platform"
ELSEWHERE = ":ref:`common_return_values` :ref:`x <ansible_collections.other.one.thing_module__return-it>`"
PAGES = {
    ".gitignore": "/docs/reference/\n/made.txt\n",
    "made.txt": "not of the repository",
    "site.yml": "---\n",
    "README.md": "# Start\n\n[index](docs/README.md)\n",
    "CONTRIBUTING.md": "# Change\n",
    "SECURITY.md": "# Security\n",
    "docs/README.md": "# Index\n\n[page](page.md) [decisions](adr)\n",
    "docs/adr/README.md": "# Decisions\n",
    "docs/adr/0001-one.md": "# 1. One\n\n[another](../page.md#its-part)\n",
    "roles/tls/README.md": "# tls\n\n## Variables\n",
    "docs/reference/index.rst": "Reference\n=========\n\n.. toctree::\n\n   tls_role\n",
    "docs/reference/environment_variables.rst": f"Variables\n=========\n\n{ELSEWHERE}\n",
    "docs/reference/tls_role.rst": "tls role\n========\n",
}


@pytest.fixture
def script(program: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = program("scripts/docs")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "SITE", tmp_path / "site")
    return module


@pytest.fixture
def build(tmp_path: Path) -> Callable[[str], tuple[str, list[str]]]:
    """Builds a small repository with a page of these lines: what Sphinx warns of, and addresses of the links of the page."""

    def build_(content: str) -> tuple[str, list[str]]:
        for name, text in {**PAGES, "docs/page.md": f"# Page\n\n## Its part\n\n{content}\n"}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        shutil.copytree(ROOT / "docs/site", tmp_path / "docs/site", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "galaxy.yml", tmp_path)
        subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
        argv = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-c", "docs/site", "-d", "out/trees", ".", "out/html"]
        said = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True).stderr
        body = (tmp_path / "out/html/docs/page.html").read_text().partition('itemprop="articleBody"')[2].partition("<footer>")[0]
        return said, re.findall(r'<a class="reference [^"]*" href="([^"]+)"', body)

    return build_


def test_links_lead_to_pages_and_to_files_of_the_repository(build: Callable[[str], tuple[str, list[str]]], tmp_path: Path) -> None:
    links = ("adr/0001-one.md", "adr", "../README.md", "#its-part", "../roles/tls/README.md", "../roles/tls/README.md#variables", "../roles", "../site.yml",
             "../SECURITY.md#security")
    said, found = build("\n".join(f"- [x]({link})" for link in links))
    assert said == ""
    assert found == [
        "adr/0001-one.html", "adr/README.html", "../README.html", "#its-part", "reference/tls_role.html",
        f"{REPOSITORY}/blob/main/roles/tls/README.md#variables", f"{REPOSITORY}/tree/main/roles", f"{REPOSITORY}/blob/main/site.yml",
        f"{REPOSITORY}/blob/main/SECURITY.md#security",
    ]
    elsewhere = (tmp_path / "out/html/docs/reference/environment_variables.html").read_text()
    assert "latest/reference_appendices/common_return_values.html" in elsewhere
    assert "latest/collections/other/one/thing_module.html#return-it" in elsewhere


def test_link_to_nothing_is_told_by_its_line(build: Callable[[str], tuple[str, list[str]]]) -> None:
    nothing = {
        "pages.md": "the link leads to docs/pages.md, which is not in the repository",
        "../roles/tsl/README.md": "the link leads to roles/tsl/README.md, which is not in the repository",
        "../made.txt": "the link leads to made.txt, which is not in the repository",
        "../sites.yml": "the link leads to sites.yml, which is not in the repository",
        "../../beside": "the link leads to ../beside, which is not in the repository",
        "adr/0001-one.md#two": "local id not found in doc 'docs/adr/0001-one': 'two' [myst.xref_missing]",
        "#two": "'myst' cross-reference target not found: 'two' [myst.xref_missing]",
        "#adr": "'myst' cross-reference target not found: 'adr' [myst.xref_missing]",
    }
    said, _found = build("\n\n".join(f"[x]({link})" for link in nothing))
    told = re.findall(r"/docs/page\.md:(\d+): WARNING: (.*)\n", said)
    assert sorted(told) == sorted((str(5 + 2 * number), message) for number, message in enumerate(nothing.values()))
    assert len(said.splitlines()) == len(told)


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        ({"README.html": '<a href="docs/a.html#x">', "docs/a.html": '<p id="x"><a href="../README.html"><a href="https://example.org/b"><a href="#">'}, []),
        ({"README.html": '\n<a href="a.html">'}, ["site/README.html:2: the link a.html leads to nothing"]),
        ({"README.html": '<a href="#x">'}, ["site/README.html:1: the link #x leads to nothing"]),
        ({"README.html": '<img src="a.png">'}, ["site/README.html:1: the link a.png leads to nothing"]),
        ({"README.html": "", "a.html": '<a href="b.html">', "b.html": '<a href="a.html">', "search.html": ""},
         ["site/a.html: no link leads here", "site/b.html: no link leads here"]),
    ],
)
def test_pages_are_looked_at(script: ModuleType, pages: dict[str, str], found: list[str]) -> None:
    for name, content in pages.items():
        (script.SITE / name).parent.mkdir(parents=True, exist_ok=True)
        (script.SITE / name).write_text(content)
    assert script.look_at_links() == found


def test_markup_that_is_none_is_told(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "REFERENCE", tmp_path / "reference")
    page = 'A :strong:`ERROR while parsing`\\ : While parsing "M(x)" at index 1: no FQCN\n'
    monkeypatch.setattr(script, "run", lambda *_argv: (tmp_path / "reference/a_module.rst").write_text(page))
    with pytest.raises(SystemExit, match=r'^reference/a_module\.rst: While parsing "M\(x\)" at index 1: no FQCN\n'):
        script.make_reference()
