"""A tar file that holds whole directory trees, each as a tar of its own within it, and texts that describe them.

    FILE.tar
        volumes/1.tar      a directory as GNU tar writes it, with owners by number, links, holes, xattrs and ACLs
        manifest.json      text

Everything can be read without kharness. GNU tar is a program of every distribution, and knows more of a file system
than Python's tarfile, which writes no holes, no ACLs and no extended attributes. What it leaves out: sockets, inode
flags (chattr), access times, and that a directory was a subvolume.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kharness.errors import HostError
from kharness.host.durable import rename


class Chunks(io.RawIOBase):
    """A stream of chunks, read as a file; nothing is kept that was read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, or fewer at the end."""
        parts: list[memoryview] = []
        missing = size
        while missing:
            if not self._rest:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._rest = memoryview(chunk)
            part = self._rest if missing < 0 else self._rest[:missing]
            # A part of a view costs nothing, where that of bytes would copy all the rest for each small read.
            self._rest = self._rest[len(part) :]
            parts.append(part)
            missing -= len(part) if missing > 0 else 0
        return b"".join(parts)


PROGRAM = "tar"
KEEP = ("--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls")
CHUNK = 1 << 20
BLOCK = 512
CHANGED = 1
"""GNU tar's exit status where a file changed while it was read."""
LONGEST = 1 << 20
"""Bytes of a text in it; kharness writes none that is longer."""
PARTIAL = ".partial"
_SAID = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A member: its name, its bytes, their SHA-256, and where they begin in the file."""

    name: str
    size: int
    sha256: str = ""
    offset: int = 0


class ArchiveWriter:
    """Adds members to a file that still has a temporary name. Every method raises `HostError`."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path

    def add_tree(self, name: str, directory: Path, *, steady: bool = True) -> Stored:
        """Add a directory's contents, its owner and mode; where it is `steady`, a change meanwhile is a fault."""
        words = ("--create", "--format=posix", "--sort=name", "--sparse", *KEEP, "--directory", str(directory), ".")
        with _writing(self._path), tempfile.TemporaryFile() as complaints:
            begin = self._begin()
            found = hashlib.sha256()
            size = 0
            with _running(words, stdout=subprocess.PIPE, stderr=complaints) as process:
                for chunk in _output(process):
                    found.update(chunk)
                    size += self._file.write(chunk)
                status = process.wait()
            if status and (status != CHANGED or steady):
                raise HostError(f"{directory}: cannot be read whole: {_said(complaints, status)}")
            return self._end(name, begin, size, found.hexdigest())

    def add_text(self, name: str, text: str) -> Stored:
        """Add a text."""
        data = text.encode()
        with _writing(self._path):
            begin = self._begin()
            self._file.write(data)
            return self._end(name, begin, len(data), hashlib.sha256(data).hexdigest())

    def _begin(self) -> int:
        begin = self._file.tell()
        self._file.write(bytes(BLOCK))
        return begin

    def _end(self, name: str, begin: int, size: int, sha256: str) -> Stored:
        self._file.write(bytes(-size % BLOCK))
        end = self._file.tell()
        said = tarfile.TarInfo(name)
        said.size, said.mode, said.mtime = size, 0o600, int(time.time())
        self._file.seek(begin)
        # Its size is only known now. GNU's form of it takes one block for every size.
        self._file.write(said.tobuf(tarfile.GNU_FORMAT))
        self._file.seek(end)
        return Stored(name=name, size=size, sha256=sha256, offset=begin + BLOCK)


@contextmanager
def writing(path: Path) -> Iterator[ArchiveWriter]:
    """Write a file that has its name when it is complete and on the disk, and is gone where the block fails.

    Mode 0600: a backup holds what only a container's user could read. Raises `HostError`, also where the name is taken.
    """
    _refuse_other_tar()
    partial = path.with_name(f".{path.name}{PARTIAL}")
    with _writing(path):
        descriptor = _held(partial)
    if descriptor is None:
        raise HostError(f"{path}: is being written by another process")
    try:
        with os.fdopen(descriptor, "w+b") as file:
            _refuse_taken(path)
            with _writing(path):
                file.truncate(0)
            yield ArchiveWriter(file, path)
            with _writing(path):
                file.write(bytes(2 * BLOCK))
                file.flush()
                os.fsync(file.fileno())
                rename(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def _refuse_taken(path: Path) -> None:
    if os.path.lexists(path):
        raise HostError(f"{path}: exists already, and is not overwritten")


def remove_partial(directory: Path, beginning: str) -> None:
    """Remove what a killed process left of files `BEGINNING-TIME[-NUMBER].tar`; one that is being written stays."""
    pattern = re.compile(rf"\.{re.escape(beginning)}-\d{{8}}-\d{{6}}(-\d+)?\.tar{re.escape(PARTIAL)}")
    with suppress(OSError):
        for path in directory.iterdir():
            if pattern.fullmatch(path.name) and (descriptor := _held(path)) is not None:
                path.unlink()
                os.close(descriptor)


def _held(path: Path) -> int | None:
    """Return a file that is made where it is not there, and that no other process has; None where one has it.

    It is held until it is closed, however this process ends: other projects, and other hosts, write to the same disk.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        # A file system without locks does without.
        with suppress(OSError):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            return descriptor
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    # Its holder finished with it at this moment.
    os.close(descriptor)
    return None


def members(path: Path) -> Mapping[str, Stored]:
    """Return the members of a file, by name. Raises `HostError` where it is no tar file, or cut off."""
    try:
        with tarfile.open(path, "r:") as archive:
            found = archive.getmembers()
        size = path.stat().st_size
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise HostError(f"{path}: should be a backup, and is no whole tar file: {error}") from error
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from error
    for each in found:
        if each.offset_data + each.size > size:
            raise HostError(f"{path}: is cut off within {each.name}")
    return {each.name: Stored(name=each.name, size=each.size, offset=each.offset_data) for each in found}


def read_text(path: Path, member: Stored) -> str:
    """Return a text. Raises `HostError`."""
    if member.size > LONGEST:
        raise HostError(f"{path}: {member.name} should be a text, not {member.size} bytes")
    with _reading(path) as file:
        file.seek(member.offset)
        try:
            return file.read(member.size).decode()
        except UnicodeDecodeError as error:
            raise HostError(f"{path}: {member.name} should be a text: {error}") from error


def sha256_of(path: Path, member: Stored) -> str:
    """Return the SHA-256 of a member's bytes. Raises `HostError`."""
    found = hashlib.sha256()
    for chunk in _chunks(path, member):
        found.update(chunk)
    return found.hexdigest()


def unpack(path: Path, member: Stored, directory: Path, *, sha256: str) -> None:
    """Give an empty directory the contents of a tree, its owner and its mode; `HostError` where they are not these."""
    _refuse_other_tar()
    more = ("--extract", "--same-owner", "--preserve-permissions", "--delay-directory-restore")
    found = hashlib.sha256()
    with _writing(directory), tempfile.TemporaryFile() as complaints:
        words = (*more, *KEEP, "--directory", str(directory))
        with _running(words, stdin=subprocess.PIPE, stderr=complaints) as process:
            for chunk in _chunks(path, member):
                found.update(chunk)
                _feed(process, chunk)
            _feed(process, b"")
            status = process.wait()
        if status:
            raise HostError(f"{directory}: {path} cannot be unpacked: {_said(complaints, status)}")
    if found.hexdigest() != sha256:
        raise HostError(f"{path}: {member.name} is not what its manifest says: it was changed")


def _output(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    while process.stdout is not None and (chunk := process.stdout.read(CHUNK)):
        yield chunk


def _feed(process: subprocess.Popen[bytes], chunk: bytes) -> None:
    # The program has ended; its status says why.
    with suppress(BrokenPipeError):
        if process.stdin is not None and chunk:
            process.stdin.write(chunk)
        elif process.stdin is not None:
            process.stdin.close()


def _chunks(path: Path, member: Stored) -> Iterator[bytes]:
    with _reading(path) as file:
        file.seek(member.offset)
        left = member.size
        while left and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
    if left:
        raise HostError(f"{path}: is cut off within {member.name}")


@contextmanager
def _running(
    words: tuple[str, ...], *, stderr: IO[bytes], stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    environ = {**os.environ, "LC_ALL": "C", "TAR_OPTIONS": ""}
    with subprocess.Popen(  # noqa: S603 - as found, and without a shell
        [PROGRAM, *words], executable=_program(), stdin=stdin, stdout=stdout, stderr=stderr, env=environ
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _program() -> str:
    found = shutil.which(PROGRAM)
    if found is None:
        raise HostError("GNU tar is not installed: 'apt-get install -y tar', or 'apk add tar'")
    return found


def _refuse_other_tar() -> None:
    program = _program()
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise HostError(f"{program}: cannot be run: {error.strerror}") from error
    if "GNU tar" not in said.stdout:
        raise HostError(f"{program}: should be GNU tar, which keeps ACLs and extended attributes: 'apk add tar'")


def _said(complaints: IO[bytes], status: int) -> str:
    complaints.seek(0)
    lines = [line for line in complaints.read(LONGEST).decode("utf-8", "backslashreplace").splitlines() if line]
    told = [line.removeprefix("tar: ") for line in lines if "Exiting with failure" not in line]
    return "; ".join(told[:_SAID]) or f"tar ended with {status}"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror or error}") from error
