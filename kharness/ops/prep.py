"""Prepare by hand what production of a container directory needs."""

from __future__ import annotations

from kharness.errors import UsageError
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.prepare import prepare
from kharness.ops.recover import settle
from kharness.ops.release import LOCK_TIMEOUT
from kharness.plan.launch import Subject
from kharness.plan.prepare import Prepared
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings


def prep(
    harness: Harness, directory: ContainerDir, *, dry_run: bool = False, fix: bool = False
) -> tuple[Prepared, ...]:
    """Prepare what production of a directory needs, by its `:live` image, else by `:latest`.

    Raises `UsageError` where there is no image or the engine does not see this host's files, `HostError`, `EngineError`
    and `LaunchError`.
    """
    settings = harness.settings(directory)
    if not settings.prepare:
        return ()
    if dry_run:
        return prepare(harness, _subject(harness, directory, settings), dry_run=True, fix=fix)
    with lock(harness.locks, f"release-{directory.name}", timeout=LOCK_TIMEOUT):
        # Data that are still to be put back would find something in their place.
        settle(harness, directory.name)
        return prepare(harness, _subject(harness, directory, settings), fix=fix)


def _subject(harness: Harness, directory: ContainerDir, settings: Settings) -> Subject:
    tags = harness.tags(directory.name)
    image = harness.engine.image(tags.live) or harness.engine.image(tags.latest)
    if image is None:
        advice = f"'kharness build {directory.name}' makes one"
        raise UsageError(f"{directory.name}: there is no image yet that could say who its users are; {advice}")
    # Without the values of `env_file`, which nothing here needs.
    built = settings.image is None
    return Subject(name=directory.name, settings=settings, image=image, built=built, directory=directory.path)
