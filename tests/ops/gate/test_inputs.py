"""What a verdict stands on: change any of it, and the verdict is not about this any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import HostError
from kharness.ops.gate.inputs import Inputs, changes_since, inputs_now, inputs_of
from kharness.ops.gate.inputs import tests_digest as digest_of
from kharness.ops.image.build import Built, build
from kharness.plan.session.modes import Mode
from tests.ops.world import World


@pytest.fixture
def directory(world: World) -> Path:
    return world.add("web", files={"x": "1"}, private={"p": "1"}, tests="def test_it(): ...")


def digest(world: World) -> str:
    return digest_of(world.directory("web"))


def put(path: Path, text: str = "new") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


COUNTS = [
    "settings.yaml",
    "test_web.py",
    "test_more.py",
    "conftest.py",
    "data/answer.json",
    "data/files/nested",
    "data/private.d/nested",
    ".env",
    "test.env",
    "../conftest.py",
    "../../conftest.py",
]
COUNTS_NOT = [
    "Dockerfile",
    "files/x",
    "private.d/p",
    "__pycache__/test_web.cpython-311.pyc",
    "data/__pycache__/x.pyc",
    ".pytest_cache/v/cache",
    ".idea/workspace.xml",
    "test_web.py~",
    ".test_web.py.swp",
    ".#test_web.py",
    "../other/settings.yaml",
    "../README",
]


@pytest.mark.parametrize("name", COUNTS)
def test_settings_tests_their_data_and_what_is_above_them_count(world: World, directory: Path, name: str) -> None:
    before = digest(world)
    put(directory / name, "{user: x}\n")
    assert digest(world) != before


@pytest.mark.parametrize("name", COUNTS_NOT)
def test_what_counts_in_the_image_or_comes_by_itself_does_not_count_again(
    world: World, directory: Path, name: str
) -> None:
    before = digest(world)
    put(directory / name, "FROM scratch\nUSER x\n")
    assert digest(world) == before


def test_where_no_image_is_built_every_file_counts(world: World) -> None:
    directory = world.add("web", "image: nginx:1", private={"test.env": "A=1"})
    before = digest(world)
    put(directory / "private.d" / "test.env", "A=2")
    assert digest(world) != before


def test_the_name_of_a_file_counts_as_well_as_its_content(world: World, directory: Path) -> None:
    put(directory / "data" / "a")
    before = digest(world)
    (directory / "data" / "a").rename(directory / "data" / "b")
    assert digest(world) != before


def test_time_and_mode_of_a_file_do_not_count(world: World, directory: Path) -> None:
    before = digest(world)
    (directory / "test_web.py").touch()
    (directory / "test_web.py").chmod(0o700)
    assert digest(world) == before


def test_the_version_of_kharness_counts(world: World, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert directory.is_dir()
    before = digest(world)
    monkeypatch.setattr("kharness.ops.gate.inputs.version", lambda _: "99")
    assert digest(world) != before


def test_what_cannot_be_read_is_told(world: World, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refuse)
        with pytest.raises(HostError, match="cannot be read: Permission denied"):
            digest(world)
    assert directory.is_dir()


def inputs(world: World, *, mode: Mode = Mode.STANDALONE) -> tuple[Built, Inputs]:
    harness = world.harness()
    directory = harness.catalog.select("web", prefix=False)
    settings = harness.settings(directory)
    built = build(harness, directory, settings)
    return built, inputs_of(harness, directory, settings, built, mode=mode)


def now(world: World, **host: Any) -> Inputs | None:
    harness = world.harness(**host)
    directory = harness.catalog.select("web", prefix=False)
    return inputs_now(harness, directory, harness.settings(directory), mode=Mode.STANDALONE, candidates={})


@pytest.mark.parametrize("settings", ["{}", "image: nginx:1"])
def test_nothing_changed_is_no_reason_against_promotion(world: World, settings: str) -> None:
    world.engine.put_image("nginx:1")
    world.add("web", settings)
    _, before = inputs(world)
    assert now(world) == before
    assert changes_since(before, now(world)) == ()


def change_the_image(world: World) -> None:
    world.add("web", files={"x": "2"})


def change_the_tests(world: World) -> None:
    world.add("web", files={"x": "1"}, tests="def test_other(): ...")


def lose_the_dockerfile(world: World) -> None:
    (world.tree.path / "web" / "Dockerfile").write_bytes(b"\xff")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_the_image, "the image's sources changed after it was built"),
        (change_the_tests, "settings or tests changed after the session began"),
        (lose_the_dockerfile, "its sources can no longer be read"),
    ],
)
def test_what_changed_after_the_build_is_a_reason_against_promotion(
    world: World, directory: Path, change: Callable[[World], None], reason: str
) -> None:
    assert directory.is_dir()
    _, before = inputs(world)
    change(world)
    assert changes_since(before, now(world)) == (reason,)


def test_what_lies_elsewhere_counts_too(world: World, tmp_path: Path) -> None:
    env = tmp_path / "elsewhere.env"
    env.write_text("A=1\n")
    world.engine.put_image("ktools/db:live")
    world.add("db")
    world.add("web", f"depends_on: [db]\ntest: {{env_file: {env}}}\n")
    reason = (
        "a service that it needs, its env_file, a secret, the host's defaults or its checks changed after the build",
    )
    _, first = inputs(world)
    env.write_text("A=2\n")
    assert changes_since(first, now(world)) == reason
    _, second = inputs(world)
    world.engine.put_image("ktools/db:live", labels={"version": "2"})
    assert changes_since(second, now(world)) == reason


def test_what_passed_when_less_was_asked_of_it_has_not_passed_now(world: World) -> None:
    world.add("web")
    _, before = inputs(world)
    after = now(world, policy="none")
    assert after is not None
    assert after.key != before.key


def test_what_passed_with_another_default_of_the_host_has_not_passed_with_this_one(world: World) -> None:
    world.add("web")
    _, before = inputs(world)
    one, other = now(world, defaults={"mem_limit": "1g"}), now(world, defaults={"mem_limit": "2g"})
    assert one is not None
    assert other is not None
    assert len({before.key, one.key, other.key}) == 3


def test_an_image_that_is_not_there_any_more_cannot_be_compared(world: World) -> None:
    world.engine.put_image("nginx:1")
    world.add("web", "image: nginx:1")
    _, before = inputs(world)
    world.engine.untag("ktools/web:latest")
    world.engine.remove_image("nginx:1")
    assert changes_since(before, now(world)) == ("its sources can no longer be read",)


def test_a_key_tells_modes_apart(world: World, directory: Path) -> None:
    assert directory.is_dir()
    keys = {inputs(world, mode=mode)[1].key for mode in Mode}
    assert len(keys) == len(Mode)
