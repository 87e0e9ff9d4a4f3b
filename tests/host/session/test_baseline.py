"""What was written to a volume since its launch, whatever kind of copy it is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.session.baseline import Baseline
from kharness.host.session.overlay import mount_overlay, unmount_overlays
from kharness.host.volumes.copies import make_copy

ODD = os.fsdecode(b"odd\xff\n")


@pytest.fixture(params=["real", "overlay"])
def launched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A copy to write to, and the note of how it was."""
    original, top, note = tmp_path / "original", tmp_path / "top", tmp_path / "note"
    (original / "dir/in").mkdir(parents=True)
    for name in ("file", "dir/inner", "dir/in/deep", ODD, "same"):
        (original / name).write_text("old")
    overlay = None
    if request.param == "overlay":
        if os.geteuid() != 0:
            pytest.skip("needs root")
        top.mkdir()
        overlay = (original, mount_overlay(original, top, tmp_path / "store"))
    else:
        make_copy(original, top, progress=None)
    (top / "prepared").write_text("by kharness")
    Baseline.take(top, overlay=overlay).save(note)
    yield top, note
    unmount_overlays(tmp_path)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("cat file dir/inner >/dev/null", []),
        ("echo new >file", ["changed file"]),
        ("echo x >prepared", ["changed prepared"]),
        ("echo x >dir/new; mkdir a", ["added a", "added dir/new"]),
        ("rm same; chmod 700 dir", ["changed dir", "removed same"]),
        ("rm -r dir", ["removed dir", "removed dir/in", "removed dir/in/deep", "removed dir/inner"]),
        (
            "mv dir moved; echo x >moved/inner",
            [
                *("removed dir", "removed dir/in", "removed dir/in/deep", "removed dir/inner"),
                *("added moved", "added moved/in", "added moved/in/deep", "added moved/inner", "added prepared"),
            ],
        ),
        ("rm \"$(printf 'odd\\377\\nx')\" odd*", [f"removed {ODD}"]),
        ("echo x >file.new; mv file.new file", ["changed file"]),
    ],
)
def test_both_kinds_tell_the_same(launched: tuple[Path, Path], command: str, expected: list[str]) -> None:
    top, note = launched
    subprocess.run(["bash", "-c", command], cwd=top, check=False, stderr=subprocess.DEVNULL)
    found = [str(change) for change in Baseline.load(note).changes()]
    # After a directory was renamed, what was prepared cannot be told from what the test wrote.
    assert found == expected or [change for change in expected if change != "added prepared"] == found


def test_a_note_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="note: cannot be read: No such file"):
        Baseline.load(tmp_path / "note")
    with pytest.raises(HostError, match="cannot be written: No such file"):
        Baseline.take(tmp_path).save(tmp_path / "gone" / "note")
