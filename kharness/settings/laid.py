"""Settings that are laid over each other: the host's, a container's own file, the environment, a command's flags.

As in Compose's overrides: named things are merged by name, everything else is replaced by what is said above it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kharness.errors import Problem
from kharness.settings.problems import dotted
from kharness.settings.section import Loc

COMMAND_LINE = Path("command line")
"""Stands in a problem's place of the file where a flag is at fault."""
ASSIGNED = frozenset({"environment", "labels", "sysctls"})
"""Mappings of names to texts; also lists of NAME=VALUE."""
SECTIONS = frozenset(
    {"build", "drift", "expect", "gate", "healthcheck", "logging", "policy", "release", "secrets", "test", "ulimits"}
)
MERGED = ASSIGNED | SECTIONS | {"extra_hosts"}
PLACES: frozenset[Loc] = frozenset({(), ("test",)})
"""Where these keys mean that; a variable of the environment may well be called `labels`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place where keys of `settings.yaml` are said.

    `names` are those that keys have there, `prefix` stands before all others. `called` is what people call the place;
    its file without that. Where it `unsets`, null means that the key's default is meant.
    """

    said: Mapping[str, Any]
    file: Path
    names: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    called: str = ""
    unsets: bool = False

    def name(self, loc: Loc) -> str:
        """Return what a place is called there: `--healthcheck.interval`."""
        loc = loc[1:] if loc[:1] == ("test",) and loc[1:2] and str(loc[1]) in self.names else loc
        first = self.names.get(str(loc[0]), str(loc[0])) if loc else ""
        return dotted(tuple(filter(None, (self.prefix, first))) + loc[1:])

    def title(self, loc: Loc) -> str:
        """Return what people call it, where a key of it is meant."""
        return self.name(loc[:1]) if self.names else self.called or str(self.file)

    def problem(self, loc: Loc, message: str) -> Problem:
        """Return a problem of a place in it."""
        return Problem(self.file, self.name(loc), message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """What several sources say together, and whose each place is."""

    value: Mapping[str, Any]
    owners: Mapping[Loc, Source]

    def owner(self, loc: Loc) -> Source | None:
        """Return who said a place, or the nearest one around it."""
        while loc and loc not in self.owners:
            loc = loc[:-1]
        return self.owners.get(loc)


def laid(sources: Iterable[Source]) -> Laid:
    """Lay sources over each other, the lowest first."""
    value: dict[str, Any] = {}
    owners: dict[Loc, Source] = {}
    for source in sources:
        value = _over(value, source.said, (), source, owners)
    return Laid(value=value, owners=owners)


def by_name(key: str, value: Any) -> dict[str, Any] | None:
    """Return the value of a merged key by its names; None where it has none of the forms that have names."""
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, list | tuple) or key in SECTIONS or not all(isinstance(item, str) for item in value):
        return None
    found: dict[str, Any] = {}
    for item in value:
        name, separator, said = item.partition("=" if key in ASSIGNED or "=" in item else ":")
        if key == "extra_hosts":
            found.setdefault(name, []).append(said)
        else:
            found[name] = said if separator else None
    return found


def _over(
    below: Mapping[str, Any], above: Mapping[str, Any], at: Loc, source: Source, owners: dict[Loc, Source]
) -> dict[str, Any]:
    found = dict(below)
    for key, said in above.items():
        here = (*at, key)
        if said is None and source.unsets and ASSIGNED.isdisjoint(at[-1:]):
            found.pop(key, None)
            _forget(owners, here)
            continue
        low, high = (by_name(key, each) if at in PLACES and key in MERGED else None for each in (below.get(key), said))
        if low is not None and high is not None:
            found[key] = _over(_without_options(key, low, high), high, here, source, owners)
        elif key in below and high is not None:
            continue  # what is wrong below is told, and hidden by nothing
        else:
            _forget(owners, here)
            owners[here] = source
            found[key] = said
    return found


def _without_options(key: str, low: dict[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    # A driver's options are nothing to another driver.
    if key == "logging" and high.get("driver", low.get("driver")) != low.get("driver"):
        return {name: said for name, said in low.items() if name != "options"}
    return low


def _forget(owners: dict[Loc, Source], at: Loc) -> None:
    for loc in [loc for loc in owners if loc[: len(at)] == at]:
        del owners[loc]
