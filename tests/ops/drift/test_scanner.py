"""The proof that a scanner sees changes: it must find its own token."""

from __future__ import annotations

import pytest

from kharness.errors import EngineError, HostError
from kharness.ops.drift.scan import drift_of
from kharness.plan import labels
from kharness.testing import FakeEngine
from tests.ops.drift.scanned import TODAY, launched, scanned
from tests.ops.world import World


def test_the_token_is_in_a_container_that_never_starts_and_is_removed(world: World) -> None:
    launched(world, "web")
    assert scanned(world)["web"].ok
    [token] = [call for call in world.engine.calls if call.name == "create" and "token" in str(call)]
    spec = token.args[0]
    assert (spec.labels[labels.ROLE], spec.labels["traefik.enable"]) == (labels.ROLE_TEST, "")
    assert not [call for call in world.engine.called("start") if "token" in call]
    assert [call for call in world.engine.called("write_file") if "token" not in call] == []
    assert {box.name for box in world.engine.boxes.values()} == {"web"}


@pytest.mark.parametrize("how", ["blind", "no image", "refused"])
def test_a_scan_that_does_not_find_its_token_has_no_result(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    found = launched(world, "web")
    if how == "blind":
        monkeypatch.setattr(FakeEngine, "diff", lambda _self, _container: ())
    elif how == "no image":
        monkeypatch.setattr(FakeEngine, "image", lambda _self, _ref: None)
        monkeypatch.setattr(FakeEngine, "images", lambda _self: ())
    else:
        world.engine.fail_on["create"] = EngineError("no")
    web = scanned(world)["web"]
    assert not web.ok
    assert web.problem.startswith("could not be scanned: ")
    assert {box.name for box in world.engine.boxes.values()} == {"web"}
    world.add("web")
    settings = world.harness().settings(world.directory("web"))
    with pytest.raises(HostError, match="web: could not be scanned: "):
        drift_of(world.harness(), "web", settings, found, today=TODAY)
