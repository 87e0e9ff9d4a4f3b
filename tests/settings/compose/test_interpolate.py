from __future__ import annotations

import pytest

from kharness.settings.compose.interpolate import VariableError, interpolated, put_in

VALUES = {"A": "1", "EMPTY": "", "B": "two"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A-${A}", "1-1"),
        ("$$A $${A}", "$A ${A}"),
        ("${GONE}", ""),
        ("${EMPTY:-x}${EMPTY-x}${GONE-x}", "xx"),
        ("${A:+y}${EMPTY:+y}${EMPTY+z}${GONE+z}", "yz"),
        ("${GONE:-${ALSO:-$B}}", "two"),
        ("${GONE:-{}}", "{}"),
        ("${A:?must}", "1"),
        ("a$", "a$"),
        ("$(x) $1 $ .", "$(x) $1 $ ."),
    ],
)
def test_a_text_has_its_variables_put_in(text: str, expected: str) -> None:
    assert put_in(text, VALUES.get) == expected


@pytest.mark.parametrize("text", ["${", "${A", "${}", "${1}", "${A!b}", "${A:b}", "${GONE?}"])
def test_a_bad_form_is_refused(text: str) -> None:
    with pytest.raises(VariableError):
        put_in(text, VALUES.get)


def test_a_missing_variable_is_told_by_its_own_text_and_no_value() -> None:
    with pytest.raises(VariableError, match=r"variable GONE set: please$"):
        put_in("${B}${GONE:?please}", VALUES.get)


def test_defaults_within_defaults_are_bounded() -> None:
    with pytest.raises(VariableError):
        put_in("${X:-" * 200 + "}" * 200, VALUES.get)


def test_values_alone_are_put_in_with_the_type_of_their_field() -> None:
    faults: list[tuple[tuple[int | str, ...], str]] = []
    value = {"services": {"$A": {"read_only": "${Y:-yes}", "scale": "$A", "image": "$A", "ports": ["${"]}}}
    assert interpolated(value, VALUES.get, faults) == {
        "services": {"$A": {"read_only": True, "scale": 1, "image": "1", "ports": ["${"]}}
    }
    assert [loc for loc, _ in faults] == [("services", "$A", "ports", 0)]
