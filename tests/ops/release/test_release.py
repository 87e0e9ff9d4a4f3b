"""Promotion and launch, step by step, on an engine in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kharness.errors import ConflictError, HostError, StateError, UsageError
from kharness.host.locks import lock
from kharness.host.state.state import State
from kharness.ops.release.recover import recover
from kharness.ops.release.release import promote
from kharness.plan.facts import ExecResult, ImageFacts
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.release.operation import Provenance
from kharness.testing.recording import Call
from tests.ops.releases import (
    EVIDENCE,
    HEALTH,
    SETTINGS,
    Production,
    does_not_start,
    exits,
    is_unhealthy,
    ledger,
    listens_nowhere,
)


def test_a_first_launch_makes_an_image_live_and_starts_it_under_its_name(web: Production) -> None:
    image = web.image("1")
    done = web.launch(image)
    assert (done.kind, done.ok, done.image, done.previous) == ("launched", True, image.id, None)
    assert web.changes() == (
        f"tag {image.id} ktools/web:live",
        "create web.new",
        "rename web.new web",
        "start web",
        f"tag {image.id} ktools/web:release-N",
    )
    assert web.snapshot().containers == {("web", image.id, "running", "on-failure", 5)}
    assert ledger(web) == [("promote", image.id, None, ""), ("launch", image.id, None, "")]


def test_a_launch_creates_before_it_stops_and_removes_only_after_verification(
    running: tuple[Production, ImageFacts],
) -> None:
    web, old = running
    new = web.image("3")
    during: list[tuple[str, ...]] = []

    def verify() -> tuple[str, ...]:
        during.append(web.changes())
        return ()

    assert web.launch(new, verify=verify).kind == "launched"
    assert during == [
        (
            f"tag {old.id} ktools/web:prev",
            f"tag {new.id} ktools/web:live",
            "create web.new",
            "set_restart web no",
            "stop web",
            "rename web web.old",
            "rename web.new web",
            "start web",
        )
    ]
    assert web.changes() == (*during[0], f"tag {new.id} ktools/web:release-N", "remove web.old")
    assert web.snapshot().containers == {("web", new.id, "running", "on-failure", 5)}
    assert (web.snapshot().live, web.snapshot().prev) == (new.id, old.id)
    assert not web.together


def test_the_ledger_tells_who_released_what_on_which_evidence(running: tuple[Production, ImageFacts]) -> None:
    web, _ = running
    row = web.world.harness().state.releases("web")[0]
    assert (row.kind, row.session, row.tests, row.digest, row.commit) == ("launch", "s1", 3, "d1", "c1")
    assert row.who
    assert row.at > 0


@pytest.mark.parametrize("reasons", [("test_x failed in production",), ("one", "two")])
def test_what_the_tests_in_production_say_undoes_the_launch(
    running: tuple[Production, ImageFacts], reasons: tuple[str, ...]
) -> None:
    web, old = running
    before, new = web.snapshot(), web.image("3")
    done = web.launch(new, verify=lambda: reasons)
    assert (done.kind, done.ok, done.reasons, done.previous) == ("undone", False, reasons, old.id)
    assert web.snapshot() == before
    assert ledger(web)[-1] == ("undone", new.id, old.id, "\n".join(reasons))
    assert not web.together


BAD = [
    (exits, "no database"),
    (does_not_start, "exec: no such file"),
    (is_unhealthy, "not healthy"),
    (listens_nowhere, "nothing listens on 80/tcp"),
]


@pytest.mark.parametrize(("bad", "said"), BAD)
def test_a_container_that_is_not_fit_is_replaced_by_the_old_one_and_the_reason_is_told(
    running: tuple[Production, ImageFacts], bad: Callable[[Production], ImageFacts], said: str
) -> None:
    web, _ = running
    before = web.snapshot()
    done = web.launch(bad(web))
    assert done.kind == "undone"
    assert said in "\n".join(done.reasons)
    assert web.snapshot() == before
    assert not web.together


@pytest.mark.parametrize(("bad", "said"), BAD)
def test_a_first_launch_that_fails_leaves_neither_a_container_nor_a_live_image(
    web: Production, bad: Callable[[Production], ImageFacts], said: str
) -> None:
    before = web.snapshot()
    done = web.launch(bad(web))
    assert (done.kind, done.previous) == ("undone", None)
    assert said in "\n".join(done.reasons)
    assert web.snapshot() == before
    assert (before.live, before.prev, before.containers) == (None, None, frozenset())
    assert not web.engine.boxes


def test_a_container_of_that_name_that_is_not_ours_is_refused_untouched(web: Production) -> None:
    image = web.image("1")
    web.engine.start(web.engine.create(RunSpec(name="web", image=image.id, restart="always")))
    before = web.snapshot()
    web.forget()
    with pytest.raises(ConflictError, match="was not made by kharness, and is left alone"):
        web.launch(image)
    assert web.snapshot() == before
    assert web.changes() == ()
    assert ledger(web) == []


def test_a_stopped_old_container_stays_stopped_when_its_successor_fails(
    running: tuple[Production, ImageFacts],
) -> None:
    web, _ = running
    web.engine.stop("web")
    before = web.snapshot()
    assert web.launch(exits(web)).kind == "undone"
    assert web.snapshot() == before


def test_an_old_container_that_keeps_crashing_is_started_again_all_the_same(
    running: tuple[Production, ImageFacts],
) -> None:
    web, old = running
    web.engine.crash("web")
    assert web.launch(exits(web)).kind == "undone"
    assert web.snapshot().containers == {("web", old.id, "running", "on-failure", 5)}


def crashes(web: Production) -> None:
    web.engine.crash("web")


def restarts(web: Production) -> None:
    web.engine.crash("web")
    web.engine.start("web")


def vanishes(web: Production) -> None:
    web.engine.remove("web", force=True)


WATCHED = SETTINGS.replace("verify_for: 0s", "verify_for: 10s")


@pytest.mark.parametrize(
    ("happens", "said"),
    [(crashes, "did not keep running"), (restarts, "did not keep running"), (vanishes, "vanished")],
)
def test_what_does_not_keep_running_for_verify_for_is_undone(
    tmp_path: Path, happens: Callable[[Production], None], said: str
) -> None:
    web = Production(tmp_path / "web", WATCHED)
    looks = []

    def later(call: Call) -> None:
        # The third look after the tests: those before saw nothing wrong.
        looks.append(call)
        if call.name == "container" and len(looks) == 3:
            web.engine.before = lambda _: None
            happens(web)

    def verify() -> tuple[str, ...]:
        web.engine.before = later
        return ()

    done = web.launch(web.image("1"), verify=verify)
    assert done.kind == "undone"
    assert said in done.reasons[0]
    assert not web.engine.boxes


def test_what_becomes_unhealthy_in_verify_for_is_undone(tmp_path: Path) -> None:
    web = Production(tmp_path / "web", WATCHED)
    # The command says yes when kharness asks, the engine's own checks say no.
    web.engine.script = lambda _, argv: ExecResult(0, "", "") if argv == ("healthy",) else None
    done = web.launch(is_unhealthy(web))
    assert "became unhealthy in production" in done.reasons[0]
    assert not web.engine.boxes


def test_with_verify_none_neither_tests_nor_time_are_asked_for(tmp_path: Path) -> None:
    web = Production(tmp_path / "web", WATCHED.replace("{verify_for", "{verify: none, verify_for"))
    assert web.launch(web.image("1"), tests=0).kind == "launched"


def test_without_evidence_nothing_is_touched(running: tuple[Production, ImageFacts]) -> None:
    web, _ = running
    done = web.launch(web.image("3"), tests=0)
    assert (done.kind, done.ok) == ("refused", False)
    assert "release: {verify: none}" in done.reasons[0]
    assert web.changes() == ()


def test_a_health_check_is_evidence(web: Production) -> None:
    assert web.launch(web.image("1", health=HEALTH), tests=0).kind == "launched"


def test_new_directories_of_a_launch_that_fails_before_it_gives_them_away_are_removed(
    tmp_path: Path,
) -> None:
    web = Production(tmp_path / "web")
    web.engine.fail_on["create"] = ConflictError("no")
    assert web.launch(web.image("1")).kind == "undone"
    assert not (web.world.volume_root / "web" / "data").exists()
    del web.engine.fail_on["create"]
    assert web.launch(web.image("2")).kind == "launched"
    assert (web.world.volume_root / "web" / "data").is_dir()


def break_state(web: Production) -> None:
    database = web.world.path / "state" / "state.db"
    database.unlink()
    database.mkdir()


def test_without_a_journal_nothing_is_begun(running: tuple[Production, ImageFacts]) -> None:
    web, _ = running
    before = web.snapshot()
    break_state(web)
    with pytest.raises(StateError, match="cannot be opened"):
        web.launch(web.image("3"))
    assert web.snapshot() == before
    assert web.changes() == ()


def test_a_launch_that_cannot_be_decided_on_record_is_undone(running: tuple[Production, ImageFacts]) -> None:
    web, _ = running
    before = web.snapshot()

    def verify() -> tuple[str, ...]:
        break_state(web)
        return ()

    done = web.launch(web.image("3"), verify=verify)
    assert done.kind == "undone"
    assert "cannot be opened" in done.reasons[0]
    assert web.snapshot() == before


def test_a_journal_that_cannot_be_closed_is_closed_by_the_next_command(
    running: tuple[Production, ImageFacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    web, _ = running

    def full(*_: object) -> None:
        raise StateError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(State, "end", full)
        done = web.launch(web.image("3"))
    assert (done.kind, done.notes) == ("launched", ())
    rows = ledger(web)
    assert [row[0] for row in rows[-2:]] == ["promote", "launch"]
    (recovered,) = recover(web.world.harness())
    assert recovered.kept
    assert ledger(web) == rows
    assert web.world.harness().state.operations() == ()


def test_a_release_that_somebody_else_works_on_is_refused(running: tuple[Production, ImageFacts]) -> None:
    web, _ = running
    with lock(web.world.harness().locks, "release-web", timeout=0), pytest.raises(HostError, match="is locked by pid"):
        web.launch(web.image("3"))
    assert web.changes() == ()


def test_a_promotion_keeps_the_old_image_and_is_recorded(web: Production) -> None:
    harness = web.world.harness()
    one, two = web.image("1"), web.image("2")
    assert promote(harness, "web", one.id, EVIDENCE).previous is None
    done = promote(harness, "web", two.id, EVIDENCE)
    assert (done.kind, done.previous) == ("promoted", one.id)
    assert (web.snapshot().live, web.snapshot().prev) == (two.id, one.id)
    assert promote(harness, "web", two.id, EVIDENCE).kind == "unchanged"
    assert [row[0] for row in ledger(web)] == ["promote", "promote"]
    assert not web.engine.boxes


def test_an_untested_promotion_is_recorded_as_such(web: Production) -> None:
    promote(web.world.harness(), "web", web.image("1").id, Provenance(session="", tests=0, untested=True))
    assert [row[0] for row in ledger(web)] == ["untested"]


def test_an_image_that_is_gone_cannot_be_promoted(web: Production) -> None:
    with pytest.raises(UsageError, match="the tested image sha256:gone is gone"):
        promote(web.world.harness(), "web", "sha256:gone", EVIDENCE)
