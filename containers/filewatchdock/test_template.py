"""The configuration that comes with the project, whatever private.d/ has put in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness import Instance

pytestmark = pytest.mark.standalone

TEMPLATE = Path(__file__).parent / "files/etc/filewatch.toml"


def test_an_empty_volume_is_all_ok(container: Instance, area: Path) -> None:
    (area / "template.toml").write_text(TEMPLATE.read_text())
    result = container.exec("python3", "-m", "filewatch", "--config", "/watched/kharness-test/template.toml", "--once")
    assert (result.exit_code, result.stdout) == (0, "all ok\n")
