"""What the fake does that an engine does not: behave on demand, remember, fail when told."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.engine.api import BuildRequest, Engine
from kharness.errors import ConflictError, EngineError, EngineUnavailableError, ImageMissingError, LaunchError
from kharness.plan.facts import Change, EngineFacts, ExecResult, HealthFacts, PortRef
from kharness.plan.launch.runspec import RunSpec
from kharness.testing import FakeEngine
from kharness.testing.recording import Call
from kharness.testing.tree import ContainerTree
from tests.rootfs import context

WEB = RunSpec(name="web", image="web:1")


def launched(engine: FakeEngine, spec: RunSpec = WEB, *, labels: Mapping[str, str] | None = None) -> str:
    engine.put_image(spec.image, labels=labels or {})
    container = engine.create(spec)
    engine.start(container)
    return container


def test_the_fake_is_an_engine_and_needs_no_sdk() -> None:
    engine: Engine = FakeEngine()
    assert engine.containers() == ()
    code = "import sys, kharness.testing; sys.exit(bool({'docker', 'pytest', 'requests'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_calls_are_remembered_with_the_names_that_containers_had() -> None:
    engine = FakeEngine()
    container = launched(engine)
    engine.rename(container, "web.old")
    engine.stop(container)
    engine.remove(container, force=True)
    assert engine.called() == ("create web", "start web", "rename web web.old", "stop web.old", "remove web.old")
    assert engine.called("stop", "start") == ("start web", "stop web.old")
    assert engine.calls[-1].kwargs == {"force": True}


def test_a_call_can_fail_before_it_does_anything() -> None:
    engine = FakeEngine()
    engine.put_image("web:1")
    engine.fail_on["create"] = EngineUnavailableError("gone")
    with pytest.raises(EngineUnavailableError, match="gone"):
        engine.create(WEB)
    del engine.fail_on["create"]
    assert engine.containers() == ()


def test_a_call_can_fail_after_it_has_done_its_work() -> None:
    def die(call: Call) -> None:
        if call.name == "start":
            raise EngineUnavailableError("gone")

    engine = FakeEngine()
    engine.after = die
    with pytest.raises(EngineUnavailableError, match="gone"):
        launched(engine)
    assert engine.running == {"web"}


def test_a_hook_sees_each_call_and_may_use_the_engine() -> None:
    seen: list[tuple[str, set[str]]] = []
    engine = FakeEngine()
    engine.before = lambda call: seen.append((str(call), engine.running))
    container = launched(engine)
    engine.stop(container)
    assert seen == [("create web", set()), ("start web", set()), ("stop web", {"web"})]


@pytest.mark.parametrize(
    ("restart", "exit_code", "state"),
    [
        ("no", 0, "exited"),
        ("no", 3, "exited"),
        ("on-failure", 0, "exited"),
        ("on-failure", 3, "restarting"),
        ("always", 0, "restarting"),
    ],
)
def test_an_image_can_make_its_containers_exit(restart: str, exit_code: int, state: str) -> None:
    engine = FakeEngine()
    container = launched(engine, replace(WEB, restart=restart), labels={"fake.exit": str(exit_code)})
    facts = engine.container(container)
    assert facts is not None
    assert (facts.state, facts.exit_code, facts.running) == (state, exit_code, False)
    assert facts.restart_count == (state == "restarting")


def test_a_container_that_is_to_be_removed_goes_when_it_exits() -> None:
    engine = FakeEngine()
    launched(engine, replace(WEB, remove=True), labels={"fake.exit": "0"})
    assert engine.containers() == ()


def test_an_image_can_keep_its_containers_from_starting() -> None:
    engine = FakeEngine()
    with pytest.raises(LaunchError, match="container web does not start: read-only file system"):
        launched(engine, labels={"fake.start": "read-only file system"})
    assert engine.running == set()


@pytest.mark.parametrize(("health", "exit_code"), [("healthy", 0), ("unhealthy", 1), ("starting", 1)])
def test_an_image_can_make_its_containers_ill(health: str, exit_code: int) -> None:
    engine = FakeEngine()
    engine.put_image("web:1", labels={"fake.health": health}, health=HealthFacts(test=("CMD", "check", "it")))
    container = engine.create(WEB)
    engine.start(container)
    facts = engine.container(container)
    assert facts is not None
    assert facts.health == health
    assert engine.exec(container, ["check", "it"]).exit_code == exit_code


@pytest.mark.parametrize(
    ("said", "ports"), [({}, ["0050"]), ({"fake.listens": "no"}, []), ({"fake.listens": "8"}, ["0008"])]
)
def test_ports_listen_as_exposed_or_as_the_image_says(said: dict[str, str], ports: list[str]) -> None:
    engine = FakeEngine()
    container = launched(engine, replace(WEB, expose=(PortRef(80), PortRef(53, "udp"))), labels=said)
    table = engine.exec(container, ["cat", "/proc/net/tcp"]).stdout.splitlines()
    assert [row.split()[1].split(":")[1] for row in table[1:]] == ports


def test_a_script_answers_commands_and_may_leave_some() -> None:
    engine = FakeEngine()
    container = launched(engine)
    engine.script = lambda facts, argv: ExecResult(7, facts.name, "") if argv == ("ask",) else None
    assert engine.exec(container, ["ask"]) == ExecResult(7, "web", "")
    assert engine.exec(container, ["else"]).ok


def test_containers_write_logs() -> None:
    engine = FakeEngine()
    container = launched(engine, labels={"fake.logs": "one\ntwo"})
    engine.say("web", "three")
    assert engine.logs(container) == "one\ntwo\nthree\n"
    assert engine.logs(container, tail=1) == "three\n"
    assert engine.logs(container, tail=0) == ""


def test_a_crash_wakes_who_waits() -> None:
    engine = FakeEngine()
    container = launched(engine)
    threading.Timer(0.05, engine.crash, (container, 9)).start()
    assert engine.wait(container, timeout=10) == 9


def test_changes_can_be_planted() -> None:
    engine = FakeEngine()
    container = launched(engine)
    engine.boxes[container].changes.append(Change("removed", "/etc/x"))
    assert engine.diff(container) == (Change("removed", "/etc/x"),)


def test_a_pull_finds_what_a_registry_has() -> None:
    engine = FakeEngine()
    remote = engine.put_remote("nginx:1", user="5")
    lines: list[str] = []
    pulled = engine.pull("nginx:1", progress=lines.append)
    assert (pulled.id, pulled.tags, pulled.user) == (remote.id, ("nginx:1",), "5")
    assert pulled.digests == (f"nginx@{remote.id}",)
    assert lines == ["Pulling from nginx:1"]
    assert engine.put_remote("nginx:1", user="6").id != remote.id
    with pytest.raises(ImageMissingError):
        engine.pull("never:1")


def test_a_build_copies_files_and_understands_the_usual_instructions() -> None:
    engine = FakeEngine()
    engine.put_image("base:live", labels={"base": "yes"}, files={"/etc/passwd": b"root"})
    dockerfile = """\
# a comment
ARG VERSION=live
FROM base:${VERSION}
LABEL a="b c" d=e
ENV A=1
EXPOSE 80 53/udp
VOLUME ["/data"]
ENTRYPOINT ["/init"]
CMD serve \\
    well
HEALTHCHECK --interval=1s CMD ["check"]
COPY files/ /
RUN /prep
"""
    request = BuildRequest(tag="web:1", labels={"r": "1"})
    made = engine.build([context(dockerfile, {"files/etc/x": b"hi"})], request)
    assert made.labels == {"base": "yes", "a": "b c", "d": "e", "r": "1"}
    assert (made.environment, made.volumes, made.entrypoint) == (("A=1",), ("/data",), ("/init",))
    assert made.command[-1].split() == ["serve", "well"]
    assert made.exposed == (PortRef(80), PortRef(53, "udp"))
    assert made.health == HealthFacts(test=("CMD", "check"))
    container = engine.create(WEB)
    assert engine.read_file(container, "/etc/x") == b"hi"
    assert engine.read_file(container, "/etc/passwd") == b"root"


def test_volumes_can_have_real_directories(tmp_path: Path) -> None:
    volume = FakeEngine(root=tmp_path).create_volume("data")
    assert Path(volume.mountpoint).is_dir()
    assert volume.mountpoint.startswith(str(tmp_path))


def test_the_engines_facts_can_be_said() -> None:
    facts = EngineFacts(id="x", podman=True)
    assert FakeEngine(facts=facts).facts() == facts


def test_a_fake_refuses_what_an_engine_refuses_in_its_words() -> None:
    engine = FakeEngine()
    launched(engine)
    with pytest.raises(ConflictError, match="container web: the name is in use"):
        engine.create(WEB)
    with pytest.raises(EngineError, match="container web: a running container cannot be removed"):
        engine.remove("web")


def test_a_tree_has_container_directories_as_they_are_written(tmp_path: Path) -> None:
    tree = ContainerTree(tmp_path / "containers")
    web = tree.add(
        "my-web",
        settings="""
            expose: [80]
            init: true
            """,
        dockerfile="FROM scratch\n",
        files={"etc/x": "text\n", "bin/y": b"\xff"},
        private={"etc/x": "mine\n"},
        tests="def test_it(): ...\n",
    )
    found = {str(file.relative_to(web)): file.read_bytes() for file in web.rglob("*") if file.is_file()}
    assert found == {
        "settings.yaml": b"expose: [80]\ninit: true\n",
        "Dockerfile": b"FROM scratch\n",
        "files/etc/x": b"text\n",
        "files/bin/y": b"\xff",
        "private.d/etc/x": b"mine\n",
        "test_my_web.py": b"def test_it(): ...\n",
    }
    assert web == tree.path / "my-web"
