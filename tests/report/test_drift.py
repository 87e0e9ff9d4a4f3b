"""What a scan found is told for people and for programs."""

from __future__ import annotations

import json
from typing import Any

from kharness.plan.drift import Drifted, Scanned, Verdict
from kharness.report.drift import WHY, drift_lines, drift_value

SETUID = Drifted(path="/bin/x", kind="added", type="file", mode=0o4755, uid=0, gid=0, size=9)
PLAIN = Drifted(path="/a\n\udcff", kind="changed")


def scanned(name: str, *left: Drifted, expected: int = 0, **more: Any) -> Scanned:
    notes = more.pop("notes", ())
    verdict = Verdict(left=left, expected=(PLAIN,) * expected, notes=notes)
    return Scanned(name=name, container=name, id="1", by="layer", verdict=verdict, **more)


def told(*found: Scanned, most: int | None = 5) -> list[str]:
    return [line.text for line in drift_lines(found, most=most)]


def test_all_ok_is_said_when_nothing_is_left() -> None:
    assert told(scanned("db"), scanned("web", expected=1)) == [
        "db: unchanged",
        "web: unchanged, but for 1 change that is expected",
        "all ok: 2 containers",
    ]


def test_what_is_left_is_listed_with_what_is_dangerous_marked() -> None:
    assert told(scanned("db"), scanned("web", SETUID, PLAIN, expected=2, notes=("a note",))) == [
        "db: unchanged",
        "web: 2 changes that are not expected, and 2 that are",
        "  ! /bin/x: added, set-uid, executable, file, mode 4755, owner 0:0, 9 bytes",
        r"  - /a\n\xff: changed",
        "  note: a note",
        WHY,
        "NOT ok: 1 of 2 containers",
    ]


def test_one_that_was_not_seen_is_not_ok() -> None:
    assert told(scanned("web", problem="could not be seen: no\nreally")) == [
        "web: could not be seen: no",
        "    really",
        "NOT ok: 1 of 1 container",
    ]


def test_the_rest_of_a_long_list_is_counted() -> None:
    lines = told(scanned("web", *[PLAIN] * 7), most=2)
    assert "  ... and 5 more; --all shows them" in lines
    assert len(told(scanned("web", *[PLAIN] * 7), most=None)) == 10


def test_volumes_are_said_not_to_be_covered() -> None:
    lines = told(scanned("db", volumes=("/data", "/log")), scanned("web", volumes=("/www",)))
    assert "not looked at, because volumes are not in the layer: db /data, /log; web /www" in lines


def test_where_nothing_runs_all_is_not_said_to_be_ok() -> None:
    assert told() == ["no production container of kharness runs here: there is nothing to look at"]


def test_a_program_gets_everything_as_json() -> None:
    value = drift_value([scanned("db"), scanned("web", SETUID, PLAIN)])
    assert json.loads(json.dumps(value))["containers"][1]["left"][1]["path"] == PLAIN.path
    assert (value["ok"], [each["ok"] for each in value["containers"]]) == (False, [True, False])
    entry = value["containers"][1]["left"][0]
    assert (entry["mode"], entry["flags"], entry["size"]) == ("4755", ("set-uid", "executable"), 9)
