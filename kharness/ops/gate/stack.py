"""What the gate asks about a Compose project: its test files, and what changed between the build and the decision."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from kharness.errors import HostError, KharnessError
from kharness.host.image.context import LEFTOVERS
from kharness.host.project.test_files import PATTERNS
from kharness.ops.gate.facts import with_files
from kharness.ops.gate.inputs import image_now
from kharness.ops.harness import Harness
from kharness.ops.image.build import bases_of
from kharness.plan.gate.refusals import Collected, GateFacts
from kharness.settings.compose.load import load_compose
from kharness.settings.compose.project import ComposeProject
from kharness.settings.model import Settings

TESTS = "tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackImage:
    """The image of a service that was tested, and the digest of what it was made from."""

    id: str
    digest: str


def complete_stack(
    facts: GateFacts,
    *,
    project: ComposeProject,
    settings: Mapping[str, Settings],
    collected: Iterable[Collected],
    patterns: Sequence[str],
    declares: bool,
) -> GateFacts:
    """Return the facts about a project with those from disk and settings.

    What its services' `gate` excuses counts where all of them say it, as they do when it is said of the project; what
    one of them refuses is refused. Raises `HostError` where its folder cannot be searched.
    """
    try:
        return with_files(
            facts,
            project.directory,
            collected=collected,
            gates=[each.gate for each in settings.values()],
            patterns=patterns,
            declared=project.files[0].name if declares else "",
        )
    except OSError as error:
        raise HostError(f"{error.filename}: cannot be searched for tests: {error.strerror}") from error


def stack_digest(project: ComposeProject) -> str:
    """Return the digest of a project's Compose files and tests; raises `HostError` where one cannot be read.

    Not all of its folder is looked at: data of its services may lie there.
    """
    told = hashlib.sha256()
    try:
        for path in sorted({*project.files, *_tests(project.directory)}):
            told.update(f"{path}\0".encode(errors="surrogateescape"))
            told.update(hashlib.sha256(path.read_bytes()).digest())
    except OSError as error:
        raise HostError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return told.hexdigest()


def stack_changes(
    harness: Harness,
    project: ComposeProject,
    settings: Mapping[str, Settings],
    images: Mapping[str, StackImage],
    *,
    began: str | None,
    no_build: bool,
) -> tuple[str, ...]:
    """Return what changed since the session began, as reasons against promotion; what cannot be read has changed.

    `began` is the digest of then. With `no_build`, images need not be built from these sources.
    """
    try:
        now = load_compose(project.directory, environ=os.environ)
        same = _said(now) == _said(project) and stack_digest(now) == began
    except KharnessError:
        same = False
    if not same:
        return ("Compose files, what they take from the environment, or tests changed after the session began",)
    if no_build:
        return ()
    return tuple(
        f"{name}: the image's sources changed after it was built"
        for name, image in sorted(images.items())
        if _digest_now(harness, name, settings[name], images) != image.digest
    )


def _said(project: ComposeProject) -> tuple[object, ...]:
    return (project.services, project.networks, project.volumes, project.secrets, project.configs, project.own)


def _digest_now(harness: Harness, name: str, settings: Settings, images: Mapping[str, StackImage]) -> str:
    directory = harness.catalog.select(name, prefix=False)
    try:
        candidates = {base: images[base].id for base in bases_of(harness, directory, settings) if base in images}
        return image_now(harness, directory, settings, candidates=candidates)
    except KharnessError:
        return ""


def _tests(folder: Path) -> Iterable[Path]:
    yield from (path for pattern in ("conftest.py", *PATTERNS) for path in folder.glob(pattern))
    for place, folders, files in os.walk(folder / TESTS):
        folders[:] = [name for name in folders if not _is_left_over(name)]
        yield from (Path(place) / name for name in files if not _is_left_over(name))


def _is_left_over(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in LEFTOVERS)
