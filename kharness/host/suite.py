"""Which release of Debian or Ubuntu this host runs, and from which mirrors it gets its packages."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

_TARGETS = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A release of a distribution; `sources` are `URI SUITE COMPONENT` lines, none for the maker's own default."""

    distribution: Literal["debian", "ubuntu"] = "debian"
    codename: str = "bookworm"
    sources: tuple[str, ...] = ()

    @property
    def keyring(self) -> Path:
        """Where the distribution keeps its keys, on the host and in the image."""
        return Path(f"/usr/share/keyrings/{self.distribution}-archive-keyring.gpg")

    def sources_list(self) -> str:
        """Return the sources as a file for apt."""
        signed = f"[signed-by={self.keyring}] " if self.keyring.exists() else ""
        return "".join(f"deb {signed}{line}\n" for line in self.sources)


def host_suite(*, os_release: Path = Path("/etc/os-release")) -> Suite:
    """Return the host's own suite; Debian's default where the host is neither Debian nor Ubuntu."""
    said = _os_release(os_release)
    match said.get("ID"), said.get("VERSION_CODENAME"):
        case "debian", str(codename):
            return Suite(codename=codename)
        case "ubuntu", str(codename):
            return Suite(distribution="ubuntu", codename=codename)
        case _:
            return Suite()


def with_host_sources(suite: Suite) -> Suite:
    """Return the suite with the mirrors from which this host gets it (half a second), if it does."""
    return replace(suite, sources=usable_sources(_targets(), suite.codename))


def usable_sources(targets: str, codename: str) -> tuple[str, ...]:
    """Pick the distribution's own sources, updates and security too, out of apt's `URI SUITE COMPONENT` lines.

    Other vendors' suites are left out, and so is what a container cannot reach (`file:`, `cdrom:`).
    """
    suites = {codename, f"{codename}-updates", f"{codename}-security"}
    lines = [line for line in targets.splitlines() if _is_usable(line.split(), suites)]
    has_base = any(line.split()[1] == codename for line in lines)
    return tuple(dict.fromkeys(lines)) if has_base else ()


def _os_release(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {name: value.strip("\"'") for name, found, value in (line.partition("=") for line in lines) if found}


def _targets() -> str:
    try:
        done = subprocess.run(_TARGETS, capture_output=True, text=True, check=False)  # noqa: S603 - a constant
    except OSError:
        return ""
    return done.stdout


def _is_usable(words: Sequence[str], suites: set[str]) -> bool:
    return len(words) == 3 and words[0].startswith(("http://", "https://")) and words[1] in suites  # noqa: PLR2004
