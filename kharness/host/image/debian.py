"""A Debian (or Ubuntu) root file system as a tar file, made of the distribution's own packages.

The suite and the mirrors are this host's. The same packages give the same bytes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from kharness.errors import HostError

_TARGETS = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
_CONFIGURATION = ("apt-config", "dump", "--format", '%f "%v"%n', "Acquire")
_VALIDITY = ("Acquire::Check-Valid-Until ", "Acquire::Check-Date ", "Acquire::Max-FutureTime ")
"""Options of apt about how old a mirror may be, apt.conf(5): they hold for the base as for the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A release of a distribution; `sources` are `URI SUITE COMPONENT` lines, none for the maker's own default.

    `options` are lines for apt's configuration.
    """

    distribution: Literal["debian", "ubuntu"] = "debian"
    codename: str = "bookworm"
    sources: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def keyring(self) -> Path:
        """Where the distribution keeps its keys, on the host and in the image."""
        return Path(f"/usr/share/keyrings/{self.distribution}-archive-keyring.gpg")

    def sources_list(self) -> str:
        """Return the sources as a file for apt."""
        signed = f"[signed-by={self.keyring}] " if self.keyring.exists() else ""
        return "".join(f"deb {signed}{line}\n" for line in self.sources)


def host_suite(*, os_release: Path = Path("/etc/os-release")) -> Suite:
    """Return the host's own suite; Debian's default where the host is neither Debian nor Ubuntu."""
    said = _os_release(os_release)
    match said.get("ID"), said.get("VERSION_CODENAME"):
        case "debian", str(codename):
            return Suite(codename=codename)
        case "ubuntu", str(codename):
            return Suite(distribution="ubuntu", codename=codename)
        case _:
            return Suite()


def with_host_sources(suite: Suite) -> Suite:
    """Return the suite with the mirrors from which this host gets it (half a second), if it does.

    With them come apt's options about how old a mirror may be.
    """
    sources = usable_sources(_output(_TARGETS), suite.codename)
    return replace(suite, sources=sources, options=validity(_output(_CONFIGURATION)))


def validity(configuration: str) -> tuple[str, ...]:
    """Pick the options about how old a mirror may be out of apt's `NAME "VALUE"` lines."""
    return tuple(line for line in configuration.splitlines() if line.startswith(_VALIDITY))


def usable_sources(targets: str, codename: str) -> tuple[str, ...]:
    """Pick the distribution's own sources, updates and security too, out of apt's `URI SUITE COMPONENT` lines.

    Other vendors' suites are left out, and so is what a container cannot reach (`file:`, `cdrom:`).
    """
    suites = {codename, f"{codename}-updates", f"{codename}-security"}
    lines = [line for line in targets.splitlines() if _is_usable(line.split(), suites)]
    has_base = any(line.split()[1] == codename for line in lines)
    return tuple(dict.fromkeys(lines)) if has_base else ()


def _os_release(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {name: value.strip("\"'") for name, found, value in (line.partition("=") for line in lines) if found}


def _output(argv: Sequence[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - constants
    except OSError:
        return ""
    return done.stdout


def _is_usable(words: Sequence[str], suites: set[str]) -> bool:
    return len(words) == 3 and words[0].startswith(("http://", "https://")) and words[1] in suites  # noqa: PLR2004


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
    options += [f"--aptopt={line}" for line in suite.options]
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
    if suite.options:
        lines = "".join(f"{line};\n" for line in suite.options)
        (root / "etc/apt/apt.conf.d/99validity").write_text(lines, encoding="utf-8")
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
