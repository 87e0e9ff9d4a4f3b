"""The root image that `kcore-baseline` is built from: Alpine from a registry, or Debian made of packages on this host.

Which of the two a host has is decided once; the answer says which, and the caller writes it into the host's
configuration, so that a registry that comes or goes never changes the distribution under running services.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, assert_never, get_args

from kharness.errors import HostError, ImageMissingError
from kharness.host.image.debian import Suite, host_suite, make_root, with_host_sources
from kharness.plan.facts import ImageFacts

Family = Literal["alpine", "debian"]
Progress = Callable[[str], None]

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
