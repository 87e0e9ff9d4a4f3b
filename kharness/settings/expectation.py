"""What every kind of expectation has, and the forms of their values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, TypeAdapter

from kharness.settings.scalars import Duration, Whole
from kharness.settings.section import Section, expected, wrong

ModeName = Literal["standalone", "prod_ready", "in_prod"]

EVERYWHERE: tuple[ModeName, ...] = ("standalone", "prod_ready", "in_prod")
READINESS: tuple[ModeName, ...] = ("standalone", "prod_ready")
WAIT = 10.0
"""Seconds that something may take to become true."""
NUMBER: TypeAdapter[int] = TypeAdapter(Whole)


def one_of(*choices: str) -> BeforeValidator:
    """Make the validator of a word."""

    def read(value: Any) -> str:
        if value not in choices:
            raise expected(f"one of {', '.join(choices)}")
        return str(value)

    return BeforeValidator(read, json_schema_input_type=Literal[choices])


def within(lowest: int, highest: int, what: str) -> BeforeValidator:
    """Make the validator of a whole number; `what` is expected."""

    def read(value: Any) -> int:
        try:
            found = NUMBER.validate_python(value)
        except ValueError:
            found = -1
        if not lowest <= found <= highest:
            raise expected(what)
        return found

    return BeforeValidator(read, json_schema_input_type=int | str)


def _modes(value: Any) -> Any:
    if value in ((), []):
        raise wrong(f"should name a mode: one of {', '.join(EVERYWHERE)}")
    return value


Modes = Annotated[tuple[ModeName, ...], BeforeValidator(_modes)]


class Expectation(Section):
    """What all of them have; `timeout` in seconds."""

    timeout: Duration = WAIT
    """How long it may take to become true."""
    modes: Modes = EVERYWHERE
    """The kinds of test that it is part of: standalone, prod_ready, in_prod."""
