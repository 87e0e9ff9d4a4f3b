"""Sessions that are interrupted or killed: nothing stays but what the next session removes, and nothing is promoted."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from tests.plugin.conftest import TESTS, add_web
from tests.plugin.sessions import started
from tests.projects import REPOSITORY, Project

pytestmark = pytest.mark.engine

INTERRUPTED = 2
SETTINGS = """\
    image: {busybox}
    command: [sleep, "600"]
    volumes: [./data:/data]
    healthcheck: {{test: [CMD, test, -e, {healthy}]}}
    init: true
"""
SLEEPER = """\
    import pathlib, time

    def test_it(container, private_container):
        pathlib.Path("running").touch()
        time.sleep(60)

    def test_another(container):
        pass
"""


def left(project: Project, engine: Engine) -> list[str]:
    """Name everything that sessions of the project made and did not remove."""
    named = [container.name for container in engine.containers() if project.prefix in container.name]
    networks = [network for network in engine.networks() if ours(project, network.labels)]
    volumes = [volume.name for volume in engine.volumes() if project.prefix in volume.name]
    rules = subprocess.run(["iptables", "-S"], capture_output=True, text=True, check=False).stdout.splitlines()
    copies = [path.name for path in (project.path / "state").rglob("copies/*")]
    scratch = [path.name for path in (project.path / "tmp").glob("kharness-*")]
    ruled = [rule for rule in rules if project.prefix in rule or any(id_ in rule for id_ in sessions(project))]
    return [*named, *(network.name for network in networks), *volumes, *ruled, *copies, *scratch]


def ours(project: Project, labels: object) -> bool:
    return project.prefix in str(labels) or any(id_ in str(labels) for id_ in sessions(project))


def sessions(project: Project) -> set[str]:
    """Return the ids of the project's sessions, which `note_sessions` noted while they ran."""
    noted = project.path / "sessions"
    return set(noted.read_text().split()) if noted.exists() else set()


def note_sessions(project: Project, engine: Engine) -> set[str]:
    found = {
        container.labels.get("kharness.session", "").partition("-")[0]
        for container in engine.containers()
        if project.prefix in container.name
    }
    (project.path / "sessions").write_text(" ".join(sessions(project) | found - {""}))
    return found - {""}


def live(project: Project, engine: Engine, short: str) -> object:
    return engine.image(f"{REPOSITORY}/{project.name(short)}:live")


@pytest.mark.parametrize("how", ["int alone", "int workers", "term alone", "term workers"])
@pytest.mark.parametrize("phase", ["launch", "test"])
def test_an_interrupted_session_leaves_nothing_and_promotes_nothing(
    project: Project, engine: Engine, busybox: str, phase: str, how: str
) -> None:
    number = signal.SIGINT if how.startswith("int") else signal.SIGTERM
    workers = ("-n", "2") if how.endswith("workers") else ()
    for short in ("box", "other"):
        healthy = "/nothing" if (phase, short) == ("launch", "box") else "/etc/passwd"
        settings = SETTINGS.format(busybox=busybox, healthy=healthy)
        tests = SLEEPER if short == "box" else "def test_it(container):\n    pass\n"
        project.add(short, {"settings.yaml": settings, "test_it.py": tests})
    with started(project, "containers", "--ready", "--promote", *workers) as session:
        if phase == "launch":
            session.until(lambda: any(project.name("box") in each.name for each in engine.containers() if each.running))
        else:
            session.until((project.path / "running").exists)
        session.until(lambda: note_sessions(project, engine))
        session.send(number)
        assert session.end() == INTERRUPTED, session.output
    assert left(project, engine) == [], session.output
    assert [live(project, engine, short) for short in ("box", "other")] == [None, None]
    assert "INTERNALERROR" not in session.output
    assert "is live now" not in session.output


@pytest.mark.parametrize("pause", [0, 0.03, 0.08, 0.15, 0.25])
def test_an_interrupt_at_any_step_of_a_launch_leaves_nothing(
    project: Project, engine: Engine, busybox: str, pause: float
) -> None:
    settings = SETTINGS.format(busybox=busybox, healthy="/nothing")
    project.add("box", {"settings.yaml": settings, "test_it.py": SLEEPER})
    with started(project, "containers", "--ready") as session:
        session.says("launching a test instance")
        time.sleep(pause)
        session.send(signal.SIGINT)
        assert session.end() == INTERRUPTED, session.output
    owned = [
        each.name for each in engine.networks() if each.labels.get("kharness.owner.pid") == str(session.process.pid)
    ]
    assert owned + left(project, engine) == [], session.output


def test_an_interrupted_build_leaves_no_container(project: Project, engine: Engine, busybox: str) -> None:
    marker = f"6{secrets.randbelow(10**6)}"
    dockerfile = f"FROM {busybox}\nRUN sleep {marker}\n"
    project.add("box", {"Dockerfile": dockerfile, "settings.yaml": "{}", "test_it.py": SLEEPER})

    def building() -> list[str]:
        return [each.name for each in engine.containers() if marker in str(each.raw)]

    with started(project, "containers", "--ready", "--promote") as session:
        session.until(building)
        session.send(signal.SIGTERM)
        assert session.end() == INTERRUPTED, session.output
    deadline = time.monotonic() + 60
    while building() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert building() == []
    assert left(project, engine) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_an_interrupted_first_release_ends_with_the_session_that_wants_it(
    project: Project, engine: Engine, busybox: str, number: signal.Signals
) -> None:
    base = f"FROM {REPOSITORY}/{project.name('base')}:live\n"
    settings = 'command: [sleep, "600"]\n'
    project.add("base", {"Dockerfile": f"FROM {busybox}\n", "settings.yaml": settings, "test_it.py": SLEEPER})
    project.add("child", {"Dockerfile": base, "settings.yaml": settings, "test_it.py": SLEEPER})
    with started(project, f"containers/{project.name('child')}", "--ready", "--promote") as session:
        session.until((project.path / "running").exists)
        note_sessions(project, engine)
        session.send(number)
        assert session.end() == INTERRUPTED, session.output
    assert left(project, engine) == [], session.output
    assert [live(project, engine, short) for short in ("base", "child")] == [None, None]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_an_interrupted_verification_puts_production_back(
    web: Project, engine: Engine, busybox: str, number: signal.Signals
) -> None:
    name = web.name("web")
    assert web.pytest("containers", "--ready", "--launch").status == 0
    before, image = engine.container(name), live(web, engine, "web")
    in_prod = "def test_production_says_hello(http):\n"
    slow = f"{in_prod}        import pathlib, time; pathlib.Path('running').touch(); time.sleep(60)\n"
    directory = add_web(web, busybox, tests=TESTS.replace(in_prod, slow))
    (directory / "settings.yaml").write_text((directory / "settings.yaml").read_text() + "environment: {NEW: '1'}\n")
    with started(web, "containers", "--ready", "--launch") as session:
        session.until((web.path / "running").exists)
        note_sessions(web, engine)
        session.send(number)
        assert session.end() == INTERRUPTED, session.output
    after = engine.container(name)
    assert before is not None
    assert after is not None
    assert (after.id, after.running, after.restart_policy) == (before.id, True, "unless-stopped")
    assert live(web, engine, "web") == image
    assert left(web, engine) == [name], session.output
    assert "Traceback" not in session.output


def test_a_crashed_worker_leaves_nothing_and_promotes_nothing(project: Project, engine: Engine, busybox: str) -> None:
    crash = "import os\n\ndef test_it(container, private_container):\n    os.kill(os.getpid(), 9)\n"
    good = "def test_it(container):\n    assert container.is_running\n"
    for short, tests in (("box", crash), ("other", good)):
        settings = SETTINGS.format(busybox=busybox, healthy="/etc/passwd")
        project.add(short, {"settings.yaml": settings, "test_it.py": tests})
    with started(project, "containers", "--ready", "--promote", "-n", "2") as session:
        session.until(lambda: note_sessions(project, engine))
        assert session.end() == 1, session.output
    assert f"{project.name('box')}: refused\n  - a test worker crashed: " in session.output
    assert live(project, engine, "box") is None
    assert live(project, engine, "other") is not None
    assert left(project, engine) == [], session.output


def test_what_a_killed_session_left_goes_with_the_next_which_says_so(
    project: Project, engine: Engine, busybox: str, tmp_path: Path
) -> None:
    if os.geteuid() != 0 or not Path("/etc/machine-id").exists():
        pytest.skip("a session is killed on a machine of its own, which root makes with unshare(1) and a machine id")
    machine = tmp_path / "machine-id"
    machine.write_text(secrets.token_hex(16) + "\n")
    settings = SETTINGS.format(busybox=busybox, healthy="/etc/passwd")
    project.add("box", {"settings.yaml": settings, "test_it.py": SLEEPER})
    with started(project, "containers", "--ready", machine=machine) as session:
        session.until((project.path / "running").exists)
        note_sessions(project, engine)
        session.send(signal.SIGKILL)
        session.end()
    for kind in ("test-", "kharness-", "-A INPUT"):
        assert any(name.startswith(kind) for name in left(project, engine))
    project.add("box", {"test_it.py": "def test_it(container):\n    pass\n"})
    with started(project, "containers", "--ready", machine=machine) as following:
        assert following.end() == 0, following.output
    assert following.output.count("removed what a dead session left: container test-") == 2
    assert following.output.count("removed what a dead session left: network kharness-") == 2
    assert "removed what a dead session left: copies " in following.output
    assert left(project, engine) == []
