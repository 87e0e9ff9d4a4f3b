"""The engine's id mappings, and which directories root in containers cannot pass."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from kharness.errors import HostError
from kharness.host.volumes.idmap import UNIX, find_id_maps, impassable
from kharness.ops.harness import Harness
from kharness.ops.host.findings import DoctorFinding
from kharness.plan.launch.mounts import resolve_source
from kharness.plan.volumes.idmap import IdMaps

WHAT = "user ids"


def id_maps(harness: Harness) -> IdMaps:
    """Return the engine's mappings; raises `HostError` where they cannot be found out."""
    return find_id_maps(harness.engine.facts())


def shares_files(harness: Harness) -> bool:
    """Whether the engine sees this host's files: a rootless one does, though its networks are not this host's."""
    facts = harness.engine.facts()
    return facts.local or (facts.rootless and facts.endpoint.startswith(UNIX))


def give_to_root(harness: Harness, directories: Iterable[Path]) -> None:
    """Give new directories to root in containers; without a mapping, or without root, that is done already.

    Raises `HostError`.
    """
    if os.geteuid():
        return
    for directory in directories:
        owner = id_maps(harness).root
        try:
            if owner != (0, 0):
                os.chown(directory, *owner, follow_symlinks=False)
        except OSError as error:
            raise HostError(f"{directory}: cannot be given to {owner[0]}:{owner[1]}: {error.strerror}") from error


def mapping_findings(harness: Harness) -> Iterator[DoctorFinding]:
    """Yield the engine's mapping, the host's id of root in containers, and the directories that this id cannot pass."""
    facts = harness.engine.facts()
    if not facts.userns and not facts.rootless:
        yield DoctorFinding(
            WHAT, "in containers are those of the host: root there is root here, see docs/uid-mapping.md"
        )
        return
    if not shares_files(harness):
        yield DoctorFinding(WHAT, "in containers are mapped to unprivileged ones of the engine's host")
        return
    try:
        maps = id_maps(harness)
    except HostError as error:
        yield DoctorFinding(WHAT, str(error), good=False, mend="use an engine whose process this user may inspect")
        return
    yield DoctorFinding(WHAT, f"uids {maps.uid}")
    yield DoctorFinding("group ids", f"gids {maps.gid}")
    uid, gid = maps.root
    yield DoctorFinding("root", f"in containers is {uid}:{gid} on this host, and may do here what that user may")
    yield DoctorFinding(
        "older data", "has owners that containers do not know: 'kharness prep --all --fix', see docs/uid-mapping.md"
    )
    place = impassable(Path(facts.root_dir), maps.root)
    if place is not None:
        said = f"{place} cannot be passed by {uid}:{gid}, so that no container starts"
        yield DoctorFinding("storage", said, good=False, mend=f"chmod o+x {place}")
    seen = {place}
    for what, path in _mounted(harness):
        place = impassable(path, maps.root)
        if place is not None and place not in seen:
            seen.add(place)
            # From 1.1 on runc opens what it mounts before it enters the user namespace.
            said = f"{place} cannot be passed by {uid}:{gid}; a runc before 1.1 mounts nothing that is in it"
            yield DoctorFinding(what, said, mend=f"chmod o+x {place}")


def _mounted(harness: Harness) -> Iterator[tuple[str, Path]]:
    """Yield what mapped root must be able to pass, and what it belongs to."""
    yield "volume root", Path(harness.host.dv)
    yield "state", harness.state_dir
    fleet, _ = harness.fleet()
    for name, settings in fleet.items():
        for volume in settings.volumes:
            if volume.type == "bind" and volume.source is not None:
                yield name, Path(resolve_source(volume.source, name=name, volume_root=harness.volume_root)).parent
