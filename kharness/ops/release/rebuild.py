"""Begin a new ledger from what the engine still knows, where the old one cannot be read any more."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from kharness.errors import HostError, StateError, UsageError
from kharness.host.state.state import Entry
from kharness.ops.harness import Harness
from kharness.ops.release.ledger import who
from kharness.plan.facts import ImageFacts
from kharness.plan.image.tags import LIVE, PREV, release_time
from kharness.plan.project import labels

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
        beginning = f"{harness.repository}/{directory.name}:"
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
