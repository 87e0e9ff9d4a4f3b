from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from kharness.errors import HostError, ImageMissingError
from kharness.host.image.base import ALPINE, BaseImage, ensure_base, host_suite
from kharness.plan.facts import ImageFacts

DEBIAN = f"ktools/base:{host_suite().distribution}-{host_suite().codename}"
DIGEST = f"alpine@sha256:{'a' * 64}"


@dataclass
class Registry:
    """The part of an engine that a base needs, and what its registry has."""

    offers: dict[str, ImageFacts] = field(default_factory=dict)
    has: dict[str, ImageFacts] = field(default_factory=dict)
    pulled: list[str] = field(default_factory=list)
    imported: dict[str, bytes] = field(default_factory=dict)

    def image(self, ref: str) -> ImageFacts | None:
        return self.has.get(ref)

    def pull(self, ref: str, *, progress: Callable[[str], None] | None = None) -> ImageFacts:
        self.pulled.append(ref)
        if progress:
            progress("1 of 1 layers")
        if ref not in self.offers:
            raise ImageMissingError(f"image {ref} cannot be pulled: nobody answers")
        self.has[ref] = self.offers[ref]
        return self.offers[ref]

    def tag(self, image: str, ref: str) -> None:
        self.has[ref] = next(facts for facts in self.has.values() if facts.id == image)

    def import_image(self, archive: Iterable[bytes], tag: str, *, changes: Sequence[str] = ()) -> ImageFacts:
        self.imported[tag] = b"".join(archive)
        self.has[tag] = ImageFacts(id="sha256:imported", tags=(tag,), command=tuple(changes))
        return self.has[tag]


ALPINE_IMAGE = ImageFacts(id="sha256:alpine", digests=(DIGEST,))


@pytest.fixture
def online() -> Registry:
    return Registry(offers={f"alpine:{ALPINE}": ALPINE_IMAGE, DIGEST: ALPINE_IMAGE})


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but a stand-in for mmdebstrap, which tells its arguments instead of obeying them."""
    program = tmp_path / "bin" / "mmdebstrap"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        "for last; do case $last in *.tar) archive=$last ;; esac; done\n"
        'echo "$SOURCE_DATE_EPOCH $*" >"$archive"\n'
        'echo "I: downloading packages with apt..."\n'
        'echo "Setting up libc6 ..."\n'
        'echo "I: extracting archives..." >&2\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def test_a_registry_gives_alpine(online: Registry, said: list[str]) -> None:
    base = ensure_base(online, family=None, progress=said.append)

    assert base == BaseImage(family="alpine", ref=f"ktools/base:alpine-{ALPINE}", id="sha256:alpine")
    assert online.image(base.ref) == ALPINE_IMAGE
    assert said == [f"pulling alpine:{ALPINE}", "1 of 1 layers"]


def test_what_the_engine_has_is_used_without_a_word(online: Registry, said: list[str]) -> None:
    first = ensure_base(online, family=None, progress=said.append)
    said.clear()

    assert ensure_base(online, family=None, progress=said.append) == first
    assert said == []
    assert len(online.pulled) == 1


def test_a_debian_base_that_is_there_is_not_traded_for_alpine(online: Registry, said: list[str]) -> None:
    online.has[DEBIAN] = ImageFacts(id="sha256:debian")

    assert ensure_base(online, family=None, progress=said.append).family == "debian"
    assert online.pulled == []


def test_the_host_configuration_decides_between_two_that_are_there(online: Registry, said: list[str]) -> None:
    online.has[DEBIAN] = ImageFacts(id="sha256:debian")
    ensure_base(online, family="alpine", progress=said.append)

    assert ensure_base(online, family="debian", progress=said.append).id == "sha256:debian"
    assert ensure_base(online, family="alpine", progress=said.append).id == "sha256:alpine"


@pytest.mark.usefixtures("maker")
def test_without_a_registry_debian_is_made_of_packages(said: list[str]) -> None:
    engine = Registry()

    base = ensure_base(engine, family=None, progress=said.append, repository="mine")

    assert base == BaseImage(family="debian", ref=f"mine{DEBIAN.removeprefix('ktools')}", id="sha256:imported")
    assert b"1672531200 --variant=minbase" in engine.imported[base.ref]
    assert "cannot be pulled: nobody answers; making a Debian base" in said[2]
    assert said[-3:] == ["downloading packages with apt", "extracting archives", "importing the image"]


@pytest.mark.usefixtures("maker")
def test_alpine_by_configuration_never_becomes_debian(said: list[str]) -> None:
    with pytest.raises(ImageMissingError, match=f"alpine:{ALPINE} cannot be pulled"):
        ensure_base(Registry(), family="alpine", progress=said.append)


def test_debian_by_configuration_asks_no_registry(online: Registry, maker: Path, said: list[str]) -> None:
    assert ensure_base(online, family="debian", progress=said.append).family == "debian"
    assert online.pulled == []
    assert maker.exists()


def test_a_missing_maker_is_an_error_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(HostError, match="apt-get install -y mmdebstrap"):
        ensure_base(Registry(), family=None, progress=said.append)


def test_a_failing_maker_is_an_error_with_its_last_lines(maker: Path, said: list[str]) -> None:
    maker.write_text("#!/bin/sh\necho 'E: no such suite'\nexit 3\n")
    engine = Registry()

    with pytest.raises(HostError, match=r"mmdebstrap failed with exit status 3\n    E: no such suite"):
        ensure_base(engine, family="debian", progress=said.append)
    assert engine.imported == {}


def test_the_first_pull_locks_the_digest_and_later_ones_ask_for_it(
    online: Registry, said: list[str], tmp_path: Path
) -> None:
    lock = tmp_path / "state" / "base.lock"
    ensure_base(online, family=None, progress=said.append, lock=lock)
    assert lock.read_text() == f"alpine:{ALPINE} {DIGEST}\n"

    online.offers[f"alpine:{ALPINE}"] = replace(ALPINE_IMAGE, id="sha256:younger")
    online.has.clear()

    assert ensure_base(online, family=None, progress=said.append, lock=lock).id == "sha256:alpine"
    assert online.pulled == [f"alpine:{ALPINE}", DIGEST]


def test_an_image_without_a_digest_locks_nothing(said: list[str], tmp_path: Path) -> None:
    engine = Registry(has={f"alpine:{ALPINE}": ImageFacts(id="sha256:imported")})

    ensure_base(engine, family="alpine", progress=said.append, lock=tmp_path / "lock")

    assert not (tmp_path / "lock").exists()


def test_a_damaged_lock_is_an_error_not_a_new_digest(online: Registry, said: list[str], tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("alpine\n")

    with pytest.raises(HostError, match="should have lines of a reference and its digest"):
        ensure_base(online, family="alpine", progress=said.append, lock=tmp_path / "lock")
    assert online.pulled == []
