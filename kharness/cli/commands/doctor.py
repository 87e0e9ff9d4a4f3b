"""`kharness doctor`."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

from kharness.cli.project import project_of
from kharness.ops.doctor.examine import examine_here

SIGNS = {(True, False): ("ok", "green"), (True, True): ("--", "yellow"), (False, True): ("!!", "red")}
"""By whether a finding is good, and whether something mends it: what is not good always has that."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: what, said, good and mend of each finding.")
def command(*, as_json: bool) -> None:
    """Say what is found on this host, and how to mend what is missing.

    Nothing is changed, and no engine is started; without one it says what can be said. Exit status: 0 all is well (ok),
    or only worth a look (--), 1 something needs mending (!!).

    \b
    Examples:
      kharness doctor
      KTOOLS_D_SRC_DIR=~/containers kharness doctor
    """
    findings = examine_here(project=project_of(Path.cwd()), environ=os.environ)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    width = max(len(finding.what) for finding in findings)
    for finding in () if as_json else findings:
        text, colour = SIGNS[finding.good, bool(finding.mend)]
        first, *rest = finding.said.splitlines() or [""]
        click.echo(f"{click.style(text, fg=colour)}  {finding.what:<{width}}  {first}")
        for line in rest:
            click.echo(f"    {'':<{width}}  {line.strip()}")
        if finding.mend:
            click.echo(f"    {'':<{width}}  mend: {finding.mend}")
    sys.exit(0 if all(finding.good for finding in findings) else 1)
