"""One test instance for any program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.errors import LaunchError, SettingsError, UsageError
from kharness.ops.opening import _key
from kharness.ops.session import library
from kharness.ops.session.library import instance
from kharness.plan.session.modes import Mode
from tests.ops.world import World


@pytest.fixture(autouse=True)
def own_harness(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the library meet the engine in memory, in an empty directory."""
    monkeypatch.setattr(library, "open_engine", lambda *_, **__: world.engine)
    monkeypatch.setattr(library, "load_host_settings", lambda **_: world.harness().host)
    monkeypatch.chdir(world.path)
    library._harness.cache_clear()
    yield
    library._harness.cache_clear()


def test_an_image_runs_as_long_as_it_is_needed(world: World) -> None:
    world.engine.put_remote("registry.example:5000/team/Web_Server:1.2".lower())
    with instance("registry.example:5000/team/web_server:1.2", settings={"expose": [80]}) as web:
        assert world.engine.running == {web.name}
        assert web.name.startswith("test-web-server-1-2-")
        assert (web.is_running, web.mode, web.url()) == (True, Mode.STANDALONE, f"http://{web.address}:80/")
    assert not world.engine.boxes
    assert {net for net in world.engine.nets if net.startswith("kharness")} == set()


def test_what_the_caller_does_wrong_removes_the_instance_as_well(world: World) -> None:
    world.engine.put_image("web:1")
    with pytest.raises(ZeroDivisionError), instance("web:1"):
        raise ZeroDivisionError
    assert not world.engine.boxes


def test_an_instance_that_does_not_become_ready_is_removed_and_told(world: World) -> None:
    world.engine.put_image("web:1", labels={"fake.exit": "3"})
    with pytest.raises(LaunchError, match="exited with 3"), instance("web:1"):
        raise AssertionError("it never was")
    assert not world.engine.boxes


def test_an_image_s_instance_is_isolated_like_every_test_instance(world: World) -> None:
    world.engine.put_image("web:1", labels={"traefik.enable": "true"})
    with instance("web:1", settings={"labels": {"a": "b"}, "restart": "always"}) as web:
        spec = next(box.spec for box in world.engine.boxes.values() if box.name == web.name)
        assert (spec.restart, spec.labels["traefik.enable"], "a" in spec.labels) == ("no", "", False)
        assert world.engine.nets[spec.networks[0].network].internal


def test_a_folder_with_settings_is_a_container_directory(world: World) -> None:
    world.add("web", "environment: {A: 1}")
    with instance(Path("containers/web")) as web:
        assert world.engine.running == {web.name}
        assert "A=1" in web.inspect()["Config"]["Env"]


def test_a_folder_with_a_dockerfile_alone_takes_settings(world: World) -> None:
    folder = world.path / "App"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    with instance(folder, settings={"environment": {"A": "1"}}) as web:
        assert "A=1" in web.inspect()["Config"]["Env"]


def test_an_image_is_an_image_even_where_a_folder_of_that_name_could_be_built(world: World) -> None:
    world.engine.put_image("web")
    for folder in (world.path, world.path / "web"):
        folder.mkdir(exist_ok=True)
        (folder / "Dockerfile").write_text("FROM scratch\n")
    with instance("web"):
        assert "build" not in {call.name for call in world.engine.calls}


def test_an_env_file_of_an_image_is_looked_for_where_the_program_runs(world: World) -> None:
    world.engine.put_image("web:1")
    (world.path / "test.env").write_text("A=1\n")
    with instance("web:1", settings={"test": {"env_file": "test.env"}}) as web:
        assert "A=1" in web.inspect()["Config"]["Env"]


@pytest.mark.parametrize(
    ("source", "settings", "error", "said"),
    [
        (Path("nowhere"), {}, UsageError, "nowhere: should be a folder with a Dockerfile or a settings.yaml"),
        (Path("containers/web"), {"user": "x"}, UsageError, "a folder with settings of its own takes no others"),
        ("web:1", {"nonsense": 1}, SettingsError, "settings of web:1: nonsense"),
        (Path("empty"), {}, SettingsError, "settings of empty: image: is required"),
    ],
)
def test_what_cannot_be_launched_is_told(
    world: World, source: str | Path, settings: dict[str, object], error: type[Exception], said: str
) -> None:
    world.add("web")
    (world.path / "empty").mkdir()
    with pytest.raises(error, match=said), instance(source, settings=settings):
        raise AssertionError("it never was")


def test_the_first_instance_of_a_program_removes_what_dead_ones_left(world: World) -> None:
    world.engine.put_image("web:1")
    copies = world.path / "state" / "engines" / _key(world.engine.facts()) / "projects" / "~library" / "copies" / "dead"
    copies.mkdir(parents=True)
    for _ in range(2):
        with instance("web:1"):
            pass
    assert world.engine.called("volumes") == ("volumes",)
    assert not copies.exists()
