"""Each command where its output cannot go anywhere, or where its directory is gone: a line, and a status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kharness.cli.group import cli
from kharness.errors import visible

WALK = r"""
import json, os, sys, tempfile
from kharness.cli.group import cli
from kharness.cli.main import main

def run(words, situation):
    said, into = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.dup2(into, 2)
            if situation == "full":
                os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
            elif situation == "closed":
                os.close(1)
                sys.stdout = None
            elif situation == "unread":
                unread, out = os.pipe()
                os.dup2(out, 1)
                os.close(unread)
                os.close(out)
            elif situation == "gone":
                gone = tempfile.mkdtemp()
                os.chdir(gone)
                os.rmdir(gone)
            sys.argv = ["kharness", *words]
            main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            import traceback
            traceback.print_exc()
            status = 99
        try:
            sys.stdout.flush()
        except BaseException:
            status = 120
        os._exit(status)
    os.close(into)
    with open(said, "rb", closefd=True) as pipe:
        text = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text

# Imported once, and not by each child.
names = cli.list_commands(None)
for name in names:
    cli.get_command(None, name)
found = []
for name in names:
    for situation in ("full", "closed", "unread"):
        found.append([name, situation, *run([name, "--help"], situation)])
    found.append([name, "gone", *run([name], "gone")])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, int, str]]:
    """Every command in every situation: its status, and what it printed to standard error."""
    place = tmp_path_factory.mktemp("streams")
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(place), "DOCKER_HOST": "unix:///nowhere", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WALK], cwd=place, env=environ, capture_output=True, text=True, check=True, timeout=120
    )
    return [tuple(each) for each in json.loads(done.stdout)]


def told(walked: list[tuple[str, str, int, str]], situation: str) -> dict[str, tuple[int, str]]:
    found = {name: (status, text) for name, where, status, text in walked if where == situation}
    assert found.keys() == set(cli.list_commands(None))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(("situation", "why"), [("full", "No space left on device"), ("closed", "Bad file descriptor")])
def test_output_that_goes_nowhere_is_a_line_and_a_status(
    walked: list[tuple[str, str, int, str]], situation: str, why: str
) -> None:
    for name, found in told(walked, situation).items():
        assert found == (1, f"kharness: standard output: {why}\n"), name


def test_a_reader_who_has_left_needs_no_word(walked: list[tuple[str, str, int, str]]) -> None:
    for name, found in told(walked, "unread").items():
        assert found == (1, ""), name


def test_a_directory_that_is_gone_is_a_line_and_a_status(walked: list[tuple[str, str, int, str]]) -> None:
    gone = "kharness: the current directory cannot be used: No such file or directory; change into one that is there\n"
    for name, found in told(walked, "gone").items():
        # What is allowed under sudo to anyone looks at nothing but the engine.
        where = "kharness: no container engine answers" if name == "map" else gone
        assert found[1].startswith(where), name
        assert found[0] == (1 if name == "map" else 2), name
        assert found[1].count("\n") == 1, name


def test_a_report_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    shell = (
        f"{sys.executable} -m kharness schema 2>/dev/full; {sys.executable} -m kharness nonsense 2>/dev/full; echo $?"
    )
    done = subprocess.run(["sh", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("{")
    assert done.stdout.splitlines()[-1] == "2"


def test_a_file_that_is_opened_later_does_not_take_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    code = "from kharness.cli.streams import standard_streams\nwith standard_streams():\n open('x', 'w').write('x')\n"
    shell = f'{sys.executable} -c "{code}" <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", shell], cwd=tmp_path, check=False).returncode == 0
    assert (tmp_path / "x").read_text() == "x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b\nc", "a b\nc"),
        ("a\u202eb", r"a\u202eb"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\tb", "a\tb"),
        ("bad\udcffname", r"bad\xffname"),
        ("ä €", "ä €"),
    ],
)
def test_an_error_shows_what_a_terminal_would_obey(text: str, shown: str) -> None:
    assert visible(text) == shown
