"""An alarm stays until it is acknowledged, and a watch says why not all is ok: pure tables."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.plan.alarm import MOST, Alarm, Raised
from kharness.plan.drift import Drifted, Scanned, Verdict
from kharness.plan.watching import Watching, reasons


def scanned(name: str, *paths: str, problem: str = "") -> Scanned:
    left = tuple(Drifted(path=path, kind="added") for path in paths)
    return Scanned(name=name, container=name, id="1", verdict=Verdict(left=left), problem=problem)


def test_what_was_seen_once_stays_when_it_is_undone() -> None:
    alarm = Alarm().with_scan([scanned("web", "/x"), scanned("db")], at=5)
    assert alarm.with_scan([scanned("web"), scanned("db")], at=9) == alarm
    assert alarm.raised == {"web": Raised(5, ("/x: added",))}
    assert not alarm.without(["web"])


def test_more_is_added_and_the_beginning_stays() -> None:
    first = Alarm().with_scan([scanned("web", "/x")], at=5)
    second = first.with_scan([scanned("web", "/y", "/x"), scanned("db", "/z")], at=9)
    assert second.raised["web"] == Raised(5, ("/x: added", "/y: added"))
    assert second.news(first) == {"web": ("/y: added",), "db": ("/z: added",)}
    assert second.news(second) == {}


def test_what_could_not_be_seen_is_no_alarm_that_stays() -> None:
    assert not Alarm().with_scan([scanned("web", problem="could not be seen")], at=5)


def test_it_does_not_grow_without_end() -> None:
    many = Alarm().with_scan([scanned("web", *(f"/{number}" for number in range(1000)))], at=5)
    assert len(many.raised["web"].reasons) == MOST


def test_it_is_kept_as_text_and_read_again() -> None:
    alarm = Alarm().with_scan([scanned("web", "/x\n\udcff")], at=5.5)
    assert Alarm.from_json(alarm.to_json()) == alarm
    assert Alarm.from_json(None) == Alarm()


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"web": 3}', '{"web": [1]}', '{"web": ["x", []]}'])
def test_what_is_no_alarm_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Alarm.from_json(text)


@pytest.mark.parametrize(
    ("more", "now", "expected"),
    [
        ({}, 1, ["there was no scan yet"]),
        ({}, 31, ["there was no scan for 31 s"]),
        ({"at": 20.0}, 21, []),
        ({"at": 20.0}, 51, ["there was no scan for 31 s"]),
        ({"at": 20.0, "problem": "no engine"}, 21, ["nothing could be scanned: no engine"]),
        ({"problem": "no engine"}, 1, ["nothing could be scanned: no engine"]),
        ({"at": 20.0, "found": (scanned("web", "/x"), scanned("db", problem="blind"))}, 21,
         ["web: /x: added", "db: blind"]),
        ({"at": 20.0, "alarm": Alarm({"web": Raised(5, ("/x: added",))})}, 21,
         ["web: /x: added (seen before, and not acknowledged)"]),
        # What is there still is told once.
        ({"at": 20.0, "found": (scanned("web", "/x"),), "alarm": Alarm({"web": Raised(5, ("/x: added",))})}, 21,
         ["web: /x: added"]),
    ],
)  # fmt: skip
def test_all_is_ok_only_while_it_is_seen_to_be(more: dict[str, Any], now: float, expected: list[str]) -> None:
    assert list(reasons(Watching(every=10, began=0, **more), now=now)) == expected


def test_of_very_many_changes_the_first_are_told_and_the_rest_is_counted() -> None:
    found = (scanned("web", *(f"/{number}" for number in range(1000))),)
    told = reasons(Watching(every=10, began=0, at=20.0, found=found), now=21)
    assert (len(told), told[-1]) == (MOST + 1, "web: and 950 more")
