"""The command line of a pytest session over one container directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from kharness.errors import UsageError

READY, PROD_READY, IN_PROD = "--ready", "--prod-ready", "--in-prod"
ALONE = ("-p", "no:cacheprovider", "--color=no")
"""What a session among others has besides: they would write to one cache, and into a file."""
MEANINGS = {
    0: "passed",
    1: "a test failed, or what was asked for was refused",
    2: "interrupted",
    3: "an error in pytest itself",
    4: "it cannot be tested in this way",
    5: "it has no test",
}
"""What pytest's exit statuses mean of one container directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a session runs: pytest's root directory, and its ini file where pytest would not find it by itself."""

    root: PurePath
    ini: PurePath | None = None


def session_flags(
    *, prod_ready: bool = False, in_prod: bool = False, if_changed: bool = False, launch: bool = False
) -> tuple[str, ...]:
    """Return the flags of a session; `UsageError` for those that exclude each other."""
    if prod_ready and in_prod:
        raise UsageError(f"{PROD_READY} and {IN_PROD} exclude each other: a session has one mode")
    if in_prod and if_changed:
        raise UsageError(f"{IN_PROD} and --if-changed exclude each other: production is tested as it is now")
    mode = PROD_READY if prod_ready else IN_PROD if in_prod else READY
    return (mode, *(["--launch"] if launch else []), *(["--if-changed"] if if_changed else []))


def session_line(
    python: str, directory: PurePath, flags: Sequence[str], *, place: Place, more: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the command line; `more` are a user's own arguments for pytest."""
    ini = ("-c", str(place.ini)) if place.ini else ()
    # Unbuffered: who looks on while it writes to a file sees what it does.
    return (python, "-u", "-m", "pytest", str(directory), *flags, "--rootdir", str(place.root), *ini, *more)
