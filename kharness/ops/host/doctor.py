"""`kharness doctor`: examine the engine, this host and all container directories, and change nothing."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from kharness.engine.connect import connect
from kharness.errors import EngineUnavailableError, KharnessError, SettingsError, StateError
from kharness.host.project.compose_folders import project_here
from kharness.host.volumes.fingerprint import why_no_reflink
from kharness.ops.harness import Harness
from kharness.ops.host.findings import (
    ENGINE,
    STATE,
    VOLUMES,
    DoctorFinding,
    clock_findings,
    disk_findings,
    engine_version,
    existing,
    network_findings,
    read_settings,
    shadowed_findings,
    source_findings,
    version_findings,
    writable_finding,
)
from kharness.ops.launch.deviations import changes_of
from kharness.ops.launch.subject import why_stays_down
from kharness.ops.opening import open_compose, open_harness
from kharness.ops.project.production import launch_command, present
from kharness.ops.volumes.idmap import mapping_findings
from kharness.ops.volumes.root import ACCEPT, root_changed
from kharness.ops.volumes.scratch import why_not_overlaid
from kharness.plan.facts import ContainerFacts, short_id
from kharness.plan.fleet.course import wave_of
from kharness.plan.launch.deviations import change_notes
from kharness.plan.launch.life import state_text, why_stuck
from kharness.plan.launch.runspec import left_out
from kharness.settings.catalog import ContainerDir, find_containers
from kharness.settings.host import HostSettings, load_host_settings
from kharness.settings.load import load_settings

BASE = "kcore-baseline"
START = "kharness engine start"
MAY_NOT = "add this user to the group"
"""Part of the error where an engine answers, but not to this user."""
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def examine_here(*, folder: Path | None, environ: Mapping[str, str]) -> tuple[DoctorFinding, ...]:
    """Examine what can be examined: less where the configuration cannot be read, or no engine answers."""
    try:
        host = load_host_settings(project=folder, environ=environ)
    except SettingsError as error:
        files = dict.fromkeys(str(problem.file) for problem in error.problems)
        broken = DoctorFinding("configuration", str(error), good=False, mend=f"edit {' '.join(files)}")
        return (*version_findings(), broken)
    try:
        engine = connect(host=host.engine, environ=environ, home=Path.home())
    except EngineUnavailableError as error:
        return examine_alone(host, error, environ=environ)
    here = project_here(Path.cwd(), environ) if folder is None and not host.source_paths else None
    if here is not None:
        return examine(open_compose(here.folder, environ=environ, engine=engine, host=host))
    return examine(open_harness(folder=folder, environ=environ, engine=engine, host=host))


def examine(harness: Harness) -> tuple[DoctorFinding, ...]:
    """Examine the engine, this host and the container directories."""
    return (
        *version_findings(),
        *_engine(harness),
        *_guarded("network", network_findings(harness)),
        *_guarded("volume root", _host(harness)),
        *clock_findings(harness.engine.facts()),
        *(() if harness.compose else source_findings(harness.host)),
        *_guarded("state", _journal(harness)),
        *_base(harness),
        *_fleet(harness),
    )


def examine_alone(host: HostSettings, error: KharnessError, *, environ: Mapping[str, str]) -> tuple[DoctorFinding, ...]:
    """Examine what needs no engine; `error` says why none answers."""
    catalog = find_containers(host.source_paths)
    dv = Path(host.dv)
    below = host.defaults
    read = (
        read_settings(directory, lambda each: load_settings(each.path, below=below))
        for directory in catalog.directories
    )
    return (
        *version_findings(),
        DoctorFinding("engine", str(error).partition("\n    `")[0], good=False, mend=_start(host, environ, error)),
        writable_finding("volume root", dv, key="dv"),
        writable_finding("state", host.state_dir, key="state_dir"),
        *disk_findings({VOLUMES: dv, STATE: host.state_dir}),
        *clock_findings(None),
        *source_findings(host),
        *(each for each in read if isinstance(each, DoctorFinding)),
        *shadowed_findings(catalog),
    )


def _start(host: HostSettings, environ: Mapping[str, str], error: KharnessError) -> str:
    if MAY_NOT in str(error):
        return "usermod -aG docker USER, then log in again; or use root"
    named = ((host.engine, "'engine' in the host's configuration"), (environ.get("DOCKER_HOST"), "DOCKER_HOST"))
    for said, how in named:
        if said and not said.startswith(("unix://", "/")):
            return f"start the engine of {said}, or set another in {how}"
        if said:
            return f"start the engine of {said}, or unset {how}: 'kharness engine start' starts the usual one"
    if shutil.which("dockerd", path=f"{environ.get('PATH', '')}:{SYSTEM_PATH}"):
        return START
    return f"{START} --install"


def _guarded(what: str, found: Iterator[DoctorFinding]) -> Iterator[DoctorFinding]:
    # A part that cannot be examined hides no other.
    try:
        yield from found
    except KharnessError as error:
        gone = isinstance(error, EngineUnavailableError)
        yield DoctorFinding(what, str(error), good=False, mend=START if gone else "run as root, or set 'state_dir'")


def _engine(harness: Harness) -> Iterator[DoctorFinding]:
    facts = harness.engine.facts()
    yield engine_version(facts)
    yield DoctorFinding("storage", f"{facts.storage_driver} in {facts.root_dir}")
    if facts.local:
        yield DoctorFinding("place", "on this host: test instances are reached by their addresses")
    else:
        yield DoctorFinding("place", "not on this host", good=False, mend="test instances need 'test: {egress: true}'")
    yield from mapping_findings(harness)
    if facts.local and shutil.which("iptables", path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}") is None:
        mend = "apt-get install -y iptables"
        yield DoctorFinding(
            "isolation", "iptables is missing: test instances reach this host's services", good=False, mend=mend
        )


def _host(harness: Harness) -> Iterator[DoctorFinding]:
    dv = Path(harness.host.dv)
    if changed := _root_changed(harness):
        yield DoctorFinding("volume root", changed, good=False, mend=f"mount the disk, or '{ACCEPT}'")
    else:
        yield writable_finding("volume root", dv, key="dv")
    yield writable_finding("state", harness.state_dir, key="state_dir")
    facts = harness.engine.facts()
    engine = {ENGINE: Path(facts.root_dir)} if facts.local and facts.root_dir else {}
    yield from disk_findings({**engine, VOLUMES: dv, STATE: harness.state_dir})
    yield from _copies(harness)


def _root_changed(harness: Harness) -> str:
    try:
        return root_changed(harness)
    except StateError:
        # The finding about the state reports that it cannot be read.
        return ""


def _copies(harness: Harness) -> Iterator[DoctorFinding]:
    root = Path(harness.host.dv)
    if not harness.engine.facts().local or not os.access(root, os.R_OK | os.X_OK):
        return
    no_reflink, no_overlay = why_no_reflink(root, existing(harness.state_dir)), why_not_overlaid(harness)
    if not no_reflink:
        said = "of volumes share their originals' blocks (reflink)"
    elif not no_overlay:
        said = "of volumes are overlays where no container mounts the original, else copied byte by byte"
    else:
        said = f"of volumes are copied byte by byte ({no_overlay})"
    yield DoctorFinding("test copies", said)


def _journal(harness: Harness) -> Iterator[DoctorFinding]:
    for entry in harness.state.operations():
        said = f"a {entry.operation.kind} is under way, or was interrupted"
        yield DoctorFinding(entry.operation.name, said, good=False, mend="kharness recover")


def _base(harness: Harness) -> Iterator[DoctorFinding]:
    directory = harness.catalog.get(BASE)
    if directory is None:
        return
    live = harness.engine.image(harness.tags(BASE).live)
    if live is not None:
        yield DoctorFinding("base image", f"{BASE} is live: {short_id(live.id)}")
        return
    lock = " of the digest in base.lock" if (directory.path / "base.lock").is_file() else ""
    said = f"{BASE} is not live: what is built on it first builds and tests it{lock}"
    yield DoctorFinding("base image", said, mend=f"pytest {directory.path} --ready --launch")


def _fleet(harness: Harness) -> Iterator[DoctorFinding]:
    for directory in harness.catalog.directories:
        settings = read_settings(directory, harness.settings)
        if isinstance(settings, DoctorFinding):
            yield settings
        else:
            runs = present(harness, directory.name)
            due = wave_of(settings, host=socket.gethostname()) is not None
            down = why_stays_down(harness, directory.name) is not None
            due_now = due and not down and not (runs and runs.running)
            mend = launch_command(harness, directory.name) if due_now else ""
            lacks = left_out(settings, harness.engine.facts())
            said = (_released(harness, directory.name, runs), *_changed(harness, directory, runs), *lacks)
            yield DoctorFinding(directory.name, "; ".join(said), mend=mend)
    yield from shadowed_findings(harness.catalog)


def _changed(harness: Harness, directory: ContainerDir, runs: ContainerFacts | None) -> Iterator[str]:
    if down := why_stays_down(harness, directory.name):
        yield f"it {down}"
    if runs is not None:
        # The finding about the state reports that it cannot be read.
        with suppress(StateError):
            yield from change_notes(changes_of(harness, directory, runs), name=directory.name)


def _released(harness: Harness, name: str, runs: ContainerFacts | None) -> str:
    live = harness.engine.image(harness.tags(name).live)
    said = f"live is {short_id(live.id)}" if live else "nothing is live yet"
    if runs is None:
        return f"{said}, no production container"
    if runs.state != "running":
        return f"{said}, production {why_stuck(runs) or state_text(runs)}"
    return f"{said}, production runs {'it' if live and runs.image_id == live.id else short_id(runs.image_id)}"
