"""One Compose file: read, checked for its outermost shape, with its variables put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kharness.errors import Problem
from kharness.settings.compose.dotenv import DotenvError, read_dotenv, read_raw
from kharness.settings.compose.interpolate import Lookup, interpolated
from kharness.settings.section import Loc
from kharness.settings.yaml12 import Document, YamlError, read_yaml

TAGS = frozenset({"!reset", "!override"})
MAPPINGS = ("services", "networks", "volumes", "secrets", "configs")
KNOWN = frozenset({*MAPPINGS, "name", "version", "include", "models"})


@dataclass(slots=True)
class Reading:
    """What is gathered while the files of a project are read; `files` in the order in which they were."""

    files: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    places: dict[Loc, tuple[Path, int]] = field(default_factory=dict)

    def fault(self, file: ComposeFile, loc: Loc, message: str) -> None:
        """Add a problem of a place in a file, once."""
        from kharness.settings.problems import dotted  # noqa: PLC0415 - it imports pydantic

        line = file.document.line(loc)
        problem = Problem(file.path, f"{dotted(loc)} (line {line})" if loc else f"line {line}", message)
        if problem not in self.problems:
            self.problems.append(problem)

    def variables(
        self, path: Path, lookup: Lookup, *, raw: bool = False, below: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Return the variables of a file; where it cannot be read, that is a problem, and it has none.

        Its values may use those of `below` as well, which count less than its own.
        """
        try:
            data = path.read_bytes()
            return read_raw(data, lookup) if raw else read_dotenv(data, lookup, below or {})
        except DotenvError as error:
            self.problems.append(Problem(path, f"line {error.line}", error.message))
        except OSError as error:
            self.problems.append(Problem(path, "", f"should be a file of variables ({error.strerror})"))
        except ValueError:
            self.problems.append(Problem(path, "", "should be the path of a file"))
        return {}


@dataclass(frozen=True, slots=True)
class ComposeFile:
    """A file that was read: its value with variables put in, and where all of it stands."""

    path: Path
    value: dict[str, Any]
    document: Document


def read_document(path: Path, reading: Reading, *, called: str, tags: frozenset[str] = frozenset()) -> Document | None:
    """Read a file as YAML, None where it cannot be; the problem is added to the reading."""
    try:
        return read_yaml(path.read_bytes(), tags=tags)
    except YamlError as error:
        reading.problems.append(Problem(path, f"line {error.line}" if error.line else "", error.message))
    except OSError as error:
        reading.problems.append(Problem(path, "", f"should be {called} ({error.strerror})"))
    except ValueError:
        reading.problems.append(Problem(path, "", "should be the path of a file"))
    return None


def read_file(path: Path, lookup: Lookup, reading: Reading) -> ComposeFile | None:
    """Read a Compose file, None where it cannot be; all its problems are added to the reading."""
    document = read_document(path, reading, called="a Compose file", tags=TAGS)
    if document is None:
        return None
    if path not in reading.files:
        reading.files.append(path)
    value = document.value
    if not isinstance(value, dict):
        reading.problems.append(Problem(path, "", "should be a mapping, with services"))
        return None
    faults: list[tuple[Loc, str]] = []
    value = interpolated(value, lookup, faults)
    file = ComposeFile(path, value, document)
    for loc, before in document.duplicates:
        reading.fault(file, loc, f"should be said once, and it is in line {before} already")
    for loc, message in faults:
        reading.fault(file, loc, message)
    return ComposeFile(path, _shaped(file, reading), document)


def _shaped(file: ComposeFile, reading: Reading) -> dict[str, Any]:  # noqa: C901 - a row for each fault
    """Return the value without what has not the shape that all further steps rely on."""
    found: dict[str, Any] = {}
    for key, value in file.value.items():
        if key not in KNOWN and not key.startswith("x-"):
            reading.fault(file, (key,), "is not a key of a Compose file")
        elif key in MAPPINGS and value is not None and not isinstance(value, dict):
            reading.fault(file, (key,), "should be a mapping of names")
        elif key in {"name", "version"} and not isinstance(value, str):
            reading.fault(file, (key,), "should be text")
        else:
            found[key] = value
    services = dict(found.get("services") or {})
    for name, service in list(services.items()):
        if not isinstance(service, dict) and not file.document.tags.get(("services", name)):
            reading.fault(file, ("services", name), "should be a mapping, a service's keys")
            del services[name]
    for kind in MAPPINGS[1:]:
        for name, value in dict(found.get(kind) or {}).items():
            if value is not None and not isinstance(value, dict):
                reading.fault(file, (kind, name), "should be a mapping, or empty")
                found[kind] = {key: each for key, each in found[kind].items() if key != name}
    if services or "services" in found:
        found["services"] = services
    return found
