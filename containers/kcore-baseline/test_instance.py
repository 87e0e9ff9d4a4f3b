"""The base itself: what images on it find, before anything is hardened."""

from __future__ import annotations

from typing import Any


def test_the_helpers_are_there_and_executable(container: Any) -> None:
    assert container.exec("test", "-x", "/pkg", "-a", "-x", "/prep").ok


def test_it_needs_no_privilege(container: Any) -> None:
    assert container.exec("id", "-u").stdout == "65534\n"


def test_packages_can_be_installed_on_it(container: Any) -> None:
    assert container.exec("sh", "-c", "command -v apk || command -v apt-get").ok
