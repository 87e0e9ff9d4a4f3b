"""References of a container directory's images: which tags a promotion moves, and which have expired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

LATEST = "latest"
LIVE = "live"
PREV = "prev"
RELEASE = "release-"
"""What the tags of kept releases begin with."""


@dataclass(frozen=True, slots=True)
class Tags:
    """`:latest` just built, `:live` what production runs, `:prev` what it ran before."""

    repository: str
    name: str

    @property
    def latest(self) -> str:
        """What was built last."""
        return f"{self.repository}/{self.name}:{LATEST}"

    @property
    def live(self) -> str:
        """What production runs."""
        return f"{self.repository}/{self.name}:{LIVE}"

    @property
    def prev(self) -> str:
        """What production ran before."""
        return f"{self.repository}/{self.name}:{PREV}"

    def release(self, at: float) -> str:
        """Return the name that keeps a release's image for a roll-back; `at` is seconds since the epoch.

        In the order of their names they are in the order of their times, to a millisecond, in UTC.
        """
        when = datetime.fromtimestamp(at, tz=UTC)
        return f"{self.repository}/{self.name}:{RELEASE}{when:%Y%m%d-%H%M%S}-{when.microsecond // 1000:03d}"


def release_time(tag: str) -> float | None:
    """Return when a release's tag was given, in seconds since the epoch; None for any other tag."""
    day, _, millisecond = tag.removeprefix(RELEASE).rpartition("-")
    try:
        when = datetime.strptime(day, "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
        return when.timestamp() + int(millisecond) / 1000 if tag.startswith(RELEASE) else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class TagMove:
    """Let `ref` name `image`; None removes the reference."""

    ref: str
    image: str | None


def plan_promotion(tags: Tags, *, tested: str, live: str | None) -> tuple[TagMove, ...]:
    """Move `:live` to the tested image and keep the old one as `:prev`, in an order that never loses the old one."""
    if live == tested:
        return ()
    keep = (TagMove(tags.prev, live),) if live else ()
    return (*keep, TagMove(tags.live, tested))


def plan_revert(tags: Tags, *, live: str | None, prev: str | None) -> tuple[TagMove, ...]:
    """Put `:live` and `:prev` back to what they were before a promotion."""
    return (TagMove(tags.live, live), TagMove(tags.prev, prev))


KEPT = frozenset({LATEST, LIVE, PREV})
"""What is never removed: what was built last, what runs, and what ran before."""


def expired(tags: Mapping[str, str], *, keep: int, in_use: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the references that have expired, the oldest first.

    `tags` maps tags to image ids. The last `keep` images that have a release's tag keep all of theirs; so do images
    that have another tag of ours, or that a container uses. Other tags are not removed.
    """
    releases = sorted((tag for tag in tags if tag.startswith(RELEASE)), reverse=True)
    named = {image for tag, image in tags.items() if tag in KEPT}
    last = list(dict.fromkeys(tags[tag] for tag in releases))[:keep]
    safe = {*named, *last, *in_use}
    return tuple(tag for tag in reversed(releases) if tags[tag] not in safe)
