"""What `prepare:` makes of a volume directory: paths, owners and modes as the host has them.

Production gets the items as they are. A test instance has directories of its own in place of some real ones; what is
declared there is prepared in those, and nothing anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath

from kharness.errors import UsageError
from kharness.plan.launch.mounts import VolumeAction, VolumePlan, resolve_source
from kharness.plan.launch.runspec import MountKind
from kharness.plan.launch.users import is_numeric, resolve_group, resolve_user
from kharness.plan.volumes.idmap import IdMaps
from kharness.settings.model import Settings
from kharness.settings.prepare import Contents, Prepare

DIRECTORY_MODE, FILE_MODE = 0o755, 0o644


class ItemKind(StrEnum):
    """What an item is; the value is for messages."""

    DIRECTORY = "directory"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A directory or file to be prepared.

    It lies at `root/relative`. No link is followed below `root`, the volume root or a volume's own directory; where
    directories on the way are missing, they are made for `root_owner`. Owners are the host's uid and gid, `inside` is
    the owner as the container sees it. `said` is its place in the settings' words. `implied`: it is not declared, and
    one that is there is right as it is. `fresh`: it lies in what was just made for a test instance, and may be made
    what is declared.
    """

    said: str
    root: PurePosixPath
    relative: str
    kind: ItemKind
    owner: tuple[int, int]
    inside: tuple[int, int]
    mode: int
    root_owner: tuple[int, int]
    contents: Contents | None = None
    volume: str | None = None
    implied: bool = False
    fresh: bool = False

    @property
    def path(self) -> PurePosixPath:
        """Its absolute path."""
        return self.root / self.relative


def needs_names(settings: Settings, *, user: str) -> bool:
    """Whether the image's passwd and group files must be read to know all owners; `user` is whom it runs as."""
    return bool(settings.prepare) and (not is_numeric(user) or any(map(_has_names, settings.prepare)))


def plan_prepare(
    settings: Settings,
    *,
    name: str,
    user: str,
    passwd: str,
    group: str,
    maps: IdMaps,
    volume_root: PurePosixPath,
    places: Mapping[str, str],
) -> tuple[Item, ...]:
    """Return what production needs, parents before what is in them.

    `passwd` and `group` are the image's files, `places` the directories of the named volumes. Raises `UsageError` where
    the image does not know a name, or the engine does not map an id.
    """
    items = []
    for index, entry in enumerate(settings.prepare):
        where = f"{name}: prepare[{index}]"
        inside = _owner(entry, where=where, user=user, passwd=passwd, group=group)
        try:
            owner = maps.to_host(inside)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from error
        place = volume_root if entry.volume is None else PurePosixPath(places[entry.volume])
        items.append(_item(entry, name=name, root=place, inside=inside, owner=owner, root_owner=maps.root))
    container = resolve_user(user, passwd=passwd, group=group)
    if container is not None:
        implied = _implied(settings, items, name=name, volume_root=volume_root)
        items += [replace(item, owner=maps.to_host(container), inside=container) for item in implied]
    return tuple(sorted(items, key=lambda item: (item.volume or "", item.path)))


def in_test_instance(
    items: Iterable[Item], volumes: tuple[VolumePlan, ...], *, originals: frozenset[str], places: Mapping[str, str]
) -> tuple[Item, ...]:
    """Return the items of a test instance: those at or below what it has in place of a real directory.

    `originals` are the real directories and volumes that exist, `places` the directories of the named volumes.
    """
    return tuple(
        moved
        for plan in volumes
        if plan.scratch
        for item in items
        if (moved := _moved(item, plan, places=places, copied=plan.real in originals)) is not None
    )


def _has_names(entry: Prepare) -> bool:
    if entry.group is not None and not entry.group.isdigit():
        return True
    # Even a number alone has a group by the passwd file.
    return entry.owner is not None and not (entry.owner.isdigit() and entry.group)


def _item(
    entry: Prepare,
    *,
    name: str,
    root: PurePosixPath,
    inside: tuple[int, int],
    owner: tuple[int, int],
    root_owner: tuple[int, int],
) -> Item:
    kind = ItemKind.FILE if entry.contents is not None else ItemKind.DIRECTORY
    mode = FILE_MODE if kind is ItemKind.FILE else DIRECTORY_MODE
    return Item(
        said=entry.path if entry.volume is None else f"{entry.volume}:{entry.path}",
        root=root,
        relative=entry.path if entry.volume else str(PurePosixPath(name, entry.path)),
        kind=kind,
        owner=owner,
        inside=inside,
        mode=mode if entry.mode is None else entry.mode,
        root_owner=root_owner,
        contents=entry.contents,
        volume=entry.volume,
    )


def _owner(entry: Prepare, *, where: str, user: str, passwd: str, group: str) -> tuple[int, int]:
    # A group that is not said is the owner's own, as if the container ran as that owner.
    who = user if entry.owner is None else entry.owner.removeprefix("user/")
    owner = resolve_user(who, passwd=passwd, group=group)
    if owner is None:
        raise UsageError(f"{where}.owner: should be a user that the image's /etc/passwd knows, not '{who}'")
    if entry.group is None:
        return owner
    gid = resolve_group(entry.group.removeprefix("group/"), group=group)
    if gid is None:
        raise UsageError(f"{where}.group: should be a group that the image's /etc/group knows, not '{entry.group[6:]}'")
    return owner[0], gid


def _implied(settings: Settings, items: list[Item], *, name: str, volume_root: PurePosixPath) -> Iterator[Item]:
    # The container's user owns a writable directory that is made at launch; so it must when it is made as a parent.
    declared = {item.path for item in items}
    for volume in settings.volumes:
        if volume.type != "bind" or volume.source is None or volume.read_only:
            continue
        source = PurePosixPath(resolve_source(volume.source, name=name, volume_root=volume_root))
        below = next((item for item in items if item.volume is None and source in item.path.parents), None)
        if below is not None and source not in declared and source.is_relative_to(volume_root / name):
            declared.add(source)
            relative = str(source.relative_to(volume_root))
            yield Item(
                said=str(source.relative_to(volume_root / name)),
                root=volume_root,
                relative=relative,
                kind=ItemKind.DIRECTORY,
                owner=below.root_owner,
                inside=(0, 0),
                mode=DIRECTORY_MODE,
                root_owner=below.root_owner,
                implied=True,
            )


def _moved(item: Item, plan: VolumePlan, *, places: Mapping[str, str], copied: bool) -> Item | None:
    real, made = plan.real or "", plan.mount.source or ""
    fresh = plan.action is VolumeAction.EMPTY or not copied
    if plan.mount.kind is MountKind.VOLUME:
        if item.volume != real or made not in places:
            return None
        return replace(item, root=PurePosixPath(places[made]), volume=made, fresh=fresh)
    if item.volume is not None or not item.path.is_relative_to(real):
        return None
    root = PurePosixPath(made).parent
    below = PurePosixPath(made) / item.path.relative_to(real)
    return replace(item, root=root, relative=str(below.relative_to(root)), fresh=fresh)


class PreparedState(StrEnum):
    """What became of an item, or in a dry run, what would."""

    CREATED = "created"
    AS_DECLARED = "as declared"
    DIFFERS = "differs"
    FIXED = "fixed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An item and what became of it; `notes` say what is and what is declared, or why it was refused."""

    item: Item
    state: PreparedState
    notes: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether it now is what is declared."""
        return self.state not in {PreparedState.DIFFERS, PreparedState.REFUSED}
