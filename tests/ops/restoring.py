"""Production whose data were backed up and have changed since, and a restoration of them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

from kharness.ops.volumes.backup import backup
from kharness.ops.volumes.restore import plan_restoration, read_backup, restore
from kharness.plan.volumes.backup import Restored
from kharness.report.volumes import restoration_lines
from tests.ops.releases import Production
from tests.ops.volumes.test_backup import NOW, places

OLD = {"data": "data", "rows": "rows", "cache": "cache"}
NEW = {"data": "new data", "rows": "new rows", "cache": "new cache"}


def backed_up(web: Production) -> Path:
    """Back its data up, and let it write other ones."""
    file = backup(web.world.harness(), "web", now=NOW).path
    for name, place in places(web).items():
        (place / "row").write_text(f"new {name}")
        (place / "later").write_text("later")
    web.forget()
    return file


def rows(web: Production) -> dict[str, str]:
    return {name: (place / "row").read_text() for name, place in places(web).items()}


def carry_out(web: Production, file: Path | None = None, *, snapshot: str = "", foreign: bool = False) -> Restored:
    harness, directory = web.world.harness(), web.world.directory("web")
    plan = plan_restoration(harness, directory, file=file, snapshot=snapshot, foreign=foreign)
    assert list(restoration_lines(plan.question))
    return restore(harness, directory, plan)


def box(web: Production) -> tuple[str, str, str, int]:
    (found,) = web.engine.boxes.values()
    return found.name, found.state, found.restart, found.retries


def edit(file: Path, change: Callable[[dict[str, object]], dict[str, object]]) -> Path:
    """Return a backup with another manifest, as a person could make one."""
    said = change(json.loads(read_backup(file).to_json()))
    text = json.dumps(said).encode()
    edited = file.with_name("edited.tar")
    with tarfile.open(file) as old, tarfile.open(edited, "w") as new:
        for each in old.getmembers():
            data = old.extractfile(each)
            assert data is not None
            content = data.read()
            if each.name == "manifest.json":
                content = text
            if each.name == "manifest.sha256":
                content = f"{hashlib.sha256(text).hexdigest()}  manifest.json\n".encode()
            each.size = len(content)
            new.addfile(each, io.BytesIO(content))
    return edited
