"""What is told of secrets: which are refused, and that no value is anywhere but in the copies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import LaunchError, SettingsError, UsageError
from kharness.ops.image.recipe import read_recipe
from kharness.ops.launch.secrets import fingerprint
from kharness.ops.launch.subject import hidden_values, instance_subject, production_subject
from kharness.ops.release.relaunch import relaunch
from tests.ops.releases import ledger
from tests.ops.sessions import opened
from tests.ops.vault import Vault
from tests.ops.world import REMOTE, World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: None, "should be a file that can be read, not {}: No such file or directory"),
        (Path.mkdir, "should be a file, not the directory {}"),
        (lambda path: path.write_bytes(b"x" * (2 << 20)), "should have at most 1048576 bytes, and {} has 2097152"),
    ],
)
def test_production_s_bad_secret_is_told_before_anything_is_changed(vault: Vault, make: Any, said: str) -> None:
    vault.launch(vault.image("1"))
    before = vault.web.snapshot()
    vault.web.forget()
    path = vault.sources / "password"
    path.unlink()
    make(path)
    with pytest.raises(SettingsError) as caught:
        vault.launch(vault.image("2"))
    file = vault.world.directory("web").settings_file
    assert str(caught.value) == f"{file}: secrets.password: {said.format(path)}"
    assert vault.web.snapshot() == before
    assert vault.web.changes() == ()


def test_all_bad_secrets_of_a_test_instance_are_told_where_they_are_said(vault: Vault) -> None:
    directory = vault.world.directory("web")
    for name in ("password", "key"):
        (directory.path / "test" / name).unlink()
    with pytest.raises(SettingsError) as caught:
        instance_subject(directory, vault.world.harness().settings(directory), vault.image("1"))
    assert [(problem.key, problem.file) for problem in caught.value.problems] == [
        ("test.secrets.password", directory.settings_file),
        ("test.secrets.key", directory.settings_file),
    ]


def test_a_source_that_everybody_can_read_is_said_and_a_test_value_is_not(vault: Vault) -> None:
    (vault.sources / "password").chmod(0o644)
    vault.launch(vault.image("1"))
    said = [line for line in vault.world.told if "everybody" in line]
    assert said == [f"web: secrets.password: everybody on this host can read {vault.sources / 'password'}"]


def test_what_a_failing_container_says_of_its_secrets_is_in_no_reason_and_no_ledger(vault: Vault) -> None:
    vault.launch(vault.image("1"))
    (vault.sources / "password").write_text("line one 2\nline two 2\n")
    bad = vault.image("bad", labels={"fake.exit": "3", "fake.logs": "denied: line one 2\nline two 2, real key 1"})
    done = vault.launch(bad)
    told = "\n".join((*done.reasons, *(note for *_, note in ledger(vault.web)), *vault.world.told))
    assert "denied: ***" in told
    assert not [value for value in ("line one 2", "line two 2", "real key 1") if value in told]
    vault.web.engine.tag(bad.id, "ktools/web:live")
    with pytest.raises(LaunchError) as caught:
        relaunch(vault.world.harness(), vault.world.directory("web"), untested=True)
    assert "denied: ***" in str(caught.value)
    assert "line one 2" not in str(caught.value)


def test_what_a_failing_test_instance_says_of_its_secrets_is_not_told(vault: Vault) -> None:
    directory = vault.world.directory("web")
    bad = vault.image("bad", labels={"fake.exit": "3", "fake.logs": "denied: test password"})
    session = opened(vault.world)
    subject = instance_subject(directory, vault.world.harness().settings(directory), bad)
    with pytest.raises(LaunchError) as caught:
        session.launch(subject)
    session.close()
    assert "denied: ***" in str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        assert "test password" not in str(error)
        error = error.__cause__


def test_no_value_is_anywhere_in_the_state_but_in_the_copies(vault: Vault) -> None:
    env = vault.sources / "env"
    env.write_text("TOKEN=real token 1\n")
    file = vault.world.directory("web").settings_file
    file.write_text(f"env_file: {env}\n" + file.read_text())
    vault.launch(vault.image("1"))
    (vault.sources / "password").write_text("real password 2")
    vault.launch(vault.image("2"))
    vault.launch(vault.image("bad", labels={"fake.exit": "3"}))
    found = [path for path in vault.state.rglob("*") if path.is_file() and path.parent.name != "web"]
    assert {path.name for path in found} >= {"state.db", "secret.key"}
    for path in found:
        for value in (b"real password", b"real key", b"real token"):
            assert value not in path.read_bytes(), path


def test_a_copy_s_name_is_no_hash_that_could_be_guessed(vault: Vault, tmp_path: Path) -> None:
    harness = vault.world.harness()
    other = World.create(tmp_path / "other").harness()
    assert fingerprint(harness, b"x") == fingerprint(harness, b"x") != fingerprint(other, b"x")


def test_what_is_hidden_is_what_the_mode_s_container_has_as_far_as_it_can_be_read(vault: Vault) -> None:
    env = vault.sources / "env"
    env.write_text("TOKEN=real token 1\n")
    directory, harness = vault.world.directory("web"), vault.world.harness()
    directory.settings_file.write_text(f"env_file: {env}\n" + directory.settings_file.read_text())
    settings = harness.settings(directory)
    assert hidden_values(harness, directory, settings, production=False) == {"test password", "test key"}
    vault.launch(vault.image("1"))
    first = {"real token 1", "real password 1", "real key 1"}
    assert hidden_values(harness, directory, settings, production=True) == first
    env.write_text("TOKEN=real token 2\n")
    (vault.sources / "password").write_text("real password 2")
    (vault.sources / "key").unlink()
    assert hidden_values(harness, directory, settings, production=True) == {*first, "real token 2", "real password 2"}


def test_a_secret_that_a_build_would_take_along_is_refused_by_whatever_way_it_comes(world: World) -> None:
    directory = world.add("web", "build: {copy: ['own:opt']}\nsecrets: {key: own/key}\nenv_file: ./linked.env")
    (directory / "own").mkdir()
    (directory / "own" / "key").write_text("hunter2")
    (directory / "own" / "a.env").write_text("A=1")
    (directory / "linked.env").symlink_to("own/a.env")
    harness = world.harness()
    found = harness.catalog.select("web", prefix=False)
    with pytest.raises(SettingsError) as caught:
        read_recipe(harness, found, harness.settings(found), candidates={})
    assert str(caught.value).splitlines() == [
        f"{found.settings_file}: secrets.key: should not go into the image, and own/key does, as files/opt/key",
        f"{found.settings_file}: env_file[0]: should not go into the image, and ./linked.env does, as files/opt/a.env",
    ]


def test_secrets_on_a_remote_engine_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    world = World.create(tmp_path / "far", facts=REMOTE)
    image = world.engine.put_image("web:1")
    file = world.add("web", "secrets: {a: a}\ntest: {egress: true, same: [secrets]}") / "a"
    file.write_text("hunter2")
    directory, harness = world.directory("web"), world.harness()
    settings = harness.settings(directory)
    refusal = "web: secrets: are files of this host, and the engine at ssh://far is not on it"
    with pytest.raises(UsageError, match=refusal):
        production_subject(harness, directory, settings, image)
    session = opened(world)
    with pytest.raises(UsageError, match=refusal):
        session.launch(instance_subject(directory, settings, image))
    session.close()
    assert not [path for path in (world.path / "state").rglob("a") if path.is_file()]
