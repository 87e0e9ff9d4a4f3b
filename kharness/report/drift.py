"""Scan results as lines and plain values, a watch's state as metrics (Prometheus' text exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kharness.plan.drift.changes import Action, Drifted, ScanResult, flags
from kharness.plan.drift.watch import WatchState, reasons
from kharness.report.release import Line

ALL_OK = "all ok"
WHY = (
    "files that a service needs belong into its image, files that it writes into a volume or a tmpfs; declare "
    "exceptions in settings.yaml: 'drift: {expect: [...]}'"
)

SAFER = "the program that added a file may still run, and add it again: a new container (--restart) is safer"


def drift_lines(found: Sequence[ScanResult], *, most: int | None) -> Iterator[Line]:
    """Yield the report of a scan, at most `most` changes of a container; the last line is `all ok` only if all is."""
    if not found:
        yield Line("no production container of kharness runs here: there is nothing to scan", "doubtful")
        return
    for each in found:
        yield from _container(each, most=most)
    volumes = [f"{each.name} {', '.join(each.volumes)}" for each in found if each.volumes]
    if volumes:
        yield Line(f"not scanned, because volumes are not in the layer: {'; '.join(volumes)}")
    bad = sum(not each.ok for each in found)
    if any(each.verdict.left for each in found):
        yield Line(WHY)
    if bad:
        yield Line(f"NOT ok: {bad} of {_count(len(found), 'container')}", "bad")
    else:
        yield Line(f"{ALL_OK}: {_count(len(found), 'container')}", "good")


def drift_value(found: Sequence[ScanResult]) -> dict[str, Any]:
    """Return scan results as plain values; modes are octal, sizes bytes; bytes that are not UTF-8 are surrogates."""
    return {"ok": all(each.ok for each in found), "containers": [_value(each) for each in found]}


def done_lines(done: Sequence[Action], *, removed: bool) -> Iterator[Line]:
    """Yield the steps of the response, a line each."""
    for each in done:
        first, *rest = each.text.splitlines() or [""]
        yield Line(f"{each.name}: {first}", "good" if each.good else "bad")
        yield from (Line(f"    {line}") for line in rest)
    if removed and done:
        yield Line(SAFER, "doubtful")


def done_value(done: Sequence[Action]) -> list[dict[str, Any]]:
    """Return the steps of the response as plain values."""
    return [{"name": each.name, "text": each.text, "good": each.good} for each in done]


def _container(found: ScanResult, *, most: int | None) -> Iterator[Line]:
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


def _value(found: ScanResult) -> dict[str, Any]:
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


CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "kharness_drift"


def metrics(state: WatchState, *, now: float) -> str:
    """Return the metrics; times in seconds since the epoch."""
    return "".join(f"{line}\n" for line in _lines(state, now))


def _lines(state: WatchState, now: float) -> Iterator[str]:
    yield from _metric("ok", "gauge", "Whether there is no drift, no failed scan and no alarm.")
    yield f"{PREFIX}_ok {int(not reasons(state, now=now))}"
    yield from _metric("scans_total", "counter", "Number of scans.")
    yield f"{PREFIX}_scans_total {state.scans}"
    if state.at is not None:
        yield from _metric("last_scan_timestamp_seconds", "gauge", "When the last scan ended.")
        yield f"{PREFIX}_last_scan_timestamp_seconds {state.at:.3f}"
        yield from _metric("scan_duration_seconds", "gauge", "How long the last scan took.")
        yield f"{PREFIX}_scan_duration_seconds {state.took:.3f}"
    yield from _metric("seen", "gauge", "Whether a container could be scanned.")
    yield from (f"{PREFIX}_seen{_label(each.name)} {int(not each.problem)}" for each in state.found)
    yield from _metric("unexpected_paths", "gauge", "Changes of a container that are not expected.")
    yield from (f"{PREFIX}_unexpected_paths{_label(each.name)} {len(each.verdict.left)}" for each in state.found)
    yield from _metric("expected_paths", "gauge", "Changes of a container that are expected.")
    yield from (f"{PREFIX}_expected_paths{_label(each.name)} {len(each.verdict.expected)}" for each in state.found)
    yield from _metric("alarm_since_timestamp_seconds", "gauge", "Since when an alarm is not acknowledged.")
    for name, raised in state.alarm.raised.items():
        yield f"{PREFIX}_alarm_since_timestamp_seconds{_label(name)} {raised.since:.3f}"


def _metric(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {PREFIX}_{name} {text}"
    yield f"# TYPE {PREFIX}_{name} {kind}"


def _label(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{container="{escaped}"}}'
