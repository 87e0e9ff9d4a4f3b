"""What files said, key by key, read with a check each; problems are gathered, not raised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Said:
    """A value and where it was said."""

    file: Path
    key: str
    value: object


class Fields:
    """All that was said. A reader of a wrong value adds a problem and returns the default, so that reading goes on."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self.problems: list[str] = []
        self._said: dict[str, dict[str, Said]] = {}

    def problem(self, file: Path, where: str, message: str) -> None:
        """Add a problem: `FILE: section.key: what it should be, not what it is`."""
        self.problems.append(": ".join(filter(None, (str(file), where, message))))

    def add(
        self, file: Path, document: Mapping[str, object], *, sections: Mapping[str, frozenset[str] | None], unique: str
    ) -> None:
        """Take a file's tables in; `sections` gives each known table's keys (None: any), `unique` may not repeat."""
        for name, table in document.items():
            if name not in sections:
                self.problem(file, name, f"should be one of {', '.join(sections)}")
            elif not isinstance(table, dict):
                self.problem(file, name, f"should be a table, not {table!r}")
            else:
                self._add_table(file, name, table, known=sections[name], unique=name == unique)

    def _add_table(
        self, file: Path, name: str, table: Mapping[str, object], *, known: frozenset[str] | None, unique: bool
    ) -> None:
        section = self._said.setdefault(name, {})
        for key, value in table.items():
            if known is not None and key not in known:
                self.problem(file, f"{name}.{key}", f"should be one of {', '.join(sorted(known))}")
            elif unique and key in section:
                self.problem(file, f"{name}.{key!r}", f"should be said once, not also in {section[key].file}")
            else:
                section[key] = Said(file, key, value)

    def section(self, name: str) -> tuple[Said, ...]:
        """Return everything said in a table."""
        return tuple(self._said.get(name, {}).values())

    def number(self, section: str, key: str, *, default: float, least: float) -> float:
        """Return a finite number that is not below `least`."""
        said = self._get(section, key)
        if said is None:
            return default
        value = said.value
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= least:
            return float(value)
        self.problem(said.file, f"{section}.{key}", f"should be a number from {least:g} up, not {value!r}")
        return default

    def whole(self, section: str, key: str, *, default: int, least: int) -> int:
        """Return a whole number that is not below `least`."""
        said = self._get(section, key)
        if said is None:
            return default
        if isinstance(said.value, int) and not isinstance(said.value, bool) and said.value >= least:
            return said.value
        self.problem(said.file, f"{section}.{key}", f"should be a whole number from {least} up, not {said.value!r}")
        return default

    def address(self, section: str, key: str, *, default: tuple[str, int]) -> tuple[str, int]:
        """Return host and port of `HOST:PORT` or `[IPv6]:PORT`; port 0 lets the system choose."""
        said = self._get(section, key)
        if said is None:
            return default
        host, colon, port = said.value.rpartition(":") if isinstance(said.value, str) else ("", "", "")
        bracketed = host.startswith("[") and host.endswith("]")
        host = host[1:-1] if bracketed else host
        right = colon and host and (bracketed or ":" not in host)
        if right and port.isascii() and port.isdigit() and int(port) <= HIGHEST_PORT:
            return host, int(port)
        self.problem(said.file, f"{section}.{key}", f"should be 'HOST:PORT' or '[IPv6]:PORT', not {said.value!r}")
        return default

    def _get(self, section: str, key: str) -> Said | None:
        return self._said.get(section, {}).get(key)
