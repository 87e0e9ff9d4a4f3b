"""Whether a text is as it is expected to be, and how that is told."""

from __future__ import annotations

import re
from collections.abc import Iterable

Text = str | re.Pattern[str]
"""What is looked for: the text itself, or a pattern, anywhere in what was found."""
SHOWN = 400
"""Characters of what was seen that are shown."""


def has(found: str, text: Text) -> bool:
    """Whether the text is in what was found."""
    return text in found if isinstance(text, str) else text.search(found) is not None


def is_(found: str, text: Text) -> bool:
    """Whether what was found is the text, or has the pattern."""
    return found == text if isinstance(text, str) else has(found, text)


def lacks(found: str, texts: Iterable[Text]) -> bool:
    """Whether one of the texts is not in what was found."""
    return not all(has(found, text) for text in texts)


def told(text: Text) -> str:
    """Return how a text that is looked for is told: `'hello'`, `matching 'h.llo'`."""
    return repr(text) if isinstance(text, str) else f"matching {text.pattern!r}"


def with_texts(texts: Iterable[Text], what: str = "text") -> str:
    """Return the end of what was expected: ` with text 'hello'`; empty where no text is."""
    return "".join(f" with {what} {told(text)}" for text in texts)


def shortened(text: str) -> str:
    """Cut what was seen to what people read."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"
