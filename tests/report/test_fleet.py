"""What people see of work on many containers."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from kharness.plan.fleet.course import End, JobResult
from kharness.report.fleet import Row, board, detail_lines, ended_text, last_words, result_row, result_value
from kharness.report.table import cell_width

LOG = PurePath("/state/output/up-all/web.log")
DONE = JobResult(name="web", end=End.DONE, text="started", wave=2, seconds=1.24, log=LOG, data={"image": "sha256:1"})
FAILED = JobResult(
    name="db", end=End.FAILED, text="db: was not ready\n    | no disk", seconds=60, log=LOG, tail=("last",)
)
HELD = JobResult(name="app", end=End.HELD, text="wave 1 is not healthy: db", wave=2)
LEFT = JobResult(name="dns", end=End.LEFT, wave=3)


def test_a_board_has_a_line_for_each_and_counts() -> None:
    rows = [
        Row(name="web", result=DONE),
        Row(name="db", what="waiting\x1b[2J for\tit", began=3.0),
        Row(name="app", result=HELD),
        Row(name="dns"),
    ]
    found = board(rows, columns=80, lines=24, now=4.26)
    assert [line.text for line in found] == [
        "web  started, 1.2 s",
        "db     1.3 s  waiting\N{REPLACEMENT CHARACTER}[2J for it",
        "app  held back: wave 1 is not healthy: db",
        "dns  waits",
        "1 of 4 done, 1 not, 1 at work",
    ]
    assert [line.tone for line in found] == ["good", "detail", "bad", "detail", "detail"]


def test_a_board_is_never_wider_nor_higher_than_the_terminal() -> None:
    rows = [Row(name=f"w{number}", result=DONE) for number in range(10)]
    rows += [Row(name="busy", what="日本" * 50, began=0.0), Row(name="bad", result=FAILED), Row(name="next")]
    found = [line.text for line in board(rows, columns=30, lines=6, now=1.0)]
    assert [text.split()[0] for text in found] == ["w9", "busy", "bad", "next", "10"]
    assert found[1].startswith("busy    1.0 s  日本日本日")
    assert all(cell_width(text) <= 29 for text in found)
    assert len(board(rows, columns=0, lines=0, now=1.0)) == 2


@pytest.mark.parametrize(
    ("result", "row", "text"),
    [
        (DONE, ("web", "2", "started", "1.2"), "started, 1.2 s"),
        (FAILED, ("db", "", "failed", "60.0"), "failed: was not ready, 60.0 s"),
        (HELD, ("app", "2", "held back: wave 1 is not healthy: db", ""), "held back: wave 1 is not healthy: db"),
        (LEFT, ("dns", "3", "not begun", ""), "not begun"),
        (JobResult(name="x", end=End.DONE, log=LOG), ("x", "", "", "0.0"), "done, 0.0 s"),
        (
            JobResult(name="x", end=End.INTERRUPTED, text="interrupted, and killed", log=LOG),
            ("x", "", "interrupted", "0.0"),
            "interrupted: killed, 0.0 s",
        ),
    ],
)
def test_the_end_of_work_is_one_line(result: JobResult, row: tuple[str, ...], text: str) -> None:
    assert (result_row(result), ended_text(result)) == (row, text)


def test_an_interrupt_is_reported_once() -> None:
    found = JobResult(name="db", end=End.INTERRUPTED, text="interrupted: a volume is left", seconds=1, log=LOG)
    assert ended_text(found) == "interrupted: a volume is left, 1.0 s"
    assert next(detail_lines([found])).text == "db: interrupted: a volume is left"


def test_a_failure_says_why_and_where_its_output_is() -> None:
    noted = JobResult(name="x", end=End.DONE, notes=("another image is live",))
    assert [line.text for line in detail_lines([DONE, FAILED, HELD, LEFT, noted])] == [
        "db: failed: was not ready",
        "        | no disk",
        "    | last",
        f"    its output: {LOG}",
        "x: note: another image is live",
    ]


def test_programs_get_it_as_plain_values() -> None:
    assert result_value(DONE) == {
        "name": "web",
        "wave": 2,
        "result": "done",
        "text": "started",
        "notes": [],
        "seconds": 1.24,
        "log": str(LOG),
        "image": "sha256:1",
    }
    assert result_value(LEFT)["log"] is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("web: building", "web: verifying production", "..F", "... [100%]"), "web: verifying production"),
        (("containers/web/test_web.py ..  [50%]",), "containers/web/test_web.py ..  [50%]"),
        (("....",), ""),
        ((), ""),
    ],
)
def test_progress_of_a_program_is_its_last_line_with_words(lines: tuple[str, ...], said: str) -> None:
    assert last_words(lines) == said
