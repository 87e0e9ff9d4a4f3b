"""Sections are built when they are first used, by whichever thread uses them first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from kharness.settings.section import Section

THREADS = 8


@pytest.mark.parametrize("number", range(20))
def test_threads_that_use_a_section_first_at_once_all_read_it(number: int) -> None:
    class Inner(Section):
        value: int = number

    class Outer(Section):
        inner: Inner
        others: tuple[Inner, ...] = ()

    Outer.model_rebuild(_types_namespace={"Inner": Inner})
    together = Barrier(THREADS)

    def read(_: int) -> tuple[int, int]:
        together.wait()
        return Inner().value, Outer.model_validate({"inner": {"value": 7}}).inner.value

    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(read, range(THREADS))) == {(number, 7)}
