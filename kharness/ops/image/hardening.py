"""What hardening did to images: kept from the output of their builds, found again, and forgotten with them.

It is known of layers, not of an image's id: a build whose steps come from the engine's cache prints nothing, and has
the layers of the build that did.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from kharness.errors import UsageError
from kharness.host.state.state import HardeningRecord
from kharness.ops.harness import Harness
from kharness.ops.session.causes import Taken
from kharness.plan import labels
from kharness.plan.facts import ImageFacts, short_id
from kharness.plan.image.hardening import Hardening, chains, is_report, read_report
from kharness.settings.catalog import ContainerDir


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHardening:
    """What was done to the image under a reference, or to the one that it is built on; else `why` it is not known."""

    name: str
    ref: str
    image: ImageFacts
    record: HardeningRecord | None
    why: str = ""

    @property
    def inherited(self) -> bool:
        """Whether it was done to an image that this one is built on."""
        return self.record is not None and self.record.chain != chains(self.image)[0]


def overhear(lines: list[str], progress: Callable[[str], None]) -> Callable[[str], None]:
    """Return what takes a build's lines: those of a report are put aside into `lines`, the others are progress."""
    return lambda line: lines.append(line) if is_report(line) else progress(line)


def keep_report(harness: Harness, name: str, image: ImageFacts, lines: list[str]) -> None:
    """Record what was done to an image, by the lines of its build's output. Raises `StateError`."""
    said, chain = read_report(lines), chains(image)[0]
    if said is None:
        return
    if said.whole and not said.done and harness.state.hardening([chain]):
        # A second run that found nothing to do made no layer: what the first one did is what there is to know.
        return
    if not said.whole:
        harness.report(name, "a part of the report of /prep did not arrive: the list of what it did has gaps")
    harness.state.record_hardening(
        HardeningRecord(chain=chain, name=name, image_id=image.id, at=time.time(), hardening=said)
    )


def hardening_of(harness: Harness, directory: ContainerDir, *, live: bool = False) -> ImageHardening:
    """Return what was done to `:latest` of the directory, or to `:live`; `UsageError` where there is no such image."""
    name, tags = directory.name, harness.tags(directory.name)
    ref = tags.live if live else tags.latest
    image = harness.engine.image(ref)
    if image is None and live:
        raise UsageError(f"{name}: nothing is live yet")
    if image is None:
        raise UsageError(f"{name}: there is no {ref}; 'kharness build {name}' makes it")
    record = harness.state.hardening(chains(image))
    why = "" if record else _why(harness, directory, image)
    return ImageHardening(name=name, ref=ref, image=image, record=record, why=why)


def taken_from(harness: Harness) -> Taken:
    """Return what says what `/prep` took from an image, or from one that it is built on."""

    def look(image: ImageFacts) -> Hardening | None:
        record = harness.state.hardening(chains(image))
        return record.hardening if record else None

    return look


def forget_hardening(harness: Harness) -> int:
    """Forget what was done to layers that no image of ours has any more; return how many that were."""
    # Asked in this order: what is remembered meanwhile is of an image that is not seen here.
    known = harness.state.hardened()
    if not known:
        return 0
    used: set[str] = set()
    for listed in harness.engine.images(labels={labels.DIGEST: None}):
        image = harness.engine.image(listed.id)
        used.update(chains(image) if image else ())
    harness.state.forget_hardening(known - used)
    return len(known - used)


def _why(harness: Harness, directory: ContainerDir, image: ImageFacts) -> str:
    if harness.settings(directory).image is not None:
        return "it was pulled, not built here, and nothing was hardened in it here"
    if all(build.image_id != image.id for build in harness.state.builds(directory.name)):
        return f"image {short_id(image.id)} is of no build that is recorded here"
    return (
        "its Dockerfile does not run /prep, or that step came from the engine's cache and its report is lost; "
        f"'kharness build {directory.name} --rebuild' runs every step"
    )
