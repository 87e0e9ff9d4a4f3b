"""Calls of a fake: recorded, hooked, failed on demand, one at a time."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Call:
    """A method's name and arguments; as text `rename web web.old`, with a container's name where an id was given."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""

    def __str__(self) -> str:
        return self.text


class Recorder:
    """Remembers calls and decides whether one fails.

    `before(call)` and `after(call)` are called around every call and may raise; what `after` raises comes once the call
    has had its effect, as when an engine dies before it answers. `fail_on["start"]` is raised instead of every `start`.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.before: Callable[[Call], None] = _nothing
        self.after: Callable[[Call], None] = _nothing
        self.fail_on: dict[str, Exception] = {}
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self._ticks = 0

    def called(self, *names: str) -> tuple[str, ...]:
        """Return the calls, in order, as `name argument ...`; only those of the given names, if any are given."""
        return tuple(str(call) for call in self.calls if not names or call.name in names)

    def _word(self, argument: object) -> str:
        if isinstance(argument, str):
            return argument
        said = next((getattr(argument, name) for name in ("name", "tag", "network") if hasattr(argument, name)), "")
        return str(said)

    def _now(self) -> str:
        self._ticks += 1
        return f"2026-01-01T{self._ticks // 3600 % 24:02}:{self._ticks // 60 % 60:02}:{self._ticks % 60:02}Z"


S = TypeVar("S", bound=Recorder)


def recorded(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Make a method one of the recorded calls."""

    @functools.wraps(method)
    def wrapper(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.lock:
            words = (method.__name__, *map(self._word, args))
            call = Call(method.__name__, args, kwargs, " ".join(word for word in words if word))
            self.calls.append(call)
        # Hooks run outside of the lock: one may call the engine, or hold a thread up while others go on.
        self.before(call)
        if call.name in self.fail_on:
            raise self.fail_on[call.name]
        with self.lock:
            result = method(self, *args, **kwargs)
            self.changed.notify_all()
        self.after(call)
        return result

    return cast("Callable[Concatenate[S, P], R]", wrapper)


def _nothing(_call: Call) -> None:
    pass
