"""Which of the collected tests a release leaves out."""

from __future__ import annotations

import pytest

from kharness.plan.gate.refusals import Collected
from kharness.plan.session.modes import Mode
from kharness.plugin.stash import CollectionRecord

MARKS = {
    "plain": (),
    "alone": ("standalone",),
    "real": ("prod_ready",),
    "both": ("standalone", "prod_ready"),
    "live": ("in_prod",),
    "real_or_live": ("prod_ready", "in_prod"),
}


def seen() -> CollectionRecord:
    tests = [
        Collected(nodeid=f"c/web/test_web.py::{name}", file="test_web.py", marks=frozenset(marks))
        for name, marks in MARKS.items()
    ]
    check = Collected(nodeid="c/web/settings.yaml::KH1", file="settings.yaml", marks=frozenset({"in_prod"}), check=True)
    return CollectionRecord(tests={"web": [*tests, check]})


@pytest.mark.parametrize(
    ("mode", "launch", "found"),
    [
        (Mode.STANDALONE, False, ["real", "real_or_live"]),
        (Mode.STANDALONE, True, ["real"]),
        (Mode.PROD_READY, False, ["alone"]),
        (Mode.PROD_READY, True, ["alone"]),
    ],
)
def test_tests_of_the_other_readiness_mode_that_nothing_of_this_release_runs(
    mode: Mode,
    launch: bool,  # noqa: FBT001
    found: list[str],
) -> None:
    assert [nodeid.rpartition("::")[2] for nodeid in seen().unrun("web", mode, launch=launch)] == found


def test_a_release_remembers_tests_and_no_checks() -> None:
    assert seen().names("web") == {f"test_web.py::{name}" for name in MARKS}
    assert seen().names("db") == frozenset()
