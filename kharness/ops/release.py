"""Promotion and launch: move `:live` to what was tested, swap production, verify it, or put the old one back."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from kharness.errors import ConflictError, EngineError, KharnessError, LaunchError, UsageError
from kharness.host.locks import lock
from kharness.ops.data import plan_data, refusals_of_data
from kharness.ops.harness import Harness
from kharness.ops.journal import carry_out, keep, move_tags, undo
from kharness.ops.notify import notify
from kharness.ops.prepare import prepare_launch
from kharness.ops.readiness import failure, wait_ready
from kharness.ops.recover import settle
from kharness.ops.secrets import give_secrets, place_secrets, sweep_secrets
from kharness.ops.snapshots import discarded_text
from kharness.ops.targets.engine import EngineTarget
from kharness.ops.volumeroot import check_volume_root, record_volume_root, uses_volume_root
from kharness.ops.volumes import missing_volumes
from kharness.plan import labels
from kharness.plan.dockerline import docker_line
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch import LaunchPlan, Subject, plan_production_launch
from kharness.plan.operation import Evidence, Kind, Operation, Released, former_of
from kharness.plan.readiness import ByHealth
from kharness.plan.secrets import redact
from kharness.plan.speckey import spec_key
from kharness.plan.tags import plan_promotion

LOCK_TIMEOUT = 3.0
"""Seconds: a release that somebody else works on is a refusal, not a queue; a copy of the data is over by then."""
POLL = 0.1
LINE = "launched as "
"""What the state's facts about launch lines begin with."""

Verify = Callable[[], tuple[str, ...]]
"""Runs the in-production tests and returns the reasons that speak against the new instance."""


def promote(harness: Harness, name: str, image: str, evidence: Evidence, *, kind: Kind = Kind.PROMOTE) -> Released:
    """Move `:live` to an image and keep the old one as `:prev`; raises `KharnessError` where nothing was changed."""
    done = _promote(harness, name, image, evidence, kind=kind)
    notify(harness, done)
    return done


def _promote(harness: Harness, name: str, image: str, evidence: Evidence, *, kind: Kind) -> Released:
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        settle(harness, name)
        operation = operation_of(harness, kind, name, image, evidence)
        moves = plan_promotion(operation.tags, tested=image, live=operation.live)
        if not moves:
            return Released(name=name, kind="unchanged", image=image, previous=operation.live)
        if reasons := carry_out(harness, operation, partial(move_tags, harness, moves)):
            left = undo(harness, operation, note="\n".join(reasons), told=False)
            raise EngineError("\n".join((f"{name}: cannot be promoted: {reasons[0]}", *left)))
        notes = keep(harness, operation)
        return Released(name=name, kind="promoted", image=image, previous=operation.live, notes=notes)


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
    evidence: Evidence,
    *,
    in_prod_tests: int,
    verify: Verify,
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
    evidence: Evidence,
    *,
    in_prod_tests: int,
    verify: Verify,
    kind: Kind,
    restore: str,
) -> Released:
    name, image = subject.name, subject.image.id
    plan = keyed(plan_production_launch(subject, volume_root=harness.volume_root))
    refused = (
        *refusals_to_launch(subject, plan, in_prod_tests=in_prod_tests),
        *refusals_of_data(harness, subject, plan, restore=restore),
    )
    if refused:
        return Released(name=name, kind="refused", reasons=refused, image=image)
    target = EngineTarget(harness)
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        settle(harness, name)
        current = target.current(plan.spec.name, of=name)
        same = current is not None and not restore and _same(current, plan)
        operation = operation_of(harness, kind, name, image, evidence)
        prepare_launch(harness, subject)
        if not same:
            swapped = swap(harness, target, plan, of=name)
            operation = replace(operation, **swapped, data=plan_data(harness, subject, restore=restore))
        done = Released(
            name=name,
            kind="unchanged" if same else "launched",
            image=image,
            previous=operation.live,
            notes=() if same else _forgotten_volumes(subject),
        )
        moves = plan_promotion(operation.tags, tested=image, live=operation.live)

        def work() -> tuple[str, ...]:
            move_tags(harness, moves)
            if same and current is not None:
                harness.report(name, "production already runs this image with these settings; verifying it in place")
                # Without the copies that it was launched with it could not be started again.
                place_secrets(harness, plan, who=name)
                give_secrets(harness, subject, plan, current.id)
                return _check_running(harness, plan, current.id, verify)
            new = start(harness, target, operation, subject, plan)
            harness.report(name, "verifying production in place")
            return _check(harness, subject, plan, new, verify)

        # What a container says when it fails may be all that it was given, and reasons go into the ledger.
        reasons = tuple(redact(reason, subject.hidden) for reason in carry_out(harness, operation, work))
        if reasons:
            done = _undone(harness, operation, replace(done, kind="failing" if same else "undone", reasons=reasons))
        else:
            if not same:
                remember_line(harness, subject, plan)
            done = replace(done, notes=(*done.notes, *keep(harness, operation)))
        sweep_secrets(harness, name)
        return done


def swap(harness: Harness, target: EngineTarget, plan: LaunchPlan, *, of: str) -> dict[str, Any]:
    """Return what an operation must know of the container that is replaced, and of what is made for the new one.

    Raises `ConflictError` and `HostError` where a network or a mounted directory is missing, the volume root is another
    one, or a name is not free.
    """
    name = plan.spec.name
    if uses_volume_root(harness, plan.volumes):
        check_volume_root(harness)
        record_volume_root(harness)
    target.ensure_networks(plan)
    current, elsewhere = target.current(name, of=of), target.elsewhere(plan, of=of)
    if current is not None and elsewhere is not None:
        raise ConflictError(f"{of}: runs as {current.name}, and {elsewhere.name} is there, too; remove one of them")
    old = current or elsewhere
    former = former_of(old, harness.engine.request_of(old.id)) if old else target.left_aside(plan, of=of)
    if former is not None and harness.engine.image(former.image) is None:
        harness.report(of, "the image of the present container is gone: it can come back, but not be made again")
    fresh = tuple(map(str, missing_volumes(harness, plan.volumes)))
    return {"container": name, "former": former, "fresh": fresh}


def start(harness: Harness, target: EngineTarget, operation: Operation, subject: Subject, plan: LaunchPlan) -> str:
    """Let the new container take the old one's place; returns its id. Raises `LaunchError`."""
    harness.report(operation.name, "relaunching production")
    try:
        return target.replace(operation, subject, plan)
    except KharnessError as error:
        wanted = [f"{each.ipv4_address} on {each.network}" for each in plan.spec.networks if each.ipv4_address]
        # The engine does not say which address is meant.
        which = f"; it wants {', '.join(wanted)}" if wanted and isinstance(error, ConflictError) else ""
        raise LaunchError(f"{plan.spec.name}: the new production container cannot start: {error}{which}") from error


def remember_line(harness: Harness, subject: Subject, plan: LaunchPlan) -> None:
    """Remember how production was launched, for a later comparison; values of `env_file` are not kept."""
    with suppress(KharnessError):
        line = docker_line(plan.spec, hide=frozenset(subject.env))
        harness.state.set_fact(f"{LINE}{subject.name}", line)


def _forgotten_volumes(subject: Subject) -> tuple[str, ...]:
    said = {volume.target for volume in subject.settings.volumes}
    forgotten = [path for path in subject.image.volumes if path.rstrip("/") not in said]
    if not forgotten:
        return ()
    return (f"the image keeps data in {', '.join(forgotten)}, which no volume names: a release begins with empty ones",)


def keyed(plan: LaunchPlan) -> LaunchPlan:
    """Label a plan with its own key, so that it is seen later whether production runs exactly this."""
    spec = replace(plan.spec, labels={**plan.spec.labels, labels.INPUTS: spec_key(plan.spec)})
    return replace(plan, spec=spec)


def _same(current: ContainerFacts, plan: LaunchPlan) -> bool:
    return (
        current.running
        and current.image_id == plan.spec.image
        and current.labels.get(labels.INPUTS) == plan.spec.labels[labels.INPUTS]
        # A launch that was killed before the swap leaves the old one running without its policy.
        and current.restart_policy == plan.spec.restart
    )


def _check_running(harness: Harness, plan: LaunchPlan, container: str, verify: Verify) -> tuple[str, ...]:
    wait_ready(harness.engine, container, plan.ready, spec=plan.spec, timeout=harness.host.ready_timeout)
    return verify()


def _check(harness: Harness, subject: Subject, plan: LaunchPlan, new: str, verify: Verify) -> tuple[str, ...]:
    engine = harness.engine
    wait_ready(engine, new, plan.ready, spec=plan.spec, timeout=harness.host.ready_timeout)
    ready = time.monotonic()
    before = engine.container(new)
    reasons = verify()
    if reasons or subject.settings.release.verify == "none":
        return reasons
    while True:
        facts = engine.container(new)
        if facts is None or before is None:
            return (f"{plan.spec.name}: the new production container vanished",)
        if not facts.running or facts.restart_count > before.restart_count:
            how = "was restarted" if facts.running else f"exited with {facts.exit_code}"
            raise failure(engine, facts, plan.spec, f"did not keep running in production: it {how}")
        if facts.health == "unhealthy":
            raise failure(engine, facts, plan.spec, "became unhealthy in production")
        if time.monotonic() - ready >= subject.settings.release.verify_for:
            return ()
        time.sleep(POLL)


def _undone(harness: Harness, operation: Operation, undone: Released) -> Released:
    if undone.kind == "undone":
        harness.report(undone.name, "putting back what was there before")
    # Production that failed its tests as it was has not changed, and is nothing for the ledger.
    left = undo(harness, operation, note="\n".join(undone.reasons), told=undone.kind == "undone")
    if said := discarded_text(operation):
        undone = replace(undone, notes=(*undone.notes, said))
    return replace(undone, kind="broken", reasons=(*undone.reasons, *left)) if left else undone


def operation_of(harness: Harness, kind: Kind, name: str, image: str, evidence: Evidence) -> Operation:
    """Return an operation that moves tags alone; raises `UsageError` when the image is gone."""
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
