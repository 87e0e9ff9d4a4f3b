from __future__ import annotations

from pathlib import Path

from kharness.plan.fleet.course import waves
from kharness.settings.load import parse_settings

FILE = Path("settings.yaml")
FLEET = {
    "db": b"autostart: 1",
    "web": b"autostart: '2,host=attic'",
    "cache": b"autostart: 2",
    "dns": b"autostart: 10",
    "tool": b"{}",
}


def test_waves_come_in_the_order_of_their_numbers_and_only_on_their_host() -> None:
    fleet = {name: parse_settings(text, file=FILE, has_dockerfile=True) for name, text in FLEET.items()}
    assert waves(fleet, host="attic") == (("db",), ("cache", "web"), ("dns",))
    assert waves(fleet, host="cellar") == (("db",), ("cache",), ("dns",))
    assert waves({}, host="attic") == ()
