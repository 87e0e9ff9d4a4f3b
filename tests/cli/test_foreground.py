"""A development instance in the foreground: the newest build, isolated, and gone afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.plan.facts import ContainerFacts
from tests.cli.here import here
from tests.cli.terminal import Terminal
from tests.plugin.conftest import temporary_project
from tests.projects import REPOSITORY, Project

APP = """\
    image: {image}
    command:
      - sh
      - -c
      - >-
        trap 'echo bye; exit 3' TERM; cat /data/real; echo mine >/data/real; echo as $$WHO;
        while :; do sleep 0.1; done
    environment: {{WHO: production}}
    volumes: [./data:/data]
    healthcheck: {{test: [CMD, test, -f, /data/real]}}
    stop_grace_period: 2s
    logging: {{driver: syslog}}
    test: {{environment: {{WHO: a test}}, freeze: none}}
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, engine: Engine, busybox: str) -> Iterator[Project]:
    with temporary_project(tmp_path_factory.mktemp("develop"), engine) as project:
        project.add("app", {"settings.yaml": APP.format(image=busybox)})
        engine.tag(busybox, f"{REPOSITORY}/{project.name('app')}:latest")
        real(project).parent.mkdir(parents=True)
        real(project).write_text("real data\n")
        yield project


def real(project: Project) -> Path:
    return project.path / "dv" / project.name("app") / "data" / "real"


def terminal(project: Project, *words: str) -> Terminal:
    command = [sys.executable, "-m", "kharness", "run", "-D", project.name("app"), *words]
    return Terminal(command, cwd=project.path, environ=project.environ)


def instances(project: Project, engine: Engine) -> list[ContainerFacts]:
    return list(engine.containers(labels={"kharness.name": project.name("app")}))


def left(project: Project, engine: Engine) -> list[str]:
    """Return what there is of it: containers and copies."""
    copies = (str(path) for path in (project.path / "state").rglob("copies/*"))
    return [*(each.name for each in instances(project, engine)), *copies]


def test_it_is_isolated_and_ctrl_c_ends_it_in_order_and_without_a_trace(app: Project, engine: Engine) -> None:
    with terminal(app, "--environment", "WHO=me", "--mem-limit", "32m") as person:
        person.until("real data\r\nas me\r\n")
        person.until(r"ready after [\d.]+ s, at 10\.\d+\.\d+\.\d+")
        [found] = instances(app, engine)
        assert found.name.startswith(f"dev-{app.name('app')}-")
        facts = engine.container(found.id)
        assert facts is not None
        host = facts.raw["HostConfig"]
        assert (host["LogConfig"]["Type"], host["Memory"], host["RestartPolicy"]["Name"]) == ("none", 32 << 20, "no")
        [network] = facts.addresses
        attached = engine.network(network)
        assert attached is not None
        assert attached.internal
        assert facts.labels["kharness.role"] == "test"
        person.type("\x03")
        person.until("bye\r\n")
        assert person.end() == 3
    assert left(app, engine) == []
    assert engine.network(network) is None
    assert real(app).read_text() == "real data\n"


def test_what_ends_by_itself_ends_it_with_its_status(app: Project, engine: Engine) -> None:
    done = app.kharness("run", "-D", app.name("app"), "--command", "[sh, -c, 'echo out; exit 7']")
    assert (done.status, "out\n" in done.output) == (7, True)
    assert left(app, engine) == []


def test_a_shell_takes_the_place_of_its_program(app: Project, engine: Engine) -> None:
    with terminal(app, "-S") as person:
        person.until("# ")
        person.type("cat /data/real; echo $WHO; exit 5\n")
        person.until("real data\r\na test\r\n")
        assert person.end() == 5
    assert left(app, engine) == []
    assert real(app).read_text() == "real data\n"


def test_a_shell_without_a_terminal_ends_with_what_it_reads(app: Project, engine: Engine) -> None:
    command = f'echo "cat /data/real" | "{sys.executable}" -m kharness run -D -S {app.name("app")}'
    piped = app.run("sh", "-c", command)
    assert (piped.status, piped.output.splitlines()[-1]) == (0, "real data"), piped.output
    assert left(app, engine) == []


def test_what_a_killed_one_left_is_reaped(app: Project, engine: Engine) -> None:
    command = [sys.executable, "-m", "kharness", "run", "-D", app.name("app")]
    with subprocess.Popen(command, cwd=app.path, env=app.environ, stdin=subprocess.DEVNULL) as client:
        deadline = time.monotonic() + 120
        while not any(each.running for each in instances(app, engine)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        [found] = instances(app, engine)
        client.send_signal(signal.SIGKILL)
    # Any other session on this engine may have been quicker.
    assert here(app, "reap").status == 0
    assert left(app, engine) == []
    assert engine.network(f"kharness-{found.labels['kharness.session']}") is None
    assert real(app).read_text() == "real data\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-D", "--ports", "80:80"), "--ports: has no say in this launch: a development instance is alone"),
        (("-D", "--mode", "standalone"), "--mode: is not for -D and -S"),
        (("-S", "--command", "x"), "--command: has no say in this launch: a shell runs in place of its program"),
        (("-S",), "nothing is live yet"),
        (("-D", "--mem-limit", "x"), "command line: --mem-limit: should be a size"),
    ],
)
def test_what_is_asked_for_wrongly_is_told(app: Project, engine: Engine, words: tuple[str, ...], said: str) -> None:
    done = here(app, "run", app.name("app"), *words)
    assert done.status == 2, done.output
    assert said in done.output
    assert left(app, engine) == []


def test_a_dry_run_is_a_line(app: Project, engine: Engine) -> None:
    line = here(app, "run", "-D", app.name("app"), "--dry-run", "--environment", "WHO=me").output
    assert f"--name dev-{app.name('app')}-SESSION" in line
    assert "--log-driver none" in line
    assert "--env WHO=me" in line
    assert "--entrypoint /bin/ash" in here(app, "run", "-DS", app.name("app"), "--dry-run").output
    assert left(app, engine) == []
