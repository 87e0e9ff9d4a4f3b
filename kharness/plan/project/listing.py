"""What lists of production's containers, their images, and container directories have in a row."""

from __future__ import annotations

from dataclasses import dataclass

from kharness.plan.facts import ContainerFacts
from kharness.plan.project import labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A container directory: the wave and the only host of its autostart, whether it is built, how it is tested.

    `test_files` is how many there are, `expects` whether its settings expect something; both make it testable.
    `broken` says why its settings cannot be read; then wave, host and `expects` are unknown.
    """

    name: str
    path: str
    wave: int | None = None
    host: str | None = None
    buildable: bool = False
    test_files: int = 0
    expects: bool = False
    broken: str = ""

    @property
    def testable(self) -> bool:
        """Whether a session has something to run."""
        return self.expects or self.test_files > 0

    def starts_on(self, host: str) -> bool:
        """Whether it starts with a host."""
        return self.wave is not None and self.host in {None, host}


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
        """Report settings that the last launch had and no file has; empty if there are none."""
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
