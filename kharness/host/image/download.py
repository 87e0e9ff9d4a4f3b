"""Files from elsewhere for a build context: named by their sha256, kept in a cache, never used unverified."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from kharness.errors import HostError

Progress = Callable[[str], None]

TIMEOUT = 30.0
"""Seconds without a byte after which a server counts as unreachable."""
_CHUNK = 1 << 18
_EVERY = 1.0
_SCHEMES = ("http", "https", "file")


def is_cached(sha256: str, *, cache: Path) -> bool:
    """Whether the cache has a file with that sha256, whole."""
    wanted = sha256.lower()
    return _sum_of(cache / wanted) == wanted


def fetch(url: str, sha256: str, *, cache: Path, progress: Progress | None) -> Path:
    """Return a file with that sha256 (hex): the cache's, or what the URL (http, https, file) gives, put there.

    The path is `cache/SHA256`; it appears there complete or not at all, and a damaged one is fetched again. `progress`
    is told about once a second. Raises `HostError` when the URL cannot be read, or has another sum: both are shown.
    """
    wanted = sha256.lower()
    if not re.fullmatch(r"[0-9a-f]{64}", wanted):
        raise HostError(f"{url}: its sha256 should be 64 hexadecimal digits, not {sha256!r}")
    if urlsplit(url).scheme not in _SCHEMES:
        raise HostError(f"{url}: should be a URL of {', '.join(_SCHEMES)}")
    target = cache / wanted
    if is_cached(wanted, cache=cache):
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=cache, prefix=f".{wanted[:12]}-")
    except OSError as error:
        raise HostError(f"{cache}: downloads cannot be kept there: {error}") from error
    temporary = Path(name)
    try:
        with os.fdopen(number, "wb") as out:
            found = _receive(url, out, progress or _quiet)
            if found != wanted:
                raise HostError(f"{url}: its sha256 should be {wanted}, not {found}")
            out.flush()
            os.fsync(out.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
    except (OSError, HTTPException) as error:
        raise HostError(f"{url}: cannot be downloaded: {_reason(error)}") from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    return target


def _receive(url: str, out: BinaryIO, progress: Progress) -> str:
    total = hashlib.sha256()
    size, told = 0, time.monotonic()
    progress(f"downloading {url}")
    with _opened(url) as response:
        announced = response.headers.get("Content-Length")
        while chunk := response.read(_CHUNK):
            total.update(chunk)
            out.write(chunk)
            size += len(chunk)
            if time.monotonic() - told >= _EVERY:
                told = time.monotonic()
                progress(f"downloading {url}: {size / 1e6:.1f} MB")
    # A connection that breaks early looks like an end to chunked reading.
    if announced is not None and announced.isdigit() and int(announced) != size:
        raise HostError(f"{url}: ended after {size} of {announced} bytes")
    return total.hexdigest()


@contextmanager
def _opened(url: str) -> Iterator[HTTPResponse]:
    try:
        response = urllib.request.urlopen(url, timeout=TIMEOUT)  # noqa: S310 - the scheme was checked
    except urllib.error.HTTPError as error:
        # The error has the answer's body, which is not read.
        error.close()
        raise
    with closing(response):
        yield response


def _sum_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HostError(f"{path}: should be a file of the download cache: {error}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__


def _quiet(_line: str) -> None:
    pass
