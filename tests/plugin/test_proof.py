"""A session that touches production fails, and says what it touched; one that does not says that in a quiet line."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from kharness.engine.api import Engine
from kharness.errors import EngineError
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from kharness.plan.session.modes import Mode
from kharness.plugin.proof import Proving
from tests.ops.world import World
from tests.plugin.sessions import started
from tests.projects import REPOSITORY, Project, Result

SETTINGS = """\
    image: {busybox}
    command: [sleep, "600"]
    init: true
    volumes: [./data:/data, {prefix}named:/named]
"""
TESTS = """\
    import os, pathlib

    REAL = pathlib.Path(os.environ["REAL"])
    NAME = os.environ["PRODUCTION"]

    def test_it(container):
        assert container.exec("sh", "-c", "echo more >> /data/file && rm -rf /data/sub").ok
        {does}
"""
CAREFUL = "pass"
WRITES = "(REAL / 'file').write_text('of a test')"
HIDES = (
    "found = (REAL / 'file').stat(); (REAL / 'file').write_text('REAL data');"
    " os.utime(REAL / 'file', ns=(found.st_atime_ns, found.st_mtime_ns))"
)
RESTARTS = "import docker; docker.from_env().containers.get(NAME).restart(timeout=0)"
QUIET = r"^production untouched: {0} director(y|ies), {1} entries(, with contents)?, \d+ ms$"


def real(project: Project) -> Path:
    return project.path / "dv" / project.name("box") / "data"


def run(project: Project, busybox: str, does: str, *args: str) -> Result:
    """Run a session whose test uses its copy as it likes, and then does something else."""
    settings = SETTINGS.format(busybox=busybox, prefix=project.prefix)
    directory = project.add("box", {"settings.yaml": settings, "test_it.py": TESTS.format(does=does)})
    if not real(project).exists():
        (real(project) / "sub").mkdir(parents=True)
        (real(project) / "file").write_text("real data")
    said = {"REAL": str(real(project)), "PRODUCTION": project.name("box")}
    return project.pytest(str(directory), *args, environ=said)


def launch_production(project: Project, engine: Engine, busybox: str, *mounts: Mount) -> None:
    owned = project.production("box", engine.image(busybox))
    command = ("sleep", "600")
    spec = RunSpec(name=project.name("box"), image=busybox, command=command, init=True, mounts=mounts, labels=owned)
    engine.start(engine.create(spec))


def live(project: Project, engine: Engine) -> bool:
    return engine.image(f"{REPOSITORY}/{project.name('box')}:live") is not None


def test_what_is_untouched_is_said_in_one_line(project: Project, engine: Engine, busybox: str) -> None:
    launch_production(project, engine, busybox)
    result = run(project, busybox, CAREFUL, "--prod-ready", "--promote")
    assert result.status == 0, result.output
    assert len(re.findall(QUIET.format(1, 3), result.output, re.MULTILINE)) == 1, result.output
    assert "note:" not in result.output
    assert live(project, engine)


def test_a_test_that_writes_into_production_s_directory_fails_the_session(
    project: Project, engine: Engine, busybox: str
) -> None:
    result = run(project, busybox, WRITES, "--prod-ready", "--promote")
    assert result.outcomes() == {"passed": 1}
    assert result.status == 1, result.output
    name = project.name("box")
    reason = f"production's data was changed during the session: {real(project)}: 1 path differs\n    file: mtime "
    assert f"{name}: refused\n  - {reason}" in result.output
    assert "production untouched" not in result.output
    assert not live(project, engine)


def test_it_fails_where_nothing_was_to_be_promoted_and_workers_ran_the_tests(project: Project, busybox: str) -> None:
    result = run(project, busybox, WRITES, "--prod-ready", "-n", "1")
    assert result.outcomes() == {"passed": 1}
    assert result.status == 1, result.output
    assert f"{project.name('box')}: not ready for promotion\n  - production's data was changed" in result.output


def test_what_production_may_have_written_itself_is_said_and_fails_nothing(
    project: Project, engine: Engine, busybox: str
) -> None:
    real(project).mkdir(parents=True)
    (real(project) / "file").write_text("real data")
    (real(project) / "sub").mkdir()
    mount = Mount(kind=MountKind.BIND, source=str(real(project)), target="/d")
    launch_production(project, engine, busybox, mount)
    result = run(project, busybox, WRITES, "--prod-ready", "--promote")
    assert result.status == 0, result.output
    who = f"{project.name('box')} ran with it mounted writable, and may have done that"
    assert f"note: {real(project)}: 1 path changed during the session; {who}\n" in result.output
    assert live(project, engine)


def test_a_named_volume_is_proved_too_and_who_mounts_it_is_known(
    project: Project, engine: Engine, busybox: str
) -> None:
    if os.geteuid() != 0 or not engine.facts().local:
        pytest.skip("a named volume is looked into by root beside a local engine")
    volume = engine.create_volume(f"{project.prefix}named", labels={})
    try:
        writes = f"(pathlib.Path({volume.mountpoint!r}) / 'new').touch()"
        result = run(project, busybox, writes, "--prod-ready")
        assert result.status == 1, result.output
        assert f"changed during the session: {volume.mountpoint}: 2 paths differ\n    .: mtime" in result.output
        mount = Mount(kind=MountKind.VOLUME, source=volume.name, target="/d")
        launch_production(project, engine, busybox, mount)
        result = run(project, busybox, writes.replace("new", "newer"), "--prod-ready")
        assert result.status == 0, result.output
        assert f"note: {volume.mountpoint}: 2 paths changed during the session" in result.output
    finally:
        engine.remove(project.name("box"), force=True)
        engine.remove_volume(volume.name)


@pytest.mark.parametrize("mode", ["--ready", "--prod-ready"])
def test_a_test_that_restarts_production_fails_the_session(
    project: Project, engine: Engine, busybox: str, mode: str
) -> None:
    launch_production(project, engine, busybox)
    result = run(project, busybox, RESTARTS, mode, "--promote")
    assert result.outcomes() == {"passed": 1}
    assert result.status == 1, result.output
    name = project.name("box")
    assert f"{name}: refused\n  - production's container {name} was restarted (started 20" in result.output
    assert not live(project, engine)


def test_a_crash_loop_from_before_the_session_stands_in_no_release_s_way(
    project: Project, engine: Engine, busybox: str
) -> None:
    name = project.name("box")
    owned = project.production("box", engine.image(busybox))
    crashes = ("sh", "-c", "sleep 1; exit 1")
    engine.start(
        engine.create(RunSpec(name=name, image=busybox, command=crashes, init=True, restart="always", labels=owned))
    )
    deadline = time.monotonic() + 20
    while (found := engine.container(name)) is None or not found.restart_count:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    result = run(project, busybox, "__import__('time').sleep(3)", "--ready", "--promote")
    assert result.status == 0, result.output
    assert f"production's container {name} keeps crashing, as it did before: it was restarted" in result.output
    assert live(project, engine)


def test_a_hidden_change_is_found_in_contents_alone(project: Project, busybox: str) -> None:
    careless = run(project, busybox, HIDES, "--prod-ready")
    assert careless.status == 0, careless.output
    assert re.search(QUIET.format(1, 3), careless.output, re.MULTILINE)
    (real(project) / "file").write_text("real data")
    careful = run(project, busybox, HIDES, "--prod-ready", "--prove=content")
    assert careful.status == 1, careful.output
    assert f"{real(project)}: 1 path differs\n    file: content\n" in careful.output


def test_whoever_wants_no_proof_is_told_so(project: Project, busybox: str) -> None:
    result = run(project, busybox, WRITES, "--prod-ready", "--prove=none")
    assert result.status == 0, result.output
    assert "note: --prove=none: nothing proves that production is untouched\n" in result.output
    assert "production untouched:" not in result.output


def test_a_stand_alone_session_copies_nothing_and_says_nothing(project: Project, busybox: str) -> None:
    result = run(project, busybox, CAREFUL, "--ready")
    assert result.status == 0, result.output
    assert "untouched" not in result.output


def test_a_session_that_is_stopped_by_a_failure_is_proved_too(project: Project, busybox: str) -> None:
    result = run(project, busybox, f"{WRITES}; assert False", "--prod-ready", "-x")
    assert result.status == 1, result.output
    assert f"production's data was changed during the session: {real(project)}: 1 path differs" in result.output


def test_after_an_interrupt_nothing_is_proved_and_nothing_promoted(
    project: Project, engine: Engine, busybox: str
) -> None:
    settings = SETTINGS.format(busybox=busybox, prefix=project.prefix)
    sleeper = "import pathlib, time\n\ndef test_it(container):\n    pathlib.Path('running').touch(); time.sleep(60)\n"
    project.add("box", {"settings.yaml": settings, "test_it.py": sleeper})
    real(project).mkdir(parents=True)
    with started(project, "containers", "--prod-ready", "--promote") as session:
        session.until((project.path / "running").exists)
        (real(project) / "new").touch()
        session.send(signal.SIGINT)
        assert session.end() == pytest.ExitCode.INTERRUPTED, session.output
    assert "untouched" not in session.output
    assert "was changed during the session" not in session.output
    assert not live(project, engine)


def test_an_engine_that_died_is_no_proof(tmp_path: Path) -> None:
    world = World.create(tmp_path / "world")
    world.add("web")
    config = cast("pytest.Config", SimpleNamespace(option=SimpleNamespace(prove=None)))
    proving = Proving(config, Mode.STANDALONE)
    proving.witness(world.harness())
    settings = {"web": world.harness().settings(world.directory("web"))}
    proving.begin(settings)
    world.engine.fail_on["containers"] = EngineError("the engine is gone")
    proving.take(None)
    reason = "nothing proves that production is untouched: the engine is gone"
    assert proving.proof.failures == {"web": (reason,)}
    with pytest.raises(pytest.UsageError, match="the engine is gone"):
        proving.begin(settings)
