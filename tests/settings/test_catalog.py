"""Container directories on source paths, and how one is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import UsageError
from kharness.settings.catalog import Catalog, ContainerDir, find_containers


def make(source_path: Path, *names: str) -> Path:
    for name in names:
        (source_path / name).mkdir(parents=True)
        (source_path / name / "settings.yaml").write_text("{}")
    return source_path


def catalog(*names: str) -> Catalog:
    return Catalog(tuple(ContainerDir(name, Path("/src", name), Path("/src")) for name in names), ())


def test_a_container_directory_is_a_folder_with_settings_directly_below_a_source_path(tmp_path: Path) -> None:
    make(tmp_path, "web", "db", "deep/er", ".hidden")
    (tmp_path / "plain").mkdir()
    (tmp_path / "settings.yaml").write_text("{}")
    assert [directory.name for directory in find_containers([tmp_path]).directories] == ["db", "web"]


def test_the_first_source_path_shadows_the_second(tmp_path: Path) -> None:
    private, public = make(tmp_path / "a", "web"), make(tmp_path / "b", "db", "web")
    found = find_containers([private, public])
    assert found.directories == (
        ContainerDir("db", public / "db", public),
        ContainerDir("web", private / "web", private),
    )
    assert found.shadowed == (ContainerDir("web", public / "web", public),)


def test_a_source_path_that_is_missing_or_named_twice_adds_nothing(tmp_path: Path) -> None:
    source = make(tmp_path / "a", "web")
    link = tmp_path / "link"
    link.symlink_to(source)
    found = find_containers([tmp_path / "missing", source, source, link])
    assert len(found.directories) == 1
    assert found.shadowed == ()


def test_a_container_directory_knows_its_files(tmp_path: Path) -> None:
    [directory] = find_containers([make(tmp_path, "web")]).directories
    assert directory.settings_file == tmp_path / "web" / "settings.yaml"
    assert not directory.has_dockerfile
    (tmp_path / "web" / "Dockerfile").write_text("FROM scratch")
    assert directory.has_dockerfile


def test_an_exact_name_wins_over_longer_ones() -> None:
    assert catalog("dns", "dnsdock").select("dns", prefix=True).name == "dns"
    assert catalog("dns", "dnsdock").get("dn") is None


def test_an_unambiguous_beginning_is_enough_where_that_is_allowed() -> None:
    assert catalog("dnsdock", "filewatch").select("f", prefix=True).name == "filewatch"


@pytest.mark.parametrize(
    ("names", "text", "prefix", "message"),
    [
        (("dns", "dnsdock", "web"), "d", True, "'d' is ambiguous: dns, dnsdock"),
        (("dnsdock", "web"), "dns", False, "no container directory 'dns'; did you mean dnsdock?"),
        (("dnsdock", "web"), "dnsdokc", True, "no container directory 'dnsdokc'; did you mean dnsdock?"),
        (("dnsa", "dnsb", "web"), "dns", False, "no container directory 'dns'; did you mean dnsa or dnsb?"),
        (("dnsdock", "web"), "xyzzy", True, "no container directory 'xyzzy'; there are dnsdock, web"),
        (("dnsdock",), "", True, "no container directory ''; there are dnsdock"),
        (
            tuple(f"c{i}" for i in range(12)),
            "xyzzy",
            True,
            "no container directory 'xyzzy'; there are c0, c1, c2, c3, c4, c5, c6, c7 and 4 more",
        ),
        ((), "web", True, "no container directory 'web': no source path holds any"),
    ],
)
def test_a_name_that_is_none_lists_what_could_be_meant(
    names: tuple[str, ...],
    text: str,
    prefix: bool,  # noqa: FBT001 - a parameter of the table
    message: str,
) -> None:
    with pytest.raises(UsageError) as caught:
        catalog(*names).select(text, prefix=prefix)
    assert str(caught.value) == message


def test_a_path_belongs_to_the_directory_it_lies_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_containers([make(tmp_path / "a", "web"), make(tmp_path / "b", "web", "web2")])
    assert found.at(tmp_path / "a" / "web") == found.get("web")
    assert found.at(tmp_path / "a" / "web" / "files" / "etc") == found.get("web")
    assert found.at(tmp_path / "b" / "web2" / ".." / "web2") == found.get("web2")
    assert found.at(tmp_path / "b" / "web") is None
    assert found.at(tmp_path / "a") is None
    monkeypatch.chdir(tmp_path / "a" / "web")
    assert found.at(Path("test_web.py")) == found.get("web")


def test_a_directory_that_is_a_link_is_found_by_both_its_paths(tmp_path: Path) -> None:
    real = make(tmp_path / "elsewhere", "web") / "web"
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "web").symlink_to(real)
    found = find_containers([tmp_path / "a"])
    assert found.at(tmp_path / "a" / "web" / "x") == found.at(real / "x") == found.get("web")
