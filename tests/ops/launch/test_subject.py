"""What is launched: settings, image and the values of env files, of which none is ever told."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import SettingsError
from kharness.ops.launch.subject import instance_subject, needed_subjects, production_subject, read_env_files
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.plan import Subject
from kharness.settings.service import EnvFile
from tests.ops.world import World

SECRET = "hunter2"
IMAGE = ImageFacts(id="sha256:x")


def subjects(world: World, settings: str) -> tuple[Subject, Subject]:
    """Return what production and what a test instance launch."""
    world.add("web", settings)
    directory = world.directory("web")
    said = world.harness().settings(directory)
    return production_subject(world.harness(), directory, said, IMAGE), instance_subject(directory, said, IMAGE)


def test_production_s_values_are_not_even_read_for_a_test_instance(world: World) -> None:
    world.add("web", "env_file: there-is-none.env")
    directory = world.directory("web")
    settings = world.harness().settings(directory)
    assert instance_subject(directory, settings, IMAGE).env == {}
    with pytest.raises(SettingsError, match=r"env_file: 'there-is-none.env' cannot be read: No such file"):
        production_subject(world.harness(), directory, settings, IMAGE)


@pytest.mark.parametrize(
    ("test", "values"),
    [
        ("{}", {}),
        ("{env_file: test.env}", {"A": "test"}),
        ("{same: [env_file]}", {"A": "real", "B": SECRET}),
        ("{same: [env_file], env_file: test.env}", {"A": "test"}),
    ],
)
def test_a_test_instance_has_the_values_that_the_test_section_names(
    world: World, test: str, values: dict[str, str]
) -> None:
    directory = world.add("web")
    (directory / "real.env").write_text(f"A=real\nB={SECRET}\n")
    (directory / "test.env").write_text("A=test\n")
    production, trial = subjects(world, f"env_file: real.env\ntest: {test}")
    assert production.env == {"A": "real", "B": SECRET}
    assert trial.env == values


def test_later_files_win(world: World) -> None:
    directory = world.add("web")
    (directory / "a.env").write_text("A=1\nB=1\n")
    (directory / "b.env").write_text("B=2\n")
    assert subjects(world, "env_file: [a.env, b.env]")[0].env == {"A": "1", "B": "2"}


def complaint(world: World, content: str | bytes) -> tuple[str, Path]:
    file = world.add("web") / "x.env"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError) as caught:
        read_env_files(world.directory("web"), (EnvFile(path="x.env"),))
    return str(caught.value), file


def test_each_line_that_is_wrong_is_named_and_none_of_its_text(world: World) -> None:
    text, file = complaint(
        world, f'A=1\n{SECRET}\n={SECRET}\nmy {SECRET}=1\nB=\'{SECRET}\nC="{SECRET}" {SECRET}\nD=2\n'
    )
    assert text.splitlines() == [
        f"{file}: line 2: should be NAME=value",
        f"{file}: line 3: should be NAME=value",
        f"{file}: line 4: should be NAME=value",
        f"{file}: line 5: should end with the quote that its value begins with",
        f"{file}: line 6: should end with the quote that its value begins with",
    ]


def test_a_file_that_is_no_text_is_told_without_its_bytes(world: World) -> None:
    text, file = complaint(world, b"A=\xffhunter2\n")
    assert text == f"{file.parent}/settings.yaml: env_file: 'x.env' cannot be read: it is not UTF-8 text"


def test_a_file_that_is_a_directory_is_told(world: World) -> None:
    (world.add("web") / "x.env").mkdir()
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_env_files(world.directory("web"), (EnvFile(path="x.env"),))


@pytest.mark.parametrize(("settings", "built"), [("{}", True), ("image: nginx:1", False)])
def test_what_is_built_here_gets_the_secure_defaults(world: World, settings: str, *, built: bool) -> None:
    assert [subject.built for subject in subjects(world, settings)] == [built, built]


def test_a_need_s_settings_that_are_wrong_are_told(world: World) -> None:
    world.add("db", "nonsense: 1")
    world.engine.put_image("ktools/db:live")
    world.add("web", "depends_on: [db]")
    harness = world.harness()
    with pytest.raises(SettingsError, match=r"db/settings\.yaml: nonsense"):
        needed_subjects(harness, harness.settings(world.directory("web")))
