"""What /pkg promises: packages by one command, nothing left behind, and what it installs survives /prep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

LEFTOVERS = ("/var/cache/apk", "/var/lib/apt/lists", "/var/cache/apt", "/var/log/apt", "/usr/sbin/policy-rc.d")


@pytest.fixture(scope="module")
def python(root_image: str, children: Any) -> str:
    """An image with Python, still with its package manager."""
    return str(children.build(root_image, "RUN /pkg add python3"))


@pytest.fixture(scope="module")
def tree(python: str, children: Any) -> Any:
    """The file system of the image with Python."""
    return children.tree(python)


@pytest.fixture(scope="module")
def inside(python: str, children: Any) -> Iterator[Any]:
    """Run commands in the image with Python after /prep, as nobody in particular."""
    hardened = children.build(python, "RUN /prep", "USER 1500")
    with children.running(hardened, read_only=True, cap_drop=["ALL"], tmpfs={"/tmp": ""}) as run:
        yield run


@pytest.fixture(scope="module")
def base(root_image: str, children: Any) -> Iterator[Any]:
    """Run commands in the base itself."""
    with children.running(root_image) as run:
        yield run


@pytest.mark.parametrize("path", LEFTOVERS)
def test_no_lists_caches_or_guards_stay_behind(tree: Any, path: str) -> None:
    assert [each for each in tree.below(path) if each != path] == []


@pytest.mark.parametrize(
    "code",
    [
        "import json, sqlite3, ssl, hashlib, asyncio, http.server",
        "import ctypes.util; assert ctypes.util.find_library('c')",
        "import tempfile; tempfile.TemporaryFile().close()",
        "import os; assert os.getuid() == 1500",
        "import zoneinfo, socket; socket.gethostbyname('localhost')",
        "import subprocess; subprocess.run(['sh', '-c', 'true'], check=True)",
    ],
)
def test_python_works_in_a_hardened_image(inside: Any, code: str) -> None:
    done = inside("python3", "-c", code)

    assert (done.status, done.output) == (0, "")


def test_a_package_of_the_other_family_is_passed_over(base: Any, family: str) -> None:
    other = {"alpine": "deb", "debian": "apk"}[family]

    assert base("/pkg", "add", f"{other}:no-such-package").status == 0


@pytest.mark.parametrize("arguments", [[], ["add"], ["upgrade", "x"], ["install", "x"]])
def test_what_it_does_not_understand_is_an_error_with_its_usage(base: Any, arguments: list[str]) -> None:
    done = base("/pkg", *arguments)

    assert done.status == 1
    assert done.output.startswith("pkg: usage: /pkg add NAME...")


def test_an_option_is_no_package(base: Any) -> None:
    assert base("/pkg", "add", "--allow-unauthenticated").output.startswith("pkg: should be the name of a package")


def test_a_package_that_does_not_exist_ends_the_build(base: Any) -> None:
    done = base("/pkg", "add", "no-such-package-anywhere")

    assert done.status != 0
    assert "no-such-package-anywhere" in done.output
