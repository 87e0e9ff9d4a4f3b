"""A daemon of the tests' own that maps ids: what is prepared, tested and launched there belongs to the right users.

Its networks are in a namespace of its own, and commands are run in there, so that the engine is on this host for them.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.plan.checks.production import id_mapping
from kharness.settings.policy import Policy
from tests.conftest import no_engine
from tests.engine.daemons import PrivateDaemon, private_daemon, why_not
from tests.projects import Project, Result
from tests.rootfs import archive

pytestmark = pytest.mark.engine

UID, GID, LENGTH = 7_000_000, 7_100_000, 65536
IMAGE = "kharness-test/busybox:mapped"
NOBODY = (UID + 65534, GID + 65534)
SETTINGS = f"""\
    image: {IMAGE}
    command: [sleep, "600"]
    init: true
    user: nobody
    volumes:
      - ./data:/data
      - ./plain:/plain
      - ./conf:/conf:ro
      - named:/named
    prepare:
      - {{path: data, mode: 0o700}}
      - {{path: data/key, mode: 0o400, contents: {{command: [id, -un]}}}}
      - {{path: conf/app.conf, owner: 0, group: group/nogroup, mode: 0o640, contents: "color = blue\\n"}}
      - {{path: ., volume: named, owner: user/nobody, mode: 0o750}}
      - {{path: sub/deep, volume: named}}
    secrets: {{token: secret-token, own: {{file: secret-token, uid: 7, gid: 8, mode: 0o440}}}}
    test: {{same: [secrets]}}
    release: {{verify: none, verify_for: 300ms}}
"""
TESTS = """\
    import pytest

    def inside(container, command):
        result = container.exec("sh", "-c", command)
        assert result.ok, result
        return result.stdout

    @pytest.mark.in_prod
    @pytest.mark.prod_ready
    @pytest.mark.standalone
    def test_owners_are_who_they_should_be(container):
        found = inside(container, "stat -c '%n %U:%G %a' /data /plain /data/key /conf /conf/app.conf /named/sub/deep")
        assert found.splitlines() == [
            "/data nobody:nogroup 700",
            "/plain nobody:nogroup 755",
            "/data/key nobody:nogroup 400",
            "/conf root:root 755",
            "/conf/app.conf root:nogroup 640",
            "/named/sub/deep nobody:nogroup 755",
        ]
        assert inside(container, "cat /data/key /conf/app.conf") == "nobody\\ncolor = blue\\n"

    @pytest.mark.in_prod
    @pytest.mark.prod_ready
    @pytest.mark.standalone
    def test_secrets_belong_to_who_may_read_them(container):
        assert inside(container, "cat /run/secrets/token") == "hush"
        assert inside(container, "cd /run/secrets; stat -c '%u:%g %a' token own").split() == [
            "65534:65534", "400", "7:8", "440",
        ]
        assert not container.exec("cat", "/run/secrets/own").ok

    @pytest.mark.prod_ready
    @pytest.mark.standalone
    def test_volumes_are_written_as_in_production(container):
        inside(container, "echo test > /data/file; mkdir /plain/new; touch /named/sub/deep/new")
        assert inside(container, "stat -c %U /data/file /plain/new").split() == ["nobody", "nobody"]
        assert not container.exec("touch", "/conf/new").ok
        assert (container.volume("/data").path / "file").read_text() == "test\\n"

    def test_what_it_changed_is_seen(container):
        inside(container, "echo x > /tmp/changed")
        assert {change.path for change in container.diff()} >= {"/tmp/changed"}

    @pytest.mark.prod_ready
    def test_production_s_data_is_there(container):
        assert inside(container, "cat /data/of-production /named/of-production") == "bound\\nnamed\\n"
"""


@dataclass(frozen=True)
class Mapped:
    """A project on an engine that maps ids."""

    daemon: PrivateDaemon
    engine: Engine
    project: Project

    @property
    def top(self) -> Path:
        return self.project.path / "dv" / "web"

    def run(self, *command: str) -> Result:
        namespace = f"--net=/run/netns/{self.daemon.namespace}"
        return self.project.run("nsenter", namespace, sys.executable, "-m", *command, timeout=240)

    def kharness(self, *args: str) -> Result:
        return self.run("kharness", *args)

    def pytest(self, *args: str) -> Result:
        return self.run("pytest", "-p", "no:cacheprovider", "containers/web", *args)


@pytest.fixture(scope="module")
def mapped(request: pytest.FixtureRequest) -> Iterator[Mapped]:
    reason = why_not()
    missing = [program for program in ("useradd", "usermod", "userdel") if shutil.which(program) is None]
    if reason or missing:
        no_engine(request, reason or f"needs {' and '.join(missing)}")
    with ExitStack() as undo:
        user = f"khd-{secrets.token_hex(3)}"
        do("useradd", "--system", "--no-create-home", "--shell", "/bin/false", user)
        undo.callback(do, "userdel", user)
        uids, gids = f"{UID}-{UID + LENGTH - 1}", f"{GID}-{GID + LENGTH - 1}"
        do("usermod", "--add-subuids", uids, "--add-subgids", gids, user)
        daemon = undo.enter_context(private_daemon())
        # Mapped root must pass every directory above what it mounts.
        daemon.root.chmod(0o711)
        daemon.start(**{"userns-remap": user})
        do("ip", "-n", daemon.namespace, "link", "set", "lo", "up")
        engine = daemon.connect()
        undo.callback(engine.close)
        engine.import_image([archive(Path(shutil.which("busybox") or "/bin/busybox"))], IMAGE, changes=['CMD ["sh"]'])
        place = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="khd-")))
        place.chmod(0o711)
        project = Project.create(place / "project", prefix="")
        project.environ["DOCKER_HOST"] = daemon.url
        project.add("web", {"settings.yaml": SETTINGS, "test_web.py": TESTS, "secret-token": "hush"})
        (project.path / "dv").mkdir()
        undo.callback(remove_all, engine)
        yield Mapped(daemon, engine, project)


def do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def remove_all(engine: Engine) -> None:
    for container in engine.containers():
        engine.remove(container.id, force=True)


def state(path: Path) -> tuple[int, int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def named(mapped: Mapped) -> Path:
    volume = mapped.engine.volume("named")
    assert volume is not None
    return Path(volume.mountpoint)


def test_the_doctor_explains_the_mapping(mapped: Mapped) -> None:
    found = mapped.kharness("doctor")
    assert f"uids 0-65535 in containers are {UID}-{UID + LENGTH - 1}" in found.output
    assert f"gids 0-65535 in containers are {GID}-{GID + LENGTH - 1}" in found.output
    assert f"in containers is {UID}:{GID} on this host" in found.output
    assert "cannot be passed" not in found.output
    (mapped.project.path / "dv").chmod(0o700)
    try:
        found = mapped.kharness("doctor")
        assert f"mend: chmod o+x {mapped.project.path}/dv" in found.output
    finally:
        (mapped.project.path / "dv").chmod(0o755)


@pytest.fixture
def production(mapped: Mapped) -> Path:
    """What production has, with data of its own; returns its volume directory."""
    for command in (("build", "web"), ("prep", "web", "--fix")):
        done = mapped.kharness(*command)
        assert done.status == 0, done.output
    (mapped.top / "plain").mkdir(exist_ok=True)
    for place, word in ((mapped.top / "data", "bound"), (named(mapped), "named"), (mapped.top / "plain", "plain")):
        (place / "of-production").write_text(f"{word}\n")
        os.chown(place / "of-production", *NOBODY)
    os.chown(mapped.top / "plain", *NOBODY)
    return mapped.top


def test_the_check_of_the_mapping_finds_nothing(mapped: Mapped) -> None:
    assert list(id_mapping.judge(mapped.engine.facts(), Policy())) == []


def test_a_stand_alone_instance_is_prepared_for_mapped_users(mapped: Mapped) -> None:
    before = sorted((mapped.project.path / "dv").rglob("*"))
    result = mapped.pytest("--ready")
    assert result.status == 0, result.output
    assert result.outcomes() == {"passed": 4, "deselected": 1}
    assert sorted((mapped.project.path / "dv").rglob("*")) == before


def test_prep_gives_everything_to_mapped_users(mapped: Mapped, production: Path) -> None:
    same = mapped.kharness("prep", "web")
    assert same.status == 0, same.output
    assert f"owner 65534:65534 ({NOBODY[0]}:{NOBODY[1]} on the host)" in same.output
    assert [state(production / name) for name in (".", "data", "data/key", "conf", "conf/app.conf")] == [
        (UID, GID, 0o755),
        (*NOBODY, 0o700),
        (*NOBODY, 0o400),
        (UID, GID, 0o755),
        (UID, GID + 65534, 0o640),
    ]
    assert [state(named(mapped) / name) for name in (".", "sub", "sub/deep")] == [
        (*NOBODY, 0o750),
        (UID, GID, 0o755),
        (*NOBODY, 0o755),
    ]
    os.chown(production / "data", 65534, 65534)
    differs = mapped.kharness("prep", "web")
    assert differs.status == 1
    said = f"owner is 65534:65534, should be {NOBODY[0]}:{NOBODY[1]} (65534:65534 in the container)"
    assert said in differs.output
    assert mapped.kharness("prep", "web", "--fix").status == 0
    assert state(production / "data") == (*NOBODY, 0o700)


def test_a_release_goes_all_the_way_with_copies_of_real_data(mapped: Mapped, production: Path) -> None:
    result = mapped.pytest("--prod-ready", "--launch")
    assert result.status == 0, result.output
    assert result.outcomes()["passed"] >= 5
    found = mapped.engine.container("web")
    assert found is not None
    assert found.running
    assert not (production / "data/file").exists()
    assert list((named(mapped) / "sub/deep").iterdir()) == []
    assert mapped.engine.exec("web", ["touch", "/data/mine", "/named/mine"]).ok
    assert state(production / "data/mine")[:2] == state(named(mapped) / "mine")[:2] == NOBODY


def test_data_from_before_the_mapping_is_moved_and_can_be_written(mapped: Mapped, production: Path) -> None:
    if mapped.engine.container("web") is not None:
        mapped.engine.stop("web", timeout=0)
    plain, words = production / "plain", ("prep", "web", "--shift-from", "none")
    (plain / "old").mkdir()
    (plain / "old/file").write_text("from before\n")
    (plain / "old/link").symlink_to("/etc")
    for path in (plain, plain / "old", plain / "old/file"):
        os.chown(path, 65534, 65534)
    counted = mapped.kharness(*words, "--dry-run")
    assert "web: ./plain  would move 4; 1 were moved already" in counted.output
    assert state(plain / "old/file")[:2] == (65534, 65534)
    moved = mapped.kharness(*words, "--fix")
    assert moved.status == 0, moved.output
    assert state(plain / "old/file")[:2] == NOBODY
    assert "web: ./plain  moved 0; 5 were moved already" in mapped.kharness(*words, "--fix").output
    assert Path("/etc").stat().st_uid == 0
    result = mapped.pytest("--prod-ready")
    assert result.status == 0, result.output
