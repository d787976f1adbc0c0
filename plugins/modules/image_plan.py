#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_plan
short_description: Tell which images an application repository builds, and which of them are built already
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Every C(apps/<name>/Dockerfile) of the repository is an image, with the repository's root as build context. Its tag
    is made from a hash of everything that can change it, so whether it has to be built is known without building.
  - The hash covers the Dockerfile; of the build context what the Dockerfile reads after C(.dockerignore), that is
    contents, permissions, names and targets of links; the build arguments; the platform; and the identity of each base
    image.
  - Where a Dockerfile does not say plainly what it reads, all of the context counts.
  - A base image counts by its label C(io.luckyplans.recipe) where Docker has it with that label, and by its reference
    otherwise.
options:
  source_dir:
    description: The application repository.
    type: path
    required: true
  chart_dir:
    description: The application's Helm chart.
    type: path
    required: true
  values:
    description: Chart values from the inventory, merged over those of O(values_files).
    type: dict
    default: {}
  values_files:
    description: Files of chart values, the later ones winning; by default C(values.yaml) in O(chart_dir).
    type: list
    elements: path
  name_prefix:
    description: What stands before the name of an image.
    type: str
    default: luckyplans
  registry:
    description:
      - Registry and path that the cluster pulls from, such as V(registry.example.org/team); it takes the place of
        O(name_prefix). Empty where images go straight into the nodes.
      - RV(chart_values) then says so as C(image.registry) and C(image.owner).
    type: str
    default: ""
  mirror:
    description:
      - Whether the images that nobody builds have to be in O(registry) too, for a cluster that cannot get them elsewhere.
        They are those that the chart's values name as C(<component>.image.repository).
    type: bool
    default: false
  helm:
    description:
      - The helm command line. Where it is given, the chart is rendered with all of these values, and RV(others) names what
        else it runs.
    type: str
    default: ""
  platform:
    description: What the images are built for.
    type: str
    default: linux/amd64
  cache_file:
    description: A file that remembers the hashes of unchanged files. It is written in check mode too.
    type: path
  builtin_frontend:
    description:
      - Whether Dockerfiles that ask for a frontend image with a C(# syntax=) line are to be built with the frontend
        inside Docker, for networks where that image cannot be had.
      - Then RV(builds[].dockerfile) is a copy in O(work_dir) in which that line has no effect. Hashes are made from the
        original.
    type: bool
    default: false
  work_dir:
    description: The directory for such copies. It is written in check mode too.
    type: path
  docker:
    description: The docker command line.
    type: str
    default: docker
  timeout:
    description: Seconds that a question to Docker may take.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it only looks, in either mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: full
    description: It never changes anything but its own cache.
notes:
  - ONBUILD instructions of a base image that Docker does not have are not seen.
requirements:
  - PyYAML
  - The docker command line, and the right to use it.
seealso:
  - module: luckyplans.platform.node_images
"""

EXAMPLES = r"""
- name: Find out what has to be built
  luckyplans.platform.image_plan:
    source_dir: /srv/luckyplans
    chart_dir: /srv/luckyplans/infrastructure/helm/luckyplans
    cache_file: ~/.luckyplans/cache/content.json
  register: plan

- name: Show the image tags for the chart; values is also the name of a method, hence the brackets
  ansible.builtin.debug:
    var: plan.chart_values
"""

RETURN = r"""
builds:
  description: The images, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the application.
      type: str
      sample: api-gateway
    image:
      description: The name of the image without a tag.
      type: str
      sample: luckyplans/api-gateway
    tag:
      description: The tag made from the content.
      type: str
      sample: c-0123456789abcdef
    alias_tag:
      description: The tag in the chart's values, for people.
      type: str
      sample: latest
    dockerfile:
      description: The Dockerfile to build from.
      type: str
    context:
      description: The build context.
      type: str
    args:
      description: Build arguments.
      type: dict
      sample: {NEXT_PUBLIC_GRAPHQL_URL: /graphql}
    labels:
      description: Labels that the image has to get; without them it is not recognised as built.
      type: dict
    base_images:
      description: The images from outside that the Dockerfile needs.
      type: list
      elements: str
    present:
      description: Whether Docker has the image with this content.
      type: bool
    aliased:
      description: Whether RV(builds[].alias_tag) leads to that image, or neither is there.
      type: bool
chart_values:
  description: Chart values that name the tags.
  returned: success
  type: dict
  sample: {apiGateway: {image: {tag: c-0123456789abcdef}}}
base_images:
  description: The images from outside that any of the Dockerfiles needs.
  returned: success
  type: list
  elements: str
mirrored:
  description: With O(mirror), the images that nobody builds, and what each has to be called in O(registry).
  returned: success
  type: list
  elements: dict
  sample: [{source: "redis:7-alpine", image: "registry.example.org/team/redis:7-alpine"}]
others:
  description: The images that the rendered chart runs and nobody here builds, those of C(helm test) left out.
  returned: with O(helm)
  type: list
  elements: str
  sample: ["redis:7-alpine"]
options:
  description: The options as they were understood, for M(luckyplans.platform.settled), which plans again.
  returned: success
  type: dict
needs_frontend:
  description: Whether a Dockerfile asks for a frontend image with a C(# syntax=) line.
  returned: success
  type: bool
"""

import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Docker, DockerError
from ansible_collections.luckyplans.platform.plugins.module_utils._manifests import RenderError
from ansible_collections.luckyplans.platform.plugins.module_utils._oci import ImageNameError
from ansible_collections.luckyplans.platform.plugins.module_utils._plan import PlanError, plan

try:
    import yaml  # noqa: F401  # pylint: disable=unused-import

    HAS_YAML, YAML_ERROR = True, None
except ImportError:
    HAS_YAML, YAML_ERROR = False, traceback.format_exc()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source_dir": {"type": "path", "required": True},
            "chart_dir": {"type": "path", "required": True},
            "values": {"type": "dict", "default": {}},
            "values_files": {"type": "list", "elements": "path"},
            "name_prefix": {"type": "str", "default": "luckyplans"},
            "registry": {"type": "str", "default": ""},
            "mirror": {"type": "bool", "default": False},
            "helm": {"type": "str", "default": ""},
            "platform": {"type": "str", "default": "linux/amd64"},
            "cache_file": {"type": "path"},
            "builtin_frontend": {"type": "bool", "default": False},
            "work_dir": {"type": "path"},
            "docker": {"type": "str", "default": "docker"},
            "timeout": {"type": "int", "default": 60},
        },
        required_if=[("builtin_frontend", True, ["work_dir"])],
        supports_check_mode=True,
    )
    if not HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_ERROR)
    try:
        module.exit_json(
            changed=False,
            options=module.params,
            **plan(module.params, Docker(module.params["docker"], module.params["timeout"])),
        )
    except (PlanError, RenderError, ImageNameError) as error:
        module.fail_json(msg=f"{error}.")
    except DockerError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
