"""The fixtures of a container directory: what holds of them inside, and how they fail."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from tests.projects import Project, Result

pytestmark = pytest.mark.engine

# A web server that also greets on another port, writes its log, and prints a secret that it was given.
SETTINGS = """\
    image: {busybox}
    entrypoint: [sh, -c]
    command:
      - >-
        mkdir -p /tmp/www && echo hello > /tmp/www/index.html && echo "up with $$SECRET_KEY" &&
        (nc -ll -p 7000 -e sh -c 'read line; echo "you said $$line"' &) && exec httpd -f -p 8080 -h /tmp/www
    expose: [8080, 7000]
    environment: {{COLOUR: green}}
    env_file: [real.env]
    volumes: ["./data:/data", "./other:/other:ro"]
    init: true
    test: {{env_file: [test.env], timeout: {timeout}}}
"""
GOOD = """\
    import json, os, pathlib, re, time
    import pytest
    from kharness import KharnessError

    def remember(**what):
        with pathlib.Path(os.environ["FOUND"]).open("a") as file:
            print(json.dumps(what), file=file)

    def test_the_container_says_who_it_is(container, image):
        assert re.fullmatch(r"test-.*-web-[0-9a-f]{8}", container.name)
        assert container.mode == "standalone"
        assert container.is_running
        assert container.image == image.id
        assert container.inspect()["Id"] == container.id
        assert container.inspect()["Config"]["Hostname"].endswith("-web")

    def test_exec_takes_arguments_as_they_are(container):
        result = container.exec("echo", "a  b", "$HOME", "'")
        assert (result.exit_code, result.stdout, result.stderr, result.ok) == (0, "a  b $HOME '\\n", "", True)

    def test_exec_tells_status_error_user_and_environment(container):
        result = container.exec("sh", "-c", "id -un; echo $X >&2; exit 3", user="nobody", environment={"X": "y"})
        assert (result.exit_code, result.stdout, result.stderr, result.ok) == (3, "nobody\\n", "y\\n", False)

    def test_exec_ends_in_time(container):
        with pytest.raises(TimeoutError):
            container.exec("sleep", "30", timeout=0.3)

    def test_logs_have_all_output(container):
        assert container.logs().startswith("up with ")

    def test_diff_has_what_changed(container):
        container.exec("touch", "/etc/new")
        changed = {(str(change.kind), change.path) for change in container.diff()}
        assert ("added", "/etc/new") in changed
        # The engine's own init is no change.
        assert not [path for _, path in changed if path.startswith("/sbin")]

    def test_volume_is_what_the_container_sees(container):
        container.volume("/data").write_text("sub/a", "one")
        assert container.exec("cat", "/data/sub/a").stdout == "one"
        container.exec("sh", "-c", "(sleep 0.3; echo two > /data/b) &")
        assert container.volume("./data").wait_for("b", "two") == "two\\n"
        assert container.volume("data").read_text("b") == "two\\n"

    def test_volume_says_what_it_waited_for(container):
        with pytest.raises(AssertionError, match="b: expected 'three' within 0.2 s, but it has 'two"):
            container.volume("/data").wait_for("b", "three", timeout=0.2)

    def test_volume_of_no_such_name_lists_what_there_is(container):
        with pytest.raises(KharnessError, match="has no volume '/nope'; it has: /data, /other, data, other"):
            container.volume("/nope")

    def test_url_and_endpoint_lead_there(container):
        assert container.url() == f"http://{container.address}:8080/"
        assert container.url(7000, "x", "ftp") == f"ftp://{container.address}:7000/x"
        assert container.endpoint(8080) == (container.address, 8080)

    def test_http_has_the_base_url(http):
        assert http.get("/").text == "hello\\n"
        assert http.get("/missing").status_code == 404

    def test_host_is_testinfra_inside(host):
        assert host.file("/etc/passwd").contains("nobody")
        assert host.run("echo %s", "a b").stdout == "a b\\n"
        assert host.socket is not None

    def test_expect_web(expect):
        assert expect.web(text="hello", header={"Content-Type": "text/html"}).status_code == 200
        expect.web("/missing", status=404)
        expect.web(text=re.compile("^h.l+o$", re.M), method="GET")

    def test_expect_waits_until_it_holds(container, expect):
        container.exec("sh", "-c", "(sleep 0.4; echo late > /tmp/www/late) &")
        expect.web("/late", text="late")
        container.exec("sh", "-c", "(sleep 0.4; rm /tmp/www/late) &")
        expect.file("/tmp/www/late", exists=False)

    def test_expect_file(expect, container):
        container.exec("sh", "-c", "echo x > /tmp/f; chmod 640 /tmp/f; chown nobody /tmp/f")
        expect.file("/tmp/f", text="x", mode=0o640, owner="nobody")

    def test_expect_command(expect):
        assert expect.command("echo", "a b", stdout="a b").ok
        expect.command("sh", "-c", "exit 4", status=4)

    def test_expect_socket(expect):
        heard = expect.socket(7000, dialogue=[("send", b"hi\\n"), ("expect", rb"you said (\\w+)\\n")])
        assert heard == b"you said hi\\n"

    def test_a_private_instance_is_another_one(container, private_container):
        assert private_container.id != container.id
        assert private_container.image == container.image
        private_container.kill()
        assert not private_container.is_running
        assert container.is_running
        remember(private=private_container.id)

    def test_another_private_instance(private_container):
        private_container.exec("sh", "-c", "rm -r /tmp/www")
        remember(private=private_container.id)

    def test_stop_and_start(container):
        container.stop()
        assert not container.is_running
        container.start()
        assert container.is_running
        assert container.exec("wget", "-q", "-O", "-", "http://127.0.0.1:8080/").stdout == "hello\\n"

    def test_restart_and_kill_with_a_signal(container, expect):
        started = container.inspect()["State"]["StartedAt"]
        container.restart()
        assert container.inspect()["State"]["StartedAt"] != started
        expect.web(text="hello")
        container.kill("TERM")
        for _ in range(100):
            if not container.is_running:
                break
            time.sleep(0.05)
        assert not container.is_running
        container.start()

    def test_values_for_tests_are_used_and_production_s_are_not(container):
        assert container.exec("sh", "-c", "echo $SECRET_KEY $COLOUR").stdout == "test-value-77 green\\n"
"""
CLAIMS = re.findall(r"def (test_\w+)", GOOD)

BAD = """\
    import os, time
    import pytest

    def test_web(expect):
        expect.web("/missing", text="hello", timeout=0.2)

    def test_web_text(expect):
        expect.web(text="goodbye", timeout=0.2)

    def test_web_header(expect):
        expect.web(header={"Server": "x"}, timeout=0.2)

    def test_web_nobody(expect, container):
        expect.web(container.url(9), timeout=0.2)

    def test_file_missing(expect):
        expect.file("/tmp/nope", text="x", timeout=0.2)

    def test_file_there(expect):
        expect.file("/tmp/www/index.html", exists=False, timeout=0.2)

    def test_file_mode(expect):
        expect.file("/tmp/www/index.html", mode=0o600, timeout=0.2)

    def test_file_owner(expect):
        expect.file("/tmp/www/index.html", owner="nobody", timeout=0.2)

    def test_file_text(expect):
        expect.file("/tmp/www/index.html", text="goodbye", timeout=0.2)

    def test_command_status(expect):
        expect.command("sh", "-c", "echo oops >&2; exit 7", timeout=1)

    def test_command_output(expect):
        expect.command("echo", "a", stdout="b", timeout=1)

    def test_socket_says_something_else(expect):
        expect.socket(7000, dialogue=[("send", b"x\\n"), ("expect", b"me too")], timeout=0.3)

    def test_socket_nobody(expect):
        expect.socket(9, dialogue=[("expect", b"x")], timeout=0.2)

    def test_private(private_container):
        assert 0, private_container.name
"""
HUNG = """\
    import time
    import pytest

    def test_hung(container):
        container.exec("touch", "/etc/trace")
        time.sleep(20)

    @pytest.fixture
    def slow(container):
        time.sleep(20)

    def test_hung_in_setup(slow):
        pass
"""
SEEN = {
    "test_web": ("GET http://", "/missing to answer 200 with text 'hello' within 0.2 s", "seen: status 404"),
    "test_web_text": ("with text 'goodbye'", "seen: the text hello"),
    "test_web_header": ("to answer 200", "seen: header Server: None"),
    "test_web_nobody": (":9/ to answer 200", "seen: ConnectError: "),
    "test_file_missing": ("/tmp/nope to exist with text 'x'", "seen: stat: can't stat '/tmp/nope'"),
    "test_file_there": ("/tmp/www/index.html not to exist", "seen: it exists"),
    "test_file_mode": ("to exist with mode 600", "seen: mode 644"),
    "test_file_owner": ("to exist owned by nobody", "seen: owner root"),
    "test_file_text": ("to exist with text 'goodbye'", "seen: the text hello"),
    "test_command_status": ("to exit with 0", "seen: exit status 7: oops"),
    "test_command_output": ("'echo a' to exit with 0 with text 'b'", "seen: the text a"),
    "test_socket_says_something_else": (
        ":7000/tcp to hold the dialogue",
        "the peer closed the connection while waiting for b'me too', after b'you said x",
    ),
    "test_socket_nobody": (":9/tcp to hold the dialogue", "refused"),
    "test_hung": ("the test did not end within test.timeout of 10 s", "added    /etc/trace"),
    "test_hung_in_setup": ("the test did not end within test.timeout of 10 s",),
    "test_private": ("assert 0", "log of test-"),
}


@dataclass(frozen=True)
class Inside:
    """A session's result, and the private instances that it had."""

    result: Result
    private: tuple[str, ...]

    def report(self, test: str) -> str:
        """Return what the session said about one test's failure."""
        found = re.search(
            rf"^_+ (?:ERROR at setup of )?{test} _+$(.*?)(?=^_{{5,}}|^====)",
            self.result.output,
            re.MULTILINE | re.DOTALL,
        )
        assert found, self.result.output
        return found[1]


def add(project: Project, busybox: str, short: str, tests: str, *, timeout: float = 60) -> Path:
    files = {
        "settings.yaml": SETTINGS.format(busybox=busybox, timeout=timeout),
        "real.env": "SECRET_KEY=real-value-99\n",
        "test.env": "SECRET_KEY=test-value-77\n",
        "test_inside.py": tests,
    }
    return project.add(short, files)


def run(project: Project, *directories: Path, args: tuple[str, ...] = ()) -> Inside:
    found = project.path / "found"
    found.write_text("")
    result = project.pytest(*map(str, directories), "--ready", "-v", *args, environ={"FOUND": str(found)})
    return Inside(result, tuple(json.loads(line)["private"] for line in found.read_text().splitlines()))


@pytest.fixture(scope="module")
def good(shared_project: Project, busybox: str) -> Inside:
    return run(shared_project, add(shared_project, busybox, "web", GOOD))


@pytest.fixture(scope="module", params=["alone", "workers"])
def bad(request: pytest.FixtureRequest, shared_project: Project, busybox: str) -> Inside:
    workers = ("-n", "2") if request.param == "workers" else ()
    hung = add(shared_project, busybox, "hung", HUNG, timeout=10)
    return run(shared_project, add(shared_project, busybox, "web", BAD), hung, args=workers)


@pytest.mark.parametrize("claim", CLAIMS)
def test_it_holds_inside(good: Inside, claim: str) -> None:
    assert re.search(rf"::{claim} PASSED", good.result.output), good.result.output


def test_private_instances_are_gone_after_their_tests(good: Inside, engine: Engine) -> None:
    assert len(set(good.private)) == 2
    assert not any(engine.container(private) for private in good.private)


def test_private_instances_of_workers_are_gone_too(shared_project: Project, busybox: str, engine: Engine) -> None:
    inside = run(shared_project, add(shared_project, busybox, "web", GOOD), args=("-n", "2", "-k", "private"))
    assert inside.result.outcomes()["passed"] == 2, inside.result.output
    assert len(set(inside.private)) == 2
    assert not any(engine.container(private) for private in inside.private)
    assert not [network for network in engine.networks() if shared_project.prefix in str(network.labels)]


@pytest.mark.parametrize("test", SEEN)
def test_a_failure_says_what_was_expected_and_what_was_seen(bad: Inside, test: str) -> None:
    report = bad.report(test)
    for text in SEEN[test]:
        assert text in report


def test_a_failing_test_has_the_bundle(bad: Inside) -> None:
    report = bad.report("test_hung")
    for text in ("log of test-", "up with ", "state of test-", "Status: running", "was launched as", "docker run"):
        assert text in report


def test_the_bundle_is_that_of_the_private_instance_too(bad: Inside) -> None:
    names = set(re.findall(r"log of (\S+)", bad.report("test_private")))
    assert len(names) == 2


def test_no_secret_is_shown(bad: Inside) -> None:
    assert "SECRET_KEY=***" in bad.result.output
    assert "up with ***" in bad.result.output
    assert "test-value-77" not in bad.result.output
    assert "real-value-99" not in bad.result.output


def test_no_secret_is_shown_of_what_cannot_start(shared_project: Project, busybox: str) -> None:
    directory = add(shared_project, busybox, "web", BAD)
    settings = directory / "settings.yaml"
    settings.write_text(settings.read_text().replace("exec httpd", "exit 5 #"))
    result = shared_project.pytest(str(directory), "--ready", "-k", "private")
    assert "exited with 5 instead of becoming ready" in result.output
    assert "up with ***" in result.output
    assert "test-value-77" not in result.output


def test_another_timer_that_ends_sooner_still_does(shared_project: Project, busybox: str) -> None:
    hung = add(shared_project, busybox, "hung", HUNG, timeout=10)
    inside = run(shared_project, hung, args=("-k", "test_hung and not setup", "--timeout=2"))
    assert "Timeout (>2.0s) from pytest-timeout" in inside.result.output
    assert "test.timeout" not in inside.result.output.replace("pytest-timeout", "")
