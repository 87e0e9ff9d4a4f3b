"""Checks of an image's configuration, history and origin, beside the files in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from kharness.plan.checks.check import CIS, check
from kharness.plan.checks.leaks import leaks_in_words
from kharness.plan.facts import ImageFacts
from kharness.settings.policy import Policy

DAY = 24 * 60 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStory:
    """An image's configuration, and how it was made: `history` has the command of each layer, the oldest first."""

    image: ImageFacts
    history: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """When an image was made, None where it does not record that; both times are aware of their zone."""

    created: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What an image is made from: the references in its Dockerfile, or the reference that is pulled.

    The digests of those `locked` are recorded elsewhere: the base image's, and images of other container directories.
    """

    references: tuple[str, ...]
    locked: frozenset[str] = frozenset()


@check(
    "KH302",
    "comes from pinned images",
    Origin,
    reason=(
        "A tag can name another image tomorrow, and then a rebuild tests and ships an image that was never reviewed; "
        "a digest cannot."
    ),
    mend="write it as NAME:TAG@sha256:DIGEST; docker image inspect prints the digest",
    source=CIS + "4.2",
)
def pinned_images(origin: Origin, _policy: Policy) -> Iterator[str]:
    for reference in origin.references:
        if "@sha256:" not in reference and reference not in origin.locked:
            yield f"{reference} has no digest"


@check(
    "KH306",
    "has no secret in its configuration or history",
    ImageStory,
    reason=(
        "ENV, ARG and the commands of RUN are kept in the image as text, readable for everyone who can pull it, "
        "and in every registry that it was pushed to."
    ),
    mend="use secrets: in settings.yaml, and change the value: it is known",
    source=CIS + "4.10",
    baseline=True,
)
def secret_in_history(story: ImageStory, _policy: Policy) -> Iterator[str]:
    seen: set[str] = set()
    for variable in story.image.environment:
        name = variable.partition("=")[0]
        seen |= {f"the variable {name} has {kind}" for kind in leaks_in_words(variable)}
    for name, value in story.image.labels.items():
        seen |= {f"the label {name} has {kind}" for kind in leaks_in_words(value)}
    for number, command in enumerate(story.history, 1):
        seen |= {f"the command of step {number} has {kind}" for kind in leaks_in_words(command)}
    yield from sorted(seen)


@check(
    "KH309",
    "has a recent image",
    Age,
    reason="An image stays as it was built; security updates come only with a new image.",
    mend=(
        "pytest containers/NAME --ready --rebuild --launch, which also pulls again; build.max_age rebuilds an old "
        "image automatically"
    ),
    source=CIS + "4.4",
    gates=False,
)
def recent_image(age: Age, policy: Policy) -> Iterator[str]:
    if age.created is None:
        yield "the image does not record when it was made"
        return
    days = (age.now - age.created).total_seconds() / DAY
    if days * DAY > policy.max_age:
        yield f"the image is {days:.0f} days old, and policy.max_age is {policy.max_age / DAY:.0f} days"
