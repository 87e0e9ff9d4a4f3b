"""Production launched by hand, from what is live."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.errors import ConflictError, EngineError, KharnessError, LaunchError, UsageError
from kharness.ops.release.relaunch import relaunch
from kharness.ops.release.stopping import restart
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ExecResult, ImageFacts
from kharness.plan.launch.runspec import RunSpec
from kharness.settings.flags import from_environment, from_flags
from kharness.settings.host import NetworkDecl
from kharness.testing.recording import Call
from tests.ops.releases import SETTINGS, Production, do_by_hand

Running = tuple[Production, ImageFacts]


def by_hand(web: Production, **host: Any) -> ContainerFacts:
    return relaunch(web.world.harness(**host), web.world.directory("web"))


def test_what_is_live_replaces_what_runs(running: Running) -> None:
    web, live = running
    before, old = web.snapshot(), next(iter(web.engine.boxes))
    found = by_hand(web)
    assert (found.name, found.image_id, found.running) == ("web", live.id, True)
    assert web.snapshot() == before
    assert old not in web.engine.boxes
    assert not web.together


def test_nothing_live_is_told_with_what_to_do(web: Production) -> None:
    with pytest.raises(UsageError, match="nothing is live yet; 'kharness upgrade web' builds, tests and launches it"):
        by_hand(web)


def test_what_replaces_running_production_is_watched_as_after_a_release(running: Running) -> None:
    web, live = running
    web.world.add("web", SETTINGS.replace("verify_for: 0s", "verify_for: 10s"))
    looks: list[Call] = []

    def later(call: Call) -> None:
        if call.name == "start" or looks:
            looks.append(call)
        if call.name == "container" and len(looks) > 6:
            web.heal()
            web.engine.crash("web")

    before = web.snapshot()
    web.engine.before = later
    with pytest.raises(LaunchError, match="did not keep running in production"):
        by_hand(web)
    assert web.snapshot() == before
    assert web.engine.container("web").image_id == live.id  # type: ignore[union-attr]


def test_where_nothing_ran_a_launch_does_not_wait_for_a_verdict(running: Running) -> None:
    web, _ = running
    web.world.add("web", SETTINGS.replace("verify_for: 0s", "verify_for: 1h"))
    web.engine.stop(next(iter(web.engine.boxes)))
    assert by_hand(web).running


def test_a_container_that_is_not_ours_is_left_alone(web: Production) -> None:
    image = web.image("1")
    web.engine.tag(image.id, "ktools/web:live")
    web.engine.create(RunSpec(name="web", image=image.id))
    before = web.snapshot()
    with pytest.raises(ConflictError, match="was not made by kharness"):
        by_hand(web)
    assert web.snapshot() == before


def test_what_does_not_become_ready_goes_and_the_old_one_comes_back(running: Running) -> None:
    web, _ = running
    before = web.snapshot()
    web.engine.script = lambda *_: None
    bad = web.image("bad", labels={"fake.exit": "3"})
    web.engine.tag(bad.id, "ktools/web:live")
    with pytest.raises(LaunchError, match="last exited with 3"):
        relaunch(web.world.harness(), web.world.directory("web"), untested=True)
    assert web.snapshot().containers == before.containers
    assert not web.together


def test_whichever_call_fails_production_runs_or_the_error_says_what_to_do(running: Running) -> None:
    web, _ = running
    by_hand(web)
    calls = len(web.engine.calls)
    for when in ("before", "after"):
        for number in range(calls):
            before = web.snapshot()
            failed = web.fail(EngineError("flaky"), number=number, when=when, onwards=True)
            try:
                by_hand(web)
            except KharnessError as error:
                text = str(error)
            else:
                text = ""
            web.heal()
            do_by_hand(web.engine, text)
            if "by hand: docker rm web.old" in web.world.told[-1]:
                # Verified, but the old one could not be removed: told as a note, and gone with the next launch.
                by_hand(web)
            else:
                assert text
            assert web.snapshot() == before, f"{when} {failed[0]}: {text}"
            assert not web.together


def test_an_interrupt_brings_the_old_one_back(running: Running) -> None:
    web, _ = running
    before = web.snapshot()

    def interrupt(call: object) -> None:
        if str(call).startswith("exec"):
            raise KeyboardInterrupt

    web.engine.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        by_hand(web)
    assert web.snapshot() == before


LAN = {"lan": NetworkDecl(subnet="192.0.2.0/24", gateway="192.0.2.1", internal=True)}


def test_a_network_that_the_host_declares_is_made_when_it_is_missing_and_stays(web: Production) -> None:
    web.world.add("web", "networks: {lan: {ipv4_address: 192.0.2.9}, bridge: }\nrelease: {verify: none}\n")
    web.engine.tag(web.image("1").id, "ktools/web:live")
    for _ in range(2):
        assert by_hand(web, networks=LAN).addresses["lan"] == "192.0.2.9"
    made = web.engine.nets["lan"]
    assert (made.subnets, made.internal, made.labels) == (("192.0.2.0/24",), True, {})
    assert len(web.engine.called("create_network")) == 1
    web.engine.fail_on["start"] = EngineError("no")
    with pytest.raises(LaunchError):
        by_hand(web, networks=LAN)
    assert "lan" in web.engine.nets


def test_a_network_that_nobody_declares_is_missed_before_anything_is_stopped(running: Running) -> None:
    web, _ = running
    before = web.snapshot()
    web.world.add("web", "networks: [lan]\n")
    with pytest.raises(ConflictError, match=r"web: networks\.lan: there is no such network; declare it"):
        by_hand(web)
    assert web.snapshot() == before
    assert web.changes() == ()


def test_a_directory_outside_the_volume_root_is_missed_before_anything_is_stopped(running: Running) -> None:
    web, _ = running
    before = web.snapshot()
    web.world.add("web", f"volumes: ['{web.world.path}/none:/x', './new:/new']\n")
    with pytest.raises(KharnessError, match="none: should exist, because it is mounted at /x"):
        by_hand(web)
    assert web.snapshot() == before
    assert web.changes() == ()


FLAGS = (from_environment({"KHARNESS_RUN_CPUS": "2"}), from_flags({"mem_limit": ("1g",), "environment": ("A=secret",)}))
SAID = "KHARNESS_RUN_CPUS, --mem-limit, --environment A"


def test_what_is_said_for_one_launch_is_told_and_recorded_without_its_values(running: Running) -> None:
    web, _ = running
    harness, directory = web.world.harness(), web.world.directory("web")
    found = relaunch(harness, directory, above=FLAGS)
    spec = web.engine.boxes[found.id].spec
    assert (spec.mem_limit, spec.cpus, spec.environment) == (1 << 30, 2.0, {"A": "secret"})
    assert found.labels[labels.LAID] == SAID
    assert f"web: LAUNCHED WITH WHAT NO FILE SAYS, which is recorded: {SAID}" in web.world.told
    newest = harness.state.releases("web", limit=1)[0]
    assert (newest.kind, newest.note) == ("relaunch", f"with {SAID}")
    [note] = restart(harness, directory, dry_run=True).notes
    assert note == f"it was launched with {SAID}, which no file says; 'kharness run web' launches without"
    again = relaunch(harness, directory)
    assert labels.LAID not in again.labels
    assert web.engine.boxes[again.id].spec.mem_limit is None
    assert restart(harness, directory, dry_run=True).notes == ()
    assert harness.state.releases("web", limit=1)[0].note == ""


def test_a_launch_with_flags_that_fails_is_put_back(running: Running) -> None:
    web, _ = running
    before = web.snapshot()
    web.engine.script = lambda *_: ExecResult(1, "", "")
    with pytest.raises(LaunchError, match="was not ready after"):
        relaunch(web.world.harness(), web.world.directory("web"), above=FLAGS)
    assert web.snapshot().containers == before.containers
    assert labels.LAID not in next(iter(web.engine.boxes.values())).spec.labels


def test_what_has_no_say_or_is_wrong_is_refused_before_anything_is_done(running: Running) -> None:
    web, _ = running
    for flags, error in (
        ({"image": ("x",), "gate": ("skips=[a]",)}, r"^--image: has no say in this launch: .*\n--gate: has no say"),
        ({"mem_limit": ("much",)}, r"^command line: --mem-limit: should be a size"),
    ):
        with pytest.raises(KharnessError, match=error):
            relaunch(web.world.harness(), web.world.directory("web"), above=(from_flags(flags),))
    assert web.changes() == ()
