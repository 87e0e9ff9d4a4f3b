"""A real server in a process of its own: what a client can do to it, and what it cannot."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

from fw_running import FAST, Running, until

Serve = Callable[..., Running]
RULE = '[rules]\n"@/a" = 1000\n'
LISTENS = "0A"
"""A state of a socket in /proc/net/tcp."""
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def ready(serve: Serve, tmp_path: Path, text: str = FAST + RULE) -> Running:
    (tmp_path / "a").touch()
    running = serve(text)
    until(lambda: running.get()[0] == 200)
    return running


async def ask_all(port: int, count: int) -> list[tuple[bytes, float]]:
    async def ask() -> tuple[bytes, float]:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        answer = await reader.read()
        writer.close()
        return answer, time.monotonic() - began

    return await asyncio.gather(*(ask() for _ in range(count)))


def test_both_pages_are_served(serve: Serve, tmp_path: Path) -> None:
    running = ready(serve, tmp_path)
    assert running.get("/healthz") == (200, "all ok\n")
    status, page = running.get("/")
    assert status == 200
    assert f"<td>{tmp_path}/a</td>" in page


def test_a_head_request_has_the_head_of_a_get_and_no_body(serve: Serve, tmp_path: Path) -> None:
    running = ready(serve, tmp_path)
    head, body = running.raw(b"HEAD /healthz HTTP/1.1\r\n\r\n").split(b"\r\n\r\n")
    assert body == b""
    assert b"Content-Length: 7" in head


def test_another_method_is_answered_405_even_with_a_large_body(serve: Serve, tmp_path: Path) -> None:
    running = ready(serve, tmp_path)
    body = b"x" * 300_000
    answer = running.raw(b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nAllow: GET, HEAD\r\n" in answer


def test_what_is_no_http_is_answered_400(serve: Serve, tmp_path: Path) -> None:
    assert ready(serve, tmp_path).raw(b"\x16\x03\x01\x02\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_head_without_end_is_answered_431(serve: Serve, tmp_path: Path) -> None:
    assert ready(serve, tmp_path).raw(b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000).startswith(b"HTTP/1.1 431 ")


def test_200_parallel_requests_are_answered_promptly_while_a_scan_runs(serve: Serve, tmp_path: Path) -> None:
    # Files modified just now are read anew on each scan, and scans follow each other at once.
    for number in range(4000):
        (tmp_path / f"{number}.log").write_text("quiet")
    running = ready(serve, tmp_path, FAST + RULE + '"@/*.log" = "NOT-FOUND:panic"\n')
    answers = asyncio.run(ask_all(running.port, 200))
    assert {answer.split(b"\r\n\r\n")[1] for answer, _ in answers} == {b"all ok\n"}
    # With a scan for each it would be minutes.
    assert max(seconds for _, seconds in answers) < 20
    assert threads(running) <= 3


def threads(running: Running) -> int:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(status.split("\nThreads:")[1].split()[0])


def connections(running: Running) -> int:
    """Return how many connections the process has open: one that it has closed has no inode any more, proc(5)."""
    table = Path(f"/proc/{running.process.pid}/net/tcp").read_text().splitlines()[1:]
    ours = (line.split() for line in table if line.split()[1].endswith(f":{running.port:04X}"))
    return sum(words[3] != LISTENS and words[9] != "0" for words in ours)


def test_slow_clients_are_dropped_and_hold_nobody_up(serve: Serve, tmp_path: Path) -> None:
    running = ready(serve, tmp_path, FAST.replace("[scan]", "timeout = 3\n[scan]") + RULE)
    slow = [running.connect() for _ in range(100)]
    for client in slow:
        client.sendall(b"GET / HT")
    assert running.get()[0] == 200
    dropped, _, _ = select.select(slow, [], [], 0)
    assert not dropped
    assert slow[0].recv(100) == b""
    for client in slow:
        client.close()


def drips(client: socket.socket) -> bool:
    try:
        client.sendall(b"X")
    except OSError:
        return False
    return True


def test_a_client_that_drips_has_no_more_time_than_one_that_is_silent(serve: Serve, tmp_path: Path) -> None:
    running = ready(serve, tmp_path, FAST.replace("[scan]", "timeout = 0.5\n[scan]") + RULE)
    client = running.connect()
    began = time.monotonic()
    with client:
        while drips(client):
            assert time.monotonic() - began < 30
            time.sleep(0.05)


def test_a_client_that_does_not_read_is_dropped(serve: Serve, tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number:0200}.log").touch()
    running = ready(serve, tmp_path, FAST.replace("[scan]", "timeout = 1\n[scan]") + RULE + '"@/*.log" = 1000\n')
    client = running.connect()
    client.sendall(b"GET / HTTP/1.1\r\n\r\n" * 2)
    # Looked at, not taken: the answer has begun, and who asked for it does not read.
    assert client.recv(1, socket.MSG_PEEK)
    until(lambda: connections(running) == 0)
    received = 0
    try:
        while chunk := client.recv(65536):
            received += len(chunk)
    except OSError:
        pass
    client.close()
    assert received < len(running.get("/")[1])


def test_more_connections_than_may_be_are_refused_politely(serve: Serve, tmp_path: Path) -> None:
    running = ready(serve, tmp_path, FAST.replace("[scan]", "connections = 10\n[scan]") + RULE)
    held = [running.connect() for _ in range(10)]
    until(lambda: running.raw(b"").startswith(b"HTTP/1.1 503 "))
    for client in held:
        client.close()
    until(lambda: running.get()[0] == 200)
