"""A process that is killed at each of its changes: to the engine in memory, to the state, to directories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from kharness.host.state.database import Database
from kharness.testing import FakeEngine
from kharness.testing.recording import Call
from tests.ops.releases import READING


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


class Cutter:
    """Counts changes, and strikes at one of them: `when` is before or after."""

    def __init__(self, number: int, when: str) -> None:
        self.seen = 0
        self._number, self._when = number, when

    def before(self) -> None:
        self.seen += 1
        self._strike("before")

    def after(self) -> None:
        self._strike("after")

    def _strike(self, when: str) -> None:
        if self.seen == self._number and self._when == when:
            raise Killed


@contextmanager
def killed(monkeypatch: pytest.MonkeyPatch, engine: FakeEngine, number: int, when: str = "before") -> Iterator[Cutter]:
    """Kill what is done in the block at its change of that number, from 1; 0 kills nothing."""
    cutter = Cutter(number, when)

    def around(work: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **kwargs: Any) -> Any:
            cutter.before()
            found = work(*args, **kwargs)
            cutter.after()
            return found

        return instead

    def strike(act: Callable[[], None]) -> Callable[[Call], None]:
        return lambda call: None if call.name in READING or call.name == "volumes" else act()

    was = engine.before, engine.after
    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", around(Database.write))
        patched.setattr(Path, "rename", around(Path.rename))
        engine.before, engine.after = strike(cutter.before), strike(cutter.after)
        try:
            with suppress(Killed):
                yield cutter
        finally:
            engine.before, engine.after = was
