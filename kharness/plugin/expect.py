"""Expectations with a time limit: web, file, command and socket dialogue.

Each polls until it holds or its time is over, and then fails with what was expected and what was seen.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import httpx
import pytest

from kharness.ops.instance import Instance
from kharness.plan.facts import ExecResult
from kharness.plugin.web import trust

Text = str | re.Pattern[str]
Found = TypeVar("Found")
POLL = 0.05
SHOWN = 400
"""Characters of what was seen that a failure shows."""


class Expect:
    """Expectations of one container."""

    def __init__(self, container: Instance) -> None:
        self._container = container

    def web(
        self,
        where: str = "/",
        *,
        status: int = 200,
        text: Text | None = None,
        header: Mapping[str, str] | None = None,
        method: str = "GET",
        timeout: float = 10.0,
    ) -> httpx.Response:
        """Expect a web page: a path of the first exposed port, or a whole URL. Returns the response."""
        __tracebackhide__ = True
        url = where if "://" in where else self._container.url(path=where)

        def look() -> tuple[httpx.Response | None, str]:
            try:
                response = httpx.request(method, url, timeout=timeout, trust_env=False, verify=trust())
            except httpx.HTTPError as error:
                return None, f"{type(error).__name__}: {error}"
            wrong = _mismatch(response.text, text)
            if response.status_code != status:
                wrong = f"status {response.status_code}: {_short(response.text)}"
            for name, value in (header or {}).items():
                if response.headers.get(name) != value:
                    wrong = f"header {name}: {response.headers.get(name)!r}"
            return (None, wrong) if wrong else (response, "")

        wanted = f"{method} {url} to answer {status}{_wanted(text)}"
        return _poll(look, wanted=wanted, timeout=timeout)

    def file(
        self,
        path: str,
        *,
        text: Text | None = None,
        mode: int | None = None,
        owner: str | None = None,
        exists: bool = True,
        timeout: float = 5.0,
    ) -> None:
        """Expect a file in the container, or with `exists=False` none."""
        __tracebackhide__ = True

        def look() -> tuple[bool | None, str]:
            found = self._container.exec("stat", "-c", "%a %U", path)
            if not exists:
                return (None, "it exists") if found.ok else (True, "")
            if not found.ok:
                return None, found.stderr.strip() or "it does not exist"
            bits, _, user = found.stdout.strip().partition(" ")
            if mode is not None and int(bits, 8) != mode:
                return None, f"mode {bits}"
            if owner is not None and user != owner:
                return None, f"owner {user}"
            if text is not None and (wrong := _mismatch(self._container.exec("cat", path).stdout, text)):
                return None, wrong
            return True, ""

        wanted = f"{path} to exist{_wanted(text)}" if exists else f"{path} not to exist"
        wanted += f" with mode {mode:o}" if mode is not None else ""
        wanted += f" owned by {owner}" if owner is not None else ""
        _poll(look, wanted=wanted, timeout=timeout)

    def command(self, *argv: str, status: int = 0, stdout: Text | None = None, timeout: float = 10.0) -> ExecResult:
        """Expect a command in the container to exit with a status and to print something. Returns its result."""
        __tracebackhide__ = True

        def look() -> tuple[ExecResult | None, str]:
            result = self._container.exec(*argv, timeout=timeout)
            if result.exit_code != status:
                return None, f"exit status {result.exit_code}: {_short(result.stderr or result.stdout)}"
            wrong = _mismatch(result.stdout, stdout)
            return (None, wrong) if wrong else (result, "")

        return _poll(look, wanted=f"{' '.join(argv)!r} to exit with {status}{_wanted(stdout)}", timeout=timeout)

    def socket(
        self,
        port: int,
        *,
        dialogue: Sequence[tuple[str, bytes]],
        protocol: str = "tcp",
        timeout: float = 5.0,
    ) -> bytes:
        """Expect a dialogue: pairs of `send` with bytes and `expect` with a regular expression.

        Returns all that was received. The whole dialogue is tried again until the time is over.
        """
        __tracebackhide__ = True
        address = self._container.endpoint(port, protocol)
        kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM

        def look() -> tuple[bytes | None, str]:
            try:
                with socket.socket(socket.AF_INET, kind) as connection:
                    connection.settimeout(timeout)
                    connection.connect(address)
                    return _converse(connection, dialogue)
            except OSError as error:
                return None, str(error)

        wanted = f"{address[0]}:{address[1]}/{protocol} to hold the dialogue"
        return _poll(look, wanted=wanted, timeout=timeout)


def _converse(connection: socket.socket, dialogue: Sequence[tuple[str, bytes]]) -> tuple[bytes | None, str]:
    received = b""
    for act, content in dialogue:
        if act == "send":
            connection.sendall(content)
            continue
        if act != "expect":
            raise ValueError(f"a dialogue has 'send' and 'expect', not {act!r}")
        heard = b""
        while not re.search(content, heard):
            try:
                more = connection.recv(65536)
            except TimeoutError:
                return None, f"after {content!r} was awaited: {_short(repr(heard))}"
            if not more:
                return None, f"the peer closed; {content!r} was awaited after {_short(repr(heard))}"
            heard += more
        received += heard
    return received, ""


def _poll(look: Callable[[], tuple[Found | None, str]], *, wanted: str, timeout: float) -> Found:
    __tracebackhide__ = True
    deadline = time.monotonic() + timeout
    while True:
        try:
            found, seen = look()
        except TimeoutError as error:
            found, seen = None, f"no answer in time: {error}"
        if found is not None:
            return found
        if time.monotonic() >= deadline:
            pytest.fail(f"expected {wanted} within {timeout:g} s\nseen: {seen}", pytrace=True)
        time.sleep(POLL)


def _mismatch(found: str, text: Text | None) -> str:
    if text is None:
        return ""
    matches = text in found if isinstance(text, str) else text.search(found) is not None
    return "" if matches else f"the text {_short(found)}"


def _wanted(text: Text | None) -> str:
    if text is None:
        return ""
    return f" with text {text!r}" if isinstance(text, str) else f" with text matching {text.pattern!r}"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"
