"""Volumes and tmpfs mounts, in Compose's short and long forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from kharness.settings.scalars import FileMode, Filled, Flag, MountTarget, Size, staying
from kharness.settings.section import Section, expected, wrong
from kharness.settings.stand_in import CopyStrategy, StandIn, TestMount

VolumeType = Literal["bind", "volume", "tmpfs"]
PROPAGATION = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
Propagation = Literal["private", "rprivate", "shared", "rshared", "slave", "rslave"]
VOLUME_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+", re.ASCII)
# SELinux labels and the old consistency hints of other platforms are accepted and have no effect.
IGNORED = ("z", "Z", "cached", "consistent", "delegated")
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
            raise wrong(f"should have options such as ro, rw, nocopy, rslave, not '{option[:40]}'")
    return found


VolumeItem = Annotated[
    Volume, BeforeValidator(read_volume, json_schema_input_type=Annotated[str, Field(pattern="/")] | LongVolume)
]
