"""What only a real engine can show."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.engine.connect import connect
from kharness.errors import EngineError, ImageMissingError, LaunchError
from kharness.plan.facts import PortRef
from kharness.plan.launch.runspec import Attachment, Mount, MountKind, Publish, RunSpec

pytestmark = pytest.mark.engine


@pytest.fixture
def spec(busybox: str, prefix: str) -> RunSpec:
    return RunSpec(name=prefix, image=busybox, command=("sleep", "60"))


@contextmanager
def running(engine: Engine, spec: RunSpec) -> Iterator[str]:
    container = engine.create(spec)
    try:
        engine.start(container)
        yield container
    finally:
        engine.remove(container, force=True)


def test_the_engine_says_what_it_is_once(engine: Engine) -> None:
    facts = engine.facts()
    assert facts is engine.facts()
    assert (facts.cpus, facts.local, facts.podman) == (os.cpu_count(), True, False)
    assert facts.endpoint.startswith("unix://")
    assert facts.version
    assert facts.root_dir.startswith("/")


def test_connecting_takes_one_request(engine: Engine) -> None:
    begun = time.perf_counter()
    for _ in range(20):
        connect(host=engine.facts().endpoint, environ={}, home=Path("/never")).close()
    # A refusal or a retry would wait longer; 20 times 5 ms where nothing else runs.
    assert time.perf_counter() - begun < 20


def test_output_is_told_apart_and_decoded_with_care(engine: Engine, spec: RunSpec) -> None:
    with running(engine, spec) as container:
        script = r"echo out; echo err >&2; printf '\377'; exit 3"
        done = engine.exec(container, ["sh", "-c", script])
        assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n\ufffd", "err\n")
        assert engine.exec_raw(container, ["sh", "-c", script]) == (3, b"out\n\xff", b"err\n")


def test_a_command_has_its_user_environment_and_directory(engine: Engine, spec: RunSpec) -> None:
    with running(engine, spec) as container:
        done = engine.exec(
            container,
            ["sh", "-c", "id -u; echo $A; pwd"],
            user="65534",
            environment={"A": "b c"},
            working_dir="/tmp",
        )
    assert done.stdout == "65534\nb c\n/tmp\n"


def test_a_megabyte_of_output_arrives_whole(engine: Engine, spec: RunSpec) -> None:
    with running(engine, spec) as container:
        code, out, _ = engine.exec_raw(container, ["sh", "-c", "head -c 3000000 /dev/zero"])
    assert (code, len(out)) == (0, 3_000_000)


def test_a_command_that_is_not_there_exits_as_a_shell_says(engine: Engine, spec: RunSpec) -> None:
    with running(engine, spec) as container:
        done = engine.exec(container, ["never"])
    assert done.exit_code in {126, 127}
    assert "never" in done.stdout + done.stderr


@pytest.mark.parametrize("script", ["sleep 60", "while :; do echo x; sleep 0.05; done", "exec >&- 2>&-; sleep 60"])
def test_a_command_is_waited_for_no_longer_than_told(engine: Engine, spec: RunSpec, script: str) -> None:
    with running(engine, spec) as container:
        begun = time.perf_counter()
        with pytest.raises(TimeoutError, match=r"sh in container .* still runs after 0\.4 s"):
            engine.exec(container, ["sh", "-c", script], timeout=0.4)
        assert time.perf_counter() - begun < 20


def test_sixteen_threads_share_an_engine(engine: Engine, spec: RunSpec) -> None:
    def ask(number: int) -> str:
        assert engine.container(spec.name)
        return engine.exec(container, ["echo", str(number)], timeout=30).stdout

    with running(engine, spec) as container, ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(48))) == [f"{number}\n" for number in range(48)]


def test_logs_have_both_streams_in_order(engine: Engine, spec: RunSpec) -> None:
    script = r"echo one; sleep 0.05; echo two >&2; sleep 0.05; printf 'thr\377ee\n'"
    with running(engine, replace(spec, command=("sh", "-c", script))) as container:
        assert engine.wait(container, timeout=60) == 0
        assert engine.logs(container) == "one\ntwo\nthr\ufffdee\n"
        assert engine.logs(container, tail=1) == "thr\ufffdee\n"


def test_a_terminals_log_is_text_as_it_is(engine: Engine, spec: RunSpec) -> None:
    with running(engine, replace(spec, command=("echo", "hi"), tty=True)) as container:
        engine.wait(container, timeout=60)
        assert engine.logs(container) == "hi\r\n"
        assert [line.text for line in engine.log_lines(container)] == ["hi"]


def test_lines_are_told_as_they_arrive_with_their_streams_and_times(engine: Engine, spec: RunSpec) -> None:
    script = "head -c 40000 /dev/zero | tr '\\0' x; echo; echo two >&2; sleep 0.4; echo three; sleep 60"
    with running(engine, replace(spec, command=("sh", "-c", script), init=True)) as container:
        follow = engine.log_lines(container, follow=True)
        found = [next(follow) for _ in range(3)]
        assert {(line.text, line.error) for line in found[:2]} == {("x" * 40_000, False), ("two", True)}
        # The engine may hand on a line of one stream before an earlier one of the other.
        second = max(line.at for line in found[:2])
        assert (found[2].text, found[2].at > second) == ("three", True)
        assert list(engine.log_lines(container, after=second)) == found[2:]
        assert list(engine.log_lines(container, tail=1)) == found[2:]
        threading.Timer(0.1, engine.kill, (container,)).start()
        assert list(follow) == []


def test_a_container_without_a_log_has_an_empty_one(engine: Engine, spec: RunSpec) -> None:
    with running(engine, replace(spec, command=("echo", "hi"), log_driver="none")) as container:
        engine.wait(container, timeout=60)
        assert engine.logs(container) == ""
        with pytest.raises(EngineError, match="its log driver keeps nothing that can be read"):
            next(engine.log_lines(container))


def test_links_are_followed_inside_the_container(engine: Engine, spec: RunSpec) -> None:
    script = "echo hi >/root/a; ln -s /root/a /root/b; ln -s b /root/c; ln -s loop /root/loop; sleep 60"
    with running(engine, replace(spec, command=("sh", "-c", script))) as container:
        deadline = time.monotonic() + 60
        while not engine.exec(container, ["test", "-L", "/root/loop"]).ok:
            assert time.monotonic() < deadline
        assert [engine.read_file(container, f"/root/{name}") for name in "abc"] == [b"hi\n"] * 3
        for path in ("/root/loop", "/root", "/dev/null", "/bin/busybox/x"):
            with pytest.raises(EngineError, match=f"container .*: .*{path}|too many links"):
                engine.read_file(container, path)


def test_a_written_file_has_its_mode_and_belongs_to_root(engine: Engine, spec: RunSpec) -> None:
    with running(engine, spec) as container:
        engine.write_file(container, "/root/x", b"hi", mode=0o4750)
        assert engine.exec(container, ["stat", "-c", "%a %u %g", "/root/x"]).stdout == "4750 0 0\n"
        engine.write_file(container, "/made/on/the/way", b"hi", owner=(5, 6))
        assert engine.exec(container, ["stat", "-c", "%u %g", "/made/on/the/way"]).stdout == "5 6\n"


def test_a_path_that_is_not_utf_8_is_a_change_all_the_same(engine: Engine, spec: RunSpec) -> None:
    script = r"touch /root/$(printf 'a\377b')"
    with running(engine, replace(spec, command=("sh", "-c", script))) as container:
        engine.wait(container, timeout=60)
        assert [change.path for change in engine.diff(container) if change.kind == "added"] == ["/root/a\ufffdb"]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"command": ("never",)}, 'exec: "never": executable file not found'),
        ({"command": ("/etc/passwd",)}, "permission denied"),
        ({"user": "never"}, "unable to find user never"),
        ({"ulimits": (("nofile", 10_000_000, 10_000_000),)}, "rlimit"),
    ],
)
def test_a_process_that_cannot_run_is_told_in_one_line(
    engine: Engine, spec: RunSpec, said: dict[str, object], text: str
) -> None:
    with pytest.raises(LaunchError) as caught, running(engine, replace(spec, **said)):  # type: ignore[arg-type]
        pass
    assert text in str(caught.value)
    assert "OCI runtime" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_engine_does_what_a_spec_says(engine: Engine, spec: RunSpec, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("from the host\n")
    tmp_path.chmod(0o755)
    full = replace(
        spec,
        hostname="me",
        user="65534",
        working_dir="/tmp",
        environment={"A": "1"},
        read_only=True,
        cap_drop=("ALL",),
        security_opt=("no-new-privileges",),
        init=True,
        mem_limit=64 << 20,
        memswap_limit=64 << 20,
        cpus=0.5,
        pids_limit=20,
        ulimits=(("nofile", 50, 60),),
        mounts=(
            Mount(kind=MountKind.BIND, source=str(tmp_path), target="/data", read_only=True),
            Mount(kind=MountKind.TMPFS, source=None, target="/run", size=1 << 20, mode=0o1777),
        ),
        networks=(Attachment(network="bridge"),),
        publish=(Publish(port=PortRef(80), host_ip="127.0.0.1"),),
        extra_hosts=(("db", "192.0.2.5"),),
        sysctls={"net.core.somaxconn": "99"},
        devices=(("/dev/null", "/dev/nothing", "r"),),
        stop_grace_period=1,
    )
    script = """
        hostname; id -u; pwd; echo $A; cat /data/x; stat -c %a /run; grep db /etc/hosts | cut -f1
        cat /proc/sys/net/core/somaxconn; test -c /dev/nothing && echo device
        touch /x 2>/dev/null || echo read-only; grep -E 'CapBnd|NoNewPrivs' /proc/self/status | cut -f2
        cat /proc/1/comm
        # Not of this shell: a runc before 1.1.13 may give what it executes the hard limit, opencontainers/runc#4195.
        awk '/open files/ {print $4, $5}' /proc/1/limits
        """
    with running(engine, full) as container:
        said = engine.exec(container, ["sh", "-c", script]).stdout.split("\n")
        facts = engine.container(container)
        begun = time.perf_counter()
        engine.stop(container)
        assert time.perf_counter() - begun < 9
    assert said == [
        "me", "65534", "/tmp", "1", "from the host", "1777", "192.0.2.5", "99", "device", "read-only",
        "0000000000000000", "1", "docker-init", "50 60", "",
    ]  # fmt: skip
    assert facts is not None
    assert [port.host_ip for port in facts.published] == ["127.0.0.1"]
    assert facts.published[0].host_port > 1024
    host = facts.raw["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500_000_000, 64 << 20, 20)


def test_a_removal_waits_for_one_that_is_under_way(engine: Engine, spec: RunSpec) -> None:
    container = engine.create(spec)
    engine.start(container)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(engine.remove, container, force=True) for _ in range(4)]:
            done.result()
    assert engine.container(container) is None


def test_a_listed_container_has_what_a_table_needs(engine: Engine, spec: RunSpec) -> None:
    with running(engine, replace(spec, labels={spec.name: "x"}, networks=(Attachment(network="bridge"),))) as container:
        (listed,) = engine.containers(labels={spec.name: None})
        inspected = engine.container(container)
    assert inspected is not None
    assert (listed.id, listed.name, listed.state) == (container, spec.name, "running")
    assert (listed.image, listed.image_id) == (inspected.image, inspected.image_id)
    assert (listed.labels, listed.addresses) == (inspected.labels, inspected.addresses)
    assert listed.created[:19] == inspected.created[:19]


def test_a_pull_says_why_it_failed(engine: Engine) -> None:
    with pytest.raises(ImageMissingError, match=r"x:1 cannot be pulled: .*connection refused"):
        engine.pull("127.0.0.1:1/x:1")


def test_what_a_context_raises_is_raised(engine: Engine, prefix: str) -> None:
    def failing() -> Iterator[bytes]:
        yield b"\0" * 512
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        engine.import_image(failing(), f"kharness-test/{prefix}:1")


def test_a_waiting_call_ends_when_the_container_does(engine: Engine, spec: RunSpec) -> None:
    with running(engine, spec) as container:
        threading.Timer(0.2, engine.kill, (container,)).start()
        assert engine.wait(container, timeout=60) == 137


def test_raw_facts_can_be_stored(engine: Engine, spec: RunSpec) -> None:
    with running(engine, spec) as container:
        facts = engine.container(container)
    assert facts is not None
    assert json.loads(json.dumps(facts.raw))["Id"] == container


def test_what_a_command_prints_arrives_byte_by_byte(engine: Engine, busybox: str, prefix: str) -> None:
    program = r"printf '\000\377no end'; head -c 300000 /dev/zero; sleep 0.2; printf '\001last'"
    spec = RunSpec(name=f"{prefix}-run", image=busybox, command=("sh", "-c", program), log_driver="none", init=True)
    container = engine.create(spec)
    try:
        assert engine.run(container, timeout=60) == (0, b"\0\xffno end" + bytes(300_000) + b"\1last", b"")
    finally:
        engine.remove(container, force=True)


def test_a_command_that_does_not_end_in_time_is_told(engine: Engine, busybox: str, prefix: str) -> None:
    container = engine.create(RunSpec(name=f"{prefix}-run", image=busybox, command=("sleep", "60"), init=True))
    try:
        with pytest.raises(TimeoutError, match=r"still runs after 0\.5 s"):
            engine.run(container, timeout=0.5)
    finally:
        engine.remove(container, force=True)


def test_a_command_that_cannot_be_run_is_told(engine: Engine, busybox: str, prefix: str) -> None:
    container = engine.create(RunSpec(name=f"{prefix}-run", image=busybox, command=("/never",)))
    try:
        with pytest.raises(LaunchError, match="does not start"):
            engine.run(container, timeout=60)
    finally:
        engine.remove(container, force=True)
