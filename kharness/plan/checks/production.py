"""Checks of production: which image runs, what changed since the launch, and the host's id mapping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kharness.plan.checks.check import CIS, IN_PRODUCTION, ON_THIS_HOST, check
from kharness.plan.facts import EngineFacts, short_id
from kharness.plan.launch.deviations import Deviation
from kharness.settings.policy import Policy

SHOWN = 20
"""How many changed paths are listed; 'kharness cowscan' lists all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveImage:
    """Ids of the image that production runs, of the live image, and of the ledger's last release; empty for none."""

    runs: str
    live: str
    recorded: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnexpectedChanges:
    """What a container changed of its image's files beyond `drift.expect`: a sentence for each, the worst first.

    Only a scan that found its own token makes one.
    """

    left: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualChanges:
    """What was changed of a container by hand since its launch, each by its key; none contains a secret's value."""

    changes: tuple[Deviation, ...]


@check(
    "KH201",
    "has a clean copy-on-write layer",
    UnexpectedChanges,
    reason=(
        "A container's files are its image's. Any other file was added since the launch: by the service, by a person "
        "who entered the container, or by an intruder."
    ),
    mend="kharness cowscan NAME --snapshot --restart; declare what it writes by itself: drift: {expect: [...]}",
    source="docs/drift.md: the layer shows every file that changed since the launch",
    gates=False,
    baseline=True,
    modes=IN_PRODUCTION,
)
def clean_layer(found: UnexpectedChanges, _policy: Policy) -> Iterator[str]:
    yield from found.left[:SHOWN]
    if len(found.left) > SHOWN:
        yield f"and {len(found.left) - SHOWN} more, which 'kharness cowscan' shows"


@check(
    "KH401",
    "runs the live image",
    LiveImage,
    reason=(
        "The image that was tested and promoted is not the one that runs: the relaunch was forgotten, or a container "
        "was launched by hand."
    ),
    mend="pytest containers/NAME --ready --launch, or kharness rollback NAME",
    source="the gate: what runs is what passed",
    gates=False,
    baseline=True,
    modes=IN_PRODUCTION,
)
def runs_live(image: LiveImage, _policy: Policy) -> Iterator[str]:
    if not image.live:
        yield "no image is live"
    elif image.runs != image.live:
        yield f"production runs {short_id(image.runs)}, and {short_id(image.live)} is live"


@check(
    "KH402",
    "has a live image that was promoted",
    LiveImage,
    reason=(
        "Everyone who reaches the engine can move a tag; a live image that was tagged by hand passed no test and is "
        "not in the ledger."
    ),
    mend="kharness history NAME shows the releases; pytest containers/NAME --ready --launch makes a new one",
    source="the gate: what is live is what was promoted",
    gates=False,
    baseline=True,
    modes=IN_PRODUCTION,
)
def live_is_promoted(image: LiveImage, _policy: Policy) -> Iterator[str]:
    if not image.recorded:
        yield "the ledger has no release of it"
    elif image.live and image.live != image.recorded:
        moved = f"{short_id(image.live)} is live, and {short_id(image.recorded)} was promoted last"
        yield f"{moved}: the tag was moved by hand"


@check(
    "KH403",
    "runs with mapped user ids",
    EngineFacts,
    reason=(
        "With userns-remap, or a rootless engine, a process that escapes from a container has no rights on the host."
    ),
    mend="docs/uid-mapping.md, from no mapping to userns-remap with existing data",
    source=CIS + "2.9",
    gates=False,
    of_host=True,
    modes=ON_THIS_HOST,
)
def id_mapping(engine: EngineFacts, _policy: Policy) -> Iterator[str]:
    if not (engine.userns or engine.rootless):
        yield "the engine maps no ids: uid 0 of a container is uid 0 of the host"


@check(
    "KH404",
    "runs as it was launched",
    ManualChanges,
    reason=(
        "A container that 'docker update', 'docker network' or another tool has changed is not the container that was "
        "tested, and the next launch silently reverts the change."
    ),
    mend="put the change into settings.yaml; 'kharness run NAME' launches the container with its settings",
    source="the gate: what runs is what passed",
    gates=False,
    baseline=True,
    modes=IN_PRODUCTION,
)
def as_launched(by_hand: ManualChanges, _policy: Policy) -> Iterator[str]:
    yield from map(str, by_hand.changes)
