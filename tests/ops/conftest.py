from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.host.session.overlay import unmount_overlays
from kharness.plan.facts import ImageFacts
from tests.ops.releases import Production
from tests.ops.site import Site
from tests.ops.vault import Vault
from tests.ops.world import World


@pytest.fixture(autouse=True)
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine in memory has nothing in flight, and its containers do not become healthy by waiting."""
    if "engine" not in request.fixturenames:
        monkeypatch.setattr("kharness.ops.session.readiness.AGAIN", 0.0)
        monkeypatch.setattr("kharness.ops.host.ports.is_free", lambda *_: True)
        monkeypatch.setattr("kharness.ops.release.transaction.IN_FLIGHT", 0.0)


@dataclass
class FakeFirewall:
    """This host's rules and bridges, in memory: what these tests make has no bridge that a rule could be about."""

    bridges: set[str] = field(default_factory=set)
    guarded: dict[str, str] = field(default_factory=dict)
    allowed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reason: str | None = None
    """Why no rule can be set."""

    def guard(self, bridge: str, *, comment: str) -> str | None:
        if self.reason is None:
            self.guarded[bridge] = comment
        return self.reason

    def allow(self, bridge: str, destinations: Sequence[str], *, comment: str) -> str | None:
        if self.reason is None:
            self.allowed[bridge] = tuple(destinations)
            self.guarded.setdefault(bridge, comment)
        return self.reason

    def unguard(self, bridge: str) -> None:
        self.guarded.pop(bridge, None)
        self.allowed.pop(bridge, None)

    def exists(self, bridge: str) -> bool:
        return bridge in self.bridges


@pytest.fixture(autouse=True)
def firewall(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> FakeFirewall:
    """Keep tests on the engine in memory away from this host's firewall."""
    fake = FakeFirewall()
    if "engine" not in request.fixturenames:
        monkeypatch.setattr("kharness.ops.session.networks.guard_bridge", fake.guard)
        monkeypatch.setattr("kharness.ops.session.networks.allow_egress", fake.allow)
        monkeypatch.setattr("kharness.ops.session.networks.unguard", fake.unguard)
        monkeypatch.setattr("kharness.ops.session.reap.guarded_bridges", lambda: tuple(sorted(fake.guarded)))
        monkeypatch.setattr("kharness.ops.session.reap.bridge_exists", fake.exists)
        monkeypatch.setattr("kharness.ops.session.reap.unguard", fake.unguard)
    return fake


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield World.create(tmp_path / "world")
    # A test that fails may leave what would be in the way of whoever removes old directories.
    unmount_overlays(tmp_path)


@pytest.fixture
def image(world: World) -> ImageFacts:
    return world.engine.put_image("web:1", files={"/etc/passwd": b"web:x:7:8::/:/bin/sh\n", "/etc/group": b""})


@pytest.fixture
def web(tmp_path: Path) -> Production:
    """Production of `web` that nobody has launched yet."""
    return Production(tmp_path / "web")


@pytest.fixture
def running(web: Production) -> tuple[Production, ImageFacts]:
    """Production that runs its second version, so that both tags name something."""
    old = web.image("2")
    assert web.launch(web.image("1")).kind == "launched"
    assert web.launch(old).kind == "launched"
    web.forget()
    return web, old


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """Production of `web` with secrets that nobody has launched yet."""
    return Vault.create(tmp_path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, engine: Engine, busybox: str) -> Iterator[Site]:
    """A host of their own for the tests of a module."""
    prefix = f"kharness-test-{secrets.token_hex(4)}"
    found = Site(tmp_path_factory.mktemp("site"), engine, busybox, prefix, place=secrets.randbelow(256))
    yield found
    found.remove()
