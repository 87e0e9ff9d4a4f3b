"""Checks as items of a session: what they stop, what they only say, and what a report has of them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree as ET

import pytest

from kharness.engine.api import Engine
from kharness.plan.checks.catalog import CHECKS, checks_of
from kharness.plan.session.modes import Mode
from tests.projects import Project

HARDENED = """\
    mem_limit: 64m
    cpus: 1
    restart: on-failure:3
    release: {verify_for: 300ms}
    ports: [{port}:8080]
    policy:
      profile: strict
      allow: {published: [{port}]}
      waive:
        KH302: {reason: what it is made from is on this engine alone}
"""
DOCKERFILE = """\
    FROM {busybox}
    RUN sed -i /^root:/d /etc/passwd
    USER 65534:65534
    EXPOSE 8080
    HEALTHCHECK --interval=1s CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/passwd"]
    CMD ["httpd", "-f", "-p", "8080", "-h", "/etc"]
"""
TESTS = """\
    import pytest

    @pytest.mark.in_prod
    @pytest.mark.standalone
    def test_it_answers(http):
        assert http.get("/passwd").status_code == 200
"""
READY = {check.id for check in CHECKS if Mode.STANDALONE in check.modes}


@pytest.fixture
def web(project: Project, busybox: str) -> Project:
    """A project with one container that passes all checks, one of them by a waiver."""
    write(project, busybox)
    return project


def write(project: Project, busybox: str, *, settings: str = HARDENED, tests: str = TESTS, name: str = "web") -> Path:
    port = 20000 + int(project.prefix[2:8], 16) % 10000 + len(name)
    return project.add(
        name,
        {
            "settings.yaml": settings.replace("{port}", str(port)),
            "Dockerfile": DOCKERFILE.format(busybox=busybox),
            "test_web.py": tests,
        },
    )


def test_a_container_that_passes_all_checks_goes_to_production_and_is_checked_there_too(
    web: Project, engine: Engine
) -> None:
    result = web.pytest("--ready", "--launch", "containers", "--junitxml=report.xml", "-v")
    assert result.status == 0, result.output
    assert "settings.yaml::KH101 runs as a non-root user PASSED" in result.output
    assert "settings.yaml::KH302 comes from pinned images WAIVED" in result.output
    assert "reported: " in result.output
    assert "KH116 limits the size of its log: logging is not set" in result.output
    assert "passed 1 test" not in result.output
    assert web.name("web") in {each.name for each in engine.containers()}
    assert listed(web.path / "report.xml") >= READY

    result = web.pytest("--in-prod", "containers", "--junitxml=report.xml")
    # The engine's usual log has no end: production is told, and only there it fails.
    assert result.status == 1, result.output
    assert result.outcomes()["failed"] == 1
    assert "KH116 limits the size of its log" in result.output
    # That the engine of these tests maps no ids concerns the host, and is its owner's to judge.
    assert "reported: this host: KH403 runs with mapped user ids" in result.output
    assert "mend it: " in result.output
    assert listed(web.path / "report.xml") == {check.id for check in CHECKS}
    assert "log of " not in result.output

    result = web.pytest("--in-prod", "containers", "-k", "KH403", environ={"KHARNESS_ENFORCE": "KH403"})
    assert result.status == 1, result.output
    assert result.outcomes()["failed"] == 1
    assert "or waive it in the host's configuration: waive.KH403" in result.output


def test_what_image_and_settings_determine_stands_in_the_way(web: Project, engine: Engine, busybox: str) -> None:
    write(web, busybox, settings=HARDENED.replace("mem_limit: 64m", "cap_add: [SYS_ADMIN]"))
    result = web.pytest("--ready", "--promote", "containers")
    assert result.status == 1, result.output
    assert "the check failed: KH102 has no capability that it does not need" in result.output
    assert "the check failed: KH110 has a memory limit" in result.output
    assert "found: it adds SYS_ADMIN, which can take over the host" in result.output
    assert engine.image(f"kharness-test/{web.name('web')}:live") is None


def test_checks_are_not_tests_and_tests_do_not_stand_for_them(web: Project, busybox: str) -> None:
    result = web.pytest("--ready", "--promote", "containers", "-m", "not policy")
    assert result.status == 1
    assert f"{len(READY)} checks not run" in result.output
    assert "the selection was partial: -m 'not policy' (command line)" in result.output
    result = web.pytest("--ready", "--promote", f"containers/{web.name('web')}/test_web.py")
    assert result.status == 1
    assert "no test was collected from settings.yaml" in result.output
    (write(web, busybox) / "test_web.py").unlink()
    result = web.pytest("--ready", "--promote", "containers", "-n", "2")
    assert result.status == 1, result.output
    assert "no test ran" in result.output


def test_a_waiver_ends_and_one_that_nothing_needs_is_named(web: Project, busybox: str) -> None:
    waivers = HARDENED.replace("mem_limit: 64m", "logging: {driver: local}") + (
        "        KH110: {reason: later, until: 2020-01-01}\n        KH112: {reason: it forks}\n"
    )
    write(web, busybox, settings=waivers)
    result = web.pytest("--ready", "containers")
    # The calendar keeps nobody from a release.
    assert result.status == 0, result.output
    assert "KH110 has a memory limit: mem_limit is not set; its waiver ended on 2020-01-01: later" in result.output
    assert "unused: " in result.output
    assert "policy.waive.KH112 is no longer needed" in result.output


def test_a_waiver_of_nothing_is_an_error_in_the_settings(web: Project, busybox: str) -> None:
    directory = write(web, busybox, settings=HARDENED + "        KH999: {reason: x}\n")
    result = web.pytest("--ready", f"containers/{directory.name}")
    assert result.status == 4
    assert "settings.yaml: policy.waive.KH999: should be the identifier of a check" in result.output


@pytest.mark.parametrize(("profile", "count"), [("baseline", len(checks_of("baseline"))), ("none", 0)])
def test_a_host_says_which_profile_its_containers_begin_with(
    web: Project, busybox: str, profile: str, count: int
) -> None:
    write(web, busybox, settings="{}\n")
    result = web.pytest("--collect-only", "-q", "containers", environ={"KHARNESS_POLICY": profile})
    assert result.output.count("settings.yaml::KH") == count


def test_a_host_waives_what_is_its_own_alone(web: Project) -> None:
    file = web.path / "pyproject.toml"
    before = file.read_text()
    file.write_text(f'{before}[tool.kharness.waive]\nKH110 = {{ reason = "x" }}\n')
    result = web.pytest("--ready", "containers")
    assert result.status == 4
    assert (
        "waive.KH110: should be one of KH116, KH201, KH309, KH401, KH402, KH403, KH404; a container waives it"
        in result.output
    )
    file.write_text(f'{before}[tool.kharness.waive]\nKH116 = {{ reason = "journald" }}\n')
    result = web.pytest("--ready", "containers", "-k", "KH116")
    assert "1 waived" in result.output


def test_a_session_asks_once_what_concerns_the_host(web: Project, busybox: str) -> None:
    write(web, busybox, name="other")
    write(web, busybox, name="free", settings="policy: {profile: none}\n")
    result = web.pytest("--prod-ready", "containers", "-n", "2", "-k", "KH403 or KH104")
    assert result.status == 0, result.output
    assert result.output.count("KH403 runs with mapped") == 1
    assert "reported: this host: KH403" in result.output
    assert "2 passed, 1 reported" in result.output


def test_only_checks_of_the_host_are_enforced(web: Project) -> None:
    for identifier, why in {"KH110": "it is about a container", "KH999": "there is no such check"}.items():
        result = web.pytest("--ready", "containers", environ={"KHARNESS_ENFORCE": identifier})
        assert result.status == 4, result.output
        assert f"enforce: should have checks of the host (KH403), not {identifier}: {why}" in result.output


def test_a_base_of_another_project_is_pinned_by_the_ledger(web: Project, engine: Engine, busybox: str) -> None:
    files = {
        "settings.yaml": "policy: {profile: none}\n",
        "Dockerfile": f'FROM {busybox}\nCMD ["sleep", "600"]\n',
        "test_base.py": "def test_it(container):\n    pass\n",
    }
    base = web.add("base", files)
    reference = f"kharness-test/{base.name}:live"
    without = HARDENED[: HARDENED.index("      waive:")]
    write(web, reference, settings=without)
    assert web.pytest("--ready", "--promote", f"containers/{base.name}").status == 0
    # The base's directory is elsewhere now: the image and the ledger are what is left here.
    base.rename(web.path / "elsewhere")
    result = web.pytest("--ready", f"containers/{web.name('web')}", "-k", "KH302 or KH113")
    assert result.status == 0, result.output
    assert result.outcomes()["passed"] == 2
    engine.tag(busybox, reference)
    result = web.pytest("--ready", f"containers/{web.name('web')}", "-k", "KH302", "--rebuild")
    assert result.status == 1, result.output
    assert f"found: {reference} has no digest" in result.output


def test_settings_that_change_under_way_are_not_judged(web: Project) -> None:
    directory = web.path / "containers" / web.name("web")
    hook = """\
        from pathlib import Path

        def pytest_runtest_logstart(nodeid):
            if "KH104" in nodeid:
                file = Path(__file__).with_name("settings.yaml")
                file.write_text(file.read_text() + "    KH105: {reason: for a moment}\\n")
    """
    (directory / "conftest.py").write_text(dedent(hook))
    result = web.pytest("--ready", f"containers/{web.name('web')}", "-k", "KH104 or KH105")
    assert result.outcomes()["failed"] == 2, result.output
    assert "settings or tests changed after the session began" in result.output


def test_a_session_about_something_else_does_not_care_for_settings(web: Project) -> None:
    (web.path / "containers" / web.name("web") / "settings.yaml").write_text("imagee: x\n")
    (web.path / "tests").mkdir()
    (web.path / "tests" / "test_other.py").write_text("def test_it():\n    pass\n")
    result = web.pytest(".")
    assert result.outcomes()["passed"] == 1, result.output
    assert "imagee" not in result.output


def test_directories_outside_the_root_are_told_apart(web: Project, busybox: str, tmp_path: Path) -> None:
    names = [write(web, busybox, name=short).name for short in ("db", "web")]
    (tmp_path / "root").mkdir()
    root = ("--rootdir", str(tmp_path / "root"), "-c", str(web.path / "pytest.ini"))
    environ = {"KTOOLS_D_SRC_DIR": str(web.path / "containers")}
    arguments = (*root, *(f"containers/{name}" for name in names), "--ready", "-n", "2", "-k", "KH110")
    result = web.pytest(*arguments, environ=environ)
    assert result.status == 0, result.output
    assert result.outcomes()["passed"] == 2


def test_production_that_nobody_starts_is_looked_for_only_where_it_is_named(web: Project) -> None:
    result = web.pytest("--in-prod", "containers", "-m", "policy")
    assert result.status == 5, result.output
    assert f"nothing was released on this host yet, so nothing runs: {web.name('web')}" in result.output
    result = web.pytest("--in-prod", f"containers/{web.name('web')}", "-m", "policy")
    assert result.status == 1
    assert result.outcomes()["failed"] == 1
    assert "production does not run" in result.output


def listed(report: Path) -> set[str]:
    names = (case.get("name", "") for case in ET.parse(report).iter("testcase"))
    return {name.split()[0] for name in names if name.startswith("KH")}
