"""The root image of `kcore-baseline`: Alpine from a registry, or Debian made of packages on this host.

Which of the two a host has is decided once; the answer says which, and the caller writes it into the host's
configuration, so that a registry that comes or goes never changes the distribution under running services.

The suite and the mirrors are this host's. The same packages give the same bytes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, assert_never, get_args

from kharness.errors import HostError, ImageMissingError
from kharness.plan.facts import ImageFacts

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


Family = Literal["alpine", "debian"]

ALPINE = "3.23"
"""The version that the tests of /prep run on."""
REPOSITORY = "ktools"
"""Of the root images, which all projects of a host share."""
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """A root image: its distribution, its reference on the engine, its id."""

    family: Family
    ref: str
    id: str


class BaseEngine(Protocol):
    """The part of `kharness.engine.api.Engine` that is needed here."""

    def image(self, ref: str) -> ImageFacts | None:
        """Return the image of that reference, or None."""

    def pull(self, ref: str, *, progress: Progress | None = None) -> ImageFacts:
        """Pull a reference; `ImageMissingError` when no registry gives it."""

    def tag(self, image: str, ref: str) -> None:
        """Let a reference name the image."""

    def import_image(self, archive: Iterable[bytes], tag: str, *, changes: Sequence[str] = ()) -> ImageFacts:
        """Make an image of a root file system's tar stream."""


def ensure_base(
    engine: BaseEngine,
    *,
    family: Family | None,
    progress: Progress,
    lock: Path | None = None,
    repository: str = REPOSITORY,
) -> BaseImage:
    """Return the root image, made or pulled first where the engine lacks it (15 s, or a few megabytes).

    `family` comes from the host's configuration. None takes what the engine has, else Alpine where a registry gives
    it, else Debian. `lock` is the file that keeps Alpine's digest from its first pull; later pulls ask for that digest.
    `progress` is called before each long step. Raises `HostError` that names what to install when neither can be had.
    """
    suite = host_suite()
    refs = base_refs(suite, repository=repository)
    for one in (family,) if family else get_args(Family):
        if found := engine.image(refs[one]):
            return BaseImage(family=one, ref=refs[one], id=found.id)
    match family:
        case "alpine":
            return _alpine(engine, refs["alpine"], progress=progress, lock=lock)
        case "debian":
            return _debian(engine, refs["debian"], suite, progress=progress)
        case None:
            try:
                return _alpine(engine, refs["alpine"], progress=progress, lock=lock)
            except ImageMissingError as error:
                progress(f"{error}; making a Debian base of packages instead")
                return _debian(engine, refs["debian"], suite, progress=progress)
        case _:
            assert_never(family)


def base_refs(suite: Suite, *, repository: str = REPOSITORY) -> Mapping[Family, str]:
    """Return the reference that each family's root image has on the engine."""
    return {
        "alpine": f"{repository}/base:alpine-{ALPINE}",
        "debian": f"{repository}/base:{suite.distribution}-{suite.codename}",
    }


def _alpine(engine: BaseEngine, ref: str, *, progress: Progress, lock: Path | None) -> BaseImage:
    version = f"alpine:{ALPINE}"
    wanted = _locked(lock, version) or version
    image = engine.image(wanted)
    if image is None:
        progress(f"pulling {wanted}")
        image = engine.pull(wanted, progress=progress)
    digest = next((each for each in image.digests if each.startswith("alpine@")), None)
    if lock is not None and wanted == version and digest is not None:
        _write_lock(lock, version, digest)
    engine.tag(image.id, ref)
    return BaseImage(family="alpine", ref=ref, id=image.id)


def _debian(engine: BaseEngine, ref: str, suite: Suite, *, progress: Progress) -> BaseImage:
    progress(f"making {ref} of packages, which is done once and takes about 20 s")
    with tempfile.TemporaryDirectory(prefix="kharness-base-") as directory:
        archive = Path(directory, "root.tar")
        make_root(with_host_sources(suite), archive, progress=progress)
        progress("importing the image")
        image = engine.import_image(_chunks(archive), ref, changes=('CMD ["sh"]',))
    return BaseImage(family="debian", ref=ref, id=image.id)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _locked(lock: Path | None, version: str) -> str | None:
    if lock is None or not lock.exists():
        return None
    return _read_lock(lock).get(version)


def _read_lock(lock: Path) -> dict[str, str]:
    try:
        lines = [line.split() for line in lock.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"{lock}: cannot be read: {error}") from error
    if any(len(words) != 2 or "@sha256:" not in words[1] for words in lines):  # noqa: PLR2004 - a pair
        raise HostError(f"{lock}: should have lines of a reference and its digest; remove it to take a new digest")
    return {words[0]: words[1] for words in lines}


def _write_lock(lock: Path, version: str, digest: str) -> None:
    known = _read_lock(lock) if lock.exists() else {}
    text = "".join(f"{name} {value}\n" for name, value in sorted({**known, version: digest}.items()))
    new = lock.with_name(f".{lock.name}-{os.getpid()}")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, encoding="utf-8")
        new.replace(lock)
    except OSError as error:
        raise HostError(f"{lock}: the digest of {version} cannot be kept: {error}") from error
