from __future__ import annotations

import pytest
from filewatch.rules import DirEmpty, FileEmpty, MaxAge, NotFound, Skip, parse_check, parse_rule


@pytest.mark.parametrize(
    ("said", "check"),
    [
        (300, MaxAge(300)),
        (0.5, MaxAge(0.5)),
        ("DIR-EMPTY", DirEmpty()),
        ("FILE-EMPTY", FileEmpty()),
        ("NOT-FOUND:disk full", NotFound("disk full")),
        ("NOT-FOUND: :", NotFound(" :")),
        ("none", Skip()),
    ],
)
def test_a_check_is_read_from_its_short_form(said: object, check: object) -> None:
    assert parse_check(said) == check


@pytest.mark.parametrize(
    "said",
    [True, 0, -1, float("nan"), float("inf"), "", "300", "dir-empty", "NOT-FOUND:", "NOT-FOUND", [], None, {"x": 1}],
)
def test_a_check_that_is_none_is_refused_with_all_that_there_are(said: object) -> None:
    with pytest.raises(ValueError, match=r"seconds .* 'DIR-EMPTY', 'FILE-EMPTY', 'NOT-FOUND:text' or 'none'"):
        parse_check(said)


@pytest.mark.parametrize(("path", "may"), [("/a", False), ("/a/*", True), ("/a/{NEWEST}", False)])
def test_only_a_glob_may_by_default_have_no_file(path: str, *, may: bool) -> None:
    assert parse_rule(path, 5).may_be_missing is may


def test_whether_there_may_be_no_file_can_be_said() -> None:
    assert parse_rule("/a", {"check": 5, "missing": "ok"}).may_be_missing
    assert not parse_rule("/a/*", {"check": 5, "missing": "error"}).may_be_missing


@pytest.mark.parametrize(
    ("path", "said", "message"),
    [
        ("/a", {"missing": "ok"}, "a table of check and missing"),
        ("/a", {"check": 5, "age": 5}, "a table of check and missing"),
        ("/a", {"check": 5, "missing": True}, "missing should be 'ok' or 'error'"),
        ("/a/{NEWEST}", "DIR-EMPTY", "for the newest file"),
        ("/a/{NEWEST}", "none", "for the newest file"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(path: str, said: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_rule(path, said)
