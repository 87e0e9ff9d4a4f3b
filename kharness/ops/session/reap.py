"""Remove what dead sessions left: containers, networks, volumes, copies and firewall rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kharness.errors import EngineError, HostError
from kharness.host.session.firewall import bridge_exists, guarded_bridges, unguard
from kharness.host.session.overlay import unmount_overlays
from kharness.host.session.owner import Owner, liveness
from kharness.host.volumes.directories import remove_tree
from kharness.ops.harness import Harness
from kharness.ops.session.networks import BRIDGE_PREFIX, remove_test_network
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, NetworkFacts, VolumeFacts
from kharness.settings.project import LIBRARY

TEST_ONLY: Mapping[str, str | None] = {labels.ROLE: labels.ROLE_TEST}


@dataclass(frozen=True, slots=True)
class Leftover:
    """An object without an owner: `kind` is container, network, volume, copies or rule."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def reap(harness: Harness, *, dry_run: bool = False, kept: bool = False) -> tuple[Leftover, ...]:
    """Remove what has our test labels and a dead owner; return it.

    What `--keep` left goes only with `kept`, and then only that. Objects of other machines and of other pid
    namespaces cannot be judged from here and stay.
    """
    return tuple(_reap(harness, dry_run=dry_run, kept=kept))


def _reap(harness: Harness, *, dry_run: bool, kept: bool) -> Iterator[Leftover]:
    # The host is looked at before the engine is asked: a session makes its network first, so what is listed here and
    # belongs to a living session has a network or a container below.
    copies, rules = _copies(harness), _rules(harness)
    living: set[str] = set()
    gone: set[str] = set()
    for kind, found, remove in _objects(harness):
        session = found.labels.get(labels.SESSION, "")
        # A container that stays needs its session's network and volumes, whichever session owned them.
        if not _dead(found.labels, harness.owner, kept=kept) or (kind != "container" and session in living):
            living.add(session)
        elif dry_run or _gone(harness, remove):
            gone.add(session)
            yield Leftover(kind, found.name)
        else:
            living.add(session)
    left = [directory for directory in copies if directory.name not in living]
    for directory in left:
        if kept and directory.name not in gone:
            continue
        if dry_run or _gone(harness, partial(_remove_copies, directory)):
            yield Leftover("copies", str(directory))
    for bridge in () if kept else rules:
        # Another engine on this host has bridges and rules, too: what has a bridge is no leftover.
        if not bridge_exists(bridge):
            if not dry_run:
                unguard(bridge)
            yield Leftover("rule", bridge)


def _objects(
    harness: Harness,
) -> Iterator[tuple[str, ContainerFacts | NetworkFacts | VolumeFacts, Callable[[], None]]]:
    engine = harness.engine
    # What has no project is from before there were any.
    mine = {None, harness.project.name, LIBRARY}
    for container in engine.containers(labels=TEST_ONLY):
        if container.labels.get(labels.PROJECT) not in mine or labels.is_copy(container.labels, container.image_id):
            continue
        yield "container", container, partial(engine.remove, container.id, force=True, volumes=True)
    for network in engine.networks(labels=TEST_ONLY):
        if network.labels.get(labels.PROJECT) in mine:
            yield "network", network, partial(remove_test_network, harness, network)
    for volume in engine.volumes(labels=TEST_ONLY):
        if volume.labels.get(labels.PROJECT) in mine:
            yield "volume", volume, partial(_remove_volume, harness, volume)


def _remove_volume(harness: Harness, volume: VolumeFacts) -> None:
    if harness.engine.facts().local and volume.mountpoint:
        unmount_overlays(Path(volume.mountpoint))
    harness.engine.remove_volume(volume.name)


def _remove_copies(directory: Path) -> None:
    unmount_overlays(directory)
    remove_tree(directory)


def _gone(harness: Harness, remove: Callable[[], None]) -> bool:
    try:
        remove()
    except EngineError:
        # Another process uses it, or removes it at this moment; the next session tries again.
        return False
    except HostError as error:
        harness.report("", str(error))
        return False
    return True


def _copies(harness: Harness) -> tuple[Path, ...]:
    library = harness.state_dir / "projects" / LIBRARY
    return tuple(found for home in dict.fromkeys((harness.home, library)) for found in _below(harness, home / "copies"))


def _below(harness: Harness, directory: Path) -> tuple[Path, ...]:
    try:
        return tuple(sorted(directory.iterdir()))
    except FileNotFoundError:
        return ()
    except OSError as error:
        # Copies may be root's alone.
        harness.report("", f"{directory}: cannot be read: {error.strerror}")
        return ()


def _rules(harness: Harness) -> tuple[str, ...]:
    if not harness.engine.facts().local:
        return ()
    return tuple(bridge for bridge in guarded_bridges() if bridge.startswith(BRIDGE_PREFIX))


def _dead(found: Mapping[str, str], here: Owner, *, kept: bool) -> bool:
    owner = Owner.from_labels(found)
    if owner is None or (labels.KEEP in found) is not kept:
        return False
    return liveness(owner, here) == "dead"
