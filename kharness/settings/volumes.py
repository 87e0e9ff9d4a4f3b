"""Volumes and tmpfs mounts, in Compose's short and long forms, and what a test instance gets in place of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from kharness.settings.section import Section, expected, wrong
from kharness.settings.values import FileMode, Filled, Flag, MountTarget, Size, staying


class TestMount(StrEnum):
    """What a test instance gets in place of a production volume."""

    __test__ = False

    SAME = "same"
    """The real one, writable: dangerous, and only with `test.same`."""
    RO = "ro"
    """The real one, read-only."""
    COPY = "copy"
    """A copy of structure and files."""
    TREE = "tree"
    """A copy of the directories only."""
    EMPTY = "empty"


class CopyStrategy(StrEnum):
    """How a copy is made."""

    AUTO = "auto"
    """The cheapest that is safe at this moment."""
    REFLINK = "reflink"
    """Files share their blocks until one is written; only on file systems that can (btrfs, xfs)."""
    OVERLAY = "overlay"
    """Nothing is copied until it is written; only while nothing else writes to the original."""
    REAL = "real"
    """Every byte is copied."""


class Freeze(StrEnum):
    """What is done with production containers while their volumes are copied."""

    NONE = "none"
    PAUSE = "pause"
    STOP = "stop"


class StandIn(Section):
    """What a test instance gets in a volume's place, in the long form; the short one is the word alone."""

    place: ClassVar[str] = "volumes.test"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"enum": [*TestMount]},)

    mount: TestMount
    """same, ro, copy, tree or empty."""
    strategy: CopyStrategy = CopyStrategy.AUTO
    """How a copy is made: auto, reflink, overlay or real."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if value not in [*TestMount]:
            raise expected(f"one of {', '.join(TestMount)}")
        return {"mount": value}

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.mount is not TestMount.COPY and "strategy" in self.model_fields_set:
            raise wrong(f"should not have a strategy, which is for a copy, not for '{self.mount}'")
        return self


VolumeType = Literal["bind", "volume", "tmpfs"]
PROPAGATION = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
Propagation = Literal["private", "rprivate", "shared", "rshared", "slave", "rslave"]
VOLUME_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+", re.ASCII)
# SELinux labels and the old consistency hints of other platforms are accepted and have no effect.
IGNORED = ("z", "Z", "cached", "consistent", "delegated")
MEANT = ("ro", "rw", "nocopy", "rslave", *PROPAGATION, "readonly", "read_only")
RESTRICTING = frozenset({"noexec", "nosuid", "nodev", "noatime", "subpath"})
"""Options of mount(8) that a bind mount does not get this way."""
TMPFS_OPTIONS = frozenset(
    {
        *(
            "size",
            "mode",
            "uid",
            "gid",
            "nr_inodes",
            "nr_blocks",
            "mpol",
            "ro",
            "rw",
            "exec",
            "noexec",
            "suid",
            "nosuid",
        ),
        *("dev", "nodev", "sync", "async", "dirsync", "mand", "nomand", "atime", "noatime", "diratime", "nodiratime"),
        *("relatime", "norelatime", "strictatime", "nostrictatime"),
    }
)
"""The options of tmpfs(5) and mount(8) that an engine passes on."""
SHORT = "[SOURCE:]TARGET[:OPTIONS]"


class Volume(Section):
    """A mount; a bind's relative `source` is below `DV/NAME/`, a volume without source is anonymous."""

    place: ClassVar[str] = "volumes"

    type: VolumeType
    source: str | None = None
    target: MountTarget
    read_only: Flag = False
    test: TestMount | None = None
    strategy: CopyStrategy = CopyStrategy.AUTO
    create_host_path: Flag = True
    nocopy: Flag = False
    propagation: str | None = None
    size: Size | None = None
    mode: FileMode | None = None


class BindOptions(Section):
    """`bind:` of a long volume."""

    place: ClassVar[str] = "volumes.bind"

    propagation: Propagation | None = None
    """How mounts made later on one side are seen on the other, mount_namespaces(7)."""
    selinux: Literal["z", "Z"] | None = None
    """As in Compose; it has no effect, as the short form's z."""
    create_host_path: Flag = True
    """Create a missing directory below the volume directory. Directories elsewhere must exist."""


class VolumeOptions(Section):
    """`volume:` of a long volume."""

    place: ClassVar[str] = "volumes.volume"

    nocopy: Flag = False
    """Do not fill a new named volume with what the image has there."""


class TmpfsOptions(Section):
    """`tmpfs:` of a long volume."""

    size: Size | None = None
    """The most it may hold, as in 64m."""
    mode: FileMode | None = None
    """The mode of its root directory, octal."""


class LongVolume(Section):
    """A volume's long form, as in Compose, and `test`, which is kharness's own."""

    place: ClassVar[str] = "volumes"

    type: VolumeType
    """A directory of the host, a named volume of the engine, or memory."""
    source: Filled | None = None
    """A directory, relative to DV/NAME/, or a volume's name; none for tmpfs and anonymous volumes."""
    target: MountTarget
    """The path inside the container."""
    read_only: Flag = False
    """Whether the container may only read."""
    consistency: Literal["cached", "consistent", "default", "delegated"] | None = None
    """A hint for other platforms, as in Compose; it has no effect."""
    test: StandIn | None = None
    """What a test instance gets in its place."""
    bind: BindOptions | None = None
    """Options of a directory of the host."""
    volume: VolumeOptions | None = None
    """Options of a named volume."""
    tmpfs: TmpfsOptions | None = None
    """Options of a tmpfs."""

    def volume_value(self) -> Volume:
        """Return the flat value; raises where the parts do not go together."""
        self._refuse_foreign_options()
        if self.type == "bind" and self.source is None:
            raise wrong("should have a source, the directory of the host to bind")
        if self.type == "tmpfs" and (self.source is not None or self.test is not None):
            raise wrong(f"should not have {'a source' if self.source else 'test'}, a tmpfs is always empty")
        if self.type == "volume" and self.source is not None:
            _name(self.source)
        bind, volume, tmpfs = self.bind or BindOptions(), self.volume or VolumeOptions(), self.tmpfs or TmpfsOptions()
        return Volume(
            type=self.type,
            source=staying(self.source) if self.type == "bind" and self.source else self.source,
            target=self.target,
            read_only=self.read_only,
            test=self.test.mount if self.test else None,
            strategy=self.test.strategy if self.test else CopyStrategy.AUTO,
            create_host_path=bind.create_host_path,
            nocopy=volume.nocopy,
            propagation=bind.propagation,
            size=tmpfs.size,
            mode=tmpfs.mode,
        )

    def _refuse_foreign_options(self) -> None:
        for kind in ("bind", "volume", "tmpfs"):
            if kind != self.type and getattr(self, kind) is not None:
                raise wrong(f"should not have {kind}, its type is {self.type}")


class Tmpfs(Section):
    """A tmpfs; `size` in bytes, `options` are mount(8)'s others."""

    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string", "pattern": "^/"},)

    target: MountTarget
    size: Size | None = None
    mode: FileMode | None = None
    options: tuple[str, ...] = ()

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str) or not value.startswith("/"):
            raise expected("TARGET[:OPTIONS], as in '/tmp:size=64m,mode=1777'")
        target, _, said = value.partition(":")
        long: dict[str, Any] = {"target": target}
        options: list[str] = []
        for option in filter(None, said.split(",")):
            key, _, setting = option.partition("=")
            if key not in TMPFS_OPTIONS:
                raise wrong(f"should have options of a tmpfs, such as size, mode, uid, noexec, not '{key[:40]}'")
            if key in {"size", "mode"} and not setting.endswith("%"):
                long[key] = setting
            else:
                options.append(option)
        return {**long, "options": tuple(options)}


def _name(text: str) -> str:
    if len(text) == 1:
        raise wrong("should have a source that is a path, or a volume's name, which has at least two characters")
    if not VOLUME_NAME.fullmatch(text):
        raise wrong(f"should have a source that is a volume's name, or a path such as './{text[:40]}'")
    return text


def read_volume(value: Any) -> Any:
    """Read one volume in either form."""
    if isinstance(value, Volume):
        return value
    if isinstance(value, Mapping):
        return LongVolume.model_validate(value).volume_value()
    if not isinstance(value, str):
        raise expected(SHORT)
    source, target, options = _split(value)
    long: dict[str, Any] = {"type": "volume", "target": target, **_options(options)}
    if source is not None:
        # As in Compose: a path is a directory of the host, a bare name is a volume of the engine.
        bind = source.startswith((".", "~")) or "/" in source
        long |= {"type": "bind", "source": staying(source)} if bind else {"source": _name(source)}
    if long["type"] == "volume" and "propagation" in long:
        raise wrong(f"should not have {long['propagation']}, which is for a directory of the host")
    if long["type"] == "bind" and "nocopy" in long:
        raise wrong("should not have nocopy, which is for a named volume")
    return Volume(**long)


def _split(text: str) -> tuple[str | None, str, str]:
    match text.split(":"):
        case [target]:
            parts: tuple[str | None, str, str] = (None, target, "")
        case [source, target]:
            parts = (
                (source, target, "") if target.startswith("/") or not source.startswith("/") else (None, source, target)
            )
        case [source, target, options]:
            parts = (source, target, options)
        case _:
            raise expected(SHORT)
    if parts[0] == "" or not parts[1].startswith("/"):
        raise expected(f"{SHORT} with an absolute target")
    return parts


def _options(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for option in filter(None, text.split(",")):
        if option in {"ro", "rw"}:
            found["read_only"] = option == "ro"
        elif option == "nocopy":
            found["nocopy"] = True
        elif option in PROPAGATION:
            found["propagation"] = option
        elif option not in IGNORED:
            _refuse_near(option)
    return found


def _refuse_near(option: str) -> None:
    # Compose passes over what it does not know. What may be a slip of something that restricts must not be lost.
    if option.partition("=")[0] in RESTRICTING or get_close_matches(option.lower(), MEANT, n=1, cutoff=0.5):
        raise wrong(f"should have options such as {', '.join(MEANT[:4])}, not '{option[:40]}'")


VolumeItem = Annotated[
    Volume, BeforeValidator(read_volume, json_schema_input_type=Annotated[str, Field(pattern="/")] | LongVolume)
]
