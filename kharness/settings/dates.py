"""Days in settings files."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from kharness.settings.section import expected

DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _day(value: Any) -> date:
    # A datetime is a date, too, and says more than a day.
    if type(value) is date:
        return value
    if isinstance(value, str) and DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise expected("a date such as 2027-03-01")


Day = Annotated[
    date,
    BeforeValidator(_day, json_schema_input_type=Annotated[str, Field(pattern=f"^{DAY.pattern}$")]),
]
"""A day of the calendar, `2027-03-01`; YAML 1.2 has no dates, so that a file gives it as text."""
