"""A release under way, as it is journaled before anything is changed: all that the way back needs.

Where it stands is not journaled: each step of the way back looks first, and does nothing where nothing is to do. So
one way back is right after every step, and may be begun again after it was itself cut short.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from kharness.plan.facts import ContainerFacts
from kharness.plan.image.tags import Tags


class Kind(StrEnum):
    """What was asked for; also what the ledger calls it when it is done."""

    PROMOTE = "promote"
    LAUNCH = "launch"
    RELAUNCH = "relaunch"
    ROLLBACK = "rollback"
    RESTORE = "restore"
    """Other data take the place of the present ones; the container is the same before and after."""


class Phase(StrEnum):
    """Whether a release is decided: until then it is undone, afterwards it is completed."""

    OPEN = "open"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a release stands on, for the ledger; `remarks` are what its tests showed that forbids nothing."""

    session: str
    tests: int
    digest: str = ""
    commit: str = ""
    untested: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """The production container that is replaced: what it was, and the request that makes it again."""

    id: str
    name: str
    image: str
    was_up: bool
    restart: str
    retries: int = 0
    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The data that come back with the old container: those below `root`, in the container directory's own place.

    `keep` says how many snapshots of them stay, `after` is the number of the ledger's last entry before the operation,
    `restore` the id of an older snapshot, a copy of which takes their place.
    """

    root: str
    keep: int
    after: int
    restore: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One release of the container directory `name`.

    `id` is the `kharness.release` label of the container that it creates, `container` that one's name on the engine
    (empty for a promotion). `live` and `prev` are the ids that the tags named before, `image` what `:live` is to name.
    `fresh` are the directories of the host that it makes, `carried` the anonymous volumes that go over to the new
    container, as (target, name), `at` is when it began, in seconds since the epoch. `data` are
    None where they stay in any case. `restored` are the
    directories whose place other data take. `note` goes into the ledger.
    """

    id: str
    kind: Kind
    name: str
    image: str
    live: str | None
    prev: str | None
    tags: Tags
    evidence: Provenance
    at: float
    container: str = ""
    former: Former | None = None
    fresh: tuple[str, ...] = ()
    carried: tuple[tuple[str, str], ...] = ()
    data: Data | None = None
    restored: tuple[str, ...] = ()
    note: str = ""

    @property
    def images(self) -> frozenset[str]:
        """The ids of all images that finishing or undoing it may need."""
        former = self.former.image if self.former else None
        return frozenset(image for image in (self.image, self.live, self.prev, former) if image)

    def to_json(self) -> str:
        """Return the text that the journal keeps."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Operation:
        """Read what `to_json` wrote; KeyError, TypeError or ValueError where it is something else."""
        said = json.loads(text)
        former, data = said.pop("former"), said.pop("data", None)
        return cls(
            kind=Kind(said.pop("kind")),
            tags=Tags(**said.pop("tags")),
            evidence=_evidence(said.pop("evidence")),
            former=Former(**former) if former else None,
            fresh=tuple(said.pop("fresh")),
            carried=tuple((target, volume) for target, volume in said.pop("carried", ())),
            data=Data(**data) if data else None,
            restored=tuple(said.pop("restored", ())),
            **said,
        )


class Ending(StrEnum):
    """How an operation on production ends."""

    PROMOTED = "promoted"
    LAUNCHED = "launched"
    UNCHANGED = "unchanged"
    """What was asked for was so already."""
    REFUSED = "refused"
    FAILING = "failing"
    """Production ran this already, and does not work."""
    UNDONE = "undone"
    """All is as it was before."""
    BROKEN = "broken"
    """It is not, and the reasons say what to do by hand."""
    RECOVERED = "recovered"
    """An operation that was cut short is completed, or undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """How a promotion or launch ended, and why; `notes` are left to do."""

    name: str
    kind: Ending
    reasons: tuple[str, ...] = ()
    image: str = ""
    previous: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether what was asked for was done."""
        return self.kind in {Ending.PROMOTED, Ending.UNCHANGED, Ending.LAUNCHED}


def _evidence(said: dict[str, Any]) -> Provenance:
    # An earlier version kept the tests that passed at a later try alone.
    flaky = [f"flaky: {', '.join(said.pop('flaky'))}"] if said.get("flaky") else said.pop("flaky", [])
    return Provenance(**{**said, "remarks": tuple(said.get("remarks", flaky))})


def former_of(found: ContainerFacts, request: Mapping[str, Any]) -> Former:
    """Return what must be known of a running or stopped production container to have it back.

    `request` is the engine's, and makes it again.
    """
    return Former(
        id=found.id,
        name=found.name,
        image=found.image_id,
        was_up=found.up,
        restart=found.restart_policy,
        retries=retries_of(found),
        request=request,
    )


def retries_of(found: ContainerFacts) -> int:
    """Return how often its restart policy tries again; 0 where it has no number."""
    retries: int = found.raw.get("HostConfig", {}).get("RestartPolicy", {}).get("MaximumRetryCount", 0)
    return retries
