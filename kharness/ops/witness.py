"""The witness of a session: what was copied of production is proved to be untouched, and its containers, too.

Nobody can watch a directory without slowing it down. So it is looked at before the first copy, and once more when all
test instances are gone: what differs was done by the session, unless a container of production ran meanwhile that may
write there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kharness.host.fingerprint import fingerprint
from kharness.ops.harness import Harness
from kharness.ops.productions import Productions
from kharness.ops.writers import Writer, writers
from kharness.plan.facts import ContainerFacts
from kharness.plan.mounts import VolumeAction, VolumePlan
from kharness.plan.proof import Finding, Proof, proof_of
from kharness.plan.runspec import MountKind
from kharness.plan.untouched import Fingerprint, differences, explained, paths, shown, told


@dataclass(slots=True)
class _Place:
    """A directory that is copied, who could write there by then, and for which container directories it is."""

    before: Fingerprint
    writers: Mapping[str, Writer]
    of: set[str]


class Witness:
    """Looks at production before and after a readiness session. Safe to use from threads."""

    def __init__(self, harness: Harness, *, contents: bool = False) -> None:
        self._engine = harness.engine
        self._contents = contents
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}
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
        of the directory `of`. Whoever comes second waits until the first has looked. Raises `EngineError` and
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
        """Look once more; to be called when all instances are gone, and before anything is released.

        Raises `EngineError` and `StateError`.
        """
        with self._lock:
            if not self.names:
                return Proof()
            taken = {source: self._taken(source) for source in self._places}
            # Only now: whoever has written until here is in the list.
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
        # The list is older than the fingerprint: whoever may write in between is in it, or has a later start.
        may_write = {writer.id: writer for writer in writers(self._engine, source, listed)}
        taken = self._taken(source)
        if taken.top or taken.unread:
            self._places[source] = _Place(taken, may_write, {of})

    def _taken(self, source: str) -> Fingerprint:
        began = time.monotonic()
        taken = fingerprint(Path(source), contents=self._contents)
        self._seconds += time.monotonic() - began
        return taken

    def _findings(
        self, source: str, place: _Place, after: Fingerprint, listed: tuple[ContainerFacts, ...]
    ) -> Iterator[Finding]:
        for path, why in {**place.before.unread, **after.unread}.items():
            where = shown(f"{source}/{path}" if path else source)
            yield Finding(f"{where} cannot be read ({why}): nobody knows whether it is untouched")
        unlike = differences(place.before, after)
        if not unlike:
            return
        now = writers(self._engine, source, listed)
        ran = [writer for writer in place.writers.values() if writer.up]
        ran += [writer for writer in now if writer.ran_since(place.writers.get(writer.id))]
        theirs = frozenset(explained(unlike, (within for writer in ran for within in writer.reaches)))
        if theirs:
            names = ", ".join(sorted({writer.name for writer in ran if explained(theirs, writer.reaches)}))
            yield Finding(
                f"{shown(source)}: {paths(len(theirs))} changed during the session; {names} ran with it mounted "
                "writable, and may have done that"
            )
        if left := [each for each in unlike if each not in theirs]:
            text = f"production's data was changed during the session: {told(source, left)}"
            yield Finding(text, frozenset(place.of))
