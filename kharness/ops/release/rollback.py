"""Go back to an image that was live before, as a release of its own: journaled, verified, undone when it is not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from kharness.errors import RefusedError, UsageError
from kharness.ops.harness import Harness
from kharness.ops.image.build import is_base
from kharness.ops.launch.subject import production_subject
from kharness.ops.launch.volumes import missing_volumes
from kharness.ops.release.data import data_of, refusals_of_data
from kharness.ops.release.ledger import WAS_LIVE
from kharness.ops.release.release import launch, operation_of, promote
from kharness.ops.release.transaction import steps_of
from kharness.ops.release.verification import verify_in_place
from kharness.ops.release.work import Tests
from kharness.ops.volumes.root import check_volume_root
from kharness.ops.volumes.snapshots import launches_of, snapshots_of
from kharness.plan import labels
from kharness.plan.facts import ImageFacts, short_id
from kharness.plan.image.tags import RELEASE
from kharness.plan.launch.plan import plan_production_launch
from kharness.plan.release.operation import Kind, Provenance, Released, former_of
from kharness.plan.release.steps import step_texts
from kharness.plan.volumes.snapshots import Snapshot, Writes, snapshot_to_restore
from kharness.settings.catalog import ContainerDir

SHORTEST = 4
"""Digits of an image's id that are enough to mean it."""
WHO_TAKES = "'kharness prune' keeps the last releases, 'docker system prune -a' takes everything that no container uses"


def was_released(harness: Harness, name: str) -> bool:
    """Whether a container directory has, or once had, a live image on this engine. Raises `EngineError`."""
    if harness.engine.image(harness.tags(name).live) is not None:
        return True
    return any(each.kind in WAS_LIVE for each in harness.state.releases_in_use(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An image that was live once: since `at`, in seconds since the epoch; `here` where the engine still has it."""

    image: str
    at: float
    here: bool


def earlier(harness: Harness, name: str) -> tuple[Earlier, ...]:
    """Return the images that were live before the present one, the latest first, each once."""
    live = harness.engine.image(harness.tags(name).live)
    found: dict[str, Earlier] = {}
    for release in harness.state.releases_in_use(name):
        image = release.image_id
        if release.kind in WAS_LIVE and image not in found and (live is None or image != live.id):
            found[image] = Earlier(image=image, at=release.at, here=harness.engine.image(image) is not None)
    return tuple(found.values())


def choose(harness: Harness, name: str, to: str | None) -> ImageFacts:
    """Return the image to go back to: the last one that was live, or the one that `to` means.

    `to` is the beginning of an image's id, or a tag that keeps a release. Raises `UsageError` when there is none of
    that description, `RefusedError` when it is gone from the engine; never takes another one instead.
    """
    if to is not None and to.startswith(RELEASE):
        tagged = harness.engine.image(f"{harness.tags(name).repository}/{name}:{to}")
        if tagged is None:
            raise UsageError(f"{name}: there is no image {name}:{to}; {_told(harness, name)}")
        return tagged
    known = earlier(harness, name)
    changes = (each for each in harness.state.releases_in_use(name) if each.kind in WAS_LIVE - {Kind.RELAUNCH})
    last = next(changes, None)
    if to is None and last is not None and last.kind == Kind.ROLLBACK:
        # The release before that is the one that was just left.
        again = "the last release was a roll-back already; say with --to where to"
        raise UsageError(f"{name}: {again}; {_told(harness, name)}")
    wanted = to.removeprefix("sha256:") if to else ""
    if to is not None and len(wanted) < SHORTEST:
        raise UsageError(f"{name}: {to!r} should be at least {SHORTEST} digits of an image's id, or a tag {RELEASE}...")
    fitting = [each for each in known if each.image.removeprefix("sha256:").startswith(wanted)]
    if not fitting:
        missing = "no earlier release" if to is None else f"no earlier release of an image {to}"
        raise UsageError(f"{name}: {missing}; {_told(harness, name)}")
    found = harness.engine.image(fitting[0].image)
    if found is None:
        gone = short_id(fitting[0].image)
        raise RefusedError(f"{name}: the image {gone} is gone; {WHO_TAKES}; {_told(harness, name)}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierData:
    """The data that go back with an image, and what was written to them since, as far as it is seen now."""

    image: ImageFacts
    snapshot: Snapshot
    writes: Writes


def choose_data(harness: Harness, name: str, to: str | None) -> EarlierData:
    """Return the data as the chosen image left them: the snapshot of the release that replaced it when it ran last.

    Raises what `choose` does, `RefusedError` where there is no such snapshot, never taking another one instead, and
    `HostError`.
    """
    image = choose(harness, name, to)
    if not harness.engine.facts().local:
        raise UsageError(f"{name}: --data needs the engine's file system, and the engine is not on this host")
    check_volume_root(harness)
    found = snapshots_of(harness, name)
    snapshot = snapshot_to_restore(image.id, launches_of(harness, name), found.kept())
    if snapshot is None:
        why = f"there is no snapshot of the data from before image {short_id(image.id)} was replaced"
        raise RefusedError(f"{name}: {why}; 'kharness volumes {name}' shows what there is")
    return EarlierData(image=image, snapshot=snapshot, writes=found.writes_since(snapshot.id))


def roll_back(
    harness: Harness,
    directory: ContainerDir,
    *,
    to: str | None = None,
    verify: Tests | None = None,
    data: EarlierData | None = None,
) -> Released:
    """Launch an earlier image with the present settings and verify it in place, on the present data or on its own.

    What runs now comes back if it is not fit, and so do its data. Raises `KharnessError` where nothing was changed.
    """
    name = directory.name
    image = data.image if data else choose(harness, name, to)
    evidence = _evidence(harness, name, image)
    settings = harness.settings(directory)
    if settings.release.data == "snapshot" and data is None:
        harness.report(name, f"the data stay as they are; 'kharness rollback {name} --data' puts back the image's own")
    if is_base(harness, name, {**harness.fleet()[0], name: settings}):
        # As with --launch: what is only built on is never launched.
        return promote(harness, name, image.id, evidence, kind=Kind.ROLLBACK)
    subject = production_subject(harness, directory, settings, image)
    return launch(
        harness,
        subject,
        evidence,
        # It was live: the ledger is the evidence.
        in_prod_tests=1,
        verify=verify or partial(verify_in_place, harness, directory),
        kind=Kind.ROLLBACK,
        restore=data.snapshot.id if data else "",
    )


def would_roll_back(
    harness: Harness, directory: ContainerDir, image: ImageFacts, *, data: EarlierData | None = None
) -> tuple[str, ...]:
    """Return the steps of a roll-back to an image; looks, and changes nothing. Raises `KharnessError`."""
    name = directory.name
    settings = harness.settings(directory)
    operation = operation_of(harness, Kind.ROLLBACK, name, image.id, _evidence(harness, name, image))
    if is_base(harness, name, {**harness.fleet()[0], name: settings}):
        return step_texts(steps_of(harness, operation))
    subject = production_subject(harness, directory, settings, image)
    plan = plan_production_launch(subject, volume_root=harness.volume_root)
    restore = data.snapshot.id if data else ""
    if refused := refusals_of_data(harness, subject, plan, restore=restore):
        raise RefusedError("\n".join(f"{name}: {reason}" for reason in refused))
    current = harness.production.claim(name, plan)
    operation = replace(
        operation,
        container=plan.spec.name,
        former=former_of(current, {}) if current else None,
        fresh=tuple(map(str, missing_volumes(harness, plan.volumes))),
        data=data_of(harness, subject, restore=restore),
    )
    return step_texts(steps_of(harness, operation))


def _evidence(harness: Harness, name: str, image: ImageFacts) -> Provenance:
    # What is known of the image, not of the sources as they are now.
    releases = harness.state.releases_in_use(name)
    first = next((release for release in releases if release.image_id == image.id and release.commit), None)
    return Provenance(
        session="",
        tests=0,
        digest=image.labels.get(labels.DIGEST, ""),
        commit=(first.commit or "") if first else "",
    )


def _told(harness: Harness, name: str) -> str:
    here = ", ".join(_here(harness, name))
    return f"what was live and is still here: {here}" if here else "nothing that was live before is still here"


def _here(harness: Harness, name: str) -> Iterator[str]:
    return (short_id(each.image) for each in earlier(harness, name) if each.here)
