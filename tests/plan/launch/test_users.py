"""How a user or group is resolved by the files of an image."""

from __future__ import annotations

import pytest

from kharness.plan.launch.users import is_numeric, resolve_group, resolve_user

PASSWD = "# web:x:1:1\nroot:x:0:0::/root:/bin/sh\nweb:x:?:9:\n\nweb:x:101:102:,,:/:/sbin/nologin\n"


GROUP = "root:x:0:\n+\nwww:x:many:\nweb:x:102:\nwww:x:33:web\n"


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("", (0, 0)),
        ("web", (101, 102)),
        ("101", (101, 102)),
        ("500", (500, 0)),
        ("web:www", (101, 33)),
        ("500:600", (500, 600)),
        ("nobody", None),
        ("web:nogroup", None),
    ],
)
def test_a_user_is_resolved_by_the_images_own_files(user: str, found: tuple[int, int] | None) -> None:
    assert resolve_user(user, passwd=PASSWD, group=GROUP) == found


@pytest.mark.parametrize(("name", "gid"), [("www", 33), ("44", 44), ("nobody", None), ("", None)])
def test_a_group_is_resolved_by_the_images_own_file(name: str, gid: int | None) -> None:
    assert resolve_group(name, group=GROUP) == gid


@pytest.mark.parametrize(
    ("user", "numeric"), [("", True), ("0", False), ("0:0", True), ("web", False), ("web:0", False), ("1:web", False)]
)
def test_a_user_of_numbers_needs_no_file(user: str, *, numeric: bool) -> None:
    assert is_numeric(user) is numeric
