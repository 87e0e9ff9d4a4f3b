"""How a container that runs differs from what it was launched as, and that from what its settings ask for now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kharness.plan.launch.traits import ANONYMOUS, ENVIRONMENT, JOINED, MAC_ADDRESS, Traits

GROUPS = ("environment.", "labels.", "networks.", "ports.", "sysctls.", "tmpfs.", "volumes.")
"""Keys by name: one that nothing asks for is a deviation, too."""
KEPT = 3
"""Launches that are remembered for a container directory: the present one, and those that it may come back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A key of the settings, as it is wanted and as it was found; empty where it is not set."""

    key: str
    wanted: str
    found: str

    def __str__(self) -> str:
        if self.key.startswith(ENVIRONMENT):
            return f"{self.key}: {_secret(self.wanted, self.found)}"
        return f"{self.key}: wanted {self.wanted or 'nothing'}, found {self.found or 'nothing'}"

    @property
    def edit(self) -> str:
        """The change of a setting, in a few words."""
        if self.key.startswith(ENVIRONMENT):
            return f"{self.key} {_secret(self.wanted, self.found)}"
        return f"{self.key} {self.wanted or 'nothing'} -> {self.found or 'nothing'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What differs since the launch: `by_hand` the container itself, `edited` the settings it would be launched with.

    `stale` says that it would be launched otherwise now, even where no key can be named. What differs is `unclear`
    where nothing tells how the container was launched: by hand, or because settings were edited.
    """

    by_hand: tuple[Deviation, ...] = ()
    edited: tuple[Deviation, ...] = ()
    stale: bool = False
    unclear: bool = False

    @property
    def by_hand_text(self) -> str:
        """What was changed by hand, as the end of a sentence that names the container; empty where nothing was."""
        if not self.by_hand:
            return ""
        how = "differs from its settings" if self.unclear else "was changed by hand since it was launched"
        return f"{how}: {'; '.join(map(str, self.by_hand))}"

    @property
    def edited_text(self) -> str:
        """Which settings were edited, as the end of a sentence; empty where none were."""
        if not self.stale:
            return ""
        which = f": {'; '.join(each.edit for each in self.edited)}" if self.edited else ""
        return f"its settings have changed since it was launched{which}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRecord:
    """How a container was launched: by the release of that id, `asked` for, and `given` by the engine."""

    release: str
    asked: Traits
    given: Traits


def change_notes(changes: Changes, *, name: str) -> tuple[str, ...]:
    """Return what a person should know of the changes, each with the command that launches it again."""
    again = f"'kharness run {name}' launches"
    by_hand = f"it {changes.by_hand_text}; {again} it as its settings say" if changes.by_hand else ""
    edited = f"{changes.edited_text}; {again} with them" if changes.stale else ""
    return tuple(filter(None, (by_hand, edited)))


def is_named(key: str) -> bool:
    """Whether a key that an engine reports has a name that a person gave; a MAC address of its own choice has none."""
    return key.startswith(GROUPS) and not key.endswith(MAC_ADDRESS)


def deviations(wanted: Traits, found: Traits) -> tuple[Deviation, ...]:
    """Return what differs, sorted by key: of what is wanted everything counts, of the rest what has a name."""
    return tuple(sorted(_deviations(wanted, found), key=lambda each: each.key))


def write_records(records: Iterable[LaunchRecord]) -> str:
    """Return the text that is kept of the latest launches, the newest first."""
    rows = [{"release": each.release, "asked": dict(each.asked), "given": dict(each.given)} for each in records]
    return json.dumps(rows[:KEPT], sort_keys=True)


def read_records(text: str) -> tuple[LaunchRecord, ...]:
    """Read them; what another version wrote, and cannot be read, is none."""
    try:
        rows: list[Any] = json.loads(text)
        return tuple(
            LaunchRecord(release=row["release"], asked=_texts(row["asked"]), given=_texts(row["given"])) for row in rows
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def _deviations(wanted: Traits, found: Traits) -> Iterator[Deviation]:
    left = tuple(f"{key}." for key, value in wanted.items() if value == JOINED and key not in found)
    for key, value in wanted.items():
        # Of a network that it has left, no address is missed.
        if value != found.get(key, "") and not key.startswith(left):
            yield Deviation(key=key, wanted=value, found=found.get(key, ""))
    for key, value in found.items():
        if key not in wanted and key.startswith(GROUPS) and _counts(key, value):
            yield Deviation(key=key, wanted="", found=value)


def _counts(key: str, value: str) -> bool:
    # An address, an alias or a propagation that nothing asks for is the engine's own choice.
    if key.startswith("networks."):
        return value == JOINED
    return value != ANONYMOUS and not (key.startswith("volumes.") and key.endswith(".propagation"))


def _secret(wanted: str, found: str) -> str:
    return "another value" if wanted and found else "not set" if wanted else "set"


def _texts(said: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in said.items()}
