"""Which id becomes which when a mapping changes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.errors import UsageError
from kharness.plan.volumes.idmap import IDENTITY, IdMaps, IdPlace, parse_id_map, plan_shift, shifted_map

REMAPPED = IdMaps(shifted_map(231072, 65536), shifted_map(231072, 65536, what="gid"))
ANY = st.integers(min_value=0, max_value=2**32 - 2)


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def capability(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


@pytest.mark.parametrize(
    ("number", "moved", "place"),
    [
        (0, 231072, IdPlace.OLD),
        (65535, 296607, IdPlace.OLD),
        (65536, 65536, IdPlace.FOREIGN),
        (231072, 231072, IdPlace.NEW),
        (296608, 296608, IdPlace.FOREIGN),
    ],
)
def test_from_no_mapping_everybody_moves_once(number: int, moved: int, place: IdPlace) -> None:
    shift = plan_shift("none", REMAPPED)
    assert shift.owner(number, number) == (moved, moved)
    assert shift.uid.place(number) is shift.gid.place(number) is place


@given(number=ANY, said=st.sampled_from(["none", "100000", "400000:500000"]))
def test_to_move_twice_is_to_move_once(number: int, said: str) -> None:
    shift = plan_shift(said, REMAPPED)
    once = shift.owner(number, number)
    assert shift.owner(*once) == once


@given(number=st.integers(min_value=0, max_value=65535))
def test_there_and_back_again_everybody_is_who_they_were(number: int) -> None:
    there, back = plan_shift("none", REMAPPED), plan_shift("231072", IDENTITY)
    assert back.owner(*there.owner(number, number)) == (number, number)


def test_bases_of_users_and_groups_may_differ() -> None:
    assert plan_shift("400000:500000", REMAPPED).owner(400007, 500008) == (231079, 231080)


def test_a_rootless_engine_can_be_moved_to() -> None:
    rootless = IdMaps(
        parse_id_map("0 1000 1\n1 100000 65535\n"), parse_id_map("0 1000 1\n1 100000 65535\n", what="gid")
    )
    assert plan_shift("300000", rootless).owner(300000, 300007) == (1000, 100006)
    with pytest.raises(UsageError, match="should have none in common"):
        plan_shift("none", rootless)


@pytest.mark.parametrize(
    ("said", "maps", "message"),
    [
        ("some", REMAPPED, "should be none, or the first host id of the old mapping, not 'some'"),
        ("-1", REMAPPED, "should be none, or the first host id"),
        ("none", IDENTITY, "should be another mapping than now: the engine maps no ids"),
        ("231072", REMAPPED, "the old uids 231072-296607 and the new ones 231072-296607 should have none in common"),
        ("200000", REMAPPED, "the old uids 200000-265535 and the new ones 231072-296607 should have none in common"),
        ("65535", IDENTITY, "should have none in common"),
    ],
)
def test_what_could_not_be_done_safely_is_refused(said: str, maps: IdMaps, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan_shift(said, maps)
    assert message in str(caught.value)


def test_users_and_groups_that_an_acl_names_move() -> None:
    before = acl((1, 6, 2**32 - 1), (2, 6, 1000), (4, 4, 2**32 - 1), (8, 4, 33), (16, 6, 2**32 - 1), (32, 0, 2**32 - 1))
    after = plan_shift("none", REMAPPED).acl(before)
    assert after == acl(
        (1, 6, 2**32 - 1), (2, 6, 232072), (4, 4, 2**32 - 1), (8, 4, 231105), (16, 6, 2**32 - 1), (32, 0, 2**32 - 1)
    )
    assert plan_shift("none", REMAPPED).acl(after) == after
    assert plan_shift("none", REMAPPED).acl(b"odd") == b"odd"


def test_capabilities_for_a_mapped_root_move_and_others_stay() -> None:
    shift = plan_shift("100000", REMAPPED)
    assert shift.capability(capability(0x03000001, 1, 0, 0, 0, 100000)) == capability(0x03000001, 1, 0, 0, 0, 231072)
    for other in (capability(0x02000001, 1, 0, 0, 0), capability(0x02000001, 1, 0, 0, 0, 100000), b""):
        assert shift.capability(other) == other
