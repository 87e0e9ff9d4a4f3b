"""Many paths, many rules: which rule a file is judged by, and which files there are."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from filewatch.config import ScanConfig
from filewatch.findings import Finding, State
from filewatch.rules import parse_rule
from filewatch.scan import Scanner
from fw_files import Look, put

DEEP = 1500
KNOWN = {"ok", "absent", "missing", "too old", "text found", "not empty", "broken link", "skipped"}


def bad(scanner: Scanner) -> list[Finding]:
    return [finding for finding in scanner.scan().findings if not finding.state.good]


def test_an_exact_path_wins_over_a_glob(tmp_path: Path, look: Look) -> None:
    put(tmp_path / "a", age=50)
    put(tmp_path / "b", age=50)
    assert look({"*": 10, "b": 100}) == {"a": "too old", "b": "ok"}


def test_none_is_an_exception_from_a_glob_by_path_or_by_glob(tmp_path: Path, look: Look) -> None:
    for name in ("a", "b", "c.tmp"):
        put(tmp_path / name, age=50)
    assert look({"*": 10, "b": "none", "*.tmp": "none"}) == {"a": "too old", "b": "skipped", "c.tmp": "skipped"}


def test_an_exception_does_not_ask_for_files_of_its_own(tmp_path: Path, look: Look) -> None:
    put(tmp_path / "a")
    put(tmp_path / "d" / "b")
    assert look({"a": 100, "d/*": "none"}) == {"a": "ok"}


def test_a_file_of_two_globs_must_satisfy_both(tmp_path: Path, scanner: Callable[..., Scanner]) -> None:
    put(tmp_path / "a.log", "panic", age=50)
    states = {finding.rule.pattern.text: finding.state.value for finding in bad(scanner({"*": 10, "*.log": 100}))}
    assert states == {f"{tmp_path}/*": "too old"}
    both = bad(scanner({"*": 10, "*.log": "NOT-FOUND:panic"}))
    assert {finding.state.value for finding in both} == {"too old", "text found"}


def test_a_glob_for_files_passes_over_directories_and_one_for_directories_over_files(
    tmp_path: Path, look: Look
) -> None:
    put(tmp_path / "a")
    (tmp_path / "d").mkdir()
    assert look({"*": 100}) == {"a": "ok"}
    assert look({"*": "DIR-EMPTY"}) == {"d": "ok"}


def test_a_glob_without_files_is_ok_unless_it_must_have_some(tmp_path: Path, look: Look) -> None:
    assert look({"*": 5}) == {"*": "absent"}
    assert look({"*": {"check": 5, "missing": "error"}}) == {"*": "missing"}
    (tmp_path / "d").mkdir()
    assert look({"*": {"check": 5, "missing": "error"}}) == {"*": "missing"}
    put(tmp_path / "a")
    assert look({"*": {"check": 5, "missing": "error"}, "a": 5}) == {"a": "ok"}


def test_two_stars_are_any_depth_without_hidden_directories_and_links(tmp_path: Path, look: Look) -> None:
    for path in ("a.log", "d/b.log", "d/e/c.log", ".git/x.log", "d/other"):
        put(tmp_path / path)
    (tmp_path / "d" / "up").symlink_to("..")
    assert look({"**/*.log": 100}) == {"a.log": "ok", "d/b.log": "ok", "d/e/c.log": "ok"}
    assert look({"**/b.log": 100}) == {"d/b.log": "ok"}


def test_a_single_star_follows_a_link_to_a_directory(tmp_path: Path, look: Look) -> None:
    put(tmp_path / "real" / "a")
    (tmp_path / "link").symlink_to("real")
    assert look({"*/a": 100}) == {"real/a": "ok", "link/a": "ok"}


def test_a_very_deep_tree_is_walked() -> None:
    # Not below tmp_path: pytest's own clean-up is recursive, and this is deeper than Python recurses.
    top = tempfile.mkdtemp()
    try:
        here = os.open(top, os.O_RDONLY)
        for _ in range(DEEP):
            os.mkdir("d", dir_fd=here)
            here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
            os.close(above)
        os.close(os.open("a.log", os.O_CREAT, dir_fd=here))
        os.close(here)
        (finding,) = Scanner([parse_rule(f"{top}/**/*.log", 100)], ScanConfig()).scan().findings
        assert finding.path == f"{top}{'/d' * DEEP}/a.log"
        assert finding.state is State.OK
    finally:
        subprocess.run(["rm", "-rf", top], check=True)


def test_newest_is_the_file_modified_last(tmp_path: Path, look: Look) -> None:
    put(tmp_path / "d" / "z", age=500)
    put(tmp_path / "d" / "a", age=50)
    assert look({"d/{NEWEST}": 100}) == {"d/a": "ok"}
    assert look({"d/{NEWEST}": 10}) == {"d/a": "too old"}
    put(tmp_path / "d" / "new", "", age=20)
    assert look({"d/{NEWEST}": "FILE-EMPTY"}) == {"d/new": "ok"}


def test_newest_passes_over_what_is_hidden_skipped_broken_or_no_file(tmp_path: Path, look: Look) -> None:
    put(tmp_path / "d" / "backup", age=500)
    for name in (".partial", "skipped", "skipped.tmp"):
        put(tmp_path / "d" / name)
    (tmp_path / "d" / "directory").mkdir()
    (tmp_path / "d" / "broken").symlink_to("absent")
    os.mkfifo(tmp_path / "d" / "pipe")
    rules = {"d/{NEWEST}": 100, "d/skipped": "none", "d/*.tmp": "none"}
    assert look(rules) == {"d/backup": "too old", "d/skipped": "skipped"}


def test_a_newest_file_in_the_future_is_told_not_passed_over(tmp_path: Path, look: Look) -> None:
    put(tmp_path / "d" / "a")
    put(tmp_path / "d" / "b", age=-1000)
    assert look({"d/{NEWEST}": 100}) == {"d/b": "in the future"}


def test_the_newest_of_nothing_is_missing(tmp_path: Path, look: Look) -> None:
    assert look({"d/{NEWEST}": 100}) == {"d/{NEWEST}": "missing"}
    (tmp_path / "d").mkdir()
    assert look({"d/{NEWEST}": 100}) == {"d/{NEWEST}": "missing"}
    assert look({"d/{NEWEST}": {"check": 100, "missing": "ok"}}) == {"d/{NEWEST}": "absent"}
    put(tmp_path / "f")
    assert look({"f/{NEWEST}": 100}) == {"f/{NEWEST}": "missing"}


def test_each_directory_of_a_glob_has_its_own_newest_file(tmp_path: Path, look: Look) -> None:
    put(tmp_path / "one" / "a", age=50)
    put(tmp_path / "two" / "b", age=500)
    (tmp_path / "three").mkdir()
    put(tmp_path / "file")
    assert look({"*/{NEWEST}": 100}) == {"one/a": "ok", "two/b": "too old", "three/{NEWEST}": "missing"}


def test_a_directory_that_cannot_be_listed_is_no_empty_one(
    tmp_path: Path, look: Look, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    put(tmp_path / "shut" / "a").parent.chmod(0)
    put(tmp_path / "names-only" / "a").parent.chmod(0o444)
    with unprivileged():
        assert look({"shut/*": 100}) == {"shut": "unreadable"}
        assert look({"shut/*/x": 100}) == {"shut": "unreadable"}
        assert look({"**/b": 100}) == {
            "shut": "unreadable",
            "names-only/b": "unreadable",
            "shut/b": "unreadable",
        }
        assert look({"shut/{NEWEST}": {"check": 100, "missing": "ok"}}) == {"shut": "unreadable"}
        assert look({"names-only/{NEWEST}": {"check": 100, "missing": "ok"}}) == {"names-only/a": "unreadable"}
        assert look({"names-only/*": 100}) == {"names-only/a": "unreadable"}


def test_more_files_than_a_scan_may_have_are_an_error_not_a_flood(tmp_path: Path, look: Look) -> None:
    for number in range(20):
        put(tmp_path / f"{number:02}")
    states = look({"*": 100}, max_files=5)
    assert states.pop("*") == "too many files"
    assert list(states.values()) == ["ok"] * 5
    assert "too many files" not in look({"*": 100}, max_files=20).values()


def test_what_is_bad_comes_first(tmp_path: Path, look: Look) -> None:
    put(tmp_path / "a")
    put(tmp_path / "b", age=200)
    assert list(look({"*": 100})) == ["b", "a"]


def test_the_root_directory_can_be_asked_for_its_newest_file() -> None:
    rule = parse_rule("/{NEWEST}", {"check": 1e12, "missing": "ok"})
    (finding,) = Scanner([rule], ScanConfig()).scan().findings
    assert finding.state.good


class Renaming(Scanner):
    """A scanner at whose first look at a file named `new` that file is renamed."""

    def _skipped(self, path: str) -> bool:
        if path.endswith("/new"):
            Path(path).rename(f"{path}est")
        return super()._skipped(path)


def test_a_file_that_is_renamed_during_a_look_does_not_make_an_old_one_the_newest(tmp_path: Path) -> None:
    put(tmp_path / "old", age=1000)
    put(tmp_path / "new")
    (finding,) = Renaming([parse_rule(f"{tmp_path}/{{NEWEST}}", 100)], ScanConfig()).scan().findings
    assert finding.path == f"{tmp_path}/newest"
    assert finding.state is State.OK


@pytest.mark.parametrize("rules", [{"d/*": 100}, {"d/{NEWEST}": 100}, {"d/*": "NOT-FOUND:y"}, {"d": "DIR-EMPTY"}])
def test_files_that_come_and_go_during_a_scan_end_in_a_known_state(
    tmp_path: Path, look: Look, rules: dict[str, object]
) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            for number in range(30):
                (directory / f"{number}").write_text("x")
                (directory / f"{number}").rename(directory / f"{number}.moved")
            for path in list(directory.iterdir()):
                path.unlink()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(200):
            assert set(look(rules).values()) <= KNOWN
    finally:
        done.set()
        thread.join()
