"""Reads the stream of the classic builder. Pure."""

from __future__ import annotations

import re
from collections import deque
from typing import Any

from kharness.engine.api import Progress
from kharness.errors import BuildError
from kharness.plan.hardening import is_report

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
