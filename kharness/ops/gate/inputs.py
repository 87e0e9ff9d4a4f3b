"""The inputs of a test, for which its verdict holds: image, settings, tests, mode, surroundings and kharness itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path

from kharness.errors import HostError, KharnessError
from kharness.host.image.context import LEFTOVERS
from kharness.host.image.layers import VERSION
from kharness.host.state.state import Verdict
from kharness.ops.harness import Harness
from kharness.ops.image.build import Built
from kharness.ops.image.recipe import read_recipe
from kharness.ops.launch.secrets import fingerprint, instance_secrets
from kharness.ops.launch.subject import needed_subjects, read_env_files
from kharness.plan.checks.catalog import checks_for
from kharness.plan.facts import short_id
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir
from kharness.settings.layers import for_test
from kharness.settings.model import Settings

IN_IMAGE = frozenset({"Dockerfile", "files", "private.d"})
"""Entries of a directory that count through the digest of the image that is built from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """`image` is the content digest of the image, `tests` that of settings and tests.

    `around` is the digest of what lies elsewhere: the `:live` images that it depends on, the values of its `env_file`
    and its secrets, the host's defaults. Where there are any it is keyed for this engine, so that a recorded verdict
    does not help to guess a secret.
    """

    image: str
    tests: str
    around: str
    mode: str

    @property
    def key(self) -> str:
        """The text that a verdict is recorded under."""
        return hashlib.sha256(f"{self.image} {self.tests} {self.around} {self.mode}".encode()).hexdigest()


def inputs_of(harness: Harness, directory: ContainerDir, settings: Settings, built: Built, *, mode: Mode) -> Inputs:
    """Return the inputs of a test of this image; raises `KharnessError` where something that it needs is missing."""
    return _inputs(harness, directory, settings, image=built.digest, mode=mode)


def inputs_now(
    harness: Harness, directory: ContainerDir, settings: Settings, *, mode: Mode, candidates: dict[str, str]
) -> Inputs | None:
    """Return the inputs that a build would have now, without building; None where they cannot be found out."""
    try:
        image = image_now(harness, directory, settings, candidates=candidates)
        return _inputs(harness, directory, settings, image=image, mode=mode) if image else None
    except KharnessError:
        return None


def image_now(harness: Harness, directory: ContainerDir, settings: Settings, *, candidates: dict[str, str]) -> str:
    """Return the content digest that an image would have now, empty where it is gone. Raises `KharnessError`."""
    if settings.image is None:
        return read_recipe(harness, directory, settings, candidates=candidates).digest
    found = harness.engine.image(settings.image)
    return found.id if found else ""


def doubts(harness: Harness, directory: ContainerDir, verdict: Verdict | None, *, image: str) -> tuple[str, ...]:
    """Return why a recorded verdict is no evidence for an image as it would be released now; empty where it is."""
    if verdict is None:
        return (f"no session passed with the image {short_id(image)}",)
    if not verdict.passed:
        return (f"the last session with this image, in mode {verdict.mode}, failed",)
    now = inputs_now(harness, directory, harness.settings(directory), mode=Mode(verdict.mode), candidates={})
    return (
        () if now is not None and now.key == verdict.inputs else ("sources, settings or tests changed since it passed",)
    )


def changes_since(before: Inputs, now: Inputs | None) -> tuple[str, ...]:
    """Return what changed between the build and now, as reasons against promotion."""
    if now is None:
        return ("its sources can no longer be read",)
    found = []
    if now.image != before.image:
        found.append("the image's sources changed after it was built")
    if now.tests != before.tests:
        found.append("settings or tests changed after the session began")
    if now.around != before.around:
        found.append(
            "a service that it needs, its env_file, a secret, the host's defaults or its checks changed after the build"
        )
    return tuple(found)


def tests_digest(directory: ContainerDir) -> str:
    """Return the digest of settings, tests and their data, and of the conftest files above them; raises `HostError`."""
    told = hashlib.sha256(f"kharness {version('kharness')}\n".encode())
    above = [directory.source_path / "conftest.py", directory.source_path.parent / "conftest.py"]
    try:
        own = [path for entry in _entries(directory) for path in _files(entry)]
        for path in (*own, *(path for path in above if path.is_file())):
            told.update(f"{path.relative_to(directory.source_path.parent)}\0".encode(errors="surrogateescape"))
            told.update(hashlib.sha256(path.read_bytes()).digest())
    except OSError as error:
        raise HostError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return told.hexdigest()


def _inputs(harness: Harness, directory: ContainerDir, settings: Settings, *, image: str, mode: Mode) -> Inputs:
    needs = [(need.name, need.image.id) for need in needed_subjects(harness, settings)]
    env = sorted(read_env_files(directory, for_test(settings).env_file).items())
    secrets = [(secret, secret.value) for secret in instance_secrets(directory, settings)]
    # A verdict from before a check was added does not cover that check.
    asked = (VERSION, [check.id for check in checks_for(settings, default=harness.host.policy)])
    defaults = [source.said for source in harness.host.defaults]
    told = repr((needs, env, secrets, asked, *defaults)).encode(errors="surrogateescape")
    # Production's secrets may lie beside the tests, and count as one of their files.
    hides = env or secrets or settings.env_file or settings.secrets or defaults
    around = fingerprint(harness, told) if hides else hashlib.sha256(told).hexdigest()
    return Inputs(image=image, tests=tests_digest(directory), around=around, mode=mode.value)


def _entries(directory: ContainerDir) -> list[Path]:
    skipped = IN_IMAGE if directory.has_dockerfile else frozenset()
    return sorted(entry for entry in directory.path.iterdir() if entry.name not in skipped)


def _files(entry: Path) -> Iterator[Path]:
    if any(fnmatchcase(entry.name, pattern) for pattern in LEFTOVERS):
        return
    if entry.is_dir():
        # A hidden directory is some tool's, but a hidden file may be the `.env` that tests run with.
        if not (entry.is_symlink() or entry.name.startswith(".")):
            for inner in sorted(entry.iterdir()):
                yield from _files(inner)
    elif entry.is_file():
        yield entry
