"""Give a container another name: records, images and data move, while its production is down.

Each step looks first, so that the same command, typed again after a crash, finishes it. Meanwhile nothing is launched
under either name: an empty directory would be taken for its data.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import HostError, KharnessError, RefusedError, SettingsError, UsageError
from kharness.host.durable import rename as rename_path
from kharness.host.locks import lock
from kharness.host.machine.kernel import mounts_below
from kharness.host.state.lives import RENAME
from kharness.ops.drift.watch import silence
from kharness.ops.harness import Harness
from kharness.ops.image.build import bases_of
from kharness.ops.launch.secrets import sweep_secrets
from kharness.ops.project.identity import how_to_remove, productions, refuse_shared_images, refuse_shared_volumes, whose
from kharness.ops.project.known import fact_keys, must_be_known
from kharness.ops.project.production import precedence
from kharness.ops.project.retire import declared_mounts, tags_of
from kharness.ops.project.unfinished import Unfinished, begin, key, unfinished
from kharness.ops.release.ledger import container_entry, recorded_live
from kharness.ops.release.recover import settle_releases
from kharness.ops.release.release import LOCK_TIMEOUT
from kharness.ops.volumes.manifest import manifest_file
from kharness.ops.volumes.mounters import known_volumes, located, record_volumes
from kharness.ops.volumes.root import check_volume_root
from kharness.ops.volumes.snapshots import snapshots_of
from kharness.plan.facts import ContainerFacts
from kharness.plan.project import Renaming
from kharness.plan.release.carry import anonymous_volumes
from kharness.plan.volumes.usage import meets
from kharness.settings.load import NAME, SHORTEST

WHAT = "a renaming"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OldContainers:
    """The containers of the old name, and the image for the ledger; `begun` where an earlier command was cut short."""

    containers: tuple[ContainerFacts, ...]
    image: str
    begun: bool


def rename(harness: Harness, old: str, new: str, *, dry_run: bool = False) -> Renaming:
    """Let `new` be what `old` was; with `dry_run` only look.

    Raises `UsageError` where nothing is known of the old name, or the new one cannot be a name; `RefusedError` while
    production of the old one runs, where the new one has data, production or releases of its own, or something else
    has the data in hand; `ConflictError` where images or data are another project's; `HostError` where the volume root
    is another one.
    """
    if len(new) < SHORTEST or not NAME.fullmatch(new):
        raise UsageError(f"{new!r}: should be a name of lower-case letters and digits, joined by dots, dashes or '_'")
    if old == new:
        raise UsageError(f"{old}: has this name already")
    if (ended := _ended(harness, old, new)) is not None:
        return Renaming(old=old, new=new, ended=ended)
    must_be_known(harness, old)
    if dry_run:
        return _plan(harness, old, new, _look(harness, old, new))
    with ExitStack() as stack:
        for name in sorted((old, new)):
            stack.enter_context(lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT))
            settle_releases(harness, name)
        found = _look(harness, old, new)
        planned = _plan(harness, old, new, found)
        _carry_out(harness, planned, found)
        return planned


def _ended(harness: Harness, old: str, new: str) -> float | None:
    """Return when it was renamed, if nothing has the old name since."""
    if unfinished(harness, old) or unfinished(harness, new) or old in harness.state.names():
        return None
    if productions(harness, old) or dict(tags_of(harness, old)):
        return None
    renamed = (each for each in harness.state.releases_in_use(new) if each.kind == RENAME)
    return next((each.at for each in renamed if each.note == _rename_note(old)), None)


def _rename_note(old: str) -> str:
    return f"was {old} until now"


def _look(harness: Harness, old: str, new: str) -> _OldContainers:
    work = unfinished(harness, old)
    wanted = _work(old, new, image="", containers=())
    for name in (old, new):
        other = unfinished(harness, name)
        if other is not None and (other.what, other.command) != (wanted.what, wanted.command):
            raise RefusedError(f"{name}: {other}")
        refuse_shared_images(harness, name)
        refuse_shared_volumes(harness, name)
    check_volume_root(harness)
    ids = tuple(work.known["containers"]) if work else _ids(harness, old)
    containers = (harness.engine.container(each) for each in ids)
    image = str(work.known["image"]) if work else recorded_live(harness, old)
    return _OldContainers(
        containers=tuple(each for each in containers if each is not None), image=image, begun=work is not None
    )


def _ids(harness: Harness, name: str) -> tuple[str, ...]:
    # The one that people mean comes last: its anonymous volumes count.
    return tuple(each.id for each in sorted(productions(harness, name), key=precedence, reverse=True))


def _work(old: str, new: str, *, image: str, containers: tuple[str, ...]) -> Unfinished:
    known = {"image": image, "containers": containers}
    return Unfinished(what=WHAT, command=f"kharness rename {old} {new}", known=known)


def _plan(harness: Harness, old: str, new: str, found: _OldContainers) -> Renaming:
    reasons = [*_refusals(harness, old, found), *([] if found.begun else _taken(harness, old, new, found))]
    if reasons:
        raise RefusedError("\n".join(f"{old}: {reason}" for reason in reasons))
    tags = sorted(dict(tags_of(harness, old)))
    beginning = f"{harness.repository}/{old}:"
    return Renaming(
        old=old,
        new=new,
        directories=tuple((str(a), str(b)) for a, b in _places(harness, old, new) if os.path.lexists(a)),
        tags=tuple((tag, f"{harness.repository}/{new}:{tag.removeprefix(beginning)}") for tag in tags),
        containers=tuple(each.name for each in found.containers),
        records=old in harness.state.names(),
        notes=tuple(_notes(harness, old, new)),
    )


def _places(harness: Harness, old: str, new: str) -> Iterator[tuple[Path, Path]]:
    if harness.engine.facts().local:
        before, after = snapshots_of(harness, old), snapshots_of(harness, new)
        yield before.directory, after.directory
        yield before.place, after.place
    yield manifest_file(harness, old), manifest_file(harness, new)


def _refusals(harness: Harness, old: str, found: _OldContainers) -> Iterator[str]:
    for container in found.containers:
        if container.up:
            yield f"{container.name} runs; 'kharness down {old}' stops it"
    for entry in harness.state.operations(old):
        yield f"a {entry.operation.kind} of it is not over: {entry.note or 'kharness recover finishes or undoes it'}"
    if not harness.engine.facts().local:
        yield "its data are on the engine's host, and that is not this one"
        return
    directory = snapshots_of(harness, old).directory
    for mounted in mounts_below(directory):
        yield f"{mounted.place} is a mount point, and cannot be renamed"
    ours = {each.id for each in found.containers}
    for each in located(harness.engine, harness.engine.containers()):
        if each.id not in ours and any(meets(mount.source, str(directory)) for mount in each.mounts):
            yield f"the container {each.name} has {directory} mounted: {how_to_remove(harness, each)}"


def _taken(harness: Harness, old: str, new: str, found: _OldContainers) -> Iterator[str]:
    first, second = harness.catalog.get(old), harness.catalog.get(new)
    if first is not None and second is not None:
        yield f"both {first.path} and {second.path} stand; remove one of them, or give it a third name"
    if productions(harness, new):
        yield f"{new} is in production; 'kharness retire {new}' ends it"
    elif (stranger := harness.engine.container(new)) and stranger.id not in {each.id for each in found.containers}:
        yield f"the container {new} {whose(harness, stranger)}, and has the name"
    if harness.state.releases_in_use(new, limit=1) or harness.engine.image(harness.tags(new).live) is not None:
        yield f"{new} was released itself; 'kharness retire {new}' ends it, and leaves its data"
    for entry in harness.state.operations(new):
        yield f"a {entry.operation.kind} of {new} is not over"
    for before, after in _places(harness, old, new):
        if os.path.lexists(before) and not _is_free(after):
            yield f"{after} is there; move it away first"
    if second is not None:
        yield from _still_mounted(harness, old, new)


def _is_free(path: Path) -> bool:
    if not os.path.lexists(path):
        return True
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _still_mounted(harness: Harness, old: str, new: str) -> Iterator[str]:
    directory = str(snapshots_of(harness, old).directory)
    for mount in declared_mounts(harness, new):
        if meets(os.path.realpath(mount.source) if mount.source else "", directory):
            yield f"settings of {new} mount {mount.source} at {mount.target}, which will not be there any more"


def _notes(harness: Harness, old: str, new: str) -> Iterator[str]:
    for directory in harness.catalog.directories:
        with suppress(SettingsError, HostError):
            settings = harness.settings(directory)
            if old in settings.depends_on:
                yield f"{directory.settings_file}: depends_on: should name {new} now, not {old}"
            if old in bases_of(harness, directory, settings):
                yield f"{directory.path / 'Dockerfile'}: should be built on {harness.tags(new).live} now"
    standing = harness.catalog.get(old)
    if standing is not None:
        yield f"the directory is still {standing.path}: mv {standing.path} {standing.path.with_name(new)}"


def _carry_out(harness: Harness, planned: Renaming, found: _OldContainers) -> None:
    old, new = planned.old, planned.new
    ids = tuple(each.id for each in found.containers)
    if not found.begun:
        begin(harness, [old, new], _work(old, new, image=found.image, containers=ids))
    for container in found.containers:
        _keep_down(harness, old, container)
    for before, after in _places(harness, old, new):
        _move(before, after)
    _move_tags(harness, planned)
    pairs = zip(fact_keys(harness, old), fact_keys(harness, new), strict=True)
    harness.state.rename(old, new, facts=pairs)
    for container in found.containers:
        harness.report(old, f"removing the stopped container {container.name}")
        harness.engine.remove(container.id, force=False, volumes=False)
    sweep_secrets(harness, old)
    silence(harness, old)
    harness.state.tell(container_entry(new, RENAME, found.image, note=_rename_note(old)), forget=(key(old), key(new)))


def _keep_down(harness: Harness, name: str, container: ContainerFacts) -> None:
    with suppress(KharnessError):
        # Some engines cannot change it; then it would start, at a restart of the engine, and find no data.
        harness.engine.set_restart(container.id, "no")
    wanted = anonymous_volumes(container.mounts)
    record_volumes(harness, name, container.id)
    known = known_volumes(harness, name)
    if lost := sorted(target for target, volume in wanted.items() if known.get(target) != volume):
        raise RefusedError(f"{name}: its anonymous volumes at {', '.join(lost)} could not be recorded")


def _move(before: Path, after: Path) -> None:
    if not os.path.lexists(before):
        return
    try:
        if os.path.lexists(after) and before.is_dir():
            # Only an empty directory can be in the way; anything else makes this fail.
            after.rmdir()
        rename_path(before, after)
    except OSError as error:
        raise HostError(f"{before}: cannot be renamed to {after}: {error.strerror}") from error


def _move_tags(harness: Harness, planned: Renaming) -> None:
    for before, after in planned.tags:
        image = harness.engine.image(before)
        if image is not None and harness.engine.image(after) is None:
            harness.engine.tag(image.id, after)
        # A build that was tested under the new name is newer than what the old one has.
        harness.engine.untag(before)
