"""The command line, as a user types it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kharness.cli.group import cli
from kharness.engine.api import Engine
from kharness.plan.checks.catalog import CHECKS, checks_of
from tests.plugin.conftest import add_web, temporary_project
from tests.projects import REPOSITORY, Project


@pytest.fixture
def web(tmp_path: Path, engine: Engine, busybox: str) -> Iterator[Project]:
    with temporary_project(tmp_path, engine) as project:
        add_web(project, busybox)
        yield project


def run(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kharness", *args], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_help_lists_every_command_and_each_has_two_examples() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    names = re.findall(r"^  (\S+)", shown.partition("Every day:")[2], re.MULTILINE)
    assert sorted(names) == cli.list_commands(click.Context(cli))
    for name in names:
        text = CliRunner().invoke(cli, [name, "--help"]).output
        examples = text.partition("Examples:")[2].partition("Options:")[0].split()
        assert sum("kharness" in word for word in examples) == 2, name
        assert len(text.splitlines()) <= 24, name


def test_the_schema_is_json_that_knows_the_keys(tmp_path: Path) -> None:
    done = run("schema", cwd=tmp_path)
    assert done.returncode == 0
    assert {"image", "ports", "volumes", "test", "gate", "release"} <= json.loads(done.stdout)["properties"].keys()


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    done = run("lunch", cwd=tmp_path)
    assert done.returncode == 2
    assert "No such command 'lunch'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_container_names_the_nearest(web: Project) -> None:
    done = web.kharness("build", f"{web.name('web')}x")
    assert done.status == 2
    assert web.name("web") in done.output
    assert "Traceback" not in done.output


def test_a_broken_file_is_named_with_its_key(web: Project) -> None:
    file = web.path / "containers" / web.name("web") / "settings.yaml"
    file.write_text("imagee: x\n")
    done = web.kharness("build", web.name("web"))
    assert done.status == 2
    assert f"{file}: imagee: " in done.output
    assert "Traceback" not in done.output


def test_no_engine_is_one_message(web: Project) -> None:
    done = web.kharness("reap", environ={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert done.status == 1
    assert "/nowhere/docker.sock" in done.output
    assert "Traceback" not in done.output


def test_build_prints_the_image_and_promote_wants_it_tested(web: Project, engine: Engine) -> None:
    name = web.name("web")
    built = web.kharness("build", name)
    assert built.status == 0, built.output
    assert built.output.splitlines()[-1].startswith("sha256:")
    refused = web.kharness("promote", name)
    assert refused.status == 1
    assert "no session passed with the image" in refused.output
    assert engine.image(f"{REPOSITORY}/{name}:live") is None
    would = web.kharness("promote", name, "--untested", "--dry-run")
    assert f"{REPOSITORY}/{name}:live would be " in would.output
    assert ("UNTESTED" in would.output, engine.image(f"{REPOSITORY}/{name}:live")) == (True, None)
    loud = web.kharness("promote", name, "--untested")
    assert loud.status == 0
    assert "UNTESTED" in loud.output
    assert "untested" in web.kharness("history").output
    assert web.pytest("containers", "--ready").status == 0
    assert "unchanged" in web.kharness("promote", name).output
    with (web.path / "containers" / name / "test_web.py").open("a") as file:
        file.write("# another test than the one that passed\n")
    changed = web.kharness("promote", name)
    assert changed.status == 1
    assert "changed since it passed" in changed.output


def test_a_dry_run_is_a_line_that_docker_understands(web: Project, engine: Engine) -> None:
    name = web.name("web")
    assert web.kharness("build", name).status == 0
    for mode in ("production", "standalone", "prod-ready"):
        done = web.kharness("run", name, "--dry-run", "--mode", mode)
        assert done.status == 0, done.output
        words = shlex.split(done.output[done.output.index("docker run") :])
        assert words[words.index("--name") + 1] == (name if mode == "production" else f"test-{name}-SESSION")
    assert engine.container(name) is None


def test_the_production_line_runs_as_it_is_printed(web: Project, engine: Engine) -> None:
    name = web.name("web")
    assert web.kharness("promote", name, "--untested").status == 2
    assert web.kharness("build", name).status == 0
    line = web.kharness("run", name, "--dry-run").output
    done = web.run("sh", "-c", line)
    assert done.status == 0, done.output
    found = engine.container(name)
    assert found is not None
    assert found.running


def test_run_launches_what_is_live_and_replaces_what_runs(web: Project, engine: Engine) -> None:
    name = web.name("web")
    assert "nothing is live yet" in web.kharness("run", name).output
    assert web.kharness("build", name).status == 0
    assert web.kharness("promote", name, "--untested").status == 0
    assert web.kharness("run", name).status == 0
    first = engine.container(name)
    assert web.kharness("run", name).status == 0
    second = engine.container(name)
    assert first is not None
    assert second is not None
    assert second.running
    assert engine.container(first.id) is None


def test_the_doctor_says_what_it_finds_and_fails_when_something_is_missing(web: Project) -> None:
    good = web.kharness("doctor")
    assert good.status == 0, good.output
    assert "engine" in good.output
    told = json.loads(web.kharness("doctor", "--json").output)
    assert {"kharness", "client", "disk", "clock", web.name("web")} <= {each["what"] for each in told if each["good"]}
    told = json.loads(web.kharness("doctor", "--json").output)
    assert {"kharness", "client", "disk", "clock", web.name("web")} <= {each["what"] for each in told if each["good"]}
    assert web.name("web") in good.output
    bad = web.kharness("doctor", environ={"KTOOLS_D_SRC_DIR": "/nowhere"})
    assert bad.status == 1
    assert "mend: mkdir /nowhere" in bad.output


def test_reap_on_a_clean_host_has_nothing_to_do(web: Project) -> None:
    assert web.kharness("reap", "--dry-run").status == 0


def test_checks_are_listed_and_explained_without_an_engine(tmp_path: Path) -> None:
    listed = run("policy", "list", cwd=tmp_path)
    assert (listed.returncode, listed.stdout.count("\nKH")) == (0, len(CHECKS))
    baseline = json.loads(run("policy", "list", "--profile", "baseline", "--json", cwd=tmp_path).stdout)
    assert [check["id"] for check in baseline] == [check.id for check in checks_of("baseline")]
    assert "How to mend it:  mem_limit: 256m" in run("policy", "explain", "kh110", cwd=tmp_path).stdout
    unknown = run("policy", "explain", "KH999", cwd=tmp_path)
    assert (unknown.returncode, unknown.stderr) == (
        2,
        "kharness: KH999: no such check; 'kharness policy list' shows all checks\n",
    )


@pytest.mark.parametrize("columns", [60, 80, 160])
@pytest.mark.parametrize("group", ["engine", "policy", "service"])
def test_no_summary_of_a_command_below_another_is_cut(group: str, columns: int) -> None:
    done = CliRunner().invoke(cli, [group, "--help"], terminal_width=columns)
    listed = done.output.partition("\nCommands:\n")[2]
    assert "..." not in listed
    assert max(map(len, listed.splitlines())) <= columns
    shown = " ".join(listed.split())
    parent = cli.get_command(click.Context(cli), group)
    assert isinstance(parent, click.Group)
    for name in parent.list_commands(click.Context(parent)):
        command = parent.get_command(click.Context(parent), name)
        assert command is not None
        sentence = " ".join((command.help or "").split("\n\n")[0].split()).partition(". ")[0].rstrip(".")
        assert sentence in shown, name
