"""Put together what is launched: a directory's settings, its image, and the values of `env_file` and secrets."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass

from kharness.errors import HostError, KharnessError, Problem, SettingsError, UsageError
from kharness.host.volumes.secrets import read_secret
from kharness.ops.harness import Harness
from kharness.ops.launch.secrets import copies_of, instance_secrets, production_secrets
from kharness.ops.project.production import called, present
from kharness.ops.release.ledger import who
from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.environment import parse_env, texts
from kharness.plan.launch.plan import Subject
from kharness.plan.launch.runspec import API
from kharness.report.table import time_text
from kharness.settings.catalog import ContainerDir
from kharness.settings.compose.origin import ServiceOrigin
from kharness.settings.layers import for_test
from kharness.settings.model import Settings
from kharness.settings.service import EnvFile


def production_subject(harness: Harness, directory: ContainerDir, settings: Settings, image: ImageFacts) -> Subject:
    """Return what production launches; raises `SettingsError` where a file of values cannot be read."""
    origin = harness.origin(directory.name)
    return Subject(
        name=directory.name,
        settings=settings,
        image=image,
        built=settings.image is None,
        env=unshown(origin, settings) or read_env_files(directory, settings.env_file),
        secrets=production_secrets(harness, directory, settings, image),
        directory=directory.path,
        labels=labels.production(harness.project.name, directory.name, folder=harness.project.path, image=image.id),
        origin=origin,
        start_interval=harness.engine.facts().serves(API),
    )


def instance_subject(
    directory: ContainerDir, settings: Settings, image: ImageFacts, *, origin: ServiceOrigin | None = None
) -> Subject:
    """Return what a test instance launches; of a container directory production's values are not even read.

    A service of a Compose project, which has an `origin`, has the values that it has in production.
    """
    return Subject(
        name=directory.name,
        settings=settings,
        image=image,
        built=settings.image is None,
        env=unshown(origin, settings) or read_env_files(directory, for_test(settings).env_file),
        secrets=instance_secrets(directory, settings),
        directory=directory.path,
        origin=origin,
    )


def unshown(origin: ServiceOrigin | None, settings: Settings) -> dict[str, str]:
    """Return the variables of a service whose values no report shows."""
    names = origin.hidden if origin else frozenset[str]()
    return {name: value for name, value in settings.environment.items() if name in names}


def needed_subjects(harness: Harness, settings: Settings) -> tuple[Subject, ...]:
    """Return the `:live` instances that run beside a test instance, what they need themselves before them.

    Raises `UsageError` where one has no `:live` image, or where they need each other in a circle.
    """
    found: dict[str, Subject] = {}
    for name in for_test(settings).depends_on:
        _need(harness, name, found, above=())
    return tuple(found.values())


def _need(harness: Harness, name: str, found: dict[str, Subject], *, above: tuple[str, ...]) -> None:
    if name in above:
        raise UsageError(f"depends_on: these need each other in a circle: {' -> '.join((*above, name))}")
    if name in found:
        return
    try:
        directory = harness.catalog.select(name, prefix=False)
    except UsageError as error:
        raise UsageError(f"depends_on: {error}") from error
    image = harness.engine.image(harness.tags(name).live)
    if image is None:
        raise UsageError(
            f"depends_on: {name}: has no live image; promote it first: pytest {directory.path} --ready --promote"
        )
    subject = instance_subject(directory, harness.settings(directory), image, origin=harness.origin(name))
    for other in for_test(subject.settings).depends_on:
        _need(harness, other, found, above=(*above, name))
    found[name] = subject


def hidden_values(harness: Harness, directory: ContainerDir, settings: Settings, *, production: bool) -> frozenset[str]:
    """Return the values that no report about production, or about a test instance, may show.

    Production's are those of the files and those that it was launched with, which may be older. What cannot be read is
    left out: in production that may be for root alone, and then this process cannot tell it.
    """
    said = settings if production else for_test(settings)
    env: dict[str, str] = {}
    with suppress(SettingsError):
        env = read_env_files(directory, said.env_file)
    origin = harness.origin(directory.name)
    env |= unshown(origin, said)
    files = [directory.path / secret.file for secret in said.secrets.values()]
    files += origin.secrets if origin else ()
    found = set(env.values())
    if production:
        files += copies_of(harness, directory.name)
        running = present(harness, directory.name)
        variables = running.raw.get("Config", {}).get("Env") or () if running else ()
        found |= {value for name, _, value in (each.partition("=") for each in variables) if name in env}
    for each in origin.given if origin else ():
        found |= texts(each.content) if each.secret else frozenset()
    for file in files:
        with suppress(HostError):
            found |= texts(read_secret(file)[0])
    return frozenset(found)


def read_env_files(directory: ContainerDir, files: tuple[EnvFile, ...]) -> dict[str, str]:
    """Read `NAME=value` files; later files win, and one that need not be there may be missing.

    Raises `SettingsError`; a value never appears in its text.
    """
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for each in files:
        path = directory.path / each.path
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            if isinstance(error, FileNotFoundError) and not each.required:
                continue
            problems.append(
                Problem(directory.settings_file, "env_file", f"{each.path!r} cannot be read: {_short(error)}")
            )
            continue
        found, wrong = parse_env(text)
        values |= found
        problems += [Problem(path, f"line {number}", message) for number, message in wrong]
    if problems:
        raise SettingsError(problems)
    return values


def _short(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"


STAYS_DOWN = "stays down: "
"""What the keys of the state's facts about it begin with; an empty value ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaysDown:
    """Who stopped a container, and when, in seconds since the epoch."""

    name: str
    who: str
    at: float

    def __str__(self) -> str:
        return f"stays down: {self.who} stopped it on {time_text(self.at)}; 'kharness up {self.name}' ends that"


def stay_down(harness: Harness, name: str) -> None:
    """Remember that a container was stopped by hand; no command that starts many containers starts it, and no reboot.

    Raises `StateError`.
    """
    harness.state.set_fact(f"{STAYS_DOWN}{name}", json.dumps({"who": who(), "at": time.time()}))


def may_start(harness: Harness, name: str) -> None:
    """Forget it, where it is remembered. Raises `StateError`."""
    if harness.state.fact(f"{STAYS_DOWN}{name}"):
        harness.state.set_fact(f"{STAYS_DOWN}{name}", "")


def why_stays_down(harness: Harness, name: str) -> StaysDown | None:
    """Return the intent, None where there is none or the state cannot be read."""
    try:
        said = harness.state.fact(f"{STAYS_DOWN}{name}")
        found = json.loads(said) if said else None
        return StaysDown(name=called(harness, name), who=str(found["who"]), at=float(found["at"])) if found else None
    except (KharnessError, KeyError, TypeError, ValueError):
        return None
