"""KH306: whoever has the image can read them."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.image import ImageStory
from kharness.plan.evidence.leaks import leaks_in_words
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(story: ImageStory, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    seen: set[str] = set()
    for variable in story.image.environment:
        name = variable.partition("=")[0]
        seen |= {f"the variable {name} has {kind}" for kind in leaks_in_words(variable)}
    for name, value in story.image.labels.items():
        seen |= {f"the label {name} has {kind}" for kind in leaks_in_words(value)}
    for number, command in enumerate(story.history, 1):
        seen |= {f"the command of step {number} has {kind}" for kind in leaks_in_words(command)}
    yield from sorted(seen)


CHECK = Check(
    id="KH306",
    title="has no secret in its configuration or history",
    part=ImageStory,
    judge=judge,
    reason=(
        "ENV, ARG and the commands of RUN are kept in the image as text, for everybody who can pull it, "
        "and in every registry that it was pushed to."
    ),
    mend="secrets: in settings.yaml; change the value, it is known",
    source=CIS + "4.10",
    baseline=True,
)
