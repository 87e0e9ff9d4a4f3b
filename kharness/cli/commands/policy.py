"""`kharness policy`."""

from __future__ import annotations

import json

import click

from kharness.cli.group import Summaries
from kharness.cli.output import print_table
from kharness.plan.checks.catalog import checks_of, find_check
from kharness.report.checks import CHECKS, check_row, check_value, explained


@click.group("policy", cls=Summaries)
def policy_command() -> None:
    """List the checks of containers, or explain one.

    Checks run with the tests; 'pytest containers/NAME --ready -m policy' runs them alone.

    \b
    Examples:
      kharness policy list
      kharness policy explain KH110
    """


@policy_command.command("list")
@click.option(
    "--profile", type=click.Choice(["strict", "baseline"]), default="strict", help="Those of a profile alone."
)
@click.option("--json", "as_json", is_flag=True, help="For programs: everything about each check.")
def list_checks(*, profile: str, as_json: bool) -> None:
    """List all checks of a profile.

    \b
    Examples:
      kharness policy list
      kharness policy list --profile baseline
    """
    checks = checks_of("baseline" if profile == "baseline" else "strict")
    if as_json:
        click.echo(json.dumps([check_value(check) for check in checks], indent=2))
        return
    print_table(CHECKS, map(check_row, checks))


@policy_command.command()
@click.argument("identifier")
def explain(identifier: str) -> None:
    """Explain why a check matters, and how to mend or waive it.

    \b
    Examples:
      kharness policy explain KH110
      kharness policy explain kh303
    """
    click.echo(explained(find_check(identifier)))
