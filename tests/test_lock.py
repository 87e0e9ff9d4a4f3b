"""The locked requirements: what their maker lets pass, and that the files here fit pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.lock import LOCKS, ROOT, chain, complaints, direct, read_pins

HASH = f" \\\n    --hash=sha256:{'0' * 64}\n"
PROJECT = """\
[project]
requires-python = ">=3.11"
dependencies = ["click>=8.1.0"]
[dependency-groups]
build = ["hatchling>=1.27"]
test = ["PyTest_Timeout>=2.3.1", {include-group = "more"}]
more = ["docker[ssh]>=7.1.0"]
alpine = []
type = [{include-group = "test"}]
lint = []
tox = []
"""
PINS = {"click": "8.1.0", "hatchling": "1.27", "pytest-timeout": "2.3.1", "docker": "7.1"}


def files(**changed: str) -> Mapping[str, str]:
    run = "".join(f"{name}=={PINS[name]}{HASH}" for name in ("click", "hatchling"))
    test = "".join(f"{name}=={PINS[name]}{HASH}" for name in ("docker", "pytest-timeout"))
    return {"run": f"# A remark.\n{run}", "test": f"-r run.txt\n{test}", "lowest": run + test, **changed}


def found(given: Mapping[str, str], project: str = PROJECT) -> list[str]:
    return list(complaints(tomllib.loads(project), given))


def test_files_that_fit_are_fine() -> None:
    assert found(files()) == []


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("--index-url https://example.org/simple\n", "not '--index-url https://example.org/simple'"),
        ("--find-links /srv/wheels\n", "not '--find-links /srv/wheels'"),
        ("./x.whl\n", "not './x.whl'"),
        (f"x @ file:///srv/x.whl{HASH}", "not 'x @ file:///srv/x.whl'"),
        (f"x>=1{HASH}", "not 'x>=1'"),
        (f"x==1.*{HASH}", "not 'x==1.*'"),
        ("x==1\n", "x: should have SHA-256 hashes and nothing else"),
        ("x==1 \\\n    --hash=md5:0\n", "x: should have SHA-256 hashes and nothing else"),
    ],
)
def test_a_line_that_names_a_place_or_pins_nothing_is_refused(line: str, text: str) -> None:
    (problem,) = found(files(lint=line))
    assert problem.startswith("requirements/lint.txt: ")
    assert problem.endswith(text)


def test_what_pyproject_asks_for_and_is_not_locked_so_is_named() -> None:
    newer = PROJECT.replace("2.3.1", "2.4").replace("lint = []", 'lint = ["ruff", "x>=1"]')
    assert found(files(), newer) == [
        "requirements/test.txt: PyTest_Timeout: should be >=2.4, not 2.3.1",
        "requirements/type.txt: PyTest_Timeout: should be >=2.4, not 2.3.1",
        "requirements/lint.txt: ruff: should be locked, and is not there",
        "requirements/lint.txt: x: should be >=1, and is not there",
        "requirements/lowest.txt: PyTest_Timeout: should be >=2.4, not 2.3.1",
    ]


def test_a_lower_bound_is_a_release_that_is_tested() -> None:
    (problem,) = found(files(), PROJECT.replace("click>=8.1.0", "click>=8.0"))
    assert problem == (
        "requirements/lowest.txt: click: should be >=8.0, and its lowest release is 8.1.0: "
        "pyproject.toml should name a release that exists"
    )


def test_another_oldest_python_needs_other_locks() -> None:
    (problem,) = found(files(), PROJECT.replace(">=3.11", ">=3.12"))
    assert problem == "pyproject.toml: requires-python: should be >=3.11, for which the files are locked"


def test_a_file_may_hold_a_package_once_for_each_kind_of_machine() -> None:
    text = f"x==1 ; python_full_version < '3.13'{HASH}x==2 ; python_full_version >= '3.13'{HASH}"
    assert [(pin.name, str(pin.version)) for pin in read_pins(text)] == [("x", "1"), ("x", "2")]


def test_the_files_here_fit_pyproject_and_each_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    given = {name: (ROOT / "requirements" / f"{name}.txt").read_text() for name in LOCKS}
    assert list(complaints(project, given)) == []
    assert {path.stem for path in Path(ROOT / "requirements").iterdir()} == set(LOCKS)
    versions: dict[str, set[str]] = {}
    for name, lock in LOCKS.items():
        for pin in () if lock.lowest else read_pins(given[name]):
            versions.setdefault(str(pin.requirement), set()).add(pin.text)
    assert not [name for name, texts in versions.items() if len(texts) > 1]
    for name, lock in LOCKS.items():
        includes = [line for line in given[name].splitlines() if line.startswith("-r")]
        assert includes == ([f"-r {lock.base}.txt"] if lock.base else [])
        assert list(direct(project, lock))
        assert chain(name)[-1] in {"run", "lint", "tox", "lowest"}
