"""What /prep tells of what it did: all of it, nothing else, and nothing of it in the image."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.plan.image.hardening import Hardening, is_report, read_report

CHANGED = ("to root, 755", "no longer")
ACCOUNTS = ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow")


@pytest.fixture(scope="module")
def output(hardened: Any, children: Any) -> list[str]:
    """What it printed."""
    return str(children.read(hardened.image, "/opt/report")).splitlines()


@pytest.fixture(scope="module")
def report(output: list[str]) -> Hardening:
    """What it did, in full."""
    found = read_report(filter(is_report, output))
    assert found is not None
    return found


def names(report: Hardening, *whats: str) -> set[str]:
    return {name for deed in report.done if deed.what in whats for name in deed.names}


def shown(path: str) -> str:
    """A path as the report has it: bytes that are not UTF-8 stand for themselves."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def test_people_are_told_in_a_line_a_step(output: list[str], family: str) -> None:
    lines = [line for line in output if not is_report(line)]

    assert lines[-1] == f"prep: {family}: done"
    assert any(line.startswith("prep: set-uid") and "removed:" in line for line in lines)
    assert len(lines) <= len({line.split()[1] for line in lines}) + 1
    assert all(line.isprintable() and len(line) < 400 for line in lines)


def test_the_report_is_whole_and_of_this_family(report: Hardening, family: str) -> None:
    assert (report.whole, report.family, report.off) == (True, family, ())


def test_all_that_is_gone_was_reported_and_all_that_was_reported_is_gone(
    planted: Any, hardened: Any, report: Hardening
) -> None:
    before, after = ({shown(path) for path in each.tree.entries} for each in (planted, hardened))
    removed = {planted.tree.real(name.rstrip("/")) for name in names(report, "removed")}
    whole = tuple(name for name in names(report, "removed") if name.endswith("/"))

    assert {path for path in before - after if path not in removed and not path.startswith(whole)} == set()
    assert removed <= before - after


def test_all_whose_mode_or_owner_changed_was_reported(planted: Any, hardened: Any, report: Hardening) -> None:
    before, after = planted.tree.entries, hardened.tree.entries
    different = {
        shown(path)
        for path in before.keys() & after.keys()
        if any(getattr(before[path], what) != getattr(after[path], what) for what in ("mode", "uid", "gid"))
    }

    assert different == names(report, *CHANGED)


def test_of_files_that_stay_only_those_of_accounts_have_other_contents(planted: Any, hardened: Any) -> None:
    before, after = planted.tree.entries, hardened.tree.entries
    different = {path for path in before.keys() & after.keys() if before[path].size != after[path].size}

    assert different <= set(ACCOUNTS)
    assert {"/etc/passwd", "/etc/group"} <= different


def test_accounts_that_went_are_named(planted: Any, hardened: Any, report: Hardening) -> None:
    for file, what in (("/etc/passwd", "users removed"), ("/etc/group", "groups removed")):
        before, after = ({line.split(":")[0] for line in each.text[file].splitlines()} for each in (planted, hardened))
        assert names(report, what) == before - after
    assert {"intruder", ".*", "serv.ce", "O\\web", "root"} <= names(report, "users removed")


def test_nothing_of_it_stays_in_the_image(planted: Any, hardened: Any) -> None:
    assert hardened.tree.entries.keys() - planted.tree.entries.keys() == {"/opt/report", "/opt/adjusted"}


@pytest.fixture(scope="module")
def partly(planted: Any, children: Any) -> str:
    """What it prints where two steps are left out, and then without a report."""
    with children.running(planted.image) as run:
        first = run("/prep", environment=["PREP_SETUID=0", "PREP_SELF=0"])
        again = run("/prep", environment=["PREP_SETUID=0", "PREP_SELF=0", "PREP_REPORT=0"])
    assert (first.status, again.status) == (0, 0)
    assert not any(map(is_report, again.output.splitlines()))
    return str(first.output)


def test_steps_that_were_switched_off_are_named(partly: str) -> None:
    found = read_report(filter(is_report, partly.splitlines()))

    assert found is not None
    assert (found.whole, found.off) == (True, ("SETUID", "SELF"))
    assert "set-uid" not in {deed.step for deed in found.done}
