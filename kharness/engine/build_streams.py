"""Reads the progress of a build, of the classic builder or of BuildKit. Pure; loaded when something is built.

BuildKit's is a protobuf message, `moby.buildkit.v1.StatusResponse`, in base64. What is read of it:

    StatusResponse  1: Vertex (repeated)   3: VertexLog (repeated)
    Vertex          1: digest   3: name   4: cached   5: started   7: error
    VertexLog       1: digest of its vertex   4: bytes that a step wrote
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

from kharness.engine.api import Progress
from kharness.errors import BuildError
from kharness.plan.image.hardening import is_report

TAIL = 20
"""How many lines of the failing step an error carries."""

# The second forms are Podman's.
_STEP = re.compile(r"(?:Step \d+/\d+ |STEP \d+/\d+): (?P<step>.*)")
_NOISE = re.compile(r" ---> |Removing intermediate container |Successfully (built|tagged) ")
_EXIT = re.compile(
    r"(?:The command '.*' returned a non-zero code: |building at STEP .*: exit status )(?P<code>\d+)\s*", re.DOTALL
)
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


class ClassicStream:
    """Turns records into progress lines, the built image, or an error that names the failing step."""

    def __init__(self, tag: str, progress: Progress | None) -> None:
        self.image: str | None = None
        self._tag = tag
        self._progress = progress or (lambda _line: None)
        self._step = ""
        self._rest = ""
        self._tail: deque[str] = deque(maxlen=TAIL)

    def take(self, record: dict[str, Any]) -> None:
        """Take the next record; `BuildError` when it is an error, or the refusal of a Dockerfile."""
        text = record.get("stream", "")
        if self._rest and _NOISE.match(text):
            # The builder's own words; what the step wrote before them had no end of line.
            text = f"\n{text}"
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(line)
        if isinstance(record.get("aux"), dict):
            self.image = record["aux"].get("ID", self.image)
        problem = record.get("error") or record.get("message")
        if problem:
            self._line(self._rest)
            raise self._failure(str(problem))

    def _line(self, text: str) -> None:
        # The builder paints what was written to stderr; a progress bar overwrites its own line.
        line = _COLOUR.sub("", text).rstrip("\r").rpartition("\r")[2]
        if not line.strip() or _NOISE.match(line):
            return
        if step := _STEP.fullmatch(line):
            self._step = step["step"]
            self._tail.clear()
        elif not is_report(line):
            self._tail.append(line)
        self._progress(line)

    def _failure(self, problem: str) -> BuildError:
        return build_error(self._tag, self._step, problem, exit_code=_EXIT.fullmatch(problem), tail=self._tail)


def build_error(tag: str, step: str, problem: str, *, exit_code: re.Match[str] | None, tail: deque[str]) -> BuildError:
    """Return the error of a build whose step, `RUN ...`, failed; its exit status stands for a problem that has one."""
    reason = f"exited with {exit_code['code']}" if exit_code else problem
    where = f'"{step}" ' if exit_code else f'"{step}": '
    return BuildError(f"image {tag} cannot be built: {where if step else ''}{reason}", tail=tuple(tail))


_NUMBER = re.compile(r"\[[^\]]*\d+/\d+\] ")
_BUILDKIT_EXIT = re.compile(r".*exit code: (?P<code>\d+)", re.DOTALL)
_PREFIX = re.compile(r"failed to solve(?: with frontend [\w.]+)?: (?:failed to create LLB definition: )?")
_BASE = re.compile(r"\[internal\] load metadata for (?:docker\.io/(?:library/)?)?(?P<base>.*)")
_CANCELLED = re.compile(r"(?:context canceled|Canceled).*", re.DOTALL)


class BuildKitStream:
    """Turns records into progress lines, the built image, or an error that names the failing step."""

    def __init__(self, tag: str, progress: Progress | None) -> None:
        self.image: str | None = None
        self._tag = tag
        self._progress = progress or (lambda _line: None)
        self._told: set[str] = set()
        self._failed: tuple[str, str] = ("", "")
        self._rest: defaultdict[str, str] = defaultdict(str)
        self._tails: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=TAIL))

    def take(self, record: dict[str, Any]) -> None:
        """Take the next record; `BuildError` when it is an error."""
        match record:
            case {"id": "moby.image.id", "aux": {"ID": image}}:
                self.image = image
            case {"id": "moby.buildkit.trace", "aux": str(trace)}:
                self._trace(b64decode(trace))
            case {"error": problem} | {"message": problem}:
                raise self._failure(str(problem))
            case _:
                pass

    def _trace(self, message: bytes) -> None:
        for field, value in fields(message):
            if field == 1 and isinstance(value, bytes):
                self._vertex(dict(fields(value)))
            elif field == 3 and isinstance(value, bytes):  # noqa: PLR2004 - drawn above
                self._log(dict(fields(value)))

    def _vertex(self, vertex: dict[int, int | bytes]) -> None:
        digest, name, error = _text(vertex.get(1)), _text(vertex.get(3)), _text(vertex.get(7))
        if error and not _CANCELLED.fullmatch(error):
            self._failed = (digest, name)
        begun = 4 in vertex or 5 in vertex  # noqa: PLR2004 - drawn above
        if begun and digest not in self._told and _NUMBER.match(name):
            self._told.add(digest)
            self._progress(f"{name} (cached)" if vertex.get(4) else name)

    def _log(self, log: dict[int, int | bytes]) -> None:
        digest = _text(log.get(1))
        *lines, self._rest[digest] = (self._rest[digest] + _text(log.get(4))).split("\n")
        for line in lines:
            self._line(digest, line)

    def _line(self, digest: str, text: str) -> None:
        line = text.rstrip("\r").rpartition("\r")[2]
        if line.strip():
            if not is_report(line):
                self._tails[digest].append(line)
            self._progress(line)

    def _failure(self, problem: str) -> BuildError:
        digest, name = self._failed
        self._line(digest, self._rest[digest])
        return build_error(
            self._tag,
            # As the classic builder names it, and the Dockerfile.
            _BASE.sub(r"FROM \g<base>", _NUMBER.sub("", name, count=1)),
            _PREFIX.sub("", problem),
            exit_code=_BUILDKIT_EXIT.fullmatch(problem),
            tail=self._tails[digest],
        )


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Read the fields of a protobuf message: numbers for wire type 0, bytes for the others (of 2: the content)."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        match key & 7:
            case 0:
                value, place = _varint(message, place)
                yield key >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, place = _varint(message, place)
            case 5:
                length = 4
            case kind:
                raise ValueError(f"wire type {kind} is none that a build's progress has")
        yield key >> 3, message[place : place + length]
        place += length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, place


def _text(value: int | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
