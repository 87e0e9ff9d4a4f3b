"""Which snapshot fits, which have had their time, and what stands in the way of one."""

from __future__ import annotations

import pytest

from kharness.plan.launch.runspec import Mount, MountKind
from kharness.plan.volumes.snapshots import (
    Launched,
    Snapshot,
    Use,
    expired_snapshots,
    refusals_to_snapshot,
    snapshot_to_restore,
)

DIRECTORY = "/dv/web"


def mount(source: str | None, *, kind: MountKind = MountKind.BIND, read_only: bool = False) -> Mount:
    return Mount(kind=kind, source=source, target="/data", read_only=read_only)


def refusals(
    *mounts: Mount, local: bool = True, mounted: tuple[str, ...] = (), others: tuple[Use, ...] = ()
) -> tuple[str, ...]:
    return refusals_to_snapshot(mounts, directory=DIRECTORY, local=local, mounted=mounted, others=others)


@pytest.mark.parametrize(
    "found",
    [
        mount("/dv/web/data"),
        mount("/dv/web"),
        mount("/srv/music", read_only=True),
        mount("index", kind=MountKind.VOLUME, read_only=True),
        mount(None, kind=MountKind.VOLUME),
        mount(None, kind=MountKind.TMPFS),
    ],
)
def test_what_is_in_the_volume_directory_or_is_only_read_or_is_the_container_s_own_is_covered(found: Mount) -> None:
    assert refusals(found) == ()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (mount("/srv/music"), "/data is /srv/music, outside of /dv/web, and would not be put back; make it read-only"),
        (mount("/dv"), "/data is /dv, outside of /dv/web"),
        (mount("/dv/website"), "/data is /dv/website, outside of /dv/web"),
        (mount("index", kind=MountKind.VOLUME), "/data is the named volume index, and would not be put back"),
    ],
)
def test_what_would_not_be_put_back_is_named(found: Mount, said: str) -> None:
    (reason,) = refusals(found)
    assert said in reason


@pytest.mark.parametrize("source", ["/dv/web", "/dv/web/data/x", "/dv", "/"])
def test_another_container_that_can_write_there_is_named(source: str) -> None:
    (reason,) = refusals(others=(Use("backup", source),))
    assert f"the container backup can write to {source}" in reason


def test_another_container_elsewhere_is_none_of_our_business() -> None:
    assert refusals(others=(Use("backup", "/dv/website"), Use("db", "/dv/db"))) == ()


def test_mount_points_and_far_engines_are_refused() -> None:
    assert "/dv/web is a mount point" in refusals(mounted=("/dv/web",))[0]
    assert "has something mounted in it, at /dv/web/nas" in refusals(mounted=("/dv/web/nas",))[0]
    assert "the engine is not on this host" in refusals(local=False)[0]


def snapshot(name: str, *, image: str, previous: str | None, after: int, discarded: bool = False) -> Snapshot:
    return Snapshot(id=name, at=float(after), image=image, previous=previous, after=after, discarded=discarded)


LEDGER = (Launched(2, "a"), Launched(4, "b"), Launched(7, "b"), Launched(9, "c"))
"""a, then b, b again by hand, then c; the numbers between are promotions."""
KEPT = (
    snapshot("to-b", image="b", previous="a", after=2),
    snapshot("again", image="b", previous="b", after=5),
    snapshot("to-c", image="c", previous="b", after=7),
)


@pytest.mark.parametrize(("image", "wanted"), [("a", "to-b"), ("b", "to-c"), ("c", None), ("d", None)])
def test_the_data_of_an_image_are_those_that_its_last_replacement_found(image: str, wanted: str | None) -> None:
    found = snapshot_to_restore(image, LEDGER, KEPT)
    assert (found.id if found else None) == wanted


def test_an_image_that_ran_twice_left_its_data_the_second_time() -> None:
    launches = (*LEDGER, Launched(11, "a"), Launched(13, "c"))
    kept = (*KEPT, snapshot("last", image="c", previous="a", after=11))
    found = snapshot_to_restore("a", launches, kept)
    assert found is not None
    assert found.id == "last"
    assert snapshot_to_restore("a", launches, KEPT) is None


@pytest.mark.parametrize(
    "other",
    [
        snapshot("x", image="b", previous="a", after=2, discarded=True),
        snapshot("x", image="b", previous=None, after=2),
        snapshot("x", image="c", previous="a", after=2),
        snapshot("x", image="b", previous="a", after=4),
    ],
)
def test_what_does_not_fit_the_ledger_is_never_taken(other: Snapshot) -> None:
    assert snapshot_to_restore("a", LEDGER, (other,)) is None


def test_the_last_ones_stay_in_the_order_of_the_ledger_whatever_the_clock_said() -> None:
    late = Snapshot(id="late", at=0.0, image="d", previous="c", after=9)
    kept = (late, *reversed(KEPT))
    assert [each.id for each in expired_snapshots(kept, keep=2)] == ["to-b", "again"]
    assert expired_snapshots(kept, keep=9) == ()


def test_what_was_discarded_takes_no_snapshot_s_place() -> None:
    lost = [snapshot(name, image="d", previous="c", after=9, discarded=True) for name in ("x", "y", "z")]
    assert [each.id for each in expired_snapshots((*lost, *KEPT), keep=2)] == ["to-b", "x"]


def test_what_is_in_use_neither_goes_nor_takes_a_place() -> None:
    assert [each.id for each in expired_snapshots(KEPT, keep=1, in_use=("to-c", "to-b"))] == []
    assert [each.id for each in expired_snapshots(KEPT, keep=1, in_use=("to-c",))] == ["to-b"]
