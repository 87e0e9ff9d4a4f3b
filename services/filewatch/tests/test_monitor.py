from __future__ import annotations

import logging
import threading
import time

import pytest
from filewatch.findings import Scan, State
from filewatch.monitor import Monitor
from fw_findings import finding, scan
from fw_running import until

BAD = scan(finding("/a", State.MISSING))
GOOD = scan(finding("/a"))


class Script:
    """A scanner that returns, or raises, what it was told to, one after the other; the last again and again."""

    def __init__(self, *results: Scan | Exception) -> None:
        self.results = list(results)
        self.count = 0

    def __call__(self) -> Scan:
        self.count += 1
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return result


def monitor(script: Script, *, every: float = 1000) -> Monitor:
    return Monitor(script, render=lambda scan: str(len(scan.findings)).encode(), every=every)


def test_a_result_is_published_with_its_rows_and_its_age() -> None:
    watching = monitor(Script(GOOD))
    assert watching.latest is None
    before = time.monotonic()
    watching.round()
    assert watching.latest is not None
    assert watching.latest.scan is GOOD
    assert watching.latest.rows == b"1"
    assert before <= watching.latest.began <= time.monotonic()


def test_only_changes_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watching = monitor(Script(BAD, BAD, GOOD, GOOD, BAD))
    for _ in range(5):
        watching.round()
    assert caplog.messages == [
        "watching 1 files, 1 are not as they should be",
        "/a: missing",
        "/a: ok (was missing)",
        "/a: missing (was ok)",
    ]


def test_a_scan_that_fails_is_told_once_and_the_last_result_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watching = monitor(Script(GOOD, RuntimeError("odd"), RuntimeError("odd"), GOOD))
    for _ in range(3):
        watching.round()
    assert watching.latest is not None
    assert (watching.latest.scan, watching.latest.failure) == (GOOD, "RuntimeError: odd")
    assert caplog.messages.count("the scan failed") == 1
    watching.round()
    assert watching.latest.failure == ""


def test_it_scans_at_its_rate_and_no_more_often() -> None:
    times: list[float] = []

    def scanned() -> Scan:
        times.append(time.monotonic())
        return GOOD

    Monitor(scanned, render=lambda _: b"", every=0.5).start()
    until(lambda: len(times) >= 3)
    # They are noted a little later than the round begins.
    assert times[1] - times[0] > 0.25
    assert times[2] - times[1] > 0.25


def test_a_scan_can_be_had_sooner() -> None:
    script = Script(GOOD)
    watching = monitor(script)
    watching.start()
    until(lambda: script.count == 1)
    watching.scan_soon()
    until(lambda: script.count == 2)


def test_a_scan_that_hangs_leaves_the_last_result_to_be_read() -> None:
    release = threading.Event()
    calls = 0

    def hang() -> Scan:
        nonlocal calls
        calls += 1
        if calls > 1:
            release.wait(10)
        return GOOD

    watching = Monitor(hang, render=lambda _: b"", every=0.01)
    watching.start()
    until(lambda: calls == 2)
    latest = watching.latest
    time.sleep(0.1)
    assert latest is not None
    assert watching.latest is latest
    release.set()
