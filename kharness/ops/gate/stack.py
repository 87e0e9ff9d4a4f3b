"""What the gate asks about a Compose project: its test files, and what changed between the build and the decision."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from kharness.errors import HostError, KharnessError
from kharness.host.image.context import LEFTOVERS
from kharness.host.project.test_files import PATTERNS, files_of_tests, tests_of, unfound_files
from kharness.ops.harness import Harness
from kharness.ops.image.build import bases_of
from kharness.ops.image.recipe import read_recipe
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
    folder, gates = project.directory, [each.gate for each in settings.values()]
    found = tuple(collected)
    files = {test.file for test in found}
    known = {test.name.partition("[")[0] for test in found}
    try:
        paths = files_of_tests(folder, patterns) | unfound_files(folder, patterns)
    except OSError as error:
        raise HostError(f"{error.filename}: cannot be searched for tests: {error.strerror}") from error
    on_disk = {str(path.relative_to(folder)) for path in paths}
    return replace(
        facts,
        files=frozenset({*on_disk, project.files[0].name} if declares else on_disk),
        other_mode=frozenset(files - {test.file for test in facts.expected}),
        uncollected=tuple(test for file in sorted(files) for test in tests_of(folder, file) if test not in known),
        exclude=frozenset.intersection(*(frozenset(gate.exclude) for gate in gates)) if gates else frozenset(),
        skips=frozenset.intersection(*(frozenset(gate.skips) for gate in gates)) if gates else frozenset(),
        refuse=frozenset(key for gate in gates for key in gate.refused),
        untested_ok=bool(gates) and all(gate.tests == "none" for gate in gates),
    )


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
    try:
        if settings.image is not None:
            found = harness.engine.image(settings.image)
            return found.id if found else ""
        directory = harness.catalog.select(name, prefix=False)
        candidates = {base: images[base].id for base in bases_of(harness, directory, settings) if base in images}
        return read_recipe(harness, directory, settings, candidates=candidates).digest
    except KharnessError:
        return ""


def _tests(folder: Path) -> Iterable[Path]:
    yield from (path for pattern in ("conftest.py", *PATTERNS) for path in folder.glob(pattern))
    for place, folders, files in os.walk(folder / TESTS):
        folders[:] = [name for name in folders if not _is_left_over(name)]
        yield from (Path(place) / name for name in files if not _is_left_over(name))


def _is_left_over(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in LEFTOVERS)
