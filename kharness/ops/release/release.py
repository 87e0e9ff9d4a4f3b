"""Promotion and launch: move `:live` to what was tested, swap production, verify it, or put the old one back."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from dataclasses import replace

from kharness.errors import EngineError, KharnessError, UsageError
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.launch.secrets import sweep_secrets
from kharness.ops.project.identity import refuse_shared_images
from kharness.ops.project.unfinished import hint_for_new
from kharness.ops.release.data import plan_data, refusals_of_data
from kharness.ops.release.ledger import notify
from kharness.ops.release.recover import settle
from kharness.ops.release.transaction import carry_out, complete, steps_of, undo
from kharness.ops.release.work import Launching, Tests, Work
from kharness.ops.session.needs import refusals_of_needs
from kharness.ops.volumes.prepare import prepare_launch
from kharness.ops.volumes.snapshots import discarded_text
from kharness.plan.launch.docker_line import docker_line
from kharness.plan.launch.environment import redact
from kharness.plan.launch.plan import LaunchPlan, Subject, keyed, plan_production_launch
from kharness.plan.release.operation import Ending, Kind, Operation, Provenance, Released
from kharness.plan.release.steps import Strategy
from kharness.plan.session.readiness import ByHealth

LOCK_TIMEOUT = 3.0
"""Seconds: while another process releases, a release is refused, not queued; a copy of the data is over by then."""
LINE = "launched as "
"""What the state's facts about launch lines begin with."""


def promote(harness: Harness, name: str, image: str, evidence: Provenance, *, kind: Kind = Kind.PROMOTE) -> Released:
    """Move `:live` to an image and keep the old one as `:prev`; raises `KharnessError` where nothing was changed."""
    done = _promote(harness, name, image, evidence, kind=kind)
    notify(harness, done)
    return done


def _promote(harness: Harness, name: str, image: str, evidence: Provenance, *, kind: Kind) -> Released:
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        settle(harness, name)
        operation = operation_of(harness, kind, name, image, evidence)
        if operation.live == image:
            return Released(name=name, kind=Ending.UNCHANGED, image=image, previous=operation.live)
        work = Work(harness=harness, operation=operation, steps=steps_of(harness, operation, Strategy.PROMOTE))
        if reasons := carry_out(work):
            left = undo(harness, operation, note="\n".join(reasons), recorded=False)
            raise EngineError("\n".join((f"{name}: cannot be promoted: {reasons[0]}", *left)))
        notes = complete(harness, operation)
        return Released(name=name, kind=Ending.PROMOTED, image=image, previous=operation.live, notes=notes)


def refusals_to_launch(subject: Subject, plan: LaunchPlan, *, in_prod_tests: int) -> tuple[str, ...]:
    """Return why a launch would have no evidence that production works."""
    reasons = []
    release = subject.settings.release
    if release.verify != "none" and not in_prod_tests and not isinstance(plan.ready, ByHealth):
        reasons.append(
            "neither a test marked in_prod nor a health check could show that production works; add one, "
            "or say 'release: {verify: none}'"
        )
    return tuple(reasons)


def launch(
    harness: Harness,
    subject: Subject,
    evidence: Provenance,
    *,
    in_prod_tests: int,
    verify: Tests,
    kind: Kind = Kind.LAUNCH,
    restore: str = "",
) -> Released:
    """Promote the subject's image, relaunch production from it and verify it; on failure all is as it was.

    `restore` is the id of a snapshot of the volume directory, a copy of which takes its place.

    Raises `EngineError`, `HostError`, `StateError`, `UsageError` only where nothing was changed.
    """
    done = _launch(harness, subject, evidence, in_prod_tests=in_prod_tests, verify=verify, kind=kind, restore=restore)
    notify(harness, done)
    return done


def _launch(
    harness: Harness,
    subject: Subject,
    evidence: Provenance,
    *,
    in_prod_tests: int,
    verify: Tests,
    kind: Kind,
    restore: str,
) -> Released:
    name, image = subject.name, subject.image.id
    plan = keyed(plan_production_launch(subject, volume_root=harness.volume_root))
    refused = (
        *refusals_to_launch(subject, plan, in_prod_tests=in_prod_tests),
        *refusals_of_data(harness, subject, plan, restore=restore),
        # What is rolled back may be what its dependency suffers from.
        *(refusals_of_needs(harness, subject) if kind is Kind.LAUNCH else ()),
    )
    if refused:
        return Released(name=name, kind=Ending.REFUSED, reasons=refused, image=image)
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        settle(harness, name)
        target = harness.production
        current = target.claim(name, plan)
        same = current is not None and not restore and target.is_launched(current, subject, plan)
        operation = operation_of(harness, kind, name, image, evidence)
        notes: tuple[str, ...] = ()
        if renamed := hint_for_new(harness, name):
            # Its data may be those of another name, and it would begin with none.
            notes = (renamed,)
            harness.report(name, renamed)
        prepare_launch(harness, subject)
        if current is not None and same:
            steps = steps_of(harness, operation, Strategy.VERIFY)
            work = Launching(
                harness=harness,
                operation=operation,
                steps=steps,
                subject=subject,
                plan=plan,
                tests=verify,
                running=current.id,
            )
            return walk(
                work, Released(name=name, kind=Ending.UNCHANGED, image=image, previous=operation.live, notes=notes)
            )
        operation, more = begun(harness, operation, subject, plan, restore=restore)
        work = Launching(
            harness=harness,
            operation=operation,
            steps=steps_of(harness, operation),
            subject=subject,
            plan=plan,
            tests=verify,
            watched=watched(subject),
        )
        done = Released(name=name, kind=Ending.LAUNCHED, image=image, previous=operation.live, notes=(*notes, *more))
        return walk(work, done)


def begun(
    harness: Harness, operation: Operation, subject: Subject, plan: LaunchPlan, *, restore: str = ""
) -> tuple[Operation, tuple[str, ...]]:
    """Return an operation with all that the launch of a new container must know, and notes; nothing is changed.

    Raises what `Target.survey` and `plan_data` do.
    """
    found = harness.production.survey(subject, plan)
    planned = plan_data(harness, subject, restore=restore)
    operation = replace(
        operation,
        container=plan.spec.name,
        former=found.former,
        fresh=found.fresh,
        carried=found.carried,
        data=planned,
    )
    return operation, found.notes


def watched(subject: Subject) -> float | None:
    """Return for how many seconds a new container is watched; None where its settings ask for no verification."""
    release = subject.settings.release
    return None if release.verify == "none" else release.verify_for


def walk(work: Launching, done: Released) -> Released:
    """Walk the steps of a launch; returns `done`, or how it was undone."""
    harness, operation, subject = work.harness, work.operation, work.subject
    # What a container prints when it fails may be all that it was given, and reasons go into the ledger.
    reasons = tuple(redact(reason, subject.hidden) for reason in carry_out(work))
    if reasons:
        kind = Ending.FAILING if work.running else Ending.UNDONE
        done = _undone(harness, operation, replace(done, kind=kind, reasons=reasons))
    else:
        if not work.running:
            remember_line(harness, subject, work.plan)
        done = replace(done, notes=(*done.notes, *complete(harness, operation)))
    sweep_secrets(harness, operation.name)
    return done


def remember_line(harness: Harness, subject: Subject, plan: LaunchPlan) -> None:
    """Remember how production was launched, for a later comparison; values of `env_file` are not kept."""
    with suppress(KharnessError):
        line = docker_line(plan.spec, hide=frozenset(subject.env))
        harness.state.set_fact(f"{LINE}{subject.name}", line)


def _undone(harness: Harness, operation: Operation, undone: Released) -> Released:
    if undone.kind is Ending.UNDONE:
        harness.report(undone.name, "putting back what was there before")
    # Production that failed its tests as it was has not changed, and is nothing for the ledger.
    left = undo(harness, operation, note="\n".join(undone.reasons), recorded=undone.kind is Ending.UNDONE)
    if said := discarded_text(operation):
        undone = replace(undone, notes=(*undone.notes, said))
    return replace(undone, kind=Ending.BROKEN, reasons=(*undone.reasons, *left)) if left else undone


def operation_of(harness: Harness, kind: Kind, name: str, image: str, evidence: Provenance) -> Operation:
    """Return an operation that moves tags alone; raises `UsageError` when the image is gone."""
    refuse_shared_images(harness, name)
    tags = harness.tags(name)
    if harness.engine.image(image) is None:
        raise UsageError(f"{name}: the tested image {image} is gone")
    return Operation(
        id=secrets.token_hex(6),
        kind=kind,
        name=name,
        image=image,
        live=_id(harness, tags.live),
        prev=_id(harness, tags.prev),
        tags=tags,
        evidence=evidence,
        at=time.time(),
    )


def _id(harness: Harness, ref: str) -> str | None:
    image = harness.engine.image(ref)
    return image.id if image else None
