"""The fixtures of a container directory. They exist only below it, so that they meet nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from kharness.plugin.attach import attached
from kharness.plugin.stash import SessionInfo
from kharness.settings.catalog import ContainerDir

if TYPE_CHECKING:
    import httpx

    from kharness.ops.instance import Instance
    from kharness.plan.facts import ImageFacts
    from kharness.plugin.expect import Expect


def register_fixtures(node: pytest.Collector, directory: ContainerDir, info: SessionInfo) -> None:
    """Register `container`, `private_container`, `image`, `host`, `http` and `expect` at a node."""
    here = attached(directory, info, node.config)

    def container() -> Instance:
        """Return the container under test."""
        return here.instance

    def private_container() -> Iterator[Instance]:
        """Launch an instance for this test alone."""
        with here.private() as instance:
            yield instance

    def image() -> ImageFacts:
        """Return what the engine says about the image under test."""
        return here.image

    def host(container: Instance) -> Any:
        """Return testinfra's host, running its commands inside the container."""
        from kharness.plugin.infra import testinfra_host  # noqa: PLC0415

        return testinfra_host(here.harness.engine, container)

    def http(container: Instance) -> Iterator[httpx.Client]:
        """Give an HTTP client whose base URL is the container's first exposed TCP port."""
        from kharness.ops.web import client  # noqa: PLC0415

        with client(container.url()) as made:
            yield made

    def expect(container: Instance) -> Expect:
        """Return the expectation helpers for this container."""
        from kharness.plugin.expect import Expect  # noqa: PLC0415

        return Expect(container)

    for fixture in (container, image, host, http, expect):
        pytest.register_fixture(name=fixture.__name__, func=fixture, node=node, scope="session")
    pytest.register_fixture(name="private_container", func=private_container, node=node)
