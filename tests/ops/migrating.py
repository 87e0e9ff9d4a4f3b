"""Production of `web` whose every version migrates its data when it starts, as a database does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kharness.host.volumes import snapshots as module
from kharness.host.volumes.snapshots import Snapshots
from kharness.ops.release.rollback import choose_data, roll_back
from kharness.ops.release.work import Tests
from kharness.plan.facts import ImageFacts
from kharness.plan.release.operation import Released
from kharness.testing.recording import Call
from tests.ops.release.test_recover import Death
from tests.ops.releases import Production

SETTINGS = """\
    restart: on-failure:5
    ports: [8080:80]
    volumes: [./data:/data]
    release: {verify_for: 0s, data: snapshot}
"""
FORMAT = "format"
CHANGES = ("rename", "make_copy", "write_text", "remove_tree", "sync_filesystem", "ensure_directory")
"""What changes the disk for a snapshot, as functions of its module."""


class Migrating(Production):
    """`mixed` has the moments at which a version was started on data that a later one had migrated.

    A version that starts on the data of an earlier one migrates them, and leaves a file of its own; on its own data it
    changes nothing, so that what came back can be compared.
    """

    def __init__(self, path: Path, settings: str = SETTINGS) -> None:
        self.mixed: list[str] = []
        self._versions: dict[int, ImageFacts] = {}
        super().__init__(path, settings)

    @property
    def data(self) -> Path:
        return self.world.volume_root / "web" / "data"

    @property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.world.volume_root, "web")

    def version(self, number: int) -> ImageFacts:
        if number not in self._versions:
            self._versions[number] = self.image(str(number), labels={"version": str(number)})
        return self._versions[number]

    def tree(self) -> dict[str, str]:
        """Return the contents of the whole volume directory."""
        top = self.world.volume_root / "web"
        return {str(path.relative_to(top)): path.read_text() for path in sorted(top.rglob("*")) if path.is_file()}

    def write(self, name: str, text: str) -> None:
        (self.data / name).write_text(text)

    def back(self, *, to: str | None = None, verify: Tests = lambda: ()) -> Released:
        """Roll back with the data."""
        harness = self.world.harness()
        chosen = choose_data(harness, "web", to)
        return roll_back(harness, self.world.directory("web"), to=to, data=chosen, verify=verify)

    def _watch(self, call: Call) -> None:
        super()._watch(call)
        if call.name != "start":
            return
        box = self.engine._box(call.args[0])
        version = int(box.image.labels["version"])
        found = self.data / FORMAT
        present = int(found.read_text()) if found.exists() else 0
        if present > version:
            self.mixed.append(f"{call}: version {version} on data of version {present}")
        if present < version:
            found.write_text(str(version))
            self.write(f"made-by-{version}", "rows")


class DiskDeath(Death):
    """Kills before and after changes to the disk, too."""

    def __init__(self, web: Production, monkeypatch: pytest.MonkeyPatch, *, number: int, when: str) -> None:
        super().__init__(web, monkeypatch, number=number, when=when)
        for name in CHANGES:
            self._wrap_function(monkeypatch, name)

    def _wrap_function(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        # To wait for the disk proves nothing of a process that is killed.
        real: Callable[..., object] = getattr(module, name) if name != "sync_filesystem" else _at_once

        def wrapped(*args: object, **more: object) -> object:
            if self.at == "never":
                return real(*args, **more)
            self._strike(_told(name, args), "before")
            done = real(*args, **more)
            self._strike(_told(name, args), "after")
            return done

        monkeypatch.setattr(module, name, wrapped)


def _told(name: str, args: tuple[object, ...]) -> str:
    paths = (arg.name if arg.name != "data" else f"{arg.parent.name}/data" for arg in args if isinstance(arg, Path))
    return " ".join((name, *paths))


def _at_once(_path: Path) -> None:
    pass
