"""The plugin loads in every pytest run of its environment: there it must cost next to nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MODULES = {
    "kharness",
    "kharness.errors",
    "kharness.plan",
    "kharness.plan.session",
    "kharness.plan.session.modes",
    "kharness.plugin",
    "kharness.plugin.hooks",
    "kharness.plugin.options",
    "kharness.plugin.selection",
    "kharness.settings",
    "kharness.settings.catalog",
    "kharness.settings.compose",
    "kharness.settings.compose.folder",
    "kharness.settings.sources",
}
"""All that an unrelated project's session loads because of us, on top of what pytest itself has loaded by then."""
LIGHT = {"configparser", "difflib", "fnmatch", "platformdirs", "tomllib"}
"""What these import; other plugins may have loaded it before. An older platformdirs imports configparser."""
HEAVY = ("click", "docker", "httpx", "pydantic", "yaml")
CONFTEST = """\
import os, pathlib, sys

def pytest_unconfigure():
    pathlib.Path("modules").write_text("\\n".join(sys.modules))
"""


def loaded(project: Path, *args: str) -> set[str]:
    """Run pytest in the project and return the modules that its process had loaded at the end."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *args]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return set((project / "modules").read_text().split())


@pytest.fixture
def unrelated(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    (tmp_path / "settings.yaml").write_text("a: 1\n")
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    return tmp_path


def test_an_unrelated_session_loads_nothing_heavy_because_of_us(unrelated: Path) -> None:
    without = loaded(unrelated, "-p", "no:kharness")
    ours = loaded(unrelated) - without
    assert {name for name in ours if name.startswith("kharness")} == MODULES
    rest = {name.partition(".")[0] for name in ours} - {"kharness"}
    assert rest <= LIGHT
    assert not rest & set(HEAVY)


def test_the_plugin_alone_loads_nothing_heavy(unrelated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without others' plugins, testinfra's among them, whose modules would hide that ours loads them, too.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    alone = loaded(unrelated, "-p", "kharness.plugin.hooks")
    assert alone >= MODULES
    assert not {name.partition(".")[0] for name in alone} & {*HEAVY, "testinfra", "xdist"}


@pytest.fixture
def listed(unrelated: Path) -> Path:
    (unrelated / "pyproject.toml").write_text('[tool.kharness]\nsource_paths = ["containers"]\n')
    directory = unrelated / "containers" / "web"
    directory.mkdir(parents=True)
    (directory / "settings.yaml").write_text("image: busybox\nexpect: {http: [{path: /}]}\n")
    (directory / "test_web.py").write_text("def test_it(http):\n    pass\n")
    return unrelated


def test_a_listing_validates_settings_and_loads_nothing_that_builds_launches_or_decides(listed: Path) -> None:
    ours = loaded(listed, "containers", "--ready", "--collect-only")
    assert "kharness.settings.model" in ours
    layers = {".".join(name.split(".")[:2]) for name in ours if name.startswith("kharness.")}
    assert not layers & {"kharness.engine", "kharness.ops", "kharness.report"}
    assert not ours & {"docker", "httpx._client", "rich.console", "kharness.plugin.controller"}


def test_a_listing_refuses_broken_settings_of_a_named_directory(listed: Path) -> None:
    (listed / "containers" / "web" / "settings.yaml").write_text("imagge: busybox\n")
    command = [sys.executable, "-m", "pytest", "-q", "containers/web", "--ready", "--collect-only"]
    done = subprocess.run(command, cwd=listed, capture_output=True, text=True, check=False)
    assert (done.returncode, "unknown key, did you mean 'image'?" in done.stderr) == (4, True)


def test_the_modules_of_the_plugin_have_plain_byte_code(listed: Path) -> None:
    (listed / "conftest.py").write_text("""
def pytest_collection_finish():
    from kharness.plugin import begin, declared
    from kharness.settings import model
    assert {type(each.__loader__).__name__ for each in (begin, declared, model)} == {"SourceFileLoader"}

def pytest_unconfigure():
    open("modules", "w").close()
""")
    loaded(listed, "containers", "--ready", "--collect-only")


def test_the_garbage_collector_rests_while_tests_are_collected_and_no_longer(listed: Path) -> None:
    (listed / "conftest.py").write_text("""
import gc

def pytest_collection_finish():
    assert not gc.isenabled()

def pytest_runtestloop():
    assert gc.isenabled()
    assert gc.get_freeze_count()

def pytest_unconfigure():
    open("modules", "w").close()
""")
    loaded(listed, "containers", "--ready", "--collect-only")


def test_httpx_is_loaded_without_its_command_line() -> None:
    program = "import sys; import kharness.ops.host.web; print('rich' in sys.modules, 'httpx._main' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_package_itself_loads_nothing_heavy() -> None:
    program = "import sys; before = set(sys.modules); import kharness; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("kharness")} == {"kharness"}
    assert not {name.partition(".")[0] for name in loaded} & {*HEAVY, "pytest", "_pytest", "testinfra"}


def test_public_names_are_there_when_they_are_asked_for() -> None:
    program = "import kharness; print(*(getattr(kharness, name).__name__ for name in kharness.__all__))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Instance", "KharnessError", "instance", "instance_fixture"]
