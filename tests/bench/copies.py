"""A test copy of a volume by each strategy, beside what cp(1) takes for the same, on the same disk in the same run."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from kharness.host.session.overlay import mount_overlay, unmount_overlays
from kharness.host.volumes.copies import make_copy
from kharness.host.volumes.fingerprint import fingerprint
from tests.bench.figure import MILLISECONDS, Figure, ratio
from tests.bench.timing import BenchError, in_turn

FILES, PER_DIRECTORY, SIZE = 10_000, 100, 100_000
"""A gigabyte in small files."""
DISK = 4 << 30
SHARING = {"xfs": ("mkfs.xfs", "-q", "-m", "reflink=1"), "btrfs": ("mkfs.btrfs", "-q")}

Progress = Callable[[str], None]


def copies(*, rounds: int, progress: Progress) -> Iterator[Figure]:
    """Measure each strategy; needs root, because disks and overlays are mounted."""
    if os.geteuid() != 0:
        raise BenchError("copies of volumes are measured with mounts of their own, which need root")
    with TemporaryDirectory(prefix="kharness-bench-") as scratch:
        place = Path(scratch)
        yield from _plain(place / "plain", rounds=rounds, progress=progress)
        for kind, maker in SHARING.items():
            with _disk(place / kind, maker) as disk:
                yield _shared(disk, kind, rounds=rounds, progress=progress)


def _plain(place: Path, *, rounds: int, progress: Progress) -> Iterator[Figure]:
    source = _grown(place)

    def cp(target: Path) -> None:
        _cp(source, target)

    def real(target: Path) -> None:
        make_copy(source, target, progress=None, reflink=False)

    def overlay(target: Path) -> None:
        _overlaid(source, target)

    ways = {
        "cp": _timed(place, cp),
        "real": _timed(place, real),
        "overlay": _timed(place, overlay),
        "proof": lambda: _seconds(lambda: fingerprint(source)),
    }
    times = in_turn(ways, rounds=rounds, progress=progress)
    beside = ("cp -a", times["cp"])
    title = f"test copy of 1 GB in {FILES:,} files"
    yield Figure(
        title=f"{title}: overlay, to cp -a",
        value=ratio(times["overlay"], times["cp"]) * 1000,
        bound=10,
        aim=1,
        unit="‰",
        parts=(("overlay", times["overlay"]), beside),
    )
    yield Figure(
        title=f"{title}: real, to cp -a",
        value=ratio(times["real"], times["cp"]),
        bound=0.8,
        unit="x",
        parts=(("a real copy", times["real"]), beside),
    )
    yield Figure(
        title=f"one look at {FILES:,} files, to prove them untouched",
        value=times["proof"].median * MILLISECONDS,
        bound=60,
        unit="ms",
        parts=(("metadata", times["proof"]),),
    )


def _shared(place: Path, kind: str, *, rounds: int, progress: Progress) -> Figure:
    source = _grown(place)

    def cp(target: Path) -> None:
        _cp(source, target, "--reflink=always")

    def reflink(target: Path) -> None:
        make_copy(source, target, progress=None, reflink=True)

    ways = {"cp": _timed(place, cp), "reflink": _timed(place, reflink)}
    times = in_turn(ways, rounds=rounds, progress=progress)
    return Figure(
        title=f"the same on {kind}: reflink, to cp -a --reflink",
        value=ratio(times["reflink"], times["cp"]),
        bound=1.1,
        unit="x",
        parts=(("reflink", times["reflink"]), ("cp -a --reflink=always", times["cp"])),
    )


def _grown(place: Path) -> Path:
    source, chance = place / "source", random.Random(1)
    content = chance.randbytes(SIZE)
    for number in range(FILES):
        directory = source / f"{number // PER_DIRECTORY:03}"
        if not number % PER_DIRECTORY:
            directory.mkdir(parents=True)
        (directory / f"{number:05}").write_bytes(content)
    return source


def _timed(place: Path, work: Callable[[Path], object]) -> Callable[[], float]:
    numbers = count()

    def measure() -> float:
        # What others have written is not to be written back at our expense. Nothing is removed before the end: ext4
        # looks long for an inode that was not used a moment ago, for cp(1) as for us.
        os.sync()
        target = place / f"{work.__name__}-{next(numbers)}" / "copy"
        target.parent.mkdir()
        taken = _seconds(lambda: work(target))
        unmount_overlays(target)
        return taken

    return measure


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _cp(source: Path, target: Path, *flags: str) -> None:
    subprocess.run(["cp", "-a", *flags, source, target], check=True)


def _overlaid(source: Path, target: Path) -> None:
    target.mkdir()
    mount_overlay(source, target, target.parent / "store")


@contextmanager
def _disk(place: Path, maker: tuple[str, ...]) -> Iterator[Path]:
    if not shutil.which(maker[0]):
        raise BenchError(f"{maker[0]} is needed for a disk whose files can share their blocks")
    image = place.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(DISK)
    subprocess.run([*maker, image], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    place.mkdir()
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        image.unlink()
