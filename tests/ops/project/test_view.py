"""A view costs little, and where it is not enough it is the whole harness."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.errors import EngineUnavailableError, SettingsError
from kharness.ops.harness import Harness
from kharness.ops.project.plain_view import PlainView, open_view
from kharness.ops.project.view import View

HEAVY = ("docker", "pydantic", "requests", "rich", "sqlite3", "urllib3", "yaml")


@pytest.fixture
def state(tmp_path: Path) -> dict[str, str]:
    """A state directory of this test's: in the machine's, another folder may have the project's name."""
    return {"KHARNESS_STATE_DIR": str(tmp_path / "state")}


def look(environ: dict[str, str]) -> View:
    return open_view(folder=None, environ=environ, report=lambda _who, _what: None)


@pytest.mark.parametrize("name", ["ps", "ip", "ips", "pid", "is-up", "images"])
def test_what_only_looks_imports_nothing_heavy(name: str) -> None:
    code = (
        "import sys; from kharness.cli.group import cli; import kharness.ops.project.production;"
        f"assert cli.get_command(None, {name!r}); print(*{{*{HEAVY}}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("engine", ["unix:///never/s", "tcp://127.0.0.1:1"])
def test_an_engine_that_was_named_and_does_not_answer_is_told(engine: str, state: dict[str, str]) -> None:
    with pytest.raises(EngineUnavailableError, match=f"no container engine answers\n    {engine} "):
        look({"KHARNESS_ENGINE": engine, **state})
    with pytest.raises(EngineUnavailableError, match=f"no container engine answers\n    {engine} "):
        look({"DOCKER_HOST": engine, **state})


def test_a_configuration_that_is_wrong_is_told() -> None:
    with pytest.raises(SettingsError, match="KHARNESS_REPOSITORY: should be a repository such as ktools, not 'A B'"):
        look({"KHARNESS_REPOSITORY": "A B"})


@pytest.mark.engine
def test_it_has_what_the_harness_has(engine: Engine, tmp_path: Path, state: dict[str, str]) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/settings.yaml").write_text("{}\n")
    environ = {
        "DOCKER_HOST": engine.facts().endpoint,
        "KHARNESS_SOURCE_PATHS": str(tmp_path),
        "KHARNESS_REPOSITORY": "ours",
        **state,
    }
    view = look(environ)
    assert isinstance(view, PlainView)
    assert not isinstance(view, Harness)
    assert [directory.name for directory in view.catalog.directories] == ["web"]
    assert view.tags("web").live == "ours/web:live"
    assert view.engine.facts().id == engine.facts().id
