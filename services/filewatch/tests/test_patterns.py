from __future__ import annotations

import pytest
from filewatch.patterns import Kind, parse_pattern


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("/a", Kind.EXACT),
        ("/a/b c/ü", Kind.EXACT),
        ("/a/*", Kind.GLOB),
        ("/a?/b", Kind.GLOB),
        ("/a/[ab]", Kind.GLOB),
        ("/a/**/b", Kind.GLOB),
        ("/a/{NEWEST}", Kind.NEWEST),
        ("/{NEWEST}", Kind.NEWEST),
        ("/*/x/{NEWEST}", Kind.NEWEST),
        ("/a/{newest}", Kind.EXACT),
    ],
)
def test_a_pattern_says_by_its_text_what_it_is(text: str, kind: Kind) -> None:
    assert parse_pattern(text).kind is kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "absolute"),
        ("a/b", "absolute"),
        ("/", "absolute"),
        ("/a\0b", "absolute"),
        ("/a/", "needless"),
        ("//a", "needless"),
        ("/a/../b", "as '/b'"),
        ("/a/{NEWEST}/b", "last part"),
        ("/a/x{NEWEST}", "last part"),
        ("/a/{NEWEST}{NEWEST}", "last part"),
        ("/a/**", "name of files"),
        ("/a/**/b/**/c", "at most one"),
        ("/a/x**/c", "at most one"),
        ("/a/\ud800", "locale"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused_with_what_it_should_be(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_pattern(text)


@pytest.mark.parametrize(
    ("text", "path", "fits"),
    [
        ("/a/*", "/a/b", True),
        ("/a/*", "/a/.b", False),
        ("/a/.*", "/a/.b", True),
        ("/a/*", "/a/b/c", False),
        ("/a/*", "/a", False),
        ("/a/**/c", "/a/c", True),
        ("/a/**/c", "/a/b/b/c", True),
        ("/a/**/c", "/a/.b/c", False),
        ("/a/**/*.log", "/a/b/c.log", True),
        ("/a/**/*.log", "/a/b/c.txt", False),
        ("/a/[!x]", "/a/y", True),
        ("/a/[!x]", "/a/x", False),
        ("/a/B*", "/a/b", False),
    ],
)
def test_a_glob_fits_as_in_a_shell(text: str, path: str, *, fits: bool) -> None:
    assert parse_pattern(text).matches(path) is fits
