"""Services that extend another, of the same file or of another one, and chains of such."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kharness.settings.compose.document import ComposeFile, Reading, read_file
from kharness.settings.compose.interpolate import Lookup
from kharness.settings.compose.merge import merged, unique
from kharness.settings.compose.paths import service_paths
from kharness.settings.compose.scalars import Faults

Chain = tuple[tuple[Path, str], ...]
LONGEST = 50


class Extending:
    """Puts together the services of files; each other file is read once."""

    def __init__(self, lookup: Lookup, reading: Reading) -> None:
        self._lookup = lookup
        self._reading = reading
        self._files: dict[Path, ComposeFile | None] = {}

    def services(self, file: ComposeFile, directory: Path) -> dict[str, Any]:
        """Return all services of a file, each with what it extends below it; paths are still of `directory`."""
        return {name: self._service(file, name, directory, ()) for name in file.value.get("services") or {}}

    def _service(self, file: ComposeFile, name: str, directory: Path, chain: Chain) -> Any:
        service = file.value["services"][name]
        if not isinstance(service, dict) or "extends" not in service:
            return service
        own = {key: value for key, value in service.items() if key != "extends"}
        loc = ("services", name, "extends")
        base = self._base(file, service["extends"], directory, (*chain, (file.path, name)), loc)
        faults: Faults = []
        found = merged(base, own, faults, ("services", name), file.document.tags)
        for place, message in faults:
            self._reading.fault(file, place, message)
        return unique(found)

    def _base(self, file: ComposeFile, said: Any, directory: Path, chain: Chain, loc: tuple[str, ...]) -> Any:
        name = said if isinstance(said, str) else said.get("service") if isinstance(said, dict) else None
        other = said.get("file") if isinstance(said, dict) else None
        if not isinstance(name, str) or not isinstance(other, str | None):
            self._reading.fault(file, loc, "should be a service's name, or have its name as 'service' and a 'file'")
            return {}
        target: ComposeFile | None = file
        place = directory
        if other is not None:
            path = (directory / other).absolute()
            if path not in self._files:
                self._files[path] = file if path == file.path else self._read(file, path, loc)
            target, place = self._files[path], path.parent
        if target is None:
            return {}
        if (target.path, name) in chain or len(chain) > LONGEST:
            self._reading.fault(file, loc, "should not lead back to the service itself")
            return {}
        if name not in (target.value.get("services") or {}):
            self._reading.fault(file, loc, f"should name a service of {target.path}, and it has no {name!r}")
            return {}
        found = self._service(target, name, place, chain)
        return found if place == directory else service_paths(found, place)

    def _read(self, file: ComposeFile, path: Path, loc: tuple[str, ...]) -> ComposeFile | None:
        if path.is_file():
            return read_file(path, self._lookup, self._reading)
        self._reading.fault(file, loc, f"should name a file that is there, and {path} is not")
        return None
