"""Fixtures: those of a container directory, and a factory of them for projects without container directories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from kharness.errors import KharnessError
from kharness.plugin.attach import Attached, attached
from kharness.plugin.stash import LIBRARY, SessionInfo
from kharness.settings.catalog import ContainerDir

if TYPE_CHECKING:
    import httpx

    from kharness.ops.session.instance import Instance
    from kharness.plan.facts import ImageFacts
    from kharness.plugin.expect import Expect

Scope = Literal["session", "package", "module", "class", "function"]


def register_fixtures(node: pytest.Collector, directory: ContainerDir, info: SessionInfo) -> None:
    """Register the fixtures of a container directory at its topmost node.

    They exist only below it, so that they meet no fixture of another plugin.
    """
    here = attached(directory, info, node.config)
    register_instance_fixtures(node, lambda _: here, scope="session")


def register_instance_fixtures(
    node: pytest.Collector,
    view: Callable[[pytest.FixtureRequest], Attached],
    *,
    scope: Literal["session", "function"],
) -> None:
    """Register `container`, `private_container`, `image`, `host`, `http` and `expect` of what `view` gives a test."""

    def container(request: pytest.FixtureRequest) -> Instance:
        """Return the container under test."""
        return view(request).instance

    def private_container(request: pytest.FixtureRequest) -> Iterator[Instance]:
        """Launch an instance for this test alone."""
        with view(request).private() as instance:
            yield instance

    def image(request: pytest.FixtureRequest) -> ImageFacts:
        """Return what the engine says about the image under test."""
        return view(request).image

    def host(request: pytest.FixtureRequest, container: Instance) -> Any:
        """Return testinfra's host, running its commands inside the container."""
        from kharness.plugin.infra import testinfra_host  # noqa: PLC0415

        return testinfra_host(view(request).harness.engine, container)

    def http(container: Instance) -> Iterator[httpx.Client]:
        """Give an HTTP client whose base URL is the container's first exposed TCP port."""
        from kharness.ops.host.web import client  # noqa: PLC0415

        with client(container.url()) as made:
            yield made

    def expect(container: Instance) -> Expect:
        """Return the expectation helpers for this container."""
        from kharness.plugin.expect import Expect  # noqa: PLC0415

        return Expect(container)

    for fixture in (container, image, host, http, expect):
        pytest.register_fixture(name=fixture.__name__, func=fixture, node=node, scope=scope)
    pytest.register_fixture(name="private_container", func=private_container, node=node)


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
        from kharness.ops.session.library import instance  # noqa: PLC0415

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
