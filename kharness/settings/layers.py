"""Layers of settings: the host's defaults, a container's own file, the environment, a command's flags.

As in Compose's overrides, named things are merged by name, and everything else is replaced by the layer above. A test
instance is launched from production's settings under those of `test:`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kharness.errors import Problem
from kharness.settings.model import Settings
from kharness.settings.plain import PLAIN
from kharness.settings.problems import dotted
from kharness.settings.secrets import merged
from kharness.settings.section import Loc
from kharness.settings.service import ServiceKeys
from kharness.settings.volumes import Tmpfs, Volume

NOT_INHERITED = ("labels", "container_name", "ports", "network_mode", "networks", "mac_address", "env_file")
"""What would collide with production or speak in its name; a test instance has it only where `test:` says so."""
MERGED_IN_TEST = ("environment", "sysctls")


def for_test(settings: Settings) -> Settings:
    """Return the settings of a test instance; `test` itself stays as it is.

    A key that `test:` says replaces production's, `environment` and `sysctls` are merged by name, a volume or tmpfs
    replaces what production mounts at the same target. A secret has its test value, and nothing without one. What opens
    the host to production (`privileged`, `pid: host`) is not taken over.
    """
    test = settings.test
    said = test.model_fields_set & ServiceKeys.model_fields.keys()
    changes: dict[str, Any] = {
        key: ServiceKeys.model_fields[key].get_default(call_default_factory=True)
        for key in NOT_INHERITED
        if key not in test.same
    }
    changes |= {row.key: row.unset for row in PLAIN if getattr(settings, row.key) in row.of_host}
    changes |= {key: getattr(test, key) for key in said}
    changes |= {key: {**getattr(settings, key), **getattr(test, key)} for key in MERGED_IN_TEST}
    changes["secrets"] = merged(settings.secrets, test.secrets, same="secrets" in test.same)
    tmpfs = test.tmpfs if "tmpfs" in said else settings.tmpfs
    changes["volumes"] = _volumes(settings.volumes, test.volumes, hidden=test.tmpfs or ())
    changes["tmpfs"] = _visible(tmpfs, hidden=test.volumes)
    return settings.model_copy(update=changes)


def _volumes(
    production: tuple[Volume, ...], test: tuple[Volume, ...], *, hidden: tuple[Tmpfs, ...]
) -> tuple[Volume, ...]:
    covered = {mount.target for mount in hidden}
    by_target = {volume.target: volume for volume in production if volume.target not in covered}
    return tuple({**by_target, **{volume.target: volume for volume in test}}.values())


def _visible(tmpfs: tuple[Tmpfs, ...] | None, *, hidden: tuple[Volume, ...]) -> tuple[Tmpfs, ...] | None:
    covered = {volume.target for volume in hidden}
    return None if tmpfs is None else tuple(mount for mount in tmpfs if mount.target not in covered)


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
class SettingsLayer:
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
class MergedLayers:
    """What several sources say together, and whose each place is."""

    value: Mapping[str, Any]
    owners: Mapping[Loc, SettingsLayer]

    def owner(self, loc: Loc) -> SettingsLayer | None:
        """Return who said a place, or the nearest one around it."""
        while loc and loc not in self.owners:
            loc = loc[:-1]
        return self.owners.get(loc)


def merge_layers(sources: Iterable[SettingsLayer]) -> MergedLayers:
    """Lay sources over each other, the lowest first."""
    value: dict[str, Any] = {}
    owners: dict[Loc, SettingsLayer] = {}
    for source in sources:
        value = _over(value, source.said, (), source, owners)
    return MergedLayers(value=value, owners=owners)


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
    below: Mapping[str, Any], above: Mapping[str, Any], at: Loc, source: SettingsLayer, owners: dict[Loc, SettingsLayer]
) -> dict[str, Any]:
    found = dict(below)
    for key, said in above.items():
        here = (*at, key)
        if said is None and source.unsets and ASSIGNED.isdisjoint(at[-1:]):
            _forget(owners, here, found.pop(key, None))
            continue
        low, high = (by_name(key, each) if at in PLACES and key in MERGED else None for each in (below.get(key), said))
        if low is not None and high is not None:
            found[key] = _over(_without_options(key, low, high), high, here, source, owners)
        elif key in below and high is not None:
            continue  # a layer below is reported as wrong even where one above replaces it
        else:
            _forget(owners, here, found.get(key))
            owners[here] = source
            found[key] = said
    return found


def _without_options(key: str, low: dict[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    # A driver's options are nothing to another driver.
    if key == "logging" and high.get("driver", low.get("driver")) != low.get("driver"):
        return {name: said for name, said in low.items() if name != "options"}
    return low


def _forget(owners: dict[Loc, SettingsLayer], at: Loc, value: Any) -> None:
    """Forget the owner of a place, and those of all that its value has by name."""
    owners.pop(at, None)
    for key, said in value.items() if isinstance(value, Mapping) else ():
        _forget(owners, (*at, key), said)
