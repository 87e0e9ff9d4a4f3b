from __future__ import annotations

import pytest

from kharness.plan.release.operation import Ending, Released
from kharness.report.release import GOOD, released_lines

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def text(released: Released) -> list[str]:
    return [line.text for line in released_lines(released)]


def test_what_was_released_says_what_was_there_before() -> None:
    done = Released(name="web", kind=Ending.LAUNCHED, image=TWO, previous=ONE)
    assert text(done) == [f"web: image {'2' * 12} is live, and production runs it (before: {'1' * 12})"]


@pytest.mark.parametrize("previous", [None, ONE])
def test_what_was_not_there_before_or_was_the_same_is_not_mentioned(previous: str | None) -> None:
    done = Released(name="web", kind=Ending.PROMOTED, image=ONE, previous=previous)
    assert text(done) == [f"web: image {'1' * 12} is live now"]


def test_reasons_are_a_list_and_their_further_lines_are_indented() -> None:
    done = Released(name="web", kind=Ending.UNDONE, reasons=("web: exited with 1\n    | no database", "two"), image=ONE)
    assert text(done)[1:] == ["  - web: exited with 1", "        | no database", "  - two"]


def test_notes_follow_whatever_happened() -> None:
    done = Released(name="web", kind=Ending.LAUNCHED, image=ONE, notes=("the old one is still there",))
    assert released_lines(done)[-1] == ("  note: the old one is still there", "doubtful")


@pytest.mark.parametrize("kind", Ending)
def test_every_end_has_words_and_a_tone(kind: Ending) -> None:
    (first, *_) = released_lines(Released(name="web", kind=kind, image=ONE))
    assert first.text.startswith("web: ")
    assert first.tone == ("good" if kind in GOOD else "bad")
