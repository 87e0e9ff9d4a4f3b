"""Each command that changes something has a dry run, and each that lists something prints it for programs."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from kharness.cli.group import cli

ONE_LINE = "prints one word or line, which is the same for programs"
STREAM = "passes on what a container prints, or a terminal"
NEITHER = {
    "attach": STREAM,
    "enter": STREAM,
    "exec": "runs what it is told, and nothing else",
    "ip": ONE_LINE,
    "is-up": "its exit status is for programs",
    "logs": STREAM,
    "map": "takes no arguments, so that it may be allowed to anyone",
    "pid": ONE_LINE,
    "policy explain": "a page for people; 'policy list --json' has the same for programs",
    "schema": "is JSON",
    "veth": ONE_LINE,
}
"""Commands that have neither option, and why."""


def commands(found: click.Command = cli, *names: str) -> Iterator[tuple[str, click.Command]]:
    """Yield all commands by their whole names; a group is none itself."""
    if not isinstance(found, click.Group):
        yield " ".join(names), found
        return
    context = click.Context(found)
    for name in found.list_commands(context):
        below = found.get_command(context, name)
        assert below is not None
        yield from commands(below, *names, name)


ALL = dict(commands())


@pytest.mark.parametrize("name", ALL)
def test_each_has_a_dry_run_or_json_or_a_reason(name: str) -> None:
    options = {option for parameter in ALL[name].params for option in parameter.opts}
    assert bool({"--dry-run", "--json"} & options) is (name not in NEITHER), NEITHER.get(name)


def test_no_exception_is_for_a_command_that_is_gone() -> None:
    assert NEITHER.keys() <= ALL.keys()
