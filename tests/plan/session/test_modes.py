"""The command line of a session, as a user would have typed it."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from kharness.errors import UsageError
from kharness.plan.session.modes import Mode, Place, runs_in, session_flags, session_line


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        ({}, ("--ready",)),
        ({"prod_ready": True}, ("--prod-ready",)),
        ({"in_prod": True}, ("--in-prod",)),
        ({"if_changed": True}, ("--ready", "--if-changed")),
        ({"launch": True}, ("--ready", "--launch")),
        ({"launch": True, "prod_ready": True, "if_changed": True}, ("--prod-ready", "--launch", "--if-changed")),
    ],
)
def test_flags(said: dict[str, bool], flags: tuple[str, ...]) -> None:
    assert session_flags(**said) == flags


@pytest.mark.parametrize("said", [{"prod_ready": True, "in_prod": True}, {"in_prod": True, "if_changed": True}])
def test_what_excludes_each_other(said: dict[str, bool]) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        session_flags(**said)


def test_a_line() -> None:
    directory, place = PurePath("/c/web"), Place(root=PurePath("/p"))
    assert session_line("py", directory, ("--ready",), place=place, more=("-k", "a b")) == (
        *("py", "-u", "-m", "pytest", "/c/web", "--ready", "--rootdir", "/p"),
        *("-k", "a b"),
    )
    elsewhere = Place(root=PurePath("/p"), ini=PurePath("/p/pytest.ini"))
    assert session_line("py", directory, (), place=elsewhere)[5:] == ("--rootdir", "/p", "-c", "/p/pytest.ini")


@pytest.mark.parametrize(
    ("marks", "modes"),
    [
        ((), {Mode.STANDALONE, Mode.PROD_READY}),
        (("slow",), {Mode.STANDALONE, Mode.PROD_READY}),
        (("standalone",), {Mode.STANDALONE}),
        (("prod_ready",), {Mode.PROD_READY}),
        (("in_prod",), {Mode.IN_PROD}),
        (("in_prod", "standalone"), {Mode.IN_PROD, Mode.STANDALONE}),
    ],
)
def test_a_test_meets_production_only_when_it_is_marked_so(marks: tuple[str, ...], modes: set[Mode]) -> None:
    assert {mode for mode in Mode if runs_in(mode, marks)} == modes
