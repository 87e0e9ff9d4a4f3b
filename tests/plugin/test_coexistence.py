"""Beside other plugins, in projects that are not ours, and wherever container directories lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from tests.plugin.conftest import add_web
from tests.projects import REPOSITORY, Project

WEB = """\
    def test_it_says_hello(http):
        assert http.get("/").text == "hello\\n"
"""
INSIDE = """\
    def test_host_is_the_container(host, container):
        assert type(host.backend).__module__ == "kharness.plugin.infra"
        assert host.backend.NAME == "kharness"
        assert host.check_output("hostname") == container.inspect()["Config"]["Hostname"]
        assert host.file("/bin/busybox").is_file

    def test_container_is_ours(container):
        assert type(container).__module__ == "kharness.ops.session.instance"
"""
OUTSIDE = """\
    import socket
    import pytest

    def test_host_is_testinfras_own(host):
        assert host.backend.NAME == "local"
        assert host.check_output("hostname") == socket.gethostname()

    def test_container_is_the_other_plugins(request):
        with pytest.raises(RuntimeError, match="auto_container_parametrize"):
            request.getfixturevalue("container")

    @pytest.mark.parametrize("name", ["expect", "http", "image", "private_container"])
    def test_our_fixtures_are_not_there(request, name):
        with pytest.raises(pytest.FixtureLookupError):
            request.getfixturevalue(name)
"""


def foreign(path: Path) -> Project:
    """Make a project of somebody else's, whose files happen to be named like ours."""
    project = Project.create(path, prefix="")
    project.environ["DOCKER_HOST"] = "unix:///nonexistent/docker.sock"
    (project.path / "pyproject.toml").write_text("[tool.somebody]\nx = 1\n")
    project.add("web", {"settings.yaml": "nothing: [of, ours]\n", "test_it.py": "def test_it():\n    pass\n"})
    return project


def test_settings_of_a_foreign_project_are_left_alone(tmp_path: Path) -> None:
    project = foreign(tmp_path / "foreign")
    result = project.pytest("containers", "containers/web", "-v")
    assert result.status == 0, result.output
    assert result.outcomes() == {"passed": 1}
    assert "settings.yaml" not in result.output
    assert "kharness:" not in result.output


def test_no_fixture_and_no_mark_of_ours_is_registered_there(tmp_path: Path) -> None:
    project = foreign(tmp_path / "foreign")
    fixtures = project.pytest("--fixtures", "containers", "-p", "no:container").output
    assert "tmp_path" in fixtures
    for name in ("private_container", "expect", "http --", "container --"):
        assert name not in fixtures
    marks = project.pytest("--markers").output
    assert "in_prod" not in marks
    assert "standalone" not in marks


def test_harmless_options_change_nothing_there(tmp_path: Path) -> None:
    result = foreign(tmp_path / "foreign").pytest("containers", "--require-engine", "-n", "2")
    assert result.status == 0, result.output
    assert result.outcomes() == {"passed": 1}


def test_a_folder_of_a_project_with_containers_is_no_container_for_its_settings_alone(tmp_path: Path) -> None:
    project = foreign(tmp_path / "ours")
    (project.path / "pyproject.toml").write_text('[tool.kharness]\nsource_paths = ["containers"]\n')
    other = project.path / "deploy/web"
    other.mkdir(parents=True)
    (other / "settings.yaml").write_text("nothing: [of, ours]\n")
    (other / "test_deploy.py").write_text("def test_deploy():\n    pass\n")
    result = project.pytest("deploy")
    assert result.status == 0, result.output
    assert "kharness:" not in result.output


@pytest.mark.engine
def test_host_and_container_mean_ours_inside_and_theirs_outside(project: Project, busybox: str) -> None:
    pytest.importorskip("pytest_container")
    add_web(project, busybox, tests=INSIDE)
    (project.path / "tests").mkdir()
    (project.path / "tests/test_outside.py").write_text(OUTSIDE.replace("\n    ", "\n").lstrip())
    # A file beside the container directories is outside, too.
    (project.path / "containers/test_beside.py").write_text(OUTSIDE.replace("\n    ", "\n").lstrip())
    project.environ["CONTAINER_RUNTIME"] = "docker"
    for workers in ((), ("-n", "2")):
        result = project.pytest("tests", "containers", "--ready", *workers)
        assert result.status == 0, result.output
        assert result.outcomes() == {"passed": 14}


@pytest.mark.engine
@pytest.mark.parametrize("plugin", ["xdist", "terminal", "timeout", "container", "cacheprovider"])
def test_other_plugins_may_be_switched_off(web: Project, plugin: str) -> None:
    result = web.pytest("containers", "--ready", "-p", f"no:{plugin}")
    assert result.status == 0, result.output


@pytest.mark.engine
class TestElsewhere:
    """Container directories that are not below the root directory, or are named in another way."""

    @pytest.fixture
    def away(self, project: Project, busybox: str, tmp_path: Path) -> Project:
        """Two containers, with test files of the same name, outside the project that pytest is started in."""
        for name in ("web", "two"):
            add_web(project, busybox, name=name, tests=WEB)
        (project.path / "containers").rename(tmp_path / "private")
        project.environ["KTOOLS_D_SRC_DIR"] = str(tmp_path / "private")
        (project.path / "pyproject.toml").write_text("")
        # Without fixtures of ours for tests that stand outside, wherever the node ids begin.
        (tmp_path / "private/test_stray.py").write_text(
            "import pytest\n\ndef test_stray(request):\n"
            "    with pytest.raises(pytest.FixtureLookupError):\n        request.getfixturevalue('expect')\n"
        )
        return project

    def test_a_source_path_outside_the_root_directory(self, away: Project, engine: Engine, tmp_path: Path) -> None:
        private = str(tmp_path / "private")
        result = away.pytest(private, "--ready", "--promote")
        assert result.status == 0, result.output
        assert result.outcomes() == {"passed": 3}
        assert engine.image(f"{REPOSITORY}/{away.name('web')}:live")
        workers = away.pytest(private, "--ready", "--promote", "-n", "2")
        assert workers.status == 0, workers.output
        assert workers.output.count("launching a test instance") == 2

    def test_two_directories_outside_named_one_by_one(self, away: Project, tmp_path: Path) -> None:
        paths = [str(tmp_path / "private" / away.name(name)) for name in ("web", "two")]
        workers = away.pytest(*paths, "--ready", "-n", "2")
        assert workers.status == 0, workers.output
        # Now their tests have the same node ids.
        far = f"--rootdir={away.path}"
        result = away.pytest(*paths, "--ready", "--promote", far)
        assert result.status == 0, result.output
        assert result.output.count("is live now") == 2
        workers = away.pytest(*paths, "--ready", "-n", "2", far)
        assert workers.status == 4, workers.output
        assert "have the same node id" in workers.output

    def test_a_broken_test_file_outside_counts_against_its_own_directory(self, away: Project, tmp_path: Path) -> None:
        web, two = (tmp_path / "private" / away.name(name) for name in ("web", "two"))
        (two / "test_web.py").write_text("import nothing_of_that_name\n")
        result = away.pytest(str(two), str(web), "--ready", "--promote", "--continue-on-collection-errors")
        assert result.status == 1, result.output
        said = result.output.partition("= kharness =")[2]
        assert f"{away.name('two')}: refused\n  - collection failed: " in said
        assert f"{away.name('web')}: image" in said

    def test_a_file_in_a_directory_is_enough_to_run_but_not_to_promote(self, web: Project, busybox: str) -> None:
        directory = add_web(web, busybox, tests=WEB)
        (directory / "test_more.py").write_text("def test_more(container):\n    assert container.is_running\n")
        file = f"containers/{web.name('web')}/test_more.py"
        result = web.pytest(file, "--ready")
        assert result.outcomes() == {"passed": 1}, result.output
        assert f"the selection was partial: {file} (command line)" in result.output

    def test_rootdir_and_working_directory_may_be_elsewhere(self, web: Project, tmp_path: Path) -> None:
        cwd = tmp_path / "cwd"
        cwd.mkdir()
        web.environ["KTOOLS_D_SRC_DIR"] = str(web.path / "containers")
        relative = os.path.relpath(web.path / "containers" / web.name("web"), cwd)
        for rootdir in (cwd, web.path / "containers"):
            moved = Project(cwd, web.prefix, web.environ)
            result = moved.pytest(relative, "--ready", "--promote", f"--rootdir={rootdir}", "--import-mode=importlib")
            assert result.status == 0, result.output
            assert "live" in result.output.partition("= kharness =")[2]

    def test_a_source_path_may_be_a_link(self, web: Project, engine: Engine) -> None:
        real = web.path / "containers"
        (web.path / "link").symlink_to(real)
        (web.path / "pyproject.toml").write_text('[tool.kharness]\nsource_paths = ["link"]\n')
        for folder in ("link", "containers", f"link/{web.name('web')}", f"containers/{web.name('web')}"):
            result = web.pytest(folder, "--ready", "--promote")
            assert result.status == 0, result.output
            assert result.outcomes() == {"passed": 1, "deselected": 1}
        assert engine.image(f"{REPOSITORY}/{web.name('web')}:live")
