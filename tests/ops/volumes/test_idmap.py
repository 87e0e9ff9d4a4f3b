"""What the doctor says of an engine that maps ids."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kharness.ops.volumes.idmap import id_maps, mapping_findings, shares_files
from kharness.plan.facts import EngineFacts
from kharness.plan.volumes.idmap import IDENTITY
from tests.ops.world import REMOTE, World

BASE = 231072
MAPPED = EngineFacts(id="mapped", root_dir=f"/nowhere/{BASE}.{BASE}", security_options=("name=userns",))


def said(world: World) -> list[tuple[str, str, str]]:
    return [(found.what, found.said, found.mend) for found in mapping_findings(world.harness())]


def open_up(path: Path) -> None:
    while path.stat().st_uid == os.geteuid() and path != path.parent:
        path.chmod(path.stat().st_mode | 0o011)
        path = path.parent


def test_an_engine_that_maps_nothing_says_who_root_is(world: World) -> None:
    [(what, text, _)] = said(world)
    assert (what, text[:49]) == ("user ids", "in containers are those of the host: root there i")
    assert id_maps(world.harness()) == IDENTITY


def test_a_mapping_is_explained_with_what_follows(tmp_path: Path) -> None:
    world = World.create(tmp_path / "mapped", facts=MAPPED)
    open_up(world.path)
    found = {what: text for what, text, _ in said(world)}
    assert found["user ids"].startswith(f"uids 0-65535 in containers are {BASE}-")
    assert found["group ids"].startswith(f"gids 0-65535 in containers are {BASE}-")
    assert found["root"] == f"in containers is {BASE}:{BASE} on this host, and may do here what that user may"
    assert "'kharness prep --all --fix'" in found["older data"]
    assert len(found) == 4


@pytest.mark.parametrize(("closed", "what"), [("dv", "volume root"), ("dv/web/inner", "web")])
def test_a_directory_that_mapped_root_cannot_pass_is_named_once(tmp_path: Path, closed: str, what: str) -> None:
    world = World.create(tmp_path / "mapped", facts=MAPPED)
    open_up(world.path)
    world.add("web", "volumes: [./inner/a:/a, ./inner/b:/b, cache:/c]")
    (world.volume_root / "web/inner/a").mkdir(parents=True)
    place = world.path / closed
    place.chmod(0o700)
    [found] = [each for each in said(world) if each[2]]
    assert found == (
        what,
        f"{place} cannot be passed by {BASE}:{BASE}; a runc before 1.1 mounts nothing that is in it",
        f"chmod o+x {place}",
    )


def test_what_cannot_be_told_is_a_finding_and_no_crash(tmp_path: Path) -> None:
    world = World.create(
        tmp_path / "odd", facts=EngineFacts(id="odd", root_dir="/x", security_options=("name=userns",))
    )
    [(what, text, mend)] = said(world)
    assert (what, text) == ("user ids", "/x: should end with the uid and gid of mapped root, as in /var/lib/docker/1.1")
    assert mend


def test_a_rootless_engine_sees_this_host_s_files_and_a_remote_one_does_not(tmp_path: Path) -> None:
    rootless = EngineFacts(id="r", local=False, security_options=("name=rootless",), endpoint="unix:///run/x.sock")
    assert shares_files(World.create(tmp_path / "a", facts=rootless).harness())
    assert not shares_files(World.create(tmp_path / "b", facts=REMOTE).harness())
    far = EngineFacts(id="f", local=False, security_options=("name=rootless",), endpoint="ssh://far")
    world = World.create(tmp_path / "c", facts=far)
    assert not shares_files(world.harness())
    assert said(world) == [("user ids", "in containers are mapped to unprivileged ones of the engine's host", "")]


def test_a_data_root_that_mapped_root_cannot_pass_is_bad(tmp_path: Path) -> None:
    open_up(tmp_path)
    place = tmp_path / "docker"
    (place / f"{BASE}.{BASE}").mkdir(parents=True)
    place.chmod(0o700)
    facts = EngineFacts(id="x", root_dir=str(place / f"{BASE}.{BASE}"), security_options=("name=userns",))
    [found] = [each for each in mapping_findings(World.create(tmp_path / "w", facts=facts).harness()) if not each.good]
    assert found.said == f"{place} cannot be passed by {BASE}:{BASE}, so that no container starts"
    assert (found.what, found.mend) == ("storage", f"chmod o+x {place}")
