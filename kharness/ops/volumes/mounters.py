"""Which containers mount a directory of this host, and which anonymous volumes production has had.

The volumes are recorded, so that they are found again when no container mounts them any more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kharness.engine.api import Engine
from kharness.errors import KharnessError
from kharness.ops.harness import Harness
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, MountFacts
from kharness.plan.launch.plan import LaunchPlan, Subject
from kharness.plan.release.carry import Carry, anonymous_volumes, plan_carry
from kharness.plan.volumes.usage import mounters


def running_mounters(harness: Harness, path: Path, *, writable: bool = False) -> tuple[ContainerFacts, ...]:
    """Return the running containers, test instances aside, that mount the path, or what is above or below it.

    A container that the engine is about to restart counts.
    """
    listed = (found for found in harness.engine.containers() if found.up)
    running = located(harness.engine, listed)
    return mounters(running, os.path.realpath(path), writable=writable)


def mounters_of_others(harness: Harness, path: Path) -> tuple[ContainerFacts, ...]:
    """Return other projects' production containers, stopped or not, that mount the path, or what is above or below it.

    Raises `EngineError`.
    """
    listed = harness.engine.containers(labels={labels.ROLE: labels.ROLE_PRODUCTION})
    others = (each for each in listed if each.labels.get(labels.PROJECT, harness.project.name) != harness.project.name)
    return mounters(located(harness.engine, others), os.path.realpath(path))


def located(engine: Engine, listed: Iterable[ContainerFacts]) -> tuple[ContainerFacts, ...]:
    """Return listed containers with the real places of what they mount. Raises `EngineError`."""
    # Podman's list does not always have the mounts.
    partial = engine.facts().podman
    found = (engine.container(each.id) if partial else each for each in listed)
    return tuple(
        replace(each, mounts=tuple(replace(mount, source=_place(engine, mount)) for mount in each.mounts))
        for each in found
        if each is not None
    )


def _place(engine: Engine, mount: MountFacts) -> str:
    if mount.source or not mount.name:
        # It may be a link to the same place.
        return os.path.realpath(mount.source) if mount.source else ""
    # The list of containers does not always have the place of a named volume.
    volume = engine.volume(mount.name)
    return volume.directory if volume else ""


VOLUMES = "anonymous volumes of "
"""What the state's facts about them begin with."""


def known_volumes(harness: Harness, name: str) -> dict[str, str]:
    """Return the anonymous volumes that earlier containers of a service had and that still exist, by target."""
    return {target: volume for target, volume in _recorded(harness, name).items() if harness.engine.volume(volume)}


def carry_of(harness: Harness, subject: Subject, plan: LaunchPlan, old: ContainerFacts | None) -> Carry:
    """Return which volumes go over to a new container from the `old` one, or from one before that."""
    known = known_volumes(harness, subject.name)
    return plan_carry(plan.spec, subject.image, before=old.mounts if old else (), known=known)


def record_volumes(harness: Harness, name: str, *containers: str) -> None:
    """Record the anonymous volumes of containers, the later ones over the earlier; a failure is only reported."""
    found: dict[str, str] = {}
    try:
        for container in containers:
            facts = harness.engine.container(container)
            found |= anonymous_volumes(facts.mounts) if facts else {}
        if not found:
            return
        before = _recorded(harness, name)
        if (now := {**before, **found}) != before:
            harness.state.set_fact(volumes_key(harness, name), json.dumps(now))
    except KharnessError as error:
        harness.report(name, f"its anonymous volumes could not be recorded: {error}")


def keep_volume(harness: Harness, name: str, target: str, volume: str) -> None:
    """Record the anonymous volume that the next container of a service shall have at a path. Raises `StateError`."""
    harness.state.set_fact(volumes_key(harness, name), json.dumps({**_recorded(harness, name), target: volume}))


def _recorded(harness: Harness, name: str) -> dict[str, str]:
    with suppress(ValueError):
        return {str(target): str(volume) for target, volume in json.loads(_fact(harness, name)).items()}
    return {}


def _fact(harness: Harness, name: str) -> str:
    return harness.state.fact(volumes_key(harness, name)) or "{}"


def volumes_key(harness: Harness, name: str) -> str:
    """Return the key of the state's fact about the anonymous volumes of a service."""
    # Two projects may each have a service of that name, but never the same repository for it.
    return f"{VOLUMES}{harness.tags(name).repository}/{name}"
