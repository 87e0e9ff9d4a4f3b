"""Labels by which kharness recognizes its own objects. It never removes an object without them."""

from __future__ import annotations

from collections.abc import Mapping

PREFIX = "kharness."

ROLE = "kharness.role"
"""`test` or `production`."""
PROJECT = "kharness.project"
"""The project that an object belongs to."""
NAME = "kharness.name"
"""The container directory."""
FOLDER = "kharness.folder"
"""On a production instance: the project's folder, which tells two projects of one name apart."""
IMAGE = "kharness.image"
"""On a container: the id of the image that it was created from.

The proof that kharness created it: `docker commit` hands all labels on to its image, but no image has its own id in a
label, so a container of that image has another id here than the engine reports for it.
"""
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
"""On a production instance: the release that created it, by which a roll-back finds it under any name."""

LAID = "kharness.laid"
"""On a production instance: the flags of its launch by hand, as they were typed, without values."""

ROLE_TEST = "test"
ROLE_PRODUCTION = "production"


def silenced(found: Mapping[str, str], *, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Return empty values for the labels baked into an image, so that no reverse proxy adopts the container.

    Left out are kharness's own, and those that begin with one of `but`.
    """
    return {key: "" for key in found if not key.startswith((PREFIX, *but))}


def production(project: str, name: str, *, folder: str, image: str) -> dict[str, str]:
    """Return the labels of a production container that is created from the image with this id."""
    return {ROLE: ROLE_PRODUCTION, PROJECT: project, NAME: name, FOLDER: folder, IMAGE: image}


def is_proven(found: Mapping[str, str], image: str) -> bool:
    """Whether a container has its labels from kharness, and not from its image, committed or with labels baked in.

    `image` is the id of the image that it has.
    """
    return found.get(IMAGE) == image


def is_copy(found: Mapping[str, str], image: str) -> bool:
    """Whether labels come from a committed container; `image` is the id of the present image."""
    return found.get(IMAGE, image) != image


def older(found: Mapping[str, str]) -> bool:
    """Whether a production container is from before there were projects."""
    return found.get(ROLE) == ROLE_PRODUCTION and PROJECT not in found
