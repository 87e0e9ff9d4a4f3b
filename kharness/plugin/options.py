"""The plugin's options, and the mode they mean."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import pytest

from kharness.plan.session.modes import PROD_VARIABLE, Mode

MODE_FLAGS = "--ready, --prod-ready or --in-prod"
PROOFS = ("metadata", "content", "none")

LISTING = {
    "collectonly": "--collect-only",
    "setupplan": "--setup-plan",
    "showfixtures": "--fixtures",
    "show_fixtures_per_test": "--fixtures-per-test",
}
"""Options of pytest that only show what there is."""
SETTING_UP = {"setuponly": "--setup-only"}
"""Those that run fixtures and no test."""


def is_listing(config: pytest.Config) -> bool:
    """Whether the session shows tests or fixtures and runs none, so that no container is needed."""
    return any(_given(config, name) for name in LISTING)


def _given(config: pytest.Config, name: str) -> bool:
    return bool(getattr(config.option, name, False))


def add_options(parser: pytest.Parser) -> None:
    """Register the options; their names are part of the public interface."""
    group = parser.getgroup("kharness", "container directories")
    modes = group.addoption
    modes("--ready", action="store_true", help="build, launch a test instance beside production and test it")
    modes(
        "--prod-ready", action="store_true", help=f"like --ready, with copies of the real volumes ({PROD_VARIABLE}=1)"
    )
    modes("--in-prod", action="store_true", help="test the production instances that run now; launch nothing")
    group.addoption("--promote", action="store_true", help="let :live name what passed every test")
    group.addoption("--launch", action="store_true", help="promote, relaunch production, verify it, or undo all of it")
    group.addoption("--no-build", action="store_true", help="test :latest as it is")
    group.addoption("--rebuild", action="store_true", help="build even if nothing changed, and renew what is pulled")
    group.addoption("--if-changed", action="store_true", help="skip directories that passed with exactly these inputs")
    group.addoption("--keep", action="store_true", help="leave all test instances running")
    group.addoption("--keep-failed", action="store_true", help="leave test instances with failed tests running")
    group.addoption(
        "--prove",
        choices=PROOFS,
        default=None,
        help="how production is proved to be untouched by the session: by its files' metadata (the default), by what "
        "is in them, too, or not at all",
    )
    group.addoption(
        "--require-engine", action="store_true", help="fail where a test would be skipped without an engine"
    )
    group.addoption(
        "--kharness-json",
        metavar="FILE",
        default=None,
        help="write the session's result as JSON; 'kharness schema --result' prints its schema",
    )
    # Not for users: a session reads the reports of one that it has started.
    group.addoption("--kharness-reports", default=None, help=argparse.SUPPRESS)
    # A process that started a session believes this file, not the exit status.
    group.addoption("--kharness-result", default=None, help=argparse.SUPPRESS)
    # Nor this: what settings are checked for was decided by the session that tested the image.
    group.addoption("--kharness-tests-alone", action="store_true", help=argparse.SUPPRESS)
    parser.addini("kharness_mode", "the mode when no flag names one: ready, prod-ready or in-prod", default="")


def resolve_mode(config: pytest.Config, environ: Mapping[str, str]) -> Mode | None:
    """Return the session's mode, None when nothing names one; `pytest.UsageError` for two at once."""
    option = config.option
    said = [name for name in ("ready", "prod_ready", "in_prod") if getattr(option, name)]
    if len(said) > 1:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in said)
        raise pytest.UsageError(f"{flags} exclude each other: a session has one mode")
    name = said[0] if said else _from_ini(config)
    mode = {"ready": Mode.STANDALONE, "prod_ready": Mode.PROD_READY, "in_prod": Mode.IN_PROD}.get(name)
    if mode is Mode.STANDALONE and environ.get(PROD_VARIABLE) == "1":
        mode = Mode.PROD_READY
    _check_companions(config, mode)
    return mode


def _from_ini(config: pytest.Config) -> str:
    said = str(config.getini("kharness_mode")).strip()
    if said and said not in {"ready", "prod-ready", "in-prod"}:
        raise pytest.UsageError(f"kharness_mode: should be one of ready, prod-ready, in-prod, not {said!r}")
    return said.replace("-", "_")


def _check_companions(config: pytest.Config, mode: Mode | None) -> None:
    for name in ("promote", "launch", "no_build", "rebuild", "if_changed", "keep", "keep_failed", "prove"):
        if getattr(config.option, name) and mode in {None, Mode.IN_PROD}:
            raise pytest.UsageError(f"--{name.replace('_', '-')} goes with --ready or --prod-ready")
    shown = next((flag for name, flag in (*LISTING.items(), *SETTING_UP.items()) if _given(config, name)), None)
    for name in ("promote", "launch"):
        if getattr(config.option, name) and shown is not None:
            raise pytest.UsageError(f"--{name} and {shown} exclude each other: nothing would be tested")
    if config.option.kharness_json and mode is None:
        raise pytest.UsageError(f"--kharness-json goes with {MODE_FLAGS}")
    if config.option.no_build and config.option.rebuild:
        raise pytest.UsageError("--no-build and --rebuild exclude each other")
