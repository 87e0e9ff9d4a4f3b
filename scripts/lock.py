"""Lock what kharness, its tests and its tools are installed with: requirements/*.txt, made from pyproject.toml.

    tox -e lock                       # lock what pyproject.toml asks for; what is locked already keeps its version
    tox -e lock -- --upgrade          # ... at the newest version of everything
    tox -e lock -- --upgrade NAME...  # ... or of these packages
    python scripts/lock.py --check    # whether the files fit pyproject.toml; needs no network

The versions are those of the public package index, whatever this machine's configuration says, and the files name no
index: they install from any. One resolution holds for every Python that pyproject.toml allows.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
OLDEST = "3.11"
HEADER = "# Made by `tox -e lock` from pyproject.toml.\n"


@dataclass(frozen=True)
class Lock:
    """One file: the groups that it locks, and the file that it builds on."""

    groups: tuple[str, ...]
    base: str = ""
    project: bool = False
    lowest: bool = False
    """The lowest version that pyproject.toml allows of each direct dependency, instead of the newest."""


LOCKS = {
    "run": Lock(("build",), project=True),
    "test": Lock(("test",), base="run"),
    "alpine": Lock(("alpine",), base="test"),
    "type": Lock(("type",), base="test"),
    "lint": Lock(("lint",)),
    "tox": Lock(("tox",)),
    "lowest": Lock(("build", "test"), project=True, lowest=True),
}


@dataclass(frozen=True)
class Pin:
    """One locked package: its line of the file with the lines of its hashes."""

    name: str
    text: str

    @property
    def requirement(self) -> Requirement:
        """The pin as a requirement, without hashes."""
        return Requirement(self.text.partition("\\\n")[0])

    @property
    def version(self) -> Version:
        """The one version that is allowed."""
        (specifier,) = self.requirement.specifier
        return Version(specifier.version)


def read_pins(text: str) -> tuple[Pin, ...]:
    """Read the pins of a file, in order; raises `ValueError` for a line that is neither a pin, a hash nor `-r FILE`."""
    joined = re.sub(r"^ +#.*\n", "", text, flags=re.MULTILINE)
    blocks = re.findall(r"^\S(?:.*\\\n)*.*\n", joined, flags=re.MULTILINE)
    return tuple(_pin(block) for block in blocks if not block.startswith(("#", "-r ")))


def _pin(block: str) -> Pin:
    line, *hashes = (each.strip() for each in block.split("\\\n"))
    try:
        found = Requirement(line)
    except InvalidRequirement:
        raise ValueError(f"should be NAME==VERSION with hashes, not {line!r}") from None
    exact = [each for each in found.specifier if each.operator == "==" and not each.version.endswith("*")]
    if found.url or len(exact) != 1 or len(found.specifier) != 1:
        raise ValueError(f"should be NAME==VERSION with hashes, not {line!r}")
    if not hashes or not all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes):
        raise ValueError(f"{found.name}: should have SHA-256 hashes and nothing else")
    return Pin(canonicalize_name(found.name), block)


def chain(name: str) -> tuple[str, ...]:
    """Return a lock and those that it builds on, the lowest last."""
    return (name, *chain(LOCKS[name].base)) if name else ()


def direct(project: Mapping[str, Any], lock: Lock) -> Iterator[Requirement]:
    """Return what pyproject.toml itself asks for in a lock."""
    if lock.project:
        yield from map(Requirement, project["project"]["dependencies"])
    groups = project["dependency-groups"]
    left = list(lock.groups)
    while left:
        for each in groups[left.pop()]:
            if isinstance(each, str):
                yield Requirement(each)
            else:
                left.append(each["include-group"])


def complaints(project: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[str]:
    """Say what does not fit of the files (by the names of their locks) and pyproject.toml."""
    if project["project"]["requires-python"] != f">={OLDEST}":
        yield f"pyproject.toml: requires-python: should be >={OLDEST}, for which the files are locked"
    pins: dict[str, tuple[Pin, ...]] = {}
    for name in LOCKS:
        try:
            pins[name] = read_pins(files.get(name, ""))
        except ValueError as error:
            yield f"requirements/{name}.txt: {error}"
            pins[name] = ()
    for name, lock in LOCKS.items():
        locked = {pin.name: pin for each in chain(name) for pin in pins[each]}
        for wanted in direct(project, lock):
            pin = locked.get(canonicalize_name(wanted.name))
            here = f"requirements/{name}.txt: {wanted.name}: should be {wanted.specifier or 'locked'}"
            if pin is None:
                yield f"{here}, and is not there"
            elif pin.version not in wanted.specifier:
                yield f"{here}, not {pin.version}"
            elif lock.lowest and pin.version != lowest_of(wanted.specifier):
                yield (
                    f"{here}, and its lowest release is {pin.version}: pyproject.toml should name a release that exists"
                )


def lowest_of(specifier: SpecifierSet) -> Version | None:
    """Return the version that `>=` or `==` names."""
    return max((Version(each.version) for each in specifier if each.operator in {">=", "=="}), default=None)


def resolve(project: Mapping[str, Any], files: Mapping[str, str], upgrade: Iterable[str]) -> dict[str, str]:
    """Return the text of each file, by one resolution of everything; raises `CalledProcessError`."""
    locks = {name: lock for name, lock in LOCKS.items() if not lock.lowest}
    known = {pin.name: pin for name in locks for pin in _readable(files.get(name, ""))}
    groups = [group for lock in locks.values() for group in lock.groups]
    everything = _compile(
        groups,
        known.values(),
        "--upgrade" if upgrade == ["*"] else "",
        *(f"--upgrade-package={name}" for name in upgrade if name != "*"),
        project=True,
    )
    texts: dict[str, str] = {}
    for name, lock in LOCKS.items():
        links = [LOCKS[each] for each in chain(name)]
        groups = [group for each in links for group in each.groups]
        whole = any(each.project for each in links)
        if lock.lowest:
            named = {canonicalize_name(each.name) for each in direct(project, lock)}
            kept = [] if upgrade else [pin for pin in _readable(files.get(name, "")) if pin.name not in named]
            pins = _compile(groups, kept, "--resolution=lowest-direct", project=whole)
        else:
            pins = _compile(groups, everything, project=whole)
        below = {pin.name for each in chain(name)[1:] for pin in read_pins(texts[each])}
        include = f"-r {lock.base}.txt\n" if lock.base else ""
        texts[name] = HEADER + include + "".join(pin.text for pin in pins if pin.name not in below)
    return texts


def _readable(text: str) -> tuple[Pin, ...]:
    try:
        return read_pins(text)
    except ValueError:
        return ()


def _compile(groups: Iterable[str], known: Iterable[Pin], *options: str, project: bool) -> tuple[Pin, ...]:
    # Of the environment nothing may say which index is asked, or how.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "requirements.txt"
        # uv keeps the versions and hashes that it finds in the file that it is to write.
        output.write_text("".join(pin.text for pin in known))
        command = ["uv", "pip", "compile", "--no-config", "--quiet", "--universal", f"--python-version={OLDEST}"]
        command += ["--generate-hashes", "--no-header", "--no-annotate", "--output-file", str(output)]
        command += [f"--group={name}" for name in groups]
        command += [each for each in options if each]
        command += ["pyproject.toml"] if project else []
        subprocess.run(command, cwd=ROOT, env=environ, check=True)  # noqa: S603
        return read_pins(output.read_text())


def main(arguments: list[str]) -> int:
    """Make the files, or check them; returns the exit status."""
    parser = argparse.ArgumentParser(description="lock what kharness, its tests and its tools are installed with")
    parser.add_argument("--check", action="store_true", help="report what does not fit pyproject.toml, change nothing")
    parser.add_argument("--upgrade", nargs="*", metavar="NAME", help="take the newest version of these, or of all")
    said = parser.parse_args(arguments)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    places = {name: ROOT / "requirements" / f"{name}.txt" for name in LOCKS}
    files = {name: place.read_text() for name, place in places.items() if place.exists()}
    if not said.check:
        upgrade = [] if said.upgrade is None else said.upgrade or ["*"]
        try:
            files = resolve(project, files, upgrade)
        except subprocess.CalledProcessError as error:
            return int(error.returncode)
        for name, place in places.items():
            place.parent.mkdir(exist_ok=True)
            place.write_text(files[name])
    found = list(complaints(project, files))
    for each in found:
        print(each, file=sys.stderr)  # noqa: T201
    if found and said.check:
        print("`tox -e lock` makes these files", file=sys.stderr)  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
