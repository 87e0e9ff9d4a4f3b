"""`kharness status --watch` on a terminal, over an engine in memory that goes away and comes back."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from kharness.cli.commands.status import ENTER, LEAVE
from kharness.cli.group import cli
from tests.cli.terminal import Terminal

ROOT = Path(__file__).parents[3]
SCRIPT = f"""\
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from kharness.cli.commands import status
from kharness.errors import EngineUnavailableError
from kharness.plan import labels
from kharness.plan.launch.runspec import RunSpec
from tests.ops.world import World

world = World.create(Path.cwd())
world.add("web", "autostart: 1")
world.add("broken", "[")
world.engine.put_image("ktools/web:live")
spec = RunSpec(name="web", image="ktools/web:live", labels=world.production("web", "ktools/web:live"))
world.engine.start(world.engine.create(spec))

def before(call):
    if Path("down").exists():
        raise EngineUnavailableError("nobody answers")
    if Path("bug").exists():
        raise ZeroDivisionError

world.engine.before = before
status.open_here = world.harness
status.status_command(["--watch", "--every", "100ms"])
"""


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Terminal]:
    environ = {**os.environ, "NO_COLOR": "", "COLUMNS": "", "LINES": ""}
    with Terminal([sys.executable, "-c", SCRIPT], cwd=tmp_path, environ=environ, rows=8, columns=60) as terminal:
        terminal.until(r"\x1b\[\?1049h")
        terminal.until("web")
        yield terminal


def drawn(terminal: Terminal) -> list[str]:
    """Return the lines of a whole page, the next one."""
    terminal.until("\x1b\\[H")
    return terminal.until("\x1b\\[J").split("\x1b[K\r\n")


def test_it_is_drawn_again_in_place_until_ctrl_c_and_the_screen_is_given_back(
    watching: Terminal, tmp_path: Path
) -> None:
    page = drawn(watching)
    assert ("every 0.1 s, ctrl-c ends" in page[0], len(page) <= 8) == (True, True)
    assert any("web" in line and "runs" in line for line in page)
    assert any("settings broken" in line for line in page)
    assert any(f"{tmp_path}/containers/broken"[:50] in line for line in page)
    watching.resize(3, 30)
    watching.until("and 2 more")
    assert len(drawn(watching)) <= 3
    watching.type("\x03")
    assert watching.end() == 130
    assert watching.seen.endswith(LEAVE)


def test_an_engine_that_goes_away_is_told_and_asked_again(watching: Terminal, tmp_path: Path) -> None:
    (tmp_path / "down").touch()
    watching.until("nobody answers")
    assert any("web" in line and "runs" in line for line in drawn(watching))
    (tmp_path / "down").unlink()
    watching.until("ctrl-c ends\x1b")
    watching.send(signal.SIGTERM)
    assert watching.end() == 143
    assert watching.seen.endswith(LEAVE)


def test_whatever_happens_the_screen_is_given_back(watching: Terminal, tmp_path: Path) -> None:
    (tmp_path / "bug").touch()
    watching.until("\x1b\\[\\?25h\x1b\\[\\?1049l")
    assert watching.end() == 1
    assert "ZeroDivisionError" in watching.seen


def test_without_a_terminal_it_says_what_to_do_instead() -> None:
    done = CliRunner().invoke(cli, ["status", "--watch"])
    assert (str(done.exception), ENTER in done.output) == (
        "--watch draws on a terminal; 'watch kharness status' and 'kharness status --json' go without",
        False,
    )


@pytest.mark.parametrize("every", ["0", "x", "-1s"])
def test_a_time_that_is_none_is_told(every: str) -> None:
    done = CliRunner().invoke(cli, ["status", "--every", every])
    assert done.exit_code == 2
    assert "should be a duration such as 90s or 5m" in done.output
