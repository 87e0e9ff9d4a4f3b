"""The container whose configuration is the user's own."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from kharness.host.image.context import plan_context, stream

PROJECT = Path(__file__).parents[2]
PRIVATE = "containers/dnsdock/private.d"


@pytest.fixture
def dnsdock(tmp_path: Path) -> Path:
    """A copy without anybody's private files."""
    copy = tmp_path / "dnsdock"
    shutil.copytree(PROJECT / "containers" / "dnsdock", copy, ignore=shutil.ignore_patterns("private.d", "*.pyc"))
    (copy / "private.d" / "etc").mkdir(parents=True)
    return copy


def context(directory: Path) -> dict[str, str]:
    archive = io.BytesIO(b"".join(stream(plan_context(directory, copies=(), downloads=()))))
    with tarfile.open(fileobj=archive) as tar:
        files = {entry.name: tar.extractfile(entry) for entry in tar if entry.isfile()}
        return {name: file.read().decode() for name, file in files.items() if file is not None}


def test_private_configuration_replaces_the_template_and_leaves_the_rest(dnsdock: Path) -> None:
    template = context(dnsdock)
    (dnsdock / "private.d" / "etc" / "dnsmasq.hosts").write_text("10.1.2.3 mine\n")
    (dnsdock / "private.d" / "README").write_text("not for the image\n")

    assert context(dnsdock) == {**template, "files/etc/dnsmasq.hosts": "10.1.2.3 mine\n"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty repository with the project's rules."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    shutil.copy(PROJECT / ".gitignore", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "status"), [("etc/dnsmasq.conf", 0), ("etc/dnsmasq.hosts", 0), ("anything", 0), ("README", 1)]
)
def test_private_configuration_is_never_committed_but_its_explanation_is(
    repository: Path, name: str, status: int
) -> None:
    done = subprocess.run(["git", "check-ignore", "-q", f"{PRIVATE}/{name}"], cwd=repository, check=False)

    assert done.returncode == status
