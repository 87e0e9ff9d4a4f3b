"""Run pytest with the given arguments where a package is installed in another version than is locked.

Where each is as it is locked, the tests have nothing to find that `tox -e py` does not.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

if __name__ == "__main__":  # A script sees its own directory, and mypy this one's parent.
    sys.path.insert(0, str(Path(__file__).parent.parent))

from packaging.version import Version

from scripts.lock import ROOT, chain, read_pins


def differences() -> tuple[str, ...]:
    """Name each package of the tests that is installed, and in another version than is locked."""
    texts = [(ROOT / "requirements" / f"{name}.txt").read_text() for name in chain("test")]
    pins = sorted({pin.name: pin.version for text in texts for pin in read_pins(text)}.items())
    found = [(name, installed(name), locked) for name, locked in pins]
    return tuple(f"{name} {here} (locked: {locked})" for name, here, locked in found if here not in {None, locked})


def installed(name: str) -> Version | None:
    """Return the version of a package here; None where it is not installed."""
    try:
        return Version(version(name))
    except PackageNotFoundError:
        return None


def main(arguments: list[str]) -> int:
    """Report what differs, and test it; returns the exit status."""
    found = differences()
    if not found:
        print("latest: nothing is newer than what is locked and tested by `tox -e py`")  # noqa: T201
        return 0
    print("latest: not as locked:", *found, sep="\n    ", flush=True)  # noqa: T201
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
