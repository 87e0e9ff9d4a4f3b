"""Single values of a Compose file in the form in which Compose prints them: text, numbers, sizes, durations."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from kharness.settings.section import Loc
from kharness.settings.values import shown

Faults = list[tuple[Loc, str]]
Reader = Callable[[Any, Loc, Faults], Any]

TRUE = frozenset({"true", "y", "yes", "on", "1"})
FALSE = frozenset({"false", "n", "no", "off", "0"})
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w)", re.ASCII)
NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
    "w": 7 * 86400 * 10**9,
}
WHOLE = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
DECIMAL = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
OCTAL = re.compile(r"[-+]?0[0-7]+", re.ASCII)
LARGE, SMALL = 1e6, 1e-4
"""Where Go begins to print a float with an exponent."""


def fault(faults: Faults, loc: Loc, what: str, value: Any) -> None:
    """Add that a value should be something else."""
    faults.append((loc, f"should be {what}, not {shown(value)}"))


def is_number(value: Any) -> bool:
    """Whether it is an int or a float; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def plain(value: Any) -> str:
    """Return a scalar as Go prints it: `1.50` is `1.5`, true is `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return decimal_text(value)
    return str(int(value)) if isinstance(value, int) else str(value)


def decimal_text(value: float) -> str:
    """Return a float in the shortest form, as Go's %v."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else '+'}Inf"
    if not value or SMALL <= abs(value) < LARGE:
        return str(int(value)) if value.is_integer() else repr(float(value))
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    first, rest = str(digits[0]), "".join(map(str, digits[1:]))
    power = int(exponent) + len(digits) - 1
    mantissa = f"{first}.{rest}" if rest else first
    return f"{'-' if sign else ''}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02}"


def is_octal(value: Any) -> bool:
    """Whether a number is written so that Compose reads an octal one, such as 022."""
    return isinstance(value, int) and OCTAL.fullmatch(str(getattr(value, "written", ""))) is not None


def written_text(value: Any) -> str:
    """Return a scalar as `plain` does, but a number that Compose reads as an octal one as it is written."""
    return str(value.written) if is_octal(value) else plain(value)


def text(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read text; a number is none."""
    if not isinstance(value, str):
        fault(faults, loc, "text in quotes" if is_number(value) else "text", value)
    return value


def text_or_number(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read text or a number, as text."""
    if isinstance(value, str) or is_number(value):
        return plain(value)
    fault(faults, loc, "text or a number", value)
    return value


def flag(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a boolean, also as text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in TRUE | FALSE:
        return value.lower() in TRUE
    fault(faults, loc, "true or false", value)
    return value


def whole(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a whole number, also as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and WHOLE.fullmatch(value):
        return int(value)
    fault(faults, loc, "a whole number", value)
    return value


def decimal(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a number, also as text; a whole one is an int, as JSON has it."""
    if is_number(value) or (isinstance(value, str) and DECIMAL.fullmatch(value)):
        number = float(value)
        if math.isfinite(number):
            return int(number) if number.is_integer() else number
    fault(faults, loc, "a number", value)
    return value


def size(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a size; decimal text of its bytes."""
    if is_number(value) and math.isfinite(value):
        return str(int(value))
    if isinstance(value, str):
        if value == "-1":
            return value
        if match := SIZE.fullmatch(value.strip()):
            return str(int(float(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " ")))
    fault(faults, loc, "a size such as 512m or 1gb", value)
    return value


def duration(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a duration; in Go's form, as in `1m30s`."""
    if isinstance(value, str) and (found := nanoseconds(value)) is not None:
        return duration_text(found)
    fault(faults, loc, "a duration such as 1m30s or 500ms", value)
    return value


def nanoseconds(said: str) -> int | None:
    """Return what a text of a duration means, None where it is none."""
    if said == "0":
        return 0
    parts = DURATION.findall(said)
    if not parts or "".join(map("".join, parts)) != said:
        return None
    return sum(round(float(number) * NANOSECONDS[unit]) for number, unit in parts)


def duration_text(total: int) -> str:
    """Return nanoseconds as Go prints them."""
    if total == 0:
        return "0s"
    if total < NANOSECONDS["s"]:
        unit, scale = next((unit, NANOSECONDS[unit]) for unit in ("ms", "µs", "ns") if total >= NANOSECONDS[unit])
        return f"{_fraction(total, scale)}{unit}"
    minutes, rest = divmod(total, NANOSECONDS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_fraction(rest, NANOSECONDS['s'])}s"
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}" if minutes else seconds


def _fraction(value: int, scale: int) -> str:
    whole_part, rest = divmod(value, scale)
    if not rest:
        return str(whole_part)
    return f"{whole_part}.{str(rest).zfill(len(str(scale)) - 1).rstrip('0')}"
