"""Whether findings count, in which mode and on which day."""

from __future__ import annotations

from datetime import date

import pytest

from kharness.plan.checks.catalog import BY_ID
from kharness.plan.checks.check import Judgement, Ruling, rule
from kharness.plan.session.modes import Mode
from kharness.settings.policy import Policy, Waiver

TODAY = date(2027, 3, 1)
GATES, REPORTS = BY_ID["KH110"], BY_ID["KH309"]


@pytest.mark.parametrize(
    ("check", "mode", "ruling"),
    [
        (GATES, Mode.STANDALONE, Ruling.FAILED),
        (GATES, Mode.PROD_READY, Ruling.FAILED),
        (GATES, Mode.IN_PROD, Ruling.FAILED),
        (REPORTS, Mode.STANDALONE, Ruling.REPORTED),
        (REPORTS, Mode.PROD_READY, Ruling.REPORTED),
        (REPORTS, Mode.IN_PROD, Ruling.FAILED),
    ],
)
def test_checks_of_the_host_or_the_calendar_fail_only_in_production(check: object, mode: Mode, ruling: Ruling) -> None:
    assert rule(check, ["x"], Policy(), mode=mode, today=TODAY) == Judgement(ruling, ("x",))  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", list(Mode))
def test_a_check_of_the_host_fails_only_in_production_and_if_enforced(mode: Mode) -> None:
    check = BY_ID["KH403"]
    assert rule(check, ["x"], Policy(), mode=mode, today=TODAY).ruling is Ruling.REPORTED
    asked = Ruling.FAILED if mode is Mode.IN_PROD else Ruling.REPORTED
    assert rule(check, ["x"], Policy(), mode=mode, today=TODAY, enforced=("KH403",)).ruling is asked
    waiver = {"KH403": Waiver(reason="here")}
    found = rule(check, ["x"], Policy(), mode=mode, today=TODAY, enforced=("KH403",), of_host=waiver)
    assert found.ruling is Ruling.WAIVED


def waived(until: date | None) -> Policy:
    return Policy(waive={"KH110": Waiver(reason="it is alone", until=until)})


@pytest.mark.parametrize("until", [None, date(2027, 3, 1), date(2028, 1, 1)])
def test_a_waiver_holds_up_to_its_last_day(until: date | None) -> None:
    found = rule(GATES, ["x"], waived(until), mode=Mode.IN_PROD, today=TODAY)
    assert (found.ruling, found.findings) == (Ruling.WAIVED, ("x",))
    assert "it is alone" in found.note


@pytest.mark.parametrize(("mode", "ruling"), [(Mode.STANDALONE, Ruling.REPORTED), (Mode.IN_PROD, Ruling.FAILED)])
def test_an_expired_waiver_fails_in_production_and_does_not_block_a_launch(mode: Mode, ruling: Ruling) -> None:
    found = rule(GATES, ["x"], waived(date(2027, 2, 28)), mode=mode, today=TODAY)
    assert found == Judgement(ruling, ("x",), "its waiver ended on 2027-02-28: it is alone")


@pytest.mark.parametrize("until", [None, date(2027, 2, 28)])
def test_an_unused_waiver_is_reported(until: date | None) -> None:
    found = rule(GATES, [], waived(until), mode=Mode.STANDALONE, today=TODAY)
    assert found.ruling is Ruling.UNUSED
    assert "policy.waive.KH110" in found.note


def test_a_host_waives_only_checks_that_do_not_gate() -> None:
    of_host = {check.id: Waiver(reason="here") for check in (GATES, REPORTS)}
    found = rule(REPORTS, ["x"], Policy(), mode=Mode.IN_PROD, today=TODAY, of_host=of_host)
    assert (found.ruling, found.note) == (Ruling.WAIVED, "waived: here")
    assert rule(GATES, ["x"], Policy(), mode=Mode.IN_PROD, today=TODAY, of_host=of_host).ruling is Ruling.FAILED
    assert rule(REPORTS, [], Policy(), mode=Mode.IN_PROD, today=TODAY, of_host=of_host).ruling is Ruling.CLEAN


def test_control_characters_of_a_path_reach_no_terminal() -> None:
    [found] = rule(GATES, ["/odd\udcff\n\x1b[2J"], Policy(), mode=Mode.IN_PROD, today=TODAY).findings
    assert found == "/odd\\xff\\n\\x1b[2J"


def test_nothing_found_and_nothing_waived_is_clean() -> None:
    assert rule(GATES, [], Policy(), mode=Mode.IN_PROD, today=TODAY) == Judgement(Ruling.CLEAN)
