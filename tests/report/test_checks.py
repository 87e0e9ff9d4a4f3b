"""What is shown of checks."""

from __future__ import annotations

from kharness.plan.checks.catalog import BY_ID, CHECKS
from kharness.plan.checks.check import Judgement, Ruling
from kharness.report.checks import check_row, check_value, explained, failure


def test_a_row_has_the_claim_and_its_consequence() -> None:
    assert check_row(BY_ID["KH110"]) == ("KH110", "has a memory limit", "strict", "yes")
    assert check_row(BY_ID["KH402"])[2:] == ("baseline", "no")


def test_the_table_fits_a_terminal() -> None:
    assert max(len(f"{check.id}  {check.title}  baseline  gates") for check in CHECKS) <= 80


def test_a_program_gets_everything() -> None:
    value = check_value(BY_ID["KH110"])
    assert value["modes"] == ["in-prod", "prod-ready", "standalone"]
    assert value.keys() == {"id", "title", "gates", "profiles", "modes", "reason", "mend", "source"}


def test_a_page_explains_a_check_completely() -> None:
    text = explained(BY_ID["KH309"])
    for part in (
        BY_ID["KH309"].reason,
        BY_ID["KH309"].mend,
        BY_ID["KH309"].source,
        "waive: {KH309",
        "fail in production",
    ):
        assert part in text
    assert "refuse a promotion" in explained(BY_ID["KH110"])


def test_a_check_of_the_host_names_the_host_s_configuration() -> None:
    page = explained(BY_ID["KH403"])
    assert 'enforce = ["KH403"]' in page
    assert "waive.KH403 = {" in page
    text = failure(BY_ID["KH403"], Judgement(Ruling.FAILED, ("x",)), settings_file="containers/web/settings.yaml")
    assert "host's configuration" in text
    assert "settings.yaml" not in text


def test_a_failure_has_findings_reason_remedy_and_source() -> None:
    text = failure(
        BY_ID["KH110"],
        Judgement(Ruling.FAILED, ("mem_limit is not set",)),
        settings_file="containers/web/settings.yaml",
    )
    assert text.splitlines()[:2] == ["KH110 has a memory limit", "  found: mem_limit is not set"]
    assert "  mend it: mem_limit: 256m" in text
    assert "CIS Docker Benchmark 1.3.1, 5.10" in text
    assert "containers/web/settings.yaml" in text
