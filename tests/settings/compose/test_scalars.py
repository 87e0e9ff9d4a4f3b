"""Single values in the form in which Compose prints them."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.settings.compose.scalars import Faults, Reader, decimal, duration, flag, plain, size, text, whole
from kharness.settings.values import read_duration


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("90s", "1m30s"),
        ("500ms", "500ms"),
        ("1.5s", "1.5s"),
        ("1h30m", "1h30m0s"),
        ("0s", "0s"),
        ("0", "0s"),
        ("1500us", "1.5ms"),
        ("250ns", "250ns"),
        ("1d", "24h0m0s"),
        ("1m30.25s", "1m30.25s"),
    ],
)
def test_a_duration_is_printed_as_go_does(said: str, printed: str) -> None:
    faults: Faults = []
    assert duration(said, (), faults) == printed
    assert not faults
    if not printed.endswith("ns"):
        assert read_duration(printed) == pytest.approx(read_duration(said) if said != "1d" else 86400)


@pytest.mark.parametrize(
    ("said", "printed"), [("64m", "67108864"), ("1gb", "1073741824"), ("1.5k", "1536"), (10, "10"), ("-1", "-1")]
)
def test_a_size_is_the_text_of_its_bytes(said: Any, printed: str) -> None:
    faults: Faults = []
    assert size(said, (), faults) == printed
    assert not faults


@pytest.mark.parametrize(
    ("value", "printed"), [(1.5, "1.5"), (2.0, "2"), (True, "true"), (7, "7"), ("x", "x"), (1e22, "1e+22")]
)
def test_a_plain_value_is_printed_as_go_does(value: Any, printed: str) -> None:
    assert plain(value) == printed


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (flag, "yes", True),
        (flag, "0", False),
        (whole, "12", 12),
        (whole, 3.0, 3),
        (decimal, "0.50", 0.5),
        (decimal, 2, 2),
    ],
)
def test_text_of_a_variable_is_the_value_that_is_meant(read: Reader, value: Any, expected: Any) -> None:
    faults: Faults = []
    assert read(value, (), faults) == expected
    assert not faults


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (text, 5, "should be text in quotes, not 5"),
        (flag, "maybe", "should be true or false, not 'maybe'"),
        (whole, "1.5", "should be a whole number, not '1.5'"),
        (decimal, "x", "should be a number, not 'x'"),
        (size, "big", "should be a size such as 512m or 1gb, not 'big'"),
        (duration, "soon", "should be a duration such as 1m30s or 500ms, not 'soon'"),
        (duration, 10, "should be a duration such as 1m30s or 500ms, not 10"),
    ],
)
def test_another_value_is_a_fault(read: Reader, value: Any, expected: str) -> None:
    faults: Faults = []
    read(value, ("a",), faults)
    assert faults == [(("a",), expected)]
