"""Prove of a running test instance that it has nothing of production's to write to.

The launch plan says so, and tests prove that of the plan. This looks at what the kernel really mounted: links, mounts
within mounts and an engine's own ideas cannot hide from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from kharness.errors import LaunchError
from kharness.host.mountinfo import Location, locate, read_mounts
from kharness.ops.harness import Harness
from kharness.plan.facts import ContainerFacts
from kharness.plan.mounts import VolumePlan
from kharness.plan.runspec import MountKind


def refuse_writable_reals(harness: Harness, found: ContainerFacts, plans: Iterable[VolumePlan]) -> None:
    """Raise `LaunchError` where a test instance can write to a directory that production has.

    `test: same` is left out, because somebody said twice that it is meant. Not for engines elsewhere: their test
    instances have no directories of this host.
    """
    if not harness.engine.facts().local:
        return
    plans = tuple(plans)
    allowed = {plan.mount.target for plan in plans if plan.mount.source == plan.real and not plan.mount.read_only}
    reals = [path for plan in plans if plan.mount.target not in allowed for path in _places(harness, plan, plan.real)]
    # A directory above everything, mounted read-only, is above these as well.
    own = [path for plan in plans if plan.scratch for path in _places(harness, plan, plan.mount.source)]
    own.append(Path(harness.engine.facts().root_dir, "containers"))
    for target, place in _writable(found):
        if target not in allowed and _meets(place, reals) and not _is_below(place, own):
            raise LaunchError(
                f"{found.name}: it could write to production's directory, mounted at {target}, and is removed; "
                "please report this, with the 'volumes' of its settings.yaml"
            )


def _places(harness: Harness, plan: VolumePlan, source: str | None) -> Iterator[Path]:
    if source is None:
        return
    if plan.mount.kind is MountKind.BIND:
        yield Path(source)
    elif volume := harness.engine.volume(source):
        yield Path(volume.mountpoint)


def _writable(found: ContainerFacts) -> Iterator[tuple[str, Location]]:
    """Yield target and place of what a container can write to and did not bring itself."""
    try:
        inside = read_mounts(found.pid) if found.pid else ()
    except OSError:
        # Only root may look into another process; what the engine says of its mounts is the next best.
        inside = ()
    for mounted in inside:
        if mounted.writable:
            yield str(mounted.place), Location(mounted.device, mounted.root)
    if not inside:
        here = read_mounts()
        for mount in found.mounts:
            if mount.writable and mount.source and _is_there(Path(mount.source)):
                yield mount.target, locate(Path(mount.source), here)


def _meets(place: Location, paths: Iterable[Path]) -> bool:
    here = read_mounts()
    return any(place.meets(locate(path, here)) for path in paths if _is_there(path))


def _is_below(place: Location, paths: Iterable[Path]) -> bool:
    here = read_mounts()
    found = (locate(path, here) for path in paths if _is_there(path))
    return any(place.device == each.device and place.path.is_relative_to(each.path) for each in found)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        # Below a directory that this user may not enter; what is in the engine's own is not mounted by its path.
        return False
