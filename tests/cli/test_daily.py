"""The commands that people type all day, on a small fleet in production that all of these tests share."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, chdir
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import pytest
from click.testing import CliRunner

from kharness.cli.group import cli
from kharness.engine.api import Engine, NetworkRequest
from kharness.errors import KharnessError
from kharness.host.locks import lock
from kharness.plan.facts import ContainerFacts
from tests.cli.terminal import Terminal
from tests.plugin.conftest import temporary_project
from tests.projects import REPOSITORY, Project, Result
from tests.rootfs import without_shell

WEB = """\
    image: {image}
    entrypoint: [sh, -c]
    command:
      - "trap 'echo reloaded' HUP; httpd -p 8080; echo web is up; sleep 0.3; echo oops >&2; while :; do sleep 0.1; done"
    ports: [8080]
    autostart: 1
    init: true
    stop_grace_period: 1s
"""
CONSOLE = """\
    image: {image}
    command: [sh]
    tty: true
    stdin_open: true
    autostart: 2
    stop_grace_period: 1s
"""
BARE = """\
    image: {image}
    autostart: 2
    init: true
    container_name: {name}-x
"""
NAMES = ("web", "console", "bare")


@dataclass(frozen=True)
class Fleet:
    """What runs: `web`, a `console` and `bare`, which has no shell; `broken` and `new` are directories alone."""

    project: Project
    engine: Engine

    def name(self, short: str) -> str:
        return self.project.name(short)

    def facts(self, short: str) -> ContainerFacts:
        found = self.engine.containers(labels={"kharness.name": self.name(short), "kharness.role": "production"})
        facts = self.engine.container(found[0].id)
        assert facts is not None
        return facts

    def d(self, *words: str, **environ: str) -> Result:
        """Run a command in this process, which is quicker; errors end as in `main`."""
        with chdir(self.project.path):
            done = CliRunner().invoke(cli, words, env={**self.project.environ, **environ})
        if isinstance(done.exception, KharnessError):
            return Result(1, f"{done.output}{done.exception}\n")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Result(done.exit_code, done.output)

    def said(self, *words: str, status: int = 0) -> str:
        done = self.d(*words)
        assert done.status == status, done.output
        return done.output

    def run(self, *words: str) -> Result:
        """Run a command as a process of its own, which may become another program."""
        return self.project.kharness(*words)

    def terminal(self, *words: str, rows: int = 24, columns: int = 80) -> Terminal:
        command = [sys.executable, "-m", "kharness", *words]
        return Terminal(command, cwd=self.project.path, environ=self.project.environ, rows=rows, columns=columns)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, engine: Engine, busybox: str) -> Iterator[Fleet]:
    with temporary_project(tmp_path_factory.mktemp("daily"), engine) as project:
        bare = f"{REPOSITORY}/{project.name('bare')}:made"
        engine.import_image([without_shell()], bare, changes=['CMD ["/sleep", "600"]'])
        images = {"web": busybox, "console": busybox, "bare": bare}
        for short, text in (("web", WEB), ("console", CONSOLE), ("bare", BARE)):
            project.add(short, {"settings.yaml": text.format(image=images[short], name=project.name(short))})
            engine.tag(images[short], f"{REPOSITORY}/{project.name(short)}:live")
        project.add("broken", {"settings.yaml": "imagee: x\n"})
        project.add("new", {"settings.yaml": f"image: {busybox}\n"})
        found = Fleet(project, engine)
        up = found.run("up-all")
        started = [line.split(":")[0] for line in up.output.splitlines() if ": started, " in line]
        assert (started[0], set(started[1:])) == (project.name("web"), {project.name("bare"), project.name("console")})
        assert up.status == 1
        assert f"{project.name('broken')}/settings.yaml: imagee: " in up.output
        yield found


def test_ps_lists_what_runs_and_names_what_cannot_be_read(fleet: Fleet) -> None:
    heading, *lines = fleet.said("ls").splitlines()
    rows = [line.split() for line in lines if line.startswith(fleet.project.prefix)]
    assert heading.split() == ["name", "state", "health", "up", "image", "ports"]
    assert [row[0] for row in rows] == [fleet.name(short) for short in sorted(NAMES)]
    assert rows[0][1:3] == [f"({fleet.name('bare')}-x)", "runs"]
    assert rows[2][-1].endswith(":8080")
    more = fleet.project.path / "more" / fleet.name("web")
    more.mkdir(parents=True)
    (more / "settings.yaml").write_text("{}\n")
    listed = fleet.d("ps", "--all", KHARNESS_SOURCE_PATHS="containers:more").output
    assert [fleet.name("new"), "no", "container"] in [line.split() for line in listed.splitlines()]
    assert f"{fleet.name('broken')}/settings.yaml: imagee: " in listed
    assert f"{more}: is shadowed by {fleet.project.path}/containers/{fleet.name('web')}\n" in listed


def test_programs_get_the_same_as_json(fleet: Fleet) -> None:
    listed = json.loads(fleet.run("ps", "--all", "--json").output.partition("\n]")[0] + "]")
    names = [each["name"] for each in listed if each["name"].startswith(fleet.project.prefix)]
    assert names == sorted(map(fleet.name, (*NAMES, "broken", "new")))
    web = next(each for each in listed if each["name"] == fleet.name("web"))
    facts = fleet.facts("web")
    assert (web["container"]["id"], web["live"], web["wave"]) == (facts.id, facts.image_id, 1)
    assert json.loads(fleet.said("ips", "--json"))[fleet.name("web")] == facts.addresses
    (image,) = json.loads(fleet.said("images", fleet.name("web"), "--json"))
    assert (image["tag"], image["image"], image["used"]) == ("live", facts.image_id, True)


def test_status_is_all_of_it_at_a_glance(fleet: Fleet) -> None:
    name, broken = fleet.name("web"), fleet.name("broken")
    heading, *lines = fleet.said("status", name, broken).splitlines()
    assert [word for word in heading.split() if word in {"wave", "up", "image", "mem", "cpu", "ports"}] == [
        *("wave", "up", "image", "mem", "cpu", "ports")
    ]
    assert lines[0].startswith(f"{broken}  ")
    assert " settings broken " in lines[0]
    assert lines[1].split()[:3] == [name, "1", "runs"]
    assert lines[1].split()[-2].endswith("%")
    assert any(f"{broken}/settings.yaml: imagee: " in line for line in lines[2:])
    web = json.loads(fleet.said("status", name, "--json", "--scan"))[0]
    facts = fleet.facts("web")
    assert (web["container"]["id"], web["newer"], web["test"], web["settings"]) == (facts.id, False, None, None)
    assert web["drift"]["left"] == 0
    assert 0 < web["memory"] < web["memory_limit"]
    assert web["cpu"] >= 0


def test_one_container_in_one_word(fleet: Fleet) -> None:
    name, facts = fleet.name("web"), fleet.facts("web")
    assert fleet.said("ip", name) == f"{facts.addresses['bridge']}\n"
    assert [name, "bridge", facts.addresses["bridge"]] in [row.split() for row in fleet.said("ips").splitlines()]
    assert fleet.said("pid", name) == f"{facts.pid}\n"
    assert re.fullmatch(r"veth\w+\n", fleet.said("veth", name))
    assert fleet.said("is-up", name).startswith(f"{name}: runs, for ")
    assert fleet.said("is-up", fleet.name("new"), status=1) == f"{fleet.name('new')}: has no container\n"
    assert [name, "live"] in [row.split()[:2] for row in fleet.said("images").splitlines()]


def test_all_is_up_or_it_is_told_what_is_not(fleet: Fleet) -> None:
    broken = fleet.project.path / "containers" / fleet.name("broken")
    aside = broken.rename(fleet.project.path / "aside")
    try:
        assert fleet.said("qa") == "all ok\n"
        assert fleet.said("lun", "-q") == ""
        fleet.engine.pause(fleet.facts("bare").id)
        assert fleet.said("qa", status=1) == (
            f"{fleet.name('bare')}: is paused; 'docker unpause {fleet.facts('bare').name}' lets it go on\n"
        )
        (down,) = json.loads(fleet.said("lun", "--json"))
        assert (down["name"], down["wave"], down["down"][:9]) == (fleet.name("bare"), 2, "is paused")
    finally:
        fleet.engine.unpause(fleet.facts("bare").id)
        aside.rename(broken)
    assert f"{broken}/settings.yaml: imagee: " in fleet.said("check-all-up", status=1)
    value = json.loads(fleet.said("check-all-up", "--json", status=1))
    assert (value["ok"], [each["reasons"] for each in value["containers"]]) == (False, [[]] * 3)
    assert value["settings"][0].startswith(f"{broken}/settings.yaml: ")


def test_down_stays_down_and_up_brings_it_up(fleet: Fleet) -> None:
    name = fleet.name("bare")
    before = fleet.facts("bare")
    assert fleet.said("down", name, "--dry-run") == f"{name}: would be stopped\n"
    assert fleet.facts("bare") == before
    assert fleet.said("0", name).endswith(f"{name}: stopped: exited with 143\n")
    assert fleet.said("0", name) == f"{name}: does not run: exited with 143\n"
    assert fleet.facts("bare").restart_policy == "unless-stopped"
    for words in (
        ("exec", name, "ls"),
        ("enter", name),
        ("attach", name),
        ("pid", name),
        ("ip", name),
        ("hup", name),
        ("veth", name),
    ):
        told = fleet.said(*words, status=1)
        assert f"{name}: does not run: exited with 143; 'kharness logs {name}' shows its output" in told
    assert fleet.said("is-up", name, status=1) == f"{name}: exited with 143\n"
    assert fleet.said("up", name, "--dry-run") == f"{name}: would run {before.image_id[7:19]}\n"
    assert fleet.said("1", name).endswith(f"{name}: runs {before.image_id[7:19]}\n")
    assert fleet.said("1", name) == f"{name}: runs {before.image_id[7:19]} already\n"
    assert fleet.facts("bare").id != before.id


def test_restart_is_of_the_same_container(fleet: Fleet) -> None:
    name, before = fleet.name("web"), fleet.facts("web")
    assert fleet.said("restart", name, "--dry-run") == f"{name}: {name} would be restarted\n"
    assert f"{name}: restarted, ready after 0." in fleet.said("01", name)
    after = fleet.facts("web")
    assert (after.id, after.running, after.started_at > before.started_at) == (before.id, True, True)


def test_a_release_under_way_is_not_disturbed(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    name = fleet.name("web")
    monkeypatch.setattr("kharness.ops.release.stopping.LOCK_TIMEOUT", 0.0)
    (locks,) = fleet.project.path.glob("state/engines/*/projects/*/locks")
    before = fleet.facts("web")
    with lock(locks, f"release-{name}", timeout=0):
        for words in (("down", name), ("restart", name), ("hup", name)):
            assert f"release-{name} is locked by pid {os.getpid()}" in fleet.said(*words, status=1)
    assert fleet.facts("web") == before


def test_exec_ends_as_the_command_does_and_takes_input(fleet: Fleet) -> None:
    name = fleet.name("web")
    assert fleet.run("exec", name, "sh", "-c", "exit 7").status == 7
    script = f"echo hello | \"{sys.executable}\" -m kharness exec -e A=b -w /etc {name} sh -c 'cat; echo $A; pwd'"
    assert fleet.project.run("sh", "-c", script).output == "hello\nb\n/etc\n"
    assert fleet.d("exec", name).status == 2


def test_enter_is_a_real_terminal(fleet: Fleet) -> None:
    with fleet.terminal("enter", fleet.name("web")[:-1], rows=33, columns=111) as terminal:
        terminal.until(r"# ")
        terminal.type("id -u; stty size\n")
        terminal.until(r"\n0\r\n33 111\r\n")
        for _ in range(50):  # the client is told, once it listens, and tells the engine
            terminal.resize(44, 98)
            terminal.resize(44, 99)
            terminal.type("stty size\n")
            if terminal.until(r"\n\d+ \d+\r\n").endswith("\n44 99\r\n"):
                break
            time.sleep(0.05)
        else:
            pytest.fail("the window keeps its size")
        terminal.type("sleep 100\n")
        terminal.until(r"sleep 100\r\n")
        time.sleep(0.2)
        terminal.type("\x03")
        terminal.until(r"# ")
        terminal.type("exit 7\n")
        assert terminal.end() == 7
    assert fleet.facts("web").running


def test_where_there_is_no_shell_it_is_told_what_can_be_done(fleet: Fleet) -> None:
    name = fleet.name("bare")
    assert f"{name}: there is no shell in it (looked for /bin/bash, " in fleet.said("enter", name, status=1)
    assert f"'kharness exec {name} PROGRAM' runs what there is" in fleet.said("e", name, status=1)
    told = fleet.said("shell", name, status=1)
    assert f"{name}: image {fleet.facts('bare').image_id[7:19]}: there is no shell in it" in told


def test_logs_of_several_are_one(fleet: Fleet) -> None:
    web, console = fleet.name("web"), fleet.name("console")
    # Two streams, whose order is the engine's.
    assert sorted(fleet.said("logs", web, "--tail", "2").splitlines()) == ["oops", "web is up"]
    fleet.engine.exec(fleet.facts("console").id, ["sh", "-c", "echo from console >/proc/1/fd/1"])
    together = fleet.said("L", "-t", web, console).splitlines()
    assert any(line.startswith(f"{web}     | 20") and line.endswith("Z web is up") for line in together)
    assert together[-1].startswith(f"{console} | 20")
    assert together[-1].endswith("from console")
    with fleet.terminal("logs", "-f", "-n", "0", web, console) as terminal:
        assert fleet.said("kill", web, "--dry-run") == f"{web}: SIGKILL would be sent to {web}\n"
        assert fleet.said("hup", web) == f"{web}: SIGHUP was sent to {web}\n"
        cyan = f"\x1b\\[36m{web}     \\| \x1b\\[0m"
        terminal.until(f"{cyan}reloaded\r\n", again=lambda: fleet.said("hup", web))
        terminal.type("\x03")
        assert terminal.end() == 130


def test_a_console_is_left_and_goes_on(fleet: Fleet) -> None:
    name, before = fleet.name("console"), fleet.facts("console")
    with fleet.terminal("console", name, rows=30, columns=90) as terminal:
        terminal.until("ctrl-p ctrl-q leaves")
        terminal.type("\n")
        terminal.until("# ")
        terminal.type("echo $((6 * 7)); stty size\n")
        terminal.until(r"\n42\r\n30 90\r\n")
        terminal.type("\x10\x11")
        terminal.end()
    assert fleet.facts("console") == before


def test_what_has_no_terminal_is_watched_and_ctrl_c_ends_nothing_but_that(fleet: Fleet) -> None:
    name, before = fleet.name("web"), fleet.facts("web")
    with fleet.terminal("attach", name) as terminal:
        terminal.until("takes no input")
        terminal.until("reloaded", again=lambda: fleet.said("hup", name))
        terminal.type("\x03")
        assert terminal.end() == 130
    # The docker client would go on, and hold the pipe.
    ended = fleet.project.run("timeout", "5", sys.executable, "-m", "kharness", "attach", name, timeout=120)
    assert (ended.status, "takes no input" in ended.output) == (124, True)
    assert fleet.facts("web").started_at == before.started_at


def test_shell_is_a_container_of_its_own_that_goes(fleet: Fleet) -> None:
    name = fleet.name("web")
    words = fleet.said("shell", name, "--dry-run", "--user", "nobody").split()
    assert words[:2] == ["docker", "run"]
    assert {"--rm", "nobody", "/bin/ash", "bridge"} <= set(words)
    assert not {"--publish", "--volume", "--tty", name} & set(words)
    with fleet.terminal("shell", name) as terminal:
        terminal.until("# ")
        terminal.type("hostname; ps | grep -c httpd; exit 5\n")
        terminal.until(rf"\n{name}-shell\r\n")
        assert terminal.end() == 5
    piped = fleet.project.run("sh", "-c", f'echo "cat /etc/group" | "{sys.executable}" -m kharness shell {name}')
    assert (piped.status, piped.output) == (0, "root:x:0:\nnogroup:x:65534:\n")
    left = fleet.engine.containers(labels={"kharness.name": name})
    assert [each.name for each in left] == [name]
    assert "nothing is live yet; 'kharness upgrade " in fleet.said("shell", fleet.name("new"), status=1)


def test_shell_is_on_all_networks_of_production(fleet: Fleet, busybox: str, tmp_path: Path) -> None:
    name, folder = fleet.name("wide"), tmp_path / "with, comma"
    front, back = f"{name}-front", f"{name}-back"
    folder.mkdir()
    (folder / "file").write_text("it is here\n")
    text = f"image: {busybox}\nnetworks: [{front}, {back}]\nvolumes: ['{folder}:/data']\n"
    directory = fleet.project.add("wide", {"settings.yaml": text})
    fleet.engine.tag(busybox, f"{REPOSITORY}/{name}:live")
    with ExitStack() as undo:
        undo.callback(rmtree, directory)
        for each in (front, back):
            fleet.engine.create_network(NetworkRequest(name=each, internal=True, labels={"kharness.name": name}))
            undo.callback(fleet.engine.remove_network, each)
        create, connect, start = fleet.said("shell", name, "--dry-run").splitlines()
        assert create.startswith("docker create --name ")
        assert f" --network {front} " in create
        assert connect.startswith(f"docker network connect {back} {name}-shell-")
        assert start.startswith(f"docker start --attach --interactive {name}-shell-")
        with fleet.terminal("shell", name, "--volumes") as terminal:
            terminal.until("# ")
            terminal.type("ip -o -4 addr | grep -c eth; cat /data/file; exit 5\n")
            terminal.until(r"\n2\r\nit is here\r\n")
            assert terminal.end() == 5
        # What it reads ends, and the shell with it.
        command = f'echo "ip -o -4 addr | grep -c eth" | "{sys.executable}" -m kharness shell {name}'
        piped = fleet.project.run("sh", "-c", command)
        assert (piped.status, piped.output) == (0, "2\n")
        fleet.engine.remove_network(back)
        missing = fleet.project.kharness("shell", name)
        assert (missing.status, f"network {back} not found" in missing.output) == (1, True), missing.output
    assert fleet.engine.containers(labels={"kharness.name": name}) == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "NEW"), "nothing is live yet; 'kharness upgrade "),
        (("down", "NEW"), "there is no container of it; 'kharness upgrade "),
        (("restart", "NEW"), "there is no container of it; 'kharness upgrade "),
        (("logs", "NEW"), "there is no container of it; 'kharness upgrade "),
        (("up", "BROKEN"), "imagee: "),
        (("exec", "WEBB", "ls"), "no container directory '"),
        (("kill", "-s", "HUB", "WEB"), "should be a signal such as HUP, SIGUSR1 or 15, not 'HUB'"),
        (("logs", "-n", "-1", "WEB"), "-1 is not in the range x>=0"),
    ],
)
def test_what_cannot_be_done_is_told(fleet: Fleet, words: tuple[str, ...], said: str) -> None:
    places = {"WEB": fleet.name("web"), "WEBB": fleet.name("webb")}
    places |= {"NEW": fleet.name("new"), "BROKEN": fleet.name("broken")}
    done = fleet.d(*(places.get(word, word) for word in words))
    assert done.status
    assert said in done.output


def test_without_the_docker_client_it_is_told_what_is_missing(fleet: Fleet) -> None:
    told = fleet.d("exec", fleet.name("web"), "ls", PATH="/nowhere")
    assert told.status == 1
    assert "the docker client is not installed, and a terminal in a container needs it" in told.output
