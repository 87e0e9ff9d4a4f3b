"""Hosts that were made once, a tar each in a cache directory outside the project."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from kharness.host.image.base import host_suite, with_host_sources
from tests.hosts.recipe import HostsUnavailableError, Recipe, mirror_of

KEPT = 14 * 86_400.0
"""Seconds for which an entry is kept that nothing uses."""
LONGEST = 900.0
"""Seconds that no command takes which makes progress."""
APT_HELPER = "/usr/lib/apt/apt-helper"


def cache_directory(environ: Mapping[str, str], home: Path) -> Path:
    """Return where hosts are kept: KHARNESS_HOSTS_CACHE, else `kharness-hosts` in the user's cache directory."""
    if chosen := environ.get("KHARNESS_HOSTS_CACHE"):
        return Path(chosen)
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache", "kharness-hosts")


@dataclass(frozen=True)
class Store:
    """The cache directory. A file appears in it complete or not at all."""

    directory: Path

    def archive(self, recipe: Recipe) -> Path:
        """Return the tar of a host's root file system, made first if it is not there (a minute)."""
        return self.entry(f"{recipe.key}.tar", lambda new: _make(recipe, new))

    def tree(self, archive: Path) -> Path:
        """Return the directory that a tar of the cache is unpacked in, which nobody may change."""
        return self.entry(archive.stem, lambda new: unpack(archive, new))

    def entry(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return an entry of the cache; `make` makes it at the path that it is given if it is not there."""
        found = self.directory / name
        self.directory.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{found}.lock"):
            if not found.exists():
                with _beside(found) as new:
                    make(new)
                    new.replace(found)
                self._forget()
            os.utime(found)
        return found

    def _forget(self) -> None:
        """Remove entries that nothing has used for long: of recipes that were changed since."""
        for entry in self.directory.iterdir():
            if entry.suffix != ".lock" and time.time() - entry.stat().st_mtime > KEPT:
                _remove(entry)


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    new = file.with_name(f".new-{os.getpid()}-{file.name}")
    try:
        yield new
    finally:
        _remove(new)


def _remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a tar as root, with owners, modes and extended attributes."""
    directory.mkdir(parents=True, exist_ok=True)
    options = ("--numeric-owner", "--xattrs", "--xattrs-include=*")
    run("tar", "-C", str(directory), *options, "-xpf", str(archive))


def pack(directory: Path, archive: Path) -> None:
    """Pack a directory as root, an overlay's own marks too."""
    options = ("--numeric-owner", "--xattrs", "--xattrs-include=*")
    run("tar", "-C", str(directory), *options, "-cf", str(archive), ".")


def run(*argv: str, timeout: float = LONGEST) -> str:
    """Run a command of this machine and return its output.

    `HostsUnavailableError` with its last lines if it fails, or has not ended after `timeout` seconds.
    """
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    program = shutil.which(argv[0], path=path)
    if program is None:
        raise HostsUnavailableError(f"{argv[0]} is not installed")
    try:
        done = subprocess.run([program, *argv[1:]], capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise HostsUnavailableError(f"`{' '.join(argv)}` has not ended after {timeout:g} s") from None
    if done.returncode:
        tail = "\n    ".join((done.stderr or done.stdout).splitlines()[-15:])
        raise HostsUnavailableError(f"`{' '.join(argv)}` failed with exit status {done.returncode}\n    {tail}")
    return done.stdout


def _make(recipe: Recipe, archive: Path) -> None:
    mirror = mirror_of(with_host_sources(host_suite()))
    check_mirror(mirror, recipe.suite)
    run(*recipe.command(mirror, archive))


def check_mirror(mirror: str, suite: str) -> None:
    """Raise `HostsUnavailableError` where a mirror does not answer apt soon, or does not have a suite."""
    options = ("-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=0")
    with tempfile.TemporaryDirectory() as directory:
        file, url = str(Path(directory, "InRelease")), f"{mirror.rstrip('/')}/dists/{suite}/InRelease"
        try:
            run(APT_HELPER, *options, "download-file", url, file, timeout=60)
        except HostsUnavailableError as error:
            said = f"no host of Debian {suite} can be made: {mirror} does not give it"
            raise HostsUnavailableError(f"{said}\n{error}") from error
