"""Watched paths of volumes, compared with what was recorded: pure tables."""

from __future__ import annotations

import stat
from typing import Any

import pytest

from kharness.plan.session.untouched import RECORD, Fingerprint
from kharness.plan.volumes.manifest import ManifestEntry, drifted_since, from_json, manifest_of, to_json

FILE = ManifestEntry(mode=stat.S_IFREG | 0o644, uid=0, gid=0, size=3, digest="aa")
LINK = ManifestEntry(mode=stat.S_IFLNK | 0o777, uid=0, gid=0, size=3, digest="bb")


def entry(**more: Any) -> ManifestEntry:
    said: dict[str, Any] = {"mode": FILE.mode, "uid": 0, "gid": 0, "size": 3, "digest": "aa"}
    return ManifestEntry(**{**said, **more})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (FILE, FILE, []),
        (None, FILE, ["/p: added, file, mode 644, owner 0:0, 3 bytes"]),
        (FILE, None, ["/p: removed, file"]),
        (FILE, LINK, ["/p: changed, link, file -> link, mode 777, owner 0:0"]),
        (FILE, entry(digest="cc"), ["/p: changed, file, mode 644, owner 0:0, 3 bytes"]),
        (FILE, entry(mode=stat.S_IFREG | 0o4755),
         ["/p: mode changed, set-uid, executable, file, mode 644 -> 4755"]),
        (FILE, entry(uid=5), ["/p: owner changed, file, owner 0:0 -> 5:0"]),
        (FILE, entry(uid=5, mode=stat.S_IFREG | 0o600), ["/p: mode changed, file, mode 644 -> 600, owner 0:0 -> 5:0"]),
    ],
)  # fmt: skip
def test_each_difference_is_told(
    before: ManifestEntry | None, after: ManifestEntry | None, expected: list[str]
) -> None:
    found = drifted_since({"/p": before} if before else {}, {"/p": after} if after else {})
    assert list(map(str, found)) == expected


def test_a_manifest_has_paths_of_the_container_and_neither_times_nor_inodes() -> None:
    def record(mode: int, inode: int, mtime: int) -> bytes:
        return RECORD.pack(mode, inode, 9, 1, 0, 0, 3, mtime)

    def taken(inode: int, mtime: int) -> dict[str, ManifestEntry]:
        listings = {"": ("f\udcff", record(FILE.mode, inode, mtime))}
        top = record(stat.S_IFDIR | 0o755, inode, mtime)
        return manifest_of("/data", Fingerprint(top=top, listings=listings, digests={"f\udcff": b"\xaa"}))

    assert taken(1, 1) == taken(2, 2)
    assert taken(1, 1) == {"/data": ManifestEntry(stat.S_IFDIR | 0o755, 0, 0, 0), "/data/f\udcff": FILE}
    assert manifest_of("/data", Fingerprint()) == {}


def test_it_is_kept_as_text_and_read_again() -> None:
    manifests = {"/a": {"/a/\udcff\n": FILE}, "/b": {}}
    assert from_json(to_json(manifests)) == manifests


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", '{"format": 2, "paths": {}}', '{"format": 1, "paths": {"/a": 3}}'),
        '{"format": 1, "paths": {"/a": {"/a/b": [1]}}}',
    ],
)
def test_what_is_no_manifest_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        from_json(text)
