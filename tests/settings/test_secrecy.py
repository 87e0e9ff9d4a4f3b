"""What is wrong with a value that may be a secret is said without the value."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Complain = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            "environment: {PASSWORD: }",
            [
                ("environment.PASSWORD: should have a value; kharness passes nothing on from its own environment "
                '(write "" for no text)')
            ],
        ),
        (
            "environment: [hunter2]",
            [
                ("environment[0]: should have a value; kharness passes nothing on from its own environment "
                '(write "" for no text)')
            ],
        ),
        (
            "environment: {PASSWORD: null}",
            [
                ("environment.PASSWORD: should have a value; kharness passes nothing on from its own environment "
                '(write "" for no text)')
            ],
        ),
        ("environment: {PASSWORD: [hunter2]}", ["environment.PASSWORD: should be text, not a list"]),
        (
            "environment: {PASSWORD: $hunter2}",
            ["environment.PASSWORD: should be without variables; write the value, or $$ for a dollar sign"],
        ),
        (
            "test: {environment: ['A=${hunter2}']}",
            ["test.environment[0]: should be without variables; write the value, or $$ for a dollar sign"],
        ),
        ("environment: PASSWORD=hunter2", ["environment: should be a mapping, or a list of NAME=VALUE"]),
        ("environment: [=hunter2]", ["environment[0]: should have a name without spaces before the '='"]),
        ("environment: {PASS WORD=hunter2: x}",
         ["environment.PASS WORD: should have a name without spaces before the '='"]),
        ("build: {args: {A: [hunter2]}}", ["build.args.A: should be text, not a list"]),
        ("environment: {A: *hunter2}",
         ["line 1: should be quoted if it is text; '*' begins an alias, and no such anchor is set"]),
        ("environment: {A: !hunter2 x}", ["line 1: should not have a tag of its own"]),
        ("environment: {A: 'hunter2}", ["line 1: should have its quotes closed"]),
        ("environment: {A: hunter2, A: hunter3}", ["environment.A: should be set once, it is in line 1 already"]),
    ],
)  # fmt: skip
def test_a_value_of_the_environment_is_never_shown(complaints: Complain, text: str, messages: list[str]) -> None:
    assert complaints(text) == messages
    assert "hunter" not in "".join(messages)
