"""Install and remove systemd units."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from kharness.errors import HostError, UsageError
from kharness.plan.host import MARK

DIRECTORY = Path("/etc/systemd/system")
RUNNING = Path("/run/systemd/system")
"""There when systemd is the init system, sd_booted(3)."""
TIMEOUT = 60.0


def install_units(units: Mapping[str, str], *, directory: Path) -> None:
    """Write units; raises `UsageError` where a file of that name was not written by kharness, `HostError`."""
    for name in units:
        _refuse_foreign(directory / name)
    for name, text in units.items():
        path = directory / name
        try:
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)
        except OSError as error:
            raise HostError(f"{path}: cannot be written: {error.strerror}") from error


def remove_units(names: Sequence[str], *, directory: Path) -> tuple[Path, ...]:
    """Remove what `install_units` wrote and return it; raises as that does."""
    found = [directory / name for name in names if (directory / name).exists()]
    for path in found:
        _refuse_foreign(path)
    for path in found:
        try:
            path.unlink()
        except OSError as error:
            raise HostError(f"{path}: cannot be removed: {error.strerror}") from error
    return tuple(found)


def problems_of(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return what systemd-analyze(1) finds wrong with unit files; empty where it is not installed."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return ()
    done = _run([program, "verify", "--man=no", *map(str, paths)])
    if done.returncode == 0:
        return ()
    names = {path.name for path in paths}
    lines = [line for line in done.stderr.splitlines() if any(name in line for name in names)]
    return tuple(lines or done.stderr.splitlines()[-1:])


def systemctl(*args: str) -> bool:
    """Run systemctl where systemd is the init system; returns whether it is. Raises `HostError`."""
    if not RUNNING.is_dir():
        return False
    done = _run(["systemctl", *args])
    if done.returncode:
        raise HostError(f"systemctl {' '.join(args)}: {done.stderr.strip() or f'status {done.returncode}'}")
    return True


def _run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{words[0]}: {error}") from error


def _refuse_foreign(path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else MARK
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from error
    if not text.startswith(MARK):
        raise UsageError(f"{path}: was not written by kharness, and is left alone")
