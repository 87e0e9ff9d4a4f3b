"""The scalars of YAML 1.2's core schema: `no` and `53:53` are text, `0o17` is octal, `017` is seventeen."""

from __future__ import annotations

import re
from typing import Any

from yaml.events import ScalarEvent

from kharness.settings.yaml_errors import YamlError

NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What may not stand in a YAML file, nor come out of an escape."""
INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
NOT_FINITE = re.compile(r"([-+]?)\.(?:(inf|Inf|INF)|(?:nan|NaN|NAN))", re.ASCII)
CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
LONGEST_NUMBER = 100
CORE = "tag:yaml.org,2002:"
KINDS = {CORE + "null": type(None), CORE + "bool": bool, CORE + "int": int, CORE + "float": float}


class Int(int):
    """A whole number that knows how it is written."""

    written: str


class Float(float):
    """A number that knows how it is written."""

    written: str


def read_scalar(event: ScalarEvent, *, line: int) -> Any:
    """Return a scalar's value; raises `YamlError` for control characters and for tags that are not YAML's own."""
    text: str = event.value
    if NOT_TEXT.search(text):
        raise YamlError(line, "should not contain control characters")
    if event.tag is None:
        return text if event.style else plain(text)
    if event.tag in {"!", CORE + "str"}:
        return text
    value = plain(text)
    if event.tag not in KINDS or not isinstance(value, KINDS[event.tag]):
        raise YamlError(line, "should not have a tag of its own")
    return value


def plain(text: str) -> Any:
    """Return what unquoted text means."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    if len(text) > LONGEST_NUMBER:
        return text
    if INT.fullmatch(text):
        whole = Int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        whole.written = text
        return whole
    if (special := NOT_FINITE.fullmatch(text)) or FLOAT.fullmatch(text):
        number = Float(f"{special[1]}inf" if special and special[2] else "nan" if special else text)
        number.written = text
        return number
    return text
