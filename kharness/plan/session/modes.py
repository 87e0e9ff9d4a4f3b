"""The three modes of a test session, which marks run in them, and the command line of a session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from kharness.errors import UsageError

PROD_VARIABLE = "KTOOLS_DRUN_TEST_PROD"
"""The variable that turns `--ready` into `--prod-ready`."""


class Mode(StrEnum):
    """What the tests of a session run against."""

    STANDALONE = "standalone"
    """A test instance with empty volumes, on any machine."""
    PROD_READY = "prod-ready"
    """A test instance on the production host, with copies of the real volume contents."""
    IN_PROD = "in-prod"
    """The production instance; nothing is launched."""

    @property
    def mark(self) -> str:
        """The name of the pytest mark."""
        return self.value.replace("-", "_")


READINESS = (Mode.STANDALONE, Mode.PROD_READY)
"""The modes in which a service is tested before a release."""
MARKS = {mode.mark: mode for mode in Mode}


def runs_in(mode: Mode, marks: Iterable[str]) -> bool:
    """Whether a test with these marks runs in the mode.

    An unmarked test runs in the two readiness modes and never against production: a test that may write must be
    allowed there by name.
    """
    said = {MARKS[mark] for mark in marks if mark in MARKS}
    if not said:
        return mode is not Mode.IN_PROD
    return mode in said


NOISE = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_CURRENT_TEST", PROD_VARIABLE)
"""Variables that a session does not pass on to the sessions that it starts."""
READY, PROD_READY, IN_PROD, LAUNCH = "--ready", "--prod-ready", "--in-prod", "--launch"
ALONE = ("-p", "no:cacheprovider", "--color=no")
"""Flags of a session that runs beside others, whose cache it would write to, and whose output goes to a file."""
SHOWING = frozenset({"-h", "--help", "-V", "--version", "--markers"})
"""Arguments for which pytest prints something and starts no session."""
MEANINGS = {
    0: "passed",
    1: "a test failed, or what was asked for was refused",
    2: "interrupted",
    3: "an error in pytest itself",
    4: "it cannot be tested in this way",
    5: "it has no test",
}
"""What pytest's exit statuses mean in a session over one container directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a session runs: pytest's root directory, and its ini file where pytest would not find it by itself."""

    root: PurePath
    ini: PurePath | None = None


def session_flags(
    *,
    prod_ready: bool = False,
    in_prod: bool = False,
    if_changed: bool = False,
    launch: bool = False,
    ready: bool = False,
) -> tuple[str, ...]:
    """Return the flags of a session; `UsageError` for those that exclude each other."""
    if prod_ready and in_prod:
        raise UsageError(f"{PROD_READY} and {IN_PROD} exclude each other: a session has one mode")
    if ready and prod_ready:
        raise UsageError(f"{READY} and {PROD_READY} exclude each other: a session has one mode")
    if in_prod and if_changed:
        raise UsageError(f"{IN_PROD} and --if-changed exclude each other: production is tested as it is now")
    mode = PROD_READY if prod_ready else IN_PROD if in_prod else READY
    return (mode, *([LAUNCH] if launch else []), *(["--if-changed"] if if_changed else []))


def result_flags(path: PurePath) -> tuple[str, ...]:
    """Return the flag for the path that a session writes its result to."""
    return (f"--kharness-result={path}",)


def session_line(
    python: str, directory: PurePath, flags: Sequence[str], *, place: Place, more: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the command line; `more` are a user's own arguments for pytest."""
    ini = ("-c", str(place.ini)) if place.ini else ()
    # Unbuffered, so that a log file can be followed.
    return (python, "-u", "-m", "pytest", str(directory), *flags, "--rootdir", str(place.root), *ini, *more)
