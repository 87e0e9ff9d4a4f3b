r"""What hardening did to an image: read from what `/prep`, the last step of a build, prints.

    prep+ ID begin FAMILY
    prep+ ID off SWITCH              a step that was switched off
    prep+ ID did STEP WHAT NAME...   in as many lines as it takes
    prep+ ID end COUNT               of all names and switches

In NAME and WHAT all but visible ASCII stands as `\0ooo`, a byte in octal, so that no name breaks a line, and no builder
mangles one. A directory that went with all that was in it is one name, with a slash at its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from kharness.plan.facts import ImageFacts

MARK = "prep+ "
"""How a line of the report begins."""

_BYTE = re.compile(rb"\\0([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What a step did: `step` is for example set-uid, `what` is removed, `names` are sorted paths, or accounts."""

    step: str
    what: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardening:
    """All that was done, in order; `off` are the switches of steps left out.

    It is not `whole` where a part of what was printed did not arrive: a builder may cut a step's output.
    """

    family: str
    done: tuple[Deed, ...] = ()
    off: tuple[str, ...] = ()
    whole: bool = True

    def to_json(self) -> str:
        """Return the text that is kept."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Hardening:
        """Read what `to_json` wrote; KeyError, TypeError or ValueError where it is something else."""
        said = json.loads(text)
        done = tuple(Deed(**{**deed, "names": tuple(deed["names"])}) for deed in said.pop("done"))
        return cls(done=done, off=tuple(said.pop("off")), **said)


def is_report(line: str) -> bool:
    """Whether a line of a build's output belongs to the report, and is not shown."""
    return line.startswith(MARK)


def read_report(lines: Iterable[str]) -> Hardening | None:
    r"""Read the report's lines, None where there is none; of several the one that ended last.

    What cannot be read is missing from it, which the count at its end shows. Bytes of a name that are not UTF-8 stand
    as `\xff`.
    """
    runs: dict[str, list[list[str]]] = {}
    for line in lines:
        _, number, *words = [*line.split(), ""]
        # The last to speak comes last, also where several stages of a build ran at once.
        runs[number] = [*runs.pop(number, []), words[:-1]]
    ended = [run for run in runs.values() if run[-1][:1] == ["end"]]
    found = [*runs.values(), *ended]
    return _read(found[-1]) if found else None


def chains(image: ImageFacts) -> tuple[str, ...]:
    """Return a text for all layers of an image, then for all but the last, and so on.

    Images that share one have the same files there. The ChainID of the OCI image specification; an engine that reports
    no layers leaves the image's id.
    """
    import hashlib  # noqa: PLC0415 - commands that only look load this module, and not that library

    found: list[str] = []
    for layer in image.layers:
        both = f"{found[-1]} {layer}" if found else ""
        found.append(f"sha256:{hashlib.sha256(both.encode()).hexdigest()}" if both else layer)
    return tuple(reversed(found)) or (image.id,)


def _read(run: list[list[str]]) -> Hardening:
    family, off, counted = "", [], -1
    deeds: dict[tuple[str, str], list[str]] = {}
    for words in run:
        match words:
            case ["begin", family]:
                pass
            case ["off", switch]:
                off.append(switch)
            case ["did", step, what, *names]:
                deeds.setdefault((step, _plain(what)), []).extend(map(_plain, names))
            case ["end", count] if count.isdecimal():
                counted = int(count)
            case _:
                pass
    done = tuple(Deed(step=step, what=what, names=tuple(sorted(names))) for (step, what), names in deeds.items())
    whole = bool(family) and counted == len(off) + sum(len(deed.names) for deed in done)
    return Hardening(family=family, done=done, off=tuple(off), whole=whole)


def _plain(word: str) -> str:
    raw = _BYTE.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), word.encode())
    return raw.decode("utf-8", "backslashreplace")
