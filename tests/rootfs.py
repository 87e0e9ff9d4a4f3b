"""A root file system of two megabytes: busybox, a link for each of its applets, and the files that programs expect."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import tarfile
from pathlib import Path

PT_INTERP = 3


def is_static(program: Path) -> bool:
    """Whether an ELF program runs without a dynamic loader, elf(5)."""
    content = program.read_bytes()
    if content[:5] != b"\x7fELF\x02":
        return False
    (offset,) = struct.unpack_from("<Q", content, 0x20)
    size, count = struct.unpack_from("<HH", content, 0x36)
    return all(struct.unpack_from("<I", content, offset + number * size)[0] != PT_INTERP for number in range(count))


def archive(busybox: Path) -> bytes:
    """Return the file system as a tar."""
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for directory, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777), ("var", 0o755)):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        add_file(tar, "bin/busybox", busybox.read_bytes(), mode=0o755)
        for applet in sorted(set(applets) - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        add_file(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        add_file(tar, "etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    return buffer.getvalue()


def without_shell() -> bytes:
    """Return a tar with `/sleep` and nothing else."""
    program = shutil.which("busybox")
    assert program is not None
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        add_file(tar, "sleep", Path(program).read_bytes(), mode=0o755)
    return buffer.getvalue()


def add_file(tar: tarfile.TarFile, name: str, content: bytes, *, mode: int = 0o644) -> None:
    """Add a regular file that belongs to root."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def context(dockerfile: str, files: dict[str, bytes] | None = None) -> bytes:
    """Return a build context."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in {"Dockerfile": dockerfile.encode(), **(files or {})}.items():
            add_file(tar, name, content)
    return buffer.getvalue()
