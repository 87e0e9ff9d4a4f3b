"""What a test instance has for volumes in each mode, and that production's files stay what they are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from tests.projects import Project, Result

pytestmark = pytest.mark.engine

SETTINGS = """\
    image: {busybox}
    command: [sleep, "600"]
    init: true
    user: "1234:1235"
    volumes:
      - ./data:/data
      - ./conf:/conf:ro
      - {{type: bind, source: ./shown, target: /shown, test: ro}}
      - {{type: bind, source: ./tree, target: /tree, test: tree}}
      - {{type: bind, source: ./empty, target: /empty, test: empty}}
      - {{type: bind, source: ./copy, target: /copy, read_only: true, test: copy}}
      - {{type: bind, source: ./same, target: /same, test: same}}
      - {{type: bind, source: ./missing, target: /missing}}
      - {prefix}named:/named
      - ./absent:/absent:ro
      - ./declared:/declared:ro
    prepare:
      - {{path: declared/app.conf, contents: port 80}}
    test: {{same: [/same]}}
"""
BOUND = ("data", "conf", "shown", "tree", "empty", "copy", "same")
COMMON = """\
    import os, pathlib
    import pytest

    REAL = pathlib.Path(os.environ["REAL"])
    ALL = ("data", "conf", "shown", "tree", "empty", "copy", "same", "missing", "named")
    BOUND = ALL[:-2]

    def inside(container, command):
        result = container.exec("sh", "-c", command)
        assert result.ok, result
        return result.stdout

    def source(container, target):
        found = {mount["Destination"]: mount for mount in container.inspect()["Mounts"]}
        return pathlib.Path(found[f"/{target}"]["Source"])

    def owner(path):
        found = path.stat()
        return found.st_uid, found.st_gid

    def write(container, name):
        return container.exec("sh", "-c", f"echo written > /{name}/file && mkdir /{name}/new").ok

    def test_volumes_can_be_written_from_the_host(container):
        container.volume("/data").write_text("from-host", "hello")
        assert inside(container, "cat /data/from-host") == "hello"
"""
ALONE = (
    COMMON
    + """\

    @pytest.mark.parametrize("name", ALL)
    def test_no_file_of_production_is_seen(container, name):
        assert "file" not in inside(container, f"ls /{name}")
        if name != "named":
            assert REAL not in source(container, name).parents

    @pytest.mark.parametrize("name", ["data", "tree", "empty", "same", "missing"])
    def test_directories_are_the_container_s_own(container, name):
        assert write(container, name)

    def test_without_an_original_the_owner_is_the_container_s_user(container):
        assert owner(source(container, "missing")) == (1234, 1235)

    def test_what_production_only_reads_is_only_read(container):
        assert not write(container, "conf")
        assert not write(container, "copy")
"""
)
READY = (
    COMMON
    + """\

    @pytest.mark.parametrize("name", ["data", "conf", "shown", "copy", "same", "named"])
    def test_real_contents_are_there(container, name):
        assert inside(container, f"cat /{name}/file") == f"real {name}\\n"

    def test_the_tree_has_directories_and_no_files(container):
        assert inside(container, "cd /tree && find . -mindepth 1").split() == ["./sub"]

    def test_empty_is_empty_and_missing_too(container):
        assert inside(container, "ls -A /empty /missing").split() == ["/empty:", "/missing:"]

    def test_what_a_launch_would_make_is_made_and_prepared(container):
        assert inside(container, "ls -A /absent; cat /declared/app.conf") == "port 80"
        assert not write(container, "absent")
        assert not (REAL / "absent").exists()
        assert not (REAL / "declared").exists()

    @pytest.mark.parametrize("name", ["data", "tree", "empty", "missing"])
    def test_writes_go_to_a_copy(container, name):
        assert write(container, name)
        assert REAL not in source(container, name).parents
        assert not (REAL / name / "new").exists()

    @pytest.mark.parametrize("name", ["conf", "shown", "copy"])
    def test_what_is_only_read_is_only_read(container, name):
        assert not write(container, name)

    def test_a_copy_has_owner_mode_and_time(container):
        assert inside(container, "stat -c '%u:%g %a %Y' /data/sub /copy/file").splitlines() == [
            "1234:77 2750 1000000000", "1234:77 640 1000000000",
        ]

    def test_a_named_volume_is_a_copy_too(container):
        inside(container, "echo written > /named/file")
        name = next(m["Name"] for m in container.inspect()["Mounts"] if m["Destination"] == "/named")
        assert name.startswith("test-")

    def test_only_same_is_the_real_one(container):
        inside(container, "echo by-the-test > /same/trace")
        assert (REAL / "same/trace").read_text() == "by-the-test\\n"
"""
)


@dataclass(frozen=True)
class Run:
    """A session amid real volumes, with what was there before and is there now."""

    result: Result
    before: dict[str, tuple[object, ...]]
    after: dict[str, tuple[object, ...]]
    real: Path


def fill(real: Path) -> None:
    for name in BOUND:
        (real / name / "sub").mkdir(parents=True)
        (real / name / "file").write_text(f"real {name}\n")
        (real / name / "file").chmod(0o640)
        (real / name / "sub").chmod(0o2750)
        for path in (real / name / "file", real / name / "sub", real / name):
            os.chown(path, 1234, 77)
            os.utime(path, (1_000_000_000, 1_000_000_000))
        (real / name / "sub").chmod(0o2750)


def snapshot(real: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(real.rglob("*")):
        told = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(told.st_mode) else b""
        about = (told.st_uid, told.st_gid, told.st_mode, told.st_mtime_ns, told.st_ino, content)
        found[str(path.relative_to(real))] = about
    return found


@pytest.fixture(scope="module")
def named(shared_project: Project, engine: Engine, busybox: str) -> Iterator[Path]:
    """Production's named volume, with a file in it."""
    if os.geteuid() != 0 or not engine.facts().local:
        pytest.skip("owners are given, and a named volume is looked into, by root beside a local engine")
    name = f"{shared_project.prefix}named"
    volume = engine.create_volume(name, labels={})
    mount = Mount(kind=MountKind.VOLUME, source=name, target="/named")
    command = ("sh", "-c", "echo real named > /named/file; chown -R 1234:77 /named")
    container = engine.create(RunSpec(name=f"{name}-filler", image=busybox, command=command, mounts=(mount,)))
    engine.start(container)
    engine.wait(container, timeout=20)
    engine.remove(container)
    yield Path(volume.mountpoint)
    engine.remove_volume(name)


def run(project: Project, busybox: str, tests: str, *args: str) -> Run:
    settings = SETTINGS.format(busybox=busybox, prefix=project.prefix)
    directory = project.add("box", {"settings.yaml": settings, "test_it.py": tests})
    real = project.path / "dv" / project.name("box")
    if not real.exists():
        fill(real)
    before = snapshot(real)
    result = project.pytest(str(directory), *args, environ={"REAL": str(real)})
    return Run(result, before, snapshot(real), real)


@pytest.fixture(scope="module")
def alone(shared_project: Project, busybox: str, named: Path) -> Run:
    assert named.exists()
    return run(shared_project, busybox, ALONE, "--ready")


@pytest.fixture(scope="module")
def ready(shared_project: Project, busybox: str, named: Path) -> Run:
    assert named.exists()
    return run(shared_project, busybox, READY, "--prod-ready")


def test_stand_alone_volumes_are_empty_and_the_container_s_own(alone: Run) -> None:
    assert alone.result.status == 0, alone.result.output
    assert alone.result.outcomes() == {"passed": 17}


def test_stand_alone_production_is_as_it_was(alone: Run) -> None:
    assert alone.after == alone.before
    assert len(alone.before) == 3 * len(BOUND)


def test_prod_ready_volumes_are_what_the_settings_say(ready: Run) -> None:
    assert ready.result.status == 0, ready.result.output
    assert ready.result.outcomes() == {"passed": 20}


def test_prod_ready_production_is_as_it_was_but_for_same(ready: Run) -> None:
    assert set(ready.after) - set(ready.before) == {"same/trace"}
    changed = {name for name in ready.before if ready.after[name] != ready.before[name]}
    assert changed == {"same"}


def test_a_named_volume_keeps_its_contents(ready: Run, named: Path) -> None:
    assert ready.result.status == 0
    assert (named / "file").read_text() == "real named\n"


def test_no_copy_is_left(alone: Run, ready: Run, shared_project: Project, engine: Engine) -> None:
    assert (alone.result.status, ready.result.status) == (0, 0)
    copies = list((shared_project.path / "state").rglob("copies/*"))
    assert copies == []
    volumes = [volume.name for volume in engine.volumes() if shared_project.prefix in volume.name]
    assert volumes == [f"{shared_project.prefix}named"]
