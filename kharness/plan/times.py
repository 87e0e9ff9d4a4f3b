"""The engine's texts of times."""

from __future__ import annotations

from datetime import datetime


def moment(text: str) -> datetime | None:
    """Read a time as engines write it (RFC 3339), aware of its zone.

    None where there is none: an empty text, no zone, a year that no calendar has.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
