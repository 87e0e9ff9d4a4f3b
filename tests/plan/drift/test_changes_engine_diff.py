"""What an engine's diff means, for drivers that compare and for those that read the layer: pure tables."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from kharness.plan.drift.changes import Drifted, drifted_of
from kharness.plan.facts import Change, PathFacts

FILE, DIRECTORY, LINK = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777


@dataclass
class Files:
    """Modes by paths; `asked` has what was looked up."""

    modes: dict[str, int] = field(default_factory=dict)
    owners: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def at(self, path: str) -> PathFacts | None:
        self.asked.append(path)
        return PathFacts(mode=self.modes[path], size=7) if path in self.modes else None

    def owner(self, path: str) -> tuple[int, int] | None:
        return self.owners.get(path, (0, 0))

    def names(self, path: str) -> Iterable[str]:
        return [name.rpartition("/")[2] for name in self.modes if name.rpartition("/")[0] == path]


def told(diff: str, now: Files, before: Files, *, most: int = 99) -> list[str]:
    words = {"A": "added", "C": "changed", "D": "removed"}
    changes = [Change(words[line[0]], line[2:]) for line in diff.split("; ")]
    found = drifted_of(changes, now=now, before=before, most=most)
    return [f"{each.kind} {each.path}{f': {each.what}' if each.what else ''}" for each in found]


@pytest.mark.parametrize(
    ("diff", "now", "before", "expected"),
    [
        ("A /f", {"/f": FILE}, {}, ["added /f"]),
        ("C /d; A /d/f", {"/d": DIRECTORY, "/d/f": FILE}, {"/d": DIRECTORY}, ["added /d/f"]),
        ("C /f", {"/f": FILE}, {"/f": FILE}, ["changed /f"]),
        ("D /f", {}, {"/f": FILE}, ["removed /f"]),
        ("C /l", {"/l": LINK}, {"/l": DIRECTORY}, ["changed /l"]),
        ("C /d", {"/d": DIRECTORY}, {"/d": LINK}, ["changed /d: link -> directory"]),
        ("C /d", {"/d": stat.S_IFDIR | 0o700}, {"/d": DIRECTORY}, ["mode /d: mode 755 -> 700"]),
        # A driver that reads the layer itself: a directory that hides another one looks removed.
        ("D /d", {"/d": DIRECTORY}, {}, ["added /d"]),
        (
            "D /d; A /d/n",
            {"/d": DIRECTORY, "/d/n": FILE},
            {"/d": FILE},
            ["changed /d: file -> directory", "added /d/n"],
        ),
        (
            "C /d/x; D /d; A /d/n",
            {"/d": DIRECTORY, "/d/x": FILE, "/d/n": FILE},
            {"/d": DIRECTORY, "/d/x": FILE, "/d/gone": FILE, "/d/deep": DIRECTORY, "/d/deep/er": FILE},
            ["changed /d/x", "removed /d/gone", "removed /d/deep", "added /d/n"],
        ),
        # It says a parent again for each thing in it, and the top as well.
        ("C /; C /d; A /d/f; C /d", {"/d": DIRECTORY, "/d/f": FILE}, {"/d": DIRECTORY}, ["added /d/f"]),
        # A name that is not UTF-8 comes mangled, and is at no path; nor is what has gone meanwhile.
        ("A /odd\ufffd; C /gone", {}, {}, ["added /odd\ufffd", "changed /gone"]),
    ],
)
def test_all_storage_drivers_report_the_same_drift(
    diff: str, now: dict[str, int], before: dict[str, int], expected: list[str]
) -> None:
    assert told(diff, Files(now), Files(before)) == expected


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ((0, 0), []),
        ((5, 6), ["owner /d: owner 0:0 -> 5:6"]),
        (None, ["changed /d: its owner is unknown"]),
    ],
)
def test_a_directory_s_owner_is_looked_up_and_an_unknown_owner_is_drift(
    owner: tuple[int, int] | None, expected: list[str]
) -> None:
    now, before = Files({"/d": DIRECTORY}, {"/d": owner}), Files({"/d": DIRECTORY})
    assert told("C /d", now, before) == expected


def test_an_entry_has_the_details_that_the_engine_knows() -> None:
    [found] = drifted_of([Change("added", "/f")], now=Files({"/f": stat.S_IFREG | 0o4755}), before=Files(), most=1)
    assert found == Drifted(path="/f", kind="added", type="file", mode=0o4755, size=7)


def test_only_the_first_of_many_additions_are_looked_up_and_all_are_reported() -> None:
    now = Files({"/1": FILE, "/2": FILE, "/3": FILE})
    assert told("A /1; A /2; A /3; C /1", now, Files(), most=2) == ["added /1", "added /2", "added /3"]
    assert now.asked == ["/1", "/2"]


def test_the_image_is_not_read_without_need() -> None:
    before = Files()
    told("A /f; C /g; D /h", Files({"/f": FILE, "/g": FILE}), before)
    assert before.asked == []
