"""Resolve the user that a container runs as, by the image's own passwd and group files (passwd(5), group(5))."""

from __future__ import annotations


def resolve_user(user: str, *, passwd: str, group: str) -> tuple[int, int] | None:
    """Return uid and gid of `NAME`, `UID`, `NAME:GROUP`, ... inside the container; None when a name is unknown.

    An empty text is root. As in the engine, a uid without an entry has gid 0.
    """
    who, _, members = user.partition(":")
    if not who:
        return (0, 0)
    entry = next((f for f in _fields(passwd) if len(f) > 3 and who in {f[0], f[2]}), None)  # noqa: PLR2004 - passwd(5)
    if entry is None and not who.isdigit():
        return None
    uid = int(entry[2]) if entry else int(who)
    if not members:
        return (uid, int(entry[3]) if entry else 0)
    if members.isdigit():
        return (uid, int(members))
    gid = next((f[2] for f in _fields(group) if len(f) > 2 and f[0] == members), None)  # noqa: PLR2004 - group(5)
    return None if gid is None else (uid, int(gid))


def _fields(text: str) -> list[list[str]]:
    return [line.split(":") for line in text.splitlines()]
