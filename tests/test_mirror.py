"""`tests/` mirrors `kharness/`: the place of a module is the place of its tests."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import kharness

PACKAGE, TESTS = Path(kharness.__file__).parent, Path(__file__).parent
MODULES = {
    path.relative_to(PACKAGE).with_suffix("").as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.name not in {"__init__.py", "__main__.py"}
}
FILES = {
    path.relative_to(TESTS).as_posix()
    for layer in {module.partition("/")[0] for module in MODULES}
    for path in [*(TESTS / layer).rglob("test_*.py"), TESTS / f"test_{layer}.py"]
    if path.is_file()
}

BY_COMMANDS = "tests of whole commands hold what it prints and does"
BY_SESSIONS = "hooks and fixtures are tested in whole sessions of pytest"
BY_CONTRACT = "a part of an engine, whose contract is tested of real ones and of the fake"
BY_READING = "a part of the model, tested by reading settings: values or complaints"
BY_RELEASES = "test_release.py, test_recover.py and others walk whole releases forward and back"
BY_CALLERS = "tests of its callers hold what it does"
VALUES = "values without decisions"
WITHOUT: Mapping[str, str] = {
    "cli/commands/*": BY_COMMANDS,
    "cli/handover": BY_COMMANDS,
    "cli/here": BY_COMMANDS,
    "cli/laying": BY_COMMANDS,
    "cli/main": BY_COMMANDS,
    "cli/names": "data; test_group.py holds the rules for it",
    "engine/api": "the Protocol alone",
    "engine/execs": BY_CONTRACT,
    "engine/local": "test_connect.py tests whether an engine is local",
    "engine/networks": BY_CONTRACT,
    "engine/remote": "test_wire.py tests both transports",
    "engine/transport": "test_wire.py tests both transports",
    "host/session/results": BY_SESSIONS,
    "host/state/*": "parts of the state, which test_state.py tests as a whole",
    "host/volumes/btrfs": "test_snapshots.py tests it on a btrfs of its own",
    "host/volumes/copying": "test_copies.py tests what is copied, and how",
    "ops/harness": VALUES,
    "ops/host/findings": "test_doctor.py tests all findings",
    "ops/image/contents": BY_CALLERS,
    "ops/project/known": BY_CALLERS,
    "ops/project/plain_view": "test_view.py tests what a light command opens",
    "ops/project/unfinished": BY_CALLERS,
    "ops/release/engine_target": BY_RELEASES,
    "ops/release/exchange": "tests of ops/volumes/restore walk its steps",
    "ops/release/transaction": BY_RELEASES,
    "ops/release/work": VALUES,
    "ops/session/belongings": BY_CALLERS,
    "ops/session/debug": BY_COMMANDS,
    "ops/session/stack_session": BY_CALLERS,
    "plan/facts": VALUES,
    "plan/launch/runspec": VALUES,
    "plan/launch/traits": "test_deviations.py compares traits",
    "plan/release/operation": VALUES,
    "plugin/*": BY_SESSIONS,
    "settings/*": BY_READING,
    "testing/*": BY_CONTRACT,
}
"""Modules without a test file of their own, and why: paths below `kharness/` without `.py`, or patterns of them."""

ALL_COMMANDS = "a rule for all commands"
ACROSS: Mapping[str, str] = {
    "cli/test_commands.py": ALL_COMMANDS,
    "cli/test_daily.py": "one fleet in production that all of its tests share",
    "cli/test_failures.py": ALL_COMMANDS,
    "cli/test_hints.py": "commands and settings that any message advises",
    "cli/test_options.py": ALL_COMMANDS,
    "engine/test_base_debian.py": "the base image on an engine",
    "engine/test_contract_*.py": "the contract of all engines",
    "engine/test_prep_alpine.py": "the base image on an engine",
    "engine/test_ssh.py": "an engine that is reached by ssh",
    "engine/test_uid_mapping_docs.py": "a page of docs/",
    "engine/test_userns.py": "an engine that maps ids",
    "ops/launch/test_*_on_engine.py": "forms of keys, from the settings to an engine",
    "ops/release/test_clock.py": "a clock that jumps, under every release",
    "ops/release/test_disk_full.py": "a full disk, under every release",
    "ops/release/test_machine.py": "any sequence of releases and deaths",
    "ops/release/test_on_engine.py": "sessions and releases on an engine",
    "plugin/*": BY_SESSIONS,
    "report/test_widths.py": "all tables",
    "settings/*": "a rule for all keys, or a form of Compose's",
}
"""Test files of no single module, and why: paths below `tests/`, or patterns of them."""


def module_of(file: str) -> str | None:
    """Return the module that a test file is about: `test_MODULE.py` or `test_MODULE_ASPECT.py` in the same folder."""
    place, _, name = file.removesuffix(".py").rpartition("test_")
    parts = name.split("_")
    names = (f"{place}{'_'.join(parts[:count])}" for count in range(len(parts), 0, -1))
    return next((name for name in names if name in MODULES), None)


def matching(name: str, table: Mapping[str, str]) -> list[str]:
    return [pattern for pattern in table if fnmatchcase(name, pattern)]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("plan/launch/test_mounts.py", "plan/launch/mounts"),
        ("plan/launch/test_mounts_nesting.py", "plan/launch/mounts"),
        ("plan/launch/test_docker_line.py", "plan/launch/docker_line"),
        ("plan/session/test_test_files.py", "plan/session/test_files"),
        ("test_errors.py", "errors"),
        ("ops/test_mounts.py", None),
    ],
)
def test_a_test_file_names_the_module_beside_it(file: str, expected: str | None) -> None:
    assert module_of(file) == expected


def test_each_module_has_a_test_file_or_a_reason() -> None:
    tested = set(map(module_of, FILES))
    assert sorted(module for module in MODULES - tested if not matching(module, WITHOUT)) == []


def test_each_test_file_is_of_a_module_or_has_a_reason() -> None:
    assert sorted(file for file in FILES if module_of(file) is None and not matching(file, ACROSS)) == []


def test_no_reason_is_left_over() -> None:
    untested = MODULES - set(map(module_of, FILES))
    shared = {file for file in FILES if module_of(file) is None}
    for table, names in ((WITHOUT, untested), (ACROSS, shared)):
        assert [pattern for pattern in table if not any(fnmatchcase(name, pattern) for name in names)] == []
