"""What tests of a Compose project are given: fixtures below its folder, and its declared expectations as items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kharness.errors import KharnessError
from kharness.plugin.declared import BrokenSettings, Expectation, check_items
from kharness.plugin.fixtures import register_instance_fixtures
from kharness.plugin.stack_run import StackRun

if TYPE_CHECKING:
    from kharness.ops.session.stack import Stack

RUN = pytest.StashKey[StackRun]()
"""On an item: the project that it belongs to."""
SERVICE = pytest.StashKey[str]()
"""On an item: the service that it belongs to, if any."""


def register_project_fixtures(node: pytest.Collector, run: StackRun) -> None:
    """Register `stack` at a project's topmost node, and the others for tests that a mark gives to a service."""

    def stack() -> Stack:
        """Return the project's instances by their services, in the order of their starts."""
        return run.stack

    pytest.register_fixture(name="stack", func=stack, node=node, scope="session")
    register_instance_fixtures(node, lambda request: run.view(_service_of(request.node)), scope="function")


def register_service_fixtures(node: pytest.Collector, run: StackRun, service: str) -> None:
    """Register the fixtures of one service at the topmost node of its tests."""
    register_instance_fixtures(node, lambda _: run.view(service), scope="session")


def _service_of(item: pytest.Item) -> str:
    service = item.stash.get(SERVICE, None)
    if service is None:
        pytest.fail(
            "this test belongs to no service, so there is no one container: use the fixture stack, move the test to "
            "tests/SERVICE/, or mark it with @pytest.mark.service(NAME)",
            pytrace=False,
        )
    return service


class StackFile(pytest.File):
    """The Compose file of a project."""

    run: StackRun

    def collect(self) -> Iterator[pytest.Item]:
        """Make the items of all services, or one for a project that cannot be used."""
        try:
            for service in self.run.settings:
                yield from self._items(service)
        except KharnessError as error:
            item: BrokenSettings = BrokenSettings.from_parent(self, name="settings")
            item.problems = str(error)
            yield item

    def _items(self, service: str) -> Iterator[pytest.Item]:
        from kharness.plan.checks.catalog import checks_for  # noqa: PLC0415 - it loads all checks
        from kharness.plan.expect import declared  # noqa: PLC0415 - it imports the models

        settings, view = self.run.settings[service], self.run.view(service)
        for each in declared(settings.expect) if settings.expect.declares else ():
            item: Expectation = Expectation.from_parent(self, name=f"{service} {each.name}")
            item.declared = replace(each, place=f"services.{service}.x-kharness.{each.place}")
            item.here = view
            item.stash[SERVICE] = service
            for mark in each.marks:
                item.add_marker(mark)
            yield item
        first = service == next(iter(self.run.settings))
        checks = checks_for(settings, default=self.run.host.policy or "baseline")
        # The host's own are run once.
        ours = tuple(check for check in checks if first or not check.of_host)
        for found in check_items(self, view, ours, prefix=f"{service} "):
            found.stash[SERVICE] = service
            yield found
