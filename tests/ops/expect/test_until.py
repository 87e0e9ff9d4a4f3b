"""How long an expectation is looked at, and what is said when it does not come true."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kharness.errors import ExpectationError
from kharness.ops.expect.until import SHORTEST, until
from kharness.ops.session.readiness import NotYetError


class Clock:
    """A clock that sleeping, and looking, moves on."""

    def __init__(self, per_look: float = 0.0) -> None:
        self.now = 100.0
        self.lefts: list[float] = []
        self._per_look = per_look

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def until(self, answers: Iterator[object], *, timeout: float = 1.0, hidden: tuple[str, ...] = ()) -> object:
        def look(left: float) -> object:
            self.lefts.append(left)
            self.now += self._per_look
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return until(look, wanted="it", timeout=timeout, hidden=hidden, clock=lambda: self.now, sleep=self.sleep)


def always(answer: Callable[[], object]) -> Iterator[object]:
    while True:
        yield answer()


def test_an_expectation_that_holds_needs_one_attempt() -> None:
    clock = Clock()
    assert clock.until(iter(["found"])) == "found"
    assert (clock.lefts, clock.now) == ([1.0], 100.0)


def test_attempts_are_repeated_until_it_holds() -> None:
    clock = Clock()
    assert clock.until(iter([NotYetError("no"), TimeoutError(), "found"])) == "found"
    assert clock.now == pytest.approx(100.105)


def test_the_last_attempt_is_at_the_end_and_its_result_is_reported() -> None:
    clock = Clock()
    with pytest.raises(ExpectationError) as caught:
        clock.until(always(lambda: NotYetError(f"at {clock.now:.2f}")))
    assert str(caught.value) == "expected it within 1 s\nseen: at 101.00"


def test_without_time_there_is_one_attempt() -> None:
    clock = Clock()
    with pytest.raises(ExpectationError, match="expected it within 0 s\nseen: no"):
        clock.until(always(lambda: NotYetError("no")), timeout=0)
    assert clock.lefts == [SHORTEST]


def test_an_attempt_that_takes_all_the_time_is_the_last() -> None:
    clock = Clock(per_look=1.5)
    with pytest.raises(ExpectationError, match="seen: no answer in time: hung"):
        clock.until(always(lambda: TimeoutError("hung")))
    assert len(clock.lefts) == 1


def test_a_result_is_shown_shortened_and_without_secrets() -> None:
    clock = Clock()
    text = "x" * 395 + "hunter2-hunter2" + "y" * 1000
    with pytest.raises(ExpectationError) as caught:
        clock.until(always(lambda: NotYetError(text)), hidden=("hunter2-hunter2",))
    assert "hunt" not in str(caught.value)
    assert str(caught.value).endswith("x***yy... (1398 characters)")


def test_any_other_error_ends_it() -> None:
    with pytest.raises(ZeroDivisionError):
        Clock().until(iter([ZeroDivisionError()]))
