"""Which interfaces of this host lead to a container, and why none can be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import EngineError, HostError
from kharness.ops.host.ports import veths
from kharness.plan.facts import ContainerFacts
from tests.ops.world import REMOTE, World

WEB = ContainerFacts(id="1", name="web", image_id="x", state="running", pid=42, addresses={"bridge": "10.0.0.2"})


def test_they_are_in_the_order_of_the_containers_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kharness.ops.host.ports.host_interfaces", lambda _pid: {"eth0": "vethb", "eth1": "vetha"})
    assert veths(world.harness(), WEB) == ("vethb", "vetha")


def test_why_there_is_none_is_told(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match="web: the engine's networks are not on this host"):
        veths(World.create(tmp_path / "far", facts=REMOTE).harness(), WEB)
    alone = ContainerFacts(id="1", name="web", image_id="x", state="running", pid=42)
    with pytest.raises(EngineError, match="web: has no interface of its own; it may be on the host's network"):
        veths(world.harness(), alone)
    monkeypatch.setattr("kharness.ops.host.ports.host_interfaces", lambda _pid: {})
    with pytest.raises(HostError, match="web: none of its interfaces has another end on this host"):
        veths(world.harness(), WEB)
    monkeypatch.undo()
    with pytest.raises(HostError, match="web: its interfaces cannot be seen: /proc/0/root"):
        veths(world.harness(), ContainerFacts(id="1", name="web", image_id="x", addresses={"bridge": "1"}))
