"""What an image says about itself, beside the files in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kharness.plan.facts import ImageFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStory:
    """An image's configuration, and how it was made: `history` has the command of each layer, the oldest first."""

    image: ImageFacts
    history: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """When an image was made, None where it does not say; both times are aware of their zone."""

    created: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What an image is made from: the references that its Dockerfile names, or the one that is pulled.

    `locked` are those whose digest is recorded elsewhere: the base image's, and images of other container directories.
    """

    references: tuple[str, ...]
    locked: frozenset[str] = frozenset()
