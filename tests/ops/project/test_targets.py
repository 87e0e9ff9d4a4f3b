"""What a name on the command line stands for, where there are container directories and Compose projects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kharness.errors import UsageError
from kharness.ops.project.targets import Target, Targets, UnknownNameError, needs_of, one_service

SHOP = """\
services:
  web: {image: x, depends_on: [api]}
  api: {image: x, depends_on: [db]}
  db: {image: x}
"""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def at(tmp_path: Path) -> Callable[..., Targets]:
    """Return what opens the names of a folder: directories `dns` and `mail`, projects `shop` and `blog`."""
    for name in ("dns", "mail"):
        _write(tmp_path / "home" / "containers" / name / "settings.yaml", "image: x\n")
    _write(tmp_path / "home" / "pyproject.toml", '[tool.kharness]\nsource_paths = ["containers"]\n')
    _write(tmp_path / "stacks" / "shop" / "compose.yaml", SHOP)
    _write(tmp_path / "stacks" / "blog" / "compose.yaml", "services: {web: {image: x}, cache: {image: x}}\n")

    def open_at(folder: str = "home", **environ: str) -> Targets:
        said = {"KHARNESS_PROJECTS": f"{tmp_path}/stacks/*", "KHARNESS_STATE_DIR": str(tmp_path / "state"), **environ}
        return Targets(cwd=tmp_path / folder, environ=said)

    return open_at


def _said(found: Target) -> tuple[str, tuple[str, ...], bool]:
    return (found.project.name if found.project else "", found.names, found.whole)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dns", ("", ("dns",), False)),
        ("shop", ("shop", ("db", "api", "web"), True)),
        ("shop/", ("shop", ("db", "api", "web"), True)),
        ("shop/web", ("shop", ("web",), False)),
        ("../stacks/shop", ("shop", ("db", "api", "web"), True)),
        ("../stacks/shop/compose.yaml", ("shop", ("db", "api", "web"), True)),
        ("../stacks/shop/api", ("shop", ("api",), False)),
        ("./containers/mail", ("", ("mail",), False)),
    ],
)
def test_a_name_is_a_directory_a_service_or_a_project(
    at: Callable[..., Targets], text: str, expected: tuple[str, tuple[str, ...], bool]
) -> None:
    assert _said(at().find(text, prefix=False)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ma", ("", ("mail",), False)),
        ("sh/we", ("shop", ("web",), False)),
        ("sh", ("shop", ("db", "api", "web"), True)),
    ],
)
def test_a_beginning_is_enough_on_a_terminal_alone(
    at: Callable[..., Targets], text: str, expected: tuple[str, tuple[str, ...], bool]
) -> None:
    assert _said(at().find(text, prefix=True)) == expected
    with pytest.raises(UsageError):
        at().find(text, prefix=False)


def test_in_a_compose_project_its_services_need_no_project(at: Callable[..., Targets]) -> None:
    assert _said(at("stacks/blog").find("cache", prefix=False)) == ("blog", ("cache",), False)
    # Compose looks upwards, too.
    assert _said(at("stacks/blog/deep/down").find("web", prefix=False)) == ("blog", ("web",), False)


def test_both_kinds_are_named_where_a_name_is_ambiguous(at: Callable[..., Targets], tmp_path: Path) -> None:
    _write(tmp_path / "home" / "containers" / "shoes" / "settings.yaml", "image: x\n")
    with pytest.raises(UsageError, match=r"'sh' is ambiguous: shoes \(container directory\), shop \(Compose project\)"):
        at().find("sh", prefix=True)


def test_an_unknown_name_is_answered_with_what_is_near(at: Callable[..., Targets]) -> None:
    with pytest.raises(UnknownNameError, match=r"Compose project 'shob'; did you mean shop \(Compose project\)"):
        at().find("shob", prefix=False)
    with pytest.raises(UnknownNameError, match=r"project shop has no service 'wep'; did you mean web\?"):
        at().find("shop/wep", prefix=False)
    with pytest.raises(UsageError, match="neither a container directory of this project nor a folder"):
        at().find("./nowhere", prefix=False)


def test_without_compose_projects_an_unknown_name_is_answered_as_ever(tmp_path: Path) -> None:
    _write(tmp_path / "containers" / "dns" / "settings.yaml", "image: x\n")
    environ = {"KHARNESS_SOURCE_PATHS": f"{tmp_path}/containers", "KHARNESS_STATE_DIR": str(tmp_path / "state")}
    with pytest.raises(UsageError, match=r"no container directory 'dnss'; did you mean dns\?"):
        Targets(cwd=tmp_path, environ=environ).find("dnss", prefix=False)


def test_two_folders_of_one_name_are_both_named(at: Callable[..., Targets], tmp_path: Path) -> None:
    _write(tmp_path / "stacks" / "other" / "compose.yaml", "name: shop\nservices: {web: {image: x}}\n")
    with pytest.raises(UsageError, match=r"'shop' is ambiguous: shop \(.*stacks/other\), shop \(.*stacks/shop\)"):
        at().find("shop", prefix=False)


def test_a_command_for_one_container_lists_the_services_of_a_project(at: Callable[..., Targets]) -> None:
    with pytest.raises(UsageError, match="exec: takes one service, and not all of project shop: shop/db, shop/api, "):
        one_service(at().find("shop", prefix=False), "exec")
    assert one_service(at().find("shop/db", prefix=False), "exec") == "db"


def test_needs_are_those_of_the_file(at: Callable[..., Targets]) -> None:
    targets = at("stacks/shop")
    assert targets.here is not None
    assert needs_of(targets.compose(targets.here)) == {"api": ("db",), "db": (), "web": ("api",)}


def test_the_shells_project_name_renames_the_project_here_alone(at: Callable[..., Targets]) -> None:
    targets = at("stacks/shop", COMPOSE_PROJECT_NAME="stage")
    assert [each.name for each in targets.known] == ["blog", "stage"]
