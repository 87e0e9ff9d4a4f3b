"""Which containers start with a host, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kharness.settings.model import Settings


def wave_of(settings: Settings, *, host: str) -> int | None:
    """Return the wave in which a container starts on this host, None where it does not."""
    autostart = settings.autostart
    return autostart.wave if autostart is not None and autostart.host in {None, host} else None


def waves(fleet: Mapping[str, Settings], *, host: str) -> tuple[tuple[str, ...], ...]:
    """Return the names that start on this host, one tuple a wave, in the order of the waves."""
    found: dict[int, list[str]] = {}
    for name in sorted(fleet):
        wave = wave_of(fleet[name], host=host)
        if wave is not None:
            found.setdefault(wave, []).append(name)
    return tuple(tuple(found[wave]) for wave in sorted(found))
