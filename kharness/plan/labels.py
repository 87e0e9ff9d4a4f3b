"""Labels by which kharness knows what it made. Nothing without them is ever removed."""

from __future__ import annotations

from collections.abc import Mapping

PREFIX = "kharness."

ROLE = "kharness.role"
"""`test` or `production`."""
NAME = "kharness.name"
"""The container directory."""
SESSION = "kharness.session"
"""The session that owns a test object."""
OWNER_MACHINE = "kharness.owner.machine"
OWNER_BOOT = "kharness.owner.boot"
OWNER_PIDNS = "kharness.owner.pidns"
OWNER_PID = "kharness.owner.pid"
OWNER_START = "kharness.owner.start"
KEEP = "kharness.keep"
"""`always` or `failed`: what --keep and --keep-failed asked for when the object was made."""
DIGEST = "kharness.digest"
"""On an image: the content digest of what it was built from."""
BASE = "kharness.base"
"""On an image: the id of the image it was built from."""
INPUTS = "kharness.inputs"
"""On an instance: the digest of all that it was launched from."""
RELEASE = "kharness.release"
"""On a production instance: the release that made it, by which the way back finds it under whatever name."""

LAID = "kharness.laid"
"""On a production instance: what its launch by hand said that no file says, as it was typed, without values."""

ROLE_TEST = "test"
ROLE_PRODUCTION = "production"


def silenced(found: Mapping[str, str], *, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Return empty values for the labels baked into an image: nobody who watches the engine takes such a container up.

    Left out are kharness's own, and those that begin with one of `but`.
    """
    return {key: "" for key in found if not key.startswith((PREFIX, *but))}


def of_production(name: str) -> dict[str, str]:
    """Return the labels by which the production containers of a directory are known."""
    return {ROLE: ROLE_PRODUCTION, NAME: name}


def is_production(found: Mapping[str, str], name: str) -> bool:
    """Whether labels are those of a production container of the directory."""
    return of_production(name).items() <= found.items()
