"""An alarm stays until it is acknowledged, and a watch says why not all is ok: pure tables."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.plan.drift.changes import Drifted, DriftVerdict, ScanResult
from kharness.plan.drift.watch import MOST, Alarm, LastScan, Raised, WatchState, last_scan, reasons


def scanned(name: str, *paths: str, problem: str = "") -> ScanResult:
    left = tuple(Drifted(path=path, kind="added") for path in paths)
    return ScanResult(name=name, container=name, id="1", verdict=DriftVerdict(left=left), problem=problem)


def test_an_alarm_stays_when_the_change_is_undone() -> None:
    alarm = Alarm().with_scan([scanned("web", "/x"), scanned("db")], at=5)
    assert alarm.with_scan([scanned("web"), scanned("db")], at=9) == alarm
    assert alarm.raised == {"web": Raised(5, ("/x: added",))}
    assert not alarm.without(["web"])


def test_later_changes_are_added_and_the_beginning_stays() -> None:
    first = Alarm().with_scan([scanned("web", "/x")], at=5)
    second = first.with_scan([scanned("web", "/y", "/x"), scanned("db", "/z")], at=9)
    assert second.raised["web"] == Raised(5, ("/x: added", "/y: added"))
    assert second.news(first) == {"web": ("/y: added",), "db": ("/z: added",)}
    assert second.news(second) == {}


def test_a_failed_scan_is_no_alarm() -> None:
    assert not Alarm().with_scan([scanned("web", problem="could not be seen")], at=5)


def test_an_alarm_has_a_limited_size() -> None:
    many = Alarm().with_scan([scanned("web", *(f"/{number}" for number in range(1000)))], at=5)
    assert len(many.raised["web"].reasons) == MOST


def test_an_alarm_survives_as_text() -> None:
    alarm = Alarm().with_scan([scanned("web", "/x\n\udcff")], at=5.5)
    assert Alarm.from_json(alarm.to_json()) == alarm
    assert Alarm.from_json(None) == Alarm()


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"web": 3}', '{"web": [1]}', '{"web": ["x", []]}'])
def test_other_text_than_an_alarm_is_a_value_error(text: str) -> None:
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
def test_a_watch_is_ok_only_while_scans_succeed(more: dict[str, Any], now: float, expected: list[str]) -> None:
    assert list(reasons(WatchState(every=10, began=0, **more), now=now)) == expected


def test_the_first_of_many_changes_are_listed_and_the_rest_is_counted() -> None:
    found = (scanned("web", *(f"/{number}" for number in range(1000))),)
    told = reasons(WatchState(every=10, began=0, at=20.0, found=found), now=21)
    assert (len(told), told[-1]) == (MOST + 1, "web: and 950 more")


def test_a_scan_survives_as_text() -> None:
    scan = last_scan(ScanResult(name="web", container="web", id="c1", problem="blind"), at=3.5)
    assert scan == LastScan(container="c1", at=3.5, left=0, problem="blind")
    assert LastScan.from_json(scan.to_json()) == scan
    for text in ("x", "{}", '{"more": 1}', "3"):
        with pytest.raises(ValueError, match="not a scan"):
            LastScan.from_json(text)
