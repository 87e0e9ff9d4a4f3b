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
from kharness.plan.tags import Tags


class Kind(StrEnum):
    """What was asked for; also what the ledger calls it when it is done."""

    PROMOTE = "promote"
    LAUNCH = "launch"
    RELAUNCH = "relaunch"
    ROLLBACK = "rollback"


class Phase(StrEnum):
    """Whether a release is decided: until then it is undone, afterwards it is completed."""

    OPEN = "open"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a release stands on, for the ledger; `flaky` names tests that passed, but not at the first try."""

    session: str
    tests: int
    digest: str = ""
    commit: str = ""
    untested: bool = False
    flaky: tuple[str, ...] = ()


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
    `fresh` are the directories of the host that it makes, `at` is when it began, in seconds since the epoch. `data` are
    None where they stay whatever becomes of it. `note` is what the ledger shall tell of it.
    """

    id: str
    kind: Kind
    name: str
    image: str
    live: str | None
    prev: str | None
    tags: Tags
    evidence: Evidence
    at: float
    container: str = ""
    former: Former | None = None
    fresh: tuple[str, ...] = ()
    data: Data | None = None
    note: str = ""

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
            data=Data(**data) if data else None,
            **said,
        )


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


def _evidence(said: Mapping[str, Any]) -> Evidence:
    return Evidence(**{**said, "flaky": tuple(said["flaky"])})


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
    """Return how often its restart policy tries again; 0 where it says no number."""
    retries: int = found.raw.get("HostConfig", {}).get("RestartPolicy", {}).get("MaximumRetryCount", 0)
    return retries
