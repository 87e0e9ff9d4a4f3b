"""Patterns of paths: pure tables."""

from __future__ import annotations

import pytest

from kharness.plan.trees import matches


@pytest.mark.parametrize(
    ("pattern", "path", "meant"),
    [
        ("/a", "/a", True),
        ("/a", "/a/b", False),
        ("/a", "/ab", False),
        ("/a/*", "/a/b", True),
        ("/a/*", "/a/.b", True),
        ("/a/*", "/a/b/c", False),
        ("/a/*", "/a", False),
        ("/a/?", "/a/b", True),
        ("/a/?", "/a//", False),
        ("/a/**", "/a", True),
        ("/a/**", "/a/b/c", True),
        ("/a/**", "/ab", False),
        ("/**", "/a/b", True),
        ("/**/b", "/b", True),
        ("/**/b", "/x/y/b", True),
        ("/**/b", "/x/y/cb", False),
        ("/a/**/*.pid", "/a/x.pid", True),
        ("/a/**/*.pid", "/a/b/c/x.pid", True),
        ("/a/x**", "/a/xy/z", True),
        ("/a/*", "/a/line\nbreak", True),
        ("/a/**", "/a/line\nbreak/b\n", True),
        ("/a", "/a\n", False),
        ("/a/*", "/a/bad\udcff", True),
        # Nothing else is special.
        ("/a.b", "/aXb", False),
        ("/[ab]", "/a", False),
        ("/[z-a]", "/[z-a]", True),
        ("/(a|b)", "/(a|b)", True),
    ],
)
def test_stars_stay_in_a_directory_and_two_do_not(pattern: str, path: str, meant: bool) -> None:  # noqa: FBT001
    assert matches(pattern, path) is meant
