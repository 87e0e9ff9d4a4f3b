"""Ports of this host, and who has them."""

from __future__ import annotations

import os
import socket

import pytest

from kharness.host.machine.kernel import holder, is_free

LOOPBACK = "127.0.0.1"


@pytest.mark.parametrize(("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_a_port_is_free_until_a_process_has_it_which_is_named(protocol: str, kind: socket.SocketKind) -> None:
    with socket.socket(type=kind) as taken:
        taken.bind((LOOPBACK, 0))
        port = taken.getsockname()[1]
        if protocol == "tcp":
            taken.listen()
        assert not is_free(LOOPBACK, port, protocol)
        assert not is_free("0.0.0.0", port, protocol)
        assert is_free("127.0.0.2", port, protocol)
        assert holder(port, protocol).endswith(f" (pid {os.getpid()})")
    assert is_free(LOOPBACK, port, protocol)
    assert holder(port, protocol) == ""


def test_what_cannot_be_tried_counts_as_free() -> None:
    assert is_free("203.0.113.7", 8080, "tcp")
    assert is_free(LOOPBACK, 8080, "sctp")
    assert holder(8080, "sctp") == ""
