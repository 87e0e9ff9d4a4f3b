"""A test instance's own volumes: empty ones, structures, and copies made in the cheapest way that is safe."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kharness.errors import HostError, UsageError
from kharness.host.machine.kernel import mounts_below
from kharness.host.session.baseline import Baseline
from kharness.host.session.overlay import UPPER, mount_overlay, unmount_overlays, why_no_overlay
from kharness.host.volumes.copies import make_copy, make_empty, make_tree
from kharness.host.volumes.directories import ensure_directory, remove_if_empty, remove_tree
from kharness.host.volumes.fingerprint import Survey, refuse_full_disk, refuse_sockets, survey, why_no_reflink
from kharness.ops.harness import Harness
from kharness.ops.launch.volumes import looking
from kharness.ops.project.identity import is_ours
from kharness.ops.volumes.freeze import frozen
from kharness.ops.volumes.mounters import running_mounters
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.mounts import VolumeAction, VolumePlan, nested
from kharness.plan.launch.runspec import MountKind
from kharness.plan.text import size_text
from kharness.plan.volumes.copying import CopyCase, choose_freeze, choose_strategy, estimate
from kharness.settings.model import TestOverrides
from kharness.settings.volumes import CopyStrategy, Freeze


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """The instance that volumes are made for: the directory's name, the instance's own directory, labels and settings.

    `kept` says that the instance may outlive its session, `go_on` raises when it has ended meanwhile.
    """

    name: str
    directory: Path
    labels: dict[str, str]
    test: TestOverrides
    kept: bool = False
    go_on: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """One copy to be made."""

    plan: VolumePlan
    real: Path
    target: Path
    store: Path
    strategy: CopyStrategy
    found: Survey | None
    """What is in it; None where nothing is copied."""
    writers: tuple[ContainerFacts, ...]

    @property
    def seconds(self) -> float:
        if self.found is None:
            return 0.0
        return estimate(self.strategy, entries=self.found.entries, size=self.found.bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeVolume:
    """An instance's own volume: where it is, of what it is a copy, and where an overlay keeps what is written.

    `note` is the file with its state when the instance was launched.
    """

    path: Path
    note: Path
    real: Path | None
    store: Path

    @property
    def overlay(self) -> tuple[Path, Path] | None:
        """The lower and the upper directory, if it is an overlay."""
        upper = self.store / UPPER
        return (self.real, upper) if self.real is not None and upper.is_dir() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made for an instance, and the production containers that were stopped for it, by their directories."""

    volumes: tuple[MadeVolume, ...]
    stopped: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Job:
    copy: _Copy
    owned: Owned
    stack: ExitStack


@dataclass(slots=True)
class Together:
    """Copies for several instances, to be made in one standstill of all that write to them, so of one moment."""

    _jobs: list[_Job] = field(default_factory=list)
    _plans: list[tuple[VolumePlan, ...]] = field(default_factory=list)

    def make(self, harness: Harness) -> None:
        """Make them; raises as `make_scratch`."""
        jobs, plans = tuple(self._jobs), tuple(self._plans)
        self._jobs.clear()
        self._plans.clear()
        if jobs:
            _copy_all(harness, jobs)
        for each in plans:
            _make_places(each)

    def add(self, plans: tuple[VolumePlan, ...], jobs: Iterable[_Job]) -> None:
        """Leave the copies of one instance for `make`."""
        self._jobs.extend(jobs)
        self._plans.append(plans)


def make_scratch(
    harness: Harness,
    plans: tuple[VolumePlan, ...],
    owned: Owned,
    *,
    stack: ExitStack,
    together: Together | None = None,
) -> Made:
    """Make a test instance's own volumes, and report how; with `together`, its copies are left for that to make.

    Named ones and mounts are registered with the stack; directories are in the instance's own, and go with that, see
    `remove_scratch`.

    Raises `UsageError` on a remote engine, whose file system this host does not see, and where a chosen strategy cannot
    be had; `HostError`; `EngineError` and `LockedError` where production cannot be frozen.
    """
    copies: list[_Copy] = []
    volumes: list[MadeVolume] = []
    for index, plan in enumerate(plans):
        if not plan.scratch:
            continue
        named = plan.mount.kind is MountKind.VOLUME
        target = _make_named(harness, plan, owned, stack) if named else _place(harness, plan)
        real = _real(harness, plan)
        store = owned.directory / f"{index}.overlay"
        if real is not None and plan.action is VolumeAction.COPY:
            copies.append(_prepare(harness, plan, real, target, store, kept=owned.kept))
        elif real is not None or not named:
            # A fresh named volume is filled from the image when it is mounted, exactly as production's was.
            _make(plan, real, target)
        if harness.engine.facts().local:
            note = owned.directory / f"{index}.launched"
            volumes.append(MadeVolume(path=target, note=note, real=real and real.resolve(), store=store))
    jobs = tuple(_Job(copy, owned, stack) for copy in copies)
    if together is not None:
        together.add(plans, jobs)
        return Made(volumes=tuple(volumes), stopped={})
    stopped = _copy_all(harness, jobs) if jobs else {}
    _make_places(plans)
    return Made(volumes=tuple(volumes), stopped=stopped)


def remember_scratch(made: Made) -> dict[str, str]:
    """Note how an instance's volumes look before it starts; returns the notes' files by the volumes' directories.

    Those that this user may not look into have none. Raises `HostError`.
    """
    notes = {}
    for volume in made.volumes:
        if os.access(volume.path, os.R_OK | os.X_OK):
            with looking(volume.note):
                volume.note.parent.mkdir(parents=True, exist_ok=True)
            Baseline.take(volume.path, overlay=volume.overlay).save(volume.note)
            notes[str(volume.path)] = str(volume.note)
    return notes


def remove_scratch(directory: Path) -> None:
    """Remove an instance's own directory, and the session's when this was its last one; raises `HostError`."""
    unmount_overlays(directory)
    remove_tree(directory)
    remove_if_empty(directory.parent)


def why_not_overlaid(harness: Harness) -> str:
    """Return why no copy can be an overlay on this host, empty where one can."""
    if not harness.engine.facts().shares_mounts:
        return "the engine does not see what is mounted here"
    return why_no_overlay()


def with_originals(text: str, plans: Iterable[VolumePlan]) -> str:
    """Return an error's text with the original directories in place of an instance's own."""
    for plan in plans:
        if plan.scratch and plan.mount.source and plan.real:
            text = text.replace(plan.mount.source, f"the {plan.action} of {plan.real}")
    return text


def _make_named(harness: Harness, plan: VolumePlan, owned: Owned, stack: ExitStack) -> Path:
    name = plan.mount.source or ""
    made = harness.engine.create_volume(name, labels=owned.labels)
    stack.callback(harness.engine.remove_volume, name)
    return Path(made.mountpoint)


def _place(harness: Harness, plan: VolumePlan) -> Path:
    if not harness.engine.facts().local:
        raise UsageError(
            f"{plan.mount.target}: test volumes are directories of this host, and the engine at "
            f"{harness.engine.facts().endpoint} is not on it"
        )
    target = Path(plan.mount.source or "")
    with looking(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _real(harness: Harness, plan: VolumePlan) -> Path | None:
    """Return what is in production where the instance gets its own; None where there is nothing, or it gets none."""
    if plan.mount.kind is MountKind.BIND:
        real = Path(plan.real or "")
        with looking(real):
            return real if real.exists() else None
    found = None if plan.action is VolumeAction.EMPTY else harness.engine.volume(plan.real or "")
    if found is None:
        return None
    if not harness.engine.facts().local:
        raise UsageError(f"{plan.real}: copying a volume needs the engine's file system, and it is not on this host")
    if not found.directory:
        raise UsageError(
            f"volumes: {plan.mount.target}: the contents of the volume {plan.real} are where only a container that "
            "mounts it sees them, and cannot be copied; set 'test: empty', or 'test: ro'"
        )
    return Path(found.directory)


def _make(plan: VolumePlan, real: Path | None, target: Path) -> None:
    if real is None:
        make_empty(None, target)
        return
    with looking(real):
        file = real.is_file()
    if file:
        _make_empty_file(real, target)
    elif plan.action is VolumeAction.TREE:
        make_tree(real, target)
    else:
        make_empty(real, target)


def _make_empty_file(real: Path, target: Path) -> None:
    with looking(target):
        found = real.stat()
        target.touch(mode=0o600)
        if os.geteuid() == 0:
            os.chown(target, found.st_uid, found.st_gid)
        target.chmod(stat.S_IMODE(found.st_mode))


def _make_places(plans: tuple[VolumePlan, ...]) -> None:
    for found in nested(plans):
        if found.outer.scratch and found.outer.mount.kind is MountKind.BIND:
            file = Path(found.inner.real or "").is_file()
            _make_place(Path(found.outer.mount.source or ""), found.point, file=file)


def _make_place(outer: Path, point: PurePosixPath, *, file: bool) -> None:
    # As the engine would, were the volume around it not read-only, or had production's not had it already.
    steps = [outer / step for step in (*reversed(point.parents), point)]
    if any(step.is_symlink() for step in steps) or steps[-1].exists():
        # Where a link leads inside the container is the engine's to find out.
        return
    if not file:
        ensure_directory(outer, str(point))
        return
    if point.parent.parts:
        ensure_directory(outer, str(point.parent))
    with looking(steps[-1]):
        steps[-1].touch()


def _prepare(harness: Harness, plan: VolumePlan, real: Path, target: Path, store: Path, *, kept: bool) -> _Copy:
    with looking(real):
        file, place = real.is_file(), real.resolve(strict=True)
        why_not_shared = why_no_reflink(place, target.parent)
    users = running_mounters(harness, place)
    case = CopyCase(
        target=plan.mount.target,
        asked=plan.strategy,
        reflink=why_not_shared,
        overlay=_why_not_over(place, file=file) or why_not_overlaid(harness),
        users=tuple(user.name for user in users),
        kept=kept,
    )
    strategy = choose_strategy(case)
    found = None if strategy is CopyStrategy.OVERLAY else survey(place)
    if found is not None and strategy is CopyStrategy.REAL:
        # Before production is made to stand still for it.
        refuse_full_disk(found, place, target.parent)
    if found is not None:
        refuse_sockets(found.sockets, place)
    return _Copy(
        plan=plan,
        real=place,
        target=target,
        store=store,
        strategy=strategy,
        found=found,
        writers=running_mounters(harness, place, writable=True),
    )


def _why_not_over(place: Path, *, file: bool) -> str:
    if file:
        return "it is a single file"
    inner = [mounted.place for mounted in mounts_below(place) if mounted.place != PurePosixPath(place)]
    return f"{inner[0]} is mounted in it, which an overlay does not show" if inner else ""


def _copy_all(harness: Harness, jobs: Sequence[_Job]) -> dict[str, str]:
    writers = {writer.id: writer for job in jobs for writer in job.copy.writers}
    ours = tuple(writer for writer in writers.values() if is_ours(harness, writer))
    foreign = [writer.name for writer in writers.values() if writer not in ours]
    seconds = sum(job.copy.seconds for job in jobs)
    # Where several instances ask for it, the one that asks for most decides.
    asked = {job.owned.test.freeze for job in jobs}
    most = next(how for how in (Freeze.STOP, Freeze.PAUSE, Freeze.NONE) if how in asked)
    limit = max(job.owned.test.max_freeze for job in jobs)
    who = ", ".join(dict.fromkeys(job.owned.name for job in jobs))
    how, said = choose_freeze(most, seconds=seconds, limit=limit)
    done = []
    with frozen(harness, ours, how, limit=limit) as stood:
        for job in jobs:
            job.owned.go_on()
            done.append((job.owned.name, _copy(harness, job.copy, job.owned, job.stack)))
    for name, line in done:
        harness.report(name, line)
    if ours and (note := str(stood) or said):
        harness.report(who, note)
    if foreign:
        harness.report(who, f"{', '.join(foreign)}, not of this project, may have written while the copy was made")
    return {each.labels[labels.NAME]: each.name for each in ours if stood.how is Freeze.STOP}


def _copy(harness: Harness, copy: _Copy, owned: Owned, stack: ExitStack) -> str:
    source = copy.plan.real
    if copy.strategy is CopyStrategy.OVERLAY:
        stack.callback(unmount_overlays, copy.target)
        try:
            with looking(copy.target):
                copy.target.mkdir(mode=0o755, exist_ok=True)
            mount_overlay(copy.real, copy.target, copy.store)
        except HostError as error:
            # Not every file system can lie under an overlay, or take what is written to one.
            if copy.plan.strategy is CopyStrategy.OVERLAY:
                raise
            remove_tree(copy.store)
            harness.report(owned.name, str(error))
        else:
            return f"{source}: an overlay takes what the test writes"

    def tell(line: str) -> None:
        owned.go_on()
        harness.report(owned.name, line)

    report = make_copy(
        copy.real,
        copy.target,
        progress=tell,
        reflink=copy.strategy is CopyStrategy.REFLINK,
        found=copy.found,
    )
    files = f"{report.files:,} file{'' if report.files == 1 else 's'}"
    words = f"{files}, {size_text(report.bytes)}, by {_WAYS[report.strategy]} in {report.seconds:.2f} s"
    lost = f"; its file system does not keep {', '.join(report.lost)}" if report.lost else ""
    gone = f"; {len(report.vanished)} vanished meanwhile" if report.vanished else ""
    return f"{source}: copied {words}{lost}{gone}"


_WAYS = {CopyStrategy.REFLINK: "reflink", CopyStrategy.REAL: "a real copy"}
