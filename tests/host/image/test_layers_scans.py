"""What was read of an image is kept, and a damaged record is read again."""

from __future__ import annotations

import os
import time
from pathlib import Path

from kharness.host.image.layers import UNUSED, Scans
from kharness.plan.checks.content import ImageLayer


def test_a_layer_is_kept_until_its_record_is_damaged(tmp_path: Path) -> None:
    scans = Scans(tmp_path / "scans")
    layer = ImageLayer(removed=("/gone",))
    assert scans.layer("d") is None
    scans.keep("d", layer)
    assert scans.layer("d") == layer
    for file in (tmp_path / "scans").iterdir():
        file.write_text("{")
    assert scans.layer("d") is None


def test_what_was_not_read_for_a_month_is_removed(tmp_path: Path) -> None:
    scans = Scans(tmp_path)
    layer = ImageLayer()
    scans.keep("old", layer)
    [file] = tmp_path.iterdir()
    before = time.time() - UNUSED - 60
    os.utime(file, (before, before))
    scans.keep("new", layer)
    scans.forget()
    assert (scans.layer("old"), scans.layer("new")) == (None, layer)
