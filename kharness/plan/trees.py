"""Paths of trees: which ones a pattern matches, and how two trees differ. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

Known = TypeVar("Known")


def compare(
    before: Mapping[str, Known], after: Mapping[str, Known]
) -> Iterator[tuple[str, Known | None, Known | None]]:
    """Yield what differs, in the order of the paths' bytes: the path, what it was and what it is, None for nothing."""
    different = {path for path in before.keys() & after.keys() if before[path] != after[path]}
    for path in sorted(different | (before.keys() ^ after.keys()), key=os.fsencode):
        yield path, before.get(path), after.get(path)


_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+", re.DOTALL)
_WORDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def matches(pattern: str, path: str) -> bool:
    """Whether an absolute path matches a pattern; names may contain anything, even newlines.

    `/**` at the end matches the directory as well: `/a/**` is `/a` and all below it.
    """
    return _compiled(pattern).fullmatch(path) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    begin = pattern.removesuffix("/**")
    text = "".join(_WORDS.get(token) or re.escape(token) for token in _TOKENS.findall(begin))
    return re.compile(text if begin == pattern else f"{text}(?:/.*)?", re.DOTALL)
