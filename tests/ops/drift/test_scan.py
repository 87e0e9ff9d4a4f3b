"""Which containers are scanned, and how their changes are judged."""

from __future__ import annotations

import pytest

from kharness.errors import UsageError
from kharness.ops.drift.scan import chosen, drift_of, scan
from kharness.plan.facts import Change
from tests.ops.drift.scanned import TODAY, launched, scanned
from tests.ops.world import World


def test_all_running_production_is_scanned_and_nothing_else(world: World) -> None:
    for name in ("web", "db"):
        launched(world, name)
    launched(world, "stopped", running=False)
    launched(world, "foreign", ours=False)
    assert list(scanned(world)) == ["db", "web"]


def test_names_select_any_containers(world: World) -> None:
    for name in ("web", "db"):
        launched(world, name)
    launched(world, "foreign", ours=False)
    assert list(scanned(world, "web", "foreign", "web")) == ["web", "foreign"]


def test_a_unique_prefix_of_a_name_is_enough_on_a_terminal(world: World) -> None:
    for name in ("web", "webmail", "db"):
        launched(world, name)
    harness = world.harness()
    assert [each.name for each in chosen(harness, ["d", "web", "webm"], prefix=True)] == ["db", "web", "webmail"]
    for name, prefix in (("d", False), ("we", True)):
        with pytest.raises(UsageError, match=f"{name}: should be a running container"):
            chosen(harness, [name], prefix=prefix)


@pytest.mark.parametrize(("name", "why"), [("stopped", "is created"), ("never", "is not there")])
def test_a_container_that_does_not_run_is_an_error(world: World, name: str, why: str) -> None:
    launched(world, "stopped", running=False)
    with pytest.raises(UsageError, match=f"{name}: should be a running container, and {why}"):
        scanned(world, name)


def test_expected_changes_come_from_the_settings(world: World) -> None:
    world.add("web", "drift: {expect: [/etc/**, {path: /x, until: 2027-02-28}]}")
    found = launched(world, "web")
    for path in ("/etc/new", "/x"):
        world.engine.write_file(found.id, path, b"x")
    web = scanned(world)["web"]
    assert ([each.path for each in web.verdict.left], len(web.verdict.expected), web.ok) == (["/x"], 1, False)
    assert web.verdict.notes == (
        "drift.expect[1]: /x was expected until 2027-02-28, and would cover 1 of what is left",
    )
    assert (web.by, web.volumes) == ("engine", ("/data",))


def test_without_a_container_directory_no_change_is_expected(world: World) -> None:
    launched(world, "web")
    web = scanned(world)["web"]
    assert (web.ok, web.verdict.notes) == (
        True,
        ("there is no container directory web here, so no change is expected",),
    )


def test_unreadable_settings_are_a_problem_and_changes_are_still_reported(world: World) -> None:
    world.add("web", "drift: {expect: [x]}")
    world.engine.write_file(launched(world, "web").id, "/x", b"x")
    web = scanned(world)["web"]
    assert web.problem.startswith("its settings cannot be read: ")
    assert [each.path for each in web.verdict.left] == ["/x"]


def test_a_container_that_cannot_be_scanned_hides_no_other(world: World) -> None:
    for name in ("db", "web"):
        launched(world, name)
    world.engine.boxes[launched(world, "gone").id].changes = [Change("changed", "/etc")]
    harness = world.harness()
    targets = chosen(harness, ())
    world.engine.remove(next(target.container.id for target in targets if target.name == "db"), force=True)
    found = {each.name: each for each in scan(harness, targets, today=TODAY)}
    assert found["web"].ok
    assert found["db"].problem.startswith("could not be scanned: there is no container")


def test_drift_is_a_sentence_for_each_change(world: World) -> None:
    world.add("web")
    found = launched(world, "web")
    settings = world.harness().settings(world.directory("web"))
    assert drift_of(world.harness(), "web", settings, found, today=TODAY) == ()
    world.engine.write_file(found.id, "/new\n", b"x")
    assert drift_of(world.harness(), "web", settings, found, today=TODAY) == (
        r"/new\n: added, file, mode 644, 1 bytes",
    )
