"""What is shown of checks."""

from __future__ import annotations

from kharness.plan.policy.catalog import BY_ID, CHECKS
from kharness.plan.policy.verdict import Judgement, Ruling
from kharness.report.policy import check_row, check_value, explained, failure


def test_a_row_says_what_a_check_claims_and_what_follows() -> None:
    assert check_row(BY_ID["KH110"]) == ("KH110", "has a memory limit", "strict", "yes")
    assert check_row(BY_ID["KH402"])[2:] == ("baseline", "no")


def test_the_table_fits_a_terminal() -> None:
    assert max(len(f"{check.id}  {check.title}  baseline  gates") for check in CHECKS) <= 80


def test_a_program_gets_everything() -> None:
    value = check_value(BY_ID["KH110"])
    assert value["modes"] == ["in-prod", "prod-ready", "standalone"]
    assert value.keys() == {"id", "title", "gates", "profiles", "modes", "reason", "mend", "source"}


def test_a_page_has_all_that_a_person_needs() -> None:
    text = explained(BY_ID["KH309"])
    for part in (
        BY_ID["KH309"].reason,
        BY_ID["KH309"].mend,
        BY_ID["KH309"].source,
        "waive: {KH309",
        "fails in production",
    ):
        assert part in text
    assert "refuses a promotion" in explained(BY_ID["KH110"])


def test_a_person_is_told_what_why_how_and_on_whose_word() -> None:
    text = failure(
        BY_ID["KH110"],
        Judgement(Ruling.FAILED, ("mem_limit is not set",)),
        settings_file="containers/web/settings.yaml",
    )
    assert text.splitlines()[:2] == ["KH110 has a memory limit", "  found: mem_limit is not set"]
    assert "  mend it: mem_limit: 256m" in text
    assert "CIS Docker Benchmark 1.3.1, 5.10" in text
    assert "containers/web/settings.yaml" in text
