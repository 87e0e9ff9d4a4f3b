"""What must hold of secrets beside each one's own keys: where they lie on the host, and where in the container."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kharness.settings.model import Settings
from kharness.settings.overlay import for_test
from kharness.settings.problems import Told
from kharness.settings.section import Loc
from kharness.settings.service import ServiceKeys

IN_IMAGE = ("files", "private.d")
"""The directories that a build takes whole."""


def check_secrets(settings: Settings, *, directory: Path, has_dockerfile: bool) -> Iterator[Told]:
    """Tell which secrets would be in the image, and which ones something else is mounted on.

    Links are looked through, so that `directory` counts as it is on the disk.
    """
    if has_dockerfile:
        yield from _check_places(settings, (), directory)
        yield from _check_places(settings.test, ("test",), directory)
    yield from [*_check_targets(settings, ())] or _check_targets(for_test(settings), ("test",))


def _check_places(keys: ServiceKeys, at: Loc, directory: Path) -> Iterator[Told]:
    said: list[tuple[Loc, str]] = [(("env_file", index), path) for index, path in enumerate(keys.env_file)]
    said += [(("secrets", name), secret.file) for name, secret in keys.secrets.items()]
    for loc, path in said:
        place = Path(os.path.realpath(directory / path))
        for name in IN_IMAGE:
            if place.is_relative_to(os.path.realpath(directory / name)):
                message = f"should not lie in {name}/, which goes into the image; keep it elsewhere"
                yield Told(loc=(*at, *loc), message=message)


def _check_targets(keys: ServiceKeys, at: Loc) -> Iterator[Told]:
    taken: dict[str, str] = {}
    for key in ("volumes", "tmpfs"):
        taken |= {mount.target: f"{key}[{index}]" for index, mount in enumerate(getattr(keys, key) or ())}
    for name, secret in keys.secrets.items():
        target = secret.placed(name)
        above = next((other for other in taken if other.startswith(f"{target}/")), None)
        if target in taken:
            message = f"should have a target of its own, {target} is that of {taken[target]}"
            yield Told(loc=(*at, "secrets", name), message=message)
        elif above is not None:
            message = f"should have a file as its target, and {above} of {taken[above]} is below {target}"
            yield Told(loc=(*at, "secrets", name), message=message)
        taken.setdefault(target, f"secrets.{name}")
