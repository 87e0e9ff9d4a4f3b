"""The manifest of a backup, and what stands in the way of putting it back."""

from __future__ import annotations

import json

import pytest

from kharness.plan.volumes.backup import FORMAT, BackupManifest, Omitted, Part, PartKind, refusals_to_restore

MANIFEST = BackupManifest(
    format=FORMAT,
    kharness="0.2.0",
    project="shop",
    name="web",
    at=1.5,
    image="sha256:1",
    digests=("r/web@sha256:2",),
    release=7,
    root=(0, 0),
    moment="web was paused for 0.10 s",
    parts=(Part(file="volumes/1.tar", kind=PartKind.ANONYMOUS, targets=("/a", "/b"), source="/x", name="n", bytes=5),),
    omitted=(Omitted(target="/c", source="/etc", why="is not below DV"),),
)


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert BackupManifest.from_json(MANIFEST.to_json()) == MANIFEST
    assert MANIFEST.bytes == 5


@pytest.mark.parametrize(
    "text", ["[]", "{}", "{", '{"format": 1, "root": [0, 0], "parts": [{}]}', '{"format": "x"}', '{"format": 99}']
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own, or ours
        BackupManifest.from_json(text)


def test_a_later_format_is_named() -> None:
    text = json.dumps({"format": FORMAT + 1})
    with pytest.raises(ValueError, match=f"its format is {FORMAT + 1}, and this kharness knows {FORMAT}"):
        BackupManifest.from_json(text)


@pytest.mark.parametrize(
    ("name", "project", "root", "foreign", "expected"),
    [
        ("web", "shop", (0, 0), False, []),
        ("db", "shop", (0, 0), False, ["it is of web of project 'shop'; --foreign"]),
        ("web", "farm", (0, 0), False, ["it is of web of project 'shop'; --foreign"]),
        ("db", "farm", (0, 0), True, []),
        ("web", "shop", (5, 6), True, ["root in containers was 0:0 on the host of the backup, and is 5:6 here"]),
    ],
)
def test_what_is_not_this_container_s_is_refused(
    name: str, project: str, root: tuple[int, int], *, foreign: bool, expected: list[str]
) -> None:
    found = list(refusals_to_restore(MANIFEST, name=name, project=project, root=root, foreign=foreign))
    assert len(found) == len(expected)
    assert all(said.startswith(start) for said, start in zip(found, expected, strict=True))
