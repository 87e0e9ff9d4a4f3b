"""What a launch finds: production that needs no change, and what a killed launch left."""

from __future__ import annotations

import pytest

from kharness.errors import ConflictError
from kharness.ops.release.relaunch import relaunch
from kharness.ops.release.release import launch
from kharness.plan.facts import ExecResult, ImageFacts
from kharness.plan.launch.runspec import RunSpec
from kharness.testing.recording import Call
from tests.ops.release.test_recover import left_in_the_middle
from tests.ops.releases import EVIDENCE, SETTINGS, Production, exits, ledger


def test_unchanged_production_is_verified_and_not_replaced(running: tuple[Production, ImageFacts]) -> None:
    web, old = running
    asked = []

    def verify() -> tuple[str, ...]:
        asked.append("verify")
        return ()

    before = web.snapshot()
    done = web.launch(old, verify=verify)
    assert (done.kind, done.ok, asked) == ("unchanged", True, ["verify"])
    assert web.changes() == ()
    assert web.snapshot() == before
    assert ledger(web)[-1][:2] == ("launch", old.id)


def test_unchanged_production_that_fails_is_told_and_left_running(running: tuple[Production, ImageFacts]) -> None:
    web, old = running
    before = web.snapshot()
    done = web.launch(old, verify=lambda: ("it is broken",))
    assert (done.kind, done.ok, done.reasons) == ("failing", False, ("it is broken",))
    assert web.snapshot() == before
    assert web.changes() == ()


def test_unchanged_production_that_is_not_ready_fails_without_any_test(
    running: tuple[Production, ImageFacts],
) -> None:
    web, old = running
    web.engine.script = lambda _, argv: ExecResult(0, "", "") if argv == ("cat", "/proc/net/tcp") else None
    done = web.launch(old)
    assert done.kind == "failing"
    assert "nothing listens" in done.reasons[0]


def test_tags_that_moved_for_production_that_then_fails_move_back(running: tuple[Production, ImageFacts]) -> None:
    web, old = running
    web.engine.tag("built/web:1", "ktools/web:live")
    before = web.snapshot()
    assert web.launch(old, verify=lambda: ("it is broken",)).kind == "failing"
    assert web.snapshot() == before


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS.replace("8080:80", "8081:80"),
        f"{SETTINGS}    environment: {{A: b}}\n",
        f"{SETTINGS}    labels: {{a: b}}\n",
        SETTINGS.replace("on-failure:5", "always"),
    ],
)
def test_production_is_replaced_when_its_settings_changed(
    running: tuple[Production, ImageFacts], settings: str
) -> None:
    web, old = running
    web.world.add("web", settings)
    assert web.launch(old).kind == "launched"
    assert "create web.new" in web.changes()


@pytest.mark.parametrize("change", [("stop", ()), ("set_restart", ("no",))])
def test_production_that_does_not_run_as_it_should_is_replaced(
    running: tuple[Production, ImageFacts], change: tuple[str, tuple[str, ...]]
) -> None:
    web, old = running
    getattr(web.engine, change[0])("web", *change[1])
    assert web.launch(old).kind == "launched"
    assert web.snapshot().containers == {("web", old.id, "running", "on-failure", 5)}


def test_an_old_container_that_cannot_be_removed_is_a_note_and_goes_with_the_next_launch(
    running: tuple[Production, ImageFacts],
) -> None:
    web, old = running
    web.engine.before = lambda call: _refuse(call, "remove web.old")
    done = web.launch(web.image("3"))
    assert done.kind == "launched"
    assert "by hand: docker rm web.old" in done.notes[0]
    assert ("web.old", old.id, "exited", "no", 0) in web.snapshot().containers
    web.heal()
    assert web.launch(web.image("4")).notes == ()
    assert web.engine.running == {"web"}
    assert len(web.engine.boxes) == 1


def _refuse(call: Call, text: str) -> None:
    if str(call) == text:
        raise ConflictError("device or resource busy")


def test_what_a_killed_launch_left_aside_comes_back_when_the_next_one_fails(
    running: tuple[Production, ImageFacts],
) -> None:
    web, _ = running
    before = web.snapshot()
    web.engine.set_restart("web", "no")
    web.engine.stop("web")
    web.engine.rename("web", "web.old")
    assert web.launch(exits(web)).kind == "undone"
    (found,) = web.snapshot().containers
    assert found[:4] == next(iter(before.containers))[:4]
    assert web.launch(web.image("3")).kind == "launched"
    assert len(web.engine.boxes) == 1


def test_a_candidate_that_a_killed_launch_left_is_removed(running: tuple[Production, ImageFacts]) -> None:
    web, _ = running
    new = web.image("3")
    web.engine.create(RunSpec(name="web.new", image=new.id, labels=web.world.production("web", new.id)))
    assert web.launch(new).kind == "launched"
    assert len(web.engine.boxes) == 1


@pytest.mark.parametrize("name", ["web.new", "web.old"])
@pytest.mark.parametrize("labels", [{}, {"kharness.role": "production", "kharness.name": "web.other"}])
def test_a_strangers_container_in_a_place_that_is_needed_is_neither_removed_nor_taken_over(
    running: tuple[Production, ImageFacts], name: str, labels: dict[str, str]
) -> None:
    web, old = running
    web.engine.start(web.engine.create(RunSpec(name=name, image=old.id, labels=labels)))
    before = web.snapshot()
    with pytest.raises(ConflictError, match="is left alone; rename it"):
        web.launch(web.image("3"))
    assert web.snapshot() == before
    assert web.changes()[2:] == ()


def test_another_directorys_production_under_a_shared_name_is_left_alone(
    running: tuple[Production, ImageFacts],
) -> None:
    web, _ = running
    web.world.add("api", "container_name: web\n")
    image = web.engine.put_image("built/api:1", files={"/etc/passwd": b"", "/etc/group": b""})
    before = web.snapshot()
    subject = web.world.subject("api", image)
    with pytest.raises(ConflictError, match="belongs to web, and is left alone"):
        launch(web.world.harness(), subject, EVIDENCE, in_prod_tests=1, verify=lambda: ())
    assert web.snapshot() == before


def test_a_container_name_that_changed_replaces_the_container_of_the_old_name(
    running: tuple[Production, ImageFacts],
) -> None:
    web, _ = running
    web.world.add("web", f"{SETTINGS}    container_name: site\n")
    before = web.snapshot()
    assert web.launch(web.image("3"), verify=lambda: ("it is broken",)).kind == "undone"
    assert web.snapshot() == before
    new = web.image("4")
    assert web.launch(new).kind == "launched"
    assert {box.name for box in web.engine.boxes.values()} == {"site"}
    assert not web.together


def test_a_relaunch_asks_what_is_live_after_what_was_cut_short_is_undone(
    running: tuple[Production, ImageFacts],
) -> None:
    web, old = running
    left_in_the_middle(web, web.image("3"))
    found = relaunch(web.world.harness(), web.world.directory("web"))
    assert found.image_id == old.id
    assert web.snapshot().live == old.id
