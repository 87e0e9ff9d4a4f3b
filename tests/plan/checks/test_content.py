"""Layers over each other: what is left, what is hidden, and what a lower layer still keeps."""

from __future__ import annotations

import stat
from dataclasses import replace

import pytest

from kharness.plan.checks.content import Content, ImageLayer, LayerEntry, LeakedSecret, administrators, content_of
from kharness.settings.policy import Allow, Policy
from tests.plan.checks.given import CONTENT, found

FILE, DIRECTORY, LINK = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777
SUID = stat.S_IFREG | 0o4755
KEY = LeakedSecret("a private key", "/d/key")


def layer(*entries: tuple[str, int], **more: object) -> ImageLayer:
    return ImageLayer(entries=tuple(LayerEntry(path, mode) for path, mode in entries), **more)  # type: ignore[arg-type]


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
    upper: ImageLayer, set_uid: tuple[str, ...], secrets: tuple[LeakedSecret, ...], lost: tuple[LeakedSecret, ...]
) -> None:
    content = content_of([LOWER, upper])
    assert (content.set_uid, content.secrets, content.lost) == (set_uid, secrets, lost)


def test_a_file_that_is_removed_and_made_again_exists() -> None:
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
def test_world_writable_files_are_found(path: str, mode: int, *, told: bool) -> None:
    assert bool(content_of([layer((path, mode))]).world_writable) is told


@pytest.mark.parametrize("path", ["/sbin/apk", "/usr/bin/apt-get", "/usr/bin/dpkg", "/usr/bin/rpm", "/bin/opkg"])
def test_a_package_manager_is_found_by_its_name_and_directory(path: str) -> None:
    assert content_of([layer((path, FILE))]).managers == (path,)
    assert content_of([layer((f"/usr/share/doc{path}", FILE))]).managers == ()
    assert content_of([layer((path, LINK))]).managers == ()


def test_a_program_with_file_capabilities_counts_as_set_uid() -> None:
    assert content_of([ImageLayer(entries=(LayerEntry("/bin/x", FILE, capable=True),))]).set_uid == ("/bin/x",)


def test_a_set_gid_directory_or_link_does_not_count_as_set_uid() -> None:
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


def test_an_image_without_layers_has_no_files() -> None:
    assert content_of([]) == Content(files=0)


@pytest.mark.parametrize(
    ("identifier", "evidence", "allow"),
    [
        ("KH303", replace(CONTENT, set_uid=("/bin/ping",)), Allow(set_uid=("/bin/ping",))),
        ("KH304", replace(CONTENT, world_writable=("/data",)), Allow(world_writable=("/data",))),
        ("KH307", replace(CONTENT, secrets=(LeakedSecret("a private key", "/t/a.pem"),)), Allow(secrets=("/t/*.pem",))),
    ],
)
def test_a_declared_file_is_accepted(identifier: str, evidence: Content, allow: Allow) -> None:
    assert found(identifier, evidence)
    assert found(identifier, evidence, Policy(allow=allow)) == []


def test_a_linked_passwd_is_a_finding() -> None:
    assert found("KH301", replace(CONTENT, passwd=None)) == [
        "/etc/passwd is not a plain file, so its accounts cannot be checked"
    ]
