"""What a watch knows, as Prometheus reads it (its text exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.watching import Watching, reasons

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "kharness_drift"


def metrics(state: Watching, *, now: float) -> str:
    """Return the metrics; times in seconds since the epoch."""
    return "".join(f"{line}\n" for line in _lines(state, now))


def _lines(state: Watching, now: float) -> Iterator[str]:
    yield from _metric("ok", "gauge", "Whether nothing is left, seen wrongly, or to be acknowledged.")
    yield f"{PREFIX}_ok {int(not reasons(state, now=now))}"
    yield from _metric("scans_total", "counter", "How many scans were made.")
    yield f"{PREFIX}_scans_total {state.scans}"
    if state.at is not None:
        yield from _metric("last_scan_timestamp_seconds", "gauge", "When the last scan was over.")
        yield f"{PREFIX}_last_scan_timestamp_seconds {state.at:.3f}"
        yield from _metric("scan_duration_seconds", "gauge", "How long the last scan took.")
        yield f"{PREFIX}_scan_duration_seconds {state.took:.3f}"
    yield from _metric("seen", "gauge", "Whether a container could be seen and judged.")
    yield from (f"{PREFIX}_seen{_label(each.name)} {int(not each.problem)}" for each in state.found)
    yield from _metric("unexpected_paths", "gauge", "Changes of a container that are not expected.")
    yield from (f"{PREFIX}_unexpected_paths{_label(each.name)} {len(each.verdict.left)}" for each in state.found)
    yield from _metric("expected_paths", "gauge", "Changes of a container that are expected.")
    yield from (f"{PREFIX}_expected_paths{_label(each.name)} {len(each.verdict.expected)}" for each in state.found)
    yield from _metric("alarm_since_timestamp_seconds", "gauge", "Since when something is to be acknowledged.")
    for name, raised in state.alarm.raised.items():
        yield f"{PREFIX}_alarm_since_timestamp_seconds{_label(name)} {raised.since:.3f}"


def _metric(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {PREFIX}_{name} {text}"
    yield f"# TYPE {PREFIX}_{name} {kind}"


def _label(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{container="{escaped}"}}'
