"""The mappings of an engine on this host."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.volumes import idmap
from kharness.host.volumes.idmap import find_id_maps, impassable
from kharness.plan.facts import EngineFacts
from kharness.plan.volumes.idmap import IDENTITY, IdMaps, parse_id_map, shifted_map

USERNS = ("name=seccomp,profile=default", "name=userns")
LISTENER = """\
import socket, sys, time
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
time.sleep(60)
"""


def engine(root_dir: str = "", *, options: tuple[str, ...] = (), endpoint: str = "") -> EngineFacts:
    return EngineFacts(id="x", root_dir=root_dir, security_options=options, endpoint=endpoint)


def test_an_engine_without_a_mapping_has_the_host_s_ids() -> None:
    assert find_id_maps(engine("/var/lib/docker/1.1")) == IDENTITY


def test_a_remapped_engine_has_the_lengths_of_the_host_s_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "subuid").write_text("ann:1000000:500\n")
    files = {"uid": tmp_path / "subuid", "gid": tmp_path / "nothing"}
    monkeypatch.setattr(idmap, "_SUBORDINATE", files)
    found = find_id_maps(engine("/var/lib/docker/1000000.2000000", options=USERNS))
    assert found == IdMaps(shifted_map(1000000, 500), shifted_map(2000000, 65536, what="gid"))


def test_a_remapped_engine_that_does_not_tell_its_base_is_an_error() -> None:
    with pytest.raises(HostError, match="/var/lib/docker: should end with the uid and gid of mapped root"):
        find_id_maps(engine("/var/lib/docker", options=USERNS))


@pytest.fixture
def rootless() -> Iterator[Path]:
    """A socket that a process in a user namespace of its own listens at."""
    # The path of a socket is at most 107 bytes long.
    place = Path(tempfile.gettempdir()) / f"kht-{os.getpid()}.sock"
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", LISTENER, str(place)]
    listener = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while not _answers(place):
            if listener.poll() is not None or time.monotonic() > deadline:
                pytest.skip("needs user namespaces")
            time.sleep(0.05)
        yield place
    finally:
        listener.kill()
        listener.communicate()
        place.unlink(missing_ok=True)


def _answers(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(place)) == 0


def test_a_rootless_engine_has_the_map_of_the_process_behind_its_socket(rootless: Path) -> None:
    found = find_id_maps(engine(options=("name=rootless",), endpoint=f"unix://{rootless}"))
    user, group = os.geteuid(), os.getegid()
    assert found == IdMaps(parse_id_map(f"0 {user} 1"), parse_id_map(f"0 {group} 1", what="gid"))
    assert found.root == (user, group)


def test_a_rootless_engine_behind_systemd_s_socket_has_the_ranges_of_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, group = os.geteuid(), os.getegid()
    (tmp_path / "ids").write_text(f"ann:1:2\n{user}:100000:65536\n")
    monkeypatch.setattr(idmap, "_SUBORDINATE", {"uid": tmp_path / "ids", "gid": tmp_path / "ids"})
    place = Path(tempfile.gettempdir()) / f"kht-{os.getpid()}-own.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()
        try:
            found = find_id_maps(engine(options=("name=rootless",), endpoint=f"unix://{place}"))
        finally:
            place.unlink()
    assert found.to_host((0, 0)) == (user, group)
    assert found.to_host((1, 1000)) == (100000, 100999)
    assert found.uid.length == 65537


def test_a_rootless_engine_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="the ids that this rootless engine maps cannot be told: No such file"):
        find_id_maps(engine(options=("name=rootless",), endpoint=f"unix://{tmp_path}/sock"))


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(
    ("mode", "owner", "passes"),
    [(0o700, (9, 9), False), (0o711, (9, 9), True), (0o700, (7, 9), True), (0o071, (7, 9), False),
     (0o710, (9, 8), True), (0o701, (9, 8), False)],
)  # fmt: skip
def test_who_may_pass_a_directory(home: Path, mode: int, owner: tuple[int, int], *, passes: bool) -> None:
    place = home / "dv"
    place.mkdir()
    place.chmod(mode)
    os.chown(place, 7, 8)
    (place / "web").mkdir(mode=0o711)
    assert impassable(place / "web/missing", owner) == (None if passes else place)


def test_a_link_s_target_is_looked_at(home: Path) -> None:
    (home / "real/dv").mkdir(parents=True)
    (home / "real").chmod(0o700)
    (home / "link").symlink_to(home / "real/dv")
    assert impassable(home / "link", (54321, 54321)) == home / "real"
