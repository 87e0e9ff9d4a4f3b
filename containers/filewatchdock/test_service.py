"""The service as a process: under load, its end, and a configuration that is wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kharness import Instance

pytestmark = [pytest.mark.standalone, pytest.mark.prod_ready]


def test_200_parallel_requests_are_answered_promptly_while_a_scan_runs(
    container: Instance, put: Callable[..., Path]
) -> None:
    # Scans come five a second, and read anew what was modified just now.
    for number in range(2000):
        put(f"logs/{number}.log", "quiet\n" * 100)
    host, port = container.endpoint(8080)

    async def ask() -> tuple[bytes, float]:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer, time.monotonic() - began

    async def ask_all() -> list[tuple[bytes, float]]:
        return await asyncio.gather(*(ask() for _ in range(200)))

    answers = asyncio.run(ask_all())
    assert all(answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 ")) for answer, _ in answers)
    assert len({answer.partition(b"\r\n\r\n")[2] for answer, _ in answers}) == 1
    assert max(seconds for _, seconds in answers) < 5


def test_it_stops_at_once_with_0(private_container: Instance) -> None:
    began = time.monotonic()
    private_container.stop()
    assert time.monotonic() - began < 1.5
    assert private_container.inspect()["State"]["ExitCode"] == 0


def test_it_watches_again_after_a_restart(private_container: Instance) -> None:
    private_container.restart()
    result = private_container.exec("python3", "-m", "filewatch", "--probe", "http://127.0.0.1:8080/")
    assert result.ok


def test_the_configuration_in_the_image_is_valid(container: Instance) -> None:
    result = container.exec("python3", "-m", "filewatch", "--config", "/etc/filewatch.toml", "--check")
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_wrong_configuration_is_one_clear_error(container: Instance, put: Callable[..., Path]) -> None:
    put("wrong.toml", '[rules]\n"relative" = 5\n"/a" = "OLD"\n')
    result = container.exec("python3", "-m", "filewatch", "--config", "/watched/kharness-test/wrong.toml")
    assert result.exit_code == 2
    assert [line.split(": ")[2] for line in result.stderr.splitlines()] == ["rules.'relative'", "rules.'/a'"]
