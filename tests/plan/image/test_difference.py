from __future__ import annotations

from dataclasses import replace

import pytest

from kharness.plan.facts import ImageFacts, PortRef
from kharness.plan.image.difference import (
    APK,
    DPKG,
    FileEntry,
    ImageChange,
    changes,
    configuration_changes,
    file_changes,
    packages,
)

FILE = FileEntry(kind="file", mode=0o644, owner=(0, 0), content="aa")
LINK = FileEntry(kind="link", mode=0o777, owner=(0, 0), content="/bin/a")
STATUS = """\
Package: dnsmasq
Status: install ok installed
Version: 2.89-1
Description: small
 Package: not this

Package: gone
Status: deinstall ok config-files
Version: 1
"""
INSTALLED = "C:Q1x\nP:musl\nV:1.2.5-r0\nF:lib\nR:ld\n\nP:busybox\nV:1.36\n"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (FILE, replace(FILE, content="bb"), ("content", "content")),
        (FILE, replace(FILE, mode=0o4755), ("mode 0644", "mode 4755")),
        (FILE, replace(FILE, owner=(1, 2)), ("owner 0:0", "owner 1:2")),
        (FILE, replace(FILE, mode=0o600, content="bb"), ("mode 0644, content", "mode 0600, content")),
        (LINK, replace(LINK, content="/bin/b"), ("to /bin/a", "to /bin/b")),
        (FILE, LINK, ("file, mode 0644, content", "link, mode 0777, content")),
        (None, FILE, (None, "file")),
        (LINK, None, ("link", None)),
    ],
)
def test_what_differs_in_a_file_is_named(
    before: FileEntry | None, after: FileEntry | None, told: tuple[str | None, str | None]
) -> None:
    one = {"/x": before} if before else {}
    two = {"/x": after} if after else {}
    (found,) = file_changes(one, two)
    assert (found.what, found.before, found.after) == ("/x", *told)


def test_what_is_the_same_is_no_difference() -> None:
    assert file_changes({"/x": FILE}, {"/x": FILE}) == ()
    assert configuration_changes(ImageFacts(id="a", size=1), ImageFacts(id="b", size=2)) == ()


def test_configuration_and_foreign_labels_are_compared_and_our_own_are_not() -> None:
    before = ImageFacts(id="a", user="web", exposed=(PortRef(80),), labels={"kharness.digest": "1", "by": "me"})
    after = ImageFacts(id="b", exposed=(PortRef(80), PortRef(443)), labels={"kharness.digest": "2", "by": "you"})
    assert configuration_changes(before, after) == (
        ImageChange(what="user", before="web", after=None),
        ImageChange(what="exposed", before="80/tcp", after="80/tcp 443/tcp"),
        ImageChange(what="label by", before="me", after="you"),
    )


def test_packages_of_both_families_are_read() -> None:
    assert packages({DPKG: STATUS, APK: INSTALLED}) == {"dnsmasq": "2.89-1", "musl": "1.2.5-r0", "busybox": "1.36"}
    assert packages({}) == {}


def test_packages_that_came_went_and_changed() -> None:
    found = changes({"a": "1", "b": "1"}, {"b": "2", "c": "1"})
    assert [(each.what, each.before, each.after) for each in found] == [
        ("a", "1", None),
        ("b", "1", "2"),
        ("c", None, "1"),
    ]
