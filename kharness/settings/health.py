"""The health check, in Compose's form."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from kharness.settings.scalars import Duration, Flag, Positive, read_text
from kharness.settings.section import Section, expected


def _test(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        if not value.strip():
            raise expected("a command")
        return ("CMD-SHELL", value)
    match value:
        case ["NONE"] | ("NONE",):
            return ("NONE",)
        case ["CMD-SHELL", _] | ["CMD", _, *_]:
            return tuple(read_text(part) for part in value)
    raise expected("a command, [CMD, PROGRAM, ...], [CMD-SHELL, COMMAND] or [NONE]")


HealthTest = Annotated[tuple[str, ...], BeforeValidator(_test, json_schema_input_type=str | list[str | int | float])]


class Healthcheck(Section):
    """A HEALTHCHECK in the engine's form; times in seconds. What it does not say comes from the image."""

    place: ClassVar[str] = "healthcheck"

    test: HealthTest | None = None
    """The command: text for a shell, or [CMD, program, arguments]."""
    interval: Duration | None = None
    """The time between two checks of a running container."""
    timeout: Duration | None = None
    """The time after which a check has failed."""
    start_period: Duration | None = None
    """The time after the start in which failures do not count."""
    retries: Positive | None = None
    """How many failures in a row make it unhealthy."""
    disable: Flag = False
    """Switch the image's own check off."""
