"""What the doctor finds of versions, networks, disks, clocks and the configured directories."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from ipaddress import IPv4Network
from pathlib import Path

from kharness.errors import HostError, SettingsError
from kharness.host.machine.kernel import is_clock_kept, room, routes
from kharness.ops.harness import Harness
from kharness.ops.session.networks import BRIDGE_PREFIX
from kharness.plan.facts import EngineFacts, NetworkFacts
from kharness.plan.session.networks import Route, overlapping
from kharness.plan.volumes.usage import why_too_little
from kharness.settings.catalog import Catalog, ContainerDir
from kharness.settings.host import HostSettings, NetworkDecl
from kharness.settings.model import Settings


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One line of the report; `mend` is the command, or the setting, that mends what is not `good`, or not the best."""

    what: str
    said: str
    good: bool = True
    mend: str = ""


MOST_AHEAD = 2.0
"""Seconds by which the engine's clock may differ, including the time of a request."""
SYNCHRONIZE = "timedatectl set-ntp true"


def clock_findings(facts: EngineFacts | None) -> Iterator[DoctorFinding]:
    """Compare the engine's clock with this host's, and check that this one is synchronized."""
    ahead = facts.clock_ahead if facts else None
    if ahead is not None and abs(ahead) > MOST_AHEAD:
        said = f"the engine's is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
        yield DoctorFinding("clock", said, good=False, mend=f"{SYNCHRONIZE}, here and on the engine's host")
    elif is_clock_kept() is False:
        # The clock of a virtual machine may be synchronized from outside, unknown to its kernel.
        yield DoctorFinding("clock", "is not synchronized, as far as the kernel knows", mend=SYNCHRONIZE)
    else:
        yield DoctorFinding("clock", "agrees with the engine's" if ahead is not None else "is synchronized")


ENGINE, VOLUMES, STATE = "the engine", "volumes", "state"


def disk_findings(places: Mapping[str, Path]) -> Iterator[DoctorFinding]:
    """Report how much room there is, one line a file system. Places that cannot be read are left out."""
    found: dict[int, list[str]] = {}
    paths: dict[int, Path] = {}
    for what, path in places.items():
        there = existing(path)
        try:
            device = os.stat(there).st_dev  # noqa: PTH116 - beside statvfs
        except OSError:
            continue
        found.setdefault(device, []).append(what)
        paths.setdefault(device, there)
    for device, whose in found.items():
        yield _disk(paths[device], whose)


def existing(path: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    return path if path.exists() or path == path.parent else existing(path.parent)


def _disk(path: Path, whose: list[str]) -> DoctorFinding:
    try:
        left = room(path)
    except HostError as error:
        return DoctorFinding("disk", str(error), good=False, mend=f"ls -ld {path}")
    said = f"of {', '.join(whose)}: {left} in {path}"
    reasons = why_too_little(left)
    # Old images can go first.
    mend = "kharness prune" if ENGINE in whose else f"du -xh --max-depth=1 {path} | sort -h"
    return DoctorFinding("disk", "; ".join((said, *reasons)), good=not reasons, mend=mend if reasons else "")


def writable_finding(what: str, path: Path, *, key: str) -> DoctorFinding:
    """Report whether a directory can be written to, or created."""
    good = os.access(existing(path), os.W_OK)
    said = f"{path}{'' if path.exists() else ' (created when it is needed)'}"
    mend = f"run as root, or set '{key}' in the host's configuration"
    return DoctorFinding(what, said if good else f"{path} cannot be written to", good=good, mend="" if good else mend)


def source_findings(host: HostSettings) -> Iterator[DoctorFinding]:
    """Report the source paths."""
    for path in host.source_paths:
        good = path.is_dir()
        said, mend = (str(path), "") if good else (f"{path} does not exist", f"mkdir {path}")
        yield DoctorFinding("source path", said, good=good, mend=mend)
    if not host.source_paths:
        mend = "[tool.kharness] source_paths in pyproject.toml, or KTOOLS_D_SRC_DIR"
        yield DoctorFinding("source path", "none is set", good=False, mend=mend)


def read_settings(directory: ContainerDir, read: Callable[[ContainerDir], Settings]) -> Settings | DoctorFinding:
    """Return a directory's settings as `read` gives them, or the problems of its file."""
    try:
        return read(directory)
    except SettingsError as error:
        return DoctorFinding(directory.name, str(error), good=False, mend=f"edit {directory.settings_file}")


def shadowed_findings(catalog: Catalog) -> Iterator[DoctorFinding]:
    """Report directories that an earlier source path has, too."""
    for directory in catalog.shadowed:
        yield DoctorFinding(directory.name, f"{directory.path} is shadowed by an earlier source path")


NETWORK = "network"


def network_findings(harness: Harness) -> Iterator[DoctorFinding]:
    """Report which declared networks exist; nothing is created."""
    known = _routes(harness)
    for name, declared in sorted(harness.host.networks.items()):
        yield _declared(name, declared, harness.engine.network(name), known)
    pool = harness.host.test_subnets
    taken = tuple(overlapping(pool, known, own=(BRIDGE_PREFIX,)))
    said = f"test networks take their subnets from {pool}"
    if any(IPv4Network(pool).subnet_of(route.network) for route in taken):
        mend = "set 'test_subnets' in the host's configuration to a free range, such as 10.214.0.0/16"
        yield DoctorFinding("test networks", f"{said}, but {_shown(taken)}", good=False, mend=mend)
    elif taken:
        yield DoctorFinding("test networks", f"{said}, except for {_shown(taken)}")
    else:
        yield DoctorFinding("test networks", said)


def _declared(name: str, declared: NetworkDecl, found: NetworkFacts | None, known: tuple[Route, ...]) -> DoctorFinding:
    if found is not None:
        wrong = [
            f"its {what} should be {should}, is {now or 'none'}"
            for what, should, now in (
                ("driver", declared.driver, found.driver),
                ("subnet", declared.subnet, ", ".join(found.subnets)),
            )
            if should and should not in now.split(", ")
        ]
        mend = f"docker network rm {name}; the next launch creates it"
        return DoctorFinding(
            NETWORK, "; ".join((f"{name} is there", *wrong)), good=not wrong, mend=mend if wrong else ""
        )
    taken = tuple(overlapping(declared.subnet, known)) if declared.subnet else ()
    if taken:
        mend = f"set 'subnet' of networks.{name} in the host's configuration to one that is free"
        return DoctorFinding(
            NETWORK, f"{name} cannot be created: {declared.subnet}: {_shown(taken)}", good=False, mend=mend
        )
    return DoctorFinding(NETWORK, f"{name} is created by the first launch that needs it")


def _routes(harness: Harness) -> tuple[Route, ...]:
    if not harness.engine.facts().local:
        return ()
    try:
        return routes()
    except HostError:
        return ()


def _shown(taken: tuple[Route, ...]) -> str:
    return ", ".join(f"{route.network} leads to {route.interface}" for route in taken)


OLDEST = {"engine": (20, 10), "podman": (5,), "python": (3, 11), "pytest": (9, 1)}
"""The oldest supported versions."""
NEWEST = {"engine": (29,), "podman": (5,), "python": (3, 14)}
"""The newest versions that are known to work."""
TRY = "'sh scripts/test' in a checkout of kharness tests everything with it"
TIMEOUT = 10.0
CLIENT = "apt-get install -y docker-cli"


def version_findings() -> Iterator[DoctorFinding]:
    """Report the versions on this host."""
    python, pytest = platform.python_version(), _version("pytest")
    yield DoctorFinding("kharness", _version("kharness") or "runs from a checkout, not installed")
    yield _version_judged("python", python, mend="apt-get install -y python3.11, and install kharness with it")
    yield _version_judged("pytest", pytest, mend="python -m pip install --upgrade 'pytest>=9.1'")
    yield _client()


def engine_version(facts: EngineFacts) -> DoctorFinding:
    """Report which engine answers, and whether it is supported."""
    said = f"{facts.called}, API {facts.newest_api or facts.api_version}, at {facts.endpoint}"
    what = "podman" if facts.podman else "engine"
    if not _is_enough(what, facts.version):
        mend = f"apt-get install -y {'podman' if facts.podman else 'docker.io'}"
        return DoctorFinding("engine", f"{said}; should be {_supported(what)}", good=False, mend=mend)
    if _is_newer(what, facts.version):
        return DoctorFinding("engine", f"{said}; known to work is {_supported(what)}", mend=TRY)
    return DoctorFinding("engine", said)


def _version_judged(what: str, found: str, *, mend: str) -> DoctorFinding:
    if not _is_enough(what, found):
        return DoctorFinding(
            what, f"should be {_supported(what)}, is {found or 'not installed'}", good=False, mend=mend
        )
    if _is_newer(what, found):
        return DoctorFinding(what, f"{found}; known to work is {_supported(what)}", mend=TRY)
    return DoctorFinding(what, found)


def _supported(what: str) -> str:
    oldest = ".".join(map(str, OLDEST[what]))
    newest = ".".join(map(str, NEWEST.get(what, ())))
    if oldest == newest:
        return newest
    return f"{oldest} to {newest}" if newest else f"{oldest} or newer"


def _is_enough(what: str, found: str) -> bool:
    return _numbers(found) >= OLDEST[what]


def _is_newer(what: str, found: str) -> bool:
    newest = NEWEST.get(what, ())
    return bool(newest) and _numbers(found)[: len(newest)] > newest


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _client() -> DoctorFinding:
    program = shutil.which("docker")
    if program is None:
        said = "the docker client is not installed: enter, exec, shell and attach need it, nothing else does"
        return DoctorFinding("client", said, mend=CLIENT)
    try:
        done = subprocess.run(  # noqa: S603 - as found, and without a shell
            [program, "--version"], capture_output=True, text=True, timeout=TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return DoctorFinding("client", f"{program}: cannot be run: {error}", good=False, mend=CLIENT)
    return DoctorFinding("client", done.stdout.strip())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
