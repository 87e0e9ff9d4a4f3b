from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.image.context import ContextEntry, plan_context
from tests.host.contexts import digest, plan, write


def text_of(entry: ContextEntry) -> str:
    assert entry.path is not None
    return entry.path.read_text()


def test_a_dockerfile_alone_has_an_empty_files_directory(directory: Path) -> None:
    write(directory, "settings.yaml")
    write(directory, "test_web.py")
    assert list(plan(directory)) == ["Dockerfile", "files"]


def test_files_copies_downloads_and_private_files_are_laid_over_one_another(directory: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        write(directory, f"files/etc/{name}", "files")
    for name in ("b", "c", "d"):
        write(tmp_path, f"services/etc/{name}", "copy")
    loaded = write(tmp_path, "cache/0123", "download")
    for name in ("d",):
        write(directory, f"private.d/etc/{name}", "private")
    found = plan(
        directory,
        copies=[(tmp_path / "services", "."), (tmp_path / "services/etc", "/opt/service/")],
        downloads=[(loaded, "etc/c", None), (loaded, "etc/d", None), (loaded, "usr/bin/tool", 0o755)],
    )
    assert [text_of(found[f"files/etc/{name}"]) for name in ("a", "b", "c", "d")] == [
        "files",
        "copy",
        "download",
        "private",
    ]
    assert found["files/usr/bin/tool"].mode == 0o755
    assert found["files/etc/c"].mode == 0o644
    assert found["files/usr"].kind == "dir"
    assert text_of(found["files/opt/service/b"]) == "copy"


def test_the_entries_are_sorted_and_parents_come_first(directory: Path, tmp_path: Path) -> None:
    for name in ("z", "a-b", "a/b", "a.b", os.fsdecode(b"\xff"), "é"):
        write(directory, f"files/{name}")
    names = list(plan(directory, copies=[(write(tmp_path, "tool"), "usr/local/bin/tool")]))
    assert names == sorted(names, key=os.fsencode)
    assert names.index("files/usr") < names.index("files/usr/local") < names.index("files/usr/local/bin/tool")


def test_a_copied_file_takes_its_name_into_a_directory(directory: Path, tmp_path: Path) -> None:
    tool = write(tmp_path, "tool", mode=0o755)
    assert plan(directory, copies=[(tool, "usr/bin/")])["files/usr/bin/tool"].mode == 0o755
    with pytest.raises(HostError, match="should name a file below files/"):
        plan(directory, copies=[(tool, ".")])


def test_the_private_readme_is_not_taken_but_others_are(directory: Path) -> None:
    write(directory, "private.d/README")
    write(directory, "private.d/etc/README")
    write(directory, "files/README")
    found = plan(directory)
    assert found["files/README"].path == directory / "files/README"
    assert "files/etc/README" in found


@pytest.mark.parametrize(
    "name",
    [
        *("__pycache__/m.cpython-311.pyc", "m.pyc", "m.pyo", "a~", ".#a", "#a#", ".a.swp", "a.swo", ".DS_Store"),
        *(".git/config", ".pytest_cache/v", ".mypy_cache/v", ".ruff_cache/v", ".hypothesis/v"),
    ],
)
def test_leftovers_never_enter(directory: Path, tmp_path: Path, name: str) -> None:
    for top in (directory / "files", directory / "private.d", tmp_path / "service"):
        write(top, f"deep/{name}")
        write(top, "deep/kept")
    assert list(plan(directory, copies=[(tmp_path / "service", "opt")])) == [
        *("Dockerfile", "files", "files/deep", "files/deep/kept", "files/opt", "files/opt/deep"),
        "files/opt/deep/kept",
    ]


@pytest.mark.parametrize("name", [".gitignore", ".gitkeep", "swp", "git", ".config", "a.py"])
def test_what_only_looks_like_a_leftover_enters(directory: Path, name: str) -> None:
    write(directory, f"files/{name}")
    assert f"files/{name}" in plan(directory)


def test_modes_do_not_depend_on_a_checkout(directory: Path) -> None:
    write(directory, "files/bin/tool", mode=0o700)
    write(directory, "files/bin/set-uid", mode=0o6755)
    write(directory, "files/etc/secret", mode=0o600)
    write(directory, "files/etc/open", mode=0o666)
    (directory / "files/etc").chmod(0o2770)
    first = digest(directory)
    found = plan(directory)
    assert [found[f"files/{name}"].mode for name in ("bin/tool", "bin/set-uid", "etc/secret", "etc/open", "etc")] == [
        *(0o755, 0o755, 0o644, 0o644, 0o755),
    ]
    for name, mode in (("bin/tool", 0o755), ("etc/secret", 0o664), ("etc/open", 0o640), ("etc", 0o755)):
        (directory / "files" / name).chmod(mode)
    assert digest(directory) == first


def test_a_private_file_for_its_owner_alone_stays_so(directory: Path) -> None:
    for name, mode in (("key", 0o600), ("hook", 0o700), ("read", 0o400), ("shared", 0o640), ("tool", 0o750)):
        write(directory, f"private.d/etc/{name}", mode=mode)
    (directory / "private.d/etc").chmod(0o700)
    found = plan(directory)
    modes = [found[f"files/etc/{name}"].mode for name in ("key", "hook", "read", "shared", "tool")]
    assert modes == [0o600, 0o700, 0o400, 0o644, 0o755]
    # A directory would close /etc to the whole image if it came from an owner with umask 077.
    assert found["files/etc"].mode == 0o755


def test_links_inside_are_kept_as_links(directory: Path) -> None:
    write(directory, "files/usr/bin/tool")
    (directory / "files/bin").symlink_to("usr/bin")
    (directory / "files/usr/lib").symlink_to("../not/yet/there/")
    found = plan(directory)
    assert (found["files/bin"].kind, found["files/bin"].link) == ("link", "usr/bin")
    assert found["files/usr/lib"].link == "../not/yet/there/"
    assert "files/bin/tool" not in found


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret", "../etc", ".."])
def test_a_link_that_leaves_is_refused_by_name(directory: Path, tmp_path: Path, target: str) -> None:
    (directory / "files").mkdir()
    (directory / "files/leak").symlink_to(target)
    with pytest.raises(HostError, match=f"files/leak: should not be a link that leaves .*/files .to '{target}'"):
        plan(directory)
    service = tmp_path / "service"
    service.mkdir()
    (service / "leak").symlink_to(target)
    (directory / "files/leak").unlink()
    with pytest.raises(HostError, match="service/leak: should not be a link that leaves"):
        plan(directory, copies=[(service, "opt")])


def test_private_links_that_leave_are_followed(directory: Path, tmp_path: Path) -> None:
    write(tmp_path, "secrets/tls/v2/key", "key", mode=0o600)
    write(tmp_path, "secrets/other", "other")
    (tmp_path / "secrets/tls/current").symlink_to("v2")
    (tmp_path / "secrets/tls/also").symlink_to("../other")
    write(directory, "private.d/etc/mine", "mine")
    (directory / "private.d/etc/tls").symlink_to(tmp_path / "secrets/tls")
    (directory / "private.d/etc/file").symlink_to("../../../../secrets/other")
    (directory / "private.d/etc/inner").symlink_to("mine")
    found = plan(directory)
    assert found["files/etc/tls"].kind == "dir"
    assert text_of(found["files/etc/tls/v2/key"]) == "key"
    assert found["files/etc/tls/v2/key"].mode == 0o600
    assert found["files/etc/tls/current"].link == "v2"
    assert text_of(found["files/etc/tls/also"]) == "other"
    assert text_of(found["files/etc/file"]) == "other"
    assert found["files/etc/inner"].link == "mine"


def test_a_private_directory_may_itself_be_elsewhere(directory: Path, tmp_path: Path) -> None:
    write(tmp_path, "private/etc/key", "key")
    write(tmp_path, "private/README")
    (directory / "private.d").symlink_to(tmp_path / "private")
    assert list(plan(directory)) == ["Dockerfile", "files", "files/etc", "files/etc/key"]


def test_a_private_link_to_nothing_or_in_a_circle_is_refused(directory: Path) -> None:
    (directory / "private.d").mkdir()
    (directory / "private.d/gone").symlink_to("/nonexistent/key")
    with pytest.raises(HostError, match=r"private\.d/gone: links to '/nonexistent/key', which cannot be followed"):
        plan(directory)
    (directory / "private.d/gone").unlink()
    (directory / "private.d/again").symlink_to(directory)
    with pytest.raises(HostError, match="should not lead back to a directory that it is in"):
        plan(directory)


def test_files_that_cannot_be_in_an_image_are_refused_by_name(directory: Path) -> None:
    (directory / "files").mkdir()
    os.mkfifo(directory / "files/pipe")
    with pytest.raises(HostError, match="files/pipe: should be a file, a directory or a link, not a fifo"):
        plan(directory)
    (directory / "files/pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(directory / "files/s"))
        with pytest.raises(HostError, match=r"files/s: .*not a socket"):
            plan(directory)


def test_a_private_file_replaces_a_directory_and_the_other_way_round(directory: Path) -> None:
    write(directory, "files/etc/a/below")
    write(directory, "files/etc/b")
    write(directory, "private.d/etc/a", "file")
    write(directory, "private.d/etc/b/below", "file")
    found = plan(directory)
    assert found["files/etc/a"].kind == "file"
    assert "files/etc/a/below" not in found
    assert found["files/etc/b"].kind == "dir"
    assert "files/etc/b/below" in found


def test_nothing_is_put_below_a_link(directory: Path, tmp_path: Path) -> None:
    write(directory, "files/usr/lib/a")
    (directory / "files/lib").symlink_to("usr/lib")
    with pytest.raises(
        HostError, match="files/lib: should be a directory, not a symbolic link: something is put below"
    ):
        plan(directory, copies=[(write(tmp_path, "tool"), "lib/tool")])


@pytest.mark.parametrize("target", ["../x", "a/../../x", ".."])
def test_a_target_outside_of_files_is_refused(directory: Path, tmp_path: Path, target: str) -> None:
    with pytest.raises(HostError, match="should be a path below files/"):
        plan(directory, copies=[(write(tmp_path, "tool"), target)])


def test_what_is_missing_or_no_directory_is_named(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="nothing: cannot be read: No such file"):
        plan(directory, copies=[(tmp_path / "nothing", "opt")])
    write(directory, "files")
    with pytest.raises(HostError, match="files: should be a directory"):
        plan(directory)
    (directory / "files").unlink()
    (directory / "Dockerfile").unlink()
    with pytest.raises(HostError, match="Dockerfile: cannot be read: No such file"):
        plan(directory)


def test_a_rewritten_dockerfile_stands_in(directory: Path) -> None:
    entries = plan_context(directory, copies=(), downloads=(), dockerfile=b"FROM other\n")
    assert entries[0] == ContextEntry("Dockerfile", None, 0o644, "file", content=b"FROM other\n")
