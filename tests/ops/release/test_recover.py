"""A release that is killed at any moment: the next command finishes it, or lets everything be what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import EngineError
from kharness.host.locks import lock
from kharness.host.state.state import State
from kharness.ops.release.recover import recover, settle
from kharness.ops.release.release import promote
from kharness.plan.facts import ImageFacts
from kharness.plan.release.carry import anonymous_volumes
from kharness.plan.release.operation import Operation, Phase
from kharness.testing.recording import Call
from tests.ops.releases import EVIDENCE, READING, SETTINGS, Production, ledger


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, not even what puts things back."""


class Death:
    """Kills a release before or after its change number so-and-so, of the engine or of the state database.

    Afterwards every further change fails as well, as for a process that is not there any more.
    """

    def __init__(self, web: Production, monkeypatch: pytest.MonkeyPatch, *, number: int, when: str) -> None:
        self.at = ""
        self._web, self._number, self._when = web, number, when
        self._seen = 0
        web.engine.before = lambda call: self._strike(call, "before")
        web.engine.after = self._after
        for name in ("begin", "decide", "end"):
            self._wrap(monkeypatch, name)

    def over(self) -> None:
        """Let another process begin."""
        self._number = 1_000_000
        self.at = self.at or "never"
        self._web.heal()

    @property
    def struck(self) -> bool:
        return self.at not in {"", "never"}

    def _after(self, call: Call) -> None:
        self._web._watch(call)
        self._strike(call, "after")

    def _strike(self, call: Call | str, when: str) -> None:
        name = call if isinstance(call, str) else call.name
        if name in READING and not self.struck:
            return
        if when == "before":
            self._seen += 1
        if self._seen > self._number + 1 or (self._seen == self._number + 1 and (when == self._when or self.struck)):
            self.at = self.at or f"{when} {call}"
            raise Killed

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        real: Callable[..., object] = getattr(State, name)

        def wrapped(*args: object, **more: object) -> object:
            if self.at == "never":
                return real(*args, **more)
            self._strike(name, "before")
            done = real(*args, **more)
            self._strike(name, "after")
            return done

        monkeypatch.setattr(State, name, wrapped)


@pytest.fixture(params=[True, False], ids=["replacing", "first"])
def old(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def worlds(tmp_path: Path, *, old: bool) -> Iterator[tuple[Production, ImageFacts]]:
    number = 0
    while True:
        number += 1
        web = Production(tmp_path / str(number), SETTINGS.replace("/data]", "/data, /kept]"))
        if old:
            web.launch(web.image("1"))
            web.launch(web.image("2"))
        yield web, web.image("new")


def deaths(tmp_path: Path, *, old: bool) -> Iterator[tuple[Production, ImageFacts, Death]]:
    """Yield a world for every place at which a launch can be killed, found by killing until none is left."""
    fresh = worlds(tmp_path, old=old)
    for when in ("before", "after"):
        for number in range(1000):
            web, new = next(fresh)
            with pytest.MonkeyPatch.context() as monkeypatch:
                death = Death(web, monkeypatch, number=number, when=when)
                yield web, new, death
            if not death.struck:
                break


def kept_volumes(web: Production) -> dict[str, str]:
    """Return the anonymous volumes of what has production's name."""
    found = web.engine.container("web")
    return anonymous_volumes(found.mounts) if found else {}


def test_a_launch_that_is_killed_anywhere_is_undone_or_completed_later(tmp_path: Path, *, old: bool) -> None:
    places = set()
    for web, new, death in deaths(tmp_path, old=old):
        before = web.snapshot()
        rows, kept = ledger(web), kept_volumes(web)
        try:
            web.launch(new)
        except Killed:
            places.add(death.at)
        death.over()
        recover(web.world.harness())
        after = web.snapshot()
        if after == before:
            assert ledger(web) == rows or ledger(web)[-1][0] == "undone", death.at
        else:
            assert after.live == new.id, death.at
            assert web.engine.running == {"web"}, death.at
            assert len(web.engine.boxes) == 1, death.at
            assert [row[0] for row in ledger(web)[len(rows) :]] == ["promote", "launch"], death.at
        assert not web.together, death.at
        assert not web.world.harness().state.operations(), death.at
        assert not old or kept_volumes(web) == kept, death.at
        assert {*kept.values()} <= web.engine.vols.keys(), death.at
    changes = ["begin", "create web.new", "tag", "rename web.new web", "start web", "decide", "end"]
    changes += ["set_restart web no", "stop web", "rename web web.old", "remove web.old"] if old else []
    for when in ("before", "after"):
        assert all(any(place.startswith(f"{when} {change}") for place in places) for change in changes), places


def test_a_recovery_that_is_killed_anywhere_is_taken_up_by_the_next_one(tmp_path: Path) -> None:
    """Kill a launch while the new one is verified, and then the recovery, at every place."""
    for number in range(1000):
        web = Production(tmp_path / str(number))
        web.launch(web.image("1"))
        before = web.snapshot()
        with pytest.MonkeyPatch.context() as monkeypatch:
            first = Death(web, monkeypatch, number=1_000, when="before")

            def verify(death: Death = first) -> tuple[str, ...]:
                death._number = -1
                raise Killed

            with pytest.raises(Killed):
                web.launch(web.image("new"), verify=verify)
            first.over()
        with pytest.MonkeyPatch.context() as monkeypatch:
            second = Death(web, monkeypatch, number=number, when="before")
            with suppress(Killed):
                recover(web.world.harness())
            second.over()
        recover(web.world.harness())
        assert web.snapshot() == before, second.at
        assert not web.together, second.at
        if not second.struck:
            assert number > 5
            return


def left_in_the_middle(web: Production, new: ImageFacts) -> None:
    """Begin a launch and leave it, as it stands when the new container is verified."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        death = Death(web, monkeypatch, number=1_000, when="before")

        def verify() -> tuple[str, ...]:
            death._number = -1
            raise Killed

        with pytest.raises(Killed):
            web.launch(new, verify=verify)
        death.over()


def test_the_next_launch_of_the_same_container_recovers_first(running: tuple[Production, ImageFacts]) -> None:
    web, old = running
    left_in_the_middle(web, web.image("3"))
    assert web.snapshot().live != old.id
    done = web.launch(web.image("4"))
    assert (done.kind, done.previous) == ("launched", old.id)
    assert [row[0] for row in ledger(web)][-3:] == ["undone", "promote", "launch"]
    assert len(web.engine.boxes) == 1


def test_what_somebody_works_on_is_not_recovered(running: tuple[Production, ImageFacts]) -> None:
    web, _ = running
    left_in_the_middle(web, web.image("3"))
    during = web.snapshot()
    with lock(web.world.harness().locks, "release-web", timeout=0):
        assert recover(web.world.harness()) == ()
    assert any("web: a release is under way: release-web is locked by pid" in text for text in web.world.told)
    assert web.snapshot() == during
    assert len(recover(web.world.harness())) == 1


def test_an_old_container_that_somebody_pruned_is_made_again(running: tuple[Production, ImageFacts]) -> None:
    web, old = running
    before = web.snapshot()
    left_in_the_middle(web, web.image("3"))
    web.engine.remove("web.old", force=True)
    (recovered,) = recover(web.world.harness())
    assert recovered.left == ()
    assert web.snapshot() == before
    assert next(iter(web.engine.boxes.values())).image.id == old.id


def test_an_old_container_that_can_neither_come_back_nor_be_made_again_blocks_nothing(
    running: tuple[Production, ImageFacts],
) -> None:
    web, old = running
    left_in_the_middle(web, web.image("3"))
    web.engine.remove("web.old", force=True)
    found = web.engine.image(old.id)
    assert found is not None
    for tag in found.tags:
        web.engine.untag(tag)
    (recovered,) = recover(web.world.harness())
    assert recovered.left == ()
    assert "THE OLD CONTAINER web IS GONE, and so is its image" in "\n".join(web.world.told)
    assert web.launch(web.image("4")).kind == "launched"


def test_an_old_container_that_does_not_start_any_more_is_replaced_by_the_next_release(
    running: tuple[Production, ImageFacts],
) -> None:
    web, _ = running
    left_in_the_middle(web, web.image("3"))
    web.engine.fail_on["start"] = EngineError("port 8080 is in use")
    (recovered,) = recover(web.world.harness())
    assert "port 8080 is in use" in recovered.left[0]
    assert recovered.news
    (again,) = recover(web.world.harness())
    assert not again.news
    assert len(web.world.harness().state.operations()) == 1
    settle(web.world.harness(), "web")
    assert web.world.harness().state.operations() == ()
    assert "port 8080 is in use" in ledger(web)[-1][3]
    del web.engine.fail_on["start"]
    assert web.launch(web.image("4")).kind == "launched"
    assert len(web.engine.boxes) == 1


def test_what_cannot_be_undone_for_another_reason_stands_in_the_way(running: tuple[Production, ImageFacts]) -> None:
    web, _ = running
    left_in_the_middle(web, web.image("3"))
    web.engine.fail_on["remove"] = EngineError("busy")
    with pytest.raises(EngineError, match="an earlier release was cut short and cannot be undone yet"):
        web.launch(web.image("4"))


def test_a_decision_that_an_interrupt_follows_stays_a_decision(
    running: tuple[Production, ImageFacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    web, _ = running
    new = web.image("3")
    real = State.decide

    def decide(*args: Any) -> None:
        real(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(State, "decide", decide)
        with pytest.raises(KeyboardInterrupt):
            web.launch(new)
    recover(web.world.harness())
    assert web.snapshot().live == new.id
    assert [row[0] for row in ledger(web)][-2:] == ["promote", "launch"]
    (found,) = web.snapshot().containers
    assert found[:3] == ("web", new.id, "running")


def test_a_promoted_image_that_somebody_pruned_leaves_the_journal(running: tuple[Production, ImageFacts]) -> None:
    web, _ = running
    new = web.image("3")
    with pytest.MonkeyPatch.context() as monkeypatch:
        death = Death(web, monkeypatch, number=3, when="after")
        with suppress(Killed):
            promote(web.world.harness(), "web", new.id, EVIDENCE)
        death.over()
    assert death.at == "after decide"
    for tag in ("ktools/web:live", "built/web:3"):
        web.engine.untag(tag)
    (recovered,) = recover(web.world.harness())
    assert (recovered.kept, recovered.left) == (True, ())
    assert web.world.harness().state.operations() == ()


def test_a_tag_that_a_person_moved_meanwhile_is_left_alone(running: tuple[Production, ImageFacts]) -> None:
    web, old = running
    left_in_the_middle(web, web.image("3"))
    chosen = web.image("chosen")
    web.engine.tag(chosen.id, "ktools/web:live")
    recover(web.world.harness())
    assert web.snapshot().live == chosen.id
    assert "ktools/web:live was moved meanwhile by something else" in "\n".join(web.world.told)
    assert web.engine.running == {"web"}
    assert next(box for box in web.engine.boxes.values() if box.running).image.id == old.id


def test_a_promotion_that_is_killed_anywhere_moves_both_tags_or_none(tmp_path: Path) -> None:
    for web, new, death in deaths(tmp_path, old=True):
        before = web.snapshot()
        with suppress(Killed):
            promote(web.world.harness(), "web", new.id, EVIDENCE)
        death.over()
        recover(web.world.harness())
        after = web.snapshot()
        assert (after.live, after.prev) in {(before.live, before.prev), (new.id, before.live)}, death.at
        assert not web.world.harness().state.operations()


def test_an_operation_is_in_the_journal_what_it_is(running: tuple[Production, ImageFacts]) -> None:
    web, _ = running
    seen: list[Operation] = []

    def verify() -> tuple[str, ...]:
        (entry,) = web.world.harness().state.operations("web")
        assert entry.phase is Phase.OPEN
        seen.append(entry.operation)
        return ()

    web.launch(web.image("3"), verify=verify)
    (operation,) = seen
    assert Operation.from_json(operation.to_json()) == operation
    assert operation.former is not None
    assert (operation.former.restart, operation.former.retries, operation.former.was_up) == ("on-failure", 5, True)


def test_an_old_container_that_the_engine_may_still_be_stopping_is_stopped_and_started(
    running: tuple[Production, ImageFacts],
) -> None:
    web, _ = running
    before = web.snapshot()
    with pytest.MonkeyPatch.context() as monkeypatch:
        # begin, create, two tags, set_restart: the next change would be the stop.
        death = Death(web, monkeypatch, number=5, when="before")
        with pytest.raises(Killed):
            web.launch(web.image("3"))
        death.over()
    assert death.at == "before stop web"
    web.forget()
    recover(web.world.harness())
    again = [call for call in web.changes() if call.startswith(("stop", "start", "set_restart"))]
    assert again == ["stop web", "start web", "set_restart web on-failure"]
    assert web.snapshot() == before
