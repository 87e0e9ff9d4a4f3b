"""Volumes and tmpfs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kharness.settings.model import Settings
from kharness.settings.volumes import TestMount, Tmpfs, Volume

Read = Callable[[str], Settings]


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        ("./data:/data", Volume(type="bind", source="./data", target="/data")),
        ("data/sub:/data/", Volume(type="bind", source="data/sub", target="/data")),
        (".:/data", Volume(type="bind", source=".", target="/data")),
        (".hidden:/data", Volume(type="bind", source=".hidden", target="/data")),
        ("./a/../b:/data", Volume(type="bind", source="b", target="/data")),
        ("/rw/dv/../../etc:/data", Volume(type="bind", source="/etc", target="/data")),
        ("//rw/dv/x/:/data", Volume(type="bind", source="/rw/dv/x", target="/data")),
        ("/srv/x:/x", Volume(type="bind", source="/srv/x", target="/x")),
        ("/srv/x:/x:ro", Volume(type="bind", source="/srv/x", target="/x", read_only=True)),
        ("/srv/x:/x:rw", Volume(type="bind", source="/srv/x", target="/x")),
        ("/srv/x:/x:z", Volume(type="bind", source="/srv/x", target="/x")),
        ("/srv/x:/x:ro,Z", Volume(type="bind", source="/srv/x", target="/x", read_only=True)),
        ("/srv/x:/x:rslave", Volume(type="bind", source="/srv/x", target="/x", propagation="rslave")),
        ("named:/x", Volume(type="volume", source="named", target="/x")),
        ("na.m-ed_1:/x:ro", Volume(type="volume", source="na.m-ed_1", target="/x", read_only=True)),
        ("named:/x:nocopy", Volume(type="volume", source="named", target="/x", nocopy=True)),
        ("/x", Volume(type="volume", target="/x")),
        ("/x:ro", Volume(type="volume", target="/x", read_only=True)),
    ],
)
def test_a_volume_s_short_form_is_compose_s(read: Read, text: str, volume: Volume) -> None:
    assert read(f"volumes: ['{text}']").volumes == (volume,)


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        (
            "{type: bind, source: ./d, target: /d, read_only: true}",
            Volume(type="bind", source="./d", target="/d", read_only=True),
        ),
        (
            "{type: bind, source: /d, target: /d, bind: {propagation: rshared, create_host_path: false}}",
            Volume(type="bind", source="/d", target="/d", propagation="rshared", create_host_path=False),
        ),
        (
            "{type: volume, source: named, target: /d, volume: {nocopy: true}}",
            Volume(type="volume", source="named", target="/d", nocopy=True),
        ),
        ("{type: volume, target: /d}", Volume(type="volume", target="/d")),
        (
            "{type: tmpfs, target: /d, tmpfs: {size: 64m, mode: 0o700}}",
            Volume(type="tmpfs", target="/d", size=64 << 20, mode=0o700),
        ),
        *(
            (
                f"{{type: bind, source: data, target: /d, test: {mount}}}",
                Volume(type="bind", source="data", target="/d", test=mount),
            )
            for mount in TestMount
        ),
    ],
)
def test_a_volume_s_long_form_is_compose_s_and_says_what_a_test_gets(read: Read, text: str, volume: Volume) -> None:
    allowed = "\ntest: {same: [/d]}" if volume.test is TestMount.SAME else ""
    assert read(f"volumes: [{text}]{allowed}").volumes == (volume,)


@pytest.mark.parametrize(
    ("text", "tmpfs"),
    [
        ("/run", (Tmpfs(target="/run"),)),
        ("[/run, /tmp]", (Tmpfs(target="/run"), Tmpfs(target="/tmp"))),
        ("'/run:size=64m,mode=1777'", (Tmpfs(target="/run", size=64 << 20, mode=0o1777),)),
        ("['/run:mode=755,uid=5,noexec']", (Tmpfs(target="/run", mode=0o755, options=("uid=5", "noexec")),)),
        ("'/run:size=50%'", (Tmpfs(target="/run", options=("size=50%",)),)),
        ("[]", ()),
    ],
)
def test_a_tmpfs_is_a_target_with_options(read: Read, text: str, tmpfs: tuple[Tmpfs, ...]) -> None:
    assert read(f"tmpfs: {text}").tmpfs == tmpfs


def test_a_tmpfs_that_was_not_said_is_not_an_empty_list(read: Read) -> None:
    assert read("{}").tmpfs is None
