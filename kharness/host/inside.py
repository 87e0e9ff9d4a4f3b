"""Remove entries of a running container's own file system, from outside and without ever leaving it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kharness.errors import HostError
from kharness.host.removal import mount_id

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Inside:
    """The root directory of a process that runs in a container; see `inside`."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._mount = mount_id(root)

    def remove(self, path: str, kind: int) -> str:
        """Remove an entry of that type (as of `stat.S_IFMT`), a directory only when it is empty; return why not.

        Every directory on the way is opened without following a link, and has to be on the root's own mount: what is
        in a volume is not the layer's.
        """
        *above, name = [part for part in path.split("/") if part]
        try:
            with self._opened(above) as at:
                if stat.S_IFMT(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode) != kind:
                    return "it is something else by now"
                if kind == stat.S_IFDIR:
                    os.rmdir(name, dir_fd=at)
                else:
                    os.unlink(name, dir_fd=at)
        except FileNotFoundError:
            return ""
        except HostError as error:
            return str(error)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    @contextmanager
    def _opened(self, parts: list[str]) -> Iterator[int]:
        at = os.dup(self._root)
        try:
            for part in parts:
                if part == "..":
                    raise HostError("'..' is not followed")
                inner = os.open(part, _DIRECTORY, dir_fd=at)
                os.close(at)
                at = inner
                if mount_id(at) != self._mount:
                    raise HostError("something else is mounted over it")
            yield at
        finally:
            os.close(at)


@contextmanager
def inside(pid: int) -> Iterator[Inside]:
    """Give the root directory of a process; the caller sees to it that it is the container's still.

    Raises `HostError` where only somebody else may look into it.
    """
    try:
        root = os.open(Path(f"/proc/{pid}/root"), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"/proc/{pid}/root: cannot be entered: {error.strerror}") from error
    try:
        # What a process has made its root itself, chroot(2), is not the container's.
        if (place := Path(f"/proc/self/fd/{root}").readlink()) != Path("/"):
            raise HostError(f"/proc/{pid}/root: should be the container's own root, not {place}")
        yield Inside(root)
    finally:
        os.close(root)
