"""Patterns of paths: `*` and `?` stay in a directory, `**` does not; nothing else is special."""

from __future__ import annotations

import re
from functools import lru_cache

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
