"""Pull the image that settings name, when its policy wants it: `pull_policy` as Compose reads it.

How long ago an image was pulled is what this engine's state remembers, because the engine's own time of tagging moves
with every tag.
"""

from __future__ import annotations

import time

from kharness.errors import ImageMissingError
from kharness.ops.harness import Harness
from kharness.plan.facts import ImageFacts
from kharness.settings.build import pull_interval
from kharness.settings.model import Settings

PULLED = "pulled "
"""Before a reference: the engine's fact of when it was pulled last."""
NEVER, ALWAYS = "never", "always"


def renews(harness: Harness, settings: Settings, ref: str) -> bool:
    """Whether the policy has an image pulled that is there."""
    policy = settings.pull_policy
    if policy is None or policy == ALWAYS:
        return policy == ALWAYS
    every = pull_interval(policy)
    if every is None:
        return False
    last = harness.state.engine_fact(f"{PULLED}{ref}")
    return last is None or time.time() - float(last) >= every


def pulled_image(harness: Harness, who: str, ref: str, found: ImageFacts | None, settings: Settings) -> ImageFacts:
    """Pull the image that a directory's settings name; `found` is the one that is there.

    Raises `ImageMissingError` where it must not be pulled, or where `always` is the policy and no registry has it.
    """
    if settings.pull_policy == NEVER:
        if found is None:
            raise ImageMissingError(
                f"image {ref} is not on the engine, and 'pull_policy: never' of {who} pulls nothing"
            )
        return found
    strict = settings.pull_policy == ALWAYS
    image, fresh = pull(harness, who, ref, None if strict else found, platform=settings.platform)
    if fresh and settings.pull_policy is not None:
        harness.state.set_engine_fact(f"{PULLED}{ref}", str(int(time.time())))
    return image


def pull(
    harness: Harness, who: str, ref: str, found: ImageFacts | None, *, platform: str | None
) -> tuple[ImageFacts, bool]:
    """Pull a reference, and return it with whether that succeeded; else the one that was `found` is used.

    Raises `ImageMissingError` where neither is to be had.
    """
    try:
        pulled = harness.engine.pull(ref, progress=harness.details(who), platform=platform)
    except ImageMissingError:
        if found is None:
            raise
        harness.report(who, f"{ref} cannot be pulled; the image on the engine is used")
        return found, False
    if not pulled.fits(platform):
        raise ImageMissingError(f"image {ref} is for {pulled.platform} alone, and not for {platform}")
    return pulled, True
