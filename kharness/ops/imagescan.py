"""What is in an image, read once for each image and kept in the state directory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kharness.errors import HostError, UnseenError
from kharness.host.layers import read_layers
from kharness.ops.harness import Harness
from kharness.plan.evidence.content import Content, Secret, content_of

VERSION = 1
"""Grows with whatever is looked for: what an older version saw is not what a newer one would."""


def image_content(harness: Harness, image: str) -> Content:
    """Return what is in the image of that id; `UnseenError` where it cannot be read, `EngineError`, `HostError`."""
    kept = _place(harness, image)
    known = _known(kept)
    if known is not None:
        return known
    content = content_of(read_layers(harness.engine.save_image(image)))
    if not content.files:
        raise UnseenError(f"the image {image} has no file")
    _keep(kept, content)
    return content


def forget_scans(harness: Harness) -> None:
    """Remove what is kept of images that are gone."""
    directory = harness.state_dir / "scans"
    there = {_place(harness, image.id).name for image in harness.engine.images()}
    for file in directory.glob("*.json") if directory.is_dir() else ():
        if file.name not in there:
            file.unlink(missing_ok=True)


def _place(harness: Harness, image: str) -> Path:
    return harness.state_dir / "scans" / f"{image.removeprefix('sha256:')}.json"


def _known(file: Path) -> Content | None:
    # Whatever is wrong with a copy, the image itself is there to be read.
    with suppress(OSError, ValueError, TypeError, KeyError):
        said: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if said["version"] == VERSION:
            return _content(said["content"])
    return None


def _content(said: Mapping[str, Any]) -> Content:
    return Content(
        files=int(said["files"]),
        set_uid=tuple(said["set_uid"]),
        world_writable=tuple(said["world_writable"]),
        managers=tuple(said["managers"]),
        secrets=tuple(Secret(**each) for each in said["secrets"]),
        lost=tuple(Secret(**each) for each in said["lost"]),
        passwd=str(said["passwd"]),
    )


def _keep(file: Path, content: Content) -> None:
    new = file.with_name(f".{file.name}-{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # As ASCII: a path that is not UTF-8 has half a character in it.
        new.write_text(json.dumps({"version": VERSION, "content": asdict(content)}), encoding="ascii")
        new.replace(file)
    except OSError as error:
        raise HostError(f"{file}: cannot be written: {error.strerror}") from error
