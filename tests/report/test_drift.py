"""What a scan found is told for people and for programs."""

from __future__ import annotations

import json
from typing import Any

from kharness.plan.drift.changes import Drifted, DriftVerdict, ScanResult
from kharness.report.drift import WHY, drift_lines, drift_value

SETUID = Drifted(path="/bin/x", kind="added", type="file", mode=0o4755, uid=0, gid=0, size=9)
PLAIN = Drifted(path="/a\n\udcff", kind="changed")


def scanned(name: str, *left: Drifted, expected: int = 0, **more: Any) -> ScanResult:
    notes = more.pop("notes", ())
    verdict = DriftVerdict(left=left, expected=(PLAIN,) * expected, notes=notes)
    return ScanResult(name=name, container=name, id="1", by="layer", verdict=verdict, **more)


def told(*found: ScanResult, most: int | None = 5) -> list[str]:
    return [line.text for line in drift_lines(found, most=most)]


def test_all_ok_is_printed_if_there_is_no_drift() -> None:
    assert told(scanned("db"), scanned("web", expected=1)) == [
        "db: unchanged",
        "web: unchanged, but for 1 change that is expected",
        "all ok: 2 containers",
    ]


def test_unexpected_changes_are_listed_and_suspicious_ones_marked() -> None:
    assert told(scanned("db"), scanned("web", SETUID, PLAIN, expected=2, notes=("a note",))) == [
        "db: unchanged",
        "web: 2 changes that are not expected, and 2 that are",
        "  ! /bin/x: added, set-uid, executable, file, mode 4755, owner 0:0, 9 bytes",
        r"  - /a\n\xff: changed",
        "  note: a note",
        WHY,
        "NOT ok: 1 of 2 containers",
    ]


def test_a_container_that_was_not_scanned_is_not_ok() -> None:
    assert told(scanned("web", problem="could not be scanned: no\nreally")) == [
        "web: could not be scanned: no",
        "    really",
        "NOT ok: 1 of 1 container",
    ]


def test_the_rest_of_a_long_list_is_counted() -> None:
    lines = told(scanned("web", *[PLAIN] * 7), most=2)
    assert "  ... and 5 more; --all shows them" in lines
    assert len(told(scanned("web", *[PLAIN] * 7), most=None)) == 10


def test_volumes_are_reported_as_not_scanned() -> None:
    lines = told(scanned("db", volumes=("/data", "/log")), scanned("web", volumes=("/www",)))
    assert "not scanned, because volumes are not in the layer: db /data, /log; web /www" in lines


def test_all_ok_is_not_printed_if_nothing_runs() -> None:
    assert told() == ["no production container of kharness runs here: there is nothing to scan"]


def test_a_program_gets_everything_as_json() -> None:
    value = drift_value([scanned("db"), scanned("web", SETUID, PLAIN)])
    assert json.loads(json.dumps(value))["containers"][1]["left"][1]["path"] == PLAIN.path
    assert (value["ok"], [each["ok"] for each in value["containers"]]) == (False, [True, False])
    entry = value["containers"][1]["left"][0]
    assert (entry["mode"], entry["flags"], entry["size"]) == ("4755", ("set-uid", "executable"), 9)
