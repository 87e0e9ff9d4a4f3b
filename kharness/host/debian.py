"""A Debian (or Ubuntu) root file system as a tar file, made of the distribution's own packages.

The suite and the mirrors are the host's. The same packages give the same bytes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from kharness.errors import HostError
from kharness.host.suite import Suite

Progress = Callable[[str], None]

EPOCH = 1672531200
"""No file is younger than this, 2023-01-01, so that the day a base is made on leaves no trace in it."""
INSTALL = "apt-get install -y mmdebstrap"
_EXCLUDED = ("man", "info", "locale", "doc", "doc-base", "lintian", "bash-completion")
_LICENCES = "doc/*/copyright"
_HOOK = Path("/usr/share/mmdebstrap/hooks/maybe-merged-usr")
_STEPS = (
    *("running apt-get", "downloading", "extracting", "installing", "cleaning", "creating"),
    *("Retrieving InRelease", "Extracting base", "Installing core", "Configuring the base"),
)
"""How the lines of mmdebstrap and debootstrap begin that are passed on as progress."""
_TAIL = 15


def make_root(suite: Suite, archive: Path, *, progress: Progress) -> None:
    """Write the root file system's tar; `HostError` with the last lines when it fails, or with what to install."""
    if found := shutil.which("mmdebstrap"):
        _run(mmdebstrap_line(suite, archive, program=found), suite.sources_list(), progress)
    elif found := shutil.which("debootstrap"):
        with tempfile.TemporaryDirectory(prefix="kharness-root-", dir=archive.parent) as directory:
            _debootstrap(suite, Path(directory, "root"), archive, program=found, progress=progress)
    else:
        raise HostError(f"no registry gives the base image, and making one here needs a program: {INSTALL}")


def mmdebstrap_line(suite: Suite, archive: Path, *, program: str = "mmdebstrap") -> tuple[str, ...]:
    """Return the command; it reads the sources from its standard input where the suite has some."""
    hook = (f"--hook-dir={_HOOK}",) if _HOOK.exists() else ()
    options = [f"--dpkgopt={line}" for line in _dpkg_options()]
    mirror = ("-",) if suite.sources else ()
    return (program, "--variant=minbase", "--format=tar", *hook, *options, suite.codename, str(archive), *mirror)


def _dpkg_options() -> tuple[str, ...]:
    return (
        *(f"path-exclude=/usr/share/{name}/*" for name in _EXCLUDED),
        f"path-include=/usr/share/{_LICENCES}",
        "force-unsafe-io",  # an interrupted build is built again; syncing each file is for disks that are kept
    )


def _debootstrap(suite: Suite, root: Path, archive: Path, *, program: str, progress: Progress) -> None:
    keyring = (f"--keyring={suite.keyring}",) if suite.keyring.exists() else ()
    mirror = next((line.split()[0] for line in suite.sources if line.split()[1] == suite.codename), None)
    line = (program, "--variant=minbase", *keyring, suite.codename, str(root), *((mirror,) if mirror else ()))
    _run(line, "", progress)
    try:
        _trim(suite, root)
    except OSError as error:
        raise HostError(f"{root}: cannot be trimmed: {error}") from error
    progress("creating tarball")
    stamps = (f"--mtime=@{EPOCH}", "--clamp-mtime", "--sort=name", "--numeric-owner", "--xattrs")
    _run(("tar", "-C", str(root), *stamps, "--exclude=./dev/*", "-cf", str(archive), "."), "", progress)


def _trim(suite: Suite, root: Path) -> None:
    """Take out of debootstrap's tree what mmdebstrap leaves out by itself."""
    (root / "etc/dpkg/dpkg.cfg.d/docs").write_text("".join(f"{line}\n" for line in _dpkg_options()), encoding="utf-8")
    if suite.sources:
        (root / "etc/apt/sources.list").write_text(suite.sources_list(), encoding="utf-8")
    licences = {path for path in (root / "usr/share").glob(_LICENCES) if not path.is_dir()}
    for name in _EXCLUDED:
        for path in sorted((root / "usr/share" / name).rglob("*"), reverse=True):
            if path not in licences:
                _discard(path)
    for pattern in ("var/cache/apt/**/*", "var/lib/apt/lists/*", "var/log/**/*", "var/cache/ldconfig/*", "etc/*-"):
        for path in sorted(root.glob(pattern), reverse=True):
            _discard(path)
    for name in ("etc/hostname", "etc/resolv.conf", "etc/machine-id"):
        (root / name).unlink(missing_ok=True)


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        if not any(path.iterdir()):
            path.rmdir()
    else:
        path.unlink()


def _run(line: Sequence[str], text: str, progress: Progress) -> None:
    tail: deque[str] = deque(maxlen=_TAIL)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "LC_ALL": "C.UTF-8"}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as given:
        given.write(text)
        given.seek(0)
        with subprocess.Popen(  # noqa: S603 - the line is ours
            line,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
        ) as process:
            for said in process.stdout or ():
                tail.append(said.rstrip())
                if step := _step(said):
                    progress(step)
    if process.returncode:
        shown = "".join(f"\n    {each}" for each in tail)
        raise HostError(f"{Path(line[0]).name} failed with exit status {process.returncode}{shown}")


def _step(said: str) -> str | None:
    """Return what of a maker's talk is worth a line: `I: downloading packages with apt...`."""
    _, _, rest = said.strip().partition("I: ")
    return rest.rstrip(". ") if rest.startswith(_STEPS) else None
