"""`kharness run-in-all`."""

from __future__ import annotations

import click

from kharness.cli.fleet import Manner, group_options, run_group
from kharness.errors import UsageError
from kharness.ops.groups.run_in_all import run_in_all
from kharness.plan.outcome import Outcome


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("words", nargs=-1, required=True, metavar="CMD...")
@click.option("--user", "-u", help="Run it as that user; default: the container's.")
@group_options
def command(words: tuple[str, ...], *, user: str | None, manner: Manner) -> None:
    """Run CMD in all production containers that run.

    What it prints is shown below the name of each. Exit status 1: it failed in one of them, or took longer than a
    minute (--timeout); then it goes on in there.

    \b
    Examples:
      kharness run-in-all cat /etc/os-release
      kharness ria --json -- sh -c 'ls /tmp | wc -l'
    """
    if words[0] == "--":
        words = words[1:]
    if not words:
        raise UsageError("run-in-all: should be told a command")
    run_group(
        manner,
        lambda fleet: run_in_all(fleet, words, user=user, timeout=manner.timeout),
        acts=False,
        before=_show,
        summary=False,
    )


def _show(outcome: Outcome) -> None:
    click.secho(f"==> {outcome.name} <==", bold=True)
    for stream, error in (("stdout", False), ("stderr", True)):
        if text := str(outcome.data.get(stream, "")):
            click.echo(text, nl=not text.endswith("\n"), err=error)
