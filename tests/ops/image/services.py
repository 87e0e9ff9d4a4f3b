"""A Compose project of a test's own, whose services are built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kharness.host.project.projects import Registered
from kharness.ops.harness import Harness, Report
from kharness.ops.image.build import Built, build
from kharness.ops.image.recipe import Recipe, read_recipe
from kharness.settings.catalog import service_catalog
from kharness.settings.compose.folder import compose_folder
from kharness.settings.compose.load import load_compose

NAME = "kgshop"


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def services(harness: Harness, folder: Path, text: str, files: Mapping[str, str], *, report: Report) -> Harness:
    """Return the harness of a project with this Compose file, in the place of one of container directories."""
    write(folder, {**files, "compose.yaml": text})
    found = compose_folder(folder)
    assert found is not None
    compose = load_compose(folder, environ={}, name=NAME)
    return replace(
        harness,
        compose=compose,
        catalog=service_catalog(found, compose.services),
        project=Registered(name=NAME, path=str(folder), first=True),
        report=report,
    )


def built(harness: Harness, name: str, **how: Any) -> Built:
    directory = harness.catalog.select(name, prefix=False)
    return build(harness, directory, harness.settings(directory), **how)


def recipe(harness: Harness, name: str) -> Recipe:
    directory = harness.catalog.select(name, prefix=False)
    return read_recipe(harness, directory, harness.settings(directory), candidates={})
