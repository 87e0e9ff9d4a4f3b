"""Production launched by hand, with settings of one launch alone."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from kharness.cli.group import cli
from kharness.engine.api import Engine
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.settings.model import Settings
from tests.cli.here import here
from tests.cli.terminal import Terminal
from tests.plugin.conftest import temporary_project
from tests.projects import REPOSITORY, Project

WEB = """\
    image: {image}
    command: [sh, -c, "trap 'echo bye; exit 3' TERM; echo web is up as $$WHO; while :; do sleep 0.1; done"]
    environment: {{WHO: nobody}}
    healthcheck: {{test: [CMD, test, -d, /tmp], interval: 1s}}
    stop_grace_period: 2s
    volumes: [./data:/data]
    test: {{environment: {{WHO: a test}}}}
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, engine: Engine, busybox: str) -> Iterator[Project]:
    with temporary_project(tmp_path_factory.mktemp("run"), engine) as project:
        project.add("web", {"settings.yaml": WEB.format(image=busybox)})
        for tag in ("live", "latest"):
            engine.tag(busybox, f"{REPOSITORY}/{project.name('web')}:{tag}")
        assert here(project, "up", project.name("web")).status == 0
        yield project


def production(project: Project, engine: Engine) -> ContainerFacts:
    found = engine.container(project.name("web"))
    assert found is not None
    return found


def terminal(project: Project, *words: str) -> Terminal:
    return Terminal([sys.executable, "-m", "kharness", *words], cwd=project.path, environ=project.environ)


def test_every_setting_has_a_flag_which_help_leaves_to_a_list() -> None:
    flags = [f"--{key.replace('_', '-')}" for key in Settings.model_fields]
    listed = CliRunner().invoke(cli, ["run", "--settings"]).output
    shown = [line.split()[0] for line in listed.splitlines() if line.startswith("  --")]
    assert shown == flags
    assert "--read-only / --no-read-only" in listed
    helped = CliRunner().invoke(cli, ["run", "--help"]).output
    assert not any(f" {flag} " in helped.partition("Options:")[2] for flag in flags)


def test_a_shell_completes_flags_once_two_dashes_are_typed() -> None:
    complete = ShellComplete(cli, {}, "kharness", "_KHARNESS_COMPLETE")
    assert {"--memswap-limit"} == {item.value for item in complete.get_completions(["run", "web"], "--mems")}
    keys = complete.get_completions(["run", "web", "--explain"], "mem_l")
    assert [item.value for item in keys] == ["mem_limit"]
    assert not any(item.value == "--dns" for item in complete.get_completions(["run", "web"], "-"))
    assert "--no-read-only" in {item.value for item in complete.get_completions(["run"], "--no-")}


def test_a_line_has_everything_that_is_laid_over(web: Project) -> None:
    done = here(
        *(web, "run", web.name("web"), "--dry-run", "--mem-limit", "64m", "--environment", "A=b c", "--no-read-only"),
        *("--pids-limit", "-1", "--healthcheck", "{retries: 7}", "--ports", "127.0.0.1:8081:80", "--labels", "x=y"),
        KHARNESS_RUN_CPUS="0.5",
        KHARNESS_RUN_MEM_LIMIT="1g",
    )
    assert done.status == 0, done.output
    words = [word for word in shlex.split(done.output) if word.strip()]
    assert {
        ("--memory", str(64 << 20)),
        ("--cpus", "0.5"),
        ("--pids-limit", "-1"),
        ("--env", "A=b c"),
        ("--env", "WHO=nobody"),
        ("--health-retries", "7"),
        ("--health-interval", "1s"),
        ("--publish", "127.0.0.1:8081:80/tcp"),
        ("--label", "x=y"),
    } <= set(pairwise(words))
    [laid] = [word.partition("=")[2] for word in words if word.startswith(f"{labels.LAID}=")]
    assert sorted(laid.split(", ")) == [
        *("--environment A", "--healthcheck retries", "--labels x", "--mem-limit", "--no-read-only"),
        *("--pids-limit", "--ports"),
        *("KHARNESS_RUN_CPUS", "KHARNESS_RUN_MEM_LIMIT"),
    ]
    test = here(web, "run", web.name("web"), "--dry-run", "--mode", "standalone", "--environment", "WHO=me")
    assert "--env WHO=me" in test.output


def test_a_value_is_explained_without_a_launch(web: Project) -> None:
    words = ("run", web.name("web"), "--explain", "environment.WHO", "--environment", "WHO=me")
    file = web.path / "containers" / web.name("web") / "settings.yaml"
    others = f"KHARNESS_RUN_ENVIRONMENT says you; {file} says nobody; default none"
    assert here(web, *words, KHARNESS_RUN_ENVIRONMENT="WHO=you", DOCKER_HOST="unix:///none").output == (
        f"environment.WHO: me, from --environment; {others}\n"
    )


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        (("--mem-limit", "much"), {}, "command line: --mem-limit: should be a size such as 512m or 1gb, not 'much'"),
        (("--mem-limt", "1g"), {}, "No such option '--mem-limt'"),
        ((), {"KHARNESS_RUN_CPU": "1"}, "KHARNESS_RUN_CPU: there is no such setting; did you mean KHARNESS_RUN_CPUS?"),
        ((), {"KHARNESS_RUN_CPUS": "x"}, "environment: KHARNESS_RUN_CPUS: should be a number above 0"),
        (("--policy", "profile=none"), {}, "--policy: has no say in this launch"),
        (("--explain", "mem"), {}, "mem: unknown key"),
    ],
)
def test_what_is_asked_for_wrongly_is_told(
    web: Project, engine: Engine, words: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    before = production(web, engine)
    done = here(web, "run", web.name("web"), *words, **environ)
    assert done.status
    assert said in done.output
    assert production(web, engine).id == before.id


def test_a_launch_with_flags_is_loud_recorded_and_put_back_where_it_fails(web: Project, engine: Engine) -> None:
    name = web.name("web")
    done = here(web, "run", name, "--mem-limit", "32m", "--environment", "WHO=me")
    assert done.status == 0, done.output
    said = "--mem-limit, --environment WHO"
    assert f"LAUNCHED WITH WHAT NO FILE SAYS, which is recorded: {said}" in done.output
    launched = production(web, engine)
    assert launched.raw["HostConfig"]["Memory"] == 32 << 20
    assert engine.logs(launched.id) == "web is up as me\n"
    assert f"relaunch: with {said}" in here(web, "history", name).output
    assert f"{name}: was launched with {said}, which no file says" in here(web, "ps").output
    assert "'kharness run" in here(web, "restart", name, "--dry-run").output
    failed = here(web, "run", name, "--command", "[sh, -c, 'exit 9']")
    assert failed.status == 1
    assert "exited with 9" in failed.output
    assert production(web, engine).id == launched.id
    assert production(web, engine).running


def test_in_the_foreground_its_output_is_shown_and_ctrl_c_stops_it_in_order(web: Project, engine: Engine) -> None:
    with terminal(web, "run", web.name("web"), "-f") as person:
        person.until("web is up as nobody\r\n")
        person.type("\x03")
        person.until("bye\r\n")
        assert person.end() == 3
    found = production(web, engine)
    assert (found.up, found.exit_code) == (False, 3)
    ends = web.kharness("run", web.name("web"), "-f", "--restart", "no", "--command", "[sh, -c, 'echo done; exit 0']")
    assert (ends.status, ends.output.splitlines()[-1]) == (0, "done")
