"""One test instance for any program: from an image reference or from a folder."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from kharness.errors import UsageError
from kharness.host.project.projects import Registered
from kharness.ops.harness import Harness
from kharness.ops.image.build import build
from kharness.ops.launch.subject import instance_subject
from kharness.ops.opening import harness_of, open_engine
from kharness.ops.session.instance import Instance
from kharness.ops.session.reap import reap
from kharness.ops.session.session import TestSession
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir
from kharness.settings.host import load_host_settings
from kharness.settings.layers import SettingsLayer
from kharness.settings.load import load_settings, parse_settings
from kharness.settings.model import Settings
from kharness.settings.project import LIBRARY

REPOSITORY = "kharness-library"
"""What comes before the names of images that a program builds or pulls without a project."""


@contextmanager
def instance(
    source: str | Path, *, settings: Mapping[str, Any] | None = None, ready_timeout: float | None = None
) -> Iterator[Instance]:
    """Launch a test instance, wait until it is ready, and remove it with all it made.

    `source` is an image reference (a text), or a folder with a Dockerfile or a `settings.yaml` (a `Path`).
    `settings` are keys of `settings.yaml`, for an image or a folder without such a file. The instance has the isolation
    of every test instance: empty volumes and no way out, unless `settings={"test": {"egress": True}}`.

    Raises `SettingsError`, `BuildError`, `ImageMissingError`, `LaunchError`, `EngineUnavailableError`.
    """
    harness = _harness()
    directory, said = _subject(source, settings or {}, harness.host.defaults)
    built = build(harness, directory, said)
    session = TestSession(harness, session=secrets.token_hex(4), mode=Mode.STANDALONE)
    try:
        subject = instance_subject(directory, said, built.image)
        found = session.launch(subject, needs=session.needs(said), ready_timeout=ready_timeout)
        yield session.instance(found, subject)
    finally:
        session.close()


@cache
def _harness() -> Harness:
    # Its images never share a repository with those of a project.
    host = load_host_settings(project=None, environ=os.environ).model_copy(update={"repository": None})
    engine = open_engine(host, environ=os.environ)
    project = Registered(name=LIBRARY, path=str(Path.cwd()), inherited=REPOSITORY)
    harness = harness_of(project, engine, host, folder=None)
    reap(harness)
    return harness


def _subject(
    source: str | Path, extra: Mapping[str, Any], below: tuple[SettingsLayer, ...]
) -> tuple[ContainerDir, Settings]:
    if isinstance(source, str):
        name = re.sub(r"[^a-z0-9]+", "-", source.rpartition("/")[2].partition("@")[0].lower()).strip("-")
        directory = ContainerDir(name=name, path=Path.cwd(), source_path=Path.cwd().parent)
        file = Path(f"settings of {source}")
        return directory, _parse({"image": source, **extra}, file, has_dockerfile=False, below=below)
    path = source.resolve()
    if not path.is_dir():
        raise UsageError(f"{source}: should be a folder with a Dockerfile or a settings.yaml")
    directory = ContainerDir(name=path.name.lower(), path=path, source_path=path.parent)
    if not directory.settings_file.exists():
        file = Path(f"settings of {source}")
        return directory, _parse(extra, file, has_dockerfile=directory.has_dockerfile, below=below)
    if extra:
        raise UsageError(f"{directory.settings_file}: a folder with settings of its own takes no others")
    return directory, load_settings(path, below=below)


def _parse(
    settings: Mapping[str, Any], file: Path, *, has_dockerfile: bool, below: tuple[SettingsLayer, ...]
) -> Settings:
    # JSON is YAML: the file's reader says what is wrong, key by key.
    text = json.dumps(dict(settings)).encode()
    return parse_settings(text, file=file, has_dockerfile=has_dockerfile, below=below)
