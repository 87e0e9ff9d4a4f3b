"""A watched path is read without following a link out of its volume."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.volumes.manifest import load, manifest_in, save


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    made = tmp_path / "volume"
    (made / "a/b").mkdir(parents=True)
    (made / "a/b/file").write_text("1")
    return made


def test_a_manifest_has_the_paths_in_the_container(volume: Path) -> None:
    assert sorted(manifest_in(volume, ("a", "b"), "/data/a/b")) == ["/data/a/b", "/data/a/b/file"]
    assert sorted(manifest_in(volume, (), "/data")) == ["/data", "/data/a", "/data/a/b", "/data/a/b/file"]
    assert list(manifest_in(volume / "a/b/file", (), "/conf")) == ["/conf"]


def test_what_is_missing_or_below_a_file_is_empty(volume: Path) -> None:
    assert manifest_in(volume, ("a", "never"), "/data/never") == {}
    assert manifest_in(volume, ("never", "b"), "/data/never/b") == {}
    assert manifest_in(volume, ("a", "b", "file", "x"), "/data/x") == {}
    assert manifest_in(volume / "never", (), "/data") == {}


@pytest.mark.parametrize("link", ["a", "a/b", "a/b/file"])
def test_a_link_on_the_way_or_at_its_end_is_refused(volume: Path, link: str) -> None:
    (volume / link).rename(volume.with_name("moved"))
    (volume / link).symlink_to(volume.with_name("moved"))
    with pytest.raises(HostError, match=f"/data/a/b/file: {volume}/{link} should be no link"):
        manifest_in(volume, ("a", "b", "file"), "/data/a/b/file")


def test_manifests_are_kept_in_a_file(volume: Path, tmp_path: Path) -> None:
    found = {"/data": manifest_in(volume, (), "/data")}
    file = tmp_path / "state/web.json"
    assert load(file) == {}
    save(file, found)
    assert load(file) == found
    file.write_text("[]")
    with pytest.raises(HostError, match=r"web.json: should be what 'kharness cowscan --accept' wrote"):
        load(file)
