"""Secrets of production and of test instances: copies, owners, and releases that are undone."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import HostError, KharnessError
from kharness.ops.gate.inputs import _inputs
from kharness.ops.image.difference import _settings
from kharness.ops.image.prune import prune
from kharness.ops.launch.subject import instance_subject
from kharness.ops.release.relaunch import relaunch
from kharness.plan.session.modes import Mode
from tests.ops.sessions import NAME, opened, rest
from tests.ops.vault import Vault

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def test_production_s_user_owns_a_copy_where_nobody_else_comes(vault: Vault) -> None:
    assert vault.launch(vault.image("1")).kind == "launched"
    assert vault.seen() == (b"real password 1", (7, 8, 0o400))
    assert vault.seen("/run/secrets/api.key") == (b"real key 1", (70, 80, 0o444))
    place = (vault.state / "secrets" / "web").stat()
    assert (place.st_uid, stat.S_IMODE(place.st_mode)) == (0, 0o700)


def test_a_test_instance_has_its_test_values_and_takes_them_along(vault: Vault) -> None:
    directory = vault.world.directory("web")
    session = opened(vault.world)
    subject = instance_subject(directory, vault.world.harness().settings(directory), vault.image("1"))
    (vault.sources / "password").unlink()
    session.launch(subject)
    place = vault.state / "copies" / "s1" / NAME / "secrets"
    found = {
        path.name: (path.read_text(), path.stat().st_uid, oct(path.stat().st_mode & 0o777)) for path in place.iterdir()
    }
    assert found == {"password": ("test password", 7, "0o400"), "key": ("test key", 70, "0o440")}
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    session.close()
    assert rest(vault.world) == []


def test_the_same_secrets_are_no_new_launch_and_a_changed_one_is(vault: Vault) -> None:
    image = vault.image("1")
    vault.launch(image)
    assert vault.launch(image).kind == "unchanged"
    (vault.sources / "password").write_text("real password 2")
    assert vault.launch(image).kind == "launched"
    assert vault.seen()[0] == b"real password 2"
    assert len(list((vault.state / "secrets" / "web").iterdir())) == 2


@pytest.mark.parametrize("change", ["mode: 0440", "uid: 9", "target: /elsewhere"])
def test_another_owner_mode_or_place_is_a_new_launch(vault: Vault, change: str) -> None:
    image = vault.image("1")
    vault.launch(image)
    file = vault.world.directory("web").settings_file
    old = f"password: {vault.sources / 'password'}"
    file.write_text(file.read_text().replace(old, f"password: {{file: {vault.sources / 'password'}, {change}}}"))
    assert vault.launch(image).kind == "launched"


@pytest.mark.parametrize("bad", [{"fake.exit": "3"}, {"fake.start": "no such file"}])
def test_an_undone_launch_leaves_the_old_container_with_the_old_value(vault: Vault, bad: dict[str, str]) -> None:
    vault.launch(vault.image("1"))
    (vault.sources / "password").write_text("real password 2")
    assert vault.launch(vault.image("bad", labels=bad)).kind == "undone"
    assert vault.seen() == (b"real password 1", (7, 8, 0o400))
    assert len(list((vault.state / "secrets" / "web").iterdir())) == 2


def test_the_old_container_has_the_old_owner_though_the_new_image_has_another_user(vault: Vault) -> None:
    vault.launch(vault.image("1"))
    other = {"/etc/passwd": b"web:x:17:18::/:/bin/sh\n", "/etc/group": b""}
    bad = vault.web.image("bad", files=other, labels={"fake.exit": "3"})
    assert vault.launch(bad).kind == "undone"
    assert vault.seen() == (b"real password 1", (7, 8, 0o400))


def test_a_container_that_somebody_pruned_is_made_again_with_the_old_value(vault: Vault) -> None:
    """The journal names its copies as long as it could be needed."""
    vault.launch(vault.image("1"))
    (vault.sources / "password").write_text("real password 2")
    pruned: list[str] = []

    def prune_stopped(call: Any) -> None:
        if call.name == "start" and not pruned:
            pruned.extend(box.id for box in vault.world.engine.boxes.values() if box.name == "web.old")
            del vault.world.engine.boxes[pruned[0]]

    vault.world.engine.before = prune_stopped
    assert vault.launch(vault.image("bad", labels={"fake.exit": "3"})).kind == "undone"
    assert pruned
    [box] = vault.world.engine.boxes.values()
    sources = [mount.source for mount in box.spec.mounts if mount.target == "/run/secrets/password"]
    assert [Path(source or "").read_bytes() for source in sources] == [b"real password 1"]


def test_copies_that_somebody_removed_are_made_anew_by_the_next_launch(vault: Vault) -> None:
    image = vault.image("1")
    vault.launch(image)
    before = vault.seen()
    for path in (vault.state / "secrets" / "web").iterdir():
        path.unlink()
    assert vault.launch(image).kind == "unchanged"
    assert vault.seen() == before


def test_another_image_is_no_change_of_the_settings_and_another_value_is(vault: Vault) -> None:
    vault.launch(vault.image("1"))
    harness, directory = vault.world.harness(), vault.world.directory("web")
    assert _settings(harness, directory, vault.image("2")) == ()
    (vault.sources / "password").write_text("real password 2")
    changed = _settings(harness, directory, vault.image("2"))
    assert changed
    assert all("target=/run/secrets/password" in str(change) for change in changed)


def test_a_launch_by_hand_takes_the_present_values(vault: Vault) -> None:
    vault.launch(vault.image("1"))
    (vault.sources / "password").write_text("real password 2")
    relaunch(vault.world.harness(), vault.world.directory("web"))
    assert vault.seen() == (b"real password 2", (7, 8, 0o400))
    assert len(list((vault.state / "secrets" / "web").iterdir())) == 2


def test_pruning_takes_the_copies_of_what_is_gone_and_no_others(vault: Vault) -> None:
    vault.launch(vault.image("1"))
    (vault.state / "secrets" / "web" / "password-of-a-dead-release").write_text("x")
    gone = vault.state / "secrets" / "gone"
    gone.mkdir()
    (gone / "password-of-a-dead-one").write_text("x")
    assert tuple(prune(vault.world.harness(), dry_run=True)) == ()
    assert (gone / "password-of-a-dead-one").exists()
    tuple(prune(vault.world.harness()))
    assert not gone.exists()
    assert vault.copies() == {"password", "key"}
    assert vault.seen()[0] == b"real password 1"
    assert "web: removed 1 copies of secrets that nothing is started with" in vault.world.told


def test_where_containers_cannot_be_told_all_copies_stay(vault: Vault) -> None:
    vault.launch(vault.image("1"))
    left = vault.state / "secrets" / "web" / "password-of-a-dead-release"
    left.write_text("x")

    def fail(call: Any) -> None:
        if call.name == "request_of":
            raise KharnessError("no answer")

    vault.world.engine.before = fail
    tuple(prune(vault.world.harness()))
    assert left.exists()


def test_a_copy_that_cannot_be_made_is_told_before_the_old_one_is_stopped(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.launch(vault.image("1"))
    before = vault.web.snapshot()
    vault.web.forget()

    def fail(path: Path, **_: Any) -> None:
        raise HostError(f"{path}: no room")

    monkeypatch.setattr("kharness.ops.launch.secrets.give_secret", fail)
    done = vault.launch(vault.image("2"))
    assert (done.kind, "no room" in done.reasons[0]) == ("undone", True)
    assert vault.web.snapshot() == before
    assert not [call for call in vault.web.changes() if call.startswith("stop")]


def test_a_test_value_that_changes_is_another_input(vault: Vault) -> None:
    """A verdict was for the value that the tests ran with; production's own is none of them."""
    directory, harness = vault.world.directory("web"), vault.world.harness()
    settings = harness.settings(directory)

    def around() -> str:
        return _inputs(harness, directory, settings, image="x", mode=Mode.STANDALONE).around

    before = around()
    (vault.sources / "password").write_text("real password 2")
    assert around() == before
    (directory.path / "test" / "password").write_text("test password 2")
    assert around() != before
