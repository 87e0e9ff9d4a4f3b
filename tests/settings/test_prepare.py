"""`prepare:`, what can be said and what is said about the rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kharness.settings.model import Settings

Complain = Callable[..., list[str]]
OWNER = "a uid, or user/NAME from the image's own files"
GROUP = "a gid, or group/NAME from the image's own files"
ONE = "contents: should say one of text, file and command"


def test_a_path_alone_is_a_directory(read: Callable[[str], Settings]) -> None:
    [entry] = read("prepare: [data/]").prepare
    assert (entry.path, entry.owner, entry.mode, entry.contents) == ("data", None, None, None)


def test_the_long_form_has_everything(read: Callable[[str], Settings]) -> None:
    text = "prepare: [{path: a//b/., owner: user/web, group: 012, mode: 0o2750}, {path: f, contents: 1.10}]"
    directory, file = read(text).prepare
    assert (directory.path, directory.owner, directory.group, directory.mode) == ("a/b", "user/web", "12", 0o2750)
    assert file.contents is not None
    assert file.contents.text == "1.10"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("''", ("", None, None)),
        ("{file: private.d/key}", (None, "private.d/key", None)),
        ("{command: make-key --bits 1}", (None, None, ("make-key", "--bits", "1"))),
    ],
)
def test_contents_come_from_one_place(read: Callable[[str], Settings], said: str, found: tuple[object, ...]) -> None:
    contents = read(f"prepare: [{{path: f, contents: {said}}}]").prepare[0].contents
    assert contents is not None
    assert (contents.text, contents.file, contents.command) == found


def test_the_directory_itself_and_a_named_volume_can_be_prepared(read: Callable[[str], Settings]) -> None:
    entries = read("volumes: [cache:/c]\nprepare: [., {path: ., volume: cache}]")
    assert [(entry.path, entry.volume) for entry in entries.prepare] == [(".", None), (".", "cache")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prepare: data", "prepare: should be a list, not 'data'"),
        ("prepare: {}", "prepare: should be a list, not a mapping"),
        ("prepare: [1]", "prepare[0]: should be a path, or a mapping with a path, not 1"),
        ("prepare: [{mode: 755}]", "prepare[0].path: is required"),
        ("prepare: [{path: x, uid: 3}]", "prepare[0].uid: unknown key"),
        ("prepare: ['']", "prepare[0].path: should not be empty"),
        ("prepare: [/data]", "prepare[0].path: should be a relative path, not '/data'"),
        ("prepare: [../x]", "prepare[0].path: should not leave the directory"),
        ("prepare: [a/../b]", "prepare[0].path: should be a path without '..'"),
        ("prepare: [~/x]",
         "prepare[0].path: should not begin with ~, whose home directory depends on who runs kharness"),
        ("prepare: [{path: x, owner: web}]", f"prepare[0].owner: should be {OWNER}, not 'web'"),
        ("prepare: [{path: x, owner: group/web}]", f"prepare[0].owner: should be {OWNER}, not 'group/web'"),
        ("prepare: [{path: x, owner: user/}]", f"prepare[0].owner: should be {OWNER}, not 'user/'"),
        ("prepare: [{path: x, owner: -1}]", f"prepare[0].owner: should be {OWNER}, not -1"),
        ("prepare: [{path: x, owner: 4294967295}]", f"prepare[0].owner: should be {OWNER}, not 4294967295"),
        ("prepare: [{path: x, group: true}]", f"prepare[0].group: should be {GROUP}, not true"),
        ("prepare: [{path: x, mode: 8}]", "prepare[0].mode: should be an octal mode such as 0o755, not 8"),
        ("prepare: [{path: x, volume: ./a}]", "prepare[0].volume: should be the name of a named volume, not './a'"),
        ("prepare: [{path: x, volume: cache}]",
         "prepare[0].volume: should be a named volume of volumes, not 'cache'"),
        ("prepare: [{path: x, contents: [a]}]",
         "prepare[0].contents: should be text, or a mapping with file or command, not a list"),
        ("prepare: [{path: x, contents: {}}]", f"prepare[0].{ONE}"),
        ("prepare: [{path: x, contents: {file: a, command: b}}]", f"prepare[0].{ONE}"),
        ("prepare: [{path: x, contents: {command: []}}]", f"prepare[0].{ONE}"),
        ("prepare: [{path: x, contents: {file: ../key}}]",
         "prepare[0].contents.file: should not leave the directory"),
        ("prepare: [{path: x, contents: }]",
         "prepare[0].contents: should have a value, not null; remove the key if its default is meant"),
        ("prepare: [{path: ., contents: x}]", "prepare[0].path: should be that of a file, not of the whole directory"),
        ("prepare: [a, a/]", "prepare[1].path: should be set once, it is that of prepare[0] already"),
        ("prepare: [a/b/c, {path: a, contents: x}]",
         "prepare[0].path: should not lie below a file, prepare[1] is one"),
        ("test: {prepare: [a]}", "test.prepare: does not belong below test, but at the top"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(complaints: Complain, text: str, message: str) -> None:
    assert complaints(text) == [message]


def test_a_secret_that_is_written_wrongly_is_not_shown(complaints: Complain) -> None:
    [line] = complaints("prepare: [{path: f, contents: 'pass$WORD'}]")
    assert "WORD" not in line
