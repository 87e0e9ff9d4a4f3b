"""What is loaded in every pytest run stays light."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("pydantic", "yaml", "docker", "rich", "httpx", "platformdirs", "tomllib")


@pytest.mark.parametrize("module", ["settings", "settings.catalog", "settings.sources"])
def test_what_the_plugin_needs_first_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, kharness.{module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_project_of_others_costs_no_toml(tmp_path_factory: pytest.TempPathFactory) -> None:
    project = tmp_path_factory.getbasetemp()
    (project / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    code = (
        "import sys; from pathlib import Path; from kharness.settings.sources import source_paths\n"
        f"found = source_paths(project=Path({str(project)!r}), environ={{}}, user_file=Path('/none'),"
        " system_file=Path('/none'))\n"
        f"print(found, *(name for name in {HEAVY} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "()"
