"""Containers of a project: the rows of its lists, and what retiring and renaming change. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.image.tags import LATEST, LIVE, PREV, release_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A container directory: the wave and the only host of its autostart, whether it is built, how it is tested.

    `test_files` is how many there are, `expects` whether its settings expect something; both make it testable.
    `broken` says why its settings cannot be read; then wave, host and `expects` are unknown. A service of a Compose
    project has its `project`, whose tests are those of all its services.
    """

    name: str
    path: str
    wave: int | None = None
    host: str | None = None
    buildable: bool = False
    test_files: int = 0
    expects: bool = False
    broken: str = ""
    project: str = ""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """Data that stay: `place` is a path of the host, or a volume's name; `size` in bytes, None if unknown.

    `remove` is the command that removes them, empty if other containers may use them, too.
    """

    what: str
    place: str
    size: int | None = None
    remove: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """What is removed with a container, and what stays: `containers` by name, `tags` whole, `builds` by id.

    `ended` is when it was retired earlier, in seconds since the epoch, if nothing is left to do.
    """

    name: str
    containers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    remains: tuple[Remains, ...] = ()
    notes: tuple[str, ...] = ()
    ended: float | None = None


def is_kept_by_us(tag: str) -> bool:
    """Whether kharness gave this tag to an image; the part behind the colon."""
    return tag in {LATEST, LIVE, PREV} or release_time(tag) is not None


def users_of_images(
    tags: Mapping[str, ImageFacts], containers: Iterable[ContainerFacts], *, but: Iterable[str]
) -> Mapping[str, str]:
    """Return the containers that still use an image which would lose its last tag, by name, with the image's id.

    `but` are the ids of containers that are removed as well.
    """
    gone = frozenset(but)
    last = {image.id for image in tags.values() if all(tag in tags for tag in image.tags)}
    return {each.name: each.image_id for each in containers if each.image_id in last and each.id not in gone}


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """What moves from one name to the other: directories by their paths, references whole, both as (from, to).

    `containers` are the stopped ones that go. `records` says whether the ledger, verdicts or builds have something.
    """

    old: str
    new: str
    directories: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    containers: tuple[str, ...] = ()
    records: bool = False
    notes: tuple[str, ...] = ()
    ended: float | None = None


def rename_hints(lost: Iterable[str], fresh: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield name and advice for containers whose directories are gone.

    `fresh` are directories of which nothing was released: only the user knows whether one of them is the old one.
    """
    candidates = sorted(fresh)
    for old in sorted(lost):
        if len(candidates) == 1:
            new = candidates[0]
            said = f"if it is {new} now, 'kharness rename {old} {new}' takes records, images and data along"
        elif candidates:
            among = ", ".join(candidates)
            said = f"if it is one of {among} now, 'kharness rename {old} NEW' takes records, images and data along"
        else:
            continue
        yield old, f"its directory is gone; {said}; if it has ended, 'kharness retire {old}'"
