"""A container is ended, or gets another name or other data, from the command line, on a real engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from tests.cli.here import here
from tests.plugin.conftest import temporary_project
from tests.projects import REPOSITORY, Project, said

SETTINGS = """\
    init: true
    stop_grace_period: 1s
    volumes: [./data:/data, /cache, "{name}-rows:/rows"]
    healthcheck: {{test: "[ ! -e /data/bad ]", interval: 300ms, retries: 1}}
    release: {{verify: none}}
"""
DOCKERFILE = """\
FROM {busybox}
CMD echo row > /data/row; echo row > /rows/row; exec sleep 1000
"""
TESTS = """\
    def test_it_runs(container):
        assert container.exec("true").exit_code == 0
"""


@contextmanager
def launched(path: Path, engine: Engine, busybox: str, short: str = "web") -> Iterator[Project]:
    """A project whose container was launched; its volumes are removed at the end."""
    with temporary_project(path, engine) as project:
        name = project.name(short)
        files = {
            "settings.yaml": SETTINGS.format(name=name),
            "Dockerfile": DOCKERFILE.format(busybox=busybox),
            "test_web.py": TESTS,
        }
        project.add(short, files)
        done = project.pytest("containers", "--ready", "--launch")
        assert done.status == 0, done.output
        made = re.findall(r"docker volume rm (\S+)", here(project, "retire", name, "--dry-run").output)
        try:
            yield project
        finally:
            here(project, "retire", name, "--yes")
            for volume in made:
                engine.remove_volume(volume)


def test_a_container_is_retired_after_its_directory_was_deleted(tmp_path: Path, engine: Engine, busybox: str) -> None:
    with launched(tmp_path, engine, busybox) as project:
        name = project.name("web")
        data = Path(project.environ["KHARNESS_DV"]) / name
        shutil.rmtree(project.path / "containers" / name)
        assert "use --yes to retire it" in said(here(project, "retire", name), status=2)
        assert engine.container(name) is not None
        assert f"would be stopped and removed: container {name}" in said(here(project, "retire", name, "--dry-run"))
        output = said(here(project, "retire", name, "--yes"))
        assert f"{name}: is retired; its history stays" in output
        assert engine.container(name) is None
        assert [tag for image in engine.images() for tag in image.tags if tag.startswith(f"{REPOSITORY}/{name}:")] == []
        assert (data / "data" / "row").read_text() == "row\n"
        volumes = re.findall(r"to remove it: (docker volume rm \S+)", output)
        assert len(volumes) == 2
        assert all(engine.volume(each.split()[-1]) for each in volumes)
        assert re.search(
            rf"retire +\S+.*\n.*retire: data that stay: {data}", said(here(project, "history", name)), re.DOTALL
        )
        assert "nothing is left to do" in said(here(project, "retire", name))
        # What is said removes it.
        for line in re.findall(r"to remove it: (.*)", output):
            subprocess.run(line, shell=True, check=True, capture_output=True)
        assert not data.exists()
        assert "stays:" not in said(here(project, "retire", name))


def test_an_unknown_name_is_answered(tmp_path: Path, engine: Engine) -> None:
    with temporary_project(tmp_path, engine) as project:
        assert "has no directory, container or record of that name" in said(here(project, "retire", "wbe"), status=2)


def test_a_person_is_asked(tmp_path: Path, engine: Engine, busybox: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with launched(tmp_path, engine, busybox) as project:
        name = project.name("web")
        monkeypatch.setattr("kharness.cli.output._is_terminal", lambda: True)
        output = said(here(project, "retire", name), status=1)
        assert f"{name}: ends for good: {name}, " in output
        assert "Aborted" in output
        assert engine.container(name) is not None


def test_a_directory_was_renamed_and_its_container_follows(tmp_path: Path, engine: Engine, busybox: str) -> None:
    with launched(tmp_path, engine, busybox) as project:
        old, new = project.name("web"), project.name("site")
        folder, dv = project.path / "containers", Path(project.environ["KHARNESS_DV"])
        (folder / old).rename(folder / new)
        hint = f"if it is {new} now, 'kharness rename {old} {new}' takes records, images and data along"
        for words in (("ps",), ("status",)):
            assert hint in said(here(project, *words)), words
        assert f"'kharness rename {old} {new}'" in said(here(project, "up", new), status=2)
        assert f"'kharness down {old}' stops it" in said(here(project, "rename", old, new), status=1)
        assert engine.container(old) is not None
        # What was deleted, or renamed, can still be stopped by its name.
        assert f"{old}: stopped" in said(here(project, "down", old))
        assert f"would be moved: {dv}/{old} to {dv}/{new}" in said(here(project, "rename", old, new, "--dry-run"))
        output = said(here(project, "rename", old, new))
        assert f"moved: {REPOSITORY}/{old}:live to {REPOSITORY}/{new}:live" in output
        assert f"'kharness up {new}' launches it" in output
        (dv / new / "data" / "kept").write_text("kept")
        said(here(project, "up", new))
        found = engine.container(new)
        assert found is not None
        assert found.running
        assert engine.exec(new, ["cat", "/data/kept"]).stdout == "kept"
        assert engine.exec(new, ["ls", "/rows"]).stdout == "row\n"
        assert not (dv / old).exists()
        output = said(here(project, "history", new))
        assert f"was {old} until now" in output
        assert "launch" in output
        assert "is live" not in said(here(project, "check-all-up"), status=1)
        said(here(project, "retire", new, "--yes"))


def write(engine: Engine, name: str, text: str) -> None:
    """Let a container write the same into each of its volumes."""
    script = f"for each in data rows cache; do echo {text} > /$each/kept; done"
    done = engine.exec(name, ["sh", "-c", script])
    assert done.ok, done


def kept(engine: Engine, name: str) -> set[str]:
    """Return what is in the volumes of a container that runs."""
    return set(engine.exec(name, ["sh", "-c", "cat /data/kept /rows/kept /cache/kept"]).stdout.split())


def test_data_are_backed_up_and_restored(tmp_path: Path, engine: Engine, busybox: str) -> None:
    with launched(tmp_path, engine, busybox) as project:
        name = project.name("web")
        write(engine, name, "old")
        before = engine.container(name)
        assert before is not None
        assert f"{name}: would be backed up to" in said(here(project, "backup", name, "--dry-run"))
        usb = tmp_path / "usb"
        usb.mkdir()
        output = said(here(project, "backup", name, "--to", str(usb)))
        (file,) = usb.iterdir()
        assert f"is backed up to {file}" in output
        assert f"{name} was paused for " in output
        write(engine, name, "new")
        assert "use --yes to restore it" in said(here(project, "restore", name, str(file)), status=2)
        assert "takes the place of the present data" in said(here(project, "restore", name, str(file), "--dry-run"))
        assert kept(engine, name) == {"new"}
        output = said(here(project, "restore", name, str(file), "--yes"))
        assert kept(engine, name) == {"old"}
        after = engine.container(name)
        assert after is not None
        assert (after.id, after.restart_policy, after.running) == (before.id, before.restart_policy, True)
        assert "restore" in said(here(project, "history", name))
        (snapshot,) = re.findall(r"--snapshot (\w+)", output)
        assert snapshot in said(here(project, "volumes", name))
        said(here(project, "restore", name, "--snapshot", snapshot, "--yes"))
        assert kept(engine, name) == {"new"}

        # What production cannot live on does not stay.
        (Path(project.environ["KHARNESS_DV"]) / name / "data" / "bad").touch()
        bad = usb / "bad.tar"
        said(here(project, "backup", name, "--to", str(bad)))
        (Path(project.environ["KHARNESS_DV"]) / name / "data" / "bad").unlink()
        output = said(here(project, "restore", name, str(bad), "--yes"), status=1)
        assert "the present data are as they were before" in output
        assert kept(engine, name) == {"new"}
        assert said(here(project, "restore", name), status=2)
        bad.write_bytes(bad.read_bytes()[:-9000])
        assert "should be a backup" in said(here(project, "restore", name, str(bad), "--yes"), status=1)


def test_killed_at_any_moment_it_leaves_data_whole_and_production_running(
    tmp_path: Path, engine: Engine, busybox: str
) -> None:
    with launched(tmp_path, engine, busybox) as project:
        name, usb = project.name("web"), tmp_path / "usb"
        usb.mkdir()
        before = engine.container(name)
        assert before is not None
        write(engine, name, "old")
        file = usb / "old.tar"
        said(here(project, "backup", name, "--to", str(file)))

        def killed(seconds: float, *words: str) -> None:
            command = [sys.executable, "-m", "kharness", *words]
            with subprocess.Popen(command, cwd=project.path, env=project.environ, stderr=subprocess.DEVNULL) as victim:
                time.sleep(seconds)
                victim.kill()
            said(here(project, "recover"))
            found = engine.container(name)
            assert found is not None
            assert (found.id, found.state, found.restart_policy) == (before.id, "running", before.restart_policy)

        for seconds in (0.6, 0.9, 1.2, 1.5, 2.0):
            write(engine, name, "new")
            killed(seconds, "restore", name, str(file), "--yes")
            assert kept(engine, name) in ({"old"}, {"new"})
        with (Path(project.environ["KHARNESS_DV"]) / name / "data" / "big").open("wb") as big:
            big.write(os.urandom(100 << 20))
        for seconds in (0.7, 0.8, 1.0):
            killed(seconds, "backup", name, "--to", str(usb))
        # The next one removes what they left.
        said(here(project, "backup", name, "--to", str(usb)))
        assert not list(usb.glob(".*"))
