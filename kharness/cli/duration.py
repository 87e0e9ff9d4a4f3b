"""Durations on the command line."""

from __future__ import annotations

import click


def duration(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    """Return the seconds of an option such as `90s` or `5m`, more than none; None where nothing is said."""
    if value is None:
        return None
    from kharness.settings.scalars import read_duration  # noqa: PLC0415 - with it come the models

    try:
        seconds = read_duration(value)
    except ValueError:
        seconds = 0.0
    if not seconds:
        raise click.BadParameter(f"should be a duration such as 90s or 5m, not {value!r}")
    return seconds
