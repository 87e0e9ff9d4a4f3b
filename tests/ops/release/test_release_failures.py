"""Every call of a launch fails once: production is what it was, or the error says what to do, and doing that helps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.errors import EngineError, EngineUnavailableError, KharnessError
from kharness.ops.release.recover import recover
from kharness.ops.release.release import promote
from kharness.plan.facts import ImageFacts
from kharness.plan.release.operation import Released
from tests.ops.releases import EVIDENCE, Production, do_by_hand

LOST = EngineUnavailableError("the engine is gone")
WHEN = ("before", "after")


class Attempts:
    """The same launch over and over, each in a world of its own; `old` is whether something runs before it."""

    def __init__(self, path: Path, *, old: bool) -> None:
        self._path = path
        self._old = old
        self._count = 0

    def prepared(self) -> tuple[Production, ImageFacts, ImageFacts]:
        """Return production, an image that is fit and one that is not."""
        self._count += 1
        web = Production(self._path / str(self._count))
        if self._old:
            web.launch(web.image("1"))
            web.launch(web.image("2"))
        good, bad = web.image("good"), web.image("bad", labels={"fake.exit": "3"})
        web.forget()
        return web, good, bad

    def calls(self, *, fit: bool) -> int:
        """Return how many calls of the engine a launch makes."""
        web, good, bad = self.prepared()
        kind = web.launch(good if fit else bad).kind
        assert kind == ("launched" if fit else "undone")
        return len(web.engine.calls)


@pytest.fixture(params=[True, False], ids=["replacing", "first"])
def attempts(tmp_path: Path, request: pytest.FixtureRequest) -> Attempts:
    return Attempts(tmp_path, old=request.param)


def outcome(web: Production, image: ImageFacts) -> Released | KharnessError:
    try:
        return web.launch(image)
    except KharnessError as error:
        return error


def told(found: Released | KharnessError) -> str:
    return "\n".join((*found.reasons, *found.notes)) if isinstance(found, Released) else str(found)


def places(calls: int) -> Iterator[tuple[int, str]]:
    return ((number, when) for number in range(calls) for when in WHEN)


def test_a_call_that_fails_once_leaves_production_as_it_was_or_launched(attempts: Attempts) -> None:
    kinds = set()
    for number, when in places(attempts.calls(fit=True)):
        web, good, _ = attempts.prepared()
        before = web.snapshot()
        failed = web.fail(EngineError("flaky"), number=number, when=when)
        found = outcome(web, good)
        web.heal()
        here = f"{when} {failed}: {told(found)}"
        kinds.add(found.kind if isinstance(found, Released) else "raised")
        assert len(failed) == 1, here
        if isinstance(found, Released) and found.kind == "launched":
            # Only what comes after the verification may fail and be no more than a note.
            assert "web" in web.engine.running, here
            assert web.snapshot().live == good.id, here
        else:
            assert web.snapshot() == before, here
            assert "flaky" in here
        assert not web.together, here
    assert {"raised", "undone"} <= kinds


def test_an_interrupt_at_any_call_leaves_production_as_it_was_or_launched(attempts: Attempts) -> None:
    for number, when in places(attempts.calls(fit=True)):
        web, good, _ = attempts.prepared()
        before = web.snapshot()
        failed = web.fail(KeyboardInterrupt(), number=number, when=when)
        with pytest.raises(KeyboardInterrupt):
            web.launch(good)
        web.heal()
        if (released := web.world.harness().state.releases("web", 1)) and released[0].image_id == good.id:
            # It was decided by then.
            assert web.snapshot().live == good.id
            recover(web.world.harness())
            assert len(web.engine.boxes) == 1
        else:
            assert web.snapshot() == before, f"{when} {failed}"
        assert not web.together, f"{when} {failed}"


def test_a_step_back_that_fails_stops_no_other_step_and_is_told_with_what_to_do(attempts: Attempts) -> None:
    broken = 0
    for number, when in places(attempts.calls(fit=False)):
        web, _, bad = attempts.prepared()
        before = web.snapshot()
        failed = web.fail(EngineError("flaky"), number=number, when=when)
        found = outcome(web, bad)
        web.heal()
        here = f"{when} {failed}: {told(found)}"
        assert not web.together, here
        if web.snapshot() != before:
            assert isinstance(found, Released), here
            assert found.kind == "broken", here
            broken += 1
        do_by_hand(web.engine, told(found))
        assert web.snapshot() == before, here
    assert broken


def test_an_engine_that_goes_and_stays_away_leaves_a_text_by_which_a_person_gets_production_back(
    attempts: Attempts,
) -> None:
    by_hand = 0
    for fit in (True, False):
        for number, when in places(attempts.calls(fit=fit)):
            web, good, bad = attempts.prepared()
            before = web.snapshot()
            failed = web.fail(LOST, number=number, when=when, onwards=True)
            found = outcome(web, good if fit else bad)
            web.heal()
            here = f"{when} {failed[0]}: {told(found)}"
            assert not web.together, here
            if isinstance(found, Released) and found.kind == "launched":
                do_by_hand(web.engine, told(found))
                assert len(web.engine.boxes) == 1, here
                continue
            by_hand += do_by_hand(web.engine, told(found))
            assert web.snapshot() == before, here
    assert by_hand


def test_a_second_interrupt_does_not_keep_the_other_steps_from_being_taken(attempts: Attempts) -> None:
    for number, when in places(attempts.calls(fit=False)):
        web, _, bad = attempts.prepared()
        before = web.snapshot()
        failed = web.fail(KeyboardInterrupt(), number=number, when=when)
        with pytest.raises(KeyboardInterrupt):
            web.launch(bad)
        web.heal()
        assert not web.together
        # What the second one kept from being done, the next command does.
        recover(web.world.harness())
        assert web.snapshot() == before, failed
        assert not web.together


def test_an_interrupt_of_the_verification_undoes_the_launch_and_is_no_verdict(attempts: Attempts) -> None:
    web, good, _ = attempts.prepared()
    before, rows = web.snapshot(), web.world.harness().state.releases("web")

    def verify() -> tuple[str, ...]:
        assert "web" in web.engine.running
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        web.launch(good, verify=verify)
    assert web.snapshot() == before
    assert web.world.harness().state.releases("web") == rows
    assert not web.together


def test_an_interrupted_launch_that_cannot_be_undone_tells_what_to_do(attempts: Attempts) -> None:
    web, good, _ = attempts.prepared()
    before = web.snapshot()

    def verify() -> tuple[str, ...]:
        web.fail(LOST, number=0, when="before", onwards=True)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        web.launch(good, verify=verify)
    web.heal()
    notes = "\n".join(caught.value.__notes__)
    assert all(note in "\n".join(web.world.told) for note in caught.value.__notes__)
    do_by_hand(web.engine, notes)
    assert web.snapshot() == before


def test_an_error_of_whoever_verifies_undoes_the_launch(attempts: Attempts) -> None:
    web, good, _ = attempts.prepared()
    before = web.snapshot()

    def verify() -> tuple[str, ...]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        web.launch(good, verify=verify)
    assert web.snapshot() == before


def test_a_promotion_of_which_a_call_fails_moves_no_tag(attempts: Attempts) -> None:
    web, good, _ = attempts.prepared()
    promote(web.world.harness(), "web", good.id, EVIDENCE)
    for number, when in places(len(web.engine.calls)):
        web, good, _ = attempts.prepared()
        before = web.snapshot()
        failed = web.fail(EngineError("flaky"), number=number, when=when)
        found: Released | KharnessError
        try:
            found = promote(web.world.harness(), "web", good.id, EVIDENCE)
        except KharnessError as error:
            found = error
        web.heal()
        assert "flaky" in told(found)
        if isinstance(found, Released):
            assert "has no name that keeps it for a roll-back" in told(found)
            assert ":release-" in failed[0] or failed[0].startswith("image ")
        else:
            assert web.snapshot() == before


def test_a_new_container_that_can_neither_be_removed_nor_stopped_keeps_the_old_one_from_starting_beside_it(
    running: tuple[Production, ImageFacts],
) -> None:
    web, _ = running
    before = web.snapshot()

    def verify() -> tuple[str, ...]:
        web.engine.fail_on.update(remove=EngineError("busy"), stop=EngineError("busy"))
        return ("it is broken",)

    done = web.launch(web.image("3"), verify=verify)
    assert done.kind == "broken"
    assert web.engine.running == {"web"}
    assert not web.together
    assert "because the new one, web, still runs; by hand: docker start" in done.reasons[-1]
    web.engine.fail_on.clear()
    do_by_hand(web.engine, "\n".join(done.reasons))
    assert web.snapshot() == before
