from __future__ import annotations

from pathlib import Path

import pytest

from kharness.host.image.base import Suite, host_suite, mmdebstrap_line, usable_sources, validity

TARGETS = """\
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm-updates main
http://mirror.example/debian-security/ bookworm-security main
http://mirror.example/debian/ bookworm-backports main
https://vendor.example/apt/ cloud-sdk-bookworm main
https://vendor.example/node/ nodistro main
file:/srv/repository/ bookworm main
"""


def test_only_the_distributions_own_sources_are_taken() -> None:
    assert usable_sources(TARGETS, "bookworm") == (
        "http://mirror.example/debian/ bookworm main",
        "http://mirror.example/debian/ bookworm-updates main",
        "http://mirror.example/debian-security/ bookworm-security main",
    )


def test_updates_without_the_suite_itself_are_no_sources() -> None:
    assert usable_sources("http://mirror.example/debian/ bookworm-updates main\n", "bookworm") == ()


def test_each_source_is_named_once() -> None:
    line = "http://mirror.example/debian/ bookworm main\n"
    assert usable_sources(line * 2, "bookworm") == (line.strip(),)


@pytest.mark.parametrize(
    ("release", "distribution", "codename"),
    [
        ('ID=debian\nVERSION_CODENAME="trixie"\n', "debian", "trixie"),
        ("ID=ubuntu\nVERSION_CODENAME=noble\n", "ubuntu", "noble"),
        ("ID=fedora\nVERSION_CODENAME=''\n", "debian", "bookworm"),
        ("ID=debian\n", "debian", "bookworm"),
    ],
)
def test_the_suite_is_the_hosts(tmp_path: Path, release: str, distribution: str, codename: str) -> None:
    (tmp_path / "os-release").write_text(release)

    suite = host_suite(os_release=tmp_path / "os-release")

    assert (suite.distribution, suite.codename) == (distribution, codename)


def test_a_host_that_does_not_say_what_it_is_gets_the_default(tmp_path: Path) -> None:
    assert host_suite(os_release=tmp_path / "none") == Suite()


def test_sources_are_read_from_standard_input_and_signed_by_the_distributions_keys() -> None:
    suite = Suite(codename="bookworm", sources=("http://mirror.example/debian bookworm main",))
    signed = f"[signed-by={suite.keyring}] " if suite.keyring.exists() else ""

    assert suite.sources_list() == f"deb {signed}http://mirror.example/debian bookworm main\n"
    assert mmdebstrap_line(suite, Path("/x/root.tar"))[-3:] == ("bookworm", "/x/root.tar", "-")


def test_without_sources_the_maker_takes_its_own_mirror() -> None:
    assert mmdebstrap_line(Suite(), Path("/x/root.tar"))[-2:] == ("bookworm", "/x/root.tar")


def test_documentation_is_left_out_and_licences_stay() -> None:
    line = mmdebstrap_line(Suite(), Path("root.tar"))

    assert "--dpkgopt=path-exclude=/usr/share/man/*" in line
    assert line.index("--dpkgopt=path-exclude=/usr/share/doc/*") < line.index(
        "--dpkgopt=path-include=/usr/share/doc/*/copyright"
    )


def test_a_base_is_made_with_what_the_host_allows_its_mirrors_and_nothing_else() -> None:
    proxy = 'Acquire::http::Proxy "http://a:b@proxy:1"'
    options = validity(f'Acquire::Check-Valid-Until "false"\n{proxy}\nAcquire::Max-FutureTime "9"\n')
    assert options == ('Acquire::Check-Valid-Until "false"', 'Acquire::Max-FutureTime "9"')
    line = mmdebstrap_line(Suite(options=options), Path("root.tar"))
    assert [word for word in line if word.startswith("--aptopt")] == [f"--aptopt={option}" for option in options]
