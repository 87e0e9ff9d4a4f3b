"""Remove the images that no release, no container and no roll-back needs any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kharness.errors import ConflictError
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.recover import settle
from kharness.plan import labels
from kharness.plan.facts import ImageFacts, short_id
from kharness.plan.retention import expired

LOCK_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """A reference, or an image without one, that was removed; `size` is the image's in bytes."""

    name: str
    what: str
    size: int


def prune(harness: Harness, *, keep: int | None = None, dry_run: bool = False) -> tuple[Pruned, ...]:
    """Remove what is older than the last `keep` releases of each container directory, and builds that nothing names.

    `:latest`, `:live`, `:prev` and what a container uses stay. Raises `HostError` while a release is under way, and
    `EngineError` where one was cut short and cannot be undone.
    """
    return tuple(_prune(harness, keep=keep or harness.host.keep_releases, dry_run=dry_run))


def _prune(harness: Harness, *, keep: int, dry_run: bool) -> Iterator[Pruned]:
    engine = harness.engine
    for directory in harness.catalog.directories:
        name = directory.name
        with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
            # What a release that was cut short goes back to may have no other name than the one in the journal.
            settle(harness, name)
            in_use = {container.image_id for container in engine.containers()}
            beginning = f"{harness.host.repository}/{name}:"
            found = {
                tag.removeprefix(beginning): image
                for image in engine.images()
                for tag in image.tags
                if tag.startswith(beginning)
            }
            for tag in expired({tag: image.id for tag, image in found.items()}, keep=keep, in_use=in_use):
                if not dry_run:
                    engine.untag(f"{beginning}{tag}")
                yield Pruned(name=name, what=f"{name}:{tag}", size=found[tag].size)
    in_use = {container.image_id for container in engine.containers()}
    for image in engine.images(labels={labels.DIGEST: None}):
        if not image.tags and image.id not in in_use and (dry_run or _removed(harness, image)):
            yield Pruned(name=image.labels.get(labels.NAME, ""), what=f"image {short_id(image.id)}", size=image.size)


def _removed(harness: Harness, image: ImageFacts) -> bool:
    try:
        harness.engine.remove_image(image.id)
    except ConflictError:
        # Another image is built on it.
        return False
    return True
