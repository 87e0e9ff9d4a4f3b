"""What is committed and what is packaged: sources that a person can read, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LARGEST = 200_000
MADE = (".whl", ".egg", ".pyc", ".pyo", ".so", ".o", ".a", ".tar", ".gz", ".xz", ".zst", ".zip", ".deb", ".img", ".db")


def complaints(files: Mapping[str, bytes]) -> Iterator[str]:
    for name, content in files.items():
        if name.endswith(MADE) or "__pycache__" in name:
            yield f"{name}: is made from something, and belongs in .gitignore"
        elif b"\0" in content:
            yield f"{name}: is binary"
        if len(content) > LARGEST:
            yield f"{name}: should be of {LARGEST} bytes at most, not {len(content)}"


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("kharness/x.py", b"x = 1\n", []),
        (
            "x-1.0-py3-none-any.whl",
            b"PK",
            ["x-1.0-py3-none-any.whl: is made from something, and belongs in .gitignore"],
        ),
        ("a/__pycache__/x", b"", ["a/__pycache__/x: is made from something, and belongs in .gitignore"]),
        ("docs/picture", b"\x89PNG\0", ["docs/picture: is binary"]),
        ("data.txt", b"x" * 200_001, ["data.txt: should be of 200000 bytes at most, not 200001"]),
    ],
)
def test_what_is_not_to_be_committed_is_named(name: str, content: bytes, found: list[str]) -> None:
    assert list(complaints({name: content})) == found


def test_nothing_made_large_or_binary_is_committed() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    # Whose the clone is does not matter for reading its index.
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    files = {name: (ROOT / name).read_bytes() for name in names if name and (ROOT / name).is_file()}
    assert len(files) > 500
    assert not list(complaints(files))


def test_a_package_contains_sources_alone(tmp_path: Path) -> None:
    """Whatever lies about where it is built."""
    tree = tmp_path / "tree"
    left_out = shutil.ignore_patterns(".*", "__pycache__")
    tree.mkdir()
    for path in ROOT.iterdir():
        if path.name in {"pyproject.toml", "README.md", "LICENSE", ".gitignore"}:
            shutil.copy(path, tree)
        elif path.name in {"kharness", "requirements", "scripts", "tests"}:
            shutil.copytree(path, tree / path.name, ignore=left_out)
    for stray in ("pyte-0.8.2-py3-none-any.whl", "dump.db", "kharness/old.whl", "kharness/__pycache__/x.pyc"):
        (tree / stray).parent.mkdir(exist_ok=True)
        (tree / stray).write_bytes(b"\0")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", tmp_path / "dist"], cwd=tree, check=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    (source,) = (tmp_path / "dist").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened:
        in_wheel = {name for name in opened.namelist() if ".dist-info/" not in name}
    with tarfile.open(source) as archive:
        in_source = {name.partition("/")[2] for name in archive.getnames()}
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "kharness").rglob("*") if path.suffix in {".py", ".typed"}}
    assert in_wheel == ours
    assert ours < in_source
    assert {"requirements/run.txt", "scripts/setup", "tests/conftest.py"} < in_source
    assert not [name for name in in_source if name.endswith(MADE)]
