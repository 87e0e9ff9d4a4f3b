from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kharness.engine.contexts import Endpoint, endpoints
from kharness.errors import EngineUnavailableError


def add_context(folder: Path, name: str, *, tls: bool = False, **said: Any) -> None:
    digest = sha256(name.encode()).hexdigest()
    meta = folder / "contexts/meta" / digest
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": said}}))
    if tls:
        (folder / "contexts/tls" / digest / "docker").mkdir(parents=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ~/.docker with two contexts, of which `far` is the active one."""
    folder = tmp_path / ".docker"
    add_context(folder, "far", Host="tcp://far:2376", SkipTLSVerify=False, tls=True)
    add_context(folder, "near", Host="unix:///near.sock")
    add_context(folder, "loose", Host="tcp://loose:2376", SkipTLSVerify=True, tls=True)
    add_context(folder, "shell", Host="ssh://me@shell")
    (folder / "config.json").write_text('{"currentContext": "far"}')
    return folder


def urls(environ: dict[str, str], home: Path, host: str | None = None) -> list[str]:
    return [endpoint.url for endpoint in endpoints(host=host, environ=environ, home=home)]


@pytest.mark.parametrize(
    ("host", "environ", "url"),
    [
        ("unix:///a", {"DOCKER_HOST": "unix:///b", "DOCKER_CONTEXT": "near"}, "unix:///a"),
        (None, {"DOCKER_HOST": "unix:///b", "DOCKER_CONTEXT": "near"}, "unix:///b"),
        (None, {"DOCKER_CONTEXT": "near"}, "unix:///near.sock"),
        (None, {}, "tcp://far:2376"),
        ("/var/run/x.sock", {}, "unix:///var/run/x.sock"),
        ("ssh://me@host", {}, "ssh://me@host:22"),
        ("ssh://me@host:2222", {}, "ssh://me@host:2222"),
        (None, {"DOCKER_CONTEXT": "shell"}, "ssh://me@shell:22"),
    ],
)
def test_an_engine_that_is_named_is_the_only_one(
    folder: Path, host: str | None, environ: dict[str, str], url: str
) -> None:
    assert urls(environ, folder.parent, host) == [url]


def test_where_none_is_named_the_usual_sockets_are_tried(tmp_path: Path) -> None:
    assert urls({"XDG_RUNTIME_DIR": "/run/user/5"}, tmp_path) == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/5/docker.sock",
        "unix:///run/podman/podman.sock",
        "unix:///run/user/5/podman/podman.sock",
    ]
    assert urls({}, tmp_path) == ["unix:///var/run/docker.sock", "unix:///run/podman/podman.sock"]


def test_the_default_context_is_none(folder: Path) -> None:
    assert urls({"DOCKER_CONTEXT": "default"}, folder.parent)[0] == "unix:///var/run/docker.sock"


def test_the_configuration_may_be_elsewhere(folder: Path, tmp_path: Path) -> None:
    assert urls({"DOCKER_CONFIG": str(folder)}, tmp_path / "nobody") == ["tcp://far:2376"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"currentContext": ""}'])
def test_a_configuration_that_says_nothing_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(content)
    assert urls({}, tmp_path)[0] == "unix:///var/run/docker.sock"


def test_a_context_that_does_not_exist_is_an_error_and_not_another_engine(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="docker context never does not exist"):
        endpoints(host=None, environ={"DOCKER_CONTEXT": "never"}, home=tmp_path)


@pytest.mark.parametrize(("name", "verify"), [("far", True), ("loose", False)])
def test_a_context_brings_its_certificates(folder: Path, name: str, *, verify: bool) -> None:
    (found,) = endpoints(host=None, environ={"DOCKER_CONTEXT": name}, home=folder.parent)
    certificates = folder / "contexts/tls" / sha256(name.encode()).hexdigest() / "docker"
    assert (found.tls, found.verify, found.certificates) == (True, verify, certificates)
    assert found.origin == f"docker context {name}"


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("tcp://far:2375", {}, (False, True, None)),
        ("tcp://far:2376", {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"}, (True, True, Path("/c"))),
        ("tcp://far:2376", {"DOCKER_CERT_PATH": "/c"}, (True, False, Path("/c"))),
        ("tcp://far:2376", {"DOCKER_TLS_VERIFY": "1"}, (True, True, None)),
        ("https://far:2376", {}, (True, True, None)),
        ("unix:///a", {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"}, (False, True, None)),
    ],
)
def test_tls_is_said_by_the_variables_of_the_docker_command(
    url: str, environ: dict[str, str], expected: tuple[bool, bool, Path | None]
) -> None:
    (found,) = endpoints(host=None, environ={"DOCKER_HOST": url, **environ}, home=Path("/nobody"))
    assert (found.tls, found.verify, found.certificates) == expected


@pytest.mark.parametrize(("url", "socket"), [("unix:///a/b", "/a/b"), ("tcp://far:2375", None)])
def test_only_a_unix_socket_has_a_path(url: str, socket: str | None) -> None:
    assert Endpoint(url=url, origin="").socket == socket
