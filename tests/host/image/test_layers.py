"""The archive of an image, in the forms that engines write it, and broken."""

from __future__ import annotations

import gzip
import io
import json
import stat
import tarfile
from collections.abc import Callable, Mapping
from functools import partial

import pytest

from kharness.errors import UnseenError
from kharness.host.image.layers import read_layers
from kharness.plan.checks.content import ImageLayer, LayerEntry, LeakedSecret, content_of

KEY = b"-----BEGIN PRIVATE KEY-----\n" + b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w\n" * 3


def tar(write: Callable[[tarfile.TarFile], None]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        write(archive)
    return buffer.getvalue()


def add(archive: tarfile.TarFile, name: str, content: bytes = b"", **said: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in said.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(content))


def saved(layers: Mapping[str, bytes], *, order: list[str] | None = None) -> bytes:
    def write(archive: tarfile.TarFile) -> None:
        for name, content in layers.items():
            add(archive, name, content)
        add(archive, "config.json", b'{"architecture": "amd64"}' + b" " * 2000)
        add(archive, "manifest.json", json.dumps([{"Layers": order or list(layers)}]).encode())

    return tar(write)


def read(archive: bytes, size: int = 700) -> tuple[ImageLayer, ...]:
    return read_layers(iter([archive[at : at + size] for at in range(0, len(archive), size)]))


def lower(archive: tarfile.TarFile) -> None:
    add(archive, "bin/", type=tarfile.DIRTYPE, mode=0o755)
    add(archive, "./bin/su", b"x", mode=0o4755)
    add(archive, "bin/su2", type=tarfile.LNKTYPE, linkname="bin/su", mode=0o644)
    add(archive, "bin/sh", type=tarfile.SYMTYPE, linkname="busybox", mode=0o777)
    add(archive, "etc/passwd", b"root:x:0:0::/:/bin/sh\n", mode=0o644)
    add(archive, "key", KEY, mode=0o600)
    add(archive, "key2", type=tarfile.LNKTYPE, linkname="key")
    add(archive, "odd\udcff\nname", b"x", mode=0o644)


def upper(archive: tarfile.TarFile) -> None:
    add(archive, ".wh.key")
    add(archive, "d/.wh..wh..opq")
    add(archive, "d/new", b"x", mode=0o644)


@pytest.mark.parametrize("size", [1, 511, 10_000_000])
def test_a_layer_is_read_in_whatever_pieces_it_comes(size: int) -> None:
    [layer] = read(saved({"1/layer.tar": tar(lower)}), size)
    assert LayerEntry("/bin/su", stat.S_IFREG | 0o4755) in layer.entries
    assert LayerEntry("/bin/su2", stat.S_IFREG | 0o4755) in layer.entries
    assert LayerEntry("/bin/sh", stat.S_IFLNK | 0o777) in layer.entries
    assert "/odd\udcff\nname" in {entry.path for entry in layer.entries}
    assert layer.secrets == (LeakedSecret("a private key", "/key"), LeakedSecret("a private key", "/key2"))
    assert layer.passwd == "root:x:0:0::/:/bin/sh\n"


def test_layers_come_in_the_manifest_s_order_and_tell_what_they_remove() -> None:
    layers = read(saved({"2/layer.tar": tar(upper), "1/layer.tar": tar(lower)}, order=["1/layer.tar", "2/layer.tar"]))
    assert layers[1].removed == ("/key",)
    assert layers[1].emptied == ("/d",)
    content = content_of(layers)
    assert content.lost == (LeakedSecret("a private key", "/key"),)
    assert content.secrets == (LeakedSecret("a private key", "/key2"),)


def test_a_layer_may_be_compressed_and_named_by_its_digest() -> None:
    name = "blobs/sha256/" + "a" * 64
    [layer] = read(saved({name: gzip.compress(tar(lower))}))
    assert layer.passwd


def test_a_compressed_layer_may_have_several_members() -> None:
    whole = tar(lower)
    parts = b"".join(gzip.compress(whole[at : at + 1000]) for at in range(0, len(whole), 1000))
    assert read(saved({"1/layer.tar": parts})) == read(saved({"1/layer.tar": whole}))


def test_a_secret_is_found_wherever_in_a_file_it_lies() -> None:
    for before in (0, 9 << 20, (8 << 20) + (64 << 10) - 30):
        content = tar(partial(add, name="dump.sql", content=b"x" * before + KEY + b"y" * 100))
        [layer] = read(saved({"1/layer.tar": content}), 1 << 20)
        assert layer.secrets == (LeakedSecret("a private key", "/dump.sql"),)


@pytest.mark.parametrize(
    "name",
    ["usr/lib/python3/dist-packages/x/tests/a.pem", "app/node_modules/x/test/key.pem", "usr/share/doc/x/key.pem"],
)
def test_what_a_package_brings_for_its_own_tests_is_nobodys_secret(name: str) -> None:
    [layer] = read(saved({"1/layer.tar": tar(lambda archive: add(archive, name, KEY))}))
    assert layer.secrets == ()


def test_a_file_s_own_capabilities_are_seen() -> None:
    def write(archive: tarfile.TarFile) -> None:
        archive.format = tarfile.PAX_FORMAT
        add(archive, "bin/ping", b"x", pax_headers={"SCHILY.xattr.security.capability": "caps"})

    [layer] = read(saved({"1/layer.tar": tar(write)}))
    assert [entry.capable for entry in layer.entries] == [True]


def test_names_of_busybox_are_links_to_it() -> None:
    def write(archive: tarfile.TarFile) -> None:
        add(archive, "bin/busybox", b"x", mode=0o755)
        add(archive, "bin/dpkg", type=tarfile.LNKTYPE, linkname="bin/busybox")

    assert content_of(read(saved({"1/layer.tar": tar(write)}))).managers == ()


def test_a_layer_that_an_image_has_twice_may_be_a_link() -> None:
    def write(archive: tarfile.TarFile) -> None:
        add(archive, "1/layer.tar", tar(lower))
        add(archive, "2/layer.tar", type=tarfile.SYMTYPE, linkname="../1/layer.tar")
        add(archive, "manifest.json", json.dumps([{"Layers": ["1/layer.tar", "2/layer.tar"]}]).encode())

    layers = read(tar(write))
    assert layers[0] == layers[1]


def test_an_empty_layer_is_one() -> None:
    [layer] = read(saved({"1/layer.tar": tar(lambda _: None)}))
    assert layer.entries == ()


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"", "cannot be understood|has no manifest"),
        (b"not a tar" * 200, "cannot be understood"),
        (saved({"1/layer.tar": tar(lower)})[:6000], "cannot be understood|no manifest"),
        (tar(lambda archive: add(archive, "x", b"y")), "has no manifest"),
        (tar(lambda archive: add(archive, "manifest.json", b"{")), "cannot be understood"),
        (tar(lambda archive: add(archive, "manifest.json", b"[]")), "cannot be understood"),
        (tar(lambda archive: add(archive, "manifest.json", b'[{"Layers": []}]')), "has no layer"),
        (saved({"1/layer.tar": tar(lower)[:700] + b"?" * 2000}), "ends in the middle|cannot be understood"),
        (saved({"1/layer.tar": b"\x28\xb5\x2f\xfd" + b"x" * 2000}), "zstd"),
        (saved({"1/layer.tar": tar(lower)}, order=["1/layer.tar", "2/layer.tar"]), "lacks the layer 2/layer.tar"),
    ],
)
def test_what_cannot_be_read_is_said_not_to_be_seen(archive: bytes, message: str) -> None:
    with pytest.raises(UnseenError, match=message):
        read(archive)
