"""Remove the images, snapshots of data and copies of secrets that nothing needs any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from kharness.errors import ConflictError, KharnessError
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.image.contents import scans_of
from kharness.ops.image.hardening import forget_hardening
from kharness.ops.launch.secrets import sweep_secrets, with_copies
from kharness.ops.project.identity import refuse_shared_images, refuse_shared_volumes, tagged
from kharness.ops.release.recover import settle
from kharness.ops.volumes.snapshots import prune_data
from kharness.plan import labels
from kharness.plan.facts import ImageFacts, short_id
from kharness.plan.image.tags import LIVE, expired
from kharness.settings.catalog import ContainerDir

LOCK_TIMEOUT = 1.0
DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """A reference, an image without one, or a snapshot of data that was removed; `size` is its own in bytes."""

    name: str
    what: str
    size: int


def prune(harness: Harness, *, keep: int | None = None, dry_run: bool = False) -> Iterator[Pruned]:
    """Remove what is older than the last `keep` releases of each container directory, and builds that nothing names.

    Snapshots of data are kept for as many releases as the directory's settings say.

    Yields what was removed, as it is. `:latest`, `:live`, `:prev`, what a container uses and what was built in the last
    day stay. A directory with a release under way, or one that cannot be undone, or whose images or data are another
    project's as well, is left alone, and reported.
    """
    for directory in harness.catalog.directories:
        try:
            with lock(harness.locks, f"release-{directory.name}", timeout=LOCK_TIMEOUT):
                if not dry_run:
                    # What a release that was cut short goes back to may have no other name than that in the journal.
                    settle(harness, directory.name)
                refuse_shared_images(harness, directory.name)
                refuse_shared_volumes(harness, directory.name)
                yield from _releases(harness, directory.name, keep=keep or harness.host.keep_releases, dry_run=dry_run)
                yield from _data(harness, directory, dry_run=dry_run)
        except KharnessError as error:
            harness.report(directory.name, f"left alone: {error}")
    yield from prune_builds(harness, dry_run=dry_run)
    if not dry_run:
        if forgotten := forget_hardening(harness):
            harness.report("", f"forgot what hardening did to images that are gone ({forgotten})")
        _sweep_secrets(harness)
        scans_of(harness).forget()


def _releases(harness: Harness, name: str, *, keep: int, dry_run: bool) -> Iterator[Pruned]:
    found = dict(tagged(harness, name))
    ids = {tag: image.id for tag, image in found.items()}
    for tag in expired(ids, keep=keep, in_use=_in_use(harness)):
        if not dry_run:
            harness.engine.untag(f"{harness.tags(name).live.removesuffix(LIVE)}{tag}")
        yield Pruned(name=name, what=f"{name}:{tag}", size=found[tag].size)


def _data(harness: Harness, directory: ContainerDir, *, dry_run: bool) -> Iterator[Pruned]:
    keep = harness.settings(directory).release.keep_data
    for snapshot, size in prune_data(harness, directory.name, keep=keep, dry_run=dry_run):
        yield Pruned(name=directory.name, what=f"snapshot {snapshot.name} of {directory.name}", size=size)


def prune_builds(harness: Harness, *, of: str | None = None, dry_run: bool) -> Iterator[Pruned]:
    """Remove the builds that nothing names or uses, those of the last day aside; of one container, or of all.

    Yields what was removed, as it is.
    """
    in_use = _in_use(harness)
    # A commit of a container, and an image that a person has built on one, carry its labels: the ledger knows ours.
    built = {build.image_id: build for build in reversed(harness.state.builds(None, limit=-1))}
    for image in harness.engine.images(labels={labels.DIGEST: None}):
        build = built.get(image.id)
        if build is None or of not in {None, build.name}:
            continue
        # A session may be testing a recent one, and has no name for it once another session has built.
        if image.tags or image.id in in_use or time.time() - build.at < DAY:
            continue
        if dry_run or _removed(harness, image):
            yield Pruned(name=build.name, what=f"image {short_id(image.id)}", size=image.size)


def _sweep_secrets(harness: Harness) -> None:
    for name in with_copies(harness):
        try:
            with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
                if removed := sweep_secrets(harness, name):
                    harness.report(name, f"removed {len(removed)} copies of secrets that nothing is started with")
        except KharnessError as error:
            harness.report(name, f"copies of its secrets are left alone: {error}")


def _in_use(harness: Harness) -> frozenset[str]:
    used = {container.image_id for container in harness.engine.containers()}
    return frozenset(used.union(*(entry.operation.images for entry in harness.state.operations())))


def _removed(harness: Harness, image: ImageFacts) -> bool:
    try:
        harness.engine.remove_image(image.id)
    except ConflictError:
        # Another image is built on it.
        return False
    return True
