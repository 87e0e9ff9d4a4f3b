"""An operation on production as a list of steps: what each does, and what a person does where its way back fails.

`plan_rollout` makes the list from a strategy, the old container and the new release, and from nothing else. One
transaction walks it forward, backward, and backward again after a crash; a dry run prints it. Where a walk stands is
not remembered: doing a step and undoing it look first, and do nothing where nothing is to do (see
`kharness.ops.release.acts`). So one way back is right after every step, and may begin again after it was cut short.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from kharness.plan import labels
from kharness.plan.facts import short_id
from kharness.plan.image.tags import TagMove, plan_revert
from kharness.plan.launch.life import ASIDE, WAITING
from kharness.plan.release.operation import Data, Former, Operation
from kharness.plan.volumes.snapshots import DATA, PLACE


class Strategy(StrEnum):
    """How production gets from the old state to the new one."""

    PROMOTE = "promote"
    """Tags move; no container changes."""
    VERIFY = "verify"
    """Tags move; production runs the image already, and is verified in place."""
    RECREATE = "recreate"
    """The new container is created beside the old one, which stops before the new one starts."""
    REPLACE = "replace"
    """The target replaces instances by itself, and can go back by itself."""
    EXCHANGE = "exchange"
    """Other data take the place of the present ones; the container is the same before and after."""


class Act(StrEnum):
    """What a step does; `kharness.ops.release.acts` and the production target say how."""

    PREV = "prev"
    LIVE = "live"
    DIRECTORIES = "directories"
    COPY = "copy"
    SECRETS = "secrets"
    STAGE = "stage"
    POLICY = "policy"
    STOP = "stop"
    ASIDE = "aside"
    SNAPSHOT = "snapshot"
    SWITCH = "switch"
    PREPARE = "prepare"
    EXCHANGE = "exchange"
    VOLUMES = "volumes"
    RESUME = "resume"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of an operation.

    `says` is its line in a dry run. `fails` begins the reason where doing it fails. `risk` is what may not be as it was
    where undoing it fails, `by_hand` the commands that a person types then. `of` tells steps of one act apart.
    """

    act: Act
    says: str
    of: str = ""
    fails: str = ""
    risk: str = ""
    by_hand: str = ""

    def left(self, error: Exception) -> str:
        """Return what is left to do because undoing the step failed."""
        text = f"{self.risk}: {error}" if self.risk else str(error)
        return f"{text}; by hand: {self.by_hand}" if self.by_hand else text


def strategy_of(operation: Operation, *, launches: Strategy = Strategy.RECREATE) -> Strategy:
    """Return the strategy by which a journaled operation is undone or completed.

    `launches` is how the production target launches.
    """
    if operation.restored:
        return Strategy.EXCHANGE
    return launches if operation.container else Strategy.PROMOTE


def plan_rollout(strategy: Strategy, old: Former | None, new: Operation) -> tuple[Step, ...]:
    """Return the steps of an operation, in the order in which they are done; undone they are last to first."""
    return tuple(_STEPS[strategy](old, new))


def step_texts(steps: tuple[Step, ...]) -> tuple[str, ...]:
    """Return the lines of a dry run."""
    return tuple(step.says for step in steps if step.says)


def _promote(_old: Former | None, new: Operation) -> Iterator[Step]:
    changed = new.image != new.live
    says = {
        new.tags.prev: f"tag {short_id(new.live)} as {new.tags.prev}" if changed and new.live else "",
        new.tags.live: f"tag {short_id(new.image)} as {new.tags.live}" if changed else "",
    }
    # `:prev` first: so no moment is without a name for the old image. The way back is in the opposite order.
    acts = {new.tags.prev: Act.PREV, new.tags.live: Act.LIVE}
    for move in reversed(plan_revert(new.tags, live=new.live, prev=new.prev)):
        yield Step(act=acts[move.ref], says=says[move.ref], risk=f"{move.ref} may have moved", by_hand=_tag_text(move))


def _verify(old: Former | None, new: Operation) -> Iterator[Step]:
    yield from _promote(old, new)
    yield Step(act=Act.SECRETS, says="copy the secrets to where only root and the engine read them")
    yield Step(act=Act.VERIFY, says="verify it in place")


def _recreate(old: Former | None, new: Operation) -> Iterator[Step]:
    name = new.container
    fails = f"{name}: the new production container cannot start"
    yield from _promote(old, new)
    made = f"create {', '.join(new.fresh)}" if new.fresh else ""
    yield Step(act=Act.DIRECTORIES, says=made, fails=fails)
    if new.data is not None:
        copy = f"copy snapshot {new.data.restore} beside the data" if new.data.restore else ""
        yield Step(act=Act.COPY, says=copy, fails=fails)
    yield Step(act=Act.SECRETS, says="", fails=fails)
    yield Step(act=Act.STAGE, says=f"create the new container as {name}{WAITING}", fails=fails)
    if old is not None:
        yield from _stand_down(old, name, fails=fails)
        yield Step(
            act=Act.ASIDE,
            says=f"rename the old container to {name}{ASIDE}, where it stays until the new one is verified",
            fails=fails,
            risk=f"{name}: the old container may have another name",
            by_hand=f"docker rename {short_id(old.id)} {old.name}",
        )
    if new.data is not None:
        yield _snapshot(new, new.data, fails=fails)
    yield Step(
        act=Act.SWITCH,
        says=f"start the new container as {name}",
        fails=fails,
        risk=f"{name}: the new container may still be there",
        by_hand=f"docker ps -aq --filter label={labels.RELEASE}={new.id} | xargs -r docker rm -f",
    )
    yield Step(act=Act.VERIFY, says="verify it in place; where that fails, all of this is undone")


def _replace(old: Former | None, new: Operation) -> Iterator[Step]:
    yield from _promote(old, new)
    yield Step(act=Act.STAGE, says=f"prepare the new release of {new.container}")
    yield Step(act=Act.SWITCH, says=f"replace {new.container}", risk=f"{new.container}: the new release may still run")
    yield Step(act=Act.VERIFY, says="verify it in place; where that fails, all of this is undone")


def _exchange(old: Former | None, new: Operation) -> Iterator[Step]:
    for path in new.restored:
        yield Step(act=Act.PREPARE, of=path, says=f"prepare the data for {path}")
    if old is not None:
        yield from _stand_down(old, new.container)
    for path in new.restored:
        yield Step(
            act=Act.EXCHANGE,
            of=path,
            says=f"put the present data of {path} aside, and the others in their place",
            risk=f"{path}: the data may not be what they were",
            by_hand=_exchange_by_hand(old, new, path),
        )
    yield Step(act=Act.VOLUMES, says="")
    if old is not None and old.was_up:
        yield Step(act=Act.RESUME, says=f"start {old.name}, and wait until it is ready")


def _stand_down(old: Former, name: str, *, fails: str = "") -> Iterator[Step]:
    short = short_id(old.id)
    policy = f"{old.restart}:{old.retries}" if old.retries else old.restart
    yield Step(
        act=Act.POLICY,
        says="",
        fails=fails,
        risk=f"{name}: the old container may lack its restart policy",
        by_hand=f"docker update --restart {policy} {short}",
    )
    yield Step(
        act=Act.STOP,
        says=f"stop {old.name}" if old.was_up else "",
        fails=fails,
        risk=f"{name}: the old container may not run",
        by_hand=f"docker start {short}",
    )


def _snapshot(new: Operation, data: Data, *, fails: str) -> Step:
    present, place = _places(f"{data.root}/{new.name}")
    restores = f"put the data of snapshot {data.restore} in place, and the present ones aside"
    return Step(
        act=Act.SNAPSHOT,
        says=restores if data.restore else "take a snapshot of the data",
        fails=fails,
        risk=f"{new.container}: the data may not be what they were",
        by_hand=f"mv {present} {present}.discarded; mv {shlex.quote(f'{place}/{new.id}/{DATA}')} {present}",
    )


def _exchange_by_hand(old: Former | None, new: Operation, path: str) -> str:
    present, place = _places(path)
    stop = f"docker stop {short_id(old.id)}; " if old else ""
    return f"{stop}mv {present} {present}.restored; mv {shlex.quote(f'{place}/{new.id}/{DATA}')} {present}"


def _places(path: str) -> tuple[str, str]:
    root, _, name = path.rpartition("/")
    return shlex.quote(path), f"{root}/{PLACE}/{name}"


def _tag_text(move: TagMove) -> str:
    return f"docker tag {move.image} {move.ref}" if move.image else f"docker rmi {move.ref}"


_STEPS = {
    Strategy.PROMOTE: _promote,
    Strategy.VERIFY: _verify,
    Strategy.RECREATE: _recreate,
    Strategy.REPLACE: _replace,
    Strategy.EXCHANGE: _exchange,
}
