"""Secrets of production and of test instances: copies, owners, releases that are undone, and what is ever told."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import HostError, KharnessError, LaunchError, SettingsError, UsageError
from kharness.ops.build import plan_recipe
from kharness.ops.imagediff import _settings
from kharness.ops.inputs import _inputs
from kharness.ops.prune import prune
from kharness.ops.relaunch import relaunch
from kharness.ops.release import launch
from kharness.ops.secrets import fingerprint
from kharness.ops.subject import hidden_values, instance_subject, production_subject
from kharness.plan.facts import ImageFacts
from kharness.plan.modes import Mode
from kharness.plan.operation import Released
from tests.ops.releases import EVIDENCE, Production, ledger
from tests.ops.sessions import NAME, opened, rest
from tests.ops.world import REMOTE, World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
SETTINGS = """\
    user: web
    secrets:
      password: {password}
      key: {{file: {key}, target: api.key, uid: 70, gid: 80, mode: 0444}}
    release: {{verify: none}}
    test:
      secrets: {{password: test/password, key: {{file: test/key, mode: 0440}}}}
"""
PASSWD = {"/etc/passwd": b"web:x:7:8::/:/bin/sh\n", "/etc/group": b""}


@dataclass(frozen=True)
class Vault:
    """Production of `web` with a `password` and a `key` outside the source tree, and test values in it."""

    web: Production
    sources: Path

    @property
    def world(self) -> World:
        return self.web.world

    @property
    def state(self) -> Path:
        return self.world.path / "state"

    def image(self, version: str, **more: Any) -> ImageFacts:
        return self.web.image(version, files=PASSWD, **more)

    def launch(self, image: ImageFacts) -> Released:
        harness = self.world.harness()
        directory = self.world.directory("web")
        subject = production_subject(harness, directory, harness.settings(directory), image)
        return launch(harness, subject, EVIDENCE, in_prod_tests=1, verify=lambda: ())

    def copies(self) -> set[str]:
        """Return what copies of production's there are, by their names without what tells them apart."""
        return {path.name.partition("-")[0] for path in (self.state / "secrets" / "web").glob("*")}

    def seen(self, target: str = "/run/secrets/password") -> tuple[bytes, tuple[int, int, int]]:
        """Return what the container `web` has at a target: the value, and owner, group and mode."""
        [box] = [box for box in self.world.engine.boxes.values() if box.name == "web"]
        [mount] = [mount for mount in box.spec.mounts if mount.target == target]
        assert mount.read_only
        path = Path(mount.source or "")
        found = path.stat()
        return path.read_bytes(), (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    sources = tmp_path / "etc"
    sources.mkdir()
    for name in ("password", "key"):
        (sources / name).write_text(f"real {name} 1")
        (sources / name).chmod(0o600)
    settings = SETTINGS.format(password=sources / "password", key=sources / "key")
    found = Vault(Production(tmp_path / "web", settings), sources)
    test = found.world.tree.path / "web" / "test"
    test.mkdir()
    for name in ("password", "key"):
        (test / name).write_text(f"test {name}")
    return found


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


def test_a_copy_that_cannot_be_made_is_told_before_the_old_one_is_stopped(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.launch(vault.image("1"))
    before = vault.web.snapshot()
    vault.web.forget()

    def fail(path: Path, **_: Any) -> None:
        raise HostError(f"{path}: no room")

    monkeypatch.setattr("kharness.ops.secrets.give_secret", fail)
    done = vault.launch(vault.image("2"))
    assert (done.kind, "no room" in done.reasons[0]) == ("undone", True)
    assert vault.web.snapshot() == before
    assert not [call for call in vault.web.changes() if call.startswith("stop")]


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
        relaunch(vault.world.harness(), vault.world.directory("web"))
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
        plan_recipe(harness, found, harness.settings(found), candidates={})
    assert str(caught.value).splitlines() == [
        f"{found.settings_file}: secrets.key: should not go into the image, and own/key does, as files/opt/key",
        f"{found.settings_file}: env_file[0]: should not go into the image, and ./linked.env does, as files/opt/a.env",
    ]


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
