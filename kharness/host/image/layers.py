"""The layers of an image, read from the archive that an engine saves (docker's form and OCI's), and records of them.

An archive is read once, as a stream: each layer becomes a value when it comes by, and the manifest, which may come
last, says their order.
"""

from __future__ import annotations

import gzip
import json
import os
import posixpath
import re
import stat
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, Protocol

from kharness.errors import UnseenError
from kharness.host.volumes.archive import Chunks
from kharness.plan.checks.content import PASSWD, Content, ImageLayer, LayerEntry, LeakedSecret
from kharness.plan.checks.leaks import is_example, is_library, leaks

MANIFEST = "manifest.json"
WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
START, WINDOW, OVERLAP = 64 << 10, 8 << 20, 64 << 10
"""Bytes by which a file's type is known; bytes of a longer file that are searched for secrets at a time; and bytes that
two such windows share, because a secret may lie across their border.
"""
CAPABILITIES = "SCHILY.xattr.security.capability"
"""Where an archive has a file's own capabilities."""
DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
CHUNK = 1 << 20
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
ENDS = frozenset({"EOFHeaderError", "EmptyHeaderError"})
"""tarfile's errors for the end of an archive; any other header that it cannot read is a fault."""
MAGIC = 257
"""The offset of the magic in a tar's first header, after the name, the modes and the checksum."""
TYPES = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.AREGTYPE: stat.S_IFREG,
    tarfile.LNKTYPE: stat.S_IFREG,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}


class Known(Protocol):
    """Layers that were read before, by the digest in their name."""

    def layer(self, digest: str) -> ImageLayer | None:
        """Return it, or None."""

    def keep(self, digest: str, layer: ImageLayer) -> None:
        """Record it."""


def read_layers(archive: Iterator[bytes], *, known: Known | None = None) -> tuple[ImageLayer, ...]:
    """Return the layers in their order; `UnseenError` where the archive cannot be understood or has none."""
    found: dict[str, ImageLayer] = {}
    links: dict[str, str] = {}
    manifest: bytes | None = None
    with _understood(), tarfile.open(fileobj=Chunks(archive), mode="r|", bufsize=CHUNK) as outer:
        for member in outer:
            if member.issym():
                # A layer that an image has twice is there once.
                links[member.name] = posixpath.normpath(posixpath.join(posixpath.dirname(member.name), member.linkname))
            elif member.isreg() and (content := outer.extractfile(member)) is not None:
                if member.name == MANIFEST:
                    manifest = content.read()
                elif (layer := _known_or_read(member.name, content, known)) is not None:
                    found[member.name] = layer
    if manifest is None:
        raise UnseenError("the archive of the image has no manifest")
    with _understood():
        [image] = json.loads(manifest)
        names = [links.get(name, name) for name in image["Layers"]]
    if missing := [name for name in names if name not in found]:
        raise UnseenError(f"the archive of the image lacks the layer {missing[0]}")
    if not names:
        raise UnseenError("the image has no layer")
    return tuple(found[name] for name in names)


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise UnseenError(f"the archive of the image cannot be understood: {error}") from error


def _known_or_read(name: str, content: IO[bytes], known: Known | None) -> ImageLayer | None:
    # Engines name a layer by a digest of what is in it, and of what is below it.
    match = DIGEST.search(name)
    layer = known.layer(match[0]) if known is not None and match else None
    if layer is None:
        layer = _layer(content)
        if layer is not None and known is not None and match:
            known.keep(match[0], layer)
    return layer


def _layer(content: IO[bytes]) -> ImageLayer | None:
    start = content.read(2 * tarfile.BLOCKSIZE)
    if not start.startswith((GZIP, ZSTD)) and start[MAGIC : MAGIC + 5] != b"ustar" and start.strip(b"\0"):
        return None
    if start.startswith(ZSTD):
        raise UnseenError("a layer of the image is compressed with zstd, which cannot be read here")
    whole: Chunks | gzip.GzipFile = Chunks(chain([start], iter(partial(content.read, CHUNK), b"")))
    if start.startswith(GZIP):
        # In several members, as images that are pulled in parts have them, which tarfile would take for one.
        whole = gzip.GzipFile(fileobj=whole)
    with tarfile.open(fileobj=whole, mode="r|", bufsize=CHUNK, tarinfo=_Strict) as inner:
        return _read(inner)


class _Strict(tarfile.TarInfo):
    """A header; one that is no header ends the reading with an error, and not as if the archive ended there."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Strict:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.HeaderError as error:
            if type(error).__name__ in ENDS:
                raise
            raise tarfile.ReadError(f"a layer ends in the middle: {error}") from error


def _leaks(start: bytes, file: IO[bytes], path: str) -> dict[str, None]:
    found: dict[str, None] = {}
    window = start + file.read(WINDOW)
    while window:
        found |= dict.fromkeys(leaks(window, path=path))
        more = file.read(WINDOW)
        window = window[-OVERLAP:] + more if more else b""
    return found


def _read(inner: tarfile.TarFile) -> ImageLayer:
    entries: list[LayerEntry] = []
    removed: list[str] = []
    emptied: list[str] = []
    secrets: list[LeakedSecret] = []
    modes: dict[str, int] = {}
    passwd: str | None = None
    for member in inner:
        path = "/" + posixpath.normpath(f"/{member.name}").lstrip("/")
        above, name = posixpath.split(path)
        if name == OPAQUE:
            emptied.append(above)
            continue
        if name.startswith(WHITEOUT):
            removed.append(posixpath.join(above, name.removeprefix(WHITEOUT)))
            continue
        if member.islnk():
            # A hard link has the mode of its target; some writers record another one.
            linked = "/" + posixpath.normpath(f"/{member.linkname}").lstrip("/")
            mode = modes.get(linked, stat.S_IFREG | stat.S_IMODE(member.mode))
            # One program with a hundred names: what they do is the program's to say.
            if posixpath.basename(linked) == "busybox":
                mode = stat.S_IFLNK | 0o777
            secrets += [LeakedSecret(each.kind, path) for each in secrets if each.path == linked]
        else:
            mode = TYPES.get(member.type, stat.S_IFREG) | stat.S_IMODE(member.mode)
        modes[path] = mode
        entries.append(LayerEntry(path, mode, capable=CAPABILITIES in member.pax_headers))
        if member.isreg() and member.size and (file := inner.extractfile(member)) is not None:
            start = file.read(START)
            if is_library(start, path) or is_example(path):
                continue
            secrets += [LeakedSecret(kind, path) for kind in _leaks(start, file, path)]
            if path == PASSWD:
                passwd = start.decode(errors="replace")
    return ImageLayer(
        entries=tuple(entries),
        removed=tuple(removed),
        emptied=tuple(emptied),
        secrets=tuple(secrets),
        passwd=passwd,
    )


VERSION = 2
"""Raised whenever a scan looks for more, so that records of an older version are read again."""
UNUSED = 30 * 86_400.0
"""Seconds after which a record that was not read is removed."""


@dataclass(frozen=True)
class Scans:
    """Records, a file each in a directory; a file's time is when it was last read.

    Nothing is raised: where a record cannot be written, or is damaged, the image is read again.
    """

    directory: Path

    def content(self, digest: str) -> Content | None:
        """Return what is in the image of that digest, None where it is not known."""
        said = self._read(f"image-{digest}")
        with suppress(TypeError, KeyError, ValueError):
            content = None if said is None else _content(said)
            return content if content and content.files else None
        return None

    def layer(self, digest: str) -> ImageLayer | None:
        """Return what is in a layer, None where it is not known."""
        said = self._read(f"layer-{digest}")
        with suppress(TypeError, KeyError, ValueError):
            return None if said is None else _recorded(said)
        return None

    def keep(self, digest: str, layer: ImageLayer) -> None:
        """Record a layer."""
        self._write(f"layer-{digest}", asdict(layer))

    def keep_content(self, digest: str, content: Content) -> None:
        """Record an image."""
        self._write(f"image-{digest}", asdict(content))

    def forget(self) -> None:
        """Remove records that were not read in a month."""
        for file in self.directory.iterdir() if self.directory.is_dir() else ():
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > UNUSED:
                    file.unlink()

    def _write(self, name: str, said: dict[str, Any]) -> None:
        file = self.directory / f"{name}.json"
        new = self.directory / f".{name}-{os.getpid()}"
        with suppress(OSError):
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            # As ASCII: a path that is not UTF-8 has half a character in it.
            new.write_text(json.dumps({"version": VERSION, "said": said}), encoding="ascii")
            new.replace(file)

    def _read(self, name: str) -> Any:
        # Whatever is wrong with what was kept, the image itself is there to be read.
        file = self.directory / f"{name}.json"
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            kept = json.loads(file.read_text(encoding="ascii"))
            if kept["version"] == VERSION:
                with suppress(OSError):
                    os.utime(file)
                return kept["said"]
        return None


def _content(said: Any) -> Content:
    return Content(
        files=int(said["files"]),
        set_uid=tuple(said["set_uid"]),
        world_writable=tuple(said["world_writable"]),
        managers=tuple(said["managers"]),
        secrets=_secrets(said["secrets"]),
        lost=_secrets(said["lost"]),
        passwd=said["passwd"],
    )


def _recorded(said: Any) -> ImageLayer:
    return ImageLayer(
        entries=tuple(LayerEntry(each["path"], each["mode"], capable=each["capable"]) for each in said["entries"]),
        removed=tuple(said["removed"]),
        emptied=tuple(said["emptied"]),
        secrets=_secrets(said["secrets"]),
        passwd=said["passwd"],
    )


def _secrets(said: Any) -> tuple[LeakedSecret, ...]:
    return tuple(LeakedSecret(each["kind"], each["path"]) for each in said)
