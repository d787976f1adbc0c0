# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""What every cluster engine shares: read, compare, plan, apply, read again. An engine adds its own binary only.

A cluster made by these modules is known by its record, `spec.json` beside its kubeconfig: the settings it was made with
and the identity of its containers. The record is written before the creation begins and completed when the engine says
it is done, so a creation that was killed is told from a cluster, and a cluster of somebody else from ours.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import posixpath
import re
import shutil
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from ipaddress import ip_address
from typing import Any

from ansible_collections.luckyplans.platform.plugins.module_utils._cli import Cli, CliError, Secrets, last_lines
from ansible_collections.luckyplans.platform.plugins.module_utils._kubeapi import (
    Api,
    NotReady,
    epoch,
    holds_access,
    parse_kubeconfig,
    wait_until_ready,
)
from ansible_collections.luckyplans.platform.plugins.module_utils._progress import report

ANY_ADDRESS = ("0.0.0.0", "::", "")
ABSENT, RUNNING, STOPPED = "absent", "running", "stopped"
#: What a difference takes: a change of the running cluster, or another cluster.
LIVE, RECREATE = "live", "recreate"


class ClusterError(Exception):
    """A known failure, told in one sentence that ends in the next step."""

    def __init__(self, sentence: str, **details: Any) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.details = details


# ---------------------------------------------------------------------------------------------------------------------
# Differences


@dataclass(frozen=True)
class Difference:
    """One setting whose live value is not the wanted one, and what it takes to bring it about."""

    path: str
    before: Any
    after: Any
    klass: str = RECREATE

    def as_dict(self) -> dict[str, Any]:
        return {"path": self.path, "before": self.before, "after": self.after, "class": self.klass}


def compare(pairs: Mapping[str, tuple[Any, Any]]) -> list[Difference]:
    """The differences among named pairs of (live, wanted)."""
    return [Difference(path, before, after) for path, (before, after) in pairs.items() if before != after]


def table(differences: Sequence[Difference]) -> str:
    """The differences, a line each, for a person."""
    rows = [("setting", "now", "wanted", "takes")]
    rows += [(item.path, _cell(item.before), _cell(item.after), item.klass) for item in differences]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[3]]) for row in rows]
    return "\n".join("  " + line for line in lines)


def _cell(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    text = " ".join(text.split())
    return text[:77] + "..." if len(text) > 80 else text or "-"


# ---------------------------------------------------------------------------------------------------------------------
# What there is


@dataclass(frozen=True)
class Node:
    name: str
    role: str
    id: str = ""
    running: bool = True
    #: When its container was started, in seconds since 1970.
    started: float = 0


@dataclass(frozen=True)
class Live:
    """A cluster as it stands, or as it will stand: its nodes, and the settings that can be read from outside."""

    nodes: tuple[Node, ...]
    image: str
    api_server: str
    identity: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: Volumes with data that the engine deletes together with the cluster.
    volumes: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        return RUNNING if all(node.running for node in self.nodes) else STOPPED


@dataclass
class Record:
    """The file beside the kubeconfig by which a cluster of ours is known."""

    engine: str
    name: str
    complete: bool = False
    identity: list[str] = field(default_factory=list)
    spec: dict[str, Any] = field(default_factory=dict)
    spec_hash: str = ""
    access: str = ""
    pid: int = 0
    #: Its context is in the user's global kubeconfig, by this module.
    merged: bool = False

    @classmethod
    def load(cls, path: str) -> Record | None:
        try:
            with open(path, encoding="utf-8") as stream:
                content = json.load(stream)
            known = {key: value for key, value in content.items() if key in cls.__dataclass_fields__}
            return cls(**known)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise ClusterError(
                f'The record "{path}" cannot be read ({error}); restore it, or delete it together with the cluster.'
            ) from error

    def save(self, path: str) -> None:
        write_private(path, json.dumps(asdict(self), indent=2, sort_keys=True) + "\n")


def spec_hash(spec: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def write_private(path: str, text: str) -> None:
    """Replace a file in one step; nobody but its owner may read it, at no moment."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def natural(name: str) -> list[Any]:
    """A sort key by which node 10 comes after node 2."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def mount_text(source: str, destination: str) -> str:
    """A mount as it is compared and shown: by what its paths mean, not by how they are spelled."""
    return f"{posixpath.normpath(source)}:{posixpath.normpath(destination)}"


def node_of(container: Mapping[str, Any], role: str) -> Node:
    """The node that a container is, by "docker container inspect"."""
    state = container["State"]
    name = container["Name"].lstrip("/")
    return Node(name, role, container["Id"], bool(state["Running"]), epoch(state["StartedAt"]))


class Docker:
    """The containers behind a cluster, read as JSON."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli

    def ids(self, labels: Mapping[str, str]) -> list[str]:
        """Full ids of all containers, also stopped ones, that carry every label."""
        filters = [item for key, value in labels.items() for item in ("--filter", f"label={key}={value}")]
        return self.cli.run(["ps", "--all", "--quiet", "--no-trunc", *filters]).stdout.split()

    def inspect(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        containers: list[dict[str, Any]] = self.cli.json(["container", "inspect", *ids])
        return containers

    def image_id(self, reference: str) -> str:
        """Id of a local image, or the empty string where there is none of that name."""
        try:
            return str(self.cli.json(["image", "inspect", reference])[0]["Id"])
        except CliError as error:
            if error.completed is not None and "no such image" in error.completed.stderr.lower():
                return ""
            raise

    def image_env(self, image_id: str) -> list[str] | None:
        """The environment that an image gives to its containers; nothing where the image is gone."""
        try:
            return list(self.cli.json(["image", "inspect", image_id])[0]["Config"].get("Env") or [])
        except CliError as error:
            if error.completed is not None and "no such image" in error.completed.stderr.lower():
                return None
            raise

    def same_image(self, reference: str, name: str, image_id: str) -> bool:
        """Whether a container made from an image (by name, with that id) is what the reference asks for."""
        return name == reference or (bool(image_id) and self.image_id(reference) == image_id)

    def has_written(self, container: str, path: str) -> bool:
        """Whether the container holds a file that its image does not; works for stopped containers too."""
        return f"A {path}" in self.cli.run(["container", "diff", container]).stdout.splitlines()

    def start(self, ids: Sequence[str]) -> None:
        self.cli.run(["start", *ids])

    def stop(self, ids: Sequence[str], grace: int) -> None:
        self.cli.run(["stop", "-t", str(grace), *ids], timeout=120 + grace * len(ids))

    def rename(self, name: str, new_name: str) -> None:
        self.cli.run(["rename", name, new_name])

    def remove(self, container: str) -> None:
        """The container with what only it holds."""
        self.cli.run(["rm", "--force", "--volumes", container])

    def log_tails(self, ids: Sequence[str], lines: int = 25) -> dict[str, str]:
        """The ends of the logs of these containers, by name."""
        tails = {}
        for container in self.inspect(ids) if ids else []:
            completed = self.cli.run(["logs", "--tail", str(lines), container["Id"]], check=False)
            text = self.cli.secrets.mask(completed.stdout + completed.stderr)
            tails[container["Name"].lstrip("/")] = last_lines(text, lines)
        return tails


# ---------------------------------------------------------------------------------------------------------------------
# Engines


@dataclass(frozen=True)
class Goal:
    """What a module call asks for, apart from the engine's own settings."""

    name: str
    state: str
    kubeconfig: str
    recreate: str
    wait: int
    adopt: bool = False
    delete_volumes: bool = False
    merge: bool = False

    @property
    def directory(self) -> str:
        return os.path.dirname(self.kubeconfig)

    @property
    def record(self) -> str:
        return os.path.join(self.directory, "spec.json")


@dataclass(frozen=True)
class Step:
    kind: str
    text: str
    #: What an engine is to do in a step of kind "change", and to what.
    act: str = ""
    names: tuple[str, ...] = ()


class Engine(ABC):
    """One way to make a cluster. Readers answer, or raise when they cannot know; they never guess."""

    label: str
    #: A node without a pod network counts as ready.
    network_optional = False
    #: The name of its context in the kubeconfig that it gives.
    context = ""
    #: What the user should know although nothing is wrong.
    warnings: Sequence[str] = ()
    #: Sentences on what the creation needs on this machine and does not find.
    missing: Sequence[str] = ()

    @abstractmethod
    def look(self) -> Live | None:
        """The cluster of this name as it stands, or nothing."""

    @abstractmethod
    def identity(self) -> list[str]:
        """Ids of the containers that make the cluster what it is, as far as they exist by now."""

    @abstractmethod
    def ever_served(self, live: Live) -> bool:
        """Whether its control plane has ever been set up; it may be stopped now."""

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Every wanted setting, without secrets."""

    @abstractmethod
    def planned(self) -> Live:
        """The cluster that create() will make."""

    @abstractmethod
    def differences(self, live: Live, recorded: Mapping[str, Any]) -> list[Difference]:
        """Wanted settings against live ones; against recorded ones where they cannot be read from outside."""

    @abstractmethod
    def create(self, workdir: str, on_start: Callable[[int], None]) -> None:
        """Make it, and leave what there is in place on failure; on_start is told the process id."""

    @abstractmethod
    def remove(self, workdir: str) -> None: ...

    @abstractmethod
    def start(self, live: Live) -> None: ...

    @abstractmethod
    def stop(self, live: Live) -> None: ...

    @abstractmethod
    def kubeconfig(self) -> str:
        """Its kubeconfig, as text."""

    def changes(self, live: Live) -> list[Step]:
        """The steps from the cluster to the wanted one, where all differences are live ones."""
        return []

    def changed(self, live: Live) -> Live:
        """The cluster after these steps."""
        return live

    def change(self, step: Step, workdir: str) -> None:
        """Take one of these steps."""
        raise NotImplementedError

    def merge(self, workdir: str, path: str) -> None:
        """Add its context to a kubeconfig of several clusters, and make it nobody's current one."""
        raise NotImplementedError

    @abstractmethod
    def log_tails(self) -> dict[str, str]:
        """The ends of its nodes' logs."""


# ---------------------------------------------------------------------------------------------------------------------
# Plan: pure


@dataclass(frozen=True)
class Situation:
    """All that a plan depends on."""

    live: Live | None
    #: none | ours | half-made | foreign
    bond: str
    differences: tuple[Difference, ...] = ()
    #: current | missing | outdated | taken (by something that is not of this module)
    kubeconfig: str = "missing"
    #: Files that outlived their cluster.
    leftovers: tuple[str, ...] = ()
    #: The engine process of an interrupted run that is still at work.
    busy_pid: int = 0
    #: How to bring about live differences, and what the cluster is then.
    changes: tuple[Step, ...] = ()
    changed: Live | None = None
    #: Its context is in the global kubeconfig, by this module; and leads to this cluster.
    merged: bool = False
    merge_current: bool = False


def make_plan(label: str, goal: Goal, situation: Situation, planned: Live) -> list[Step]:
    """The steps from what is to what is asked for, or a ClusterError where there is no allowed way."""
    who = f'the {label} cluster "{goal.name}"'
    live = situation.live
    if situation.bond == "foreign" and not (goal.adopt and goal.state == "present"):
        raise _foreign(label, goal, situation.differences)
    forget = [Step("forget", f"remove the files of a deleted cluster: {', '.join(situation.leftovers)}")]
    if goal.state == "absent":
        if live is not None:
            return [_remove_step(label, goal, situation, f"delete {who}")]
        return forget if situation.leftovers else []
    if goal.state in ("started", "stopped") and (live is None or situation.bond == "half-made"):
        what = "does not exist" if live is None else "was never finished"
        raise ClusterError(f'The {label} cluster "{goal.name}" {what}; create it first, with state "present".')
    if goal.state == "stopped":
        running = [node.name for node in live.nodes if node.running] if live else []
        return [Step("stop", f"stop the nodes of {who}: {', '.join(running)}")] if running else []

    if situation.kubeconfig == "taken":
        raise ClusterError(
            f'The kubeconfig "{goal.kubeconfig}" exists already and was not written by this module; '
            f"move it away, or give the path of another file."
        )
    merge = Step("merge", f'merge the context of {who} into "{global_kubeconfig()}"')
    steps: list[Step] = []
    refused = [item for item in situation.differences if item.klass != LIVE]
    if situation.bond == "half-made":
        steps.append(_remove_step(label, goal, situation, f"remove {who}, whose creation was interrupted"))
    elif refused:
        gate(label, goal, situation.differences, foreign=situation.bond == "foreign")
        changed = ", ".join(item.path for item in situation.differences)
        steps.append(_remove_step(label, goal, situation, f"delete {who} to change: {changed}"))
    if live is None or steps:
        steps.append(Step("create", f'create {who} from image "{planned.image}", {len(planned.nodes)} node(s)'))
        steps.append(Step("kubeconfig", f'write the kubeconfig "{goal.kubeconfig}"'))
        return [*steps, merge] if goal.merge else steps
    if situation.bond == "foreign":
        steps.append(Step("adopt", f"take over {who}, which was made by other means"))
    stopped = [node.name for node in live.nodes if not node.running]
    if stopped:
        steps.append(Step("start", f"start the nodes of {who}: {', '.join(stopped)}"))
    if situation.kubeconfig != "current":
        steps.append(Step("kubeconfig", f'write the {situation.kubeconfig} kubeconfig "{goal.kubeconfig}"'))
    if goal.merge and not situation.merge_current:
        steps.append(merge)
    return [*steps, *situation.changes]


def _foreign(label: str, goal: Goal, differences: Sequence[Difference]) -> ClusterError:
    sentence = (
        f'A {label} cluster named "{goal.name}" exists, but it was not made by this module with the kubeconfig '
        f'"{goal.kubeconfig}"; choose another name, give the kubeconfig path it was made with, or remove it by '
        f"hand if nobody needs it."
    )
    if goal.state == "present":
        compared = f"It differs in:\n{table(differences)}" if differences else "It is as these options ask for."
        sentence += f" To take it over as it is, set adopt to true. {compared}"
    return ClusterError(sentence, differences=[item.as_dict() for item in differences])


def _remove_step(label: str, goal: Goal, situation: Situation, text: str) -> Step:
    """The deletion of what there is, unless that would cost data which nobody has given up."""
    volumes = situation.live.volumes if situation.live else ()
    if volumes and not goal.delete_volumes:
        raise ClusterError(
            f'To {text} would also delete the volumes {", ".join(volumes)}, whose names begin with "{label}-"; '
            f"save their data and set delete_volumes to true.",
            differences=[item.as_dict() for item in situation.differences],
        )
    lost = f", with the volumes {', '.join(volumes)}" if volumes else ""
    context = f', and its context in "{global_kubeconfig()}"' if situation.merged else ""
    return Step("remove", text + lost + context)


def gate(label: str, goal: Goal, differences: Sequence[Difference], *, foreign: bool = False) -> None:
    """Refuse what would cost the cluster, unless the caller has allowed it; nobody may give up another's cluster."""
    if foreign:
        raise ClusterError(
            f'The {label} cluster "{goal.name}" was made by other means and cannot be taken over, as only a new '
            f"cluster can be what is asked for; restore these settings, or choose another name:\n{table(differences)}",
            differences=[item.as_dict() for item in differences],
        )
    if goal.recreate == "if_needed":
        return
    raise ClusterError(
        f'The {label} cluster "{goal.name}" is not what is asked for, and only a new cluster can be; '
        f'set recreate to "if_needed" to delete it with everything in it and create it anew, or restore these settings:'
        f"\n{table(differences)}",
        differences=[item.as_dict() for item in differences],
    )


def predict(steps: Sequence[Step], situation: Situation, planned: Live) -> Live | None:
    """The cluster after these steps."""
    live = situation.live
    for step in steps:
        if step.kind in ("remove", "forget"):
            live = None
        elif step.kind == "create":
            live = planned
        elif step.kind in ("start", "stop") and live is not None:
            live = _with_nodes(live, running=step.kind == "start")
        elif step.kind == "change" and situation.changed is not None:
            live = _with_nodes(situation.changed, running=True)
    return live


def _with_nodes(live: Live, *, running: bool) -> Live:
    return replace(live, nodes=tuple(replace(node, running=running) for node in live.nodes))


def describe(live: Live | None, kubeconfig: str) -> dict[str, Any]:
    """One side of the diff."""
    if live is None:
        return {"state": ABSENT}
    return {"state": live.state, "kubeconfig": kubeconfig, **live.settings}


def make_result(label: str, goal: Goal, situation: Situation, steps: Sequence[Step], planned: Live) -> dict[str, Any]:
    """What the module answers, the same before and after the steps are taken, so that check mode tells the truth."""
    after = predict(steps, situation, planned)
    before = describe(situation.live, situation.kubeconfig)
    if situation.bond == "half-made":
        before["state"] = "half-made"
    written = any(step.kind == "kubeconfig" for step in steps)
    return {
        "changed": bool(steps),
        "actions": [step.text for step in steps],
        "differences": [item.as_dict() for item in situation.differences],
        "diff": {
            "before": before,
            "after": describe(after, "current" if written else situation.kubeconfig),
            "before_header": f"{label} cluster {goal.name}",
            "after_header": f"{label} cluster {goal.name}",
        },
        "cluster": summary(label, goal.name, after),
    }


def summary(label: str, name: str, live: Live | None) -> dict[str, Any]:
    return {
        "name": name,
        "engine": label,
        "state": live.state if live else ABSENT,
        "nodes": [{"name": node.name, "role": node.role} for node in live.nodes] if live else [],
        "image": live.image if live else "",
        "api_server": live.api_server if live else "",
    }


# ---------------------------------------------------------------------------------------------------------------------
# Look, apply, look again


def survey(engine: Engine, goal: Goal) -> Situation:
    """Everything a plan needs, read and not changed."""
    live = engine.look()
    record = Record.load(goal.record)
    if record is not None and (record.engine, record.name) != (engine.label, goal.name):
        if live is None and goal.state == "absent":
            return Situation(None, "none")
        raise ClusterError(
            f'The directory "{goal.directory}" belongs to the {record.engine} cluster "{record.name}"; remove that one '
            f'first, or give the {engine.label} cluster "{goal.name}" a kubeconfig in a directory of its own.'
        )
    if live is None and record is not None:
        files = tuple(path for path in (goal.kubeconfig, goal.record) if os.path.lexists(path))
        return Situation(None, "none", leftovers=files)
    if live is None:
        return Situation(None, "none", kubeconfig=kubeconfig_state(goal.kubeconfig, None))
    bond = find_bond(live, record, lambda: engine.ever_served(live))
    differences: list[Difference] = []
    if bond != "half-made" and goal.state == "present":
        differences = engine.differences(live, record.spec if record is not None and bond == "ours" else {})
    in_place = bool(differences) and all(item.klass == LIVE for item in differences)
    busy = record.pid if record is not None and bond == "half-made" and still_creating(record.pid, goal.name) else 0
    return Situation(
        live,
        bond,
        tuple(differences),
        kubeconfig_state(goal.kubeconfig, record),
        busy_pid=busy,
        changes=tuple(engine.changes(live)) if in_place else (),
        changed=engine.changed(live) if in_place else None,
        merged=record is not None and bond == "ours" and record.merged,
        merge_current=goal.merge and _merged(goal, engine.context),
    )


def global_kubeconfig() -> str:
    return os.path.expanduser("~/.kube/config")


def _read(path: str) -> str:
    """A file's text, empty where there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ClusterError(f'The file "{path}" cannot be read ({error}); make it readable, then run again.') from error


def _merged(goal: Goal, context: str) -> bool:
    """Whether the global kubeconfig holds the context with the access that the cluster's own kubeconfig gives."""
    return holds_access(_read(global_kubeconfig()), _read(goal.kubeconfig), context)


def find_bond(live: Live, record: Record | None, ever_served: Callable[[], bool]) -> str:
    """Ours, half-made (it never was a cluster, nothing in it can be lost), or somebody else's."""
    if record is not None and set(live.identity) <= set(record.identity):
        return "ours" if record.complete else "half-made"
    return "foreign" if ever_served() else "half-made"


def kubeconfig_state(path: str, record: Record | None) -> str:
    """Whether the file still leads to the cluster of the record, and is still private."""
    try:
        with open(path, encoding="utf-8") as stream:
            access = parse_kubeconfig(stream.read())
            private = os.fstat(stream.fileno()).st_mode & 0o077 == 0
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError) as error:
        raise ClusterError(
            f'The kubeconfig "{path}" cannot be read ({error}); make it readable or choose another kubeconfig.'
        ) from error
    if record is None:
        return "taken"
    known = access is not None and access.fingerprint() == record.access
    return "current" if known and private else "outdated"


def still_creating(pid: int, name: str) -> bool:
    """Whether a process is the engine's "create" of that cluster, left behind by a killed run."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            argv = stream.read().decode("utf-8", "replace").split("\0")
    except OSError:
        return False
    return "create" in argv and name in argv


def converge(engine: Engine, goal: Goal, *, check_mode: bool) -> dict[str, Any]:
    """Bring the cluster to the goal; in check mode only say how."""
    planned = engine.planned() if goal.state == "present" else Live((), "", "")
    if goal.state == "present" and engine.missing and not check_mode:
        raise ClusterError(engine.missing[0])
    if check_mode:
        situation = survey(engine, goal)
        return make_result(engine.label, goal, situation, make_plan(engine.label, goal, situation, planned), planned)
    with held(engine, goal):
        situation = survey(engine, goal)
        if situation.busy_pid:
            _wait_for_exit(situation.busy_pid, goal)
            situation = survey(engine, goal)
        steps = make_plan(engine.label, goal, situation, planned)
        result = make_result(engine.label, goal, situation, steps, planned)
        for step in steps:
            report(f"{step.text}")
            _apply(step, engine, goal, situation)
        live = _verified(engine, goal) if steps else situation.live
        if situation.changes and live is not None:
            _note_spec(engine, goal)
        result["cluster"] = summary(engine.label, goal.name, live)
        if live is not None and goal.state in ("present", "started"):
            _wait(engine, goal, live)
    return result


def _apply(step: Step, engine: Engine, goal: Goal, situation: Situation) -> None:
    if step.kind == "create":
        _create(engine, goal)
    elif step.kind == "remove":
        _remove(engine, goal, situation.merged)
        _forget(goal)
    elif step.kind == "forget":
        _forget(goal)
    elif step.kind == "kubeconfig":
        _write_kubeconfig(engine, goal)
    elif step.kind == "adopt":
        spec = engine.spec()
        Record(engine.label, goal.name, True, engine.identity(), spec, spec_hash(spec)).save(goal.record)
    elif step.kind == "merge":
        _merge(engine, goal)
    elif step.kind == "change":
        with workspace(goal.directory) as workdir:
            engine.change(step, workdir)
    elif step.kind == "start" and situation.live is not None:
        engine.start(situation.live)
    elif step.kind == "stop" and situation.live is not None:
        engine.stop(situation.live)


def _note_spec(engine: Engine, goal: Goal) -> None:
    """Write down what a cluster has been changed to."""
    record = Record.load(goal.record)
    if record is not None:
        record.spec = engine.spec()
        record.spec_hash = spec_hash(record.spec)
        record.save(goal.record)


def _remove(engine: Engine, goal: Goal, merged: bool) -> None:
    """Delete the cluster; the engine takes its context out of a copy of the global kubeconfig, which is then put back."""
    path = os.path.realpath(global_kubeconfig())
    before = _read(path) if merged else ""
    with workspace(goal.directory) as workdir:
        scratch = os.path.join(workdir, "kubeconfig")
        if before:
            write_private(scratch, before)
        engine.remove(workdir)
        after = _read(scratch)
    if before and after and after != before:
        # The engine makes some other context the current one: not for it to choose.
        if re.search(rf"(?m)^current-context: [\"']?{re.escape(engine.context)}[\"']?\s*$", before):
            after = re.sub(r"(?m)^current-context:.*$", 'current-context: ""', after)
        write_private(path, after)


def _merge(engine: Engine, goal: Goal) -> None:
    path = os.path.realpath(global_kubeconfig())
    record = Record.load(goal.record)
    before = _read(path)
    with workspace(goal.directory) as workdir:
        scratch = os.path.join(workdir, "merged")
        write_private(scratch, before)
        engine.merge(workdir, scratch)
        after = _read(scratch)
    if record is None or not holds_access(after, _read(goal.kubeconfig), engine.context):
        raise ClusterError(
            f'{engine.label} did not merge the context "{engine.context}" into a copy of "{path}", which is left as it '
            f"was; check that it is a kubeconfig, or set merge_kubeconfig to false."
        )
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    write_private(path, after)
    record.merged = True
    record.save(goal.record)


def _create(engine: Engine, goal: Goal) -> None:
    spec = engine.spec()
    record = Record(engine.label, goal.name, spec=spec, spec_hash=spec_hash(spec))
    record.save(goal.record)

    def on_start(pid: int) -> None:
        record.pid = pid
        record.save(goal.record)

    try:
        with workspace(goal.directory) as workdir, _identity_kept(engine, record, goal):
            engine.create(workdir, on_start)
    except CliError as error:
        raise _create_failed(engine, goal, error) from error
    record.identity = engine.identity()
    record.complete = True
    record.pid = 0
    record.save(goal.record)


@contextmanager
def _identity_kept(engine: Engine, record: Record, goal: Goal) -> Iterator[None]:
    """Write down the containers as they appear, so that whatever interrupts the creation, they are known as ours."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.3):
            try:
                seen = engine.identity()
            except CliError:
                # The creation itself will say what is wrong with Docker.
                continue
            if seen != record.identity and not done.is_set():
                record.identity = seen
                record.save(goal.record)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _create_failed(engine: Engine, goal: Goal, error: CliError) -> ClusterError:
    """The evidence, collected before what is left of the cluster is removed."""
    completed = error.completed
    said = last_lines(completed.stderr, 25) if completed else ""
    parts = [explain(said) or f'The {engine.label} cluster "{goal.name}" could not be created: {error.sentence}']
    if said:
        parts.append(f"The last lines of {engine.label}:\n{said}")
    try:
        parts += [f'The end of the log of "{node}":\n{log}' for node, log in engine.log_tails().items() if log]
        with workspace(goal.directory) as workdir:
            engine.remove(workdir)
        _forget(goal)
    except CliError as cleanup:
        parts.append(f"What was made of it could not be removed ({cleanup.sentence}); the next run tries again.")
    return ClusterError("\n".join(parts), **error.details())


#: What the engines and Docker say, and what it means for the caller.
_EXPLAINED = (
    (
        r"Bind for (\S+) failed: port is already allocated",
        "The port {0} is already in use; stop what uses it or choose another port in ports or api_port.",
    ),
    (
        r"failed to bind (?:host )?port (?:for )?(\S+?:\d+)[:/].*address already in use",
        "The port {0} is already in use; stop what uses it or choose another port in ports or api_port.",
    ),
    (
        r"listen (?:tcp|udp)[46]? (\S+): bind: address already in use",
        "The port {0} is already in use; stop what uses it or choose another port in ports or api_port.",
    ),
    (
        r"exposing port TCP (\S+) ",
        "The port {0} cannot be published; stop what uses it or choose another port in ports or api_port.",
    ),
    (
        r"(?:failed to pull image|failed to pull the image|Unable to find image) [\"'\\]*([^\s\"'\\]+)",
        'The image "{0}" is not on this machine and could not be pulled; load it, or correct image.',
    ),
    (
        r"Cannot connect to the Docker daemon at (\S+?)\.?(?:\s|$)",
        "Docker does not answer at {0}; start it, or set DOCKER_HOST to where it listens.",
    ),
)


def explain(text: str) -> str:
    """The sentence for a failure we know, or the empty string."""
    for pattern, sentence in _EXPLAINED:
        match = re.search(pattern, text)
        if match:
            return sentence.format(*match.groups())
    return ""


def _write_kubeconfig(engine: Engine, goal: Goal) -> None:
    text = engine.kubeconfig()
    access = parse_kubeconfig(text)
    record = Record.load(goal.record)
    if access is None or record is None:
        raise ClusterError(
            f'The kubeconfig that {engine.label} gives for the cluster "{goal.name}" cannot be understood; '
            f'check "{engine.label} get kubeconfig" by hand, and whether this version of {engine.label} is supported.'
        )
    write_private(goal.kubeconfig, text)
    record.access = access.fingerprint()
    record.save(goal.record)


def _wait(engine: Engine, goal: Goal, live: Live) -> None:
    with open(goal.kubeconfig, encoding="utf-8") as stream:
        access = parse_kubeconfig(stream.read())
    if access is None:
        raise ClusterError(f'The kubeconfig "{goal.kubeconfig}" cannot be understood; delete it and run again.')
    try:
        with workspace(goal.directory) as workdir:
            wait_until_ready(
                Api(access, workdir),
                nodes={node.name: node.started for node in live.nodes if node.role != "loadbalancer"},
                timeout=goal.wait,
                network_optional=engine.network_optional,
                report=report,
            )
    except NotReady as lacks:
        tails = "".join(f'\nThe end of the log of "{node}":\n{log}' for node, log in engine.log_tails().items())
        raise ClusterError(
            f'The {engine.label} cluster "{goal.name}" is not ready after {goal.wait} s: {lacks}; run again to go on '
            f"waiting, or look at its nodes with docker logs.{tails}"
        ) from lacks


def _verified(engine: Engine, goal: Goal) -> Live | None:
    """The cluster, read again, and proved to be what was asked for."""
    live = engine.look()
    wanted = {"present": RUNNING, "started": RUNNING, "stopped": STOPPED, "absent": ABSENT}[goal.state]
    found = live.state if live else ABSENT
    wrong = engine.differences(live, engine.spec()) if live and goal.state == "present" else []
    if found != wanted or wrong:
        raise ClusterError(
            f'The {engine.label} cluster "{goal.name}" was brought to state "{found}" instead of "{wanted}"; something '
            f"else changes it at the same time: find it, then run again." + ("\n" + table(wrong) if wrong else ""),
            differences=[item.as_dict() for item in wrong],
        )
    return live


def _forget(goal: Goal) -> None:
    # The record goes last: as long as it is there, another run knows whose files these are.
    for path in (goal.kubeconfig, goal.record):
        if os.path.lexists(path):
            os.unlink(path)


def _wait_for_exit(pid: int, goal: Goal) -> None:
    deadline = time.monotonic() + goal.wait
    report(f"waiting for process {pid}, which an interrupted run left behind")
    while still_creating(pid, goal.name):
        if time.monotonic() >= deadline:
            raise ClusterError(
                f'The process {pid} of an interrupted run still creates the cluster "{goal.name}"; end it, then run '
                f"again."
            )
        time.sleep(0.2)


# ---------------------------------------------------------------------------------------------------------------------
# Lock and scratch space


@contextmanager
def held(engine: Engine, goal: Goal) -> Iterator[None]:
    """Let one run at a time work on a cluster."""
    if goal.state == "absent" and not os.path.isdir(goal.directory):
        # No directory, no cluster of ours, and none to be made: nothing to guard.
        yield
        return
    path = os.path.join(goal.directory, f".{engine.label}-{goal.name}.lock")
    try:
        os.makedirs(goal.directory, mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ClusterError(
            f'The directory of kubeconfig "{goal.kubeconfig}" cannot be written to ({error}); make it writable, or '
            f"choose another path."
        ) from error
    # Longer than a whole creation by another run.
    deadline = time.monotonic() + goal.wait + 600
    with os.fdopen(descriptor, "r+") as stream:
        said = False
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise ClusterError(
                        f'Another run works on the {engine.label} cluster "{goal.name}" and holds "{path}"; '
                        f"wait for it to end, then run again."
                    ) from error
            if not said:
                report(f"waiting for another run that works on {goal.name}")
                said = True
            time.sleep(0.2)
        for leftover in os.scandir(goal.directory):
            if leftover.name.startswith(".work-"):
                shutil.rmtree(leftover.path, ignore_errors=True)
        yield


@contextmanager
def workspace(directory: str) -> Iterator[str]:
    """A private directory, removed afterwards; one that a killed run left behind goes with the next run."""
    parent = directory if os.path.isdir(directory) else None
    path = tempfile.mkdtemp(prefix=".work-", dir=parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


# ---------------------------------------------------------------------------------------------------------------------
# Module plumbing


def make_goal(params: Mapping[str, Any], wait: int) -> Goal:
    """The common part of the module options, checked."""
    name = params["name"]
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
        raise ClusterError(
            f'name is "{name}"; give 1 to 32 of the characters a-z, 0-9 and -, the first and the last one not -.'
        )
    if params["state"] == "present" and not params["image"]:
        # Also for an image that is there and empty, which Ansible's own check of required options lets pass.
        raise ClusterError("image is empty; give the full reference of a node image, or another state.")
    kubeconfig = os.path.abspath(os.path.expanduser(params["kubeconfig"]))
    if kubeconfig == global_kubeconfig():
        raise ClusterError(
            f'kubeconfig is "{kubeconfig}", which is not one cluster\'s own; give the path of another file.'
        )
    return Goal(
        name,
        params["state"],
        kubeconfig,
        params["recreate"],
        wait,
        adopt=params["adopt"],
        delete_volumes=params.get("delete_volumes", False),
        merge=params.get("merge_kubeconfig", False),
    )


def check_address(option: str, address: str, *, versions: Sequence[int] = (4, 6)) -> None:
    try:
        known = ip_address(address).version in versions
    except ValueError:
        known = False
    if not known:
        kinds = " or ".join(f"IPv{version}" for version in versions)
        raise ClusterError(f'{option} is "{address}"; give an {kinds} address of this machine, for example 127.0.0.1.')


def check_port(option: str, port: int, *, lowest: int = 0) -> None:
    if not lowest <= port <= 65535:
        raise ClusterError(f"{option} is {port}; give a port from {lowest} to 65535.")


def check_image(image: str, example: str) -> None:
    """Refuse a name that means another image next month. An empty one is for other states than "present"."""
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    if image in ("latest", "stable") or image.startswith("+"):
        raise ClusterError(
            f'image is "{image}", a release channel that means another version every month; '
            f"give a full reference such as {example}."
        )
    if image and "@" not in image and tag in ("", "latest", "stable"):
        raise ClusterError(
            f'image is "{image}", whose tag means another version from time to time; '
            f"give a full reference such as {example}."
        )


def check_distinct_ports(params: Mapping[str, Any]) -> None:
    """Refuse two ports on one port of this machine, the API's included; 0 is a free one each time."""
    taken: list[tuple[str, int, str, str]] = []
    if params["api_port"]:
        taken.append((params["api_host"], params["api_port"], "tcp", "api_port"))
    for index, port in enumerate(params["ports"]):
        option = f"ports[{index}]"
        for host_ip, host_port, protocol, other in taken:
            if (host_port, protocol) == (port["host_port"], port["protocol"]) and _overlap(host_ip, port["host_ip"]):
                raise ClusterError(
                    f"{option} publishes {port['host_ip']}:{port['host_port']}/{port['protocol']}, which {other} does "
                    f"already; give each a port of its own."
                )
        if port["host_port"]:
            taken.append((port["host_ip"], port["host_port"], port["protocol"], option))


def _overlap(one: str, other: str) -> bool:
    return one in ANY_ADDRESS or other in ANY_ADDRESS or ip_address(one) == ip_address(other)


def run_module(module: Any, build: Callable[[Mapping[str, Any], Secrets], tuple[Engine, Goal]]) -> None:
    """Run a cluster module to its end."""

    def work(secrets: Secrets) -> dict[str, Any]:
        engine, goal = build(module.params, secrets)
        for sentence in [*engine.warnings, *(engine.missing if module.check_mode else ())]:
            module.warn(sentence)
        return converge(engine, goal, check_mode=module.check_mode)

    _run(module, work)


def run_info_module(module: Any, read: Callable[[Mapping[str, Any], Secrets], dict[str, Any]]) -> None:
    """Run a module that only reads."""
    _run(module, lambda secrets: {"changed": False, **read(module.params, secrets)})


def _run(module: Any, work: Callable[[Secrets], dict[str, Any]]) -> None:
    """Every known failure becomes its sentence, anything else a traceback."""
    secrets = Secrets()
    try:
        result = work(secrets)
    except CliError as error:
        said = last_lines(error.completed.stderr, 25) if error.completed else ""
        sentence = explain(said) or error.sentence
        module.fail_json(msg=sentence + (f"\n{said}" if said else ""), **error.details())
    except ClusterError as error:
        module.fail_json(msg=secrets.mask(error.sentence), **error.details)
    module.no_log_values.update(secrets.values())
    module.exit_json(**result)
