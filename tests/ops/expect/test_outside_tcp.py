"""TCP ports of a container of the fake."""

from __future__ import annotations

import socket
from dataclasses import replace

from kharness.ops.expect.outside import expect_tcp
from kharness.ops.session.instance import Instance
from kharness.plan.facts import ExecResult
from kharness.testing import FakeEngine
from tests.ops.expect.seen import QUICK, why


def test_a_port_on_which_another_program_answers_is_not_the_containers(web: Instance) -> None:
    # The fake's address is this machine's: a connection would succeed wherever something of ours listens.
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        seen = why(lambda: expect_tcp(web, port, timeout=QUICK))
        assert seen == "nothing listens there inside the container"
        expect_tcp(web, port, listens=False, timeout=QUICK)


def test_a_listening_port_must_also_be_reachable(fake: FakeEngine, web: Instance) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        _listens(fake, port)
        expect_tcp(web, port, timeout=QUICK)
    assert "something listens there, but 127.0.0.1:" in why(lambda: expect_tcp(web, port, timeout=QUICK))
    assert why(lambda: expect_tcp(web, port, listens=False, timeout=QUICK)) == "something listens there"


def test_a_port_is_unknown_if_the_sockets_cannot_be_listed(fake: FakeEngine, web: Instance) -> None:
    fake.script = lambda _facts, _argv: ExecResult(126, "", "no cat\n")
    for listens in (True, False):
        seen = why(lambda listens=listens: expect_tcp(web, 80, listens=listens, timeout=QUICK))  # type: ignore[misc]
        assert seen == "web: its sockets cannot be listed: no cat"


def _listens(fake: FakeEngine, port: int) -> None:
    [box] = fake.boxes.values()
    box.image = replace(box.image, labels={"fake.listens": str(port)})
