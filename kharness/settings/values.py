"""The values of settings files: text, numbers, sizes, durations, modes, lists, mappings and regular expressions.

Units and short forms are Compose's.
"""

from __future__ import annotations

import math
import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter
from pydantic_core import InitErrorDetails, PydanticCustomError

from kharness.errors import visible
from kharness.settings.section import expected, problem, together, wrong

SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m|h|d|w)", re.ASCII)
SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
OCTAL = re.compile(r"(?:0o)?([0-7]{1,5})", re.ASCII)
DECIMAL = re.compile(r"\d{1,9}(?:\.\d{1,9})?|\.\d{1,9}", re.ASCII)
LARGEST = 2**63 - 1
MODE_LARGEST = 0o7777
LONGEST = 40
"""How much of a value is shown."""


def is_number(value: Any) -> bool:
    """Whether it is an int or a float; a bool is none here."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def written(value: Any) -> str:
    """Return a text or a number as it stands in the file: `1.10` stays `1.10`, `0755` stays `0755`."""
    return str(getattr(value, "written", value))


def shown(value: Any) -> str:
    """Show a value, shortened; lists and mappings by kind only."""
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case int() | float():
            return short(written(value))
        case str():
            return f"'{short(value)}'"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
    return f"a {type(value).__name__}"


def short(text: str) -> str:
    """Return a text of at most `LONGEST` characters, on one line."""
    text = visible(text.replace("\n", "\\n"))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


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
    # As in Compose, which meets quotes where a variable is put in.
    if value in ("true", "false"):
        return bool(value == "true")
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
    """Read a file mode: `0o1777`, `"1777"`, and also `1777` and `0755`, whose digits are never meant as decimal.

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
_DECIMAL = float | Annotated[str, Field(pattern=r"^(\d+(\.\d+)?|\.\d+)$")]
_FLAG = bool | Literal["true", "false"]
_MODE = int | Annotated[str, Field(pattern=r"^(0o)?[0-7]{1,5}$")]

Text = Annotated[str, BeforeValidator(read_text, json_schema_input_type=_TEXT)]
Filled = Annotated[str, BeforeValidator(_filled, json_schema_input_type=_TEXT)]
Flag = Annotated[bool, BeforeValidator(_flag, json_schema_input_type=_FLAG)]
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

VARIABLE = re.compile(r"[^=\0\s]+")
QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
OPERATOR = re.compile(r"(?:^|(?<=\s))(\|\|?|&&?|;|\d*>>?|<)(?=\s|$)|(?<=\S)(;)(?=\s|$)")
"""What a shell would not pass on as an argument, where it is a word of its own."""
Scalar = str | int | float | bool | None


def one_or_many(value: Any) -> Any:
    """Let one text stand for a list of it."""
    return [value] if isinstance(value, str) else value


def _argv(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        words = shlex.split(value)
    except ValueError:
        raise wrong("should be a command line whose quotes are closed") from None
    if operator := OPERATOR.search(QUOTED.sub("_", value)):
        raise wrong(
            f"should be a list, or have {operator[1] or operator[2]} in quotes, because no shell reads it; a shell "
            "that does is a list such as [sh, -c, 'FIRST && SECOND']"
        )
    return words


def named(value: Any, *, read: Callable[[str, Any], str], separators: str = "=") -> dict[str, str]:
    """Read a mapping, or a list of `NAME=VALUE`; `read` gets name and value, the value None where it was not said.

    Raises all problems together, each at its item.
    """
    items: list[tuple[tuple[int | str], Any, Any]]
    if isinstance(value, Mapping):
        # The name up to its '=': what follows in a mistyped one may be a password.
        items = [((str(key).partition("=")[0],), key, said) for key, said in value.items()]
    elif isinstance(value, list | tuple):
        items = [((index,), *_split(item, separators)) for index, item in enumerate(value)]
    else:
        raise expected("a mapping, or a list of NAME=VALUE")
    found: dict[str, str] = {}
    errors: list[InitErrorDetails] = []
    for loc, name, said in items:
        try:
            if not isinstance(name, str):
                raise expected("NAME=VALUE")
            if not VARIABLE.fullmatch(name):
                raise wrong("should have a name without spaces before the '='")
            found[name] = read(name, said)
        except PydanticCustomError as error:
            errors.append(problem(error, loc=loc, value=said))
    if errors:
        raise together(errors)
    return found


def _split(item: Any, separators: str) -> tuple[Any, Any]:
    if not isinstance(item, str):
        return None, item
    at = next((index for index, character in enumerate(item) if character in separators), None)
    return (item, None) if at is None else (item[:at], item[at + 1 :])


def _variable(_: str, said: Any) -> str:
    if said is None:
        raise wrong('should have a value; kharness passes nothing on from its own environment (write "" for no text)')
    return str(said).lower() if isinstance(said, bool) else read_text(said)


def _label(_: str, said: Any) -> str:
    if said is None:
        return ""
    if isinstance(said, bool):
        return str(said).lower()
    return read_text(said)


def _parameter(_: str, said: Any) -> str:
    if isinstance(said, str) or is_number(said):
        return written(said)
    raise expected("text or a number")


def _environment(value: Any) -> dict[str, str]:
    return named(value, read=_variable)


def _labels(value: Any) -> dict[str, str]:
    return named(value, read=_label)


def _parameters(value: Any) -> dict[str, str]:
    return named(value, read=_parameter)


_NAMED = dict[str, Scalar] | list[str]
Argv = Annotated[tuple[Text, ...], BeforeValidator(_argv, json_schema_input_type=str | list[str | int | float])]
Texts = tuple[Filled, ...]
OneOrMany = Annotated[tuple[Filled, ...], BeforeValidator(one_or_many, json_schema_input_type=str | list[str])]
Environment = Annotated[Mapping[str, str], BeforeValidator(_environment, json_schema_input_type=_NAMED)]
Labels = Annotated[Mapping[str, str], BeforeValidator(_labels, json_schema_input_type=_NAMED)]
Parameters = Annotated[Mapping[str, str], BeforeValidator(_parameters, json_schema_input_type=_NAMED)]


def _pattern(value: Any) -> re.Pattern[str]:
    if isinstance(value, re.Pattern):
        return value
    if not (text := read_text(value)):
        raise wrong("should not be empty")
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise wrong(f"should be a regular expression, not {shown(text)}: {error}") from None


def _lines(value: Any) -> re.Pattern[str]:
    found = _pattern(value)
    # In a text of many lines ^ and $ are those of a line, as people mean them.
    return re.compile(found.pattern, found.flags | re.MULTILINE)


def _some(value: Any) -> Any:
    return PATTERNS.validate_python(value) if isinstance(value, list | tuple) else (_lines(value),)


LinesPattern = Annotated[re.Pattern[str], BeforeValidator(_lines)]
PATTERNS: TypeAdapter[tuple[re.Pattern[str], ...]] = TypeAdapter(tuple[LinesPattern, ...])

Pattern = Annotated[re.Pattern[str], BeforeValidator(_pattern, json_schema_input_type=_TEXT)]
"""One, for a single line."""
Patterns = Annotated[tuple[re.Pattern[str], ...], BeforeValidator(_some, json_schema_input_type=_TEXT | list[_TEXT])]
"""One or several, for a text of many lines."""
