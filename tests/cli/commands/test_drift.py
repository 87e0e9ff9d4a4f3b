"""`kharness cowscan` and `kharness watch`, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from kharness.engine.api import Engine
from kharness.plan.launch.runspec import RunSpec
from tests.plugin.conftest import temporary_project
from tests.projects import Project


@pytest.fixture
def project(tmp_path: Path, engine: Engine) -> Iterator[Project]:
    with temporary_project(tmp_path, engine) as found:
        yield found


def launched(project: Project, engine: Engine, busybox: str) -> str:
    name = project.name("web")
    project.add("web", {"settings.yaml": f"image: {busybox}\ndrift: {{expect: [/etc/motd]}}\n"})
    spec = RunSpec(
        name=name,
        image=busybox,
        command=("sleep", "600"),
        labels=project.production("web", engine.image(busybox)),
        init=True,
    )
    container = engine.create(spec)
    engine.start(container)
    return container


def test_it_says_all_ok_only_while_nothing_is_left(project: Project, engine: Engine, busybox: str) -> None:
    name = project.name("web")
    container = launched(project, engine, busybox)
    engine.write_file(container, "/etc/motd", b"x")
    clean = project.kharness("cowscan", name)
    assert clean.output.splitlines() == [
        f"{name}: unchanged, but for 1 change that is expected",
        "all ok: 1 container",
    ]
    assert clean.status == 0

    engine.write_file(container, "/bin/.x", b"x", mode=0o755)
    dirty = project.kharness("cowscan", name, "--json")
    value = json.loads(dirty.output)
    assert (dirty.status, value["ok"]) == (1, False)
    assert [each["path"] for each in value["containers"][0]["left"]] == ["/bin/.x"]
    would = project.kharness("cowscan", name, "--snapshot", "--rm", "--dry-run")
    assert f"{name}: the evidence would be saved\n{name}: /bin/.x would be removed\n" in would.output
    assert (would.status, engine.exec(container, ["test", "-e", "/bin/.x"]).ok) == (1, True)
    removed = project.kharness("cowscan", name, "--rm")
    assert f"{name}: /bin/.x is removed\nthe program that added a file may still run" in removed.output
    assert removed.output.splitlines()[-1] == "all ok: 1 container"
    assert removed.status == 0

    wrong = project.kharness("cowscan", f"{name}x")
    assert (wrong.status, "Traceback" in wrong.output) == (2, False)
    assert f"{name}x: should be a running container, and is not there" in wrong.output


@contextmanager
def watching(project: Project, *args: str) -> Iterator[str]:
    """Run `kharness watch` and give the address of its pages."""
    command = [sys.executable, "-m", "kharness", "watch", *args, "--every", "100ms", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        command, cwd=project.path, env=project.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            yield line.split()[1].removesuffix("/healthz")
        finally:
            process.terminate()
        assert process.wait(120) == 0


def told(url: str, status: int) -> str:
    """Wait until the watch's health has this status, and return what it says."""
    deadline = time.monotonic() + 120
    while (answer := httpx.get(f"{url}/healthz")).status_code != status or "no scan" in answer.text:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)
    return answer.text


def test_a_watch_keeps_its_alarm_until_it_is_acknowledged(project: Project, engine: Engine, busybox: str) -> None:
    name, container = project.name("web"), launched(project, engine, busybox)
    with watching(project, name) as url:
        assert told(url, 200) == "all ok\n"
        engine.write_file(container, "/bin/.x", b"x", mode=0o755)
        assert told(url, 503).startswith(f"{name}: /bin/.x: added, executable, hidden, file")
        assert engine.exec(container, ["rm", "/bin/.x"]).ok
        while "not acknowledged" not in (said := told(url, 503)):
            time.sleep(0.05)
        assert said.count("\n") == 1
        sample = f'kharness_drift_unexpected_paths{{container="{name}"}} 0'
        assert {sample, "kharness_drift_ok 0"} <= set(httpx.get(f"{url}/metrics").text.splitlines())
        would = project.kharness("watch", "--acknowledge", name, "--dry-run").output
        assert would.startswith(f"  - {name}: /bin/.x: added")
        assert f"{name}: acknowledged" in project.kharness("watch", "--acknowledge", name).output
        assert told(url, 200) == "all ok\n"
    assert project.kharness("watch", "--acknowledge").status == 2
    assert project.kharness("watch", "--listen", "0.0.0.0:1").status == 2
    assert project.kharness("watch", "--every", "soon").status == 2
