"""Copies of real volumes in whole sessions: what production notices of them, and what a test may do to them."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from tests.host.trees import picture
from tests.plugin.sessions import started
from tests.projects import Project

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("as_root")]

SETTINGS = """\
    image: {busybox}
    command: [sleep, "600"]
    init: true
    user: "0"
    volumes:
      - {{type: bind, source: ./data, target: /data, test: {{mount: copy, strategy: {strategy}}}}}
      - {{type: bind, source: ./shown, target: /shown, read_only: true}}
    test: {{freeze: {freeze}, max_freeze: 5s}}
"""
DAMAGE = """\
    import pytest

    DEEDS = {
        "links": "ln /data/file /data/hard && echo bad >/data/hard && echo bad >/data/link && echo bad >/data/up/file",
        "out": "echo bad >/data/out/file; rm -rf /data/out/* /data/out/.[!.]*",
        "modes": "chmod -R 000 /data && chown -R 4321 /data",
        "names": "mv /data/dir /data/renamed && mv /data/renamed/inner /data/dir2 && rmdir /data/renamed",
        "devices": "mknod /data/null c 1 3; mkfifo /data/fifo",
        "shown": "rm -rf /shown/*; echo bad >/shown/file; chmod 777 /shown; mount -o remount,rw /shown",
        "full": "dd if=/dev/zero of=/data/full bs=1M count=200",
        "all": "rm -rf /data/* /data/.[!.]*",
    }

    @pytest.mark.parametrize("deed", DEEDS)
    def test_damage(container, deed):
        container.exec("sh", "-c", DEEDS[deed])

    def test_the_copy_is_gone(container):
        assert container.exec("ls", "-A", "/data").stdout == ""
"""


def fill(real: Path) -> None:
    for name in ("data", "shown"):
        (real / name / "dir/inner").mkdir(parents=True)
        for path in ("file", "dir/file", "dir/inner/file", ".hidden"):
            (real / name / path).write_text(f"of production: {path}\n")
        (real / name / "link").symlink_to("file")
        (real / name / "up").symlink_to("dir/..")
        (real / name / "out").symlink_to(real / name)
        (real / name / "second").hardlink_to(real / name / "file")


@pytest.fixture
def small(project: Project, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    """A project whose state directory is a disk of its own that a test can fill; for reflinks beside the volumes."""
    disk = tmp_path / "small"
    disk.mkdir()
    if request.getfixturevalue("strategy") == "reflink":
        image = tmp_path / "image"
        with image.open("wb") as file:
            file.truncate(150 << 20)
        subprocess.run(["mkfs.btrfs", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, disk], check=True)
        project.environ["KHARNESS_DV"] = str(disk / "dv")
    else:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk], check=True)
    project.environ["KHARNESS_STATE_DIR"] = str(disk / "state")
    yield project
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("strategy", ["overlay", "real", "reflink"])
def test_whatever_a_test_does_production_is_identical(small: Project, busybox: str, strategy: str) -> None:
    settings = SETTINGS.format(busybox=busybox, strategy=strategy, freeze="none")
    directory = small.add("box", {"settings.yaml": settings, "test_it.py": DAMAGE})
    real = Path(small.environ["KHARNESS_DV"]) / small.name("box")
    fill(real)
    before = picture(real)
    result = small.pytest(str(directory), "--prod-ready", "--prove=content")
    assert result.status == 0, result.output
    assert "production untouched: 1 directory" in result.output
    assert picture(real) == before
    assert not list(Path(small.environ["KHARNESS_STATE_DIR"]).rglob("copies/*"))


@pytest.fixture
def writer(project: Project, engine: Engine, busybox: str) -> Iterator[str]:
    """A production container that adds a line to one file, and then one to another, again and again."""
    name = project.name("box")
    real = project.path / "dv" / name
    fill(real)
    script = "while :; do echo one >>/data/one; echo two >>/data/two; done"
    spec = RunSpec(
        name=name,
        image=busybox,
        command=("sh", "-c", script),
        init=True,
        mounts=(Mount(kind=MountKind.BIND, source=str(real / "data"), target="/data"),),
        labels=project.production("box", engine.image(busybox)),
    )
    container = engine.create(spec)
    engine.start(container)
    yield container
    engine.remove(container, force=True)


CONSISTENT = """\
    def test_the_copy_is_of_one_moment(container):
        one, two = (len(container.volume("data").read_text(name).splitlines()) for name in ("one", "two"))
        assert two > 0
        assert one - two in {0, 1}
"""


@pytest.mark.parametrize(("freeze", "word"), [("pause", "paused"), ("stop", "stopped")])
def test_a_copy_of_running_production_is_of_one_moment_and_production_goes_on(  # noqa: PLR0917 - fixtures
    project: Project, engine: Engine, busybox: str, writer: str, freeze: str, word: str
) -> None:
    settings = SETTINGS.format(busybox=busybox, strategy="auto", freeze=freeze)
    directory = project.add("box", {"settings.yaml": settings, "test_it.py": CONSISTENT})
    result = project.pytest(str(directory), "--prod-ready")
    assert result.status == 0, result.output
    assert re.search(rf"{project.name('box')} was {word} for \d\.\d\d s", result.output), result.output
    assert "by a real copy" in result.output
    found = engine.container(writer)
    assert found is not None
    assert found.state == "running"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_production_goes_on_when_the_session_ends_while_it_is_paused(
    project: Project, engine: Engine, busybox: str, writer: str, how: signal.Signals
) -> None:
    settings = SETTINGS.format(busybox=busybox, strategy="real", freeze="pause").replace("5s", "60s")
    directory = project.add("box", {"settings.yaml": settings, "test_it.py": CONSISTENT})
    big = project.path / "dv" / project.name("box") / "data" / "big"
    with big.open("wb") as file:
        for _ in range(600):
            file.write(b"x" * (1 << 20))

    def state() -> str:
        found = engine.container(writer)
        return found.state if found else "gone"

    with started(project, str(directory), "--prod-ready") as session:
        session.until(lambda: state() == "paused")
        session.send(how)
        session.end()
    deadline = time.monotonic() + 60
    while state() == "paused" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert state() == "running"
    if how is signal.SIGKILL:
        assert project.kharness("reap").status == 0
    assert not list((project.path / "state").rglob("copies/*"))


WRITES = """\
    import pytest

    NAMES = ("/data", "/named", "/empty")

    def told(container, name):
        return [str(change) for change in container.volume(name).changes()]

    @pytest.mark.parametrize("name", NAMES)
    def test_nothing_is_changed_before_the_test_writes(container, name):
        assert told(container, name) == []

    def test_what_the_container_writes_is_told(container):
        for name in NAMES:
            assert container.exec("sh", "-c", f"echo new >{name}/new && mkdir {name}/more").ok
        container.exec("sh", "-c", "rm /data/file; echo x >>/data/dir/file; echo x >/named/kept")
        assert told(container, "data") == ["changed dir/file", "removed file", "added more", "added new"]
        assert told(container, "/named") == ["changed kept", "added more", "added new"]
        assert told(container, "/empty") == ["added more", "added new"]

    def test_it_is_there_while_the_container_is_not(container):
        container.stop()
        assert container.volume("data").read_text("new") == "new\\n"
        assert "added new" in told(container, "data")
        container.start()
        assert container.exec("cat", "/data/new").stdout == "new\\n"

    def test_a_file_is_waited_for(container):
        container.exec("sh", "-c", "(sleep 0.2; echo late >/data/late) &")
        assert container.volume("data").wait_for("late", "late") == "late\\n"

    def test_a_real_directory_has_no_changes_to_tell(container):
        with pytest.raises(Exception, match="no test instance's own volume"):
            container.volume("shown").changes()
"""


@pytest.mark.parametrize("strategy", ["overlay", "real"])
def test_a_test_is_told_what_was_written(project: Project, engine: Engine, busybox: str, strategy: str) -> None:
    named = f"{project.prefix}named"
    how = f"test: {{mount: copy, strategy: {strategy}}}"
    settings = SETTINGS.format(busybox=busybox, strategy=strategy, freeze="none").replace(
        "    test: {",
        f"      - {{type: volume, source: {named}, target: /named, {how}}}\n"
        "      - {type: bind, source: ./gone, target: /empty}\n    test: {",
    )
    directory = project.add("box", {"settings.yaml": settings, "test_it.py": WRITES})
    fill(project.path / "dv" / project.name("box"))
    volume = engine.create_volume(named)
    (Path(volume.mountpoint) / "kept").write_text("of production\n")
    before = picture(Path(volume.mountpoint))
    try:
        result = project.pytest(str(directory), "--prod-ready")
        assert result.status == 0, result.output
        assert picture(Path(volume.mountpoint)) == before
        assert [each.name for each in engine.volumes() if project.prefix in each.name] == [named]
    finally:
        engine.remove_volume(named)
