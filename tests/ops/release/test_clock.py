"""A clock that jumps: what is waited for goes by another clock, and what is first stays first."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kharness.ops.image.prune import prune
from kharness.ops.release.recover import recover
from kharness.ops.release.rollback import earlier, roll_back
from kharness.plan.facts import ImageFacts
from tests.ops.release.test_recover import left_in_the_middle
from tests.ops.releases import Production, ledger

DAY = 86_400.0


@pytest.fixture(params=[-DAY, DAY], ids=["back", "ahead"])
def jumping(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the clock jump by a day each time that somebody looks."""
    now = [time.time()]

    def jump() -> float:
        now[0] += request.param
        return now[0]

    monkeypatch.setattr("time.time", jump)
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("jumping")
def test_releases_roll_backs_recoveries_and_prunings_go_by_their_order(running: tuple[Production, ImageFacts]) -> None:
    web, old = running
    new = web.image("3")
    assert web.launch(new).kind == "launched"
    assert earlier(web.world.harness(), "web")[0].image == old.id
    left_in_the_middle(web, web.image("4"))
    assert len(recover(web.world.harness())) == 1
    assert web.snapshot().live == new.id
    tuple(prune(web.world.harness(), keep=1))
    assert web.engine.image(old.id) is not None
    done = roll_back(web.world.harness(), web.world.directory("web"), verify=lambda: ())
    assert (done.kind, done.image) == ("launched", old.id)
    assert [row[0] for row in ledger(web)][-4:] == ["promote", "launch", "undone", "rollback"]
    assert web.engine.running == {"web"}
