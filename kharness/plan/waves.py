"""Which containers start with a host, and in which order."""

from __future__ import annotations

from collections.abc import Mapping

from kharness.settings.model import Settings


def waves(fleet: Mapping[str, Settings], *, host: str) -> tuple[tuple[str, ...], ...]:
    """Return the names that start on this host, one tuple a wave, in the order of the waves."""
    found: dict[int, list[str]] = {}
    for name in sorted(fleet):
        autostart = fleet[name].autostart
        if autostart is not None and autostart.host in {None, host}:
            found.setdefault(autostart.wave, []).append(name)
    return tuple(tuple(found[wave]) for wave in sorted(found))
