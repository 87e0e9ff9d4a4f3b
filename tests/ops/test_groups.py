"""Which containers a group has, and what is done with each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kharness.errors import ContainerMissingError, EngineError
from kharness.ops.fleet import Group
from kharness.ops.groups.build_all import build_all, build_one
from kharness.ops.groups.down_all import down_all, take_down
from kharness.ops.groups.fleet import UNKNOWN, Fleet
from kharness.ops.groups.restart_all import restart_all, start_again
from kharness.ops.groups.run_in_all import MOST, run_in, run_in_all
from kharness.ops.groups.sessions import NO_TESTS, NOT_IN_USE, NOT_THERE, all_tests, all_upgrades
from kharness.ops.groups.up_all import bring_up, up_all
from kharness.plan.facts import ExecResult
from kharness.plan.fleet import End, Hold, can_begin, stages
from kharness.testing.tree import write
from tests.ops.world import World

ALONE = "-p no:cacheprovider --color=no"
SETTINGS = {
    "db": "autostart: 2\n",
    "web": "autostart: 2\ndepends_on: [db]\n",
    "cache": "autostart: 1\n",
    "far": "autostart: 1,host=cellar\n",
    "tool": "{}",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World.create(tmp_path)
    for name, text in SETTINGS.items():
        found.add(name, text)
        found.engine.put_image(f"ktools/{name}:live", files={"/etc/passwd": b"", "/etc/group": b""})
    found.add("broken", "autostart: 1\nimagee: x\n")
    return found


def fleet(world: World) -> Fleet:
    harness = world.harness()
    return Fleet(harness=harness, settings=harness.fleet()[0], host="attic")


def staged(group: Group) -> list[list[str]]:
    return [[step.name for step in stage] for stage in stages(group.course)]


def test_what_starts_with_this_host_goes_up_and_comes_down_in_reverse(world: World) -> None:
    ours = fleet(world)
    assert staged(up_all(ours)) == staged(restart_all(ours)) == [["cache"], ["db"], ["web"]]
    assert staged(down_all(ours)) == [["web"], ["db"], ["cache"]]
    assert [up_all(ours).hold, up_all(ours, keep_going=True).hold] == [Hold.WAVES, Hold.NEEDS]
    assert (up_all(ours).timeout, up_all(ours, timeout=7).timeout) == (300, 7)


def test_what_cannot_be_read_holds_back_what_needs_it(world: World) -> None:
    world.add("web", "autostart: 2\ndepends_on: [db, broken]\n", tests="")
    world.add("child", dockerfile="FROM ktools/broken:live\n", tests="")
    ours = fleet(world)
    for group, name in (
        (up_all(ours, keep_going=True), "web"),
        (restart_all(ours), "web"),
        (all_upgrades(ours, ()), "web"),
        (build_all(ours), "child"),
        (all_tests(ours, ()), "child"),
    ):
        ends = {step.name: End.DONE for step in group.course.steps if step.name != name}
        (found,) = can_begin(group.course, ends, hold=group.hold)
        assert (found[0].name, found[1]) == (name, "it needs broken, whose settings cannot be read")


def test_everything_is_all_that_runs_also_what_cannot_be_read(world: World) -> None:
    bring_up(world.harness(), "tool")
    world.add("broken", "{}")
    world.engine.put_image("ktools/broken:live", files={"/etc/passwd": b"", "/etc/group": b""})
    bring_up(world.harness(), "broken")
    world.add("broken", "imagee: x\n")
    assert staged(down_all(fleet(world), everything=True)) == [["broken", "tool", "web"], ["db"], ["cache"]]
    assert take_down(world.harness(), "broken")["text"] == "stopped: exited with 143"
    shutil.rmtree(world.tree.path / "tool")
    without = down_all(fleet(world), everything=True)
    assert (staged(without), without.left_out) == ([["web"], ["db"], ["cache"]], {"tool": UNKNOWN})
    world.add("tool")
    assert staged(down_all(fleet(world), everything=True)) == [["tool", "web"], ["db"], ["cache"]]


def test_what_is_done_with_one_is_told_and_is_what_was_said_before(world: World) -> None:
    ours, harness = fleet(world), world.harness()
    up, down, again = up_all(ours), down_all(ours), restart_all(ours)
    live = world.tagged("ktools/db:live")
    assert live
    assert (up.would("db"), down.would("db")) == (f"would run {live[7:19]}", "has no container")
    with pytest.raises(ContainerMissingError):
        again.would("db")
    assert take_down(harness, "db")["text"] == "has no container"
    assert bring_up(harness, "db") == {"text": "started", "notes": [], "failed": False, "data": {"image": live}}
    assert (up.would("db"), down.would("db"), again.would("db")) == (
        "runs already",
        "would be stopped",
        "would be restarted",
    )
    new = world.engine.put_image("ktools/db:live", labels={"version": "2"}).id
    assert bring_up(harness, "db")["notes"] == [f"{new[7:19]} is live; 'kharness run db' launches that"]
    restarted = start_again(harness, "db")
    assert (restarted["text"], len(restarted["notes"])) == ("restarted", 1)
    assert again.would("db") == f"would be restarted; {restarted['notes'][0]}"
    assert take_down(harness, "db")["text"] == "stopped: exited with 143"
    assert take_down(harness, "db")["text"] == "did not run: exited with 143"
    assert down.would("db") == "does not run: exited with 143"


def test_a_command_runs_in_all_that_runs(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    bring_up(world.harness(), "tool")
    bring_up(world.harness(), "db")
    found = run_in_all(fleet(world), ("ls", "a b"))
    assert (staged(found), found.would("db")) == ([["db", "tool"]], "would run ls 'a b'")
    assert (found.timeout, run_in_all(fleet(world), ("ls",), timeout=5).timeout) == (70, 15)
    world.engine.script = lambda *_: ExecResult(3, "out\n", "err\n")
    assert run_in(world.harness(), "db", words=("ls",), user=None, timeout=1) == {
        "text": "exit status 3",
        "notes": [],
        "failed": True,
        "data": {"exit_code": 3, "stdout": "out\n", "stderr": "err\n"},
    }
    assert capsys.readouterr().out == "out\nerr\n"
    world.engine.script = lambda *_: ExecResult(0, "é" * (MOST + 5), "e" * MOST)
    long = run_in(world.harness(), "db", words=("ls",), user=None, timeout=1)
    assert (long["data"]["stdout"], long["data"]["stderr"]) == ("é" * MOST, "e" * MOST)
    (note,) = long["notes"]
    assert note.startswith("only the first 1048576 of 1048581 characters of its stdout are here, all are in ")
    assert note.endswith(f"{world.harness().state_dir}/output/run-in-all/db.log")
    assert len(capsys.readouterr().out) == 2 * MOST + 5
    world.engine.fail_on["exec"] = TimeoutError("no answer")
    late = run_in(world.harness(), "db", words=("ls",), user=None, timeout=1)
    assert (late["failed"], late["text"]) == (True, "still runs after 1 s, and goes on: an engine cannot end it")
    take_down(world.harness(), "db")
    with pytest.raises(EngineError, match="does not run"):
        run_in(world.harness(), "db", words=("ls",), user=None, timeout=1)


@pytest.fixture
def family(tmp_path: Path) -> World:
    """Two bases, one below the other, and what is built on them; only `web` starts with the host, `old` was live."""
    found = World.create(tmp_path)
    found.add("root")
    found.add("middle", dockerfile="FROM ktools/root:live\n")
    found.add("web", "autostart: 3\ndepends_on: [db]\n", dockerfile="FROM ktools/middle:live\n")
    found.add("db", "image: db:1\nautostart: 4\nexpect: {tcp: [5432]}\n")
    found.add("old", tests="")
    found.add("draft", dockerfile="FROM ktools/root\n")
    found.engine.put_image("ktools/old:live")
    return found


def test_what_is_tested_has_tests_or_expectations(family: World) -> None:
    for file in ("root/test_root.py", "draft/deep/er/old_test.py", "middle/files/test_no.py", "web/.x/test_no.py"):
        write(family.tree.path / file, "")
    found = all_tests(fleet(family), ("--ready", "--if-changed"))
    assert staged(found) == [["db", "old", "root"], ["draft"]]
    assert found.left_out == {"middle": NO_TESTS, "web": NO_TESTS}
    directory = family.tree.path / "db"
    assert found.would("db") == "pytest containers/db --ready --if-changed"
    line = " ".join(str(word) for word in found.work("db", {}))  # type: ignore[union-attr]
    assert line.endswith(f" -m pytest {directory} --ready --if-changed --rootdir {family.path} {ALONE}")
    in_prod = all_tests(fleet(family), ("--in-prod",))
    assert (staged(in_prod), in_prod.left_out["old"]) == ([], NOT_THERE)


def test_what_is_in_use_is_upgraded_after_its_bases_and_in_waves(family: World) -> None:
    for name in ("root", "middle", "web"):
        write(family.tree.path / name / "test_it.py", "")
    found = all_upgrades(fleet(family), ("--ready", "--launch"))
    assert staged(found) == [["db", "old", "root"], ["middle"], ["web"]]
    assert found.left_out == {"draft": NOT_IN_USE}
    assert found.course.aim == "upgraded"
    assert (found.hold, found.meanings[0]) == (Hold.WAVES, "upgraded")
    assert all_upgrades(fleet(family), (), keep_going=True).hold is Hold.NEEDS


def test_what_has_no_test_is_not_upgraded_and_holds_nobody_back(family: World) -> None:
    write(family.tree.path / "web" / "test_it.py", "")
    found = all_upgrades(fleet(family), ("--ready", "--launch"))
    assert staged(found) == [["db", "old"], ["web"]]
    assert found.left_out == {"draft": NOT_IN_USE, "middle": NO_TESTS, "root": NO_TESTS}


def test_all_are_built_on_what_was_built_just_now(family: World) -> None:
    family.engine.put_image("db:1")
    found = build_all(fleet(family))
    assert staged(found) == [["db", "old", "root"], ["draft", "middle"], ["web"]]
    assert found.would("web") == "would be built on middle, unless nothing has changed"
    assert found.would("root") == "would be built, unless nothing has changed"
    assert found.would("db") == "would be db:1, pulled unless it is here"
    root = build_one(family.harness(), "root", rebuild=False, candidates={})
    base = root["data"]["image"]
    middle = build_one(family.harness(), "middle", rebuild=False, candidates={"root": base})
    assert family.harness().state.builds("middle")[0].base == base
    assert [each["text"].partition(":")[0] for each in (root, middle)] == ["built", "built"]
    again = build_one(family.harness(), "middle", rebuild=False, candidates={"root": base})
    assert again["text"].partition(":")[0] == "unchanged"
    assert build_one(family.harness(), "db", rebuild=False, candidates={})["text"].startswith("unchanged: ")
