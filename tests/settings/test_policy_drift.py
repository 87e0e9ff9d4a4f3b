"""`drift:`, what can be said and what is said about the rest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import pytest

from kharness.settings.model import Settings
from kharness.settings.policy import Expected

Complain = Callable[..., list[str]]
PATTERN = "an absolute path in the container, in which * and ** may stand"
DAY = "a date such as 2027-03-01"


def test_a_path_alone_is_expected_for_ever_and_of_any_kind(read: Callable[[str], Settings]) -> None:
    [expected] = read("drift: {expect: [/var/log//**]}").drift.expect
    assert expected == Expected(path="/var/log/**")
    assert (expected.type, expected.max_size, expected.until, expected.reason) == (None, None, None, None)


def test_the_long_form_has_limits_and_an_end(read: Callable[[str], Settings]) -> None:
    [found] = read(
        "drift: {expect: [{path: /a, type: file, max_size: 64k, until: 2027-03-01, reason: a leap}]}"
    ).drift.expect
    assert found == Expected(path="/a", type="file", max_size=65536, until=date(2027, 3, 1), reason="a leap")


def test_a_day_of_a_program_is_taken_and_a_moment_is_not() -> None:
    assert Expected(path="/a", until=date(2027, 3, 1)).until == date(2027, 3, 1)
    with pytest.raises(ValueError, match="should be a date"):
        Expected(path="/a", until=datetime(2027, 3, 1))  # noqa: DTZ001


def test_paths_in_volumes_can_be_watched(read: Callable[[str], Settings]) -> None:
    text = "volumes: [./a:/a, cache:/b]\ndrift: {watch: [/a, /b/plugins/]}"
    assert read(text).drift.watch == ("/a", "/b/plugins")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drift: []", "drift: should be a mapping, not a list"),
        ("drift: {expects: []}", "drift.expects: unknown key, did you mean 'expect'?"),
        ("drift: {expect: /a}", "drift.expect: should be a list, not '/a'"),
        ("drift: {expect: [1]}",
         "drift.expect[0]: should be a path such as /var/log/**, or a mapping with a path, not 1"),
        ("drift: {expect: [{type: file}]}", "drift.expect[0].path: is required"),
        ("drift: {expect: [{path: /a, size: 1}]}", "drift.expect[0].size: unknown key, did you mean 'max_size'?"),
        ("drift: {expect: [var/log]}", f"drift.expect[0].path: should be {PATTERN}, not 'var/log'"),
        ("drift: {expect: [{path: 3}]}", f"drift.expect[0].path: should be {PATTERN}, not 3"),
        ("drift: {expect: [/a/../b]}", "drift.expect[0].path: should be a path without '..'"),
        ("drift: {expect: [/]}", "drift.expect[0].path: should be below /; /** is everything"),
        ("drift: {expect: [{path: /a, type: dir}]}",
         "drift.expect[0].type: should be one of file, directory, link, fifo, socket, device, not 'dir'"),
        ("drift: {expect: [{path: /a, max_size: big}]}",
         "drift.expect[0].max_size: should be a size such as 512m or 1gb, not 'big'"),
        ("drift: {expect: [{path: /a, until: 2027-02-30}]}",
         f"drift.expect[0].until: should be {DAY}, not '2027-02-30'"),
        ("drift: {expect: [{path: /a, until: 20270301}]}", f"drift.expect[0].until: should be {DAY}, not 20270301"),
        ("drift: {expect: [{path: /a, until: soon}]}", f"drift.expect[0].until: should be {DAY}, not 'soon'"),
        ("drift: {expect: [{path: /a, until: 2027-3-1}]}", f"drift.expect[0].until: should be {DAY}, not '2027-3-1'"),
        ("drift: {watch: [a]}", "drift.watch[0]: should be an absolute path, not 'a'"),
        ("volumes: [./a:/a]\ntmpfs: [/b]\ndrift: {watch: [/a/x, /b]}",
         ("drift.watch[1]: should be in a volume, and /b is in none; what is in the container's layer is always looked "
          "at")),
        ("drift: {expect: [{path: /a, reason: ''}]}", "drift.expect[0].reason: should not be empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(complaints: Complain, text: str, message: str) -> None:
    assert complaints(text) == [message]
