"""The help of all commands, short forms, slips of the finger, and what a shell completes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kharness.cli.group import Commands, cli, docker_answer, nearest
from kharness.cli.names import ALIASES, COMMANDS, DOCKERS, MODULES
from kharness.errors import UsageError
from tests.cli.test_hints import type_command

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


ALIASES_OF = {name: [alias for alias, words in ALIASES.items() if words[0] == name] for name in MODULES}
SUMMARIES = {name: summary for commands in COMMANDS.values() for name, (_, summary) in commands.items()}


@pytest.mark.parametrize("name", MODULES)
def test_the_summary_in_the_list_is_the_first_sentence_of_the_help(name: str) -> None:
    assert command(name).get_short_help_str(1000).removesuffix(".") == SUMMARIES[name]


def help_at(width: int | None) -> list[str]:
    """Return the lines of the help as a terminal of this width shows it, or as a pipe gets it."""
    environ = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    if width is not None:
        environ["COLUMNS"] = str(width)
    done = subprocess.run([PROGRAM, "--help"], env=environ, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("width", [None, 80, 120, 250])
def test_each_command_is_one_whole_line_under_its_heading(width: int | None) -> None:
    lines = help_at(width)
    for heading, commands in COMMANDS.items():
        first = lines.index(f"{heading}:") + 1
        for line, (name, (_, summary)) in zip(lines[first:], commands.items(), strict=False):
            assert line.split()[0] == name
            assert line.endswith(f"  {summary}")
    # The summaries of all groups are below each other, and no line is wider than the terminal.
    assert len({line.index(SUMMARIES[line.split()[0]]) for line in lines if line[2:].split(" ")[0] in MODULES}) == 1
    assert max(map(len, lines)) <= min(width or 80, 120)


@pytest.mark.parametrize("width", [52, 60])
def test_a_narrow_terminal_folds_summaries_and_cuts_none(width: int) -> None:
    lines = help_at(width)
    words = " ".join(lines).split()
    assert max(map(len, lines)) <= width
    for name, summary in SUMMARIES.items():
        start = words.index("day:") + 1
        assert " ".join((name, *ALIASES_OF.get(name, ()), *summary.split())) in " ".join(words[start:])


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from kharness.cli.group import cli; cli(['--help'], standalone_mode=False);"
        "print(sorted(name for name in sys.modules if name.startswith('kharness.cli.commands')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


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


@pytest.mark.parametrize("word", DOCKERS)
def test_a_word_of_docker_s_is_answered_with_commands_that_are_there(word: str) -> None:
    answer = docker_answer([word, "-f", "--option", "web"])
    advised = re.findall(r"'(kharness [^']+)'", answer)
    assert advised, answer
    assert "\n" not in answer
    for text in advised:
        type_command(text)
    done = CliRunner().invoke(cli, [word, "web"])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith(f"{word}: ")


def test_an_answer_names_the_container() -> None:
    assert "'kharness retire web'" in docker_answer(["rm", "-f", "web"])
    assert "'kharness retire NAME'" in docker_answer(["rm"])
    assert "'kharness logs NAME'" in docker_answer(["compose", "up", "-d"])
    assert docker_answer(["up", "web"]) == docker_answer([]) == ""


def test_no_answer_is_in_the_way_of_a_command() -> None:
    assert isinstance(cli, Commands)
    assert not DOCKERS.keys() & {*cli.list_commands(click.Context(cli)), *ALIASES}
    # What people type who know docker is ours, stands for ours, or is answered.
    known = DOCKERS.keys() | ALIASES.keys() | set(cli.list_commands(click.Context(cli)))
    words = (
        "stop start rm exec debug inspect stats top rmi pull build compose ps logs rename restart run attach kill diff"
    )
    assert [word for word in words.split() if word not in known] == []


@pytest.mark.parametrize(
    "words",
    [
        ["-it", "web", "sh"],
        ["-i", "-t", "web", "sh"],
        ["--interactive", "--tty", "web", "sh"],
        ["-itu", "0", "web", "sh"],
    ],
)
def test_exec_takes_what_is_typed_by_habit(words: list[str]) -> None:
    found = command("exec").make_context("exec", words).params
    assert (found["name"], found["words"]) == ("web", ("sh",))
    # Behind the command's name they are the command's.
    assert command("exec").make_context("exec", ["web", "sh", "-it"]).params["words"] == ("sh", "-it")
