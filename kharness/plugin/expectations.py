"""What `settings.yaml` expects of the running container: each expectation is a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kharness.errors import KharnessError
from kharness.plugin.attach import Attached

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

    from kharness.plan.expect import Declared
    from kharness.settings.expect import Expect


class Expectation(pytest.Item):
    """One expectation; needs the container, and nothing else of pytest."""

    declared: Declared
    here: Attached

    def setup(self) -> None:
        """Wait for the container; fails when it could not be launched."""
        _ = self.here.instance

    def runtest(self) -> None:
        """Look until it holds."""
        from kharness.ops.expect.declared import check  # noqa: PLC0415 - nothing heavy loads before a test needs it

        check(self.here.instance, self.declared.said)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        """Say what was expected, what was seen, and where it is declared: a traceback would show nobody's own code."""
        match excinfo.value:
            case KharnessError() as error:
                failure = str(error)
            case pytest.fail.Exception(msg=str(failure)):
                pass
            case _:
                return super().repr_failure(excinfo, style)
        return failure if self.here.error else f"{failure}\ndeclared: {self.path_and_place}"

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the container and the expectation; of a name alone pytest would take the dots for its own."""
        return self.path, None, f"{self.path.parent.name}: {self.name}"

    @property
    def path_and_place(self) -> str:
        """Where it is declared: `containers/web/settings.yaml: expect.http[0]`."""
        file = self.parent.nodeid if self.parent else ""
        # Outside the root directory a file may have no node id.
        return f"{file or self.path}: {self.declared.place}"


def expectations(file: pytest.File, expect: Expect, here: Attached) -> Iterator[pytest.Item]:
    """Make the items of a directory's settings, with the marks of their modes."""
    from kharness.plan.expect import declared  # noqa: PLC0415 - settings' models load where there are settings

    for each in declared(expect):
        item: Expectation = Expectation.from_parent(file, name=each.name)
        item.declared, item.here = each, here
        for mark in each.marks:
            item.add_marker(mark)
        yield item
