"""The plugin's entry point. It loads in every pytest run of its environment, so it imports next to nothing.

PYTEST_DONT_REWRITE: it has no assertions, see the package.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from kharness.errors import KharnessError
from kharness.plugin.options import add_options

if TYPE_CHECKING:
    from kharness.plugin.stash import SessionInfo

NAMED = 6
"""So many containers are named in the header; more are counted."""
MARKS = (
    "standalone: runs with a test instance on any machine (--ready)",
    "prod_ready: runs with a test instance in production's environment (--prod-ready)",
    "in_prod: may run against the production instance (--in-prod)",
    "service(name): belongs to this service of a Compose project",
    "policy: a check that settings.yaml stands for; -m 'not policy' leaves them out",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Let a plain `-n auto` keep each container's tests together."""
    option = config.option
    mode = option.ready or option.prod_ready or option.in_prod or config.getini("kharness_mode")
    if mode and getattr(option, "numprocesses", None) and option.dist == "no":
        option.dist = "loadgroup"


def pytest_configure(config: pytest.Config) -> None:
    """Find out whether this session concerns container directories, and stay away where it does not."""
    from kharness.plugin.selection import find_selection, find_stacks  # noqa: PLC0415 - read only when configuring

    try:
        stacks = find_stacks(config, os.environ)
        selection = find_selection(config, os.environ, others=stacks is not None)
    except KharnessError as error:
        raise pytest.UsageError(str(error)) from error
    if selection is None and stacks is None:
        return
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    if selection is not None:
        from kharness.plugin.begin import begin  # noqa: PLC0415 - only in projects with container directories

        begin(config, selection)
    if stacks is not None:
        from kharness.plugin.stacks import Stacks  # noqa: PLC0415 - only over Compose projects

        config.pluginmanager.register(Stacks(config, stacks), "kharness-stacks")


@pytest.hookimpl(optionalhook=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker: hand over what collection saw."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None and (info := _info(session.config)) is not None:
        output["kharness"] = info.seen.to_plain()


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say the mode and what is tested."""
    info = _info(config)
    if info is None or info.selection.mode is None:
        return None
    names = [directory.name for directory in info.selection.directories]
    shown = ", ".join(names) if len(names) <= NAMED else f"{len(names)} containers"
    return f"kharness: mode {info.selection.mode}, {shown}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the failure bundle of every container that a failed test worked with; the library's work in any project."""
    report = yield
    if (report.failed or report.sections) and "kharness.ops.session.instance" in sys.modules:
        from kharness.plugin.bundle import complete  # noqa: PLC0415 - only a report that tells something needs it

        complete(item, report)
    return report


def _info(config: pytest.Config) -> SessionInfo | None:
    from kharness.plugin.stash import INFO  # noqa: PLC0415

    return config.stash.get(INFO, None)
