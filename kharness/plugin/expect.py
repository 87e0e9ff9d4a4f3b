"""The fixture `expect`: web page, file, command and socket dialogue, each with a time limit.

Each is tried until it holds or its time is over, and then fails with what was expected and what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import httpx
import pytest

from kharness.errors import ExpectationError
from kharness.ops.expect.inside import expect_command, expect_file
from kharness.ops.expect.outside import Dialogue, expect_dialogue, expect_http
from kharness.ops.session.instance import Instance
from kharness.plan.expect import Text
from kharness.plan.facts import ExecResult

Found = TypeVar("Found")


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
        return _told(
            lambda: expect_http(
                url,
                status=status,
                texts=_several(text),
                header=header,
                method=method,
                timeout=timeout,
                hidden=self._container.secrets,
            )
        )

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
        _told(
            lambda: expect_file(
                self._container,
                path,
                texts=_several(text),
                mode=mode,
                owner=owner,
                exists=exists,
                timeout=timeout,
            )
        )

    def command(self, *argv: str, status: int = 0, stdout: Text | None = None, timeout: float = 10.0) -> ExecResult:
        """Expect a command in the container to exit with a status and to print something. Returns its result."""
        __tracebackhide__ = True
        return _told(
            lambda: expect_command(self._container, argv, status=status, stdout=_several(stdout), timeout=timeout)
        )

    def socket(self, port: int, *, dialogue: Dialogue, protocol: str = "tcp", timeout: float = 5.0) -> bytes:
        """Expect a dialogue: pairs of `send` with bytes and `expect` with a regular expression.

        Returns all that was received. The whole dialogue is tried again until the time is over.
        """
        __tracebackhide__ = True
        return _told(lambda: expect_dialogue(self._container, port, dialogue, protocol=protocol, timeout=timeout))


def _told(expectation: Callable[[], Found]) -> Found:
    __tracebackhide__ = True
    try:
        return expectation()
    except ExpectationError as error:
        failure = str(error)
    pytest.fail(failure)


def _several(text: Text | None) -> tuple[Text, ...]:
    return () if text is None else (text,)
