"""What `settings.yaml` expects, as tests of a session: a directory without any test file is tested, and released."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import pytest

from kharness.engine.api import Engine
from tests.projects import REPOSITORY, Project, Result

pytestmark = pytest.mark.engine

# A web server, and a DNS server for one name, `nas.test`, over TCP: it answers 42 bytes to a question of 26.
SERVICE = r"""
image: {busybox}
entrypoint: [sh, -c]
command:
  - |
    mkdir -p /tmp/www && echo hello > /tmp/www/index.html && echo "up with $$SECRET_KEY"
    printf 'head -c 28 > /tmp/q; printf "\\0\\52"; head -c 4 /tmp/q | tail -c 2;
    printf "\\201\\200\\0\\1\\0\\1\\0\\0\\0\\0";
    tail -c +15 /tmp/q; printf "\\300\\14\\0\\1\\0\\1\\0\\0\\0\\74\\0\\4\\300\\0\\2\\5"' > /tmp/answer
    nc -ll -p 53 -e sh /tmp/answer &
    exec httpd -f -p 8080 -h /tmp/www
expose: [8080, 53]
env_file: real.env
init: true
release: {{verify_for: 300ms}}
"""
GOOD = """
expect:
  http:
    - /
    - {path: /, text: ^hello$, header: {Content-Type: text/html}}
    - {path: /missing, status: 404}
  tcp: [8080, {port: 22, listening: false}]
  dns:
    - {name: nas.test, answers: 192.0.2.5, protocol: tcp}
  command:
    - id -u
    - {command: [sh, -c, "echo a b >&2; exit 3"], status: 3, output: a b, modes: [in_prod]}
  file:
    - {path: /tmp/www/index.html, contents: hello, owner: 0, mode: 0644}
    - {path: /etc/nothing, exists: false}
  process: [httpd, {command: sleep, running: false}]
  log:
    - ^up with
    - {seen: up, never: panic}
    - {never: panic, timeout: 100ms}
test: {env_file: test.env}
"""
EVERYWHERE = {
    "http / is 200",
    "http / is 200 with ^hello$ with Content-Type: text/html",
    "http /missing is 404",
    "tcp 8080 listens",
    "tcp 22 does not listen",
    "dns nas.test A is 192.0.2.5 over tcp",
    "file /tmp/www/index.html exists with mode 644, owner 0, hello",
    "file /etc/nothing does not exist",
    "process httpd runs",
    "process sleep does not run",
    "log has ^up with",
    "log has up, never has panic",
    "log never has panic",
}
READY = EVERYWHERE | {"command id -u exits with 0"}
IN_PROD = EVERYWHERE | {"command sh -c echo a b >&2; exit 3 exits with 3 with a b"}

BAD = """
expect:
  http:
    - {path: /, text: goodbye, timeout: 200ms}
    - {path: /, text: goodbye, timeout: 200ms}
    - {path: /, port: 9, timeout: 200ms}
  tcp:
    - {port: 9, timeout: 200ms}
    - {port: 8080, listening: false, timeout: 200ms}
  dns:
    - {name: nas.test, answers: 192.0.2.6, protocol: tcp, timeout: 200ms}
  command:
    - {command: [sh, -c, "echo oops; exit 7"], timeout: 200ms}
    - {command: [no-such-program], timeout: 200ms}
    - {command: [sleep, "60"], timeout: 10s}
  file:
    - {path: /tmp/www/index.html, mode: 0600, timeout: 200ms}
  process:
    - {name: nginx, timeout: 200ms}
  log:
    - {seen: ready, timeout: 200ms}
    - {never: ^up with}
test: {env_file: test.env, timeout: 10s}
"""
# Name, place, and what is said, in part.
SEEN = [
    ("http / is 200 with goodbye", "http[0]", "to answer 200 with text matching 'goodbye' within 0.2 s"),
    ("http / is 200 with goodbye", "http[0]", "seen: the text hello"),
    ("http / is 200 with goodbye (2)", "http[1]", "seen: the text hello"),
    ("http :9/ is 200", "http[2]", "seen: ConnectError: "),
    ("tcp 9 listens", "tcp[0]", "expected 9/tcp to be listened on within 0.2 s"),
    ("tcp 9 listens", "tcp[0]", "seen: nothing listens there inside the container"),
    ("tcp 8080 does not listen", "tcp[1]", "seen: something listens there"),
    ("dns nas.test A is 192.0.2.6 over tcp", "dns[0]", "with NOERROR, 192.0.2.6 over tcp within 0.2 s"),
    ("dns nas.test A is 192.0.2.6 over tcp", "dns[0]", "seen: NOERROR, 192.0.2.5"),
    ("command sh -c echo oops; exit 7 exits with 0", "command[0]", "seen: exit status 7: oops"),
    ("command no-such-program exits with 0", "command[1]", "not found"),
    ("command sleep 60 exits with 0", "command[2]", "the test did not end within test.timeout of 10 s"),
    ("file /tmp/www/index.html exists with mode 600", "file[0]", "seen: mode 644"),
    ("process nginx runs", "process[0]", "expected the process nginx to run within 0.2 s"),
    ("process nginx runs", "process[0]", "httpd -f -p 8080"),
    ("log has ready", "log[0]", "expected a line matching 'ready' in the log within 0.2 s"),
    ("log has ready", "log[0]", "seen: 1 lines, the last: up with ***"),
    ("log never has ^up with", "log[1]", "seen: up with ***"),
]


def add(project: Project, busybox: str, short: str, expect: str) -> str:
    files = {
        "settings.yaml": SERVICE.format(busybox=busybox) + expect,
        "real.env": "SECRET_KEY=real-value-99\n",
        "test.env": "SECRET_KEY=test-value-77\n",
    }
    return str(project.add(short, files).relative_to(project.path))


def ended(result: Result, how: str) -> set[str]:
    """Return the names of the expectations that ended so."""
    return set(re.findall(rf"settings\.yaml::(.+) {how}", result.output))


@dataclass(frozen=True)
class Session:
    """A session's result, and how long its tests took, by name, from its JUnit file."""

    result: Result
    times: dict[str, float]

    def report(self, name: str) -> str:
        found = re.search(
            rf"^_+ {re.escape(name)} _+$(.*?)(?=^_{{5,}}|^====)", self.result.output, re.MULTILINE | re.DOTALL
        )
        assert found, self.result.output
        return found[1]


def run(project: Project, *args: str) -> Session:
    result = project.pytest(*args, "-v", f"--junitxml={project.path}/junit.xml")
    cases = ET.parse(project.path / "junit.xml").iter("testcase")
    return Session(result, {case.attrib["name"]: float(case.attrib["time"]) for case in cases})


@pytest.fixture(scope="module")
def launched(shared_project: Project, busybox: str) -> Session:
    return run(shared_project, add(shared_project, busybox, "web", GOOD), "--ready", "--launch")


@pytest.fixture(scope="module")
def bad(shared_project: Project, busybox: str) -> Session:
    left = add(shared_project, busybox, "left", GOOD)
    (shared_project.path / left / "conftest.py").write_text('collect_ignore = ["settings.yaml"]\n')
    (shared_project.path / left / "test_it.py").write_text("def test_it(container):\n    pass\n")
    return run(shared_project, add(shared_project, busybox, "bad", BAD), left, "--ready", "--promote", "-n", "2")


def test_each_expectation_is_a_test_of_its_own(launched: Session) -> None:
    assert launched.result.status == 0, launched.result.output
    passed = ended(launched.result, "PASSED")
    assert {name for name in passed if not name.endswith("[in-prod]")} == READY


def test_a_launch_is_verified_by_those_that_may_run_in_production(launched: Session) -> None:
    in_prod = {name.removesuffix(" [in-prod]") for name in ended(launched.result, "PASSED") if "[in-prod]" in name}
    assert in_prod == IN_PROD


def test_the_junit_file_lists_each(launched: Session) -> None:
    assert launched.times.keys() == READY | {f"{name} [in-prod]" for name in IN_PROD}


@pytest.mark.usefixtures("launched")
def test_a_launch_is_undone_when_production_is_not_as_expected(
    shared_project: Project, busybox: str, engine: Engine
) -> None:
    name = shared_project.name("web")
    before = engine.container(name)
    assert before is not None
    wrong = GOOD.replace("[httpd,", "[httpd, {name: nginx, timeout: 100ms, modes: [in_prod]},")
    session = run(shared_project, add(shared_project, busybox, "web", wrong), "--ready", "--launch")
    assert session.result.status == 1
    assert ended(session.result, "FAILED") == {"process nginx runs [in-prod]"}
    assert "settings.yaml::process nginx runs failed in production" in session.result.output
    after = engine.container(name)
    assert after is not None
    assert (after.id, after.running) == (before.id, True)
    assert engine.image(f"{REPOSITORY}/{name}:live") is not None


@pytest.mark.parametrize(("name", "place", "text"), SEEN)
def test_a_failure_says_what_was_expected_what_was_seen_and_where_it_stands(
    bad: Session, shared_project: Project, name: str, place: str, text: str
) -> None:
    short = shared_project.name("bad")
    report = bad.report(f"{short}: {name}")
    said, _, bundle = report.partition(f"declared: containers/{short}/settings.yaml: expect.{place}\n")
    assert text in said
    assert "Traceback" not in report
    assert len(said.strip().splitlines()) <= 3
    assert "log of test-" in bundle


def test_every_bad_one_fails_and_promotes_nothing(bad: Session) -> None:
    assert bad.result.status == 1
    assert bad.result.outcomes() == {"failed": 13, "passed": 1}


def test_no_secret_is_told(bad: Session) -> None:
    assert "test-value-77" not in bad.result.output
    assert "real-value-99" not in bad.result.output


def test_a_directory_whose_expectations_are_kept_from_being_collected_is_not_promoted(bad: Session) -> None:
    assert "no test was collected from settings.yaml" in bad.result.output


def test_a_job_is_tested_launched_and_tested_in_production_by_what_it_has_printed(
    project: Project, busybox: str
) -> None:
    settings = f"""\
        image: {busybox}
        restart: "no"
        command: [sh, -c, echo done]
        expect: {{log: [done]}}
        release: {{verify_for: 300ms}}
    """
    directory = project.add("job", {"settings.yaml": settings})
    done = project.pytest(str(directory), "--ready", "--launch")
    assert done.status == 0, done.output
    assert "did not keep running" not in done.output
    done = project.pytest(str(directory), "--in-prod")
    assert done.status == 0, done.output
