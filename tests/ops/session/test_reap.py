"""What dead sessions left goes; nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.engine.api import NetworkRequest
from kharness.errors import ConflictError, HostError
from kharness.host.session.owner import Owner, current_owner
from kharness.ops.session.reap import reap
from kharness.plan import labels
from kharness.plan.launch.runspec import Attachment, RunSpec
from kharness.testing.recording import Call
from tests.ops.conftest import FakeFirewall
from tests.ops.world import World

HERE = current_owner()
ALIVE = HERE


@pytest.fixture(scope="module")
def dead() -> Owner:
    """A process of this host that has ended."""
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return replace(HERE, pid=int(gone.stdout), start=HERE.start)


def owned(owner: Owner, session: str, **more: str) -> dict[str, str]:
    return {labels.ROLE: labels.ROLE_TEST, labels.NAME: "web", labels.SESSION: session, **owner.labels(), **more}


def leave(world: World, session: str, said: Mapping[str, str], *, running: bool = True) -> None:
    """Let a session have left one object of every kind."""
    world.engine.put_image("web:1")
    world.engine.create_network(NetworkRequest(name=f"net-{session}", labels=said))
    world.engine.create_volume(f"vol-{session}", labels=said)
    spec = RunSpec(
        name=f"test-web-{session}", image="web:1", labels=said, networks=(Attachment(network=f"net-{session}"),)
    )
    container = world.engine.create(spec)
    if running:
        world.engine.start(container)
    copy = world.path / "state" / "copies" / session / f"test-web-{session}" / "0"
    copy.mkdir(parents=True)
    (copy / "data").write_text("of production")


def reaped(world: World, *, dry_run: bool = False, kept: bool = False) -> set[str]:
    found = reap(world.harness(owner=HERE), dry_run=dry_run, kept=kept)
    return {str(leftover).replace(str(world.path / "state" / "copies"), "STATE") for leftover in found}


def everything(world: World) -> set[str]:
    """Name what is there."""
    engine, copies = world.engine, world.path / "state" / "copies"
    return {
        *(f"container {box.name}" for box in engine.boxes.values()),
        *(f"network {name}" for name in engine.nets if name not in {"bridge", "host", "none"}),
        *(f"volume {name}" for name in engine.vols),
        *(f"copies STATE/{path.name}" for path in (copies.iterdir() if copies.is_dir() else ())),
    }


def of(session: str) -> set[str]:
    return {
        f"container test-web-{session}",
        f"network net-{session}",
        f"volume vol-{session}",
        f"copies STATE/{session}",
    }


def test_what_a_dead_owner_left_is_removed_whole_and_named(world: World, dead: Owner) -> None:
    leave(world, "s1", owned(dead, "s1"))
    leave(world, "s2", owned(dead, "s2"), running=False)
    assert reaped(world) == of("s1") | of("s2")
    assert everything(world) == set()


def test_a_container_goes_before_the_network_and_the_volume_that_it_uses(world: World, dead: Owner) -> None:
    leave(world, "s1", owned(dead, "s1"))
    reaped(world)
    assert [call.name for call in world.engine.calls if call.name.startswith("remove")] == [
        "remove",
        "remove_network",
        "remove_volume",
    ]


def test_an_earlier_boot_is_over_and_all_its_processes_are_dead(world: World) -> None:
    leave(world, "s1", owned(replace(HERE, boot="an earlier one"), "s1"))
    assert reaped(world) == of("s1")


def test_a_pid_that_is_used_again_is_not_its_first_user(world: World) -> None:
    leave(world, "s1", owned(replace(HERE, start=HERE.start - 1), "s1"))
    assert reaped(world) == of("s1")


@pytest.mark.parametrize(
    "owner",
    [
        ALIVE,
        replace(HERE, machine="another one", boot="of its own"),
        replace(HERE, pidns="another one", pid=1 << 22),
    ],
    ids=["alive", "another machine", "another pid namespace"],
)
def test_what_belongs_to_the_living_or_cannot_be_judged_from_here_stays(world: World, owner: Owner) -> None:
    leave(world, "s1", owned(owner, "s1"))
    before = everything(world)
    for kept in (False, True):
        assert reaped(world, kept=kept) == set()
    assert everything(world) == before == of("s1")


LOOK_ALIKES: list[dict[str, str]] = [
    {},
    {labels.NAME: "web"},
    {labels.ROLE: labels.ROLE_PRODUCTION, labels.NAME: "web"},
    {labels.ROLE: labels.ROLE_TEST},
    {labels.ROLE: labels.ROLE_TEST, labels.SESSION: "s1", labels.OWNER_PID: "1"},
]


@pytest.mark.parametrize("said", LOOK_ALIKES)
def test_what_only_looks_like_ours_is_never_touched(world: World, said: dict[str, str]) -> None:
    leave(world, "s1", said)
    for kept in (False, True):
        reaped(world, kept=kept)
    assert of("s1") - everything(world) <= {"copies STATE/s1"}


def test_production_stays_even_with_the_labels_of_a_dead_owner(world: World, dead: Owner) -> None:
    leave(world, "s1", {**owned(dead, "s1"), labels.ROLE: labels.ROLE_PRODUCTION})
    reaped(world)
    assert of("s1") - everything(world) <= {"copies STATE/s1"}


def test_a_dry_run_names_the_same_and_removes_nothing(world: World, dead: Owner, firewall: FakeFirewall) -> None:
    leave(world, "s1", owned(dead, "s1"))
    firewall.guarded["kht-1"] = "kharness:net-s0"
    before = everything(world)
    would = reaped(world, dry_run=True)
    assert everything(world) == before
    assert firewall.guarded
    assert reaped(world) == would == {*of("s1"), "rule kht-1"}


@pytest.mark.parametrize("how", ["always", "failed"])
def test_what_was_kept_stays_until_it_is_asked_for_and_then_it_alone_goes(world: World, dead: Owner, how: str) -> None:
    leave(world, "s1", owned(dead, "s1", **{labels.KEEP: how}))
    assert reaped(world) == set()
    leave(world, "s2", owned(dead, "s2"))
    assert reaped(world, kept=True) == of("s1")
    assert everything(world) == of("s2")


def test_a_kept_instance_keeps_its_network_and_volumes_whoever_owned_those(world: World, dead: Owner) -> None:
    leave(world, "s1", owned(dead, "s1"))
    (box,) = world.engine.boxes.values()
    box.spec = replace(box.spec, labels={**box.spec.labels, labels.KEEP: "failed"})
    assert reaped(world) == set()
    assert everything(world) == of("s1")


def test_a_network_that_somebody_elses_container_joined_stays_and_stops_nothing(world: World, dead: Owner) -> None:
    leave(world, "s1", owned(dead, "s1"))
    leave(world, "s2", owned(dead, "s2"))
    spec = RunSpec(name="foreign", image="web:1", networks=(Attachment(network="net-s1"),))
    world.engine.start(world.engine.create(spec))
    assert reaped(world) == (of("s1") | of("s2")) - {"network net-s1"} - {"copies STATE/s1"} - {"volume vol-s1"}
    assert {"container foreign", "network net-s1"} <= everything(world)


def test_copies_stay_under_a_container_that_cannot_be_removed(world: World, dead: Owner) -> None:
    leave(world, "s1", owned(dead, "s1"))
    world.engine.fail_on["remove"] = ConflictError("busy")
    assert reaped(world) == set()
    assert everything(world) == of("s1")


def test_copies_that_cannot_be_removed_stop_nothing_and_are_told(
    world: World, dead: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(world, "s1", owned(dead, "s1"))

    def refuse(path: Path) -> None:
        raise HostError(f"{path}: cannot be removed")

    monkeypatch.setattr("kharness.ops.session.reap.remove_tree", refuse)
    assert reaped(world) == of("s1") - {"copies STATE/s1"}
    assert "cannot be removed" in world.told[-1]


def test_copies_that_cannot_be_seen_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    harness = world.harness()
    monkeypatch.setattr(Path, "iterdir", refuse)
    assert reap(harness) == ()
    assert world.told[-1].endswith("/copies: cannot be read: Permission denied")


def test_copies_without_any_object_left_go(world: World) -> None:
    (world.path / "state" / "copies" / "s9").mkdir(parents=True)
    assert reaped(world) == {"copies STATE/s9"}
    assert everything(world) == set()


def test_a_rule_goes_when_its_bridge_is_gone(world: World, firewall: FakeFirewall) -> None:
    firewall.guarded.update({"kht-1": "kharness:a", "kht-2": "kharness:b", "other": "kharness:c"})
    # No network of this engine: another engine on this host has one, and sessions of its own.
    firewall.bridges.add("kht-2")
    assert reaped(world) == {"rule kht-1"}
    assert set(firewall.guarded) == {"kht-2", "other"}


def test_a_rule_goes_with_its_network(world: World, dead: Owner, firewall: FakeFirewall) -> None:
    leave(world, "s1", owned(dead, "s1"))
    bridge = world.engine.nets["net-s1"].bridge or ""
    firewall.guarded[bridge] = "kharness:net-s1"
    reaped(world)
    assert firewall.guarded == {}


def test_what_somebody_removes_at_the_same_moment_is_no_error(world: World, dead: Owner) -> None:
    leave(world, "s1", owned(dead, "s1"))

    def meanwhile(call: Call) -> None:
        if call.name == "remove":
            world.engine.before = lambda _: None
            world.engine.remove(call.args[0], force=True)
            world.engine.remove_network("net-s1")

    world.engine.before = meanwhile
    assert of("s1") - {"network net-s1"} <= reaped(world)
    assert everything(world) == set()


def test_this_process_is_alive() -> None:
    assert os.getpid() == ALIVE.pid
