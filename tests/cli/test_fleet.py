"""Commands over a whole fleet: six small containers in three waves, from any state that they are in."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kharness.engine.api import Engine
from kharness.plan.facts import ContainerFacts
from kharness.plan.text import moment
from tests.cli.terminal import Terminal
from tests.plugin.conftest import temporary_project
from tests.projects import REPOSITORY, Project, Result

WAVES = {"db": 1, "dns": 1, "app": 2, "web": 2, "mail": 3, "wiki": 3}
WARM_UP = 0.3
"""Seconds after its start that each of them is healthy."""
READY = "60"
"""Seconds that each has to become healthy: far more than it needs, on a busy machine too."""
SETTINGS = """\
    image: {image}
    command: [sh, -c, "rm -f /ok; sleep {warm_up}; touch /ok; exec sleep 600"]
    healthcheck: {{test: [CMD, test, -e, {file}]}}
    init: true
    stop_grace_period: 1s
    autostart: {wave}
    release: {{verify_for: 100ms}}
"""
TESTS = """\
    def test_it_is_warm(container):
        assert container.exec("test", "-e", "/ok").exit_code == 0
"""


@dataclass(frozen=True)
class Fleet:
    project: Project
    engine: Engine
    image: str

    def name(self, short: str) -> str:
        return self.project.name(short)

    def write(self, short: str, *, file: str = "/ok") -> Path:
        text = SETTINGS.format(image=self.image, wave=WAVES[short], warm_up=WARM_UP, file=file)
        return self.project.add(short, {"settings.yaml": text, f"test_{short}.py": TESTS})

    def run(self, *words: str) -> Result:
        return self.project.kharness(*words)

    def values(self, *words: str, status: int) -> dict[str, Any]:
        """Return what a command says to programs, on its standard output."""
        verb, *rest = words
        done = self.project.run("sh", "-c", 'exec "$@" 2>/dev/null', "sh", *self.program(verb, "--json", *rest))
        assert done.status == status, done.output
        found: dict[str, Any] = json.loads(done.output)
        assert found["ok"] is (status == 0)
        return found

    def program(self, *words: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "kharness", *words)

    def found(self) -> dict[str, ContainerFacts]:
        """Return what is there, by the short names."""
        listed = self.engine.containers(labels={"kharness.role": "production"})
        ours = (self.engine.container(each.id) for each in listed if each.name.startswith(self.project.prefix))
        return {each.name.removeprefix(self.project.prefix): each for each in ours if each is not None}

    def ids(self) -> dict[str, str]:
        return {short: each.id for short, each in self.found().items()}

    def running(self) -> set[str]:
        return {short for short, each in self.found().items() if each.running}

    def started(self) -> dict[str, float]:
        times = {short: moment(each.started_at) for short, each in self.found().items()}
        return {short: time.timestamp() for short, time in times.items() if time is not None}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, engine: Engine, busybox: str) -> Iterator[Fleet]:
    with temporary_project(tmp_path_factory.mktemp("fleet"), engine) as project:
        project.environ["KHARNESS_READY_TIMEOUT"] = READY
        found = Fleet(project, engine, busybox)
        for short in WAVES:
            found.write(short)
            engine.tag(busybox, f"{REPOSITORY}/{project.name(short)}:live")
        yield found


def names(fleet: Fleet) -> list[str]:
    return sorted(map(fleet.name, WAVES))


def texts(values: Mapping[str, Any], fleet: Fleet) -> dict[str, str]:
    each = values["containers"]
    return {
        one["name"].removeprefix(fleet.project.prefix): one["text"] if one["result"] == "done" else one["result"]
        for one in each
    }


def assert_waves(times: Mapping[str, float]) -> None:
    for before, after in ((1, 2), (2, 3)):
        earlier = [time for short, time in times.items() if WAVES[short] == before]
        later = [time for short, time in times.items() if WAVES[short] == after]
        assert not earlier or not later or min(later) >= max(earlier) + WARM_UP


def test_up_wave_by_wave_from_a_clean_state_and_again(fleet: Fleet) -> None:
    dry = fleet.run("up-all", "--dry-run")
    assert (dry.status, fleet.found()) == (0, {})
    assert [line.split()[:4] for line in dry.output.splitlines()[1:]] == [
        [fleet.name(short), str(wave), "would", "run"] for short, wave in WAVES.items()
    ]
    first = fleet.run("11")
    assert first.status == 0, first.output
    assert first.output.endswith("\nall ok\n")
    assert fleet.running() == WAVES.keys()
    assert_waves(fleet.started())
    before = fleet.found()
    assert set(texts(fleet.values("up-all", status=0), fleet).values()) == {"running"}
    assert fleet.found() == before
    assert len(list(fleet.project.path.glob("state/engines/*/projects/*/output/up-all/*.log"))) == len(WAVES)


def test_restart_wave_by_wave(fleet: Fleet) -> None:
    before, ids = fleet.started(), fleet.ids()
    done = fleet.run("restart-all")
    assert done.status == 0, done.output
    after = fleet.started()
    assert fleet.ids() == ids
    assert all(after[short] > before[short] for short in WAVES)
    assert_waves(after)


def test_a_command_in_all_that_runs(fleet: Fleet) -> None:
    done = fleet.project.run("sh", "-c", 'exec "$@" 2>/dev/null', "sh", *fleet.program("ria", "hostname"))
    assert (done.status, done.output.splitlines()) == (
        0,
        [line for name in names(fleet) for line in (f"==> {name} <==", name)],
    )
    script = "case $(hostname) in *dns) exit 3;; *web) sleep 60;; esac; yes | head -n 100000"
    found = fleet.values("run-in-all", "--timeout", "10", "--", "sh", "-c", script, status=1)
    ours = found["containers"]
    assert {each["name"]: each["text"] for each in ours if each["result"] == "failed"} == {
        fleet.name("dns"): "exit status 3",
        fleet.name("web"): "still runs after 10 s, and goes on: an engine cannot end it",
    }
    assert {len(each["stdout"]) for each in ours if each["result"] == "done"} == {200000}
    assert fleet.run("ria").status == 2
    long = fleet.run("ria", "sh", "-c", "case $(hostname) in *dns) yes | head -c 1500000;; esac")
    assert (long.status, long.output.splitlines().count("y")) == (0, 1 << 19)
    note = f"{fleet.name('dns')}: note: only the first 1048576 of 1500000 characters of its stdout are here"
    assert long.output.count(note) == 1


def test_down_in_reverse_and_again_and_up_from_a_half_up_state(fleet: Fleet) -> None:
    done = fleet.run("00")
    assert done.status == 0, done.output
    ended = {short: each.raw["State"]["FinishedAt"] for short, each in fleet.found().items()}
    assert fleet.running() == set()
    for early, late in ((3, 2), (2, 1)):
        assert max(ended[short] for short in WAVES if WAVES[short] == early) < min(
            ended[short] for short in WAVES if WAVES[short] == late
        )
    assert set(texts(fleet.values("down-all", status=0), fleet).values()) == {"did not run: exited with 143"}
    for short in ("dns", "wiki"):
        assert fleet.run("up", fleet.name(short)).status == 0
    half = fleet.values("up-all", status=0)
    assert texts(half, fleet) == {short: "running" if short in {"dns", "wiki"} else "started" for short in WAVES}


def test_one_that_is_never_healthy_holds_back_the_later_waves(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fleet.project.environ, "KHARNESS_READY_TIMEOUT", "6")
    assert fleet.run("down-all").status == 0
    fleet.write("app", file="/never")
    try:
        done = fleet.run("up-all")
        assert done.status == 1
        held = f"held back: wave 2 is not healthy: {fleet.name('app')}"
        assert [
            line.split(maxsplit=2)[2].rstrip() for line in done.output.splitlines() if line.split()[1:2] == ["3"]
        ] == [
            held,
            held,
        ]
        assert f"{fleet.name('app')}: failed: was not ready after 6 s: its health command " in done.output
        assert f"output/up-all/{fleet.name('app')}.log" in done.output
        assert fleet.running() == {"db", "dns", "web"}
        going = fleet.values("up-all", "--keep-going", status=1)
        assert texts(going, fleet)["app"] == "failed"
        assert fleet.running() == {"db", "dns", "web", "mail", "wiki"}
        assert fleet.run("down-all").status == 0
        assert fleet.running() == set()
    finally:
        fleet.write("app")


def test_ctrl_c_undoes_what_is_under_way_and_begins_nothing_more(fleet: Fleet) -> None:
    name = fleet.name("db")
    fleet.write("db", file="/never")
    before = fleet.ids().get("db")
    environ = {**fleet.project.environ, "KHARNESS_READY_TIMEOUT": "60"}
    try:
        with Terminal(fleet.program("up-all"), cwd=fleet.project.path, environ=environ, rows=12, columns=70) as person:
            person.until(rf"{name} +[0-9.]+ s  relaunching production\r\n")
            shown = person.until(r"1 of 6 done, 1 at work")
            assert f"{fleet.name('web')}   waits\r\n" in shown
            assert fleet.running() == {"db", "dns"}
            person.type("\x03")
            shown = person.until(rf"{name}: interrupted")
            assert person.end() == 130
        assert (fleet.running(), fleet.ids().get("db")) == ({"dns"}, before)
        assert re.search(rf"\n{fleet.name('mail')} +3 +not begun\x1b", shown)
    finally:
        fleet.write("db")


def test_one_whose_settings_are_broken_is_named_and_only_what_needs_it_does_not_work(fleet: Fleet) -> None:
    broken = fleet.write("mail") / "settings.yaml"
    broken.write_text("imagee: x\n")
    needing = fleet.write("wiki") / "settings.yaml"
    needing.write_text(f"{needing.read_text()}depends_on: [{fleet.name('mail')}]\n")
    try:
        dry = texts(fleet.values("up-all", "--dry-run", "-k", status=1), fleet)
        assert [short for short, text in dry.items() if text == "held back"] == ["wiki"]
        fleet.write("wiki")
        for command, result in (("up-all", set(WAVES) - {"mail"}), ("down-all", set())):
            done = fleet.run(command)
            assert done.status == 1
            assert f"{broken}: imagee: " in done.output
            assert "all ok" not in done.output
            assert fleet.running() == result
    finally:
        fleet.write("mail")
        fleet.write("wiki")


def test_upgrade_all_launches_wave_by_wave_and_holds_back_what_comes_after_a_failure(fleet: Fleet) -> None:
    fleet.project.add("draft", {"settings.yaml": f"image: {fleet.image}\n"})
    assert fleet.running() == set()
    (fleet.write("web") / "test_web.py").write_text("def test_it():\n    assert False\n")
    try:
        done = fleet.values("upgrade-all", status=1)
        assert texts(done, fleet) == {
            **dict.fromkeys(("db", "dns", "app"), "upgraded"),
            "web": "failed",
            **dict.fromkeys(("mail", "wiki"), "held back"),
        }
        assert list(done["left_out"]) == [fleet.name("draft")]
        assert fleet.running() == {"db", "dns", "app"}
        fleet.write("web")
        again = fleet.run("ua", "--if-changed")
        assert again.status == 0, again.output
        assert again.output.endswith("all ok\n")
        assert fleet.running() == WAVES.keys()
        assert_waves({short: time for short, time in fleet.started().items() if WAVES[short] > 1})
    finally:
        fleet.write("web")


def test_test_all_tests_each_in_a_session_of_its_own_whatever_else_fails(fleet: Fleet) -> None:
    """One fails, and one is broken."""
    (fleet.write("app") / "test_app.py").write_text("def test_it():\n    assert 1 == 2, 'not today'\n")
    broken = fleet.write("mail") / "settings.yaml"
    broken.write_text("imagee: x\n")
    try:
        first = fleet.run("ta")
        assert first.status == 1
        assert f"{fleet.name('app')}: failed: a test failed, or what was asked for was refused\n    | " in first.output
        assert "not today" in first.output
        assert f"{broken}: imagee: " in first.output
        for short in ("db", "dns", "web", "wiki"):
            assert f"\n{fleet.name(short)}: passed, " in f"\n{first.output}"
    finally:
        fleet.write("app")
        fleet.write("mail")


def test_test_all_stops_a_session_that_takes_too_long(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is alone: six sessions may need longer than any limit on a busy machine."""
    alone = fleet.project.path / "alone"
    shutil.copytree(fleet.write("db"), alone / fleet.name("db"))
    (alone / fleet.name("db") / "test_db.py").write_text("import time\n\ndef test_it():\n    time.sleep(600)\n")
    monkeypatch.setitem(fleet.project.environ, "KHARNESS_SOURCE_PATHS", str(alone))
    (hung,) = fleet.values("test-all", "--timeout", "10", status=1)["containers"]
    assert (hung["result"], hung["text"]) == ("failed", "it took longer than 10 s, and was stopped")
    left = fleet.engine.containers(labels={"kharness.role": "test"})
    assert not [each.name for each in left if fleet.project.prefix in each.name]


def test_test_and_upgrade_become_pytest_from_any_directory(fleet: Fleet, tmp_path: Path) -> None:
    name = fleet.name("db")
    other = tmp_path / "more" / f"{fleet.project.prefix}x"
    other.mkdir(parents=True)
    (other / "settings.yaml").write_text(f"image: {fleet.image}\ncommand: [sleep, '60']\n")
    (other / "test_x.py").write_text(
        "def test_it(container, pytestconfig):\n    assert pytestconfig.getini('minversion')\n"
    )
    (fleet.project.path / "pytest.ini").write_text("[pytest]\nminversion = 9.0\naddopts = --import-mode=importlib\n")
    environ = {"KHARNESS_SOURCE_PATHS": f"{fleet.project.path}/containers:{tmp_path}/more"}
    elsewhere = fleet.project.kharness("t", other.name, "--", "-k", "it", environ=environ)
    assert (elsewhere.status, elsewhere.outcomes()["passed"]) == (0, 1), elsewhere.output
    line = fleet.run("u", name, "--if-changed", "--dry-run").output
    assert line.endswith(f"/{name} --ready --launch --if-changed --rootdir {fleet.project.path}\n")
    both = fleet.run("test", name, "--prod-ready", "--in-prod")
    assert (both.status, "exclude each other" in both.output) == (2, True)
