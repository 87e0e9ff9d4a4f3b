"""What running containers changed, as lines for people and as values for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kharness.plan.drift import Done, Drifted, Scanned, flags
from kharness.report.released import Line

ALL_OK = "all ok"
WHY = (
    "what a service needs belongs into its image, what it writes into a volume or a tmpfs; what may be there all "
    "the same can be said in settings.yaml, as 'drift: {expect: [...]}'"
)

SAFER = "what put a file there may still run, and put it there again: a new container (--restart) is safer"


def drift_lines(found: Sequence[Scanned], *, most: int | None) -> Iterator[Line]:
    """Yield what is said of a scan, `most` changes of a container; the last line says `all ok` only if all is."""
    if not found:
        yield Line("no production container of kharness runs here: there is nothing to look at", "doubtful")
        return
    for each in found:
        yield from _container(each, most=most)
    volumes = [f"{each.name} {', '.join(each.volumes)}" for each in found if each.volumes]
    if volumes:
        yield Line(f"not looked at, because volumes are not in the layer: {'; '.join(volumes)}")
    bad = sum(not each.ok for each in found)
    if any(each.verdict.left for each in found):
        yield Line(WHY)
    if bad:
        yield Line(f"NOT ok: {bad} of {_count(len(found), 'container')}", "bad")
    else:
        yield Line(f"{ALL_OK}: {_count(len(found), 'container')}", "good")


def drift_value(found: Sequence[Scanned]) -> dict[str, Any]:
    """Return it as plain values; modes are octal texts, sizes bytes, odd bytes of paths surrogates."""
    return {"ok": all(each.ok for each in found), "containers": [_value(each) for each in found]}


def done_lines(done: Sequence[Done], *, removed: bool) -> Iterator[Line]:
    """Yield what was done about it, a line each."""
    for each in done:
        first, *rest = each.text.splitlines() or [""]
        yield Line(f"{each.name}: {first}", "good" if each.good else "bad")
        yield from (Line(f"    {line}") for line in rest)
    if removed and done:
        yield Line(SAFER, "doubtful")


def done_value(done: Sequence[Done]) -> list[dict[str, Any]]:
    """Return it as plain values."""
    return [{"name": each.name, "text": each.text, "good": each.good} for each in done]


def _container(found: Scanned, *, most: int | None) -> Iterator[Line]:
    left, expected = found.verdict.left, len(found.verdict.expected)
    if found.ok:
        also = f", but for {_count(expected, 'change')} that {_is(expected)} expected"
        yield Line(f"{found.name}: unchanged{also if expected else ''}", "good")
    if found.problem:
        first, *rest = found.problem.splitlines() or [""]
        yield Line(f"{found.name}: {first}", "bad")
        yield from (Line(f"    {line}") for line in rest)
    if left:
        also = f", and {expected} that {_is(expected)}" if expected else ""
        yield Line(f"{found.name}: {_count(len(left), 'change')} that {_is(len(left))} not expected{also}", "bad")
        for entry in left[:most]:
            flagged = bool(flags(entry))
            yield Line(f"  {'!' if flagged else '-'} {entry}", "bad" if flagged else "doubtful")
        if most is not None and len(left) > most:
            yield Line(f"  ... and {len(left) - most} more; --all shows them")
    yield from (Line(f"  note: {note}", "doubtful") for note in found.verdict.notes)


def _value(found: Scanned) -> dict[str, Any]:
    return {
        "name": found.name,
        "container": found.container,
        "id": found.id,
        "ok": found.ok,
        "by": found.by,
        "problem": found.problem,
        "expected": [_entry_value(entry) for entry in found.verdict.expected],
        "left": [_entry_value(entry) for entry in found.verdict.left],
        "notes": found.verdict.notes,
        "volumes": found.volumes,
    }


def _entry_value(entry: Drifted) -> dict[str, Any]:
    mode = None if entry.mode is None else f"{entry.mode:04o}"
    return {
        "path": entry.path,
        "kind": entry.kind,
        "type": entry.type,
        "mode": mode,
        "uid": entry.uid,
        "gid": entry.gid,
        "size": entry.size,
        "flags": flags(entry),
        "what": entry.what,
    }


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
