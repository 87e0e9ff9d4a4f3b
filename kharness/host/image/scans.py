"""Records of what images and layers hold, so that each is read once."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kharness.plan.checks.content import Content, ImageLayer, LayerEntry, LeakedSecret

VERSION = 2
"""Raised whenever a scan looks for more, so that records of an older version are read again."""
UNUSED = 30 * 86_400.0
"""Seconds after which a record that was not read is removed."""


@dataclass(frozen=True)
class Scans:
    """Records, a file each in a directory; a file's time is when it was last read.

    Nothing is raised: where a record cannot be written, or is damaged, the image is read again.
    """

    directory: Path

    def content(self, digest: str) -> Content | None:
        """Return what is in the image of that digest, None where it is not known."""
        said = self._read(f"image-{digest}")
        with suppress(TypeError, KeyError, ValueError):
            content = None if said is None else _content(said)
            return content if content and content.files else None
        return None

    def layer(self, digest: str) -> ImageLayer | None:
        """Return what is in a layer, None where it is not known."""
        said = self._read(f"layer-{digest}")
        with suppress(TypeError, KeyError, ValueError):
            return None if said is None else _layer(said)
        return None

    def keep(self, digest: str, layer: ImageLayer) -> None:
        """Record a layer."""
        self._write(f"layer-{digest}", asdict(layer))

    def keep_content(self, digest: str, content: Content) -> None:
        """Record an image."""
        self._write(f"image-{digest}", asdict(content))

    def forget(self) -> None:
        """Remove records that were not read in a month."""
        for file in self.directory.iterdir() if self.directory.is_dir() else ():
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > UNUSED:
                    file.unlink()

    def _write(self, name: str, said: dict[str, Any]) -> None:
        file = self.directory / f"{name}.json"
        new = self.directory / f".{name}-{os.getpid()}"
        with suppress(OSError):
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            # As ASCII: a path that is not UTF-8 has half a character in it.
            new.write_text(json.dumps({"version": VERSION, "said": said}), encoding="ascii")
            new.replace(file)

    def _read(self, name: str) -> Any:
        # Whatever is wrong with what was kept, the image itself is there to be read.
        file = self.directory / f"{name}.json"
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            kept = json.loads(file.read_text(encoding="ascii"))
            if kept["version"] == VERSION:
                with suppress(OSError):
                    os.utime(file)
                return kept["said"]
        return None


def _content(said: Any) -> Content:
    return Content(
        files=int(said["files"]),
        set_uid=tuple(said["set_uid"]),
        world_writable=tuple(said["world_writable"]),
        managers=tuple(said["managers"]),
        secrets=_secrets(said["secrets"]),
        lost=_secrets(said["lost"]),
        passwd=said["passwd"],
    )


def _layer(said: Any) -> ImageLayer:
    return ImageLayer(
        entries=tuple(LayerEntry(each["path"], each["mode"], capable=each["capable"]) for each in said["entries"]),
        removed=tuple(said["removed"]),
        emptied=tuple(said["emptied"]),
        secrets=_secrets(said["secrets"]),
        passwd=said["passwd"],
    )


def _secrets(said: Any) -> tuple[LeakedSecret, ...]:
    return tuple(LeakedSecret(each["kind"], each["path"]) for each in said)
