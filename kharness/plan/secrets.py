"""Keep secret values out of what people read and send around."""

from __future__ import annotations

from collections.abc import Iterable

HIDDEN = "***"
SHORTEST = 4
"""Shorter values are no secrets, and hiding each `1` or `on` would make a text unreadable."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text without these values."""
    # The longest first: one may be part of another.
    for secret in sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
