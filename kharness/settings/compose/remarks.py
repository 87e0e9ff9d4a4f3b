"""What of a Compose file is read in another way than Compose does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kharness.settings.compose.merge import by_name
from kharness.settings.compose.scalars import is_octal
from kharness.settings.section import Loc
from kharness.settings.values import OPERATOR, QUOTED

BACKSLASH = re.compile(r""""(?:[^"\\]|\\["\\])*\\[^"\\]""")
"""A backslash in double quotes that protects neither a quote nor another backslash."""


def remarks_of(model: Mapping[str, Any], enabled: Iterable[str]) -> Iterator[tuple[Loc, str]]:
    """Yield a remark for each place of a merged model that Compose reads in another way."""
    for name in enabled:
        service = (model.get("services") or {}).get(name) or {}
        said = by_name(service.get("environment")) or {}
        for variable in (key for key, value in said.items() if is_octal(value)):
            yield ("services", name, "environment"), f"{variable} stays as it is written; Compose reads an octal number"
        for key in ("command", "entrypoint"):
            if isinstance(line := service.get(key), str):
                yield from (((("services", name, key)), text) for text in _of_command(line))


def _of_command(line: str) -> Iterator[str]:
    if operator := OPERATOR.search(QUOTED.sub("_", line)):
        yield (
            f"no shell reads it: {operator[1] or operator[2]!r} and the rest are arguments, which Compose cuts off; "
            "a shell that does is a list such as [sh, -c, 'FIRST && SECOND']"
        )
    if BACKSLASH.search(line):
        yield "a backslash in double quotes stays; Compose takes it away"
