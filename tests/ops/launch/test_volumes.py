"""A test instance's volumes are its own, and production's stay untouched."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.errors import HostError, LaunchError, UsageError
from kharness.ops.launch.volumes import missing_directories
from kharness.plan.facts import ImageFacts
from kharness.plan.session.modes import Mode
from tests.ops.sessions import NAME, opened, rest, web
from tests.ops.world import World


def data(world: World) -> Path:
    """Let production have written something."""
    place = world.volume_root / "web" / "data"
    place.mkdir(parents=True)
    (place / "real").write_text("of customers")
    return place


@pytest.mark.parametrize(("mode", "content"), [(Mode.STANDALONE, []), (Mode.PROD_READY, ["real"])])
def test_a_test_may_write_and_production_does_not_notice(
    world: World, image: ImageFacts, mode: Mode, content: list[str]
) -> None:
    real = data(world)
    session = opened(world, mode=mode)
    subject = web(world, image, "volumes: [./data:/data]")
    instance = session.instance(session.launch(subject), subject)
    for name in ("/data", "data", "./data", "data/"):
        assert [path.name for path in instance.volume(name).path.iterdir()] == content
    instance.volume("/data").write_text("real", "of a test")
    assert (real / "real").read_text() == "of customers"
    session.close()
    assert rest(world) == []
    assert (real / "real").read_text() == "of customers"


def test_a_named_volume_is_copied_with_its_contents(world: World, image: ImageFacts) -> None:
    place = Path(world.engine.create_volume("cache").mountpoint)
    (place / "real").write_text("of customers")
    session = opened(world, mode=Mode.PROD_READY)
    session.launch(web(world, image, "volumes: [cache:/cache]"))
    copy = Path(world.engine.vols[f"{NAME}-0"].mountpoint)
    assert (copy / "real").read_text() == "of customers"
    session.close()
    assert set(world.engine.vols) == {"cache"}


def test_a_single_file_is_copied_with_its_owner_and_mode(world: World, image: ImageFacts) -> None:
    world.add("web")
    file = world.volume_root / "web" / "app.conf"
    file.parent.mkdir(parents=True)
    file.write_text("secret")
    file.chmod(0o640)
    subject = web(world, image, "volumes: [./app.conf:/etc/app.conf]")
    for mode, content in ((Mode.PROD_READY, "secret"), (Mode.STANDALONE, "")):
        session = opened(world, mode=mode)
        found = Path(session.launch(subject).volumes["/etc/app.conf"])
        assert (found.read_text(), found.stat().st_mode & 0o777) == (content, 0o640)
        assert found.stat().st_uid == file.stat().st_uid
        session.close()


@pytest.fixture
def socket_file() -> Iterator[Path]:
    """A socket's place; short, as the kernel wants it."""
    with tempfile.TemporaryDirectory(prefix="kt-") as directory, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{directory}/s")
        yield Path(directory) / "s"


def test_a_socket_of_the_host_is_refused_unless_somebody_says_so(
    world: World, image: ImageFacts, socket_file: Path
) -> None:
    session = opened(world, mode=Mode.PROD_READY)
    for number, text in enumerate((f"{socket_file}:/sock:ro", f"{socket_file}:/sock")):
        with pytest.raises(UsageError, match="is a socket, through which a test could command"):
            session.launch(web(world, image, f"volumes: ['{text}']"), suffix=f"-{number}")
    said = f"volumes: [{{type: bind, source: {socket_file}, target: /sock, test: same}}]\ntest: {{same: [/sock]}}"
    session.launch(web(world, image, said))
    session.close()
    assert socket_file.is_socket()


def test_a_link_into_the_volume_root_shows_a_stand_alone_instance_nothing(world: World, image: ImageFacts) -> None:
    real = data(world)
    link = world.path / "innocent"
    link.symlink_to(real)
    said = f"volumes: [{{type: bind, source: {link}, target: /d, test: ro}}]"
    with pytest.raises(UsageError, match="which stand-alone tests never see"):
        opened(world).launch(web(world, image, said))
    assert "create" not in {call.name for call in world.engine.calls}


def test_a_volume_that_cannot_be_copied_is_told_and_leaves_nothing(
    world: World, image: ImageFacts, socket_file: Path
) -> None:
    session = opened(world, mode=Mode.PROD_READY)
    how = "test: {mount: copy, strategy: real}"
    said = f"volumes: [{{type: bind, source: {socket_file.parent}, target: /data, {how}}}]"
    with pytest.raises(HostError, match="should hold no sockets to be copied"):
        session.launch(web(world, image, said))
    session.close()
    assert rest(world) == []


NESTED = """\
volumes:
  - {type: bind, source: ./data, target: /data, read_only: true, test: %s}
  - ./cache:/data/in/cache
  - ./app.conf:/data/app.conf
"""


@pytest.mark.parametrize("mode", [Mode.STANDALONE, Mode.PROD_READY])
def test_a_volume_inside_another_one_has_a_place_there(world: World, image: ImageFacts, mode: Mode) -> None:
    real = data(world)
    (real.parent / "app.conf").write_text("x")
    (real / "outside").symlink_to(world.path)
    session = opened(world, mode=mode)
    facts = session.launch(web(world, image, NESTED % "empty"))
    made = Path(facts.volumes["/data"])
    assert sorted(str(path.relative_to(made)) for path in made.rglob("*")) == ["app.conf", "in", "in/cache"]
    assert sorted(path.name for path in real.iterdir()) == ["outside", "real"]
    session.close()


def test_a_place_is_not_made_through_a_link_of_the_original(world: World, image: ImageFacts) -> None:
    real = data(world)
    (real / "in").symlink_to(world.path)
    (real / "app.conf").touch()
    session = opened(world, mode=Mode.PROD_READY)
    session.launch(web(world, image, NESTED % "copy"))
    assert not (world.path / "cache").exists()
    session.close()


def test_a_volume_inside_a_read_only_one_without_a_place_is_refused_before_anything_is_made(
    world: World, image: ImageFacts
) -> None:
    real = data(world)
    session = opened(world, mode=Mode.PROD_READY)
    with pytest.raises(HostError) as raised:
        session.launch(web(world, image, NESTED % "ro"))
    around = "because /data/in/cache is mounted inside /data, which is read-only"
    assert str(raised.value) == f"{real}/in/cache: should exist, {around}"
    session.close()
    assert rest(world) == []


@pytest.mark.parametrize("kind", ["socket", "fifo"])
def test_a_read_only_directory_with_a_way_to_command_production_is_refused_unless_somebody_says_so(
    world: World, image: ImageFacts, kind: str
) -> None:
    real = data(world)
    (real / "run").mkdir()
    if kind == "fifo":
        os.mkfifo(real / "run/way")
    else:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(real / "run/way"))
    session = opened(world, mode=Mode.PROD_READY)
    with pytest.raises(UsageError, match=r"/data: .*run/way is a socket or fifo, through which a test could command"):
        session.launch(web(world, image, "volumes: ['./data:/data:ro']"))
    said = "volumes: [{type: bind, source: ./data, target: /data, read_only: true, test: ro}]"
    session.launch(web(world, image, said), suffix="-2")
    session.close()


def test_a_named_volume_whose_contents_are_elsewhere_is_not_copied(world: World, image: ImageFacts) -> None:
    world.engine.create_volume("far", options={"type": "nfs", "device": ":/far"})
    session = opened(world, mode=Mode.PROD_READY)
    with pytest.raises(UsageError, match="the contents of the volume far are where only a container that mounts it"):
        session.launch(web(world, image, "volumes: [far:/data]"))
    session.close()
    assert set(world.engine.vols) == {"far"}


def test_an_instance_that_could_write_to_production_is_removed_at_once(
    world: World, image: ImageFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise LaunchError("could write to production")

    monkeypatch.setattr("kharness.ops.session.session.refuse_writable_reals", refuse)
    session = opened(world)
    with pytest.raises(LaunchError, match="could write to production"):
        session.launch(web(world, image))
    assert world.engine.boxes == {}
    session.close()


def test_what_a_launch_would_make_is_an_empty_directory_of_the_instance(world: World, image: ImageFacts) -> None:
    """Also for a development instance, which `create` makes; what a launch would not make stays as it is."""
    kept = "{type: bind, source: ./kept, target: /kept, read_only: true, bind: {create_host_path: false}}"
    data(world)
    subject = web(world, image, f"volumes: ['./conf:/conf:ro', './data:/data:ro', {kept}]\nprepare: [conf/sub]\n")
    assert missing_directories(world.harness(), subject) == {str(world.volume_root / "web" / "conf")}
    subject = web(world, image, "volumes: ['./conf:/conf:ro', './data:/data:ro']\nprepare: [conf/sub]\n")
    session = opened(world, mode=Mode.PROD_READY)
    made = session.create(subject, name=NAME, change=lambda spec: spec)
    conf, real = made.plan.spec.mounts[:2]
    assert (Path(str(conf.source)) / "sub").is_dir()
    assert (conf.read_only, real.source) == (True, str(world.volume_root / "web" / "data"))
    assert not (world.volume_root / "web" / "conf").exists()
    session.close()
    assert rest(world) == []
