"""What becomes of what a check found, in which mode and on which day."""

from __future__ import annotations

from datetime import date

import pytest

from kharness.errors import UsageError
from kharness.plan.modes import Mode
from kharness.plan.policy.catalog import BY_ID, CHECKS, checks_of, find_check, profile_of, unknown_waivers
from kharness.plan.policy.verdict import Judgement, Ruling, judge
from kharness.settings.model import Settings
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
def test_what_depends_on_the_host_or_the_calendar_fails_in_production_alone(
    check: object, mode: Mode, ruling: Ruling
) -> None:
    assert judge(check, ["x"], Policy(), mode=mode, today=TODAY) == Judgement(ruling, ("x",))  # type: ignore[arg-type]


def waived(until: date | None) -> Policy:
    return Policy(waive={"KH110": Waiver(reason="it is alone", until=until)})


@pytest.mark.parametrize("until", [None, date(2027, 3, 1), date(2028, 1, 1)])
def test_a_waiver_holds_up_to_its_last_day(until: date | None) -> None:
    found = judge(GATES, ["x"], waived(until), mode=Mode.IN_PROD, today=TODAY)
    assert (found.ruling, found.findings) == (Ruling.WAIVED, ("x",))
    assert "it is alone" in found.note


@pytest.mark.parametrize(("mode", "ruling"), [(Mode.STANDALONE, Ruling.REPORTED), (Mode.IN_PROD, Ruling.FAILED)])
def test_a_waiver_that_is_over_is_a_failure_in_production_and_keeps_nothing_from_being_launched(
    mode: Mode, ruling: Ruling
) -> None:
    found = judge(GATES, ["x"], waived(date(2027, 2, 28)), mode=mode, today=TODAY)
    assert found == Judgement(ruling, ("x",), "its waiver ended on 2027-02-28: it is alone")


@pytest.mark.parametrize("until", [None, date(2027, 2, 28)])
def test_a_waiver_that_nothing_needs_is_said(until: date | None) -> None:
    found = judge(GATES, [], waived(until), mode=Mode.STANDALONE, today=TODAY)
    assert found.ruling is Ruling.UNUSED
    assert "policy.waive.KH110" in found.note


def test_a_host_waives_what_is_its_own_and_nothing_that_a_container_could_mend() -> None:
    of_host = {check.id: Waiver(reason="here") for check in (GATES, REPORTS)}
    found = judge(REPORTS, ["x"], Policy(), mode=Mode.IN_PROD, today=TODAY, of_host=of_host)
    assert (found.ruling, found.note) == (Ruling.WAIVED, "waived: here")
    assert judge(GATES, ["x"], Policy(), mode=Mode.IN_PROD, today=TODAY, of_host=of_host).ruling is Ruling.FAILED
    assert judge(REPORTS, [], Policy(), mode=Mode.IN_PROD, today=TODAY, of_host=of_host).ruling is Ruling.CLEAN


def test_what_a_path_holds_reaches_no_terminal() -> None:
    [found] = judge(GATES, ["/odd\udcff\n\x1b[2J"], Policy(), mode=Mode.IN_PROD, today=TODAY).findings
    assert found == "/odd\\xff\\n\\x1b[2J"


def test_nothing_found_and_nothing_waived_is_clean() -> None:
    assert judge(GATES, [], Policy(), mode=Mode.IN_PROD, today=TODAY) == Judgement(Ruling.CLEAN)


@pytest.mark.parametrize(
    ("said", "default", "profile"),
    [
        ({}, None, "strict"),
        ({"image": "nginx:1"}, None, "baseline"),
        ({}, "baseline", "baseline"),
        ({"image": "nginx:1"}, "strict", "strict"),
        ({"policy": {"profile": "strict"}}, "none", "strict"),
    ],
)
def test_a_profile_is_the_directory_s_the_host_s_or_that_of_where_the_image_comes_from(
    said: dict[str, object], default: str | None, profile: str
) -> None:
    assert profile_of(Settings.model_validate(said), default=default) == profile  # type: ignore[arg-type]


def test_strict_has_all_checks_baseline_some_and_none_none() -> None:
    assert checks_of("strict") == CHECKS
    assert {check.id for check in checks_of("baseline")} == {
        "KH104", "KH106", "KH107", "KH108", "KH109", "KH117", "KH201", "KH306", "KH307", "KH401", "KH402",
    }  # fmt: skip
    assert checks_of("none") == ()


def test_a_waiver_of_a_check_that_is_not_there_is_named() -> None:
    policy = Policy(waive={"KH999": Waiver(reason="x"), "KH110": Waiver(reason="x")})
    assert unknown_waivers(policy) == ("KH999",)


def test_a_check_is_found_by_its_identifier() -> None:
    assert find_check("kh110") is GATES
    with pytest.raises(UsageError, match="KH999: no such check"):
        find_check("KH999")
