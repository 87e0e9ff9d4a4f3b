"""What ids in containers are on the host."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.errors import UsageError
from kharness.plan.volumes.idmap import (
    IDENTITY,
    IdMap,
    IdMaps,
    IdRange,
    overlap,
    parse_id_map,
    remapped,
    rootless_map,
    shifted_map,
    subordinate_length,
)

ROOTLESS = "         0       1000          1\n         1     100000      65536\n"
SUBUID = "# a comment\nann:100000:65536\n1001:165536:1000\n\nbroken:x\ndockremap:231072:65536\n"


@pytest.mark.parametrize(("inside", "outside"), [(0, 1000), (1, 100000), (1000, 100999), (65536, 165535)])
def test_a_rootless_engine_maps_root_to_its_user(inside: int, outside: int) -> None:
    ids = parse_id_map(ROOTLESS)
    assert (ids.to_host(inside), ids.to_container(outside)) == (outside, inside)
    assert not ids.identity
    assert ids.length == 65537


@pytest.mark.parametrize("number", [65537, 70000])
def test_an_id_that_is_not_mapped_is_named_with_the_ranges(number: int) -> None:
    with pytest.raises(UsageError) as caught:
        parse_id_map(ROOTLESS, what="gid").to_host(number)
    assert str(caught.value) == (
        f"gid {number}: should be one that the engine maps: 0 in containers is 1000, "
        "1-65536 in containers are 100000-165535"
    )


def test_an_id_of_the_host_that_containers_do_not_know_is_named_too() -> None:
    assert parse_id_map(ROOTLESS).seen(0) is None
    with pytest.raises(UsageError, match="uid 0 of the host: should be one that containers know"):
        parse_id_map(ROOTLESS).to_container(0)


@given(number=st.integers(min_value=0, max_value=2**32 - 2))
def test_an_engine_that_maps_nothing_changes_no_id(number: int) -> None:
    assert IDENTITY.to_host((number, number)) == (number, number)
    assert IDENTITY.uid.to_container(number) == number
    assert IDENTITY.identity


@pytest.mark.parametrize(
    ("base", "length"), [(100000, 65536), (165536, 1000), (231072, 65536), (1, None), (1000, None)]
)
def test_the_length_of_a_range_stands_beside_its_first_id(base: int, length: int | None) -> None:
    assert subordinate_length(SUBUID, base) == length


def test_a_user_without_root_has_all_ranges_one_after_the_other() -> None:
    ids = rootless_map(f"{SUBUID}ann:300000:10\nann:1\n", who=frozenset({"ann", "1001"}), own=1001, what="uid")
    assert str(ids) == (
        "0 in containers is 1001, 1-65536 in containers are 100000-165535, "
        "65537-66536 in containers are 165536-166535, 66537-66546 in containers are 300000-300009"
    )
    assert rootless_map("", who=frozenset({"ann"}), own=7, what="gid").length == 1


@pytest.mark.parametrize("root_dir", ["/var/lib/docker/231072.165536", "/srv/d/231072.165536/"])
def test_a_remapped_engine_tells_its_base_by_its_data_root(root_dir: str) -> None:
    maps = remapped(root_dir, lengths=lambda what, base: {("gid", 165536): 1000}.get((what, base)))
    assert maps == IdMaps(shifted_map(231072, 65536), shifted_map(165536, 1000, what="gid"))
    assert maps.root == (231072, 165536)
    assert maps.to_host((101, 102)) == (231173, 165638)
    with pytest.raises(UsageError, match="gid 1000: should be one that the engine maps"):
        maps.to_host((1000, 1000))


@pytest.mark.parametrize("root_dir", ["", "/var/lib/docker", "/var/lib/docker.1", "/x/1.2.3", "/x/a.b", "/x/1."])
def test_another_data_root_tells_none(root_dir: str) -> None:
    assert remapped(root_dir, lengths=lambda _what, _base: None) is None


@pytest.mark.parametrize("text", ["0 1", "a b c", "0 1 2 3"])
def test_what_is_no_map_is_not_read(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        parse_id_map(text)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [((0, 65536), (65536, 10), False), ((0, 65536), (65535, 10), True), ((70, 5), (60, 10), False)],
)
def test_ranges_overlap_when_they_share_an_id(one: tuple[int, int], other: tuple[int, int], *, shared: bool) -> None:
    first, second = IdRange(0, *one), IdRange(0, *other)
    assert overlap([first], [second]) is overlap([second], [first]) is shared


def test_a_map_of_nothing_says_so() -> None:
    with pytest.raises(UsageError, match="it maps none"):
        IdMap(()).to_host(0)
