"""`kharness list`: container directories from their files alone, without an engine."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kharness.cli.group import cli
from kharness.testing.tree import ContainerTree

NOWHERE = "unix:///nowhere/docker.sock"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tree = ContainerTree(tmp_path / "containers")
    tree.add("web", settings="autostart: 2\n", dockerfile="FROM scratch\n", tests="")
    tree.add("db", settings="image: x\nautostart: 1\nexpect: {tcp: [5432]}\n")
    tree.add("far", settings="image: x\nautostart: '1,host=elsewhere'\n")
    tree.add("near", settings=f"image: x\nautostart: '3,host={socket.gethostname()}'\n")
    tree.add("broken", settings="[", dockerfile="FROM scratch\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*words: str) -> Result:
    environ = {"KTOOLS_D_SRC_DIR": "containers", "KHARNESS_SOURCE_PATHS": "", "DOCKER_HOST": NOWHERE}
    # What this machine's own production has registered is no concern of a test.
    environ["KHARNESS_STATE_DIR"] = str(Path.cwd() / "state")
    return CliRunner().invoke(cli, words, env=environ)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("list",), ["broken", "db", "far", "near", "web"]),
        (("la",), ["db", "near", "web"]),
        (("law",), ["db", "web", "near"]),
        (("lb",), ["broken", "web"]),
        (("lt",), ["db", "web"]),
        (("lt", "--autostart", "--buildable"), ["web"]),
    ],
)
def test_those_with_all_that_is_asked_for_are_listed(here: Path, words: tuple[str, ...], expected: list[str]) -> None:
    done = said(*words)
    heading, *rows = done.stdout.splitlines()
    # A script is told of the broken one by the status, whatever else is listed.
    assert (done.exit_code, heading.split()) == (1, ["name", "wave", "image", "tests", "note"])
    assert [row.split()[0] for row in rows] == expected
    assert said(*words, "-q").stdout.split() == expected
    assert [each["name"] for each in json.loads(said(*words, "--json").stdout)] == expected
    assert f"{here}/containers/broken/settings.yaml: line 2: " in done.stderr


def test_without_a_broken_one_the_status_is_0(here: Path) -> None:
    (here / "containers" / "broken" / "settings.yaml").write_text("{}\n")
    assert said("list").exit_code == 0


def test_each_is_told_with_what_it_is_made_of(here: Path) -> None:
    rows = {row.split()[0]: row.split() for row in said("list").stdout.splitlines()}
    assert rows["web"] == ["web", "2", "built", "1", "file"]
    assert rows["db"] == ["db", "1", "pulled", "expect"]
    assert rows["far"][:5] == ["far", "1", "on", "elsewhere", "pulled"]
    assert rows["broken"] == ["broken", "built", "settings", "broken"]
    values = {each["name"]: each for each in json.loads(said("list", "--json").stdout)}
    assert values["web"] == {
        "name": "web",
        "path": f"{here}/containers/web",
        "wave": 2,
        "host": None,
        "buildable": True,
        "testable": True,
        "test_files": 1,
        "expects": False,
        "settings": None,
    }
    assert "containers/broken/settings.yaml: " in values["broken"]["settings"]


@pytest.mark.usefixtures("here")
def test_what_is_not_up_needs_the_engine() -> None:
    done = said("list", "--not-up")
    assert f"no container engine answers\n    {NOWHERE} (DOCKER_HOST): " in str(done.exception)
