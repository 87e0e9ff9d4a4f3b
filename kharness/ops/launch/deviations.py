"""Remember how production was launched, and find what was changed since: by hand, or in its settings."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from kharness.engine.requests import request_body
from kharness.errors import KharnessError, SettingsError
from kharness.ops.harness import Harness
from kharness.ops.launch.subject import production_subject
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.launch.deviations import (
    Changes,
    Deviation,
    LaunchRecord,
    deviations,
    is_named,
    read_records,
    write_records,
)
from kharness.plan.launch.environment import redact
from kharness.plan.launch.plan import LaunchPlan, Subject, keyed, plan_production_launch
from kharness.plan.launch.traits import MAC_ADDRESS, Traits, reported, requested, sealed
from kharness.settings.catalog import ContainerDir

RECORDS = "launches of "
"""What the keys of the state's facts about launches begin with."""


def plan_of(harness: Harness, directory: ContainerDir, found: ContainerFacts) -> LaunchPlan:
    """Return what a production container would be launched as now, from the image that it has."""
    return _planned(harness, directory, found)[1]


def remember_launch(harness: Harness, subject: Subject, plan: LaunchPlan, container: str) -> None:
    """Remember what a container was launched as, beside the launches that it may be undone to.

    A state that cannot be written is no reason to stop a launch: then what is asked for now stands in for it.
    """
    with suppress(KharnessError):
        found = harness.engine.container(container)
        if found is None:
            return
        release = found.labels.get(labels.RELEASE, "")
        asked = _asked(plan, subject.image, salt=release)
        given = reported(found.raw, salt=release)
        # What is neither asked for nor has a name is the engine's own, which another version reports otherwise.
        given = {key: value for key, value in given.items() if key in asked or is_named(key)}
        record = LaunchRecord(release=release, asked=asked, given=given)
        others = (each for each in _records(harness, subject.name) if each.release != release)
        harness.state.set_fact(f"{RECORDS}{subject.name}", write_records((record, *others)))


def changes_of(harness: Harness, directory: ContainerDir, found: ContainerFacts) -> Changes:
    """Return what was changed since a production container was launched; `found` as it was inspected.

    Where its settings cannot be read, only what was changed by hand is known. Raises `StateError`, `EngineError`.
    """
    try:
        subject, plan = _planned(harness, directory, found)
    except SettingsError:
        return _compared(harness, directory.name, found, None, None)
    changes = _compared(harness, directory.name, found, plan, harness.engine.image(found.image_id))
    return replace(
        changes,
        by_hand=_redacted(changes.by_hand, subject.hidden),
        edited=_redacted(changes.edited, subject.hidden),
    )


def changed_by_hand(harness: Harness, subject: Subject, plan: LaunchPlan, found: ContainerFacts) -> str:
    """Return what was changed by hand, where it is known as what it was planned, as the end of a sentence."""
    changes = _compared(harness, subject.name, found, plan, subject.image)
    return replace(changes, by_hand=_redacted(changes.by_hand, subject.hidden)).by_hand_text


def _planned(harness: Harness, directory: ContainerDir, found: ContainerFacts) -> tuple[Subject, LaunchPlan]:
    # Somebody may have removed the image by force.
    image = harness.engine.image(found.image_id) or ImageFacts(id=found.image_id)
    subject = production_subject(harness, directory, harness.settings(directory), image)
    return subject, keyed(plan_production_launch(subject, volume_root=harness.volume_root))


def _compared(
    harness: Harness, name: str, found: ContainerFacts, plan: LaunchPlan | None, image: ImageFacts | None
) -> Changes:
    if not found.raw:
        # A target that does not report how it runs things is not asked.
        return Changes()
    release, key = found.labels.get(labels.RELEASE, ""), found.labels.get(labels.INPUTS, "")
    record = next((each for each in _records(harness, name) if release and each.release == release), None)
    now = reported(found.raw, salt=release)
    # What no file says is wanted for that one launch, and no plan has it.
    comparable = plan is not None and labels.LAID not in found.labels
    stale = plan is not None and comparable and key not in {"", plan.spec.labels[labels.INPUTS]}
    asked = _asked(plan, image, salt=release) if plan is not None and comparable else {}
    if record is not None:
        edited = _edited(record.asked, asked) if stale else ()
        return Changes(by_hand=deviations(_seen(record.given, found), now), edited=edited, stale=stale)
    if not comparable or harness.engine.facts().podman:
        # Podman reports the same request in other words.
        return Changes(stale=stale)
    wanted = asked if harness.engine.facts().swap_limit else {k: v for k, v in asked.items() if k != "memswap_limit"}
    return Changes(by_hand=deviations(_seen(wanted, found), now), stale=stale, unclear=stale or not key)


def _seen(wanted: Traits, found: ContainerFacts) -> Traits:
    # What does not run has no interface, and so no address.
    return wanted if found.running else {key: value for key, value in wanted.items() if not key.endswith(MAC_ADDRESS)}


def _edited(before: Traits, asked: Traits) -> tuple[Deviation, ...]:
    found = deviations(before, asked)
    # The limit of swap follows that of memory where nothing else is said.
    memory = any(each.key == "mem_limit" for each in found)
    return tuple(each for each in found if not (memory and each.key == "memswap_limit"))


def _asked(plan: LaunchPlan, image: ImageFacts | None, *, salt: str) -> Traits:
    asked = {**requested(request_body(plan.spec), image), "container_name": plan.spec.name}
    return sealed(asked, salt=salt)


def _records(harness: Harness, name: str) -> tuple[LaunchRecord, ...]:
    return read_records(harness.state.fact(f"{RECORDS}{name}") or "[]")


def _redacted(found: Iterable[Deviation], hidden: Iterable[str]) -> tuple[Deviation, ...]:
    secrets = frozenset(hidden)
    return tuple(
        replace(each, wanted=redact(each.wanted, secrets), found=redact(each.found, secrets)) for each in found
    )
