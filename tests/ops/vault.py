"""Production with secrets, on the engine in memory."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kharness.ops.launch.subject import production_subject
from kharness.ops.release.release import launch
from kharness.plan.facts import ImageFacts
from kharness.plan.release.operation import Released
from tests.ops.releases import EVIDENCE, Production
from tests.ops.world import World

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

    @classmethod
    def create(cls, path: Path) -> Vault:
        """Write the values and the settings below an empty directory; nothing is launched yet."""
        sources = path / "etc"
        sources.mkdir()
        for name in ("password", "key"):
            (sources / name).write_text(f"real {name} 1")
            (sources / name).chmod(0o600)
        settings = SETTINGS.format(password=sources / "password", key=sources / "key")
        found = cls(Production(path / "web", settings), sources)
        test = found.world.tree.path / "web" / "test"
        test.mkdir()
        for name in ("password", "key"):
            (test / name).write_text(f"test {name}")
        return found

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
