"""Days, as settings say until when an exception holds."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from kharness.settings.section import expected


def _day(value: Any) -> date:
    if type(value) is date:
        return value
    try:
        found = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    # Python reads 20270301 and 2027-W09-1 as well, which nobody else does.
    if found is None or found.isoformat() != value:
        raise expected("a date such as 2027-03-01")
    return found


Day = Annotated[
    date,
    BeforeValidator(_day, json_schema_input_type=Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]),
]
