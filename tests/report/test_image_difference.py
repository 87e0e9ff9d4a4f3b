from __future__ import annotations

from kharness.plan.image.difference import ImageChange
from kharness.report.image import section

FOUND = [
    ImageChange(what="/new", before=None, after="file"),
    ImageChange(what="/old", before="link", after=None),
    ImageChange(what="/mode", before="mode 0644", after="mode 0755"),
    ImageChange(what="/content", before="content", after="content"),
]


def test_each_difference_has_a_sign() -> None:
    assert [line.text for line in section("files", FOUND, most=None)] == [
        "files: 4",
        "  + /new file",
        "  - /old link",
        "  ~ /mode: mode 0644 -> mode 0755",
        "  ~ /content: content",
    ]


def test_what_is_too_much_is_counted() -> None:
    assert [line.text for line in section("files", FOUND, most=1)][1:] == [
        "  + /new file",
        "  ... and 3 more; --all shows them",
    ]


def test_nothing_is_no_section() -> None:
    assert list(section("files", [], most=None)) == []
