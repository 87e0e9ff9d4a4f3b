"""The table of all containers fits the terminal, whatever its width."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kharness.plan.drift.watch import LastScan
from kharness.plan.facts import ContainerFacts, PortRef, PublishedPort, UsageFacts
from kharness.plan.fleet.status import LastTest, Status
from kharness.plan.project import Listed
from kharness.report.fleet import GLANCE, brief_text, memory_text, status_lines, status_value
from kharness.report.table import cell_width

NOW = 1_800_000_000.0
DAY = 86400
FACTS = ContainerFacts(
    id="c1",
    name="filewatchdock",
    image_id="sha256:1",
    state="running",
    health="healthy",
    started_at="2027-01-15T05:00:00Z",
    published=tuple(PublishedPort(port=PortRef(80), host_ip="10.0.0.1", host_port=8080 + n) for n in range(3)),
)
WEB = Status(
    listed=Listed(name="filewatchdock", facts=FACTS, live="sha256:1", wave=2),
    image_at=NOW - 12 * DAY,
    newer=True,
    tested=LastTest(passed=True, mode="standalone", image="sha256:1", at=NOW - 7300),
    scan=LastScan(container="c1", at=NOW - 300, left=0),
    usage=UsageFacts(memory=12_400_000, memory_limit=1 << 30, cpu=3, at=NOW),
    cpu=0.034,
)
HEADING = "name           wave  state  health   up  image  latest  drift     test       mem    cpu  ports"


def lines(*found: Status, width: int | None = None) -> list[str]:
    return [line.text for line in status_lines(found, now=NOW, width=width)]


def test_a_row_has_the_whole_status() -> None:
    heading, row = lines(WEB)
    assert heading == HEADING
    known = "filewatchdock 2 runs healthy 3h 12d newer clean 5m passed 2h 11.8M 3%"
    assert " ".join(row.split()) == f"{known} 10.0.0.1:8080:80 10.0.0.1:8081:80 10.0.0.1:8082:80"


UNSEEN = LastScan(container="c1", at=NOW, left=0, problem="x")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (replace(WEB, scan=None, tested=None), "filewatchdock runs - -"),
        (replace(WEB, scan=LastScan(container="c1", at=NOW, left=3)), "filewatchdock runs 3 left 0s passed 2h"),
        (
            replace(WEB, tested=LastTest(passed=True, mode="standalone", image="sha256:2", at=NOW)),
            "filewatchdock runs clean 5m passed 0s, not live",
        ),
        (replace(WEB, scan=UNSEEN), "filewatchdock runs unseen 0s passed 2h"),
        (replace(WEB, broken="web: x"), "filewatchdock runs, settings broken clean 5m passed 2h"),
        (Status(listed=Listed(name="db", facts=None, live=None), broken="x"), "db settings broken -"),
    ],
)
def test_unknown_and_wrong_values_are_shown(status: Status, expected: str) -> None:
    # No width has the columns that are not of interest here.
    bare = replace(status, image_at=None, newer=False, usage=None, cpu=None, listed=replace(status.listed, wave=None))
    if bare.listed.facts:
        plain = replace(FACTS, published=(), health=None, started_at="")
        bare = replace(bare, listed=replace(bare.listed, facts=plain))
    assert " ".join(lines(bare)[1].split()) == expected


def test_an_image_that_is_not_live_is_shown() -> None:
    other = replace(WEB, listed=replace(WEB.listed, live="sha256:2"))
    assert "12d, not live" in lines(other)[1]


def test_thirty_rows_fit_120_columns_with_all_of_them() -> None:
    facts = replace(FACTS, published=FACTS.published[:1])
    found = [
        replace(
            WEB,
            listed=replace(
                WEB.listed, name=f"container-{number:02}", facts=replace(facts, name=f"container-{number:02}")
            ),
        )
        for number in range(30)
    ]
    shown = lines(*found, width=120)
    assert shown[0].split() == HEADING.split()
    assert len(shown) == 31
    assert max(map(cell_width, shown)) <= 120


def test_a_narrow_terminal_has_fewer_columns_and_whole_ports() -> None:
    before = set(HEADING.split())
    for width in range(120, 37, -1):
        shown = lines(WEB, width=width)
        assert max(map(cell_width, shown)) <= width
        names = set(shown[0].split())
        assert {"name", "state", "ports"} <= names <= before
        assert {f"10.0.0.1:{8080 + n}:80" for n in range(3)} <= {*" ".join(shown).split()}
        before = names
    assert lines(WEB, width=80)[0].split() == ["name", "state", "health", "up", "drift", "test", "mem", "ports"]
    assert before == {"name", "state", "ports"}
    assert lines(WEB, width=30) == [
        "name           state",
        "  ports",
        "filewatchdock  runs",
        "  10.0.0.1:8080:80",
        "  10.0.0.1:8081:80",
        "  10.0.0.1:8082:80",
    ]
    broken = replace(WEB, broken="x")
    assert "runs, settings broken  healthy" in lines(broken, width=160)[1]
    assert "runs, settings" in lines(broken, width=60)[1]
    assert lines(broken, width=60)[2].split()[0] == "broken"
    assert set(GLANCE.dispensable) < set(HEADING.split())


def test_no_containers_are_no_table() -> None:
    assert lines() == []


def test_programs_get_numbers() -> None:
    value = status_value(WEB, now=NOW)
    assert value["test"] == {"passed": True, "mode": "standalone", "image": "sha256:1", "age": 7300.0}
    assert value["drift"] == {"left": 0, "problem": None, "age": 300.0}
    known = [value[key] for key in ("name", "settings", "image_age", "newer", "memory", "memory_limit", "cpu")]
    assert known == ["filewatchdock", None, 12.0 * DAY, True, 12_400_000, 1 << 30, 0.034]
    empty = status_value(Status(listed=Listed(name="x", facts=None, live=None)), now=NOW)
    assert (empty["test"], empty["drift"], empty["memory"], empty["container"]) == (None, None, None, None)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.9, "59s"), (60, "1m"), (7199, "1h"), (86400, "1d"), (-5, "0s")]
)
def test_an_age_is_brief(seconds: float, text: str) -> None:
    assert brief_text(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0K"), (307200, "300K"), (13_000_000, "12.4M"), (300 << 20, "300M"), (3 << 29, "1.5G"), (5 << 40, "5.0T")],
)
def test_memory_is_shown_in_the_units_of_limits(number: int, text: str) -> None:
    assert memory_text(number) == text
