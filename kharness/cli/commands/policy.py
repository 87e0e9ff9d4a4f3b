"""`kharness policy`."""

from __future__ import annotations

import json

import click

from kharness.cli.table import print_table
from kharness.plan.policy.catalog import checks_of, find_check
from kharness.report.policy import COLUMNS, check_row, check_value, explained


@click.group()
def command() -> None:
    """Name the checks that containers are held to, and explain one.

    They run with the tests; alone: pytest containers/NAME --ready -m policy

    \b
    Examples:
      kharness policy list
      kharness policy explain KH110
    """


@command.command("list")
@click.option(
    "--profile", type=click.Choice(["strict", "baseline"]), default="strict", help="Those of a profile alone."
)
@click.option("--json", "as_json", is_flag=True, help="For programs: everything about each check.")
def list_checks(*, profile: str, as_json: bool) -> None:
    """Name all checks, or those of a profile.

    \b
    Examples:
      kharness policy list
      kharness policy list --profile baseline
    """
    checks = checks_of("baseline" if profile == "baseline" else "strict")
    if as_json:
        click.echo(json.dumps([check_value(check) for check in checks], indent=2))
        return
    print_table(COLUMNS, map(check_row, checks))


@command.command()
@click.argument("identifier")
def explain(identifier: str) -> None:
    """Say why a check matters, how to mend what it finds, and how to waive it.

    \b
    Examples:
      kharness policy explain KH110
      kharness policy explain kh303
    """
    click.echo(explained(find_check(identifier)))
