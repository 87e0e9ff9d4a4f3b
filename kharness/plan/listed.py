"""A line of a list of production: a container directory and what runs of it."""

from __future__ import annotations

from dataclasses import dataclass

from kharness.plan import labels
from kharness.plan.facts import ContainerFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A directory by its `name`, and a production container of it, or None where it has none.

    `live` is the id of the image that is live. `known` says that the source paths have such a directory, `wave` the one
    in which it starts with the host.
    """

    name: str
    facts: ContainerFacts | None
    live: str | None
    known: bool = True
    wave: int | None = None

    @property
    def laid(self) -> str:
        """What is to be said of settings that its last launch had and no file has; empty where there are none."""
        said = self.facts.labels.get(labels.LAID) if self.facts else None
        return f"{self.name}: was launched with {said}, which no file says" if said else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedImage:
    """An image of a directory under one of its tags; `used` says that production runs it."""

    name: str
    tag: str
    image: str
    created: str
    size: int
    used: bool
