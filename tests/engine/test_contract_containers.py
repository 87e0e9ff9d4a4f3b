"""The same claims about the engine and about the fake that stands for it in other tests."""

from __future__ import annotations

import io
import json
import stat
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.errors import (
    ConflictError,
    ContainerMissingError,
    EngineError,
    ImageMissingError,
)
from kharness.plan.facts import ExecResult, HealthFacts
from kharness.plan.launch.runspec import Attachment, Mount, MountKind
from kharness.plan.release.carry import carry_over, is_anonymous
from kharness.testing import FakeEngine
from tests.engine.bench import Bench


def test_a_container_that_is_not_there_is_none(bench: Bench) -> None:
    assert bench.engine.container(f"{bench.prefix}-never") is None
    bench.engine.remove(f"{bench.prefix}-never")


@pytest.mark.parametrize(
    "call",
    [
        lambda engine, name: engine.start(name),
        lambda engine, name: engine.stop(name),
        lambda engine, name: engine.restart(name),
        lambda engine, name: engine.kill(name),
        lambda engine, name: engine.rename(name, f"{name}-2"),
        lambda engine, name: engine.set_restart(name, "no"),
        lambda engine, name: engine.request_of(name),
        lambda engine, name: engine.exec(name, ["true"]),
        lambda engine, name: engine.logs(name),
        lambda engine, name: next(engine.log_lines(name)),
        lambda engine, name: engine.diff(name),
        lambda engine, name: engine.processes(name),
        lambda engine, name: engine.usage(name),
        lambda engine, name: engine.wait(name),
        lambda engine, name: engine.run(name),
        lambda engine, name: engine.read_file(name, "/x"),
        lambda engine, name: engine.write_file(name, "/x", b""),
    ],
    ids=[
        "start",
        "stop",
        "restart",
        "kill",
        "rename",
        "set_restart",
        "request_of",
        "exec",
        "logs",
        "log_lines",
        "diff",
        "processes",
        "usage",
        "wait",
        "run",
        "read_file",
        "write_file",
    ],
)
def test_what_needs_a_container_says_when_it_is_not_there(bench: Bench, call: Callable[[Engine, str], None]) -> None:
    with pytest.raises(ContainerMissingError, match=f"there is no container {bench.prefix}-never"):
        call(bench.engine, f"{bench.prefix}-never")


def test_a_container_needs_its_image(bench: Bench) -> None:
    with pytest.raises(ImageMissingError, match="there is no image kharness-test/never:1"):
        bench.create(replace(bench.spec(), image="kharness-test/never:1"))


def test_a_name_is_given_once(bench: Bench) -> None:
    first, other = bench.create(bench.spec("a")), bench.create(bench.spec("b"))
    with pytest.raises(ConflictError, match="the name is in use"):
        bench.create(bench.spec("a"))
    with pytest.raises(ConflictError, match="the name is in use"):
        bench.engine.rename(other, f"{bench.prefix}-a")
    bench.engine.rename(first, f"{bench.prefix}-c")
    bench.engine.rename(other, f"{bench.prefix}-a")
    found = bench.engine.container(f"{bench.prefix}-a")
    assert found is not None
    assert found.id == other


def test_a_bind_mount_needs_its_source(bench: Bench, tmp_path: Path) -> None:
    mount = Mount(kind=MountKind.BIND, source=str(tmp_path / "never"), target="/data")
    with pytest.raises(EngineError, match="bind source path does not exist"):
        bench.create(replace(bench.spec(), mounts=(mount,)))
    assert not (tmp_path / "never").exists()


def test_a_life(bench: Bench) -> None:
    container = bench.create(bench.spec())
    states = []

    def look() -> None:
        facts = bench.engine.container(container)
        assert facts is not None
        states.append((facts.state, facts.running))

    look()
    for step in (bench.engine.start, bench.engine.start, bench.engine.pause, bench.engine.unpause):
        step(container)
        look()
    bench.engine.kill(container)
    assert bench.engine.wait(container) == 137
    look()
    bench.engine.stop(container)
    bench.engine.remove(container)
    assert bench.engine.container(container) is None
    assert states == [
        ("created", False),
        ("running", True),
        ("running", True),
        ("paused", True),
        ("running", True),
        ("exited", False),
    ]


def test_a_restart_is_another_start_of_the_same_container(bench: Bench) -> None:
    container = bench.create(replace(bench.spec(), init=True))
    starts = []
    for _ in range(2):
        bench.engine.restart(container)
        facts = bench.facts(container)
        assert (facts.id, facts.running, facts.restart_count) == (container, True, 0)
        starts.append(facts.started_at)
    assert starts[0] < starts[1]


def test_what_only_a_running_container_can_do(bench: Bench) -> None:
    container = bench.create(bench.spec())
    for call in (bench.engine.kill, bench.engine.pause, bench.engine.processes):
        with pytest.raises(EngineError, match="not running"):
            call(container)
    with pytest.raises(EngineError, match="not running"):
        bench.engine.exec(container, ["true"])
    bench.engine.start(container)
    with pytest.raises(EngineError, match="running container cannot be removed"):
        bench.engine.remove(container)
    bench.engine.remove(container, force=True)


def test_a_container_waits_no_longer_than_told(bench: Bench) -> None:
    container = bench.run(bench.spec())
    with pytest.raises(TimeoutError, match=r"still runs after 0\.1 s"):
        bench.engine.wait(container, timeout=0.1)


def test_its_facts_are_those_of_its_spec(bench: Bench) -> None:
    spec = replace(bench.spec(), labels={"a": "b"}, restart="on-failure", restart_retries=3)
    container = bench.create(spec)
    facts = bench.engine.container(container)
    image = bench.engine.image(bench.image)
    assert facts is not None
    assert image is not None
    assert (facts.id, facts.name, facts.image, facts.image_id) == (container, spec.name, bench.image, image.id)
    assert (facts.labels, facts.health, facts.restart_count) == ({"a": "b"}, None, 0)
    assert facts.restart_policy == "on-failure"
    assert facts.raw["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    bench.engine.set_restart(container, "no")
    changed = bench.engine.container(container)
    assert changed is not None
    assert changed.restart_policy == "no"


def test_a_container_that_is_gone_is_made_again_as_it_was(bench: Bench) -> None:
    networks = (bench.network("one", 0), bench.network("two", 1))
    attachments = (
        Attachment(network=networks[0], ipv4_address=bench.address(5, 0), aliases=("first",)),
        Attachment(network=networks[1], ipv4_address=bench.address(6, 1)),
    )
    spec = replace(
        bench.spec(),
        environment={"A": "b c"},
        labels={"who": "me"},
        networks=attachments,
        restart="on-failure",
        restart_retries=3,
        read_only=True,
        mem_limit=64 << 20,
        pids_limit=20,
    )
    first = bench.run(spec)
    before = bench.engine.container(first)
    request = bench.engine.request_of(first)
    assert json.loads(json.dumps(request)) == request
    bench.engine.remove(first, force=True)
    again = bench.engine.create_again(spec.name, request)
    bench.undo.callback(bench.engine.remove, again, force=True)
    bench.engine.start(again)
    after = bench.engine.container(again)
    assert before is not None
    assert after is not None
    assert after.id != before.id
    for what in ("name", "image_id", "labels", "addresses", "restart_policy", "running"):
        assert getattr(after, what) == getattr(before, what), what
    host, was = after.raw["HostConfig"], before.raw["HostConfig"]
    for what in ("RestartPolicy", "ReadonlyRootfs", "Memory", "PidsLimit"):
        assert host[what] == was[what], what
    with pytest.raises(ConflictError, match="the name is in use"):
        bench.engine.create_again(spec.name, request)


def test_volumes_that_were_made_for_a_container_go_with_it_and_those_mounted_by_name_stay(bench: Bench) -> None:
    engine = bench.engine
    unnamed = Mount(kind=MountKind.VOLUME, source=None, target="/data")
    spec = replace(bench.spec(), image=bench.build(f"FROM {bench.image}\nVOLUME /declared\n"), mounts=(unnamed,))
    first = bench.create(spec)
    made = {mount.target: mount.name for mount in bench.facts(first).mounts}
    assert made.keys() == {"/data", "/declared"}
    assert all(is_anonymous(mount) for mount in bench.facts(first).mounts)
    request = engine.request_of(first)
    engine.remove(first, volumes=False)
    assert all(engine.volume(name) for name in made.values())
    again = engine.create_again(spec.name, request)
    assert {mount.target: mount.name for mount in bench.facts(again).mounts} == made
    engine.remove(again, volumes=True)
    assert all(engine.volume(name) for name in made.values())
    by_name = carry_over(spec, made.items())
    second = bench.create(by_name)
    assert {mount.target: mount.name for mount in bench.facts(second).mounts} == made
    with pytest.raises(ConflictError):
        engine.remove_volume(made["/data"])
    engine.remove(second, volumes=True)
    assert all(engine.volume(name) for name in made.values())
    third = bench.create(replace(by_name, mounts=by_name.mounts[:1]))
    (other,) = {mount.name for mount in bench.facts(third).mounts} - {*made.values()}
    engine.remove(third, volumes=True)
    assert engine.volume(other) is None
    for name in made.values():
        engine.remove_volume(name)


def test_containers_are_found_by_their_labels(bench: Bench) -> None:
    label = f"kharness-test.{bench.prefix}"
    for name, value in (("a", "1"), ("b", "2")):
        bench.create(replace(bench.spec(name), labels={label: value}))
    bench.create(bench.spec("c"))

    def names(value: str | None) -> set[str]:
        return {each.name.removeprefix(f"{bench.prefix}-") for each in bench.engine.containers(labels={label: value})}

    assert names(None) == {"a", "b"}
    assert names("2") == {"b"}
    assert names("3") == set()


def test_a_health_check_makes_a_container_have_health(bench: Bench) -> None:
    container = bench.run(replace(bench.spec(), health=HealthFacts(test=("CMD", "true"), interval=60)))
    facts = bench.engine.container(container)
    assert facts is not None
    assert facts.health in {"starting", "healthy"}


def test_a_file_that_is_written_is_read_and_is_a_change(bench: Bench) -> None:
    container = bench.create(bench.spec())
    assert bench.engine.diff(container) == ()
    bench.engine.write_file(container, "/root/x", b"\xff\x00")
    assert bench.engine.read_file(container, "/root/x") == b"\xff\x00"
    assert ("added", "/root/x") in [(change.kind, change.path) for change in bench.engine.diff(container)]
    with pytest.raises(EngineError, match="/root/never"):
        bench.engine.read_file(container, "/root/never")


def test_what_is_at_a_path_is_told_and_can_be_taken_as_an_archive(bench: Bench) -> None:
    container = bench.create(bench.spec())
    bench.engine.write_file(container, "/root/x", b"12345")
    file, directory = bench.engine.stat(container, "/root/x"), bench.engine.stat(container, "/root")
    assert file is not None
    assert directory is not None
    assert (stat.S_ISREG(file.mode), stat.S_IMODE(file.mode), file.size) == (True, 0o644, 5)
    assert stat.S_ISDIR(directory.mode)
    assert bench.engine.stat(container, "/root/never") is None
    with tarfile.open(fileobj=io.BytesIO(b"".join(bench.engine.archive(container, "/root/x"))), mode="r:") as archive:
        assert archive.getnames() == ["x"]
    with pytest.raises(EngineError, match="/root/never"):
        list(bench.engine.archive(container, "/root/never"))


def test_a_container_can_be_made_an_image(bench: Bench) -> None:
    container = bench.run(bench.spec())
    bench.engine.write_file(container, "/root/x", b"12345")
    ref = f"kharness-test/{bench.prefix}:commit"
    bench.undo.callback(bench.engine.remove_image, ref, force=True)
    image = bench.engine.commit(container, ref)
    assert ref in image.tags
    assert bench.facts(container).state == "running"
    copy = bench.create(replace(bench.spec("b"), image=image.id))
    assert bench.engine.read_file(copy, "/root/x") == b"12345"


def test_a_command_tells_what_it_found(bench: Bench) -> None:
    container = bench.run(bench.spec())
    assert bench.engine.exec(container, ["true"]).ok
    assert "root:x:0:0" in bench.engine.exec(container, ["cat", "/etc/passwd"]).stdout
    missing = bench.engine.exec(container, ["cat", "/never"])
    assert missing.exit_code == 1
    assert "/never" in missing.stderr
    assert bench.engine.exec_raw(container, ["cat", "/etc/passwd"])[1].startswith(b"root:x:0:0")
    bench.engine.pause(container)
    with pytest.raises(EngineError, match="paused"):
        bench.engine.exec(container, ["true"])


def test_a_container_tells_which_processes_it_runs(bench: Bench) -> None:
    long = "x" * 300
    container = bench.run(replace(bench.spec(), command=("sh", "-c", f"sleep 60; : {long}"), user="7"))
    if isinstance(bench.engine, FakeEngine):
        box = bench.engine.boxes[container]
        box.image = replace(box.image, labels={"fake.processes": "sleep 60"})
    deadline = time.monotonic() + 60
    # Between its fork and its exec a process is a copy of its parent.
    while len(found := bench.engine.processes(container)) < 2 or found[1].command == found[0].command:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    first, other = found
    assert (first.uid, first.command) == ("7", f"sh -c sleep 60; : {long}")
    assert (other.ppid, other.uid, other.command) == (first.pid, "7", "sleep 60")


def test_a_command_is_run_to_its_end(bench: Bench) -> None:
    if isinstance(bench.engine, FakeEngine):
        bench.engine.script = lambda _found, argv: ExecResult(3, f"{len(argv)} words", "and a reason\n")
    script = "printf '4 words'; echo and a reason >&2; exit 3"
    spec = replace(bench.spec(), entrypoint=("sh",), command=("-c", script, "sh"), log_driver="none")
    container = bench.create(spec)
    assert bench.engine.run(container, timeout=60) == (3, b"4 words", b"and a reason\n")
    assert bench.facts(container).state == "exited"


def test_what_it_uses_is_known_while_it_runs(bench: Bench) -> None:
    container = bench.run(bench.spec(command=("sh", "-c", "head -c 40000000 /dev/zero | tail >/dev/null; sleep 60")))
    first = bench.engine.usage(container)
    assert first is not None
    second = bench.engine.usage(container)
    assert second is not None
    assert 0 < second.memory < second.memory_limit
    assert second.at >= first.at > time.time() - 60
    assert second.cpu >= first.cpu
    bench.engine.kill(container)
    bench.engine.wait(container)
    assert bench.engine.usage(container) is None
