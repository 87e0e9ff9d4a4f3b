"""Set a session up in a project with container directories: in the only process, the controller, or a worker."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from kharness.plan.modes import Mode
from kharness.plugin.board import Board
from kharness.plugin.collection import Collection
from kharness.plugin.items import Items
from kharness.plugin.policy import PolicyReports
from kharness.plugin.selection import Selection
from kharness.plugin.stash import INFO, SessionInfo, is_worker


def begin(config: pytest.Config, selection: Selection) -> None:
    """Register what this process needs."""
    told: dict[str, Any] | None = getattr(config, "workerinput", {}).get("kharness")
    if told is not None:
        info = SessionInfo(
            session=told["session"],
            selection=selection,
            board=Board(Path(told["board"])),
            broken=told["broken"],
            unchanged=told["unchanged"],
            idle=told["idle"],
            began=told["began"],
        )
    else:
        _refuse_distribution(config, selection)
        info = SessionInfo(session=secrets.token_hex(4), selection=selection, board=Board.create())
        config.add_cleanup(info.board.remove)
    config.stash[INFO] = info
    config.pluginmanager.register(Collection(info), "kharness-collection")
    config.pluginmanager.register(Items(info), "kharness-items")
    config.pluginmanager.register(PolicyReports(), "kharness-policy")
    if not is_worker(config) and selection.mode is not None:
        _begin_controller(config, info, selection.mode)


def _begin_controller(config: pytest.Config, info: SessionInfo, mode: Mode) -> None:
    from kharness.plugin.child import ReportWriter  # noqa: PLC0415 - the controller alone
    from kharness.plugin.controller import Controller  # noqa: PLC0415 - imports the engine and the settings' models

    config.pluginmanager.register(Controller(config, info, mode), "kharness-controller")
    if path := config.option.kharness_reports:
        config.pluginmanager.register(ReportWriter(config, path), "kharness-reports")


def _refuse_distribution(config: pytest.Config, selection: Selection) -> None:
    dist = getattr(config.option, "dist", "no")
    if selection.mode is not None and selection.directories and dist not in {"no", "loadgroup"}:
        raise pytest.UsageError(
            f"--dist {dist} would split a container's tests between workers, and each container is launched once; "
            "leave --dist away, or say --dist loadgroup"
        )
