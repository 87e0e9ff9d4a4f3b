"""The small plans: modes, tags, subnets, users, sockets, hints."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.plan.hints import hints
from kharness.plan.listening import listening_ports
from kharness.plan.modes import Mode, runs_in
from kharness.plan.runspec import Limits, RunSpec
from kharness.plan.speckey import spec_key
from kharness.plan.subnets import candidate_subnets
from kharness.plan.tags import TagMove, Tags, plan_promotion, plan_revert, release_time
from kharness.plan.users import is_numeric, resolve_group, resolve_user

TAGS = Tags("ktools", "web")


@pytest.mark.parametrize(
    ("marks", "modes"),
    [
        ((), {Mode.STANDALONE, Mode.PROD_READY}),
        (("slow",), {Mode.STANDALONE, Mode.PROD_READY}),
        (("standalone",), {Mode.STANDALONE}),
        (("prod_ready",), {Mode.PROD_READY}),
        (("in_prod",), {Mode.IN_PROD}),
        (("in_prod", "standalone"), {Mode.IN_PROD, Mode.STANDALONE}),
    ],
)
def test_a_test_meets_production_only_when_it_is_marked_so(marks: tuple[str, ...], modes: set[Mode]) -> None:
    assert {mode for mode in Mode if runs_in(mode, marks)} == modes


def test_promotion_keeps_the_old_image_before_it_moves_live() -> None:
    moves = plan_promotion(TAGS, tested="sha256:new", live="sha256:old")
    assert moves == (TagMove("ktools/web:prev", "sha256:old"), TagMove("ktools/web:live", "sha256:new"))


def test_a_first_promotion_has_no_old_image() -> None:
    assert plan_promotion(TAGS, tested="sha256:new", live=None) == (TagMove("ktools/web:live", "sha256:new"),)


def test_promoting_what_is_live_changes_nothing() -> None:
    assert plan_promotion(TAGS, tested="sha256:new", live="sha256:new") == ()


def test_a_revert_of_a_first_promotion_removes_the_tags() -> None:
    assert plan_revert(TAGS, live=None, prev=None) == (
        TagMove("ktools/web:live", None),
        TagMove("ktools/web:prev", None),
    )


@given(seed=st.integers(min_value=0, max_value=2**32))
def test_subnets_are_of_the_pool_and_do_not_overlap(seed: int) -> None:
    found = [IPv4Network(text) for text in candidate_subnets("10.213.0.0/16", seed=seed)]
    assert len(found) == 32
    assert all(network.subnet_of(IPv4Network("10.213.0.0/16")) for network in found)
    assert not any(one.overlaps(other) for one, other in combinations(found, 2))


def test_a_pool_smaller_than_a_subnet_is_used_whole() -> None:
    assert list(candidate_subnets("10.0.0.0/28", seed=7)) == ["10.0.0.0/28"]


PASSWD = "# web:x:1:1\nroot:x:0:0::/root:/bin/sh\nweb:x:?:9:\n\nweb:x:101:102:,,:/:/sbin/nologin\n"
GROUP = "root:x:0:\n+\nwww:x:many:\nweb:x:102:\nwww:x:33:web\n"


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("", (0, 0)),
        ("web", (101, 102)),
        ("101", (101, 102)),
        ("500", (500, 0)),
        ("web:www", (101, 33)),
        ("500:600", (500, 600)),
        ("nobody", None),
        ("web:nogroup", None),
    ],
)
def test_a_user_is_resolved_by_the_images_own_files(user: str, found: tuple[int, int] | None) -> None:
    assert resolve_user(user, passwd=PASSWD, group=GROUP) == found


@pytest.mark.parametrize(("name", "gid"), [("www", 33), ("44", 44), ("nobody", None), ("", None)])
def test_a_group_is_resolved_by_the_images_own_file(name: str, gid: int | None) -> None:
    assert resolve_group(name, group=GROUP) == gid


@pytest.mark.parametrize(
    ("user", "numeric"), [("", True), ("0", False), ("0:0", True), ("web", False), ("web:0", False), ("1:web", False)]
)
def test_a_user_of_numbers_needs_no_file(user: str, *, numeric: bool) -> None:
    assert is_numeric(user) is numeric


HEAD = "  sl  local_address rem_address   st\n"


@pytest.mark.parametrize(
    ("rows", "ports"),
    [
        ("   0: 00000000:0050 00000000:0000 0A 0\n", {80}),
        ("   0: 0100007F:0050 00000000:0000 0A 0\n", set()),
        ("   0: 00000000:0050 0A000001:1234 01 0\n", set()),
        ("   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A\n", {8080}),
        ("   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A\n", set()),
        # the engine's own resolver, and the same as IPv6 has it
        ("   0: 0B00007F:1F90 00000000:0000 0A\n", set()),
        ("   0: 0000000000000000FFFF00000B00007F:1F90 00000000000000000000000000000000:0000 0A\n", set()),
        ("   0: 0000000000000000FFFF00000100000A:1F90 00000000000000000000000000000000:0000 0A\n", {8080}),
        # 10.0.0.127
        ("   0: 7F00000A:1F90 00000000:0000 0A\n", {8080}),
    ],
)
def test_only_sockets_that_others_can_reach_count_as_listening(rows: str, ports: set[int]) -> None:
    assert listening_ports([HEAD + rows]) == ports


def test_a_hint_names_the_default_and_the_key_that_relaxes_it() -> None:
    spec = RunSpec(name="web", image="web", read_only=True, cap_drop=("ALL",), limits=Limits(pids=512))
    (hint,) = hints("mkdir: can't create '/var/x': Read-only file system", spec)
    assert "read_only: false" in hint
    (hint,) = hints("chown: Operation not permitted", spec)
    assert "cap_add" in hint
    assert hints("segmentation fault", spec) == ()
    assert hints("Read-only file system", RunSpec(name="web", image="web")) == ()


def test_a_key_tells_containers_apart_by_everything_but_itself() -> None:
    spec = RunSpec(name="web", image="a", labels={"x": "1"})
    assert spec_key(spec) == spec_key(RunSpec(name="web", image="a", labels={"x": "1", "kharness.inputs": "k"}))
    assert spec_key(spec) != spec_key(RunSpec(name="web", image="b", labels={"x": "1"}))


@pytest.mark.parametrize("at", [0.0, 1795271507.25, 1795271507.999])
def test_the_name_of_a_release_tells_its_time(at: float) -> None:
    tag = Tags("ktools", "web").release(at).rpartition(":")[2]
    assert release_time(tag) == pytest.approx(at, abs=0.001)


@pytest.mark.parametrize("tag", ["live", "release-", "release-1", "release-20260501-120000-x", "20260501-120000-001"])
def test_any_other_tag_tells_none(tag: str) -> None:
    assert release_time(tag) is None
