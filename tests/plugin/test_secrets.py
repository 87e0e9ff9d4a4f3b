"""Secrets on a real engine: who sees which value, what a release does with a changed one, and where none ever is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.plan.facts import ContainerFacts
from tests.projects import REPOSITORY, Project, Result

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away"),
]
# It writes what it knows into its log, which every failure report ends with.
DOCKERFILE = """\
    FROM {busybox}
    COPY files/ /
    USER web
    CMD ["sh", "-c", "cat /run/secrets/password /etc/api.key; echo $TOKEN; exec sleep 600"]
"""
SETTINGS = """\
    env_file: {vault}/token.env
    secrets:
      password: {vault}/password
      api: {{file: {vault}/api, target: /etc/api.key, gid: 77, mode: 0440}}
    stop_grace_period: 1s
    release: {{verify_for: 300ms}}
    test:
      env_file: test-values/token.env
      secrets: {{password: test-values/password, api: test-values/api}}
"""
TESTS = """\
    import os, pathlib
    import pytest

    def look(container, path):
        result = container.exec("sh", "-c", f"stat -c '%u:%g %a' {path} && cat {path}")
        assert result.ok, result.stderr
        return result.stdout.splitlines()

    def said(name):
        return pathlib.Path(os.environ["VAULT"], name).read_text().splitlines()

    def test_the_container_is_nobody_special_and_reads_its_test_values(container):
        assert container.exec("id", "-u").stdout == "1234\\n"
        assert look(container, "/run/secrets/password") == ["1234:1235 400", "test-password-one", "test-password-two"]
        assert look(container, "/etc/api.key") == ["1234:77 440", "test-api-value"]

    def test_passes_and_tells_all(container):
        print("told:", look(container, "/run/secrets/password"))

    def test_the_container_cannot_change_them(container):
        for path in ("/run/secrets/password", "/etc/api.key"):
            assert not container.exec("sh", "-c", f"echo x > {path}").ok
            assert not container.exec("chmod", "666", path).ok

    def test_another_user_reads_none(container):
        assert not container.exec("cat", "/run/secrets/password", user="65534:65534").ok

    @pytest.mark.skipif("FAIL" not in os.environ, reason="fails when it is told to")
    def test_fails_and_tells_all(container, private_container):
        found = look(private_container, "/run/secrets/password")
        print("printed:", found)
        assert found == ["something else"]

    @pytest.mark.in_prod
    def test_production_reads_the_real_ones(container):
        assert look(container, "/run/secrets/password") == ["1234:1235 400", *said("password")]
        assert look(container, "/etc/api.key") == ["1234:77 440", *said("api")]

    @pytest.mark.in_prod
    def test_production_may_fail_and_tell_all(container):
        assert "FAIL_IN_PROD" not in os.environ, (container.logs(), look(container, "/run/secrets/password"))
"""
GATE = "    gate: {skips: [test_fails_and_tells_all]}\n"
VALUES = (
    *("real-password-1", "real-password-2", "real-password-3", "real-second-line", "real-api-value", "real-token"),
    *("test-password-one", "test-password-two", "test-api-value", "test-token"),
)


@dataclass
class Story:
    """What happened one after the other: how each command ended, and what ran in production then."""

    project: Project
    name: str
    vault: Path
    results: dict[str, Result] = field(default_factory=dict)
    production: dict[str, ContainerFacts] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        [found] = (self.project.path / "state" / "engines").iterdir()
        return found

    @property
    def home(self) -> Path:
        """The project's part of the state."""
        return self.state / "projects" / self.project.project

    def tell(self, step: str, result: Result, engine: Engine) -> None:
        self.results[step] = result
        found = engine.container(self.name)
        if found is not None:
            self.production[step] = found
            self.read[step] = engine.exec(found.id, ("cat", "/run/secrets/password"), timeout=10).stdout


@pytest.fixture(scope="module")
def story(shared_project: Project, engine: Engine, busybox: str) -> Iterator[Story]:
    project = shared_project
    vault = project.path / "vault"
    vault.mkdir()
    directory = project.add(
        "box",
        {
            "Dockerfile": DOCKERFILE.format(busybox=busybox),
            "files/etc/passwd": "root:x:0:0::/:/bin/sh\nweb:x:1234:1235::/:/bin/sh\n",
            "settings.yaml": SETTINGS.format(vault=vault) + GATE,
            "test_box.py": TESTS,
            "test-values/password": "test-password-one\ntest-password-two\n",
            "test-values/api": "test-api-value\n",
            "test-values/token.env": "TOKEN=test-token\n",
        },
    )
    story = Story(project, directory.name, vault)
    environ = {"VAULT": str(vault)}

    def secret(name: str, text: str) -> None:
        (vault / name).write_text(text)
        (vault / name).chmod(0o600)

    def session(step: str, *args: str, **more: str) -> None:
        report = f"--junitxml={project.path}/{step}.xml"
        result = project.pytest(str(directory), "--ready", report, *args, environ={**environ, **more})
        story.tell(step, result, engine)

    secret("password", "real-password-1\nreal-second-line\n")
    secret("api", "real-api-value\n")
    secret("token.env", "TOKEN=real-token\n")
    session("first", "--launch")
    session("again", "--launch")
    secret("password", "real-password-2\nreal-second-line\n")
    session("changed", "--launch")
    secret("password", "real-password-3\nreal-second-line\n")
    session("undone", "--launch", "-vv", FAIL_IN_PROD="1")
    session("failing", "-vv", "-rA", "-o", "junit_logging=all", FAIL="1")
    session("failing-workers", "-n", "1", FAIL="1")
    story.tell(
        "in-prod", project.pytest(str(directory), "--in-prod", "-rA", environ={**environ, "FAIL_IN_PROD": "1"}), engine
    )
    story.tell("history", project.kharness("history", story.name), engine)
    story.tell("diff", project.kharness("diff", story.name), engine)
    for mode in ("production", "standalone", "prod-ready"):
        story.tell(f"dry-run-{mode}", project.kharness("run", story.name, "--dry-run", "--mode", mode), engine)
    yield story
    assert (vault / "password").exists()


def test_test_instance_and_production_read_their_own_values_as_their_own_user(story: Story) -> None:
    first = story.results["first"]
    assert first.status == 0, first.output
    assert first.outcomes()["passed"] == 6
    assert story.read["first"] == "real-password-1\nreal-second-line\n"


def test_the_same_values_are_no_relaunch_and_a_changed_one_is(story: Story) -> None:
    for step in ("again", "changed"):
        assert story.results[step].status == 0, story.results[step].output
    assert story.production["again"].id == story.production["first"].id
    assert story.production["changed"].id != story.production["first"].id
    assert story.read["changed"] == "real-password-2\nreal-second-line\n"


def test_an_undone_launch_leaves_the_old_container_with_the_old_value(story: Story) -> None:
    assert story.results["undone"].status == 1, story.results["undone"].output
    assert "putting back" in story.results["undone"].output
    assert story.production["undone"].id == story.production["changed"].id
    assert story.read["undone"] == "real-password-2\nreal-second-line\n"


def test_only_the_copies_that_production_has_are_left(story: Story) -> None:
    copies = {path.name.partition("-")[0]: path for path in (story.home / "secrets" / story.name).iterdir()}
    assert copies["password"].read_text() == "real-password-2\nreal-second-line\n"
    assert copies.keys() == {"password", "api"}
    assert copies["password"].parent.stat().st_mode & 0o777 == 0o700
    assert not list((story.home / "copies").glob("*"))


def test_production_starts_again_with_its_values_as_after_a_reboot(story: Story, engine: Engine) -> None:
    found = story.production["dry-run-production"]
    engine.stop(found.id)
    engine.start(found.id)
    assert engine.exec(found.id, ("cat", "/run/secrets/password"), timeout=10).stdout == story.read["undone"]


def test_the_failures_told_what_they_should(story: Story) -> None:
    """Else that nothing was found in them would prove little."""
    for step in ("failing", "failing-workers", "undone", "in-prod"):
        output = story.results[step].output
        assert story.results[step].status == 1, output
        assert "log of" in output
        assert "***" in output
    reports = (story.results["failing"].output, (story.project.path / "failing.xml").read_text())
    for text in reports:
        assert "printed: ['1234:1235 400', '***', '***']" in text
        assert "told: ['1234:1235 400', '***', '***']" in text
    assert f"/secrets/{story.name}/password-" in story.results["dry-run-production"].output
    assert "SCRATCH/secrets/password" in story.results["dry-run-standalone"].output
    assert "undone" in story.results["history"].output


def test_no_value_is_in_any_output_or_report(story: Story) -> None:
    told = {step: result.output for step, result in story.results.items()}
    told |= {path.name: path.read_text() for path in story.project.path.glob("*.xml")}
    assert len(told) > len(story.results)
    assert {(step, value) for step, text in told.items() for value in VALUES if value in text} == set()


def test_no_value_is_in_the_state_but_in_the_private_copies(story: Story) -> None:
    roots = (story.project.path / "state", story.project.path / "tmp")
    files = [path for root in roots for path in root.rglob("*") if path.is_file()]
    outside = [path for path in files if path.parent != story.home / "secrets" / story.name]
    assert story.state / "state.db" in outside
    assert len(outside) < len(files)
    found = {(str(path), value) for path in outside for value in VALUES if value.encode() in path.read_bytes()}
    assert found == set()


def test_no_value_is_in_the_image(story: Story, engine: Engine) -> None:
    ref = f"{REPOSITORY}/{story.name}:live"
    for command in (["inspect"], ["history", "--no-trunc"]):
        done = subprocess.run(["docker", "image", *command, ref], capture_output=True, text=True, check=True)
        assert not [value for value in VALUES if value in done.stdout]
    contents = b"".join(engine.export(story.production["undone"].id))
    assert b"web:x:1234" in contents
    assert not [value for value in VALUES if value.encode() in contents]


def test_without_a_test_value_there_is_no_test_instance(story: Story, busybox: str) -> None:
    settings = f"    image: {busybox}\n    secrets: {{password: {story.vault}/password}}\n"
    directory = story.project.add("bare", {"settings.yaml": settings, "test_bare.py": "def test(container): pass\n"})
    result = story.project.pytest(str(directory), "--ready")
    assert result.status == 1, result.output
    assert "name files of test values for password in test.secrets" in result.output


def test_the_real_values_are_used_where_that_is_said(story: Story, busybox: str) -> None:
    settings = f"""\
    image: {busybox}
    command: [sleep, "600"]
    init: true
    secrets: {{password: {story.vault}/password}}
    test: {{same: [secrets]}}
    """
    tests = """\
    def test_it(container):
        result = container.exec("sh", "-c", "stat -c '%u:%g %a' /run/secrets/password && cat /run/secrets/password")
        assert result.stdout == "0:0 400\\n" + open("vault/password").read()
        assert result.stdout == ""
    """
    directory = story.project.add("same", {"settings.yaml": settings, "test_same.py": tests})
    result = story.project.pytest(str(directory), "--ready")
    assert "0:0 400" in result.output
    assert "real-password" not in result.output
    assert result.status == 1, result.output


def test_a_secret_that_is_not_there_is_told_where_it_is_said(story: Story, busybox: str) -> None:
    settings = f"    image: {busybox}\n    secrets: {{a: /nowhere/a}}\n    test: {{secrets: {{a: test/a}}}}\n"
    directory = story.project.add("gone", {"settings.yaml": settings, "test_gone.py": "def test(container): pass\n"})
    result = story.project.pytest(str(directory), "--ready")
    said = (
        f"{directory}/settings.yaml: test.secrets.a: should be a file that can be read, not {directory}/test/a: No such"
    )
    assert said in result.output.replace("\n", " "), result.output
    assert "Traceback" not in result.output
