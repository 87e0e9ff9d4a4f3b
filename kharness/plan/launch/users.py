"""Resolve the user that a container runs as, by the image's own passwd and group files (passwd(5), group(5))."""

from __future__ import annotations


def resolve_user(user: str, *, passwd: str, group: str) -> tuple[int, int] | None:
    """Return uid and gid of `NAME`, `UID`, `NAME:GROUP`, ... inside the container; None when a name is unknown.

    An empty text is root. As in the engine, a uid without an entry has gid 0.
    """
    who, _, members = user.partition(":")
    if not who:
        return (0, 0)
    entry = next((f for f in _fields(passwd) if f[3:] and f[3].isdigit() and who in {f[0], f[2]}), None)
    if entry is None and not who.isdigit():
        return None
    uid = int(entry[2]) if entry else int(who)
    if not members:
        return (uid, int(entry[3]) if entry else 0)
    gid = resolve_group(members, group=group)
    return None if gid is None else (uid, gid)


def resolve_group(name: str, *, group: str) -> int | None:
    """Return the gid of a group's name or number inside the container; None when the name is unknown."""
    if name.isdigit():
        return int(name)
    gid = next((f[2] for f in _fields(group) if f[0] == name), None)
    return None if gid is None else int(gid)


def is_numeric(user: str) -> bool:
    """Whether uid and gid are known without the image's files: none is set, or both are numbers."""
    who, _, members = user.partition(":")
    return not who or (who.isdigit() and members.isdigit())


def _fields(text: str) -> list[list[str]]:
    # What has no number in its third field is a comment or broken, and no entry.
    return [fields for line in text.splitlines() if (fields := line.split(":"))[2:] and fields[2].isdigit()]
