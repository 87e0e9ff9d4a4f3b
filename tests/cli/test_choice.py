"""Commands take a service, a whole Compose project or a path where they take the name of a container directory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.testing import FakeEngine
from tests.cli.here import here
from tests.projects import Project, said

SHOP = """\
services:
  web: {image: IMAGE, container_name: SHOP-web, command: [sh, -c, "echo web; sleep 600"], depends_on: [api], NETWORK}
  api: {image: IMAGE, container_name: SHOP-api, command: [sh, -c, "echo api; sleep 600"], depends_on: [db], NETWORK}
  db: {image: IMAGE, container_name: SHOP-db, command: [sh, -c, "echo db; sleep 600"], NETWORK}
"""
NETWORK = "network_mode: none, stop_signal: SIGKILL"


def _project(path: Path, shop: str, image: str) -> Project:
    project = Project.create(path / "project", prefix="kt-")
    project.environ |= {"KHARNESS_PROJECTS": str(path / "stacks" / "*")}
    folder = path / "stacks" / shop
    folder.mkdir(parents=True)
    (folder / "compose.yaml").write_text(SHOP.replace("IMAGE", image).replace("SHOP", shop).replace("NETWORK", NETWORK))
    return project


@pytest.fixture
def faked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Project, FakeEngine]:
    """Return a project beside a Compose project `shop`, and the engine in memory of both."""
    engine = FakeEngine(root=tmp_path / "engine")
    engine.put_image("x")
    monkeypatch.setattr("kharness.ops.opening.open_engine", lambda *_, **__: engine)
    monkeypatch.setattr("kharness.ops.project.plain_view.connect", lambda **_: engine)
    project = _project(tmp_path, "shop", "x")
    project.add("dns", {"settings.yaml": "image: x\n"})
    return project, engine


def test_nothing_is_live_at_first_and_what_needs_it_is_held_back(faked: tuple[Project, FakeEngine]) -> None:
    project, _ = faked
    folder = project.path.parent / "stacks" / "shop"
    tested = f"'pytest {folder} --ready' builds and tests it"
    untested = "'kharness up shop/db --untested' launches it without a test"
    lines = said(here(project, "up", "shop"), 1).splitlines()
    assert lines == [
        f"kharness: shop/db: nothing is live yet; {tested}, {untested}",
        "shop/api: held back: it needs db, which failed",
        "shop/web: held back: it needs api, which failed",
    ]


def test_a_project_comes_up_and_goes_down_in_the_order_of_its_dependencies(faked: tuple[Project, FakeEngine]) -> None:
    project, _ = faked
    up = said(here(project, "up", "shop", "--untested"))
    order = [line.split(":")[0] for line in up.splitlines() if ": runs " in line]
    assert order == ["shop/db", "shop/api", "shop/web"]
    down = said(here(project, "down", "shop"))
    assert [line.split(":")[0] for line in down.splitlines() if ": stopped: " in line] == order[::-1]


def test_one_service_takes_along_what_it_needs(faked: tuple[Project, FakeEngine]) -> None:
    project, _ = faked
    said(here(project, "up", "shop/api", "--untested"))
    rows = json.loads(said(here(project, "ps", "--json")))
    assert [row["name"] for row in rows] == ["shop/api", "shop/db"]
    said(here(project, "is-up", "shop/api"))
    assert "shop/web: has no container" in said(here(project, "is-up", "shop"), 1)


def test_the_ledger_has_the_names_that_commands_take(faked: tuple[Project, FakeEngine]) -> None:
    project, _ = faked
    said(here(project, "up", "shop/db", "--untested"))
    kinds = [(row["name"], row["kind"]) for row in json.loads(said(here(project, "history", "--json")))]
    assert kinds == [("shop/db", "relaunch"), ("shop/db", "untested")]


@pytest.mark.parametrize("command", ["exec", "enter", "attach", "promote", "rollback", "run"])
def test_a_command_for_one_container_asks_for_a_service(faked: tuple[Project, FakeEngine], command: str) -> None:
    project, _ = faked
    words = ["true"] if command == "exec" else []
    found = said(here(project, command, "shop", *words), 2)
    assert f"{command}: takes one service, and not all of project shop: shop/db, shop/api, shop/web" in found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shob", "no container directory, service or Compose project 'shob'; did you mean shop (Compose project)?"),
        ("shop/wep", "project shop has no service 'wep'; did you mean web?"),
        ("./nothing", "./nothing: is neither a container directory of this project nor a folder with a Compose file"),
    ],
)
def test_an_unknown_name_is_one_message(faked: tuple[Project, FakeEngine], name: str, message: str) -> None:
    project, _ = faked
    for command in ("up", "logs", "ip", "status", "build", "test"):
        assert message in said(here(project, command, name), 2)


def test_a_broken_project_is_named_and_the_others_are_listed(faked: tuple[Project, FakeEngine]) -> None:
    project, _ = faked
    broken = project.path.parent / "stacks" / "broken"
    broken.mkdir()
    (broken / "compose.yaml").write_text("services: [")
    for command in ("ps --all", "status", "images", "ips", "history"):
        assert f"{broken}/compose.yaml: " in said(here(project, *command.split()))
    assert "dns " in said(here(project, "ps", "--all"))
    assert "dns" in said(here(project, "list"), 1)


def test_what_runs_is_stopped_though_its_file_is_broken(faked: tuple[Project, FakeEngine]) -> None:
    project, _ = faked
    said(here(project, "up", "shop", "--untested"))
    file = project.path.parent / "stacks" / "shop" / "compose.yaml"
    file.write_text("services: [")
    said(here(project, "logs", "shop/web"))
    assert "shop/web: stopped: " in said(here(project, "down", "shop/web"))
    assert said(here(project, "down", "shop")).count(": stopped: ") == 2
    assert f"{file}: " in said(here(project, "up", "shop/web"), 2)


def test_a_folder_is_a_compose_project_to_commands_in_it(faked: tuple[Project, FakeEngine]) -> None:
    project, _ = faked
    folder = project.path.parent / "stacks" / "shop"
    below = replace(project, path=folder)
    assert said(here(below, "project")).splitlines()[:3] == [
        "project      shop",
        f"folder       {folder}",
        "images       kharness-test/shop-SERVICE",
    ]
    said(here(below, "up", "db", "--untested"))
    assert "shop/db: runs" in said(here(below, "is-up", "db"))


def test_a_service_and_a_directory_of_one_name_in_one_project_are_refused(faked: tuple[Project, FakeEngine]) -> None:
    project, _ = faked
    (project.path / "compose.yaml").write_text("services: {kt-dns: {image: x}}\n")
    directory = project.path / "containers" / "kt-dns"
    assert f"'kt-dns' is ambiguous: {directory} (container directory), " in said(here(project, "up", "kt-dns"), 2)
    found = said(here(project, "up", f"{project.project}/kt-dns"), 2)
    assert "services have the names of container directories of the same project" in found


def test_flags_for_settings_are_for_container_directories(faked: tuple[Project, FakeEngine]) -> None:
    project, _ = faked
    found = said(here(project, "run", "shop/db", "--mem-limit", "1g", "--dry-run"), 2)
    assert "flags are for container directories" in found


def test_a_dry_run_of_a_service_needs_no_engine(tmp_path: Path) -> None:
    project = _project(tmp_path, "shop", "x")
    found = said(here(project, "run", "shop/db", "--dry-run", DOCKER_HOST="unix:///nowhere/docker.sock"))
    assert "kharness-test/shop-db:live" in found
    assert "this comes from the settings alone" in found


def test_a_list_has_the_services_of_projects(faked: tuple[Project, FakeEngine]) -> None:
    project, _ = faked
    assert said(here(project, "list", "--quiet")).split() == ["kt-dns", "shop/api", "shop/db", "shop/web"]


def test_names_are_completed_with_services_behind_a_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kharness.cli.choice import complete  # noqa: PLC0415 - it reads the environment that is set here

    project = _project(tmp_path, "shop", "x")
    for key, value in project.environ.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(project.path)
    assert [*complete("sh")] == ["shop"]
    assert [*complete("shop/")] == ["shop/api", "shop/db", "shop/web"]


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory, engine: Engine, busybox: str) -> Iterator[tuple[Project, str]]:
    name = f"ktf{os.getpid()}"
    project = _project(tmp_path_factory.mktemp("choice"), name, busybox)
    try:
        said(here(project, "up", name, "--untested"))
        yield project, name
    finally:
        for container in engine.containers(labels={"kharness.project": name}):
            engine.remove(container.id, force=True)
        for image in engine.images():
            for tag in image.tags:
                if f"/{name}-" in tag:
                    engine.untag(tag)


@pytest.mark.engine
def test_a_running_project_is_shown_and_restarted_service_by_service(launched: tuple[Project, str]) -> None:
    project, name = launched
    services = [f"{name}/{each}" for each in ("db", "api", "web")]
    shown = said(here(project, "status", name, "--json"))
    assert {row["name"] for row in json.loads(shown)} == set(services)
    again = said(here(project, "restart", name))
    assert [line.split(":")[0] for line in again.splitlines() if ": restarted, " in line] == services
    logs = [line for line in said(here(project, "logs", name)).splitlines() if " | " in line]
    assert {line.split()[0] for line in logs} == set(services)
    # By time: each has said its name at its launch, and again after its restart.
    assert [line.split()[-1] for line in logs[:3]] == ["db", "api", "web"]


@pytest.mark.engine
def test_a_running_project_is_scanned_by_its_name(launched: tuple[Project, str]) -> None:
    project, name = launched
    shown = json.loads(said(here(project, "cowscan", name, "--json")))
    assert {each["name"] for each in shown["containers"]} == {f"{name}/{each}" for each in ("db", "api", "web")}
    (one,) = json.loads(said(here(project, "cowscan", f"{name}/db", "--json")))["containers"]
    assert one["name"] == f"{name}/db"


@pytest.mark.engine
def test_a_running_project_is_stopped_and_comes_back(launched: tuple[Project, str]) -> None:
    project, name = launched
    said(here(project, "down", name))
    assert said(here(project, "is-up", name), 1).count("exited") == 3
    # What a person has stopped is not started for another one's sake.
    assert f"'kharness up {name}/api' ends that" in said(here(project, "up", f"{name}/web"), 1)
    said(here(project, "up", name))
    said(here(project, "is-up", name))
