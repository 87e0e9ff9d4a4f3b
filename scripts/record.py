"""Record commands in a terminal as docs/session.svg, the picture in README.

    python scripts/record.py 'pytest containers/filewatchdock --ready --launch' 'kharness status'

Each command runs on a pseudo-terminal, in the project, with the programs of this environment; the picture shows all of
its output. Lines that were drawn over are shown as they were in the end.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
import termios
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "session.svg"
COLUMNS, WIDTH, HEIGHT, MARGIN = 100, 8.4, 19, 16
COLOURS = {"31": "#ff6b6b", "32": "#69db7c", "33": "#ffd43b", "34": "#74c0fc", "35": "#da77f2", "36": "#66d9e8"}
CODE = re.compile(r"\x1b\[([0-9;]*)m")
OTHER = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b[()=>].?")
"""Sequences other than colours, console_codes(4)."""


def recorded(command: str) -> list[str]:
    """Run a command on a terminal of its own, and return its lines with their colours."""
    reader, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (50, COLUMNS))
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TERM": "xterm"}
    process = subprocess.Popen(  # noqa: S603 - as it was typed
        shlex.split(command), cwd=ROOT, env=environ, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    pieces = []
    try:
        while piece := os.read(reader, 1 << 16):
            pieces.append(piece)
    except OSError:  # the last process has closed the terminal
        pass
    process.wait()
    text = OTHER.sub("", b"".join(pieces).decode().replace("\r\n", "\n"))
    return [part for line in text.strip("\n").split("\n") for part in folded(line.rpartition("\r")[2])]


def folded(line: str) -> list[str]:
    """Return a line in parts that are no wider than the terminal."""
    pieces = re.findall(r"\x1b\[[0-9;]*m|[^\x1b]", line)
    starts = [0, *[at for at, piece in enumerate(pieces) if len(piece) == 1][COLUMNS::COLUMNS]]
    return ["".join(pieces[start:end]) for start, end in zip(starts, [*starts[1:], None], strict=True)]


def drawn(line: str, at: int) -> str:
    """Return a line as elements of SVG."""
    found: list[str] = []
    style: dict[str, str] = {}
    parts = CODE.split(line)
    for codes, text in zip(["", *parts[1::2]], parts[::2], strict=True):
        for code in codes.split(";"):
            if code in COLOURS:
                style["fill"] = COLOURS[code]
            elif code == "1":
                style["font-weight"] = "bold"
            elif code in {"", "0"}:
                style = {}
        if text:
            attributes = "".join(f" {name}='{value}'" for name, value in style.items())
            found.append(f"<tspan{attributes}>{escape(text)}</tspan>")
    return f"<text x='{MARGIN}' y='{MARGIN + HEIGHT * (at + 1) - 5}' xml:space='preserve'>{''.join(found)}</text>"


def main(commands: list[str]) -> None:
    """Record commands, one after the other."""
    lines: list[str] = []
    for command in commands:
        lines += [*([""] if lines else []), f"\x1b[1m$ {shlex.join(shlex.split(command))}\x1b[0m", *recorded(command)]
    width, height = round(COLUMNS * WIDTH + 2 * MARGIN), len(lines) * HEIGHT + 2 * MARGIN
    body = "\n".join(drawn(line, at) for at, line in enumerate(lines))
    PICTURE.write_text(
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' font-size='14'"
        " font-family='ui-monospace, Menlo, Consolas, monospace' fill='#e9ecef'>\n"
        f"<rect width='100%' height='100%' rx='8' fill='#1e1f26'/>\n{body}\n</svg>\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
