"""What a measurement must come to, and whether it did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.bench.timing import Series

MILLISECONDS = 1000.0


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number with its bound; both in `unit`: `x` is a ratio, `‰` a thousandth of one, `ms` milliseconds.

    `parts` are what it comes from.
    """

    title: str
    value: float
    bound: float
    unit: str
    aim: float | None = None
    parts: tuple[tuple[str, Series], ...] = ()

    @property
    def met(self) -> bool:
        return self.value <= self.bound

    @property
    def verdict(self) -> str:
        if not self.met:
            return "MISSED"
        return "met" if self.aim is None or self.value <= self.aim else "met, not the aim"


def ratio(measured: Series, to: Series) -> float:
    """Return how many times as long the one takes, by the medians."""
    return measured.median / to.median


def milliseconds_more(measured: Series, than: Series) -> float:
    """Return how much longer the one takes, by the medians; negative where it takes less."""
    return (measured.median - than.median) * MILLISECONDS


def table(figures: Iterable[Figure]) -> Iterator[str]:
    """Yield the lines of the table: each figure, and below it the times that it comes from."""
    yield f"{'':<58}{'median':>9}{'min':>9}{'max':>9}{'bound':>9}{'aim':>9}  verdict"
    for figure in figures:
        aim = "" if figure.aim is None else _shown(figure.aim, figure.unit)
        bound = _shown(figure.bound, figure.unit)
        yield f"{figure.title:<58}{_shown(figure.value, figure.unit):>9}{bound:>27}{aim:>9}  {figure.verdict}"
        for name, series in figure.parts:
            shown = (_seconds(value) for value in (series.median, series.least, series.most))
            yield f"    {name:<54}" + "".join(f"{text:>9}" for text in shown)


def _shown(value: float, unit: str) -> str:
    digits = {"x": 2, "‰": 1}.get(unit, 0)
    return f"{value:.{digits}f} {unit}"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * MILLISECONDS:.0f} ms"
