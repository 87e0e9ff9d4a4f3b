"""`kharness doctor`."""

from __future__ import annotations

import sys

import click

from kharness.cli.opening import open_here
from kharness.ops.doctor import examine


@click.command()
def command() -> None:
    """Say what is found on this host, and how to mend what is missing.

    \b
    Examples:
      kharness doctor
      KTOOLS_D_SRC_DIR=~/containers kharness doctor
    """
    findings = examine(open_here())
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        sign = click.style("ok", fg="green") if finding.good else click.style("!!", fg="red")
        click.echo(f"{sign}  {finding.what:<{width}}  {finding.said}")
        if finding.mend:
            click.echo(f"    {'':<{width}}  mend: {finding.mend}")
    sys.exit(0 if all(finding.good for finding in findings) else 1)
