"""Check what people write for kharness, without an engine: for CI, hooks of git, and before a release."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kharness.errors import visible
from kharness.ops.project.check_files import check_here, check_paths

if TYPE_CHECKING:
    from kharness.ops.project.check_files import CheckedFiles, FoundProblem


@click.command("check")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs: all files, problems and remarks.")
def check_command(paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Check settings, Compose files and configuration.

    Of files and folders, or of everything that commands know here: no engine is needed. One line for each problem, or
    remark: what is read in another way than Compose does, or has no effect. Exit status: 0 nothing is wrong, 1
    something is, 2 there is nothing to check at a path.

    \b
    Examples:
      kharness check
      kharness check /opt/stacks/shop --json
    """
    cwd = Path.cwd()
    found = check_paths(paths, cwd=cwd, environ=os.environ) if paths else check_here(cwd=cwd, environ=os.environ)
    if as_json:
        click.echo(json.dumps(_value(found), indent=2))
        sys.exit(0 if found.ok else 1)
    for each in found.found:
        click.secho(visible(_line(each)), fg="yellow" if each.remark else "red")
    click.secho(_summary(found), fg="green" if found.ok else None)
    sys.exit(0 if found.ok else 1)


def _line(found: FoundProblem) -> str:
    return f"{found.problem}{' (remark)' if found.remark else ''}"


def _summary(found: CheckedFiles) -> str:
    remarks = sum(each.remark for each in found.found)
    wrong = len(found.found) - remarks
    said = [_count(wrong, "problem")] if wrong else ["all ok"]
    said += [_count(remarks, "remark")] if remarks else []
    return f"{_count(len(found.files), 'file')} checked: {', '.join(said)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _value(found: CheckedFiles) -> dict[str, object]:
    return {
        "ok": found.ok,
        "files": [str(file) for file in found.files],
        "problems": [
            {
                "file": str(each.problem.file),
                "key": each.place[0],
                "line": each.place[1],
                "message": each.problem.message,
                "remark": each.remark,
            }
            for each in found.found
        ],
    }
