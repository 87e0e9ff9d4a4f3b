"""Layers over each other: what is left, what is hidden, and what a lower layer still keeps."""

from __future__ import annotations

import stat

import pytest

from kharness.plan.evidence.content import Content, Entry, Layer, Secret, administrators, content_of

FILE, DIRECTORY, LINK = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777
SUID = stat.S_IFREG | 0o4755
KEY = Secret("a private key", "/d/key")


def layer(*entries: tuple[str, int], **more: object) -> Layer:
    return Layer(entries=tuple(Entry(path, mode) for path, mode in entries), **more)  # type: ignore[arg-type]


LOWER = layer(("/d", DIRECTORY), ("/d/su", SUID), ("/d/key", FILE), secrets=(KEY,))


@pytest.mark.parametrize(
    ("upper", "set_uid", "secrets", "lost"),
    [
        (layer(("/x", FILE)), ("/d/su",), (KEY,), ()),
        (layer(removed=("/d/su",)), (), (KEY,), ()),
        (layer(removed=("/d/key",)), ("/d/su",), (), (KEY,)),
        (layer(removed=("/d",)), (), (), (KEY,)),
        (layer(("/d", DIRECTORY), emptied=("/d",)), (), (), (KEY,)),
        (layer(("/d", DIRECTORY)), ("/d/su",), (KEY,), ()),
        (layer(("/d", LINK)), (), (), (KEY,)),
        (layer(("/d", DIRECTORY), ("/d/su", FILE), ("/d/key", FILE)), (), (), (KEY,)),
        (layer(("/d/key", FILE), secrets=(KEY,)), ("/d/su",), (KEY,), (KEY,)),
    ],
)
def test_an_upper_layer_hides_and_a_lower_one_keeps(
    upper: Layer, set_uid: tuple[str, ...], secrets: tuple[Secret, ...], lost: tuple[Secret, ...]
) -> None:
    content = content_of([LOWER, upper])
    assert (content.set_uid, content.secrets, content.lost) == (set_uid, secrets, lost)


def test_what_is_removed_and_made_again_is_there() -> None:
    content = content_of([LOWER, layer(removed=("/d",)), layer(("/d", DIRECTORY), ("/d/su", SUID))])
    assert content.set_uid == ("/d/su",)
    assert content.files == 2


@pytest.mark.parametrize(
    ("path", "mode", "told"),
    [
        ("/tmp", stat.S_IFDIR | 0o1777, False),
        ("/tmp", stat.S_IFDIR | 0o777, True),
        ("/data", stat.S_IFDIR | 0o1777, True),
        ("/data", stat.S_IFREG | 0o666, True),
        ("/data", stat.S_IFREG | 0o664, False),
        ("/data", LINK, False),
        ("/dev/null", stat.S_IFCHR | 0o666, False),
        ("/dev", stat.S_IFDIR | 0o777, False),
    ],
)
def test_what_anybody_may_write_to(path: str, mode: int, *, told: bool) -> None:
    assert bool(content_of([layer((path, mode))]).world_writable) is told


@pytest.mark.parametrize("path", ["/sbin/apk", "/usr/bin/apt-get", "/usr/bin/dpkg", "/usr/bin/rpm", "/bin/opkg"])
def test_a_package_manager_is_known_by_its_name_and_place(path: str) -> None:
    assert content_of([layer((path, FILE))]).managers == (path,)
    assert content_of([layer((f"/usr/share/doc{path}", FILE))]).managers == ()
    assert content_of([layer((path, LINK))]).managers == ()


def test_a_program_with_capabilities_of_its_own_runs_as_another() -> None:
    assert content_of([Layer(entries=(Entry("/bin/x", FILE, capable=True),))]).set_uid == ("/bin/x",)


def test_a_set_gid_directory_or_link_runs_as_nobody() -> None:
    assert content_of([layer(("/a", stat.S_IFDIR | 0o2755), ("/b", stat.S_IFLNK | 0o4777))]).set_uid == ()


def test_the_topmost_accounts_count() -> None:
    lower = layer(("/etc/passwd", FILE), passwd="root:x:0:0::/:/bin/sh\n")
    upper = layer(("/etc/passwd", FILE), passwd="web:x:1:1::/:/bin/sh\n")
    assert content_of([lower]).passwd == lower.passwd
    assert content_of([lower, upper]).passwd == upper.passwd
    assert content_of([lower, layer(("/etc/passwd", LINK))]).passwd is None
    assert content_of([lower, layer(removed=("/etc/passwd",))]).passwd == ""


def test_uid_0_is_root_by_any_name() -> None:
    text = "root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\nzero:x:00:0::/:/bin/sh\nweb:x:10:0::/:/bin/sh\nodd\n\n"
    assert administrators(text) == ("root", "toor", "zero")


def test_no_layer_is_no_file() -> None:
    assert content_of([]) == Content(files=0)
