"""Which containers are looked at, how they are judged, and that who cannot see does not say that all is well."""

from __future__ import annotations

from datetime import date

import pytest

from kharness.errors import EngineError, HostError, UsageError
from kharness.ops.cowscan import chosen, drift_of, scan
from kharness.plan import labels
from kharness.plan.drift import Scanned
from kharness.plan.facts import Change, ContainerFacts
from kharness.plan.runspec import Mount, MountKind, RunSpec
from kharness.testing import FakeEngine
from tests.ops.world import World

TODAY = date(2027, 3, 1)


def launched(world: World, name: str, *, ours: bool = True, running: bool = True) -> ContainerFacts:
    engine = world.engine
    if engine.image("web:1") is None:
        engine.put_image("web:1", files={"/etc/passwd": b"root"}, labels={"traefik.enable": "true"})
    said = labels.of_production(name) if ours else {}
    mounts = (Mount(kind=MountKind.VOLUME, source="v", target="/data"),)
    container = engine.create(RunSpec(name=name, image="web:1", labels=said, mounts=mounts))
    if running:
        engine.start(container)
    facts = engine.container(container)
    assert facts is not None
    return facts


def scanned(world: World, *names: str) -> dict[str, Scanned]:
    harness = world.harness()
    return {each.name: each for each in scan(harness, chosen(harness, names), today=TODAY)}


def test_all_of_production_that_runs_is_looked_at_and_nothing_else(world: World) -> None:
    for name in ("web", "db"):
        launched(world, name)
    launched(world, "stopped", running=False)
    launched(world, "foreign", ours=False)
    assert list(scanned(world)) == ["db", "web"]


def test_names_select_and_may_be_anybody_s_containers(world: World) -> None:
    for name in ("web", "db"):
        launched(world, name)
    launched(world, "foreign", ours=False)
    assert list(scanned(world, "web", "foreign", "web")) == ["web", "foreign"]


def test_the_beginning_of_a_name_will_do_where_it_is_typed_and_means_one(world: World) -> None:
    for name in ("web", "webmail", "db"):
        launched(world, name)
    harness = world.harness()
    assert [each.name for each in chosen(harness, ["d", "web", "webm"], prefix=True)] == ["db", "web", "webmail"]
    for name, prefix in (("d", False), ("we", True)):
        with pytest.raises(UsageError, match=f"{name}: should be a container that runs"):
            chosen(harness, [name], prefix=prefix)


@pytest.mark.parametrize(("name", "why"), [("stopped", "is created"), ("never", "is not there")])
def test_a_name_that_does_not_run_is_an_error(world: World, name: str, why: str) -> None:
    launched(world, "stopped", running=False)
    with pytest.raises(UsageError, match=f"{name}: should be a container that runs, and {why}"):
        scanned(world, name)


def test_what_is_expected_comes_from_the_settings_and_the_rest_is_left(world: World) -> None:
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


def test_of_a_container_without_a_directory_nothing_is_expected(world: World) -> None:
    launched(world, "web")
    web = scanned(world)["web"]
    assert (web.ok, web.verdict.notes) == (True, ("there is no container directory web here: nothing is expected",))


def test_settings_that_cannot_be_read_are_a_failure_and_what_was_seen_is_told(world: World) -> None:
    world.add("web", "drift: {expect: [x]}")
    world.engine.write_file(launched(world, "web").id, "/x", b"x")
    web = scanned(world)["web"]
    assert web.problem.startswith("what is expected of it cannot be read: ")
    assert [each.path for each in web.verdict.left] == ["/x"]


def test_a_token_is_planted_in_a_container_that_never_starts_and_is_removed(world: World) -> None:
    launched(world, "web")
    assert scanned(world)["web"].ok
    [token] = [call for call in world.engine.calls if call.name == "create" and "token" in str(call)]
    spec = token.args[0]
    assert (spec.labels[labels.ROLE], spec.labels["traefik.enable"]) == (labels.ROLE_TEST, "")
    assert not [call for call in world.engine.called("start") if "token" in call]
    assert [call for call in world.engine.called("write_file") if "token" not in call] == []
    assert {box.name for box in world.engine.boxes.values()} == {"web"}


@pytest.mark.parametrize("how", ["blind", "no image", "refused"])
def test_a_scan_that_does_not_find_its_token_has_seen_nothing(
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
    assert web.problem.startswith("could not be seen: ")
    assert {box.name for box in world.engine.boxes.values()} == {"web"}
    world.add("web")
    settings = world.harness().settings(world.directory("web"))
    with pytest.raises(HostError, match="web: could not be seen: "):
        drift_of(world.harness(), "web", settings, found, today=TODAY)


def test_a_container_that_cannot_be_seen_hides_no_other(world: World) -> None:
    for name in ("db", "web"):
        launched(world, name)
    world.engine.boxes[launched(world, "gone").id].changes = [Change("changed", "/etc")]
    harness = world.harness()
    targets = chosen(harness, ())
    world.engine.remove(next(target.container.id for target in targets if target.name == "db"), force=True)
    found = {each.name: each for each in scan(harness, targets, today=TODAY)}
    assert found["web"].ok
    assert found["db"].problem.startswith("could not be seen: there is no container")


def test_drift_is_told_in_sentences_and_clean_is_nothing(world: World) -> None:
    world.add("web")
    found = launched(world, "web")
    settings = world.harness().settings(world.directory("web"))
    assert drift_of(world.harness(), "web", settings, found, today=TODAY) == ()
    world.engine.write_file(found.id, "/new\n", b"x")
    assert drift_of(world.harness(), "web", settings, found, today=TODAY) == (
        r"/new\n: added, file, mode 644, 1 bytes",
    )
