"""Promotion and launch: move `:live` to what was tested, swap production, verify it, or put the old one back."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from kharness.errors import EngineError, KharnessError, UsageError
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.putback import PutBack
from kharness.ops.readiness import failure, wait_ready
from kharness.ops.targets.api import Replacement
from kharness.ops.targets.engine import EngineTarget
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch import LaunchPlan, Subject, plan_production_launch
from kharness.plan.readiness import ByHealth
from kharness.plan.speckey import spec_key
from kharness.plan.tags import TagMove, Tags, plan_promotion, plan_revert

LOCK_TIMEOUT = 1.0
"""Seconds: a release that somebody else works on is a refusal, not a queue."""
POLL = 0.1

Verify = Callable[[], tuple[str, ...]]
"""Runs the in-production tests and returns the reasons that speak against the new instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a release stands on, for the ledger."""

    session: str
    tests: int
    digest: str = ""
    commit: str = ""
    untested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """How a promotion or launch ended.

    `kind` is promoted, unchanged or launched; failing (production already ran this, and does not work), undone (all is
    as it was before), broken (it is not, and the reasons say what to do by hand) or refused. `notes` are left to do.
    """

    name: str
    kind: str
    reasons: tuple[str, ...] = ()
    image: str = ""
    previous: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether what was asked for was done."""
        return self.kind in {"promoted", "unchanged", "launched"}


def promote(harness: Harness, name: str, image: str, evidence: Evidence) -> Released:
    """Move `:live` to an image and keep the old one as `:prev`; raises `KharnessError` where nothing was changed."""
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        promotion = _promotion(harness, name, image)
        back = PutBack()
        try:
            _move(harness, promotion, back)
        except KharnessError as error:
            raise EngineError("\n".join((f"{name}: cannot be promoted: {error}", *back.run()))) from error
        kind = "promoted" if promotion.moves else "unchanged"
        done = Released(name=name, kind=kind, image=image, previous=promotion.live)
        if promotion.moves:
            done = _recorded(harness, "untested" if evidence.untested else "promote", done, evidence)
    return done


def refusals_to_launch(subject: Subject, plan: LaunchPlan, *, in_prod_tests: int) -> tuple[str, ...]:
    """Return why a launch would have no evidence that production works, or could not keep what it promises."""
    reasons = []
    release = subject.settings.release
    if release.verify != "none" and not in_prod_tests and not isinstance(plan.ready, ByHealth):
        reasons.append(
            "neither a test marked in_prod nor a health check could show that production works; add one, "
            "or say 'release: {verify: none}'"
        )
    if release.data == "snapshot":
        reasons.append("'release: {data: snapshot}' is not supported by this version; a roll-back would keep the data")
    return tuple(reasons)


def launch(harness: Harness, subject: Subject, evidence: Evidence, *, in_prod_tests: int, verify: Verify) -> Released:
    """Promote the subject's image, relaunch production from it and verify it; on failure all is as it was.

    Raises `EngineError`, `HostError`, `UsageError` only where nothing was changed.
    """
    name, image = subject.name, subject.image.id
    plan = keyed(plan_production_launch(subject, volume_root=harness.volume_root))
    refused = refusals_to_launch(subject, plan, in_prod_tests=in_prod_tests)
    if refused:
        return Released(name=name, kind="refused", reasons=refused, image=image)
    target = EngineTarget(harness)
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        current = target.current(plan.spec.name)
        promotion = _promotion(harness, name, image)
        same = current is not None and _same(current, plan)
        done = Released(name=name, kind="unchanged" if same else "launched", image=image, previous=promotion.live)
        back = PutBack()
        swap: Replacement | None = None
        try:
            _move(harness, promotion, back)
            if same and current is not None:
                harness.report(name, "production already runs this image with these settings; verifying it in place")
                reasons = _check_running(harness, plan, current.id, verify)
            else:
                harness.report(name, "relaunching production")
                swap = target.replace(subject, plan)
                back.add(partial(target.revert, swap))
                harness.report(name, "verifying production in place")
                reasons = _check(harness, subject, plan, swap, verify)
        except KharnessError as error:
            reasons = (str(error),)
        except BaseException as error:
            # An interrupt is no verdict: what ran before the launch runs again.
            for left in back.run():
                harness.report(name, left)
                error.add_note(left)
            raise
        if reasons:
            return _undo(harness, replace(done, kind="failing" if same else "undone", reasons=reasons), back, evidence)
        if swap is not None:
            done = replace(done, notes=target.keep(swap))
        if promotion.moves:
            done = _recorded(harness, "promote", done, evidence)
        return done if same else _recorded(harness, "launch", done, evidence)


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


def _check(
    harness: Harness, subject: Subject, plan: LaunchPlan, replacement: Replacement, verify: Verify
) -> tuple[str, ...]:
    engine = harness.engine
    wait_ready(engine, replacement.new, plan.ready, spec=plan.spec, timeout=harness.host.ready_timeout)
    ready = time.monotonic()
    before = engine.container(replacement.new)
    reasons = verify()
    if reasons or subject.settings.release.verify == "none":
        return reasons
    while True:
        facts = engine.container(replacement.new)
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


def _undo(harness: Harness, undone: Released, back: PutBack, evidence: Evidence) -> Released:
    if undone.kind == "undone":
        harness.report(undone.name, "putting back what was there before")
    if left := back.run():
        undone = replace(undone, kind="broken", reasons=(*undone.reasons, *left))
    return undone if undone.kind == "failing" else _recorded(harness, "undone", undone, evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Promotion:
    """The tags to move, and what they are now."""

    tags: Tags
    live: str | None
    prev: str | None
    moves: tuple[TagMove, ...]


def _promotion(harness: Harness, name: str, image: str) -> _Promotion:
    tags = harness.tags(name)
    if harness.engine.image(image) is None:
        raise UsageError(f"{name}: the tested image {image} is gone")
    live, prev = _id(harness, tags.live), _id(harness, tags.prev)
    return _Promotion(tags=tags, live=live, prev=prev, moves=plan_promotion(tags, tested=image, live=live))


def _move(harness: Harness, promotion: _Promotion, back: PutBack) -> None:
    if not promotion.moves:
        return
    # `:live` first when it goes back: until then `:prev` keeps its image from being nobody's.
    for move in reversed(plan_revert(promotion.tags, live=promotion.live, prev=promotion.prev)):
        by_hand = f"docker tag {move.image} {move.ref}" if move.image else f"docker rmi {move.ref}"
        back.add(partial(_set_tag, harness, move), failed=f"{move.ref} may have moved", by_hand=by_hand)
    for move in promotion.moves:
        _set_tag(harness, move)


def _set_tag(harness: Harness, move: TagMove) -> None:
    if move.image is None:
        harness.engine.untag(move.ref)
    else:
        harness.engine.tag(move.image, move.ref)


def _id(harness: Harness, ref: str) -> str | None:
    image = harness.engine.image(ref)
    return image.id if image else None


def _recorded(harness: Harness, kind: str, released: Released, evidence: Evidence) -> Released:
    try:
        _record(harness, kind, released, evidence)
    except KharnessError as error:
        # What was done is done, and must be told.
        return replace(released, notes=(*released.notes, f"the ledger of releases lacks this {kind}: {error}"))
    return released


def _record(harness: Harness, kind: str, released: Released, evidence: Evidence) -> None:
    harness.state.record_release(
        name=released.name,
        kind=kind,
        image_id=released.image,
        previous=released.previous,
        digest=evidence.digest,
        commit=evidence.commit,
        who=_who(),
        at=time.time(),
        session=evidence.session,
        tests=evidence.tests,
        note="\n".join(released.reasons),
    )


def _who() -> str:
    user = os.environ.get("SUDO_USER")
    if user:
        return f"{user} (sudo)"
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
