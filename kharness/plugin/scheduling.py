"""How pytest-xdist hands out tests: a container's tests go to one worker, so that it is launched once.

xdist's own `loadgroup` marks groups in node ids; this scheduler is told each test's container directory instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

STACKS = "kharness-stacks"
"""The name of the plugin that knows which Compose project a test is of."""


class ContainerScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps the tests of a container directory, or of a Compose project, together; others go wherever there is room."""

    places: Mapping[str, str]
    project_of: Callable[[str], str]

    def _split_scope(self, nodeid: str) -> str:
        if group := self.places.get(nodeid) or self.project_of(nodeid):
            return group
        # Groups of tests outside container directories are kept as loadgroup keeps them.
        return nodeid.rpartition("@")[2] if "@" in nodeid.rpartition("]")[2] else nodeid

    def remove_node(self, node: WorkerController) -> str | None:
        """Give the tests that a crashed worker still had to others, but not the one that it crashed with."""
        units = self.assigned_work[node].values()
        crashed: tuple[dict[str, bool], str] | None = next(
            ((unit, test) for unit in units for test, done in unit.items() if not done), None
        )
        if crashed is None:
            return super().remove_node(node)  # type: ignore[no-any-return]
        unit, test = crashed
        unit[test] = True
        super().remove_node(node)
        return test


def scheduling(config: pytest.Config, log: object, places: Mapping[str, str]) -> ContainerScheduling:
    """Make the scheduler of a session; `places` has the container directory of each node id, once it is collected."""
    scheduler = ContainerScheduling(config, log)
    scheduler.places = places
    stacks = config.pluginmanager.get_plugin(STACKS)
    scheduler.project_of = stacks.project_of if stacks else lambda _: ""
    return scheduler
