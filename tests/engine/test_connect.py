from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

from kharness.engine.connect import connect, negotiated, unavailable
from kharness.engine.contexts import Endpoint
from kharness.engine.local import is_own_address, shares_mounts, shares_network
from kharness.errors import EngineUnavailableError


@pytest.mark.parametrize(
    ("version", "spoken"),
    [
        ({"ApiVersion": "1.41", "MinAPIVersion": "1.12"}, "1.41"),
        ({"ApiVersion": "1.40"}, "1.40"),
        ({"ApiVersion": "1.9", "MinAPIVersion": "1.0"}, "1.9"),
        ({"ApiVersion": "1.52", "MinAPIVersion": "1.24"}, "1.41"),
        ({"ApiVersion": "1.52", "MinAPIVersion": "1.44"}, "1.44"),
    ],
)
def test_the_version_is_the_one_that_requests_are_written_for_as_far_as_the_engine_speaks_it(
    version: dict[str, str], spoken: str
) -> None:
    assert negotiated(version) == spoken


@pytest.mark.parametrize("answer", [{}, {"Version": "1"}])
def test_what_does_not_say_its_version_is_no_engine(answer: dict[str, str]) -> None:
    with pytest.raises(EngineUnavailableError, match="no container engine"):
        negotiated(answer)


def test_an_engine_that_is_not_there_is_told_with_its_place_and_who_named_it(tmp_path: Path) -> None:
    place = f"unix://{tmp_path}/never.sock"
    with pytest.raises(EngineUnavailableError) as caught:
        connect(host=None, environ={"DOCKER_HOST": place}, home=tmp_path)
    first, tried, *_ = str(caught.value).splitlines()
    assert first == "no container engine answers"
    assert tried.strip().startswith(f"{place} (DOCKER_HOST): ")
    assert tried.endswith("No such file or directory")


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "tcp://127.0.0.1:1", "ssh://never.invalid"])
def test_an_address_that_leads_nowhere_is_told(url: str, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match=r"no container engine answers\n"):
        connect(host=url, environ={}, home=tmp_path)


@pytest.mark.skipif(find_spec("paramiko") is not None, reason="paramiko is installed")
def test_ssh_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match=r"ssh needs paramiko: `pip install 'docker\[ssh\]'`"):
        connect(host="ssh://me@never.invalid", environ={}, home=tmp_path)


def test_a_socket_at_which_something_else_answers_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(EngineUnavailableError, match="no container engine"):
            connect(host=f"unix://{tmp_path}/s", environ={}, home=tmp_path)
        thread.join()


def test_who_may_not_use_the_socket_is_told_how_to_mend_it() -> None:
    failures = [(Endpoint(url="unix:///var/run/docker.sock", origin="the default socket"), "Permission denied")]
    assert "group `docker`" in unavailable(failures, uid=5)
    assert "group `docker`" not in unavailable(failures, uid=0)


def test_a_remote_engine_is_not_started_from_here() -> None:
    failures = [(Endpoint(url="tcp://far:2375", origin="DOCKER_HOST"), "Connection refused")]
    assert "kharness engine start" not in unavailable(failures, uid=0)


def test_who_has_named_a_socket_is_told_so() -> None:
    for url, named in (("unix:///nope.sock", True), ("unix:///var/run/docker.sock", False)):
        said = unavailable([(Endpoint(url=url, origin="DOCKER_HOST"), "No such file or directory")], uid=0)
        assert ("or unset it: then the usual one is asked" in said) is named


@pytest.mark.parametrize(("address", "own"), [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False)])
def test_an_address_is_known_as_ones_own(address: str, *, own: bool) -> None:
    assert is_own_address(address) is own


def test_a_rootless_engines_networks_are_elsewhere() -> None:
    assert not shares_network("/never", {"SecurityOptions": ["name=rootless"]}, list)


@pytest.mark.parametrize(("gateway", "local"), [("127.0.0.1", True), ("192.0.2.1", False)])
def test_without_knowing_the_process_the_gateways_tell_whose_networks_they_are(gateway: str, *, local: bool) -> None:
    bridges = [{"IPAM": {"Config": [{"Gateway": gateway}]}}]
    assert shares_network("/never", {"SecurityOptions": None}, lambda: bridges) is local


def test_a_process_of_this_network_namespace_shares_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        assert shares_network(str(tmp_path / "s"), {}, list)
        assert shares_mounts(str(tmp_path / "s"))


LISTENER = """
import ctypes, socket, sys, threading
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
stays = threading.Event()
threading.Thread(target=stays.wait).start()
leave = ctypes.CDLL(None, use_errno=True).unshare
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
if sys.argv[2] == "first thread" and leave(CLONE_NEWNS | CLONE_NEWNET):
    raise OSError(ctypes.get_errno(), "unshare")
print("ready", flush=True)
sys.stdin.read()
stays.set()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes network namespaces")
@pytest.mark.parametrize(
    ("before", "leaves", "same"), [((), "first thread", True), (("unshare", "--net", "--mount"), "nothing", False)]
)
def test_a_thread_that_has_entered_a_container_moves_no_engine(
    tmp_path: Path, before: tuple[str, ...], leaves: str, *, same: bool
) -> None:
    # Podman's first thread may stay in the network namespace of the last container that it set up.
    path = str(tmp_path / "s")
    command = [*before, sys.executable, "-c", LISTENER, path, leaves]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        assert engine.stdout.readline() == "ready\n"
        assert shares_network(path, {}, list) is same
        assert shares_mounts(path) is same
        engine.communicate()


def test_where_the_engine_is_not_known_to_see_our_mounts_it_does_not() -> None:
    assert not shares_mounts("/never")
