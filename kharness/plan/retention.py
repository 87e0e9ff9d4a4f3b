"""Which of a container directory's image references are kept, and which have had their time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kharness.plan.tags import LATEST, LIVE, PREV, RELEASE

KEPT = frozenset({LATEST, LIVE, PREV})
"""What is never removed: what was built last, what runs, and what ran before."""


def expired(tags: Mapping[str, str], *, keep: int, in_use: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the references that have had their time, the oldest first.

    `tags` maps tags to image ids. The last `keep` images that have a release's tag keep all of theirs; so do images
    that have another tag of ours, or that a container uses. Tags that somebody else has given are not ours to remove.
    """
    releases = sorted((tag for tag in tags if tag.startswith(RELEASE)), reverse=True)
    named = {image for tag, image in tags.items() if tag in KEPT}
    last = list(dict.fromkeys(tags[tag] for tag in releases))[:keep]
    safe = {*named, *last, *in_use}
    return tuple(tag for tag in reversed(releases) if tags[tag] not in safe)
