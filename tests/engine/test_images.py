from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from kharness.engine.images import build_headers, pull_headers
from kharness.errors import EngineError

LOGIN = {"auths": {"hub.example:5000": {"auth": base64.b64encode(b"me:word").decode()}}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory without a login, and the folder that DOCKER_CONFIG names."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker"


def said(headers: dict[str, str], name: str) -> object:
    return json.loads(base64.urlsafe_b64decode(headers[name]))


@pytest.mark.parametrize("where", ["docker/config.json", ".docker/config.json", ".dockercfg"])
def test_a_login_goes_with_the_pulls_from_its_registry_and_with_every_build(folder: Path, where: str) -> None:
    file = folder.parent / where
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(LOGIN))
    me = {"username": "me", "password": "word", "email": None, "serveraddress": "hub.example:5000"}
    assert said(pull_headers("hub.example:5000/x"), "X-Registry-Auth") == me
    assert pull_headers("other.example/x") == {}
    assert said(build_headers(), "X-Registry-Config") == {"hub.example:5000": me}


def test_without_a_login_nothing_goes_along(folder: Path) -> None:
    assert folder.exists()
    assert pull_headers("hub.example:5000/x") == {}
    assert build_headers() == {}


@pytest.mark.filterwarnings("ignore:docker-credential-of-nobody not installed")
def test_credentials_that_cannot_be_had_are_told(folder: Path) -> None:
    (folder / "config.json").write_text('{"credsStore": "of-nobody"}')
    for headers in (build_headers, lambda: pull_headers("hub.example/x")):
        with pytest.raises(EngineError, match="the registry credentials cannot be read: "):
            headers()


def test_an_engine_on_this_host_needs_nothing_of_the_sdk() -> None:
    code = """if 1:
        import os, pathlib, sys
        from kharness.engine.connect import connect
        from kharness.engine.images import build_headers
        from kharness.errors import EngineUnavailableError
        try:
            connect(host="unix:///never.sock", environ={}, home=pathlib.Path("/never"))
        except EngineUnavailableError:
            os.environ |= {"HOME": "/never", "DOCKER_CONFIG": ""}
            build_headers()
            print(*({"docker", "paramiko"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
