"""The context of a Compose service: a folder as it is, less what its `.dockerignore` names, by Docker's own rules.

Rules: docs.docker.com, "Build context", and the matcher of the engine (moby/patternmatcher). A pattern is relative to
the context; it names a path or a directory around it; of all patterns that match the last one holds; `!` takes back;
`**` stands for any number of directories, none included; `#` begins a comment in the first column alone.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from kharness.errors import HostError
from kharness.host.image.context import ContextEntry

IGNORE_FILE = ".dockerignore"
_BOM = "\ufeff"


@dataclass(frozen=True)
class IgnorePattern:
    """A line of an ignore file: `parts` are the components of its path; a `negated` one takes a path back."""

    parts: tuple[str, ...]
    negated: bool = False

    def matches(self, path: str) -> bool:
        """Whether it names this path itself."""
        return self._expression.fullmatch(path) is not None

    def may_match_below(self, directory: str) -> bool:
        """Whether it could name something below a directory."""
        names = directory.split("/")
        for name, part in zip(names, self.parts, strict=False):
            if "**" in part:
                return True
            if re.fullmatch(_component(part), name) is None:
                return False
        return len(self.parts) > len(names)

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        text = ""
        for index, part in enumerate(self.parts):
            last = index == len(self.parts) - 1
            if part == "**":
                text += ".*" if last else "(?:.*/)?"
            else:
                text += _component(part) + ("" if last else "/")
        return re.compile(text, re.DOTALL)


@lru_cache(maxsize=4096)
def _component(part: str) -> str:
    """Return the expression of one component, in which `**` inside of a name crosses slashes as in Docker."""
    text, place = "", 0
    while place < len(part):
        character = part[place]
        place += 1
        if character == "*":
            crossing = part.startswith("*", place)
            place += crossing
            text += ".*" if crossing else "[^/]*"
        elif character == "?":
            text += "[^/]"
        elif character == "\\" and place < len(part):
            text += re.escape(part[place])
            place += 1
        elif character == "[" and (end := part.find("]", place + 1)) > 0:
            inside = part[place:end].replace("[", "\\[")
            text += f"(?!/)[{inside}]"
            place = end + 1
        else:
            text += re.escape(character)
    return text


def read_patterns(text: str) -> tuple[IgnorePattern, ...]:
    """Read an ignore file."""
    found: list[IgnorePattern] = []
    for line in text.removeprefix(_BOM).splitlines():
        said = line.strip()
        if not said or line.startswith("#"):
            continue
        negated = said.startswith("!")
        said = said.removeprefix("!").strip() if negated else said
        path = posixpath.normpath(said).strip("/") if said else ""
        # The context itself cannot be left out.
        if path and path != ".":
            found.append(IgnorePattern(tuple(path.split("/")), negated))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Ignored:
    """What the patterns of a context leave out."""

    patterns: tuple[IgnorePattern, ...] = ()

    def verdict(self, path: str, above: tuple[bool, ...] = ()) -> tuple[bool, ...]:
        """Return for each pattern whether it names the path or, by `above`, a directory around it."""
        inherited = above or (False,) * len(self.patterns)
        return tuple(known or each.matches(path) for each, known in zip(self.patterns, inherited, strict=True))

    def leaves_out(self, verdict: tuple[bool, ...]) -> bool:
        """Whether the last pattern that matches leaves the path out."""
        last = next((each for each, hit in zip(reversed(self.patterns), reversed(verdict), strict=True) if hit), None)
        return last is not None and not last.negated

    def excludes(self, path: str) -> bool:
        """Whether a path is left out."""
        verdict: tuple[bool, ...] = ()
        for depth in range(path.count("/") + 1):
            verdict = self.verdict("/".join(path.split("/")[: depth + 1]), verdict)
        return self.leaves_out(verdict)

    def may_return_below(self, directory: str) -> bool:
        """Whether something below a directory that is left out could be taken back."""
        return any(each.negated and each.may_match_below(directory) for each in self.patterns)


def ignored_by(context: Path, dockerfile: Path | None) -> Ignored:
    """Read the ignore file of a build: the one named after its Dockerfile comes first.

    Raises `HostError` where it cannot be read.
    """
    named = dockerfile.with_name(f"{dockerfile.name}{IGNORE_FILE}") if dockerfile is not None else None
    for file in (named, context / IGNORE_FILE):
        if file is None or not file.is_file():
            continue
        try:
            return Ignored(read_patterns(file.read_text(encoding="utf-8", errors="surrogateescape")))
        except OSError as error:
            raise HostError(f"{file}: cannot be read: {error.strerror}") from error
    return Ignored()


def read_folder(context: Path, ignored: Ignored) -> Iterator[ContextEntry]:
    """Yield what a folder brings into a build: modes, times and links as they are; the sockets and devices are not.

    Directories that are left out are not walked, unless a later `!` could take back something below. Raises `HostError`
    where the folder or something in it cannot be read.
    """
    try:
        yield from _below(context.resolve(strict=True), "", (), ignored)
    except OSError as error:
        raise HostError(f"{error.filename or context}: cannot be read: {error.strerror}") from error


def _below(top: Path, at: str, verdict: tuple[bool, ...], ignored: Ignored) -> Iterator[ContextEntry]:
    with os.scandir(top / at) as listing:
        found = sorted(listing, key=lambda each: os.fsencode(each.name))
    for each in found:
        path = f"{at}/{each.name}" if at else each.name
        own = ignored.verdict(path, verdict)
        out = ignored.leaves_out(own)
        if not each.is_dir(follow_symlinks=False):
            if not out:
                yield from _entry(each, path)
        elif not out:
            yield from _entry(each, path)
            yield from _below(top, path, own, ignored)
        elif ignored.may_return_below(path):
            yield from _returned(_entry(each, path), _below(top, path, own, ignored))


def _returned(directory: Iterator[ContextEntry], below: Iterator[ContextEntry]) -> Iterator[ContextEntry]:
    # A directory that is left out comes along where something in it does.
    for entry in below:
        yield from directory
        yield entry


def _entry(each: os.DirEntry[str], path: str) -> Iterator[ContextEntry]:
    status = each.stat(follow_symlinks=False)
    mode, kind, mtime = stat.S_IMODE(status.st_mode), stat.S_IFMT(status.st_mode), int(status.st_mtime)
    if kind == stat.S_IFREG:
        yield ContextEntry(path, Path(each.path), mode, "file", mtime=mtime)
    elif kind == stat.S_IFDIR:
        yield ContextEntry(path, Path(each.path), mode, "dir", mtime=mtime)
    elif kind == stat.S_IFLNK:
        yield ContextEntry(path, Path(each.path), 0o777, "link", link=str(Path(each.path).readlink()), mtime=mtime)
