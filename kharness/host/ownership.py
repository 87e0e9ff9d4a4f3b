"""Give an open file another owner, without losing what a change of owner takes away."""

from __future__ import annotations

import errno
import os
import stat

CAPABILITY = "security.capability"
_NONE = {errno.ENODATA, errno.EOPNOTSUPP}


def change_owner(opened: int, owner: tuple[int, int]) -> None:
    """Give an open file or directory to a uid and gid; its mode and its capabilities stay, chown(2). Raises OSError."""
    mode = stat.S_IMODE(os.fstat(opened).st_mode)
    capability = extended(opened, CAPABILITY)
    try:
        os.fchown(opened, *owner)
    finally:
        # Also when somebody interrupts: what was taken away cannot be told later.
        if stat.S_IMODE(os.fstat(opened).st_mode) != mode:
            os.fchmod(opened, mode)
        if capability is not None and extended(opened, CAPABILITY) != capability:
            os.setxattr(opened, CAPABILITY, capability)


def extended(opened: int, name: str) -> bytes | None:
    """Return an extended attribute, None where there is none."""
    try:
        return os.getxattr(opened, name)
    except OSError as error:
        if error.errno in _NONE:
            return None
        raise


def has_set_id(found: os.stat_result) -> bool:
    """Whether a set-user-id or set-group-id bit is among its mode's."""
    return bool(found.st_mode & (stat.S_ISUID | stat.S_ISGID))
