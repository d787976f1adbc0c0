#!/usr/bin/python
# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_check
short_description: Tell whether the images that a chart's values name are there, and were built as the values say
version_added: 0.1.0
author:
  - luckyplans contributors (@luckyplans)
description:
  - Looks through the values for the components of the application, which are keys with C(image.tag) or C(image.digest)
    below them, and asks for the image that each of them deploys. Nothing is pulled and nothing is changed.
  - The build arguments that the values name, C(<component>.buildArgs), have to be those in the labels of the image,
    which M(luckyplans.platform.image_plan) writes. About an image without any such labels, made by other means, nothing
    is known; it gets a warning.
  - All that is wrong with any of the images is said in one message.
options:
  chart_dir:
    description:
      - The application's Helm chart; its C(values.yaml) is what the values are laid over.
      - Without it O(values) are all that there is.
    type: path
  values:
    description: The values that the chart is deployed with, as Helm gets them.
    type: dict
    default: {}
  built:
    description:
      - References of the application's own images, which are in Docker. Their labels are read there.
      - In check mode they need not be there yet.
    type: list
    elements: str
    default: []
  others:
    description: References of the images that the chart runs and that are not the application's, such as V(redis:7-alpine).
    type: list
    elements: str
    default: []
  where:
    description:
      - V(local), where images are put into the nodes from Docker. Only those of O(built) are looked at, because
        M(luckyplans.platform.node_images) proves that all others are in the nodes.
      - V(registry), where the cluster pulls. Every image is asked for in its registry, with docker's own login. In check
        mode those of O(built) are not, because nothing has been pushed, and one that is not there is a warning.
    type: str
    choices: [local, registry]
    default: local
  platform:
    description: What an image in a registry has to be made for.
    type: str
    default: linux/amd64
  auth:
    description:
      - The login for registries, instead of docker's own, as the JSON text of a docker config with C(auths). Each entry has
        C(auth), or C(username) and C(password).
      - One that cannot be used is refused with O(where=local) too.
    type: str
  auth_name:
    description: What messages call O(auth), such as the variable that it came from.
    type: str
    default: auth
  ca_file:
    description:
      - PEM file of certificate authorities that registries may have, beside those of the system and those in
        C(/etc/docker/certs.d).
    type: path
  unasked_registries:
    description: Hosts of registries that are not asked, such as those that only the cluster reaches.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that a question to Docker or a registry may take.
    type: int
    default: 15
  retries:
    description: How often a registry is asked again, after 2, 4, 8... seconds, when the network is at fault.
    type: int
    default: 2
  docker:
    description: The docker command line.
    type: str
    default: docker
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it only looks, in either mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: full
    description: It never changes anything.
notes:
  - O(auth) is written to a file of mode C(0600) in a temporary directory, and removed whether the module ends well or not.
requirements:
  - PyYAML
  - The docker command line with buildx, and with O(built) the right to use it.
seealso:
  - module: luckyplans.platform.image_plan
"""

EXAMPLES = r"""
- name: See that a deploy would find its images
  luckyplans.platform.image_check:
    chart_dir: /srv/luckyplans/infrastructure/helm/luckyplans
    values:
      image: {registry: registry.example.org, owner: team}
      web: {image: {tag: v1}, buildArgs: {graphqlUrl: /api}}
    where: registry
    auth: "{{ vault_pull_secret }}"
    auth_name: vault_pull_secret
"""

RETURN = r"""
images:
  description: The images that were asked for.
  returned: always
  type: list
  elements: dict
  contains:
    reference:
      description: The image.
      type: str
      sample: registry.example.org/team/web:c-0123456789abcdef
    component:
      description: The key in the values that deploys it; empty for one of O(others).
      type: str
      sample: web
    digest:
      description: Its digest in the registry; empty where none was asked.
      type: str
    platforms:
      description: What it is made for in the registry.
      type: list
      elements: str
      sample: [linux/amd64]
    build_args:
      description: The build arguments in its labels.
      type: dict
      sample: {NEXT_PUBLIC_GRAPHQL_URL: /graphql}
"""

import os
import re
import signal
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.luckyplans.platform.plugins.module_utils._cli import Cli, CliError, Secrets
from ansible_collections.luckyplans.platform.plugins.module_utils._contract import (
    ARGUMENTS,
    LABEL_ARGUMENT,
    LABEL_CONTENT,
    camel_case,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._docker import Docker, DockerError
from ansible_collections.luckyplans.platform.plugins.module_utils._image_ref import full, image_ref
from ansible_collections.luckyplans.platform.plugins.module_utils._registry import (
    Answer,
    Registries,
    environments,
    labels_of,
    parse_auths,
)

try:
    import yaml

    HAS_YAML, YAML_ERROR = True, None
except ImportError:
    HAS_YAML, YAML_ERROR = False, traceback.format_exc()

AT_ONCE = 8


class CheckError(Exception):
    """A sentence about something that cannot be checked."""


@dataclass
class Image:
    """What is deployed, what the values of its component say of the build, and what was found."""

    reference: str
    component: str = ""
    args: dict[str, str] = field(default_factory=dict)
    """Keys in the values, below buildArgs, and their values."""
    answer: Answer = field(default_factory=lambda: Answer("unknown"))

    @property
    def name(self) -> str:
        return f"{self.reference} of {self.component}" if self.component else self.reference

    @property
    def host(self) -> str:
        """The registry's, with its port."""
        return full(self.reference).partition("/")[0]

    def result(self) -> dict[str, Any]:
        return {
            "reference": self.reference,
            "component": self.component,
            "digest": self.answer.digest,
            "platforms": self.answer.platforms,
            "build_args": build_args(self.answer.labels),
        }


# --- What the values name ---------------------------------------------------------------------------------------------


def look_up(layers: Sequence[Mapping[str, Any]], *keys: str) -> Any:
    """A value below a path of keys, as Helm merges the layers: the first one that has it wins, and null removes it."""
    for layer in layers:
        found: Any = layer
        for key in keys:
            if not isinstance(found, Mapping):
                return None
            if key not in found:
                break
            found = found[key]
        else:
            return found
    return None


def kebab_case(key: str) -> str:
    """The name of an application by its key in the values: apiGateway is api-gateway."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", key).lower()


def repositories(built: Sequence[str]) -> dict[str, str]:
    """The built images without their tags, by component."""
    names = [reference.rpartition(":")[0] for reference in built]
    return {camel_case(name.rpartition("/")[2]): name for name in names}


def images_of(layers: Sequence[Mapping[str, Any]], built: Sequence[str], only_built: bool) -> list[Image]:
    """The image of every component of the application that says enough of it."""
    own = repositories(built)
    found = []
    for component in sorted({key for layer in layers for key in layer} - {"image"}):
        version = {key: str(look_up(layers, component, "image", key) or "") for key in ("tag", "digest")}
        place = place_of(layers, component, own)
        if not place or not any(version.values()) or (only_built and component not in own):
            continue
        try:
            reference = image_ref({**place, **version})
        except ValueError as error:
            raise CheckError(f"The image of {component} in the values cannot be named: {error}") from error
        given = {key: look_up(layers, component, "buildArgs", key) for key in ARGUMENTS}
        found.append(Image(reference, component, {key: str(value) for key, value in given.items() if value is not None}))
    return found


def place_of(layers: Sequence[Mapping[str, Any]], component: str, own: Mapping[str, str]) -> dict[str, Any]:
    """Where an image of the application is, for image_ref: as its component says, as the chart says for all, or where it
    was built. What else is named in full is not the application's."""
    repository = look_up(layers, component, "image", "repository")
    if repository:
        return {"repository": repository} if component in own else {}
    if look_up(layers, "image", "localPrefix"):
        place = {key: look_up(layers, "image", key) or "" for key in ("registry", "owner", "localPrefix")}
        return {**place, "name": own.get(component, "").rpartition("/")[2] or kebab_case(component)}
    return {"repository": own[component]} if component in own else {}


def read_values(chart_dir: str | None) -> dict[str, Any]:
    if not chart_dir:
        return {}
    path = os.path.join(chart_dir, "values.yaml")
    try:
        with open(path, encoding="utf-8") as handle:
            values = yaml.safe_load(handle) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CheckError(f"{path} cannot be read: {' '.join(str(error).split())}.") from error
    if not isinstance(values, Mapping):
        raise CheckError(f"{path} holds a {type(values).__name__}; it has to be a mapping of values.")
    return dict(values)


# --- Asking -----------------------------------------------------------------------------------------------------------


def ask_docker(docker: Docker, images: Sequence[Image], built: Sequence[str]) -> None:
    """Read the labels of our own images, all in one question."""
    ours = [image for image in images if image.reference in built]
    records = docker.images([image.reference for image in ours])
    for image in ours:
        if image.reference in records:
            image.answer = Answer("present", labels=labels_of(records[image.reference]))
        else:
            image.answer = Answer("absent")


def ask_registries(registries: Registries, images: Sequence[Image]) -> None:
    """Ask for all of them at the same time; labels that Docker has told are not asked for again."""

    def ask(image: Image) -> None:
        known = image.answer.labels
        image.answer = registries.ask(image.reference, image.host, with_labels=bool(image.args) and not known)
        image.answer.labels = known or image.answer.labels

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ask, images))


# --- Judging ----------------------------------------------------------------------------------------------------------


def build_args(labels: Mapping[str, str]) -> dict[str, str]:
    return {key[len(LABEL_ARGUMENT) :]: value for key, value in labels.items() if key.startswith(LABEL_ARGUMENT)}


def absence(image: Image, login: str) -> str:
    """Why an image cannot be deployed that was asked for in vain, with that login; empty where it is there."""
    if image.answer.state == "absent":
        return f"The image {image.name} does not exist. Next: name one in the values that does, or build and push it."
    if image.answer.state == "denied":
        return (
            f"The image {image.name} may not be read, or there is no such repository ({image.answer.reason}). "
            f"Next: {f'put a login into {login} that may read it' if login else f'docker login {image.host}'}."
        )
    if image.answer.state == "unknown":
        return (
            f"Whether the image {image.name} exists is not known ({image.answer.reason}). "
            f"Next: see that this host reaches {image.host}, or add it to luckyplans_unasked_registries."
        )
    return ""


def unfit(image: Image, platform: str) -> str:
    """Why an image that is there cannot run; empty where it can."""
    made_for = image.answer.platforms
    if not made_for or any(item == platform or item.startswith(f"{platform}/") for item in made_for):
        return ""
    return (
        f"The image {image.name} is made for {', '.join(made_for)} and not for {platform}. "
        f"Next: build it for {platform}, or name another one."
    )


def disagreements(image: Image) -> list[str]:
    """Where the values and the labels say different things of the build."""
    labelled = build_args(image.answer.labels)
    found = []
    for key, value in image.args.items():
        name, path = ARGUMENTS[key], f"{image.component}.buildArgs.{key}"
        if labelled.get(name) != value:
            built = f"with {name}={labelled[name]!r}" if name in labelled else f"without {name}"
            way_back = f", or set {path} to {labelled[name]!r}" if name in labelled else ""
            found.append(
                f"{path} is {value!r} in the values, but the image {image.reference} was built {built}. "
                f"Next: build it again with the value that is meant{way_back}."
            )
    return found


def is_unlabelled(image: Image) -> bool:
    """Whether nothing is known of how an image was built, although the values say it."""
    labels = image.answer.labels
    return bool(image.args) and LABEL_CONTENT not in labels and not build_args(labels)


def judge(module: AnsibleModule, images: Sequence[Image]) -> list[str]:
    """Everything that is wrong, a sentence each; what may be right is a warning."""
    params, problems = module.params, []
    for image in images:
        missing = absence(image, params["auth_name"] if params["auth"] is not None else "")
        if missing and module.check_mode and image.answer.state == "absent":
            if image.reference not in params["built"]:
                module.warn(f"{missing} In check mode nothing is pushed, so a run may find it.")
        elif missing:
            problems.append(missing)
        elif is_unlabelled(image):
            module.warn(
                f"The image {image.reference} has no labels that say what it was built with, so that "
                f"{image.component}.buildArgs could not be compared with it."
            )
        else:
            problems += [item for item in (unfit(image, params["platform"]), *disagreements(image)) if item]
    return problems


def digests_in_nodes(images: Sequence[Image]) -> list[str]:
    """Images that are put into nodes are known there by their tags alone."""
    return [
        f"{image.component}.image.digest is set, but an image that was built here has no digest that a node would find. "
        f"Next: remove {image.component}.image.digest from the values."
        for image in images
        if "@" in image.reference
    ]


# --- The module -------------------------------------------------------------------------------------------------------


def check(module: AnsibleModule, auths: Mapping[str, Mapping[str, str]]) -> tuple[list[Image], list[str]]:
    params = module.params
    built = params["built"]
    local = params["where"] == "local"
    images = images_of([params["values"], read_values(params["chart_dir"])], built, only_built=local)
    images += [] if local else [Image(reference) for reference in params["others"]]
    docker = Docker(params["docker"], params["timeout"])
    if local:
        problems = digests_in_nodes(images)
        images = [image for image in images if "@" not in image.reference]
        ask_docker(docker, images, built)
        return images, problems + judge(module, images)
    ask_docker(docker, images, built)
    asked = [
        image
        for image in images
        if image.host not in params["unasked_registries"] and not (module.check_mode and image.reference in built)
    ]
    cli = Cli(params["docker"], os.environ, secrets_of(auths))
    with environments([image.host for image in asked], auths, params["ca_file"], module.tmpdir) as variables:
        ask_registries(Registries(cli, variables, params["platform"], params["timeout"], params["retries"]), asked)
    known = [image for image in images if image in asked or image.reference in built]
    return known, judge(module, known)


def secrets_of(auths: Mapping[str, Mapping[str, str]]) -> Secrets:
    secrets = Secrets()
    for entry in auths.values():
        secrets.add(entry["auth"])
        secrets.add(entry["password"])
    return secrets


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "chart_dir": {"type": "path"},
            "values": {"type": "dict", "default": {}},
            "built": {"type": "list", "elements": "str", "default": []},
            "others": {"type": "list", "elements": "str", "default": []},
            "where": {"type": "str", "choices": ["local", "registry"], "default": "local"},
            "platform": {"type": "str", "default": "linux/amd64"},
            "auth": {"type": "str", "no_log": True},
            "auth_name": {"type": "str", "default": "auth"},
            "ca_file": {"type": "path"},
            "unasked_registries": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 15},
            "retries": {"type": "int", "default": 2},
            "docker": {"type": "str", "default": "docker"},
        },
        supports_check_mode=True,
    )
    if not HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_ERROR)
    # so that the end of a run is an end as any other, and takes the login away
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda ended_by, frame: module.fail_json(msg=f"Ended by signal {ended_by}; run again."))
    try:
        auths = {} if module.params["auth"] is None else parse_auths(module.params["auth"])
    except ValueError as error:
        module.fail_json(msg=f"{module.params['auth_name']} {error}. Next: give the docker config that `docker login` writes, with auths.")
    try:
        images, problems = check(module, auths)
    except (CheckError, CliError, DockerError, ValueError) as error:
        module.fail_json(msg=str(error))
    results = [image.result() for image in images]
    if problems:
        module.fail_json(msg="\n".join(problems), images=results)
    module.exit_json(changed=False, images=results)


if __name__ == "__main__":
    main()
