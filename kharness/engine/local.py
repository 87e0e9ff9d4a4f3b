"""Whether an engine's networks, and its mounts, are this host's.

The rule, for an engine behind a unix socket (any other one is taken for remote):

1. A rootless engine's networks are in a namespace of its own: no.
2. The process that listens at the socket is known to the kernel (SO_PEERCRED, unix(7)). Where both may be read, the
   network namespaces of its threads are compared with ours (/proc/PID/task/TID/ns/net, namespaces(7)): the answer is
   exact. A single thread is no proof of the opposite, not even the first: engines enter a container's namespaces with
   a thread, and may leave it there. systemd may have opened the socket in its stead; it lives in the host's namespace,
   and so does the engine that it starts.
3. Where that may not be read (a member of the group `docker`, or a socket mounted into a container, where the process
   has no id), the gateways of the engine's bridge networks must be addresses of this host.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kharness.engine.answers import gateways

_CREDENTIALS = struct.Struct("3i")


def shares_network(path: str, info: Mapping[str, Any], bridges: Callable[[], Iterable[Mapping[str, Any]]]) -> bool:
    """Whether the engine at the unix socket `path` has its networks on this host; the rule is this module's text."""
    if any(option.startswith("name=rootless") for option in info.get("SecurityOptions") or ()):
        return False
    same = _same_namespace(path, "net")
    if same is not None:
        return same
    addresses = [address for bridge in bridges() for address in gateways(bridge)]
    return any(map(is_own_address, addresses))


def shares_mounts(path: str) -> bool:
    """Whether what this process mounts is seen by the engine at the unix socket `path`; False where that is not known.

    A daemon with mounts of its own (from a snap, or a unit with `PrivateMounts=`) would find an empty directory.
    """
    return _same_namespace(path, "mnt") is True


def shares_processes(path: str) -> bool:
    """Whether this process numbers processes as the engine at the unix socket `path` does; False where not known."""
    return _same_namespace(path, "pid") is True


def is_own_address(address: str) -> bool:
    """Whether one of this host's interfaces has the address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _same_namespace(path: str, kind: str) -> bool | None:
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid = _CREDENTIALS.unpack(credentials)[0]
        own = Path(f"/proc/self/ns/{kind}").readlink()
        return own in _namespaces(pid, kind) if pid else None
    except OSError:
        return None


def _namespaces(pid: int, kind: str) -> Iterator[Path]:
    # Most processes answer with their first thread.
    yield Path(f"/proc/{pid}/ns/{kind}").readlink()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            yield (thread / "ns" / kind).readlink()
