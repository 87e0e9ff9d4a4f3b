"""The scalar types of settings files: text, numbers, sizes, durations, modes, in Compose's units."""

from __future__ import annotations

import math
import posixpath
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from kharness.settings.section import expected, wrong

SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m|h|d|w)", re.ASCII)
SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
OCTAL = re.compile(r"(?:0o)?([0-7]{1,5})", re.ASCII)
DECIMAL = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
LARGEST = 2**63 - 1
MODE_LARGEST = 0o7777


def is_number(value: Any) -> bool:
    """Whether it is an int or a float; a bool is none here."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def written(value: Any) -> str:
    """Return a text or a number as it stands in the file: `1.10` stays `1.10`, `0755` stays `0755`."""
    return str(getattr(value, "written", value))


def read_text(value: Any) -> str:
    """Read text; a number is taken as it is written, because `user: 1000` says what it means."""
    if isinstance(value, str) or is_number(value):
        return written(value)
    raise expected("text")


def _filled(value: Any) -> str:
    if not (text := read_text(value)):
        raise wrong("should not be empty")
    return text


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise expected("true or false")


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST:
        return int(value)
    if isinstance(value, str) and WHOLE.fullmatch(value):
        return int(value)
    raise expected("a whole number")


def _decimal(value: Any) -> float:
    if is_number(value) and 0 < value <= LARGEST:
        return float(value)
    if isinstance(value, str) and DECIMAL.fullmatch(value) and float(value) > 0:
        return float(value)
    raise expected("a number above 0, such as 1.5")


def read_size(value: Any) -> int:
    """Read a size in bytes: `512m`, `1gb`, `1.5g`, a number; units are powers of 1024, as in Docker."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST:
        return int(value)
    if isinstance(value, str) and (match := SIZE.fullmatch(value)):
        size = float(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " ")
        if size <= LARGEST:
            return int(size)
    raise expected("a size such as 512m or 1gb")


def _size_or_unlimited(value: Any) -> int:
    if isinstance(value, int | str) and written(value) == "-1":
        return -1
    try:
        return read_size(value)
    except ValueError:
        raise expected("a size such as 512m or 1gb, or -1 for no limit") from None


def read_duration(value: Any) -> float:
    """Read a duration in seconds: `1m30s`, `1h`, `500ms`; a number is seconds."""
    if is_number(value) and 0 <= value <= LARGEST:
        return float(value)
    if isinstance(value, str):
        if DECIMAL.fullmatch(value):
            return float(value)
        parts = DURATION_PART.findall(value)
        total = math.fsum(float(number) * SECONDS[unit] for number, unit in parts)
        if parts and "".join(map("".join, parts)) == value and total <= LARGEST:
            return total
    raise expected("a duration such as 1m30s or 500ms")


def read_mode(value: Any) -> int:
    """Read a file mode: `0o1777`, `"1777"`, and also `1777` and `0755`, whose digits nobody means as decimal.

    A number without the text of a file around it, as Python code gives it, is the mode itself.
    """
    if isinstance(value, int) and not isinstance(value, bool) and not hasattr(value, "written"):
        found: int | None = value
    else:
        match = OCTAL.fullmatch(written(value)) if isinstance(value, str | int) else None
        found = int(match[1], 8) if match else None
    if found is None or not 0 <= found <= MODE_LARGEST:
        raise expected("an octal mode such as 0o755")
    return found


def _absolute(value: Any) -> str:
    text = read_text(value)
    if not text.startswith("/"):
        raise expected("an absolute path")
    return "/" + posixpath.normpath(text).lstrip("/")


def _target(value: Any) -> str:
    if (path := _absolute(value)) == "/":
        raise expected("an absolute path below /")
    return path


def below(value: Any) -> str:
    """Read a relative path that does not lead out of the directory it is relative to."""
    text = _filled(value)
    if text.startswith("/"):
        raise expected("a relative path")
    return staying(text)


def staying(path: str) -> str:
    """Return the path if it is absolute or stays in its directory, without any `..` that could hide where it lies."""
    if "\0" in path:
        raise wrong("should be a path, which has no NUL in it")
    if path.startswith("~"):
        raise wrong("should not begin with ~, whose home directory depends on who runs kharness")
    plain = posixpath.normpath(path)
    if plain.split("/", 1)[0] == "..":
        raise wrong("should not leave the directory")
    if path.startswith("/"):
        return "/" + plain.lstrip("/")
    return plain if ".." in path.split("/") else path


def _staying(value: Any) -> str:
    return staying(_filled(value))


_TEXT = str | int | float
_SIZE = int | Annotated[str, Field(pattern=r"^\d+(\.\d+)? ?[kKmMgGtTpP]?([iI]?[bB])?$")]
_SIGNED_SIZE = int | Annotated[str, Field(pattern=r"^(-1|\d+(\.\d+)? ?[kKmMgGtTpP]?([iI]?[bB])?)$")]
_TIME = int | float | Annotated[str, Field(pattern=r"^(\d+(\.\d+)?|(\d+(\.\d+)?(us|µs|ms|s|m|h|d|w))+)$")]
_WHOLE = int | Annotated[str, Field(pattern=r"^[+-]?\d+$")]
_DECIMAL = float | Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")]
_MODE = int | Annotated[str, Field(pattern=r"^(0o)?[0-7]{1,5}$")]

Text = Annotated[str, BeforeValidator(read_text, json_schema_input_type=_TEXT)]
Filled = Annotated[str, BeforeValidator(_filled, json_schema_input_type=_TEXT)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Whole = Annotated[int, BeforeValidator(_whole, json_schema_input_type=_WHOLE)]
Natural = Annotated[int, Field(ge=0), BeforeValidator(_whole, json_schema_input_type=_WHOLE)]
Positive = Annotated[int, Field(ge=1), BeforeValidator(_whole, json_schema_input_type=_WHOLE)]
Limit = Annotated[int, Field(ge=-1), BeforeValidator(_whole, json_schema_input_type=_WHOLE)]
Decimal = Annotated[float, BeforeValidator(_decimal, json_schema_input_type=_DECIMAL)]
Size = Annotated[int, BeforeValidator(read_size, json_schema_input_type=_SIZE)]
SignedSize = Annotated[int, BeforeValidator(_size_or_unlimited, json_schema_input_type=_SIGNED_SIZE)]
Duration = Annotated[float, BeforeValidator(read_duration, json_schema_input_type=_TIME)]
FileMode = Annotated[int, BeforeValidator(read_mode, json_schema_input_type=_MODE)]
AbsolutePath = Annotated[str, BeforeValidator(_absolute, json_schema_input_type=str)]
MountTarget = Annotated[str, BeforeValidator(_target, json_schema_input_type=str)]
RelativePath = Annotated[str, BeforeValidator(below, json_schema_input_type=str)]
StayingPath = Annotated[str, BeforeValidator(_staying, json_schema_input_type=str)]
