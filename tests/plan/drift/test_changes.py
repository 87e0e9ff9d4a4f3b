"""What is expected of a container, what is left, and what comes first: pure tables."""

from __future__ import annotations

import stat
from datetime import date
from typing import Any

import pytest

from kharness.plan.drift.changes import Drifted, covers, flags, in_order, judge, type_of
from kharness.settings.policy import Expected

TODAY = date(2027, 3, 1)


def file(path: str, kind: Any = "added", **more: Any) -> Drifted:
    said: dict[str, Any] = {"type": "file", "mode": 0o644, "uid": 0, "gid": 0, "size": 10, **more}
    return Drifted(path=path, kind=kind, **said)


@pytest.mark.parametrize(
    ("expected", "found", "covered"),
    [
        (Expected(path="/a"), file("/a"), True),
        (Expected(path="/a"), file("/b"), False),
        (Expected(path="/a"), file("/a", "removed"), True),
        (Expected(path="/a"), file("/a", "mode", mode=0o4755), True),
        (Expected(path="/a", type="file"), file("/a"), True),
        (Expected(path="/a", type="file"), file("/a", type="link"), False),
        (Expected(path="/a", max_size=10), file("/a"), True),
        (Expected(path="/a", max_size=9), file("/a"), False),
        (Expected(path="/a", max_size=0), file("/a", type="directory", size=None), True),
        # Nobody knows: what has a limit stays.
        (Expected(path="/a", type="file"), Drifted(path="/a", kind="changed"), False),
        (Expected(path="/a", max_size=9), Drifted(path="/a", kind="changed"), False),
        (Expected(path="/a"), Drifted(path="/a", kind="changed"), True),
    ],
)
def test_an_expectation_covers_what_is_within_its_limits(expected: Expected, found: Drifted, covered: bool) -> None:  # noqa: FBT001
    assert covers(expected, found) is covered


def test_expected_and_unexpected_changes_are_separated() -> None:
    verdict = judge([file("/log/a"), file("/log/b"), file("/bin/x")], [Expected(path="/log/**")], today=TODAY)
    assert ([each.path for each in verdict.left], verdict.notes) == (["/bin/x"], ())
    assert [each.path for each in verdict.expected] == ["/log/a", "/log/b"]


def test_an_expectation_holds_on_its_last_day_and_not_on_the_next() -> None:
    expected = Expected(path="/log/*", until=TODAY, reason="until version 5")
    assert judge([file("/log/a")], [expected], today=TODAY).left == ()
    verdict = judge([file("/log/a"), file("/b")], [expected], today=date(2027, 3, 2))
    assert [each.path for each in verdict.left] == ["/b", "/log/a"]
    assert verdict.notes == (
        "drift.expect[0]: /log/* was expected until 2027-03-01 (until version 5), and would cover 1 of what is left",
    )


def test_an_expired_expectation_that_covers_nothing_is_noted_and_is_no_drift() -> None:
    verdict = judge([], [Expected(path="/b"), Expected(path="/a", until=date(2020, 1, 1))], today=TODAY)
    assert verdict.left == ()
    assert verdict.notes == (
        "drift.expect[1]: /a was expected until 2020-01-01, and would cover nothing that is there now",
    )


@pytest.mark.parametrize(
    ("found", "pointed_at"),
    [
        (file("/a"), ()),
        (file("/a", mode=0o4755), ("set-uid", "executable")),
        (file("/a", mode=0o2755), ("set-gid", "executable")),
        (file("/a", mode=0o6644), ("set-uid", "set-gid")),
        (file("/a", mode=0o755, capabilities=True), ("capabilities", "executable")),
        (file("/a", mode=0o100), ("executable",)),
        (file("/a/.b"), ("hidden",)),
        (file("/.a/b", mode=0o1), ("executable", "hidden")),
        (file("/a", type="device"), ("device",)),
        # The bits mean something else there, or there is nothing.
        (file("/a", type="directory", mode=0o2755), ()),
        (file("/a", type="link", mode=0o777), ()),
        (file("/a", "removed", mode=0o4755), ()),
        (Drifted(path="/a", kind="changed"), ()),
    ],
)
def test_suspicious_entries_are_marked(found: Drifted, pointed_at: tuple[str, ...]) -> None:
    assert flags(found) == pointed_at


def test_the_worst_comes_first_and_the_rest_by_its_bytes() -> None:
    entries = [
        file("/z"),
        file("/bad\udcff"),
        file("/a/.b"),
        file("/a", mode=0o755),
        file("/y", mode=0o6755),
        file("/x", type="device"),
        file("/e\u00e9"),
    ]
    assert [each.path for each in in_order(entries)] == [
        *("/y", "/x", "/a", "/a/.b"),
        *("/bad\udcff", "/e\u00e9", "/z"),
    ]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (file("/a", mode=0o4755, size=2048), "/a: added, set-uid, executable, file, mode 4755, owner 0:0, 2.0 kB"),
        (file("/a", "mode", what="mode 755 -> 700"), "/a: mode changed, file, mode 755 -> 700"),
        (file("/a", "owner", what="owner 0:0 -> 5:0"), "/a: owner changed, file, owner 0:0 -> 5:0"),
        (file("/a", "removed"), "/a: removed, file"),
        (Drifted(path="/a", kind="changed"), "/a: changed"),
        (Drifted(path="/a\n\x1b[1m\udcff", kind="added"), r"/a\n\x1b[1m\xff: added"),
    ],
)
def test_an_entry_is_one_line_that_every_terminal_takes(found: Drifted, text: str) -> None:
    assert str(found) == text


def test_each_type_has_its_name() -> None:
    types = [stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFBLK, stat.S_IFCHR, 0]
    assert [type_of(each | 0o644) for each in types] == [
        *("file", "directory", "link", "fifo", "socket", "device", "device", ""),
    ]
