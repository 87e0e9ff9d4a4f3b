from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.ops.gate.stack import complete_stack, stack_digest
from kharness.plan.gate.refusals import Collected, GateFacts
from kharness.settings.compose.load import load_compose
from kharness.settings.compose.project import ComposeProject
from kharness.settings.compose.service import service_settings

COMPOSE = "services: {web: {image: x}, db: {image: y}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "tests" / "web").mkdir(parents=True)
    (tmp_path / "tests" / "web" / "test_web.py").write_text("def test_a():\n    pass\n\ndef test_b():\n    pass\n")
    return tmp_path


def loaded(folder: Path) -> ComposeProject:
    return load_compose(folder, environ={})


def completed(folder: Path, *collected: Collected) -> GateFacts:
    project = loaded(folder)
    return complete_stack(
        GateFacts(name="shop", image="sha256:aa"),
        project=project,
        settings={name: service_settings(project, name) for name in project.services},
        collected=collected,
        patterns=("test_*.py",),
        declares=True,
    )


@pytest.mark.parametrize("name", ["compose.yaml", "tests/web/test_web.py", "tests/data.json", "conftest.py"])
def test_files_of_compose_and_of_tests_are_in_the_digest(folder: Path, name: str) -> None:
    before = stack_digest(loaded(folder))
    with (folder / name).open("a") as file:
        file.write("\n")
    assert stack_digest(loaded(folder)) != before


@pytest.mark.parametrize("name", ["data/rows", "tests/__pycache__/test_web.pyc"])
def test_data_and_what_python_leaves_are_not(folder: Path, name: str) -> None:
    before = stack_digest(loaded(folder))
    (folder / name).parent.mkdir()
    (folder / name).write_text("x")
    assert stack_digest(loaded(folder)) == before


def test_a_file_that_cannot_be_read_is_one_clear_error(folder: Path) -> None:
    (folder / "tests" / "gone").symlink_to(folder / "nowhere")
    with pytest.raises(HostError, match="gone: cannot be read"):
        stack_digest(loaded(folder))


def test_files_and_tests_that_were_not_collected_are_known(folder: Path) -> None:
    (folder / "test_shop.py").write_text("def test_it():\n    pass\n")
    facts = completed(folder, Collected(nodeid="tests/web/test_web.py::test_a", file="tests/web/test_web.py"))
    assert facts.files == {"compose.yaml", "test_shop.py", "tests/web/test_web.py"}
    assert facts.uncollected == ("tests/web/test_web.py::test_b",)


def test_a_project_needs_no_test_only_where_all_its_services_say_so(folder: Path) -> None:
    assert not completed(folder).untested_ok
    (folder / "kharness.yaml").write_text("services: {web: {gate: {tests: none}}}\n")
    assert not completed(folder).untested_ok
    (folder / "kharness.yaml").write_text("gate: {tests: none}\n")
    assert completed(folder).untested_ok


def test_what_one_service_refuses_is_refused_and_what_all_excuse_is_excused(folder: Path) -> None:
    text = "gate: {skips: [test_a]}\nservices: {web: {gate: {flaky: refuse, exclude: [slow]}}}\n"
    (folder / "kharness.yaml").write_text(text)
    facts = completed(folder)
    assert facts.refuse == {"flaky"}
    assert facts.skips == {"test_a"}
    assert facts.exclude == frozenset()
