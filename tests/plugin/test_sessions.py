"""Whole sessions, as a user types them, on a real engine."""

from __future__ import annotations

from textwrap import dedent
from xml.etree import ElementTree as ET

import pytest

from kharness.engine.api import Engine
from kharness.plan.gate.result import SessionResult
from tests.plugin.conftest import TESTS, add_web
from tests.projects import REPOSITORY, Project

pytestmark = pytest.mark.engine

FAILING = TESTS.replace("hello\\n", "goodbye\\n", 1)
FAILING_IN_PROD = TESTS + "        assert 0\n"


def live(project: Project, engine: Engine, short: str = "web") -> str | None:
    image = engine.image(f"{REPOSITORY}/{project.name(short)}:live")
    return image.id if image else None


def leftovers(project: Project, engine: Engine) -> list[str]:
    containers = [container.name for container in engine.containers() if project.prefix in container.name]
    return containers + [network.name for network in engine.networks() if project.prefix in network.name]


def test_ready_tests_an_instance_and_removes_it(web: Project, engine: Engine) -> None:
    result = web.pytest(f"containers/{web.name('web')}", "--ready")
    assert result.status == 0, result.output
    assert result.outcomes() == {"passed": 1, "deselected": 1}
    assert f"{web.name('web')}: passed 1 test, image" in result.output
    assert live(web, engine) is None
    assert leftovers(web, engine) == []


def test_promote_makes_live_what_was_tested(web: Project, engine: Engine, busybox: str) -> None:
    result = web.pytest(f"containers/{web.name('web')}", "--ready", "--promote")
    assert result.status == 0, result.output
    image = engine.image(busybox)
    assert image is not None
    assert live(web, engine) == image.id
    assert "is live now" in result.output


def test_launch_runs_and_verifies_production(web: Project, engine: Engine) -> None:
    files = ("--kharness-json", "result.json", "--junit-xml", "junit.xml")
    result = web.pytest(f"containers/{web.name('web')}", "--ready", "--launch", *files)
    assert result.status == 0, result.output
    production = engine.container(web.name("web"))
    assert production is not None
    assert production.running
    said = SessionResult.from_json((web.path / "result.json").read_text())
    assert said is not None
    (service,) = said.services
    assert (said.status, said.asked, service.name, service.image) == (0, "launch", web.name("web"), production.image_id)
    assert (service.ok, service.release and service.release.kind) == (True, "launched")
    ended = [[outcome.value for outcome in each.values()] for each in (service.tests, service.verification)]
    assert ended == [["passed"], ["passed"]]
    assert {*service.seconds} == {"build", "ready", "tests", "release"}
    properties = ET.parse(web.path / "junit.xml").iter("property")
    verdicts = {each.get("name"): each.get("value") for each in properties}
    assert verdicts[f"kharness.{service.name}.release"] == "launched"
    assert production.restart_policy == "unless-stopped"
    assert "test_production_says_hello [in-prod]" in result.output or "2 passed" in result.output
    again = web.pytest("containers", "--in-prod", *files)
    assert again.outcomes() == {"passed": 1, "deselected": 1}
    said = SessionResult.from_json((web.path / "result.json").read_text())
    assert said is not None
    assert [(each.name, each.verdict.value) for each in said.services] == [(service.name, "passed")]
    assert web.pytest("containers", "--in-prod", "--launch", *files).status == pytest.ExitCode.USAGE_ERROR
    same = web.pytest(f"containers/{web.name('web')}", "--ready", "--launch")
    assert same.status == 0, same.output
    found = engine.container(web.name("web"))
    assert found is not None
    assert found.id == production.id


@pytest.mark.parametrize(
    ("broken", "tests", "reason"),
    [
        (("httpd -f -p 8080", "httpd -f -p 8081"), TESTS, "was not ready after"),
        (("exec httpd", "echo no luck; exit 3; httpd"), TESTS, "exited with 3 instead of becoming ready"),
        (("", ""), FAILING, "1 test failed"),
        (("", ""), FAILING_IN_PROD, "failed in production"),
    ],
    ids=["wrong-port", "crash-at-start", "failing-test", "failing-in-prod-test"],
)
def test_what_is_broken_changes_nothing_in_production(
    web: Project, engine: Engine, broken: tuple[str, str], tests: str, reason: str
) -> None:
    directory = web.path / "containers" / web.name("web")
    assert web.pytest(str(directory), "--ready", "--launch").status == 0
    before, image = engine.container(web.name("web")), live(web, engine)
    settings = (directory / "settings.yaml").read_text().replace(*broken)
    (directory / "settings.yaml").write_text(f"{settings}environment: {{CHANGED: '1'}}\n")
    (directory / "test_web.py").write_text(dedent(tests))
    result = web.pytest(str(directory), "--ready", "--launch", environ={"KHARNESS_READY_TIMEOUT": "3s"})
    assert result.status == 1, result.output
    assert reason in result.output
    after = engine.container(web.name("web"))
    assert before is not None
    assert after is not None
    assert (after.id, after.image_id, after.running) == (before.id, before.image_id, True)
    assert after.restart_policy == "unless-stopped"
    assert live(web, engine) == image
    assert leftovers(web, engine) == [web.name("web")]


def test_a_failed_first_launch_leaves_no_container_and_no_live_image(
    web: Project, engine: Engine, busybox: str
) -> None:
    add_web(
        web,
        busybox,
        tests=FAILING_IN_PROD,
    )
    result = web.pytest(f"containers/{web.name('web')}", "--ready", "--launch")
    assert result.status == 1, result.output
    assert "release failed verification and was rolled back" in result.output
    assert live(web, engine) is None
    assert leftovers(web, engine) == []


def test_without_evidence_a_launch_is_refused(project: Project, engine: Engine, busybox: str) -> None:
    project.add(
        "web",
        {
            "settings.yaml": f"image: {busybox}\ncommand: [httpd, -f, -p, '8080']\nexpose: [8080]\n",
            "test_web.py": "def test_it(container):\n    assert container.is_running\n",
        },
    )
    result = project.pytest(f"containers/{project.name('web')}", "--ready", "--launch")
    assert result.status == 1, result.output
    assert "neither a test marked in_prod nor a health check" in result.output
    assert engine.container(project.name("web")) is None


def test_a_directory_without_a_mode_is_a_usage_error_that_names_the_flags(web: Project) -> None:
    result = web.pytest(f"containers/{web.name('web')}")
    assert result.status == 4
    assert "--ready" in result.output
    assert "--prod-ready" in result.output
    assert "--in-prod" in result.output
    assert web.pytest(f"containers/{web.name('web')}", "--collect-only", "-q").status == 0


def test_broken_settings_stop_a_session_that_names_them(web: Project) -> None:
    file = web.path / "containers" / web.name("web") / "settings.yaml"
    file.write_text("imagee: x\nports: [99999]\n")
    result = web.pytest(f"containers/{web.name('web')}", "--ready")
    assert result.status == 4
    assert "did you mean 'image'" in result.output
    assert "ports[0]" in result.output
    assert "Traceback" not in result.output


def test_in_a_fleet_a_broken_directory_is_one_failing_item(web: Project, busybox: str) -> None:
    add_web(web, busybox, name="bad")
    (web.path / "containers" / web.name("bad") / "settings.yaml").write_text("imagee: x\n")
    result = web.pytest("containers", "--ready")
    assert result.status == 1
    outcomes = result.outcomes()
    assert (outcomes["failed"], outcomes["passed"]) == (1, 1)
    assert "did you mean 'image'" in result.output


def test_a_partial_selection_is_never_promoted(web: Project, engine: Engine) -> None:
    result = web.pytest(f"containers/{web.name('web')}/test_web.py", "--ready", "--promote", "-k", "hello")
    assert result.status == 1
    assert "the selection was partial: -k hello (command line)" in result.output
    assert live(web, engine) is None


def test_if_changed_skips_what_passed_and_its_verdict_counts(web: Project, engine: Engine) -> None:
    assert web.pytest("containers", "--ready").status == 0
    again = web.pytest("containers", "--ready", "--if-changed", "--promote")
    assert again.status == 0, again.output
    assert again.outcomes() == {"deselected": 2}
    assert live(web, engine) is not None
    file = web.path / "containers" / web.name("web") / "test_web.py"
    file.write_text(file.read_text() + "\n")
    assert web.pytest("containers", "--ready", "--if-changed").outcomes() == {"passed": 1, "deselected": 1}


def test_an_image_that_only_carries_the_labels_of_ours_is_built_anew(
    project: Project, engine: Engine, busybox: str
) -> None:
    directory = project.add(
        "web",
        {
            "Dockerfile": f'FROM {busybox}\nCMD ["sleep", "100"]\n',
            "settings.yaml": "stop_grace_period: 1s\n",
            "test_web.py": "def test_it_runs(container):\n    assert container.is_running\n",
        },
    )
    assert project.pytest(str(directory), "--ready").status == 0
    assert "unchanged, not built again" in project.pytest(str(directory), "--ready").output
    latest = f"{REPOSITORY}/{project.name('web')}:latest"
    ours = engine.image(latest)
    assert ours is not None
    container = project.run("docker", "create", latest).output.strip()
    assert project.run("docker", "commit", container, latest).status == 0
    engine.remove(container, force=True)
    result = project.pytest(str(directory), "--ready", "--promote")
    assert result.status == 0, result.output
    assert "unchanged, not built again" not in result.output


def test_a_failed_instance_is_kept_when_asked_and_only_then_reaped(web: Project, engine: Engine, busybox: str) -> None:
    add_web(web, busybox, tests=FAILING)
    result = web.pytest("containers", "--ready", "--keep-failed")
    assert result.status == 1
    kept = [name for name in leftovers(web, engine) if name.startswith("test-")]
    assert len(kept) == 1
    assert f"docker exec -it {kept[0]} sh" in result.output
    # Other sessions on this engine may have something to reap; what was kept is not among it.
    assert kept[0] not in web.kharness("reap").output
    assert "removed container" in web.kharness("reap", "--kept").output
    assert leftovers(web, engine) == []


def test_a_failing_test_reports_what_the_container_said(web: Project, busybox: str) -> None:
    add_web(
        web,
        busybox,
        tests="def test_no(container):\n    assert container.exec('sh', '-c', 'echo x > /tmp/x').ok\n    assert 0\n",
    )
    result = web.pytest("containers", "--ready")
    for heading in ("log of test-", "state of test-", "was launched as"):
        assert heading in result.output
    assert "docker run" in result.output


@pytest.mark.parametrize("args", [("-n", "2"), ("-n", "2", "--dist", "loadgroup")])
def test_workers_share_one_instance_of_each_container(
    web: Project, engine: Engine, busybox: str, args: tuple[str, ...]
) -> None:
    add_web(web, busybox, name="two")
    result = web.pytest("containers", "--ready", "--promote", *args)
    assert result.status == 0, result.output
    assert result.outcomes()["passed"] == 2
    assert result.output.count("launching a test instance") == 2
    assert live(web, engine) is not None
    assert live(web, engine, "two") is not None
    assert leftovers(web, engine) == []


def test_a_distribution_that_splits_containers_is_a_usage_error(web: Project) -> None:
    result = web.pytest("containers", "--ready", "-n", "2", "--dist", "load")
    assert result.status == 4
    assert "--dist load would split" in result.output
