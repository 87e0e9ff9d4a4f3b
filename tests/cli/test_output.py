"""What commands print, and how they ask and read durations."""

from __future__ import annotations

import click
import pytest

from kharness.cli.output import confirm, duration, print_table, show, tell
from kharness.errors import UsageError
from kharness.report.release import Line
from kharness.report.table import Layout

CONTEXT, OPTION = click.Context(click.Command("x")), click.Option(["--every"])


@pytest.mark.parametrize(("text", "seconds"), [(None, None), ("90s", 90.0), ("5m", 300.0), ("100ms", 0.1)])
def test_a_duration_is_read_in_its_unit(text: str | None, seconds: float | None) -> None:
    assert duration(CONTEXT, OPTION, text) == seconds


@pytest.mark.parametrize("text", ["0s", "soon", "-5s", ""])
def test_a_duration_that_is_none_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.BadParameter, match="should be a duration such as 90s or 5m"):
        duration(CONTEXT, OPTION, text)


def test_a_script_must_say_yes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kharness.cli.output._is_terminal", lambda: False)
    confirm("web", "all of it goes", "retire it", yes=True)
    with pytest.raises(UsageError, match="web: there is no terminal to ask at; use --yes to retire it"):
        confirm("web", "all of it goes", "retire it", yes=False)
    assert capsys.readouterr().err == "all of it goes\n" * 2


def test_progress_goes_to_standard_error_and_its_details_to_people_alone(capsys: pytest.CaptureFixture[str]) -> None:
    tell("web", "building")
    tell("web", " a detail")
    tell("", "starting the engine")
    assert capsys.readouterr() == ("", "web: building\nkharness: starting the engine\n")


def test_tables_and_reports_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Layout(("name", "state")), [("web", "runs")])
    print_table(Layout(("name",)), [])
    show([Line("web: \x07good", "good")])
    assert capsys.readouterr() == ("name  state\nweb   runs\nweb: \\x07good\n", "")
