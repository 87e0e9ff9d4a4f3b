"""Put together what is launched: a directory's settings, its image, and the values that `env_file` names."""

from __future__ import annotations

from kharness.errors import Problem, SettingsError, UsageError
from kharness.ops.harness import Harness
from kharness.plan.envfile import parse_env
from kharness.plan.facts import ImageFacts
from kharness.plan.launch import Subject
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings
from kharness.settings.overlay import for_test


def production_subject(directory: ContainerDir, settings: Settings, image: ImageFacts) -> Subject:
    """Return what production launches."""
    return Subject(
        name=directory.name,
        settings=settings,
        image=image,
        built=settings.image is None,
        env=read_env_files(directory, settings.env_file),
    )


def instance_subject(directory: ContainerDir, settings: Settings, image: ImageFacts) -> Subject:
    """Return what a test instance launches: production's `env_file` values are not even read."""
    return Subject(
        name=directory.name,
        settings=settings,
        image=image,
        built=settings.image is None,
        env=read_env_files(directory, for_test(settings).env_file),
    )


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
    subject = instance_subject(directory, harness.settings(directory), image)
    for other in for_test(subject.settings).depends_on:
        _need(harness, other, found, above=(*above, name))
    found[name] = subject


def read_env_files(directory: ContainerDir, files: tuple[str, ...]) -> dict[str, str]:
    """Read `NAME=value` files; later files win. Raises `SettingsError`; a value never appears in its text."""
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for name in files:
        path = directory.path / name
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(directory.settings_file, "env_file", f"{name!r} cannot be read: {_short(error)}"))
            continue
        found, wrong = parse_env(text)
        values |= found
        problems += [Problem(path, f"line {number}", message) for number, message in wrong]
    if problems:
        raise SettingsError(problems)
    return values


def _short(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"
