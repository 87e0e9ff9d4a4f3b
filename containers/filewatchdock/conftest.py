"""What the tests of filewatchdock share."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from kharness import Instance

INSIDE = "/watched/kharness-test"
"""Where the rules of filewatch-tests.toml look."""


@pytest.fixture
def area(container: Instance) -> Iterator[Path]:
    """Give an empty directory on the host that the container sees as `INSIDE`, for one test."""
    path = container.volume("/watched").path / "kharness-test"
    path.mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def put(area: Path) -> Callable[..., Path]:
    """Write a file that was modified `age` seconds ago."""

    def write(name: str, text: str = "", *, age: float = 0) -> Path:
        path = area / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.utime(path, (time.time() - age,) * 2)
        return path

    return write


@pytest.fixture
def errors(http: httpx.Client) -> Callable[[], dict[str, str]]:
    """Ask /healthz what is wrong in the tests' own directory: a relative path -> its state.

    What a private configuration finds wrong elsewhere is none of these tests' business.
    """

    def ask() -> dict[str, str]:
        lines = [line.removeprefix(f"{INSIDE}/") for line in http.get("/healthz").text.splitlines() if INSIDE in line]
        return {path: state for path, state, *_ in (f"{line}: ".split(": ") for line in lines)}

    return ask


@pytest.fixture
def settle() -> Callable[[Callable[[], object], object], None]:
    """Wait until something is what it should become: a scan has to come by first."""

    def wait(look: Callable[[], object], wanted: object) -> None:
        end = time.monotonic() + 10
        while (seen := look()) != wanted and time.monotonic() < end:
            time.sleep(0.05)
        assert seen == wanted

    return wait
