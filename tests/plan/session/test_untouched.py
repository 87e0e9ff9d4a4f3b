"""What differs between two fingerprints, and which of it a writer explains: pure tables."""

from __future__ import annotations

import os
import stat
from typing import Any

import pytest

from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.life import Identity, crashed_again, difference, identity, keeps_crashing
from kharness.plan.session.untouched import RECORD, Fingerprint, PathChange, differences, explained, reach, shown, told

SECOND = 1_000_000_000
FILE: dict[str, int] = {
    "mode": stat.S_IFREG | 0o644,
    "inode": 5,
    "device": 9,
    "links": 1,
    "uid": 0,
    "gid": 0,
    "size": 3,
    "mtime": 5 * SECOND,
}
DIRECTORY = FILE | {"mode": stat.S_IFDIR | 0o755, "links": 2, "size": 4096}


def tree(entries: dict[str, dict[str, int]], **more: Any) -> Fingerprint:
    """Make the fingerprint of a directory with these entries, paths below its top."""
    by_directory: dict[str, dict[str, bytes]] = {"": {}}
    for path, said in entries.items():
        parent, _, name = path.rpartition("/")
        by_directory.setdefault(parent, {})[name] = RECORD.pack(*said.values())
        if stat.S_ISDIR(said["mode"]):
            by_directory.setdefault(path, {})
    listings = {path: ("/".join(found), b"".join(found.values())) for path, found in by_directory.items()}
    return Fingerprint(**{"top": RECORD.pack(*DIRECTORY.values()), "listings": listings, **more})


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("file -> link", {"mode": stat.S_IFLNK | 0o644}),
        ("file -> type 0", {"mode": 0o644}),
        ("mode 644 -> 4755", {"mode": stat.S_IFREG | 0o4755}),
        ("owner 0:0 -> 1000:0", {"uid": 1000}),
        ("owner 0:0 -> 0:1000", {"gid": 1000}),
        ("size 3 -> 5", {"size": 5}),
        ("mtime 1970-01-01T00:00:05.000000000Z -> 1970-01-01T00:00:05.000000001Z", {"mtime": 5 * SECOND + 1}),
        ("mtime 1970-01-01T00:00:05.000000000Z -> 1969-12-31T23:59:59.999999999Z", {"mtime": -1}),
        ("mtime 1970-01-01T00:00:05.000000000Z -> 2262-04-11T23:47:16.854775807Z", {"mtime": 2**63 - 1}),
        ("links 1 -> 2", {"links": 2}),
        ("inode 5 -> 18446744073709551615", {"inode": 2**64 - 1}),
        ("device 9 -> 10", {"device": 10}),
        ("owner 0:0 -> 7:8, size 3 -> 0", {"uid": 7, "gid": 8, "size": 0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_attribute_is_named_with_what_it_was_and_is(what: str, change: dict[str, int]) -> None:
    found = differences(tree({"a": FILE}), tree({"a": FILE | change}))
    assert found == (PathChange("a", "changed", what),)


@pytest.mark.parametrize("change", [{"links": 3}, {"size": 8192}], ids=str)
def test_how_large_a_directory_is_is_the_file_system_s_business(change: dict[str, int]) -> None:
    assert differences(tree({"a": DIRECTORY}), tree({"a": DIRECTORY | change})) == ()


def test_the_order_in_which_a_directory_is_listed_says_nothing() -> None:
    assert differences(tree({"a": FILE, "b": DIRECTORY}), tree({"b": DIRECTORY, "a": FILE})) == ()


def test_what_came_and_went_is_named_with_all_that_is_in_it_and_sorted() -> None:
    before = tree({"old": DIRECTORY, "old/file": FILE, "same": FILE})
    after = tree({"same": FILE, "new": FILE})
    found = differences(before, after)
    assert [(each.kind, each.path) for each in found] == [("added", "new"), ("removed", "old"), ("removed", "old/file")]
    assert [str(each) for each in found] == ["new: added", "old: removed", "old/file: removed"]


def test_a_directory_that_became_a_file_has_lost_what_was_in_it() -> None:
    found = differences(tree({"a": DIRECTORY, "a/b": FILE}), tree({"a": FILE}))
    assert [(each.kind, each.path) for each in found] == [("changed", "a"), ("removed", "a/b")]
    assert found[0].what.startswith("directory -> file")


def test_the_top_counts_and_a_tree_that_is_gone_is_removed_as_a_whole() -> None:
    before = tree({"a": FILE})
    found = differences(before, Fingerprint())
    assert [(each.kind, each.path) for each in found] == [("removed", "."), ("removed", "a")]
    top = RECORD.pack(*(DIRECTORY | {"uid": 5}).values())
    assert differences(before, tree({"a": FILE}, top=top)) == (PathChange(".", "changed", "owner 0:0 -> 5:0"),)
    assert (before.entries, Fingerprint().entries) == (2, 0)


def test_content_and_attributes_of_one_entry_are_one_difference() -> None:
    before = tree({"a": FILE, "b": FILE}, digests={"a": b"1", "b": b"2"})
    after = tree({"a": FILE | {"size": 4}, "b": FILE}, digests={"a": b"3", "b": b"4"})
    assert differences(before, after) == (
        PathChange("a", "changed", "size 3 -> 4, content"),
        PathChange("b", "changed", "content"),
    )


def test_what_nobody_could_read_is_not_said_to_be_gone_but_its_own_attributes_count() -> None:
    before = tree({"a": DIRECTORY, "a/b": DIRECTORY, "a/b/c": FILE, "aa": FILE}, digests={"aa": b"1"})
    closed = DIRECTORY | {"mode": stat.S_IFDIR}
    after = tree({"a": closed, "aa": FILE}, unread={"a": "Permission denied"})
    assert differences(before, after) == (PathChange("a", "changed", "mode 755 -> 0"),)
    assert differences(before, Fingerprint(unread={"": "Permission denied"})) == ()
    assert differences(Fingerprint(unread={"": "Permission denied"}), before) == ()


@pytest.mark.parametrize(
    ("source", "below"),
    [
        ("/dv/web/data", ""),
        ("/dv/web", ""),
        ("/", ""),
        ("/dv/web/data/sub/deep", "sub/deep"),
        ("/dv/web/data2", None),
        ("/dv/web/dat", None),
        ("/srv", None),
    ],
)
def test_who_mounts_a_part_may_write_there_alone(source: str, below: str | None) -> None:
    assert reach(source, "/dv/web/data") == below


def test_differences_are_explained_where_somebody_may_write_and_nowhere_else() -> None:
    found = tuple(PathChange(path, "added") for path in (".", "a", "a/b", "ab", "c"))
    assert [each.path for each in explained(found, ["a"])] == ["a", "a/b"]
    assert explained(found, ["a", ""]) == found
    assert explained(found, []) == ()


def test_a_text_names_five_paths_and_counts_the_others() -> None:
    found = [PathChange(f"f{number}", "added") for number in range(1240)]
    assert told("/dv", found).splitlines() == [
        "/dv: 1,240 paths differ",
        *(f"f{number}: added" for number in range(5)),
        "and 1,235 more",
    ]
    assert told("/dv", found[:1]) == "/dv: 1 path differs\nf0: added"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("plain/é name", "plain/é name"),
        ("new\nline\x1b[2J", "new\\nline\\x1b[2J"),
        (os.fsdecode(b"bad-\xff"), "bad-\\xff"),
        ("right\u202eleft", "right\\u202eleft"),
    ],
)
def test_a_path_is_one_line_that_every_terminal_takes(path: str, text: str) -> None:
    assert shown(path) == text


CONTAINER = Identity(id="sha256:" + "a" * 64, started_at="T1", restart_count=0)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, None, ""),
        (CONTAINER, CONTAINER, ""),
        (None, CONTAINER, "appeared"),
        (CONTAINER, None, "was removed"),
        (
            CONTAINER,
            Identity(id="b" * 64, started_at="T1", restart_count=0),
            f"was replaced ({'a' * 12} -> {'b' * 12})",
        ),
        (CONTAINER, Identity(id=CONTAINER.id, started_at="T2", restart_count=0), "was restarted (started T1 -> T2)"),
        (
            CONTAINER,
            Identity(id=CONTAINER.id, started_at="T2", restart_count=3),
            "was restarted by the engine (restarts 0 -> 3)",
        ),
    ],
)
def test_what_happened_to_a_container_is_said(before: Identity | None, after: Identity | None, said: str) -> None:
    assert difference(before, after) == said


def test_a_container_is_known_by_id_start_and_restarts() -> None:
    facts = ContainerFacts(id="1", name="web", image_id="2", started_at="T1", restart_count=4, state="exited")
    assert identity(facts) == Identity(id="1", started_at="T1", restart_count=4)


@pytest.mark.parametrize(
    ("state", "restarts", "since", "expected"),
    [
        ("running", 0, 5, False),
        ("running", 1, 5, True),
        ("running", 300, 11, True),
        ("running", 300, 86_400, False),
        ("restarting", 0, 5, True),
        ("restarting", 7, 86_400, True),
        ("exited", 7, 5, False),
    ],
)
def test_what_the_engine_restarted_lately_keeps_crashing(
    state: str, restarts: int, since: int, *, expected: bool
) -> None:
    facts = ContainerFacts(
        id="1", name="web", image_id="i", state=state, restart_count=restarts, started_at="1970-01-01T00:00:10Z"
    )
    assert keeps_crashing(facts, now=10.0 + since) is expected


def test_only_another_restart_of_the_same_container_is_another_crash() -> None:
    again = Identity(id=CONTAINER.id, started_at="T2", restart_count=1)
    assert crashed_again(CONTAINER, again)
    assert not crashed_again(again, CONTAINER)
    assert not crashed_again(CONTAINER, Identity(id="b" * 64, started_at="T2", restart_count=1))
    assert not crashed_again(CONTAINER, None)
    assert not crashed_again(None, again)
