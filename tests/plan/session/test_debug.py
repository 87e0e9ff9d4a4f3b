"""The container that looks into another one, planned."""

from __future__ import annotations

import os
import subprocess

import pytest

from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.session.debug import PS, argv_of, plan_debug

TOOLS = ImageFacts(id="sha256:tools", labels={"traefik.enable": "true"})


def words(mode: str, *, nsenter: str | None = "/usr/bin/nsenter") -> tuple[str, ...]:
    found = ContainerFacts(
        id="abc",
        name="web",
        image_id="sha256:web",
        state="running",
        labels={"kharness.name": "web"},
        raw={"HostConfig": {"IpcMode": mode}},
    )
    return plan_debug(found, TOOLS, ("sh", "-l"), name="web-debug-1", owner={"o": "1"}, nsenter=nsenter, tty=True)


def test_it_joins_the_namespaces_with_few_rights_and_goes_with_its_shell() -> None:
    said = " ".join(words("private"))
    assert said.startswith("run --pid container:abc --name web-debug-1 ")
    for option in (
        *("--network container:abc", "--user 0:0", "--rm", "--tty", "--interactive", "--cap-drop ALL"),
        *("--cap-add SYS_PTRACE", "--cap-add SYS_ADMIN", "--security-opt no-new-privileges:true"),
        *("--label o=1", "--label kharness.name=web", "--label kharness.role=test", "--label traefik.enable= "),
    ):
        assert option in said
    assert "--publish" not in said
    assert "--volume" not in said


@pytest.mark.parametrize(
    ("mode", "nsenter", "begin", "end"),
    [
        ("private", "/usr/bin/nsenter", "--pid container:abc --name", "sha256:tools --target 1 --ipc -- sh -l"),
        ("private", None, "--pid container:abc --name", "sha256:tools -l"),
        ("shareable", "/usr/bin/nsenter", "--pid container:abc --ipc container:abc --name", "sha256:tools -l"),
    ],
)
def test_a_private_ipc_namespace_is_joined_from_inside(mode: str, nsenter: str | None, begin: str, end: str) -> None:
    said = " ".join(words(mode, nsenter=nsenter))
    assert said.startswith(f"run {begin} ")
    assert said.endswith(end)


@pytest.mark.parametrize(
    ("words", "programs", "expected"),
    [
        (("ss", "-tlpn"), {"ss"}, ("ss", "-tlpn")),
        (("ps", "-ef"), {"ps"}, ("ps", "-ef")),
        (("ps", "-ef"), set(), ("/bin/sh", "-c", PS)),
        (("ps | wc -l",), {"ps"}, ("/bin/sh", "-c", "ps | wc -l")),
        (("ps | wc -l",), set(), ("/bin/sh", "-c", f"ps() {{\n{PS}}}\nps | wc -l")),
        (("strace",), {"ps"}, None),
        (("strace -p 1", "x"), set(), None),
    ],
)
def test_what_a_person_typed_is_run_or_known_to_be_missing(
    words: tuple[str, ...], programs: set[str], expected: tuple[str, ...] | None
) -> None:
    assert argv_of(words, has=programs.__contains__, shell=("/bin/sh",)) == expected


def test_the_list_of_processes_needs_a_shell_alone() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "read -r word\n\n: end\n"], stdin=subprocess.PIPE) as other:
        done = subprocess.run(["/bin/sh", "-c", PS, "marker"], capture_output=True, text=True, check=True)
        assert other.stdin is not None
        other.stdin.close()
    assert done.stderr == ""
    first, *rest = done.stdout.splitlines()
    assert first.split() == ["PID", "UID", "COMMAND"]
    rows = {line.split()[0]: line.split()[1:] for line in rest}
    assert rows[str(os.getpid())][0] == str(os.getuid())
    # A command of several lines stays one row, as in ps.
    assert rows[str(other.pid)] == [str(os.getuid()), "/bin/sh", "-c", "read", "-r", "word", ":", "end"]
