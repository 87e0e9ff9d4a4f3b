"""What a killed release left is finished or undone, and a ledger that cannot be read is begun anew."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kharness.errors import EngineError, HostError, LockedError, StateError, UsageError
from kharness.host.locks import lock
from kharness.host.state.state import Entry, Journaled
from kharness.ops.harness import Harness
from kharness.ops.launch.secrets import sweep_secrets
from kharness.ops.project.identity import made_by
from kharness.ops.project.unfinished import all_unfinished, refuse_unfinished
from kharness.ops.release.data import is_data_back
from kharness.ops.release.ledger import notify, who
from kharness.ops.release.transaction import CUT_SHORT, complete, end_undone, undo
from kharness.ops.volumes.freeze import thaw_abandoned
from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from kharness.plan.image.tags import LIVE, PREV, release_time
from kharness.plan.release.operation import Ending, Operation, Phase, Released


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What became of an operation; `left` is what could not be done, each with what to do by hand.

    `news` is False where that was reported before: a timer tries again every few minutes.
    """

    operation: Operation
    kept: bool
    left: tuple[str, ...] = ()
    news: bool = True

    @property
    def released(self) -> Released:
        """What became of it, as the end of a release."""
        operation = self.operation
        return Released(
            name=operation.name,
            kind=Ending.BROKEN if self.left else Ending.RECOVERED,
            reasons=(str(self), *self.left),
            image=operation.image,
            previous=operation.live,
        )

    def __str__(self) -> str:
        done = "completed" if self.kept else "undone"
        how = f"cannot be {done} yet" if self.left else f"is {done}"
        return f"{self.what(self.operation)} {how}"

    @staticmethod
    def what(operation: Operation) -> str:
        """Return what an operation is called that is not over."""
        return f"a {operation.kind} that was cut short"


def recover(harness: Harness) -> tuple[Recovered, ...]:
    """Finish or undo every operation whose process is gone, and thaw what a dead session froze.

    What a person began with a whole container is only named: the command that finishes it is the person's to type.

    Raises `StateError`, `EngineError`, and `HostError` where no lock can be had.
    """
    thaw_abandoned(harness)
    for name, work in all_unfinished(harness).items():
        harness.report(name, str(work))
    found: list[Recovered] = []
    for name in dict.fromkeys(entry.operation.name for entry in harness.state.operations()):
        before = len(found)
        try:
            with lock(harness.locks, f"release-{name}", timeout=0):
                found += recover_locked(harness, name)
        except LockedError as error:
            # Its own process works on it, or another one recovers it.
            harness.report(name, f"a release is under way: {error}")
        for recovered in found[before:]:
            if recovered.news:
                notify(harness, recovered.released)
    return tuple(found)


def recover_locked(harness: Harness, name: str) -> tuple[Recovered, ...]:
    """Finish or undo a directory's operations; the caller holds its release lock."""
    found: list[Recovered] = []
    for entry in harness.state.operations(name):
        operation, kept = entry.operation, entry.phase is Phase.KEEP
        note = entry.note or CUT_SHORT
        left = complete(harness, operation) if kept else undo(harness, operation, note=note, crashed=True)
        recovered = Recovered(operation=operation, kept=kept, left=left, news=_is_news(entry, left))
        found.append(recovered)
        if recovered.news:
            harness.report(name, str(recovered))
            if left:
                harness.state.doubt(operation.id, "\n".join((note, *left)))
    if found and not any(recovered.left for recovered in found):
        sweep_secrets(harness, name)
    return tuple(found)


def settle(harness: Harness, name: str) -> None:
    """Let nothing of an earlier release be left before another one begins.

    Raises `EngineError` where that fails, and `RefusedError` where the container is being retired or renamed.
    """
    refuse_unfinished(harness, name)
    settle_releases(harness, name)


def settle_releases(harness: Harness, name: str) -> None:
    """Let nothing of an earlier release be left; raises `EngineError` where that fails.

    An old container that is there, under its name, and does not start any more is no reason: what begins replaces it.
    """
    for recovered in recover_locked(harness, name):
        if not recovered.left or recovered.kept:
            continue
        if not _only_stopped(harness, recovered.operation):
            said = f"{name}: an earlier release was cut short and cannot be undone yet"
            raise EngineError("\n".join((said, *recovered.left)))
        end_undone(harness, recovered.operation, note="\n".join((CUT_SHORT, *recovered.left)))


def _only_stopped(harness: Harness, operation: Operation) -> bool:
    former = operation.former
    if former is None or not is_data_back(harness, operation) or made_by(harness, operation):
        return False
    found = harness.production.runtime.container(former.name)
    live = harness.engine.image(operation.tags.live)
    return found is not None and found.id == former.id and (live.id if live else None) == operation.live


def _is_news(entry: Journaled, left: tuple[str, ...]) -> bool:
    return not left or any(each not in entry.note for each in left)


SUFFIXES = ("", "-wal", "-shm")
"""A SQLite database in write-ahead mode has up to three files."""


def rebuild(harness: Harness) -> tuple[Path, tuple[Entry, ...]]:
    """Move a damaged state database aside, and record every image that was live in a new one, by its tags.

    Returns where the damaged one is now, and what was found. What only the old one knew is lost: who released what on
    which tests, verdicts, and an operation under way. Raises `UsageError` where the database can be read.
    """
    _refuse_readable(harness)
    aside = _move_aside(harness.state.path)
    entries = tuple(_found(harness))
    for entry in entries:
        harness.state.record_release(entry)
    return aside, entries


def would_rebuild(harness: Harness) -> str:
    """Say what `rebuild` would do; raises as it does."""
    _refuse_readable(harness)
    count = len(tuple(_found(harness)))
    return f"{harness.state.path} would be moved aside, and a new ledger would know of {count} images that were live"


def _refuse_readable(harness: Harness) -> None:
    try:
        harness.state.operations()
        harness.state.releases(limit=1)
    except StateError:
        return
    raise UsageError(f"{harness.state.path}: can be read; there is nothing to rebuild")


def _move_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(tz=UTC):%Y%m%d-%H%M%S}")
    try:
        for suffix in SUFFIXES:
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise HostError(f"{path}: cannot be moved away: {error.strerror}") from error
    return aside


def _found(harness: Harness) -> Iterator[Entry]:
    images = harness.engine.images()
    now = time.time()
    for directory in harness.catalog.directories:
        beginning = harness.tags(directory.name).live.removesuffix(LIVE)
        tags = {
            tag.removeprefix(beginning): image for image in images for tag in image.tags if tag.startswith(beginning)
        }
        for at, image in sorted(_released(tags), key=lambda found: found[0]):
            yield _entry(directory.name, image, at=at)
        # The image that is live now comes last, after releases with later names.
        yield from (_entry(directory.name, tags[tag], at=now) for tag in (PREV, LIVE) if tag in tags)


def _released(tags: Mapping[str, ImageFacts]) -> Iterator[tuple[float, ImageFacts]]:
    for tag, image in tags.items():
        if (at := release_time(tag)) is not None:
            yield at, image


def _entry(name: str, image: ImageFacts, *, at: float) -> Entry:
    return Entry(
        name=name,
        kind="found",
        image_id=image.id,
        previous=None,
        digest=image.labels.get(labels.DIGEST, ""),
        commit="",
        who=who(),
        at=at,
        session="",
        tests=0,
        note="rebuilt from the image's tags",
    )
