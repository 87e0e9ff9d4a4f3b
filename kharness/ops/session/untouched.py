"""Production is untouched by a session: nothing of it was writable to test instances, and the proof afterwards.

A directory cannot be watched without slowing it down. The witness looks at it before the first copy, and again when all
test instances are gone: a change was made by the session, unless a container of production ran meanwhile that mounts
the directory, a part of it, or a directory above it. Production's containers must be the same, too.

Of a running test instance the mounts of the kernel are checked, and not the plan that asked for them: links, mounts
within mounts and an engine's own ideas cannot hide from it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kharness.engine.api import Engine
from kharness.errors import LaunchError
from kharness.host.machine.kernel import Location, locate, read_mounts
from kharness.host.volumes.fingerprint import fingerprint
from kharness.ops.harness import Harness
from kharness.ops.project.identity import is_ours
from kharness.ops.volumes.mounters import located
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.life import Identity, crashed_again, difference, identity, keeps_crashing
from kharness.plan.launch.mounts import VolumeAction, VolumePlan
from kharness.plan.launch.runspec import MountKind
from kharness.plan.release.operation import Kind
from kharness.plan.session.untouched import (
    Fingerprint,
    Proof,
    ProofFinding,
    differences,
    explained,
    paths,
    proof_of,
    reach,
    shown,
    told,
)
from kharness.plan.volumes.usage import mounters

_NEVER = "0001-"
"""What a container's start begins with that was never started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingContainer:
    """A container, and below which paths of the directory it may write; the empty path is all of it.

    `up`: it runs, or the engine is about to start it again. `started_at` is the engine's own text.
    """

    id: str
    name: str
    up: bool
    started_at: str
    reaches: tuple[str, ...]

    def ran_since(self, before: WritingContainer | None) -> bool:
        """Whether it runs, or was started after it was looked at before (None: there was no such container)."""
        fresh = before is None or self.started_at != before.started_at
        return self.up or (fresh and bool(self.started_at) and not self.started_at.startswith(_NEVER))


def writers(engine: Engine, directory: str, listed: tuple[ContainerFacts, ...]) -> Iterator[WritingContainer]:
    """Find those of the listed containers, test instances aside, that may write into a directory (a resolved path).

    Raises `EngineError`.
    """
    for found in mounters(located(engine, listed), directory, writable=True):
        sources = (mount.source for mount in found.mounts if mount.writable and mount.source)
        reaches = {within for source in sources if (within := reach(source, directory)) is not None}
        # The list does not say when a container was started.
        if (facts := engine.container(found.id)) is not None:
            yield WritingContainer(
                id=facts.id,
                name=facts.name,
                up=facts.up,
                started_at=facts.started_at,
                reaches=tuple(sorted(reaches)),
            )


@dataclass(slots=True)
class _Known:
    """A production container by its name, and the newest entry of its directory in the ledger.

    `crashing`: the engine restarted it over and over before anything was done here.
    """

    container: str
    before: Identity | None
    crashing: bool
    ledger: int
    of: set[str]


class Productions:
    """What each container directory's production container was. Every method may raise `EngineError`, `StateError`.

    `listed` is always what the engine's list has at that moment.
    """

    def __init__(self, harness: Harness, *, clock: Callable[[], float] = time.time) -> None:
        self._harness = harness
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._known

    @property
    def names(self) -> frozenset[str]:
        """The container directories that fail when one of them is not what it was."""
        return frozenset(name for known in self._known.values() for name in known.of)

    def remember(self, name: str, container: str, listed: tuple[ContainerFacts, ...], *, of: str) -> None:
        """Remember a directory's container as it is now, for the tests of the directory `of`."""
        earlier = self._known.get(name)
        found = self._found(name, container, listed)
        self._known[name] = _Known(
            container=container,
            before=identity(found) if found else None,
            crashing=found is not None and self._crashes(found),
            ledger=next((entry.id for entry in self._harness.state.releases(name, limit=1)), 0),
            of={of, *(earlier.of if earlier else ())},
        )

    def add(self, name: str, *, of: str) -> None:
        """Let one that is remembered be for the tests of another directory, too."""
        self._known[name].of.add(of)

    def findings(self, listed: tuple[ContainerFacts, ...]) -> Iterator[ProofFinding]:
        """Say which are not what they were; what was released meanwhile is none of the session's doing."""
        for name, known in self._known.items():
            found = self._found(name, known.container, listed)
            after = identity(found) if found else None
            what = difference(known.before, after)
            if what and known.crashing and crashed_again(known.before, after):
                # It would have been without a session, too: what mends it must not be refused for that.
                yield ProofFinding(
                    f"production's container {known.container} keeps crashing, as it did before: it {what}"
                )
            elif what and self._was_released(name, since=known.ledger):
                yield ProofFinding(f"production's container {known.container} {what}: {name} was released meanwhile")
            elif what:
                text = f"production's container {known.container} {what} during the session"
                yield ProofFinding(text, frozenset(known.of))

    def _found(self, name: str, container: str, listed: tuple[ContainerFacts, ...]) -> ContainerFacts | None:
        # It may have another name where `container_name` was changed since it was launched.
        ours = [each for each in listed if is_ours(self._harness, each, name)]
        found = sorted(ours, key=lambda each: each.name != container)
        return self._harness.engine.container(found[0].id) if found else None

    def _crashes(self, found: ContainerFacts) -> bool:
        if not found.restart_count and found.state != "restarting":
            return False
        return keeps_crashing(found, now=self._clock() + (self._harness.engine.facts().clock_ahead or 0.0))

    def _was_released(self, name: str, *, since: int) -> bool:
        state = self._harness.state
        newer = (entry for entry in state.releases(name) if entry.id > since)
        return bool(state.operations(name)) or any(entry.kind != Kind.PROMOTE for entry in newer)


@dataclass(slots=True)
class _CopiedDirectory:
    """A directory that is copied, who could write there by then, and for which container directories it is."""

    before: Fingerprint
    writers: Mapping[str, WritingContainer]
    of: set[str]


class Witness:
    """Looks at production before and after a readiness session. Safe to use from threads."""

    def __init__(self, harness: Harness, *, contents: bool = False) -> None:
        self._engine = harness.engine
        self._contents = contents
        self._lock = threading.Lock()
        self._places: dict[str, _CopiedDirectory] = {}
        self._productions = Productions(harness)
        self._seconds = 0.0

    @property
    def copied(self) -> bool:
        """Whether anything of production was copied."""
        return bool(self._places)

    @property
    def names(self) -> tuple[str, ...]:
        """The container directories that the proof is about."""
        return tuple(sorted(self._productions.names.union(*(place.of for place in self._places.values()))))

    def begin(self, containers: Mapping[str, str]) -> None:
        """Remember which container production has for each of these directories, by the containers' names.

        Again, where the session itself had to restart one. Raises `EngineError` and `StateError`.
        """
        with self._lock:
            listed = self._engine.containers()
            for name, container in containers.items():
                self._productions.remember(name, container, listed, of=name)

    def before(self, of: str, name: str, container: str, plans: Iterable[VolumePlan]) -> None:
        """Look at what is copied for an instance, before it is copied: at each directory once in a session.

        The instance is one of the directory `name`, whose production container is `container`, and runs for the tests
        of the directory `of`. A second caller waits until the first has looked. Raises `EngineError` and
        `StateError`.
        """
        sources = tuple(dict.fromkeys(self._copied(plans)))
        with self._lock:
            new = [source for source in sources if source not in self._places]
            listed = self._engine.containers() if new or name not in self._productions else ()
            if name in self._productions:
                self._productions.add(name, of=of)
            else:
                self._productions.remember(name, container, listed, of=of)
            for source in sources:
                if source in self._places:
                    self._places[source].of.add(of)
                else:
                    self._look(source, listed, of=of)

    def verdict(self) -> Proof:
        """Look again; to be called when all instances are gone, and before anything is released.

        Raises `EngineError` and `StateError`.
        """
        with self._lock:
            if not self.names:
                return Proof()
            taken = {source: self._taken(source) for source in self._places}
            # Only now: each container that has written until here is in the list.
            listed = self._engine.containers()
            found = list(self._productions.findings(listed))
            untouched = []
            for source, place in self._places.items():
                new = tuple(self._findings(source, place, taken[source], listed))
                found += new
                untouched += [] if new else [place.before.entries]
            return proof_of(found, untouched=untouched, seconds=self._seconds)

    def _copied(self, plans: Iterable[VolumePlan]) -> Iterator[str]:
        for plan in plans:
            if plan.action not in {VolumeAction.COPY, VolumeAction.TREE} or not self._engine.facts().local:
                continue
            real = plan.real or ""
            if plan.mount.kind is MountKind.VOLUME:
                volume = self._engine.volume(real)
                real = volume.mountpoint if volume else ""
            if real:
                yield os.path.realpath(real)

    def _look(self, source: str, listed: tuple[ContainerFacts, ...], *, of: str) -> None:
        # The list is older than the fingerprint: a container that may write in between is in it, or has a later start.
        may_write = {writer.id: writer for writer in writers(self._engine, source, listed)}
        taken = self._taken(source)
        if taken.top or taken.unread:
            self._places[source] = _CopiedDirectory(taken, may_write, {of})

    def _taken(self, source: str) -> Fingerprint:
        began = time.monotonic()
        taken = fingerprint(Path(source), contents=self._contents)
        self._seconds += time.monotonic() - began
        return taken

    def _findings(
        self, source: str, place: _CopiedDirectory, after: Fingerprint, listed: tuple[ContainerFacts, ...]
    ) -> Iterator[ProofFinding]:
        for path, why in {**place.before.unread, **after.unread}.items():
            where = shown(f"{source}/{path}" if path else source)
            yield ProofFinding(f"{where} cannot be read ({why}): it is not known whether it is untouched")
        unlike = differences(place.before, after)
        if not unlike:
            return
        now = writers(self._engine, source, listed)
        ran = [writer for writer in place.writers.values() if writer.up]
        ran += [writer for writer in now if writer.ran_since(place.writers.get(writer.id))]
        theirs = frozenset(explained(unlike, (within for writer in ran for within in writer.reaches)))
        if theirs:
            names = ", ".join(sorted({writer.name for writer in ran if explained(theirs, writer.reaches)}))
            yield ProofFinding(
                f"{shown(source)}: {paths(len(theirs))} changed during the session; {names} ran with it mounted "
                "writable, and may have done that"
            )
        if left := [each for each in unlike if each not in theirs]:
            text = f"production's data was changed during the session: {told(source, left)}"
            yield ProofFinding(text, frozenset(place.of))


def refuse_writable_reals(harness: Harness, found: ContainerFacts, plans: Iterable[VolumePlan]) -> None:
    """Raise `LaunchError` where a test instance can write to a directory that production has.

    `test: same` is left out, because the settings ask for it twice. Not for engines elsewhere: their test
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
