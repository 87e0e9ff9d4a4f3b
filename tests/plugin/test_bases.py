"""Images that stand on images of other container directories, and sources that change under way."""

from __future__ import annotations

import pytest

from kharness.engine.api import Engine
from tests.projects import REPOSITORY, Project

pytestmark = pytest.mark.engine

SETTINGS = 'command: [sleep, "600"]\n'
TESTS = """\
    def test_it(container):
        assert container.exec("cat", "/version").stdout == "{version}\\n"
"""


@pytest.fixture
def family(project: Project, busybox: str) -> Project:
    """A base and a child that stands on what is live of it; neither was ever built."""
    base, child = f"FROM {busybox}\n", f"FROM {REPOSITORY}/{project.name('base')}:live\n"
    settings = {"settings.yaml": SETTINGS}
    project.add("base", {**settings, "Dockerfile": f"{base}COPY files/ /\n", "test_base.py": TESTS.format(version=1)})
    project.add("child", {**settings, "Dockerfile": f"{child}RUN echo a >/child\n", "test_child.py": ""})
    say_version(project, 1)
    return project


def say_version(project: Project, version: int) -> None:
    project.add("base", {"files/version": f"{version}\n"})
    project.add("child", {"test_child.py": TESTS.format(version=version)})


def ready(project: Project, *shorts: str, flags: tuple[str, ...] = ("--promote",)) -> tuple[int, str, str]:
    """Run a session; returns its status, its output, and of that the last section."""
    paths = [f"containers/{project.name(short)}" for short in shorts] or ["containers"]
    result = project.pytest(*paths, "--ready", *flags)
    return result.status, result.output, result.output.partition("= kharness =")[2]


def image(project: Project, engine: Engine, short: str, tag: str = "live") -> str | None:
    found = engine.image(f"{REPOSITORY}/{project.name(short)}:{tag}")
    return found.id if found else None


def base_of(project: Project, engine: Engine, short: str) -> str:
    found = engine.image(f"{REPOSITORY}/{project.name(short)}:latest")
    assert found is not None
    return found.labels["kharness.base"]


def test_a_base_and_its_child_are_promoted_together_or_not_at_all(family: Project, engine: Engine) -> None:
    status, output, _ = ready(family, "child", "base")
    assert status == 0, output
    first = image(family, engine, "base"), image(family, engine, "child")
    assert base_of(family, engine, "child") == first[0]

    # The base fails its test, which still wants the first version; the child, on the candidate, passes.
    say_version(family, 2)
    status, output, said = ready(family)
    assert status == 1, output
    assert "2 passed" not in output
    assert "1 failed, 1 passed" in output
    assert f"{family.name('base')}: refused\n  - 1 test failed" in said
    assert f"{family.name('child')}: refused\n  - its base {family.name('base')} was refused" in said
    assert (image(family, engine, "base"), image(family, engine, "child")) == first
    assert base_of(family, engine, "child") == image(family, engine, "base", "latest") != first[0]

    # A child's session of its own builds on what is live, whatever was built last.
    say_version(family, 1)
    family.add("base", {"files/other": "x\n"})
    status, output, _ = ready(family, "child")
    assert status == 0, output
    assert base_of(family, engine, "child") == first[0]
    assert image(family, engine, "base") == first[0]


def test_a_missing_base_is_released_first_in_a_process_of_its_own(family: Project, engine: Engine) -> None:
    status, output, said = ready(family, "child", flags=())
    assert status == 0, output
    child, base = family.name("child"), family.name("base")
    assert f"{child}: its base {base} has no live image: building, testing and promoting it first" in output
    assert f"{child}: its base {base} is live now" in output
    assert base_of(family, engine, "child") == image(family, engine, "base")
    # The child's own session was not asked to promote.
    assert image(family, engine, "child") is None
    assert f"{base}:" not in said


def test_a_missing_base_that_fails_stops_its_child_and_leaves_nothing_live(family: Project, engine: Engine) -> None:
    say_version(family, 2)
    status, output, said = ready(family, "child")
    assert status == 1, output
    assert f"{family.name('base')}: its first release failed:" in output
    assert "assert '2\\n' == '1\\n'" in output
    assert f"{family.name('child')}: refused" in said
    assert [image(family, engine, short) for short in ("base", "child")] == [None, None]
    assert image(family, engine, "child", "latest") is None


def test_no_build_tests_what_was_built_last(family: Project, engine: Engine) -> None:
    status, output, _ = ready(family, "base", flags=("--no-build",))
    assert status == 1, output
    assert f"--no-build tests :latest, and there is no {REPOSITORY}/{family.name('base')}:latest" in output
    assert ready(family, "base", flags=())[0] == 0
    built = image(family, engine, "base", "latest")
    say_version(family, 2)
    status, output, _ = ready(family, "base", flags=("--no-build", "--promote"))
    assert status == 0, output
    assert image(family, engine, "base", "latest") == image(family, engine, "base") == built


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("files/version", "the image's sources changed after it was built"),
        ("Dockerfile", "the image's sources changed after it was built"),
        ("settings.yaml", "settings or tests changed after the session began"),
        ("test_base.py", "settings or tests changed after the session began"),
        ("test_new.py", "settings or tests changed after the session began"),
    ],
)
def test_sources_that_change_during_the_session_are_a_refusal(
    family: Project, engine: Engine, file: str, reason: str
) -> None:
    changes = f"""\
        import pathlib

        def test_change(container):
            with (pathlib.Path(__file__).parent / {file!r}).open("a") as file:
                file.write("\\n")
    """
    family.add("base", {"test_base.py": changes})
    status, output, said = ready(family, "base")
    assert status == 1, output
    assert "1 passed" in output
    assert reason in said
    assert image(family, engine, "base") is None
