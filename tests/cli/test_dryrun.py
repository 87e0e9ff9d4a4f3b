"""A dry run where no engine answers: what the settings say, and what they do not tell."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NoReturn

import pytest

from kharness.errors import EngineUnavailableError
from kharness.ops import opening
from tests.cli.here import here
from tests.projects import REPOSITORY, Project, Result, said

NOWHERE = "unix:///nowhere/docker.sock"
WEB = """\
image: x
command: [serve, --all]
networks: [front, back]
env_file: [values.env]
secrets: {key: ./key}
volumes: [./data:/data, /cache]
healthcheck: {test: [CMD, check], interval: 1s, timeout: 1s, start_period: 1s, retries: 2}
test: {env_file: [test.env], secrets: {key: ./key}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project", prefix="")
    files = {"settings.yaml": WEB, "values.env": "PASSWORD=hunter22\n", "test.env": "PASSWORD=tested22\n", "key": "k3y"}
    project.add("web", files)
    project.add("bare", {"Dockerfile": "FROM scratch\n", "settings.yaml": "{}\n"})
    (project.path / "containers" / "web" / "key").chmod(0o600)
    return project


def line_of(done: Result) -> list[str]:
    text = said(done).partition("docker run ")[2].replace("\\\n", " ")
    return shlex.split(f"docker run {text}")


def test_the_line_of_production_is_what_the_settings_say(project: Project) -> None:
    done = here(project, "run", "web", "--dry-run", "--mem-limit", "64m", DOCKER_HOST=NOWHERE)
    words = line_of(done)
    assert {f"{REPOSITORY}/web:live", "serve", "PASSWORD=***", "front", str(64 << 20), "kharness.laid=--mem-limit"} <= {
        *words
    }
    assert f"type=bind,source={project.path}/dv/web/data,target=/data" in words
    assert "type=bind,source=SECRETS/key,target=/run/secrets/key,readonly" in words
    assert words[-5:] == ["docker", "network", "connect", "back", "web"]
    assert not [word for word in words if word.startswith("kharness.image=")]
    assert "hunter22" not in done.output


@pytest.mark.parametrize(
    ("words", "named", "unnamed"),
    [
        (("web",), f"an image {REPOSITORY}/web:live", "health check"),
        (("web",), "the anonymous volumes of the container that is replaced", "that the image asks for"),
        (("web",), "SECRETS in the line", "health check"),
        (("bare",), "the image's health check", "SECRETS"),
        (("bare",), "anonymous volumes that the image asks for", "that is replaced"),
        (("web", "--mode", "standalone"), f"an image {REPOSITORY}/web:latest", "SECRETS"),
    ],
)
def test_what_the_settings_do_not_tell_is_named(
    project: Project, words: tuple[str, ...], named: str, unnamed: str
) -> None:
    done = here(project, "run", *words, "--dry-run", DOCKER_HOST=NOWHERE)
    told = said(done).partition("docker run ")[0]
    assert told.startswith(
        f"{words[0]}: no container engine answers; this comes from the settings alone, and only an engine knows\n"
    )
    assert named in told
    assert unnamed not in told


@pytest.mark.parametrize("mode", ["standalone", "prod-ready"])
def test_a_test_instance_has_its_own_values_and_volumes(project: Project, mode: str) -> None:
    done = here(project, "run", "web", "--dry-run", "--mode", mode, DOCKER_HOST=NOWHERE)
    words = line_of(done)
    assert {"test-web-SESSION", "kharness-SESSION", f"{REPOSITORY}/web:latest"} <= {*words}
    assert "type=bind,source=SCRATCH/secrets/key,target=/run/secrets/key,readonly" in words
    assert "hunter22" not in done.output


@pytest.mark.parametrize("words", [("shell", "web"), ("run", "-S", "web")])
def test_a_shell_beside_production_has_its_networks_and_none_of_its_secrets(
    project: Project, words: tuple[str, ...]
) -> None:
    done = here(project, *words, "--dry-run", DOCKER_HOST=NOWHERE)
    assert "which shell the image has (/bin/sh in the line)" in said(done)
    create, connect, start = [line for line in done.output.splitlines() if line.startswith("docker ")]
    assert {"--rm", "front", "/bin/sh", f"{REPOSITORY}/web:live"} <= {*shlex.split(create)}
    assert connect == "docker network connect back web-shell-xxxx"
    assert start == "docker start --attach --interactive web-shell-xxxx"
    assert "SECRETS" not in done.output
    assert "PASSWORD" not in create


def test_a_development_instance_is_one_command(project: Project) -> None:
    done = here(project, "run", "-D", "web", "--dry-run", DOCKER_HOST=NOWHERE)
    words = shlex.split(said(done).splitlines()[-1])
    assert words[:4] == ["docker", "run", "--name", "dev-web-SESSION"]
    assert {"PASSWORD=***", f"{REPOSITORY}/web:latest", "none"} <= {*words}
    assert "which shell" not in done.output
    with_shell = here(project, "run", "-D", "-S", "web", "--dry-run", DOCKER_HOST=NOWHERE)
    assert "which shell the image has (/bin/sh in the line)" in said(with_shell)


def test_no_engine_is_started_for_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_engine(**_said: object) -> NoReturn:
        raise EngineUnavailableError("no container engine answers")

    monkeypatch.setattr(opening, "connect", no_engine)
    monkeypatch.setattr(opening, "can_start", lambda: True)
    said(here(project, "run", "web", "--dry-run", DOCKER_HOST="", DOCKER_CONTEXT="", KHARNESS_START_ENGINE="yes"))


def test_what_is_wrong_is_told_as_ever(project: Project) -> None:
    assert "no container directory 'webb'" in said(here(project, "run", "webb", "--dry-run", DOCKER_HOST=NOWHERE), 2)
    project.add("web", {"settings.yaml": "imagee: x\n"})
    assert "imagee: " in said(here(project, "run", "web", "--dry-run", DOCKER_HOST=NOWHERE), 2)
