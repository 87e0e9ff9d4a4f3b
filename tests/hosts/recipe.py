"""Which hosts there are, and how each is made of Debian's packages by mmdebstrap."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from kharness.host.image.base import Suite

VERSION = 2
"""Grows with every change of how a host is made that its recipe does not show."""
APT = ('Acquire::Check-Valid-Until "false"', 'APT::Install-Recommends "0"', 'Acquire::Languages "none"')
"""Options of apt, for making a host and in it: a mirror in reach may be older than its testing release allows."""
EXCLUDED = tuple(f"path-exclude=/usr/share/{name}/*" for name in ("doc", "info", "locale", "man"))
BARE = ("ca-certificates", "git", "iproute2", "mount", "procps", "python3")
"""What README asks of a bare machine, and what tests look at a host with."""


class HostsUnavailableError(Exception):
    """No host can be made or started on this machine; the text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a host is made of. `engine`, `api` and `python` are the versions that its suite is expected to have.

    A host is made of `packages`; `scripts/setup` installs what a bare machine lacks, and tests want `further` ones.
    """

    suite: str
    engine: str
    api: str
    python: str
    packages: tuple[str, ...] = BARE
    further: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What a host that was made of this recipe is kept under."""
        text = json.dumps([VERSION, APT, EXCLUDED, self.suite, self.packages])
        return f"{self.suite}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def command(self, mirror: str, archive: Path) -> tuple[str, ...]:
        """Return the command that makes the host's root file system as a tar."""
        options = (*(f"--aptopt={option}" for option in APT), *(f"--dpkgopt={option}" for option in EXCLUDED))
        include = f"--include={','.join(self.packages)}"
        return ("mmdebstrap", "--variant=apt", "--format=tar", include, *options, self.suite, str(archive), mirror)


BOOKWORM = Recipe(suite="bookworm", engine="20.10", api="1.41", python="3.11")
TRIXIE = Recipe(
    suite="trixie",
    engine="26.1",
    api="1.45",
    python="3.13",
    further=("podman", "netavark", "aardvark-dns", "catatonit", "nftables"),
)
FORKY = Recipe(suite="forky", engine="28.5", api="1.51", python="3.14", further=("docker-compose",))


def mirror_of(suite: Suite) -> str:
    """Return Debian's mirror as the machine's own apt sources name it."""
    if suite.distribution != "debian":
        raise HostsUnavailableError(f"hosts are made of Debian's packages, and this machine runs {suite.distribution}")
    for uri, name, _ in map(str.split, suite.sources):
        if name == suite.codename:
            return uri
    raise HostsUnavailableError("the apt sources of this machine name no mirror of Debian by http")
