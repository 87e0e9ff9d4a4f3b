"""The commands that docs/commands.md lists, in its order, and how a script types each of them on a host."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
HEADING = "## What you type all day"
ENDED_BY_CTRL_C = 130
INTERRUPT = """
said=$(mktemp) text=$1; shift
"$@" >"$said" 2>&1 &
until grep -q -- "$text" "$said" || ! kill -0 $!; do sleep 0.2; done
kill -s INT $!
wait $!
status=$?
cat "$said"; rm "$said"
exit $status
"""
"""Ends a command as ctrl-c does when it has printed a text."""
CTRL_C, CTRL_D = r"\x03", r"\x04"


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What is typed, the status that it ends with, and what it then has printed.

    A `session` builds and tests. Where a person would sit at it, it has a `terminal`, whose input ends when it
    has printed that; what goes on for ever is `interrupted` then.
    """

    line: str
    says: str = ""
    status: int = 0
    session: bool = False
    terminal: bool = False
    interrupted: bool = False

    @property
    def argv(self) -> tuple[str, ...]:
        """The words of the command that does it."""
        words = ("env", "--default-signal=INT", *shlex.split(self.line))
        if self.terminal:
            return ("python3", "tests/hosts/terminal.py", self.says, CTRL_C if self.interrupted else CTRL_D, *words)
        return ("sh", "-c", INTERRUPT, "sh", self.says, *words) if self.interrupted else words


WEB = "filewatchdock"
LISTED: dict[str, tuple[Typed, ...]] = {
    f"pytest containers/{WEB} --ready": (Typed(line=f"pytest containers/{WEB} --ready", says="passed", session=True),),
    f"pytest containers/{WEB} --ready --promote": (
        Typed(line=f"pytest containers/{WEB} --ready --promote", says="live already", session=True),
    ),
    f"pytest containers/{WEB} --ready --launch": (
        Typed(line=f"pytest containers/{WEB} --ready --launch", says="verifying it in place", session=True),
    ),
    "pytest containers --in-prod": (Typed(line="pytest containers --in-prod", says="passed"),),
    "pytest containers -n auto --ready": (
        Typed(line="pytest containers -n auto --ready", says="passed", session=True),
    ),
    "KTOOLS_DRUN_TEST_PROD=1 tox -e prod": (
        Typed(line="KTOOLS_DRUN_TEST_PROD=1 tox -e prod", says="congratulations", session=True),
    ),
    "kharness status": (
        Typed(line="kharness status", says=WEB),
        Typed(line="kharness status --watch", says=WEB, status=ENDED_BY_CTRL_C, terminal=True, interrupted=True),
    ),
    "kharness upgrade-all": (Typed(line="kharness upgrade-all", session=True),),
    "kharness up-all": (
        Typed(line="kharness up-all", session=True),
        Typed(line="kharness restart-all", session=True),
        Typed(line="kharness build-all", session=True),
        Typed(line="kharness test-all", session=True),
        Typed(line="kharness run-in-all true"),
        Typed(line="kharness down-all", session=True),
        Typed(line="kharness up-all", session=True),
    ),
    f"kharness up {WEB}": (
        Typed(line=f"kharness up {WEB}"),
        Typed(line=f"kharness down {WEB}"),
        Typed(line=f"kharness is-up {WEB}", status=1),
        Typed(line=f"kharness up {WEB}"),
        Typed(line=f"kharness restart {WEB}"),
        Typed(line=f"kharness is-up {WEB}"),
        Typed(line=f"kharness ip {WEB}", says="."),
        Typed(line=f"kharness pid {WEB}"),
        Typed(line=f"kharness images {WEB}", says="live"),
    ),
    f"kharness enter {WEB}": (
        Typed(line=f"kharness enter {WEB}", says="#", terminal=True),
        Typed(line=f"kharness exec {WEB} cat /etc/hostname", says=WEB),
        Typed(line=f"kharness shell {WEB}", says="$", terminal=True),
    ),
    f"kharness logs -f {WEB} dnsdock": (
        Typed(line=f"kharness logs -f {WEB} dnsdock", says=WEB, status=ENDED_BY_CTRL_C, session=True, interrupted=True),
        Typed(line=f"kharness logs {WEB}"),
    ),
    "kharness check-all-up": (Typed(line="kharness check-all-up", says="all ok", session=True),),
    f"kharness run {WEB} --mem-limit 1g": (
        Typed(line=f"kharness run {WEB} --mem-limit 1g --dry-run", says="--memory 1073741824"),
        Typed(line=f"kharness run {WEB} --explain mem_limit", says="mem_limit"),
        Typed(line=f"kharness run {WEB} --mem-limit 1g"),
        Typed(line=f"kharness run {WEB}"),
    ),
    f"kharness run -D {WEB}": (Typed(line=f"kharness run -D {WEB}", says="ready after", interrupted=True),),
    f"kharness debug {WEB}": (Typed(line=f"kharness debug {WEB}", says="#", terminal=True),),
    "kharness history": (Typed(line="kharness history", says=WEB),),
    f"kharness rollback {WEB}": (
        Typed(line=f"sed -i '0,/^RUN/s//LABEL round=2\\nRUN/' containers/{WEB}/Dockerfile", session=True),
        Typed(line=f"pytest containers/{WEB} --ready --launch", says="production runs it", session=True),
        Typed(line=f"kharness rollback {WEB}", says="production runs it", session=True),
    ),
    f"kharness volumes {WEB}": (Typed(line=f"kharness volumes {WEB}"),),
    f"kharness backup {WEB}": (
        Typed(line=f"kharness backup {WEB} --to /var/tmp/{WEB}.tar", says=f"/var/tmp/{WEB}.tar"),
        Typed(line=f"kharness restore {WEB} /var/tmp/{WEB}.tar --yes", says="restored"),
        Typed(line=f"rm /var/tmp/{WEB}.tar"),
    ),
    f"kharness diff {WEB}": (Typed(line=f"kharness diff {WEB}"),),
    f"kharness prep {WEB} --dry-run": (Typed(line=f"kharness prep {WEB} --dry-run"),),
    "kharness cowscan": (Typed(line="kharness cowscan", says="all ok"),),
    "kharness policy explain KH110": (Typed(line="kharness policy explain KH110", says="KH110"),),
    f"kharness hardening {WEB}": (Typed(line=f"kharness hardening {WEB}"),),
    "kharness doctor": (Typed(line="kharness doctor", says="engine"),),
    f"kharness retire {WEB}": (
        Typed(line=f"kharness retire {WEB} --yes", says=WEB),
        Typed(line=f"kharness history {WEB}", says="retire"),
    ),
}
"""By the page's lines; what a line names behind `... and` follows it."""


def listed() -> tuple[str, ...]:
    """Return the page's lines of commands, without their comments."""
    text = PAGE.read_text(encoding="utf-8").partition(HEADING)[2]
    block = re.findall(r"^ {4}(.+)$", text.partition("Short forms")[0], flags=re.MULTILINE)
    return tuple(line.partition("#")[0].strip() for line in block)
