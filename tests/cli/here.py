"""A command in this process, which is quicker than one of its own."""

from __future__ import annotations

from contextlib import chdir

from click.testing import CliRunner

from kharness.cli.group import cli
from kharness.errors import KharnessError, SettingsError, UsageError
from tests.projects import Project, Result


def here(project: Project, *words: str, **environ: str) -> Result:
    """Run a command; errors end as in `main`."""
    with chdir(project.path):
        done = CliRunner().invoke(cli, words, env={**project.environ, **environ})
    if isinstance(done.exception, KharnessError):
        misused = isinstance(done.exception, (UsageError, SettingsError))
        return Result(2 if misused else 1, f"{done.output}{done.exception}\n")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Result(done.exit_code, done.output)
