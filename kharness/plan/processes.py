"""What a command line says about the program that runs."""

from __future__ import annotations

import posixpath


def programs(command: str) -> frozenset[str]:
    """Return the names by which people know the program of a command line, `httpd` of `/usr/sbin/httpd -f`.

    A service that writes over its command line says its name before a colon (`nginx: worker process`), a login shell
    after a dash. One that has ended and was not reaped (`[httpd] <defunct>`) runs no program.
    """
    return frozenset({command.partition(" ")[0], program(command)})


def program(command: str) -> str:
    """Return the last part of the program's name, `httpd` of `/usr/sbin/httpd -f`."""
    return posixpath.basename(command.partition(" ")[0].removeprefix("-").rstrip(":"))
