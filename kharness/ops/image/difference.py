"""Compare a container directory's images: what is live, and what would be."""

from __future__ import annotations

import hashlib
import re
import secrets
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from kharness.errors import EngineError, UsageError
from kharness.host.volumes.archive import Chunks
from kharness.ops.harness import Harness
from kharness.ops.launch.subject import production_subject
from kharness.ops.release.release import LINE
from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from kharness.plan.image.difference import (
    APK,
    DPKG,
    FileEntry,
    ImageChange,
    changes,
    configuration_changes,
    file_changes,
    packages,
)
from kharness.plan.launch.docker_line import docker_line
from kharness.plan.launch.plan import keyed, plan_production_launch
from kharness.plan.launch.runspec import RunSpec
from kharness.settings.catalog import ContainerDir

KINDS = {
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "file",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "fifo",
}
MADE = frozenset({".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab"})
"""What an engine puts into every container."""
CHUNK = 1 << 20
MADE_BELOW = ("dev/", "proc/", "sys/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDifference:
    """How `:latest` differs from `:live`; `settings` are options of the launch that would be others now."""

    live: ImageFacts
    latest: ImageFacts
    settings: tuple[ImageChange, ...] = ()
    configuration: tuple[ImageChange, ...] = ()
    packages: tuple[ImageChange, ...] = ()
    files: tuple[ImageChange, ...] = ()


def compare(harness: Harness, directory: ContainerDir) -> ImageDifference:
    """Compare the images; raises `UsageError` where one is missing, `EngineError`."""
    tags = harness.tags(directory.name)
    live, latest = harness.engine.image(tags.live), harness.engine.image(tags.latest)
    if live is None:
        raise UsageError(f"{directory.name}: nothing is live yet")
    if latest is None:
        raise UsageError(f"{directory.name}: there is no {tags.latest}; 'kharness build {directory.name}' makes it")
    settings = _settings(harness, directory, live)
    if live.id == latest.id:
        return ImageDifference(live=live, latest=latest, settings=settings)
    (before, old), (after, new) = (_contents(harness, directory.name, image) for image in (live, latest))
    return ImageDifference(
        live=live,
        latest=latest,
        settings=settings,
        configuration=configuration_changes(live, latest),
        packages=changes(packages(old), packages(new)),
        files=file_changes(before, after),
    )


def _settings(harness: Harness, directory: ContainerDir, live: ImageFacts) -> tuple[ImageChange, ...]:
    before = harness.state.fact(f"{LINE}{directory.name}")
    if before is None:
        return ()
    subject = production_subject(harness, directory, harness.settings(directory), live)
    plan = keyed(plan_production_launch(subject, volume_root=harness.volume_root))
    now = docker_line(plan.spec, hide=frozenset(subject.env))
    return changes(_options(before), _options(now))


def _options(line: str) -> dict[str, str]:
    # One option a line; the image's id, and our own labels, say nothing about settings. Nor does the end of the name of
    # a secret's copy, which stands for the image's user.
    found = (re.sub(r"^sha256:[0-9a-f]+ ?", "", part.strip(" \\")) for part in line.splitlines()[1:])
    found = (re.sub(r"(/secrets/[^,]*-[0-9a-f]{16})-[0-9a-f]{16},", r"\1,", part) for part in found)
    return {option: "" for option in found if option and labels.PREFIX not in option}


def _contents(harness: Harness, name: str, image: ImageFacts) -> tuple[dict[str, FileEntry], dict[str, str]]:
    """Return every file of an image, and the texts of its package databases."""
    spec = RunSpec(
        name=f"kharness-diff-{secrets.token_hex(4)}",
        image=image.id,
        # Never started; an image without a command needs one.
        command=("none",),
        labels={
            labels.ROLE: labels.ROLE_TEST,
            labels.PROJECT: harness.project.name,
            labels.NAME: name,
            **harness.owner.labels(),
        },
    )
    container = harness.engine.create(spec)
    try:
        return _read(harness.engine.export(container))
    finally:
        harness.engine.remove(container, force=True)


def _read(stream: Iterator[bytes]) -> tuple[dict[str, FileEntry], dict[str, str]]:
    files: dict[str, FileEntry] = {}
    databases: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=Chunks(stream), mode="r|") as archive:
            for member in archive:
                path = member.name.removeprefix("./").rstrip("/")
                content = archive.extractfile(member) if member.isreg() else None
                digest = hashlib.sha256()
                kept = []
                while content is not None and (chunk := content.read(CHUNK)):
                    digest.update(chunk)
                    kept += [chunk] if path in {DPKG, APK} else []
                if kept:
                    databases[path] = b"".join(kept).decode(errors="replace")
                if path and path not in MADE and not path.startswith(MADE_BELOW):
                    files[f"/{path}"] = _entry(member, digest.hexdigest(), files)
    except tarfile.TarError as error:
        raise EngineError(f"the engine's export cannot be read: {error}") from error
    return files, databases


def _entry(member: tarfile.TarInfo, digest: str, files: dict[str, FileEntry]) -> FileEntry:
    if member.islnk():
        # A hard link is the file that came before it under its first name.
        first = files.get(f"/{member.linkname.removeprefix('./')}")
        if first is not None:
            return first
    content = member.linkname if member.issym() else digest if member.isreg() else ""
    return FileEntry(
        kind=KINDS.get(member.type, "file"),
        mode=stat.S_IMODE(member.mode),
        owner=(member.uid, member.gid),
        content=content,
    )
