"""What Prometheus reads."""

from __future__ import annotations

from kharness.plan.drift.changes import Drifted, DriftVerdict, ScanResult
from kharness.plan.drift.watch import Alarm, Raised, WatchState
from kharness.report.drift import metrics

LEFT = DriftVerdict(left=(Drifted(path="/x", kind="added"),))


def samples(state: WatchState) -> list[str]:
    return [line for line in metrics(state, now=21).splitlines() if not line.startswith("#")]


def test_a_watch_without_a_scan_is_not_ok() -> None:
    assert samples(WatchState(every=10, began=0)) == ["kharness_drift_ok 0", "kharness_drift_scans_total 0"]


def test_each_container_has_its_numbers() -> None:
    found = (
        ScanResult(name="db", container="db", id="1"),
        ScanResult(name='w"e\\b\n', container="web", id="2", verdict=LEFT, problem="blind"),
    )
    state = WatchState(
        every=10, began=0, at=20.5, took=0.25, scans=3, found=found, alarm=Alarm({"db": Raised(5.0, ("x",))})
    )
    assert samples(state) == [
        "kharness_drift_ok 0",
        "kharness_drift_scans_total 3",
        "kharness_drift_last_scan_timestamp_seconds 20.500",
        "kharness_drift_scan_duration_seconds 0.250",
        'kharness_drift_seen{container="db"} 1',
        r'kharness_drift_seen{container="w\"e\\b\n"} 0',
        'kharness_drift_unexpected_paths{container="db"} 0',
        r'kharness_drift_unexpected_paths{container="w\"e\\b\n"} 1',
        'kharness_drift_expected_paths{container="db"} 0',
        r'kharness_drift_expected_paths{container="w\"e\\b\n"} 0',
        'kharness_drift_alarm_since_timestamp_seconds{container="db"} 5.000',
    ]


def test_each_sample_has_its_help_and_type() -> None:
    lines = metrics(WatchState(every=10, began=0, at=20.0), now=21).splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert names == {line.split()[2] for line in lines if line.startswith("# HELP")}
    assert {line.split()[0].partition("{")[0] for line in lines if not line.startswith("#")} <= names
    assert "kharness_drift_ok 1" in lines
