"""YAML 1.2's core schema, and files that are none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from kharness.settings import yaml12
from kharness.settings.yaml12 import YamlError, in_our_words, read_yaml

LOADERS = [getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader]
Complain = Callable[..., list[str]]


@pytest.fixture(params=LOADERS, ids=["libyaml", "pure"], autouse=True)
def _either_loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml12, "LOADER", request.param)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("53:53", "53:53"),
        ("22:22", "22:22"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("OFF", "OFF"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("'true'", "true"),
        ("0o777", 0o777),
        ("0777", 777),
        ("0x1F", 31),
        ("-12", -12),
        ("+12", 12),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        (".INF", math.inf),
        ("2001-01-01", "2001-01-01"),
        ("~", None),
        ("null", None),
        ("", None),
        ("nUll", "nUll"),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ("!!int 5", 5),
        ("!!float 1.5", 1.5),
        ("!!map {}", {}),
        ("!!seq []", []),
        ("=", "="),
        ("'\\n'", "\\n"),
        ('"\\u00e4"', "ä"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_scalar_means_what_the_core_schema_says(text: str, value: Any) -> None:
    found = read_yaml(f"a: {text}".encode()).value["a"]
    assert found == value
    assert isinstance(found, type(value))


def test_not_a_number_is_a_number() -> None:
    assert math.isnan(read_yaml(b"a: .NaN").value["a"])


def test_a_number_knows_how_it_is_written() -> None:
    value = read_yaml(b"[1.10, 0755, 0o17, 1e3]").value
    assert [number.written for number in value] == ["1.10", "0755", "0o17", "1e3"]


def test_keys_are_text() -> None:
    assert read_yaml(b"{80: a, true: b, 1.10: c}").value == {"80": "a", "true": "b", "1.10": "c"}


def test_anchors_and_merge_keys_work_as_in_compose() -> None:
    text = b"""\
base: &base {a: 1, b: 2}
other: &other {b: 3, c: 4}
one: {<<: *base, b: 5}
two: {<<: [*base, *other]}
list: &list [x]
same: *list
"""
    value = read_yaml(text).value
    assert value["one"] == {"a": 1, "b": 5}
    assert value["two"] == {"a": 1, "b": 2, "c": 4}
    assert value["same"] == ["x"]


def test_a_place_knows_its_line() -> None:
    document = read_yaml(b"a: 1\nb:\n  - c\n  -\n    d: e\n")
    assert document.line(("b", 1, "d")) == 5
    assert document.line(("b", 0, "unknown")) == 3
    assert document.line(("unknown",)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "should not be empty; write {} if every default is meant"),
        (b"# nothing\n", "should not be empty; write {} if every default is meant"),
        (b"---\n", "should not be empty; write {} if every default is meant"),
        (b"- a\n", "should be a mapping such as 'ports: [80]', not a list"),
        (b"text", "should be a mapping such as 'ports: [80]', not 'text'"),
        (b"\x7fELF\0\0", "should be text, not a binary file"),
        (b"a: 1\nb: \xff", "line 2: should be UTF-8"),
        ("a: ä".encode("latin-1"), "line 1: should be UTF-8"),
        (b"a: 1\n\x07", "line 2: should not contain control characters"),
        (b'a: "\\0"', "line 1: should not contain control characters"),
        (b"a: " + b"x" * (1 << 20), "should not be larger than 1 MiB"),
        (b"a:\n\tb: 1", "line 2: should be indented with spaces, not with a tab"),
        (b"a:\n  - b\n\t- c", "line 3: should be indented with spaces, not with a tab"),
        (b"a: b: c", "line 1: should be indented like its neighbours, or quoted if it is text that contains ': '"),
        (b"a: 1\n b: 2", "line 2: should be indented like its neighbours, or quoted if it is text that contains ': '"),
        (b"a:\n  b: 1\n c: 2", "line 3: should be indented like its neighbours, as 'key: value' or '- item'"),
        (b"- a\nb: c", "line 2: should be indented like its neighbours, as 'key: value' or '- item'"),
        (b"a: 1\nbcd\ne: 2\n", "line 2: should be indented like its neighbours, as 'key: value' or '- item'"),
        (b"a: @x", "line 1: should be quoted; text cannot begin with @, ` or %"),
        (b"a: 1\nb: 'x\n\n", "line 2: should have its quotes closed"),
        (b'a: "\\q"', "line 1: should not have such an escape in double quotes"),
        (b"a: 1\nb: [1, 2\nc: 3\n", "line 2: should have its bracket or brace closed"),
        (b"a: {b: 1", "line 1: should have its bracket or brace closed"),
        (b"a: |x\n  y", "line 1: should have nothing but + or - after | or >"),
        (b"a: *b", "line 1: should be quoted if it is text; '*' begins an alias, and no such anchor is set"),
        (b"a: &a [*a]", "line 1: should be quoted if it is text; '*' begins an alias, and no such anchor is set"),
        (b"a: !reset x", "line 1: should not have a tag of its own"),
        (b"a: !!binary eA==", "line 1: should not have a tag of its own"),
        (b"a: !!set {x}", "line 1: should not have a tag of its own"),
        (b"a: !!int x", "line 1: should not have a tag of its own"),
        (b"a: {<<: 5}", "line 1: should merge a mapping, or a list of mappings"),
        (b"? [a]\n: b", "line 1: should have text as a key"),
        (b"? \n: b", "line 1: should have text as a key"),
        (b"a: 1\n---\nb: 2", "line 2: should be one document, and a second one begins here"),
        (b"[" * 100_000, "line 1: should not be nested so deeply, or expand to so much"),
        (b"- " * 100_000, "line 1: should not be nested so deeply, or expand to so much"),
        (b"a: " + b"{b: " * 2000, "line 1: should not be nested so deeply, or expand to so much"),
        (b"a:\n  b: " + b"[" * 50 + b"]" * 50, "line 2: should not be nested so deeply, or expand to so much"),
    ],
)
def test_what_is_no_settings_file_has_one_problem_with_its_line(
    complaints: Complain, text: bytes, message: str
) -> None:
    assert complaints(text) == [message]


@pytest.mark.parametrize(
    ("problem", "context"),
    [("exceeded maximum nesting depth", "while increasing flow level"), ("exceeded maximum nesting depth", None)],
)
def test_the_limit_of_a_parser_is_told_like_ours(problem: str, context: str | None) -> None:
    mark = yaml.Mark("settings.yaml", 0, 3, 1000, None, 0)
    error = in_our_words(yaml.MarkedYAMLError(context, mark, problem, mark), ["["] * 5)
    assert (error.line, error.message) == (4, "should not be nested so deeply, or expand to so much")


def test_aliases_of_aliases_cannot_exhaust_anything(complaints: Complain) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert complaints("\n".join(lines)) == ["line 5: should not be nested so deeply, or expand to so much"]


def test_aliases_cannot_nest_more_deeply_than_text(complaints: Complain) -> None:
    lines = ["a0: &a0 {}", *(f"a{i}: &a{i} {{x: *a{i - 1}}}" for i in range(1, 100))]
    assert complaints("\n".join(lines)) == ["line 39: should not be nested so deeply, or expand to so much"]


def test_a_key_that_is_said_twice_is_told_with_both_places(complaints: Complain) -> None:
    text = "user: a\nlabels:\n  x: 1\n  x: 2\nuser: b\n"
    assert complaints(text) == [
        "labels.x: should be set once, it is in line 3 already",
        "user: should be set once, it is in line 1 already",
    ]


def test_a_merged_key_is_not_said_twice(read: Callable[[str], Any]) -> None:
    settings = read("x-base: &base {A: 1, B: 2}\nenvironment:\n  <<: *base\n  B: 3\n")
    assert settings.environment == {"A": "1", "B": "3"}


def test_a_byte_order_mark_is_no_text() -> None:
    assert read_yaml(b"\xef\xbb\xbfa: 1").value == {"a": 1}


def test_a_surrogate_is_no_text() -> None:
    with pytest.raises(YamlError):
        read_yaml(b'a: "\\ud800"')
    with pytest.raises(YamlError):
        read_yaml(b'a: "\\Uffffffff"')
