from __future__ import annotations

import json

from kharness.plan.image.hardening import Deed, Hardening
from kharness.report.image import hardening_lines, hardening_value

FOUND = Hardening(
    family="debian",
    done=(
        Deed(step="sbin", what="removed", names=("/sbin/a", "/sbin/b", "/sbin/c", "/sbin/d")),
        Deed(step="root-home", what="removed", names=("/root/",)),
        Deed(step="world-writable", what="no longer", names=("/opt/a\nb\x1b[31m é",)),
    ),
)


def texts(found: Hardening, *, everything: bool = False) -> list[str]:
    return [line.text for line in hardening_lines(found, everything=everything)]


def test_a_step_is_a_line_with_its_first_names() -> None:
    assert texts(FOUND) == [
        "  sbin              4 removed: /sbin/a, /sbin/b, /sbin/c, ...",
        "  root-home         1 removed: /root/",
        r"  world-writable    1 no longer: /opt/a\nb\x1b[31m \xe9",
    ]


def test_all_names_have_a_line_each_when_they_are_asked_for() -> None:
    assert texts(FOUND, everything=True)[:5] == [
        "  sbin              4 removed",
        "    /sbin/a",
        "    /sbin/b",
        "    /sbin/c",
        "    /sbin/d",
    ]
    assert texts(FOUND, everything=True)[-1] == r"    /opt/a\nb\x1b[31m \xe9"


def test_what_was_not_done_or_did_not_arrive_is_said() -> None:
    assert texts(Hardening(family="alpine", off=("SETUID", "SELF"), whole=False)) == [
        "  there was nothing left to do",
        "  switched off: SETUID, SELF",
        "  a part of the report of /prep did not arrive from the engine: the lists have gaps",
    ]


def test_programs_get_names_as_they_are() -> None:
    found = json.loads(json.dumps(hardening_value(FOUND)))
    assert (found["family"], found["whole"], found["off"]) == ("debian", True, [])
    assert found["steps"][2] == {
        "step": "world-writable",
        "what": "no longer",
        "names": ["/opt/a\nb\x1b[31m é"],
        "count": 1,
    }
