"""Which containers a group has, and what is done with each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import ContainerMissingError, EngineError
from kharness.ops.fleet.course import UNKNOWN, Fleet, Group
from kharness.ops.fleet.groups import MOST, plan_group, work_on
from kharness.ops.fleet.members import NO_TESTS, NOT_IN_USE, NOT_THERE, Options
from kharness.ops.session.pytests import release_flags
from kharness.plan.facts import ExecResult
from kharness.plan.fleet.course import End, Hold, can_begin, stages
from kharness.plan.gate.result import SessionResult
from kharness.settings.catalog import find_containers
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


def planned(command: str, ours: Fleet, **options: Any) -> Group:
    return plan_group(command, ours, Options(**options))


def staged(group: Group) -> list[list[str]]:
    return [[step.name for step in stage] for stage in stages(group.course)]


def test_containers_of_this_host_start_in_waves_and_stop_in_reverse(world: World) -> None:
    ours = fleet(world)
    assert staged(planned("up-all", ours)) == staged(planned("restart-all", ours)) == [["cache"], ["db"], ["web"]]
    assert staged(planned("down-all", ours)) == [["web"], ["db"], ["cache"]]
    assert [planned("up-all", ours).hold, planned("up-all", ours, keep_going=True).hold] == [Hold.WAVES, Hold.NEEDS]
    assert (planned("up-all", ours).timeout, planned("up-all", ours, timeout=7).timeout) == (300, 7)


def test_unreadable_settings_hold_back_what_needs_them(world: World) -> None:
    world.add("web", "autostart: 2\ndepends_on: [db, broken]\n", tests="")
    world.add("child", dockerfile="FROM ktools/broken:live\n", tests="")
    ours = fleet(world)
    for group, name in (
        (planned("up-all", ours, keep_going=True), "web"),
        (planned("restart-all", ours), "web"),
        (planned("upgrade-all", ours), "web"),
        (planned("build-all", ours), "child"),
        (planned("test-all", ours), "child"),
    ):
        ends = {step.name: End.DONE for step in group.course.steps if step.name != name}
        (found,) = can_begin(group.course, ends, hold=group.hold)
        assert (found[0].name, found[1]) == (name, "it needs broken, whose settings cannot be read")


def test_everything_includes_running_containers_with_unreadable_settings(world: World) -> None:
    work_on("up-all", world.harness(), "tool")
    world.add("broken", "{}")
    world.engine.put_image("ktools/broken:live", files={"/etc/passwd": b"", "/etc/group": b""})
    work_on("up-all", world.harness(), "broken")
    world.add("broken", "imagee: x\n")
    assert staged(planned("down-all", fleet(world), everything=True)) == [["broken", "tool", "web"], ["db"], ["cache"]]
    assert work_on("down-all", world.harness(), "broken")["text"] == "stopped: exited with 143"
    shutil.rmtree(world.tree.path / "tool")
    without = planned("down-all", fleet(world), everything=True)
    assert (staged(without), without.left_out) == ([["web"], ["db"], ["cache"]], {"tool": UNKNOWN})
    world.add("tool")
    assert staged(planned("down-all", fleet(world), everything=True)) == [["tool", "web"], ["db"], ["cache"]]


def test_a_dry_run_announces_what_the_work_does(world: World) -> None:
    ours, harness = fleet(world), world.harness()
    up, down, again = planned("up-all", ours), planned("down-all", ours), planned("restart-all", ours)
    live = world.tagged("ktools/db:live")
    assert live
    assert (up.would("db"), down.would("db")) == (f"would run {live[7:19]}", "has no container")
    with pytest.raises(ContainerMissingError):
        again.would("db")
    assert work_on("down-all", harness, "db")["text"] == "has no container"
    assert work_on("up-all", harness, "db") == {
        "text": "started",
        "notes": [],
        "failed": False,
        "data": {"image": live},
    }
    assert (up.would("db"), down.would("db"), again.would("db")) == (
        "runs already",
        "would be stopped",
        "would be restarted",
    )
    new = world.engine.put_image("ktools/db:live", labels={"version": "2"}).id
    moved = f"{new[7:19]} is live, and {live[7:19]} was released last: the tag was moved by hand"
    refused = "'kharness run db' refuses it, with --untested it launches it"
    assert work_on("up-all", harness, "db")["notes"] == [f"{moved}; {refused}"]
    restarted = work_on("restart-all", harness, "db")
    assert (restarted["text"], len(restarted["notes"])) == ("restarted", 1)
    assert again.would("db") == f"would be restarted; {restarted['notes'][0]}"
    assert work_on("down-all", harness, "db")["text"] == "stopped: exited with 143"
    assert work_on("down-all", harness, "db")["text"] == "did not run: exited with 143"
    assert down.would("db") == "does not run: exited with 143"


def test_a_command_runs_in_all_running_containers(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    work_on("up-all", world.harness(), "tool")
    work_on("up-all", world.harness(), "db")
    found = planned("run-in-all", fleet(world), words=("ls", "a b"))
    assert (staged(found), found.would("db")) == ([["db", "tool"]], "would run ls 'a b'")
    assert (found.timeout, planned("run-in-all", fleet(world), words=("ls",), timeout=5).timeout) == (70, 15)
    world.engine.script = lambda *_: ExecResult(3, "out\n", "err\n")
    assert work_on("run-in-all", world.harness(), "db", Options(words=("ls",), timeout=1)) == {
        "text": "exit status 3",
        "notes": [],
        "failed": True,
        "data": {"exit_code": 3, "stdout": "out\n", "stderr": "err\n"},
    }
    assert capsys.readouterr().out == "out\nerr\n"
    world.engine.script = lambda *_: ExecResult(0, "é" * (MOST + 5), "e" * MOST)
    long = work_on("run-in-all", world.harness(), "db", Options(words=("ls",), timeout=1))
    assert (long["data"]["stdout"], long["data"]["stderr"]) == ("é" * MOST, "e" * MOST)
    (note,) = long["notes"]
    assert note.startswith("only the first 1048576 of 1048581 characters of its stdout are here, all are in ")
    assert note.endswith(f"{world.harness().state_dir}/output/run-in-all/db.log")
    assert len(capsys.readouterr().out) == 2 * MOST + 5
    world.engine.fail_on["exec"] = TimeoutError("no answer")
    late = work_on("run-in-all", world.harness(), "db", Options(words=("ls",), timeout=1))
    assert (late["failed"], late["text"]) == (True, "still runs after 1 s, and goes on: an engine cannot end it")
    work_on("down-all", world.harness(), "db")
    with pytest.raises(EngineError, match="does not run"):
        work_on("run-in-all", world.harness(), "db", Options(words=("ls",), timeout=1))


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


def test_directories_with_tests_or_expectations_are_tested(family: World) -> None:
    for file in ("root/test_root.py", "draft/deep/er/old_test.py", "middle/files/test_no.py", "web/.x/test_no.py"):
        write(family.tree.path / file, "")
    found = planned("test-all", fleet(family), flags=("--ready", "--if-changed"))
    assert staged(found) == [["db", "old", "root"], ["draft"]]
    assert found.left_out == {"middle": NO_TESTS, "web": NO_TESTS}
    directory = family.tree.path / "db"
    assert found.would("db") == "pytest containers/db --ready --if-changed"
    line = " ".join(str(word) for word in found.work("db", {}))  # type: ignore[union-attr]
    asked, flag, rest = line.partition(" --kharness-result=")
    assert asked.endswith(f" -m pytest {directory} --ready --if-changed")
    path, _, place = rest.partition(" ")
    assert (flag, place) == (" --kharness-result=", f"--rootdir {family.path} {ALONE}")
    assert found.judge
    assert found.judge("db", 0)["failed"]
    write(Path(path), SessionResult(status=0).to_json())
    assert found.judge("db", 0) == {"text": "passed", "notes": [], "failed": False, "data": {}}
    assert found.judge("db", 0)["failed"], "a result counts once"
    in_prod = planned("test-all", fleet(family), flags=("--in-prod",))
    assert (staged(in_prod), in_prod.left_out["old"]) == ([], NOT_THERE)


def test_directories_in_use_are_upgraded_after_their_bases_and_in_waves(family: World) -> None:
    for name in ("root", "middle", "web"):
        write(family.tree.path / name / "test_it.py", "")
    found = planned("upgrade-all", fleet(family), flags=("--ready", "--launch"))
    assert staged(found) == [["db", "old", "root"], ["middle"], ["web"]]
    assert found.left_out == {"draft": NOT_IN_USE}
    assert found.course.aim == "upgraded"
    assert found.hold is Hold.WAVES
    assert planned("upgrade-all", fleet(family), keep_going=True).hold is Hold.NEEDS


def test_an_upgrade_is_prod_ready_if_tests_need_that_mode(family: World) -> None:
    for name in ("root", "middle", "web"):
        write(family.tree.path / name / "test_it.py", "")
    write(family.tree.path / "web" / "test_it.py", "@pytest.mark.prod_ready\ndef test_it(): ...\n")
    write(family.tree.path / "db" / "settings.yaml", "image: db:1\nexpect: {tcp: [{port: 1, modes: [prod_ready]}]}\n")
    flags = ("--ready", "--launch")
    found = planned("upgrade-all", fleet(family), flags=flags, mode_is_given=False)
    lines = {name: found.would(name) for name in ("root", "web", "db")}
    assert lines == {
        "root": "pytest containers/root --ready --launch",
        "web": "pytest containers/web --prod-ready --launch",
        "db": "pytest containers/db --prod-ready --launch",
    }
    assert planned("upgrade-all", fleet(family), flags=flags).would("web") == "pytest containers/web --ready --launch"
    write(family.tree.path / "db" / "settings.yaml", "imagee: x\n")
    db = find_containers((family.tree.path,)).select("db", prefix=False)
    assert release_flags(db, flags, host=family.harness().host) == flags


def test_an_upgrade_is_standalone_if_volumes_cannot_be_copied(family: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write(family.tree.path / "web" / "test_it.py", "@pytest.mark.prod_ready\ndef test_it(): ...\n")
    web = find_containers((family.tree.path,)).select("web", prefix=False)
    host, flags = family.harness().host, ("--ready", "--launch")
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    assert release_flags(web, flags, host=host) == ("--prod-ready", "--launch"), "it has no volumes"
    write(web.settings_file, "volumes: ['./data:/data']\n")
    assert release_flags(web, flags, host=host) == flags
    monkeypatch.delenv("DOCKER_HOST")
    assert release_flags(web, flags, host=host) == ("--prod-ready", "--launch")


def test_a_directory_without_tests_is_not_upgraded_and_holds_nothing_back(family: World) -> None:
    write(family.tree.path / "web" / "test_it.py", "")
    found = planned("upgrade-all", fleet(family), flags=("--ready", "--launch"))
    assert staged(found) == [["db", "old"], ["web"]]
    assert found.left_out == {"draft": NOT_IN_USE, "middle": NO_TESTS, "root": NO_TESTS}


def test_images_are_built_on_bases_that_were_just_built(family: World) -> None:
    family.engine.put_image("db:1")
    found = planned("build-all", fleet(family))
    assert staged(found) == [["db", "old", "root"], ["draft", "middle"], ["web"]]
    assert found.would("web") == "would be built on middle, unless nothing has changed"
    assert found.would("root") == "would be built, unless nothing has changed"
    assert found.would("db") == "would be db:1, pulled unless it is here"
    root = work_on("build-all", family.harness(), "root")
    base = root["data"]["image"]
    middle = work_on("build-all", family.harness(), "middle", Options(), {"root": {"image": base}})
    assert family.harness().state.builds("middle")[0].base == base
    assert [each["text"].partition(":")[0] for each in (root, middle)] == ["built", "built"]
    again = work_on("build-all", family.harness(), "middle", Options(), {"root": {"image": base}})
    assert again["text"].partition(":")[0] == "unchanged"
    assert work_on("build-all", family.harness(), "db")["text"].startswith("unchanged: ")
