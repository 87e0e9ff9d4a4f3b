"""Secrets on their way into a container: read, copied to where only root and the engine come, given to its user.

Production's copies are named by what is in them, so that a release that is undone finds the old value beside the new
one, and an engine that starts production again after a reboot finds what it was launched with. They go when nothing can
be started with them any more. A test instance's copies are in its own directory, and go with that.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from kharness.errors import HostError, KharnessError, Problem, SettingsError, UsageError
from kharness.host.image.context import ContextEntry
from kharness.host.volumes.secrets import give_secret, place_secret, read_secret, remove_unused, secret_key
from kharness.ops.harness import Harness
from kharness.ops.project.identity import productions
from kharness.ops.volumes.idmap import id_maps
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.environment import SecretValue
from kharness.plan.launch.plan import LaunchPlan, Subject
from kharness.plan.launch.users import resolve_user
from kharness.settings.catalog import ContainerDir
from kharness.settings.layers import for_test
from kharness.settings.model import Settings
from kharness.settings.secrets import SecretFile

DIGITS = 16
"""Of a fingerprint, in the name of a copy: `NAME-WHAT-WHOSE`."""
ROOT = (0, 0)


def production_secrets(
    harness: Harness, directory: ContainerDir, settings: Settings, image: ImageFacts
) -> tuple[SecretValue, ...]:
    """Read production's secrets; `SettingsError` with each that cannot be, `UsageError` on a remote engine."""
    if not settings.secrets:
        return ()
    _refuse_remote(harness, directory.name)
    found = _read_all(directory, settings.secrets, tested=frozenset())
    user = settings.user or image.user
    return tuple(replace(read, copy=_address(harness, directory.name, read, user, image)) for read in found)


def named_secrets(directory: ContainerDir, settings: Settings, *, copies: str) -> tuple[SecretValue, ...]:
    """Read production's secrets where no engine tells where its copies are: below `copies`. Raises `SettingsError`."""
    found = _read_all(directory, settings.secrets, tested=frozenset())
    return tuple(replace(read, copy=f"{copies}/{read.name}") for read in found)


def instance_secrets(directory: ContainerDir, settings: Settings) -> tuple[SecretValue, ...]:
    """Read a test instance's secrets: production's values only where `test.same` allows that. Raises `SettingsError`.

    Test values lie in the source tree, and everybody may read them.
    """
    found = _read_all(directory, for_test(settings).secrets, tested=frozenset(settings.test.secrets))
    return tuple(replace(read, exposed="") for read in found)


def fingerprint(harness: Harness, data: bytes) -> str:
    """Return a text that stands for data, and from which they cannot be guessed without this engine's key."""
    key = secret_key(harness.state_dir / "secret.key")
    return hmac.new(key, data, hashlib.sha256).hexdigest()


def place_secrets(harness: Harness, plan: LaunchPlan, *, who: str) -> None:
    """Make the copies that a container is created with, and say which secrets everybody may read at their source.

    Raises `HostError`, and `UsageError` on a remote engine.
    """
    for copy in plan.secrets:
        _refuse_remote(harness, who)
        place_secret(Path(copy.path), copy.secret.value, group=id_maps(harness).root[1])
        if copy.secret.exposed:
            harness.report(who, f"secrets.{copy.secret.name}: everybody on this host can read {copy.secret.exposed}")


def give_secrets(harness: Harness, subject: Subject, plan: LaunchPlan, container: str) -> None:
    """Let the copies belong to whom the settings say, else to the user that the created container runs as."""
    user = ROOT
    if any(None in {copy.secret.uid, copy.secret.gid} for copy in plan.secrets):
        user = _user(harness, container, plan.spec.user or subject.image.user)
    for copy in plan.secrets:
        uid, gid = copy.secret.uid, copy.secret.gid
        owner = (user[0] if uid is None else uid, user[1] if gid is None else gid)
        give_secret(Path(copy.path), owner=id_maps(harness).to_host(owner), mode=copy.secret.mode)


def refuse_secrets_in_image(directory: ContainerDir, settings: Settings, entries: Iterable[ContextEntry]) -> None:
    """Raise `SettingsError` where a build would take a secret's file along, by any way."""
    files = {f"secrets.{name}": secret.file for name, secret in settings.secrets.items()}
    files |= {f"test.secrets.{name}": secret.file for name, secret in settings.test.secrets.items()}
    for at, keys in (("", settings), ("test.", settings.test)):
        files |= {f"{at}env_file[{index}]": each.path for index, each in enumerate(keys.env_file)}
    taken = {os.path.realpath(entry.path): entry.arcname for entry in entries if files and entry.path is not None}
    problems = [
        Problem(directory.settings_file, key, f"should not go into the image, and {file} does, as {taken[place]}")
        for key, file in files.items()
        if (place := os.path.realpath(directory.path / file)) in taken
    ]
    if problems:
        raise SettingsError(problems)


def sweep_secrets(harness: Harness, name: str) -> tuple[str, ...]:
    """Remove production's copies that nothing is started with any more; the caller holds its release lock.

    Returns their names. What a container, running or stopped, or a release that is not over could need stays; where
    that cannot be told, all of it does.
    """
    directory = _directory(harness, name)
    try:
        if not directory.is_dir():
            return ()
    except PermissionError as error:
        harness.report(name, f"old copies of its secrets may still be there: {error}")
        return ()
    try:
        told = _told_of_containers(harness, name)
        return remove_unused(directory, used=lambda copy: copy in told)
    except KharnessError as error:
        harness.report(name, f"old copies of its secrets are still there: {error}")
        return ()


def copies_of(harness: Harness, name: str) -> tuple[Path, ...]:
    """Return production's copies; none where this user may not look."""
    with suppress(OSError):
        return tuple(_directory(harness, name).iterdir())
    return ()


def with_copies(harness: Harness) -> tuple[str, ...]:
    """Return the names of the container directories of which there are copies, whether they still exist or not."""
    with suppress(OSError):
        return tuple(sorted(entry.name for entry in (harness.home / "secrets").iterdir()))
    return ()


def _directory(harness: Harness, name: str) -> Path:
    return harness.home / "secrets" / name


def _address(harness: Harness, name: str, read: SecretValue, user: str, image: ImageFacts) -> str:
    said = repr((read.target, read.uid, read.gid, read.mode)).encode()
    what = fingerprint(harness, b"\0".join((said, read.value)))
    # Who the user is, only the image knows; a copy that a former container has must not get another owner.
    whose = fingerprint(harness, repr((user, image.id) if None in {read.uid, read.gid} else "said").encode())
    return str(_directory(harness, name) / f"{read.name}-{what[:DIGITS]}-{whose[:DIGITS]}")


def _told_of_containers(harness: Harness, name: str) -> str:
    """Return the text of what all containers were made of, or are to be made of again."""
    ours = productions(harness, name)
    told: list[Mapping[str, Any]] = [each.raw for each in harness.engine.containers()]
    # Not every engine says in a list what is mounted.
    told += [harness.engine.request_of(each.id) for each in ours]
    journal = [entry.operation.to_json() for entry in harness.state.operations()]
    return "\n".join((json.dumps(told, default=str), *journal))


def _user(harness: Harness, container: str, user: str) -> tuple[int, int]:
    passwd, group = (_read_inside(harness, container, path) for path in ("/etc/passwd", "/etc/group"))
    # A user that the image does not know keeps the container from starting, and the engine says so.
    return resolve_user(user, passwd=passwd, group=group) or ROOT


def _read_inside(harness: Harness, container: str, path: str) -> str:
    try:
        return harness.engine.read_file(container, path).decode(errors="replace")
    except KharnessError:
        return ""


def _refuse_remote(harness: Harness, name: str) -> None:
    facts = harness.engine.facts()
    if not facts.local:
        raise UsageError(f"{name}: secrets: are files of this host, and the engine at {facts.endpoint} is not on it")


def _read_all(
    directory: ContainerDir, secrets: Mapping[str, SecretFile], *, tested: frozenset[str]
) -> tuple[SecretValue, ...]:
    found: list[SecretValue] = []
    problems: list[Problem] = []
    for name, secret in secrets.items():
        path = directory.path / secret.file
        try:
            value, exposed = read_secret(path)
        except HostError as error:
            key = f"test.secrets.{name}" if name in tested else f"secrets.{name}"
            problems.append(Problem(directory.settings_file, key, str(error)))
            continue
        read = SecretValue(
            name=name,
            target=secret.placed(name),
            uid=secret.uid,
            gid=secret.gid,
            mode=secret.mode,
            value=value,
            exposed=str(path) if exposed else "",
        )
        found.append(read)
    if problems:
        raise SettingsError(problems)
    return tuple(found)
