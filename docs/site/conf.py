# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation as a site, which scripts/docs builds with Sphinx.

The repository is the source folder, so that pages stand where GitHub shows them, and a link has the same meaning there and here.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path, PurePosixPath

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
REFERENCE = "docs/reference"  # where scripts/docs puts the pages that antsibull-docs makes
LISTED = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
FILES = {PurePosixPath(name) for name in subprocess.run(LISTED, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0") if name}
FOLDERS = {parent for name in FILES for parent in name.parents}
LOG = logging.getLogger(__name__)

project = f"{GALAXY['namespace']}.{GALAXY['name']}"
author = copyright = ", ".join(GALAXY["authors"])
version = release = GALAXY["version"]
extensions = ["myst_parser", "sphinx_antsibull_ext", "sphinxcontrib.mermaid"]
root_doc = "README"
include_patterns = ["README.md", "CONTRIBUTING.md", "docs/*.md", "docs/adr/*.md", f"{REFERENCE}/*.rst"]
# only so that nobody walks through them: .venv leads back into the repository
exclude_patterns = [".*", "**/node_modules", "docs/_build"]
nitpicky = True  # a reference to nothing is a warning, and scripts/docs makes every warning an error
myst_heading_anchors = 6
myst_fence_as_directive = ["mermaid"]  # drawn in the browser, as GitHub does
highlight_language = "text"  # a block without a language is output, not Python
html_theme = "sphinx_rtd_theme"
html_title = f"{project} {release}"
html_copy_source = False
html_use_index = False

BRANCH = f"{GALAXY['repository']}/{{}}/main/{{}}"
ANSIBLE = "https://docs.ansible.com/projects/ansible/latest/"
# what antsibull-docs refers to in Ansible's own documentation, whose index is not to be had without the network
PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
OTHERS = re.compile(rf"ansible_collections\.(?!{re.escape(project)}\.)(\w+)\.(\w+)\.(\w+?_[a-z]+)(?:__(.+))?")


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Lists of pages: Markdown as GitHub reads it has none. The order is that of the index for people."""
    if docname == "README":
        index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
        pages = [f"docs/{page}" for page in dict.fromkeys(re.findall(r"\]\(([\w-]+)\.md", index))]
        source[0] += toctree("hidden", "titlesonly", "caption: How to", pages=["docs/README", *pages])
        reference = [f"Roles, modules and plugins <{REFERENCE}/index>", f"Environment variables <{REFERENCE}/environment_variables>"]
        source[0] += toctree("hidden", "titlesonly", "caption: Reference", pages=reference)
        source[0] += toctree("hidden", "titlesonly", "caption: Project", pages=["docs/adr/README", "CONTRIBUTING"])
    elif docname == "docs/adr/README":
        source[0] += toctree("glob", pages=["[0-9]*"])


def toctree(*options: str, pages: list[str]) -> str:
    return "\n\n```{toctree}\n" + "\n".join([*(f":{option}" if ":" in option else f":{option}:" for option in options), "", *pages]) + "\n```\n"


class AimLinks(SphinxTransform):
    """Links to what is no page of the site lead to a role's page or to the repository, and to nothing else."""

    # before links to headings of the same page look like those to folders
    default_priority = 500

    def apply(self, **_others: object) -> None:
        for kind in (addnodes.pending_xref, addnodes.download_reference):
            for node in list(self.document.findall(kind)):
                if node.get("reftype") == "myst":
                    aim(self.env, node)


def aim(env: BuildEnvironment, node: nodes.Element) -> None:
    target, _, anchor = node["reftarget"].partition("#")
    if node.get("refdomain") == "doc":  # Markdown, known by its path without the ending
        path, anchor = PurePosixPath(f"{target}.md"), node["reftargetid"] or ""
    else:
        path = PurePosixPath(env.relfn2path(target, node["refdoc"])[0])
    readme = (path / "README").as_posix()  # a folder is its README, as on GitHub
    page = path.with_suffix("").as_posix() if path.suffix == ".md" else readme
    role = re.fullmatch(r"roles/(\w+)/README\.md", path.as_posix())
    if role and path in FILES and not anchor:
        page = f"{REFERENCE}/{role[1]}_role"
    if page in env.found_docs:
        attributes = {**node.attributes, "refdomain": "doc", "reftarget": page, "reftargetid": anchor}
        node.replace_self(addnodes.pending_xref("", *node.children, **attributes))
    elif path in FILES or path in FOLDERS:
        address = BRANCH.format("blob" if path in FILES else "tree", path) + (f"#{anchor}" if anchor else "")
        node.replace_self(nodes.reference("", "", *node.children, refuri=address, internal=False))
    else:
        LOG.warning("the link leads to %s, which is not in the repository", path, location=node)
        node.replace_self(node.children)


def find_elsewhere(app: Sphinx, env: BuildEnvironment, node: nodes.Element, content: nodes.Element) -> nodes.reference | None:
    """References to Ansible itself and to other collections."""
    other = OTHERS.fullmatch(node["reftarget"])
    page = PAGES.get(node["reftarget"])
    if other:
        namespace, name, plugin, part = other.groups()
        page = f"collections/{namespace}/{name}/{plugin}.html" + (f"#{part.replace('__', '--')}" if part else "")
    return nodes.reference("", "", content, refuri=ANSIBLE + page, internal=False) if page else None


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_contents)
    app.add_transform(AimLinks)
    app.connect("missing-reference", find_elsewhere)
