"""Production is stopped in order, and stays stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import ContainerMissingError, LockedError
from kharness.host.locks import lock
from kharness.ops.release.stopping import down
from kharness.plan.facts import ImageFacts
from tests.ops.releases import SETTINGS, Production

Running = tuple[Production, ImageFacts]


def test_it_is_stopped_and_a_second_time_nothing_is_done(running: Running) -> None:
    web, _ = running
    harness = web.world.harness()
    assert down(harness, "web", dry_run=True).was_up
    assert web.changes() == ()
    first = down(harness, "web")
    assert (first.was_up, first.state, first.notes) == (True, "exited with 143", ())
    second = down(harness, "web")
    assert (second.was_up, second.state) == (False, "exited with 143")
    assert [change.split()[0] for change in web.changes()] == ["stop"]


def test_broken_settings_keep_nothing_from_being_stopped(running: Running) -> None:
    web, _ = running
    web.world.add("web", "[broken")
    assert down(web.world.harness(), "web").was_up
    assert not web.engine.running


def test_what_is_worth_knowing_of_a_stop_is_told(tmp_path: Path) -> None:
    web = Production(tmp_path, f"{SETTINGS}    init: false\n".replace("on-failure:5", "always"))
    assert web.launch(web.image("1")).kind == "launched"
    assert down(web.world.harness(), "web").notes == (
        "it did not stop within its stop_grace_period, and was killed",
        "'restart: always' starts it again with the engine; 'unless-stopped' would not",
    )


def test_a_release_under_way_is_not_disturbed(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kharness.ops.release.stopping.LOCK_TIMEOUT", 0.0)
    web, _ = running
    harness = web.world.harness()
    with lock(harness.locks, "release-web", timeout=0), pytest.raises(LockedError, match="release-web is locked by"):
        down(harness, "web")
    assert web.engine.running == {"web"}


def test_where_nothing_is_there_nothing_can_be_stopped(web: Production) -> None:
    with pytest.raises(ContainerMissingError, match="there is no container of it"):
        down(web.world.harness(), "web")
