"""Whatever is wrong, each command says it in one message: no engine, no such name, container, image or settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from kharness.cli.group import cli
from kharness.engine.api import Engine
from kharness.errors import KharnessError, SettingsError, UsageError
from kharness.plan.launch.runspec import RunSpec
from tests.cli.test_options import ALL
from tests.plugin.conftest import temporary_project
from tests.projects import REPOSITORY, Project, Result

NOWHERE = "unix:///nowhere/docker.sock"
NAMED = {
    "attach": (),
    "backup": (),
    "build": (),
    "debug": (),
    "diff": (),
    "down": (),
    "enter": (),
    "exec": ("true",),
    "hardening": (),
    "history": (),
    "images": (),
    "ip": (),
    "is-up": (),
    "kill": (),
    "logs": (),
    "pid": (),
    "prep": (),
    "promote": (),
    "rename": ("other", "--dry-run"),
    "restart": (),
    "restore": ("--snapshot", "0123456789ab", "--yes"),
    "retire": ("--dry-run",),
    "rollback": (),
    "run": (),
    "shell": (),
    "status": (),
    "up": (),
    "veth": (),
    "volumes": (),
}
"""Commands that take the name of a container directory, and what they want after it."""
WITHOUT = ("rename", "retire")
"""Those of them that also know a container whose directory is gone."""
OTHERS = (
    *("check-all-up", "cowscan", "ips", "list --not-up", "prune", "ps", "ps --all", "reap", "recover"),
    *("build-all", "down-all", "restart-all", "run-in-all true", "test-all", "up-all", "upgrade-all"),
)
ALONE = {
    "check": "asks no engine",
    "doctor": "says what it can without an engine",
    "engine start": "starts one",
    "list": "asks no engine",
    "map": "has tests of its own",
    "policy explain": "asks no engine",
    "policy list": "asks no engine",
    "project": "asks no engine",
    "schema": "asks no engine",
    "service install": "asks no engine",
    "service remove": "asks no engine",
    "test": "becomes pytest",
    "upgrade": "becomes pytest",
    "watch": "goes on, and says so on its pages",
}
"""Commands that are not part of these tables, and why."""


@dataclass(frozen=True)
class Site:
    """`dead` has exited, `new` has no image, the settings of `broken` cannot be read, of `far` nothing is here."""

    project: Project

    def name(self, short: str) -> str:
        return self.project.name(short)

    def d(self, *words: str, **environ: str) -> Result:
        """Run a command in this process; errors end as in `main`."""
        with chdir(self.project.path):
            done = CliRunner().invoke(cli, words, env={**self.project.environ, **environ})
        if isinstance(done.exception, KharnessError):
            status = 2 if isinstance(done.exception, UsageError | SettingsError) else 1
            return Result(status, f"{done.output}{done.exception}\n")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Result(done.exit_code, done.output)

    def of(self, command: str, short: str, **environ: str) -> Result:
        return self.d(*command.split(), self.name(short), *NAMED[command], **environ)


def test_every_command_is_in_one_of_the_tables() -> None:
    others = {name for name in ALL for words in OTHERS if f"{words} ".startswith(f"{name} ")}
    assert {*NAMED, *others, *ALONE} == ALL.keys()


@pytest.fixture
def bare(tmp_path: Path) -> Site:
    project = Project.create(tmp_path / "project", prefix="kt-")
    project.add("dead", {"settings.yaml": "image: x\nautostart: 1\n"})
    return Site(project)


@pytest.mark.parametrize("command", [*NAMED, *OTHERS])
def test_an_engine_that_is_down_is_one_message(bare: Site, command: str) -> None:
    words = [*command.split(), *((bare.name("dead"), *NAMED[command]) if command in NAMED else ())]
    done = bare.d(*words, DOCKER_HOST=NOWHERE)
    assert done.status == 1
    assert f"no container engine answers\n    {NOWHERE} (DOCKER_HOST): " in done.output


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, engine: Engine, busybox: str) -> Iterator[Site]:
    with temporary_project(tmp_path_factory.mktemp("failures"), engine) as project:
        found = Site(project)
        project.add("dead", {"settings.yaml": f"image: {busybox}\nautostart: 1\n"})
        project.add("new", {"settings.yaml": "image: never.invalid/x:1\n"})
        project.add("broken", {"settings.yaml": "imagee: x\nports: [y]\n"})
        live = f"{REPOSITORY}/{found.name('dead')}:live"
        engine.tag(busybox, live)
        said = project.production("dead", engine.image(live))
        container = engine.create(RunSpec(name=found.name("dead"), image=live, command=("false",), labels=said))
        engine.start(container)
        engine.wait(container)
        yield found


@pytest.mark.engine
@pytest.mark.parametrize("command", NAMED)
def test_a_name_that_is_not_known_is_answered_with_the_nearest(site: Site, command: str) -> None:
    done = site.of(command, "deaf")
    assert done.status == 2
    missing = f"no container directory {site.name('deaf')!r}"
    if command in WITHOUT:
        missing = f"project {site.project.project!r} has no directory, container or record of that name"
    assert f"{missing}; did you mean {site.name('dead')}" in done.output


NOT_RUNNING = "DEAD: does not run: exited with 1; 'kharness logs DEAD' shows its output, 'kharness up DEAD' launches"
NO_CONTAINER = "NEW: there is no container of it; 'kharness upgrade NEW' builds, tests and launches it"
NOTHING_LIVE = "NEW: nothing is live yet"
NOTHING_BUILT = f"NEW: there is no {REPOSITORY}/NEW:latest; 'kharness build NEW' makes it"


@pytest.mark.engine
@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        *((command, 1, NOT_RUNNING) for command in ("attach", "debug", "enter", "exec", "ip", "kill", "pid", "veth")),
        ("down", 0, "DEAD: does not run: exited with 1"),
        ("is-up", 1, "DEAD: exited with 1"),
        ("logs", 0, ""),
        ("status", 0, " exited with 1, differs "),
    ],
)
def test_a_container_that_has_died_is_told_with_how(site: Site, command: str, status: int, said: str) -> None:
    done = site.of(command, "dead")
    assert done.status == status
    assert said.replace("DEAD", site.name("dead")) in done.output


@pytest.mark.engine
@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        *(
            (each, 1, NO_CONTAINER)
            for each in ("attach", "debug", "down", "enter", "exec", "ip", "kill", "pid", "veth")
        ),
        *((each, 1, NO_CONTAINER) for each in ("logs", "restart")),
        ("is-up", 1, "NEW: has no container"),
        *((each, 2, NOTHING_LIVE) for each in ("diff", "run", "shell", "up")),
        *((each, 2, NOTHING_BUILT) for each in ("hardening", "promote")),
        ("backup", 2, "NEW: has no data that a backup could have"),
        ("restore", 2, "NEW: there is no snapshot '0123456789ab'"),
        ("retire", 1, "NEW: whether BROKEN needs it is not known: "),
        ("rename", 0, ""),
        ("rollback", 2, "NEW: no earlier release; nothing that was live before is still here"),
        ("build", 1, "image never.invalid/x:1 cannot be pulled: "),
        ("images", 0, "NEW: no image is here"),
        ("history", 0, "nothing was released yet of NEW"),
        ("status", 0, " no container "),
    ],
)
def test_an_image_that_is_missing_is_told_with_what_to_do(site: Site, command: str, status: int, said: str) -> None:
    done = site.of(command, "new")
    assert done.status == status, done.output
    assert said.replace("NEW", site.name("new")).replace("BROKEN", site.name("broken")) in done.output


@pytest.mark.engine
@pytest.mark.parametrize("command", ["build", "prep", "run", "up", "volumes"])
def test_settings_that_cannot_be_read_are_told_with_all_their_problems(site: Site, command: str) -> None:
    done = site.of(command, "broken")
    assert done.status == 2
    for problem in ("imagee: unknown key, did you mean 'image'?", "ports[0]: should be a port"):
        assert f"{site.name('broken')}/settings.yaml: {problem}" in done.output


@pytest.mark.engine
@pytest.mark.parametrize(
    ("words", "status", "others"),
    [
        ("check-all-up", 1, "DEAD: "),
        ("doctor", 1, "DEAD "),
        ("list", 1, "DEAD "),
        ("list --not-up", 1, "DEAD "),
        ("prep --all", 1, ""),
        ("prune --dry-run", 0, ""),
        ("ps --all", 0, "DEAD "),
        ("status", 0, "DEAD "),
        ("volumes", 0, "DEAD: no volumes"),
    ],
)
def test_one_broken_directory_of_many_is_named_and_the_others_are_what_they_were(
    site: Site, words: str, status: int, others: str
) -> None:
    done = site.d(*words.split())
    assert done.status == status, done.output
    assert f"{site.name('broken')}/settings.yaml: imagee: unknown key" in done.output
    assert others.replace("DEAD", site.name("dead")) in done.output


@pytest.mark.engine
@pytest.mark.parametrize("words", ["images", "ips", "ps"])
def test_what_needs_no_settings_lists_as_ever(site: Site, words: str) -> None:
    done = site.d(*words.split())
    assert done.status == 0
    assert "settings.yaml" not in done.output


@pytest.mark.engine
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("words", ["up-all", "down-all --dry-run", "test-all", "upgrade-all --json"])
def test_a_fleet_of_none_is_no_success(tmp_path: Path, words: str) -> None:
    done = Site(Project.create(tmp_path / "project", prefix="kt-")).d(*words.split())
    assert done.status == 2
    assert "there is no container directory: no source path holds any" in done.output


@pytest.mark.engine
@pytest.mark.parametrize("command", [each for each in NAMED if each not in WITHOUT])
def test_a_service_that_is_not_known_is_answered_with_the_nearest(site: Site, command: str) -> None:
    folder = site.project.path.parent / "stacks" / "kt-shop"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compose.yaml").write_text("services: {web: {image: x}}\n")
    environ = {"KHARNESS_PROJECTS": str(folder)}
    done = site.d(*command.split(), "kt-shop/wep", *NAMED[command], **environ)
    assert done.status == 2
    assert "project kt-shop has no service 'wep'; did you mean web?" in done.output
    done = site.d(*command.split(), "kt-shob", *NAMED[command], **environ)
    assert done.status == 2
    assert "no container directory, service or Compose project 'kt-shob'; did you mean " in done.output
    assert "kt-shop (Compose project)" in done.output
