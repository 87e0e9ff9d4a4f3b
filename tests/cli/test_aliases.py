"""Short forms of commands, slips of the finger, and what a shell completes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kharness.cli.aliases import ALIASES, nearest
from kharness.cli.group import Commands, cli

DOCS = Path(__file__).parents[2] / "docs" / "commands.md"
PROGRAM = Path(sys.executable).with_name("kharness")


def command(*words: str) -> click.Command:
    assert isinstance(cli, Commands)
    _, found, rest = cli.resolve_command(click.Context(cli), list(words))
    assert found is not None
    found.make_context(words[0], [*rest, "x"], resilient_parsing=True)
    return found


@pytest.mark.parametrize("alias", ALIASES)
def test_every_alias_stands_for_a_command_that_is_there(alias: str) -> None:
    assert command(alias) is command(*ALIASES[alias])


def test_help_shows_the_aliases_beside_their_command() -> None:
    lines = [line.split() for line in CliRunner().invoke(cli, ["--help"]).output.splitlines()]
    assert ["up-all", "11", "Launch"] in [words[:3] for words in lines]
    assert CliRunner().invoke(cli, ["11", "--help"]).output.startswith("Usage: cli up-all ")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("buld", ("build",)),
        ("hist", ("history",)),
        ("upall", ("up-all",)),
        ("claen", ("prune",)),
        ("xyz", ()),
        ("x", ()),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest(word: str, expected: tuple[str, ...]) -> None:
    assert nearest(word, ["build", "history", "prune", "up-all"]) == expected


def test_the_answer_is_a_usage_error() -> None:
    done = CliRunner().invoke(cli, ["buld", "web"])
    assert done.exit_code == 2
    assert "No such command 'buld'. Did you mean build or build-all?" in done.output


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("kharness histor", ["history"]),
        ("kharness cowscan web wi", ["wiki"]),
        ("kharness build web --reb", ["--rebuild"]),
        ("d b w", ["web", "wiki"]),
    ],
)
def test_a_shell_completes_commands_and_containers_without_an_engine(
    tmp_path: Path, line: str, expected: list[str]
) -> None:
    for name in ("web", "wiki", "db"):
        directory = tmp_path / "containers" / name
        directory.mkdir(parents=True)
        (directory / "settings.yaml").write_text("[broken")
    environ = {**os.environ, "KTOOLS_D_SRC_DIR": "containers", "DOCKER_HOST": "unix:///nowhere"}
    environ["PATH"] = f"{PROGRAM.parent}:{environ['PATH']}"
    (setup,) = re.findall(r"```bash\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    script = f"""{setup}
        COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        {"_d" if line.startswith("d ") else "_kharness_completion kharness"}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == (expected, "")


def test_what_cannot_be_read_completes_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.kharness]\nsource_paths = 3\n")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("KTOOLS_", "KHARNESS_"))}
    environ |= {"_KHARNESS_COMPLETE": "bash_complete", "COMP_WORDS": "kharness build w", "COMP_CWORD": "2"}
    done = subprocess.run([PROGRAM], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colour_gets_none(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    @click.command()
    def red() -> None:
        click.secho("red", fg="red")

    monkeypatch.setattr(Commands, "get_command", lambda *_: red)
    monkeypatch.setenv("TERM", "xterm")
    coloured = CliRunner().invoke(cli, ["build"], color=True)
    monkeypatch.setenv(variable, value)
    plain = CliRunner().invoke(cli, ["build"], color=True)
    assert (coloured.output, plain.output) == ("\x1b[31mred\x1b[0m\n", "red\n")
