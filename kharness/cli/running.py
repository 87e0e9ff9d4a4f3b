"""`kharness map`: ids and names of running containers, straight from the engine's socket.

It imports nothing but the standard library, so that it is as fast as an interpreter starts, and it is safe to allow in
sudoers(5): it takes no arguments, reads no configuration and no docker context, and with another user's rights it
ignores the environment.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping

DEFAULT = "/var/run/docker.sock"
BORROWED = ("SUDO_UID", "SUDO_USER", "SUDO_COMMAND", "DOAS_USER", "PKEXEC_UID")
"""Variables that show a command run as another user: sudo(8), doas(1), pkexec(1)."""
SHORT = 12
TIMEOUT = 10.0


def socket_of(environ: Mapping[str, str], *, borrowed: bool) -> str:
    """Return the socket's path: that of DOCKER_HOST, but the default one with another user's rights.

    Raises ValueError for an engine that is not behind a socket of this host.
    """
    said = environ.get("DOCKER_HOST", "")
    if borrowed or not said:
        return DEFAULT
    path = said.removeprefix("unix://")
    if not path.startswith("/"):
        raise ValueError(f"DOCKER_HOST: should be a socket of this host, unix:///..., not {said!r}")
    return path


def is_borrowed(environ: Mapping[str, str]) -> bool:
    """Whether this process has the rights of another user than the one who started it."""
    ids = (os.getuid(), os.getgid()) != (os.geteuid(), os.getegid())
    return ids or any(name in environ for name in BORROWED)


def running_lines(path: str) -> list[str]:
    """Return `ID NAME` of each container that runs, sorted by name. Raises OSError, ValueError."""
    head, _, body = _asked(path).partition(b"\r\n\r\n")
    status = head.split(b"\r\n")[0].decode("ascii", "replace")
    if status.split()[1:2] != ["200"]:
        raise ValueError(f"what answers there says {status!r}")
    found = [(_name(entry["Names"]), entry["Id"][:SHORT]) for entry in json.loads(body)]
    return [f"{number} {name}" for name, number in sorted(found)]


def _asked(path: str) -> bytes:
    # By HTTP/1.0 the answer comes in one piece, and ends with the connection.
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(path)
        connection.sendall(b"GET /containers/json HTTP/1.0\r\nHost: localhost\r\n\r\n")
        pieces = []
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def main(arguments: list[str]) -> int:
    """Print the lines; 0, 1 where no engine answers, 2 for arguments."""
    if arguments:
        sys.stderr.write("kharness: map takes no arguments\n")
        return 2
    try:
        path = socket_of(os.environ, borrowed=is_borrowed(os.environ))
    except ValueError as error:
        sys.stderr.write(f"kharness: {error}\n")
        return 2
    try:
        lines = running_lines(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        sys.stderr.write(f"kharness: no container engine answers at {path}: {reason}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _name(names: list[str]) -> str:
    # A link's name has the linking container's before it, `/web/db`.
    plain = [name.lstrip("/") for name in names]
    return next((name for name in plain if "/" not in name), plain[0] if plain else "")
