from __future__ import annotations

from filewatch.changes import MOST, changes
from filewatch.findings import State
from fw_findings import finding, scan


def test_the_first_scan_tells_what_is_bad_alone() -> None:
    after = scan(finding("/a", State.TOO_OLD, "9 s old"), finding("/b"))
    assert changes(None, after) == ("/a: too old: 9 s old",)


def test_what_stays_as_it_is_is_no_line_even_while_its_age_changes() -> None:
    before = scan(finding("/a", State.TOO_OLD, "9 s old"), finding("/b"))
    after = scan(finding("/a", State.TOO_OLD, "10 s old"), finding("/b"))
    assert changes(before, after) == ()


def test_a_change_is_a_line_in_both_directions() -> None:
    bad, good = scan(finding("/a", State.NOT_EMPTY)), scan(finding("/a", State.OK, "empty"))
    assert changes(good, bad) == ("/a: not empty (was ok)",)
    assert changes(bad, good) == ("/a: ok: empty (was not empty)",)


def test_a_bad_file_that_is_gone_is_a_line_and_a_good_one_is_none() -> None:
    before = scan(finding("/a", State.TOO_OLD), finding("/b"))
    assert changes(before, scan()) == ("/a: no longer matched (was too old)",)


def test_a_flood_of_changes_is_cut_and_counted() -> None:
    lines = changes(None, scan(*(finding(f"/{number}", State.MISSING) for number in range(MOST + 7))))
    assert len(lines) == MOST + 1
    assert lines[-1] == "... and 7 more changes"


def test_a_name_cannot_forge_a_line() -> None:
    (line,) = changes(None, scan(finding("/a\n/b: ok", State.TOO_OLD)))
    assert line == "/a\\x0a/b: ok: too old"
