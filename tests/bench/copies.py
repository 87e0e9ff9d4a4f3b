"""A test copy of a volume by each strategy, beside what cp(1) takes for the same, on the same disk in the same run."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from kharness.host.copies import make_copy, remove_tree
from kharness.host.fingerprint import fingerprint
from kharness.host.overlay import mount_overlay, unmount_overlays
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
    ways = {
        "cp": _timed(place, lambda target: _cp(source, target)),
        "real": _timed(place, lambda target: make_copy(source, target, progress=None, reflink=False)),
        "overlay": _timed(place, lambda target: _overlaid(source, target)),
        "proof": lambda: _seconds(lambda: fingerprint(source)),
    }
    times = in_turn(ways, rounds=rounds, progress=progress)
    cp = ("cp -a", times["cp"])
    title = f"test copy of 1 GB in {FILES:,} files"
    yield Figure(
        title=f"{title}: overlay, to cp -a",
        value=ratio(times["overlay"], times["cp"]) * 1000,
        bound=10,
        aim=1,
        unit="‰",
        parts=(("overlay", times["overlay"]), cp),
    )
    yield Figure(
        title=f"{title}: real, to cp -a",
        value=ratio(times["real"], times["cp"]),
        bound=0.8,
        unit="x",
        parts=(("a real copy", times["real"]), cp),
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
    ways = {
        "cp": _timed(place, lambda target: _cp(source, target, "--reflink=always")),
        "reflink": _timed(place, lambda target: make_copy(source, target, progress=None, reflink=True)),
    }
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
    def measure() -> float:
        # What others have written is not to be written back at our expense.
        os.sync()
        taken = _seconds(lambda: work(place / "copy"))
        unmount_overlays(place / "copy")
        remove_tree(place / "copy")
        remove_tree(place / "store")
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
