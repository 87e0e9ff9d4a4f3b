"""Named volumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from kharness.engine import answers
from kharness.engine.convert import label_filters
from kharness.engine.refusals import RefusedError, volume_error
from kharness.engine.wire import Wire
from kharness.errors import ConflictError
from kharness.plan.facts import VolumeFacts


class Volumes:
    """The part of `Engine` that is about named volumes."""

    _wire: Wire

    def volume(self, name: str) -> VolumeFacts | None:
        """Inspect a volume, None when there is none."""
        try:
            return answers.volume_facts(self._wire.ask("GET", f"/volumes/{quote(name)}"))
        except RefusedError as error:
            if error.missing:
                return None
            raise

    def volumes(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[VolumeFacts, ...]:
        """List volumes in one request."""
        found = self._wire.ask("GET", "/volumes", params={"filters": label_filters(labels)})
        return tuple(map(answers.volume_facts, found.get("Volumes") or ()))

    def create_volume(
        self, name: str, *, labels: Mapping[str, str] | None = None, options: Mapping[str, str] | None = None
    ) -> VolumeFacts:
        """Create a volume; the options are not tried before a container with it starts."""
        # The engine answers with the old volume when the name is taken and nothing differs, labels included.
        if self.volume(name) is not None:
            raise ConflictError(f"there is a volume {name} already")
        body: dict[str, Any] = {
            "Name": name,
            "Driver": "local",
            "DriverOpts": dict(options or {}),
            "Labels": dict(labels or {}),
        }
        try:
            return answers.volume_facts(self._wire.ask("POST", "/volumes/create", body=body))
        except RefusedError as error:
            raise volume_error(error, name) from error

    def remove_volume(self, name: str) -> None:
        """Remove a volume; `ConflictError` while a container has it."""
        try:
            self._wire.tell("DELETE", f"/volumes/{quote(name)}")
        except RefusedError as error:
            if not error.missing:
                raise volume_error(error, name) from error
