"""A fixture factory for projects without container directories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from kharness.errors import KharnessError
from kharness.ops.instance import Instance
from kharness.ops.library import instance
from kharness.plugin.stash import LIBRARY

Scope = Literal["session", "package", "module", "class", "function"]


def instance_fixture(
    source: str | Path,
    *,
    scope: Scope = "session",
    settings: Mapping[str, Any] | None = None,
    ready_timeout: float | None = None,
) -> Callable[..., Any]:
    """Return a fixture that gives one test instance; assign it to a name in a test file or a conftest.

    The arguments are those of `kharness.instance`. A test that fails while it uses the fixture has the container's log
    and state in its report.
    """

    @pytest.fixture(scope=scope)
    def launched(request: pytest.FixtureRequest) -> Iterator[Instance]:
        manager = instance(source, settings=settings, ready_timeout=ready_timeout)
        try:
            found = manager.__enter__()
        except KharnessError as error:
            pytest.fail(str(error), pytrace=False)
        # For the failure bundle of tests that have it through another fixture.
        living = request.config.stash.setdefault(LIBRARY, {})
        name = str(request.fixturename)
        living[name] = found
        try:
            yield found
        finally:
            if living.get(name) is found:
                del living[name]
            manager.__exit__(None, None, None)

    return launched
