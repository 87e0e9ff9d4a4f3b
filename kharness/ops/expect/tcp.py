"""A TCP port of the container."""

from __future__ import annotations

import socket

from kharness.errors import HostError
from kharness.ops.expect.until import until
from kharness.ops.instance import Instance
from kharness.ops.waiting import NotYetError


def expect_tcp(instance: Instance, port: int, *, listens: bool = True, timeout: float) -> None:
    """Expect that the container listens on a port and takes a connection from here, or that it does not listen.

    A connection alone would prove nothing: whoever publishes the port, or a gateway on the way, may take it. Raises
    `ExpectationError`.
    """
    host, number = instance.endpoint(port)

    def look(left: float) -> None:
        try:
            found = port in instance.listening()
        except HostError as error:
            raise NotYetError(str(error)) from error
        if found is not listens:
            raise NotYetError("something listens there" if found else "nothing listens there inside the container")
        if listens:
            _connect(left)

    def _connect(left: float) -> None:
        try:
            with socket.create_connection((host, number), timeout=left):
                pass
        except OSError as error:
            raise NotYetError(f"something listens there, but {host}:{number} cannot be reached: {error}") from error

    wanted = f"{port}/tcp to be listened on" if listens else f"{port}/tcp not to be listened on"
    until(look, wanted=wanted, timeout=timeout, hidden=instance.secrets)
