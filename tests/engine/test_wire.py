"""Requests over both kinds of connection, a socket of this host and the SDK: the same answers, the same errors."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kharness.engine.contexts import Endpoint
from kharness.engine.refusals import SilentError, StatusError
from kharness.engine.remote import RemoteClient, session_of
from kharness.engine.transport import Client, SocketClient
from kharness.engine.wire import Wire
from kharness.errors import EngineUnavailableError

Step = bytes | float | threading.Event | Callable[[socket.socket], None]
"""What is said, the seconds of a pause, what is waited for, or what is done with the connection."""
"""What is said after a request, and how long nothing is; the last step of a connection is followed by its end."""

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n[1, 2]\n"


@dataclass
class Engine:
    """Something that answers in the given words; `heard` are the first pieces of its requests, a list a connection."""

    heard: list[list[bytes]] = field(default_factory=list)

    def serve(self, server: socket.socket, talks: Sequence[Sequence[Sequence[Step]]]) -> None:
        """Answer a request of a connection after the other, then hang up."""
        for talk in talks:
            connection, _ = server.accept()
            self.heard.append([])
            with connection:
                for steps in talk:
                    self.heard[-1].append(connection.recv(1 << 16))
                    for step in steps:
                        if isinstance(step, bytes):
                            with suppress(OSError):
                                connection.sendall(step)
                        elif isinstance(step, threading.Event):
                            step.wait(60)
                        elif callable(step):
                            step(connection)
                        else:
                            time.sleep(step)


def read_body(connection: socket.socket) -> None:
    """Read the rest of a chunked body: what hangs up on it resets the connection."""
    end = b""
    while not end.endswith(b"0\r\n\r\n"):
        end = (end + connection.recv(1 << 16))[-8:]


Open = Callable[..., tuple[Wire, Engine]]


@pytest.fixture(params=["socket", "remote"])
def talking(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def start(*talks: Sequence[Sequence[Step]]) -> tuple[Wire, Engine]:
            server = stack.enter_context(socket.socket(socket.AF_UNIX if request.param == "socket" else socket.AF_INET))
            server.bind(str(tmp_path / "s") if request.param == "socket" else ("127.0.0.1", 0))
            server.listen()
            client: Client
            if request.param == "socket":
                client = SocketClient(str(tmp_path / "s"), size=2)
            else:
                url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
                client = RemoteClient(session_of(Endpoint(url=url, origin="x"), version="1.41", timeout=9, size=2))
            stack.callback(client.close)
            engine = Engine()
            thread = threading.Thread(target=engine.serve, args=(server, talks), daemon=True)
            thread.start()
            stack.callback(thread.join, 5)
            return Wire(client, version="1.41", endpoint="there"), engine

        yield start


def test_requests_share_a_connection_and_say_what_is_asked(talking: Open) -> None:
    wire, engine = talking([[HELLO], [HELLO]])
    params = {"all": True, "filters": '{"a b": 1}', "none": None, "changes": ["x", "y"], "empty": []}
    assert wire.ask("GET", "/things", params=params) == [1, 2]
    assert wire.ask("POST", "/things", body={"a": 1}) == [1, 2]
    first, second = engine.heard[0]
    line = b"GET /v1.41/things?all=1&filters=%7B%22a+b%22%3A+1%7D&changes=x&changes=y HTTP/1.1\r\n"
    assert first.startswith(line)
    assert second.startswith(b"POST /v1.41/things HTTP/1.1\r\n")
    assert b"Content-Length: 8\r\n" in second


def test_a_connection_that_was_hung_up_is_not_used_again(talking: Open) -> None:
    wire, engine = talking([[HELLO]], [[HELLO]])
    assert wire.ask("GET", "/one") == [1, 2]
    time.sleep(0.05)
    assert wire.ask("GET", "/two") == [1, 2]
    assert [len(requests) for requests in engine.heard] == [1, 1]


def test_an_answer_that_is_not_read_to_its_end_leaves_nothing_for_the_next(talking: Open) -> None:
    wire, engine = talking([[HELLO]], [[HELLO]])
    with wire.open("GET", "/one"):
        pass
    assert wire.ask("GET", "/two") == [1, 2]
    assert len(engine.heard) == 2


def test_pieces_arrive_before_the_answer_is_whole(talking: Open) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    seen = threading.Event()
    wire, _ = talking([[head + b'8\r\n{"a": 1}\r\n', seen, b'9\r\n\n{"a": 2}\r\n0\r\n\r\n'], [HELLO]])
    with wire.open("GET", "/events") as answer:
        pieces = answer.chunks()
        assert next(pieces) == b'{"a": 1}'
        seen.set()
        assert b"".join(pieces) == b'\n{"a": 2}'
    assert wire.ask("GET", "/things") == [1, 2]


def test_what_ends_with_the_connection_is_read_until_a_deadline(talking: Open) -> None:
    given_up = threading.Event()
    whole, part = [b"HTTP/1.1 200 OK\r\n\r\nall", b" of it"], [b"HTTP/1.1 200 OK\r\n\r\nsome", given_up]
    wire, _ = talking([whole], [part])
    with wire.open("GET", "/whole") as answer:
        assert answer.read_until(time.monotonic() + 60) == b"all of it"
    with wire.open("GET", "/part") as answer, pytest.raises(SilentError):
        answer.read_until(time.monotonic() + 0.1)
    given_up.set()


def test_a_body_is_sent_in_pieces_and_may_be_refused_before_its_end(talking: Open) -> None:
    refusal = b'HTTP/1.1 400 Bad\r\nContent-Length: 21\r\nConnection: close\r\n\r\n{"message": "no, no"}'
    # It says that it hangs up: a client that has not seen that yet would send the next request into the void.
    wire, engine = talking([[HELLO.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")]], [[refusal]])
    wire.tell("PUT", "/small", data=[b"abc", b"", b"de"])
    assert b"transfer-encoding: chunked" in engine.heard[0][0].lower()
    with pytest.raises(StatusError, match="no, no") as caught:
        wire.tell("PUT", "/large", data=(bytes(1 << 16) for _ in range(200)))
    assert caught.value.status == 400


@pytest.mark.parametrize("own", [ZeroDivisionError, BrokenPipeError, TimeoutError])
def test_what_the_body_raises_is_raised(talking: Open, own: type[Exception]) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise own

    # Whoever hangs up at once may be the first to break it off.
    wire, _ = talking([[0.5]], [[HELLO]])
    with pytest.raises(own):
        wire.tell("PUT", "/x", data=broken(), timeout=None)
    assert wire.ask("GET", "/x") == [1, 2]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([b""], "the engine at there does not answer: "),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[1"], "the engine at there does not answer: the connection"),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n[1"],
            "does not answer: the connection broke off",
        ),
        ([b"nonsense\r\n\r\n"], "the engine at there does not answer: the connection broke off"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_an_answer_that_breaks_off_is_no_answer(
    talking: Open,
    steps: list[Step],
    expected: str,
    whole: bool,  # noqa: FBT001
) -> None:
    wire, _ = talking([steps])
    with pytest.raises(EngineUnavailableError) as caught, wire.open("GET", "/x") as answer:
        _ = answer.read() if whole else list(answer.chunks())
    assert expected in str(caught.value)


def test_an_answer_to_head_has_a_length_and_no_body(talking: Open) -> None:
    wire, engine = talking([[b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-Stat: e30=\r\n\r\n"], [HELLO]])
    with wire.open("HEAD", "/file") as answer:
        assert (answer.headers["x-stat"], answer.headers.get("X-STAT"), answer.read()) == ("e30=", "e30=", b"")
    assert wire.ask("GET", "/x") == [1, 2]
    assert len(engine.heard) == 1


def test_a_path_cannot_end_the_line_of_a_request(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        wire = Wire(SocketClient(str(tmp_path / "s"), size=1), version="1", endpoint="there")
        for path in ("/x HTTP/1.1\r\nHost: y\r\n\r\n", "/x y"):
            with pytest.raises(EngineUnavailableError, match="there does not answer"):
                wire.ask("GET", path)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1"])
def test_silence_is_told_as_such(talking: Open, said: bytes) -> None:
    given_up = threading.Event()
    wire, _ = talking([[said, given_up]])
    with pytest.raises(SilentError, match="the engine at there did not answer in time"):
        wire.ask("GET", "/x", timeout=0.1)
    given_up.set()


def test_who_lets_go_of_a_client_leaves_no_connection_open(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        thread = threading.Thread(target=Engine().serve, args=(server, [[[HELLO], []]]))
        thread.start()
        # An unclosed socket would be a warning, which fails.
        assert Wire(SocketClient(str(tmp_path / "s"), size=1), version="1", endpoint="x").ask("GET", "/x") == [1, 2]
        thread.join(5)
        assert not thread.is_alive()


def test_a_fork_makes_connections_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        engine = Engine()
        thread = threading.Thread(target=engine.serve, args=(server, [[[HELLO], []], [[HELLO], [HELLO], []]]))
        thread.start()
        client = SocketClient(str(tmp_path / "s"), size=1)
        wire = Wire(client, version="1", endpoint="x")
        assert wire.ask("GET", "/parent") == [1, 2]
        monkeypatch.setattr("kharness.engine.transport.getpid", lambda: 1)
        assert [wire.ask("GET", "/fork"), wire.ask("GET", "/fork")] == [[1, 2], [1, 2]]
        client.close()
        thread.join(5)
        assert [b"/fork" in heard[0] for heard in engine.heard] == [False, True]


def test_a_body_may_take_longer_than_a_connection(talking: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kharness.engine.transport.CONNECT_TIMEOUT", 0.1)
    wire, _ = talking([[0.5, read_body, HELLO]])
    wire.tell("PUT", "/large", data=(bytes(1 << 16) for _ in range(100)), timeout=None)


def test_a_connection_waits_for_its_turn(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as first:
        server.bind(path)
        server.listen(0)
        first.connect(path)
        engine = Engine()
        # The first one says nothing, and is let go of.
        delayed = threading.Timer(0.3, engine.serve, args=(server, [[], [[HELLO]]]))
        delayed.start()
        client = SocketClient(path, size=1)
        assert Wire(client, version="1.41", endpoint="there").ask("GET", "/x") == [1, 2]
        delayed.join()
        client.close()
