"""All that the doctor looks at, with an engine and without; nothing is changed, nothing is started."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from kharness.engine.connect import connect
from kharness.errors import EngineUnavailableError, KharnessError, SettingsError, StateError
from kharness.host.survey import why_no_reflink
from kharness.ops.doctor.clocks import clock_findings
from kharness.ops.doctor.directories import read_settings, shadowed_findings, source_findings, writable_finding
from kharness.ops.doctor.disks import ENGINE, STATE, VOLUMES, disk_findings, existing
from kharness.ops.doctor.networks import network_findings
from kharness.ops.doctor.versions import engine_version, version_findings
from kharness.ops.finding import Finding
from kharness.ops.harness import Harness, open_harness
from kharness.ops.idmap import mapping_findings
from kharness.ops.present import present
from kharness.ops.scratch import why_not_overlaid
from kharness.ops.volumeroot import ACCEPT, root_changed
from kharness.plan.facts import ContainerFacts, short_id
from kharness.plan.waves import wave_of
from kharness.settings.catalog import find_containers
from kharness.settings.host import HostSettings, load_host_settings

BASE = "kcore-baseline"
START = "kharness engine start"
MAY_NOT = "add this user to the group"
"""What is said where an engine is there, and not for this user."""
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def examine_here(*, project: Path | None, environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Say what is found; where configuration cannot be read, or no engine answers, what can be said without."""
    try:
        host = load_host_settings(project=project, environ=environ)
    except SettingsError as error:
        files = dict.fromkeys(str(problem.file) for problem in error.problems)
        broken = Finding("configuration", str(error), good=False, mend=f"edit {' '.join(files)}")
        return (*version_findings(), broken)
    try:
        engine = connect(host=host.engine, environ=environ, home=Path.home())
    except EngineUnavailableError as error:
        return examine_alone(host, error, environ=environ)
    return examine(open_harness(project=project, environ=environ, engine=engine, host=host))


def examine(harness: Harness) -> tuple[Finding, ...]:
    """Look at the engine, this host and the container directories."""
    return (
        *version_findings(),
        *_engine(harness),
        *_told("network", network_findings(harness)),
        *_told("volume root", _host(harness)),
        *clock_findings(harness.engine.facts()),
        *source_findings(harness.host),
        *_told("state", _journal(harness)),
        *_base(harness),
        *_fleet(harness),
    )


def examine_alone(host: HostSettings, error: KharnessError, *, environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Look at what is there without an engine; `error` says why none answers."""
    catalog = find_containers(host.source_paths)
    dv = Path(host.dv)
    read = (read_settings(directory, host) for directory in catalog.directories)
    return (
        *version_findings(),
        Finding("engine", str(error).partition("\n    `")[0], good=False, mend=_start(host, environ, error)),
        writable_finding("volume root", dv, key="dv"),
        writable_finding("state", host.state_dir, key="state_dir"),
        *disk_findings({VOLUMES: dv, STATE: host.state_dir}),
        *clock_findings(None),
        *source_findings(host),
        *(each for each in read if isinstance(each, Finding)),
        *shadowed_findings(catalog),
    )


def _start(host: HostSettings, environ: Mapping[str, str], error: KharnessError) -> str:
    if MAY_NOT in str(error):
        return "usermod -aG docker USER, then log in again; or use root"
    named = ((host.engine, "'engine' in the host's configuration"), (environ.get("DOCKER_HOST"), "DOCKER_HOST"))
    for said, how in named:
        if said and not said.startswith(("unix://", "/")):
            return f"start the engine of {said}, or say another in {how}"
        if said:
            return f"start the engine of {said}, or unset {how}: 'kharness engine start' starts the usual one"
    if shutil.which("dockerd", path=f"{environ.get('PATH', '')}:{SYSTEM_PATH}"):
        return START
    return f"{START} --install"


def _told(what: str, found: Iterator[Finding]) -> Iterator[Finding]:
    # One part that cannot be looked at hides no other.
    try:
        yield from found
    except KharnessError as error:
        gone = isinstance(error, EngineUnavailableError)
        yield Finding(what, str(error), good=False, mend=START if gone else "run as root, or set 'state_dir'")


def _engine(harness: Harness) -> Iterator[Finding]:
    facts = harness.engine.facts()
    yield engine_version(facts)
    yield Finding("storage", f"{facts.storage_driver} in {facts.root_dir}")
    if facts.local:
        yield Finding("place", "on this host: test instances are reached by their addresses")
    else:
        yield Finding("place", "not on this host", good=False, mend="test instances need 'test: {egress: true}'")
    yield from mapping_findings(harness)
    if facts.local and shutil.which("iptables", path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}") is None:
        mend = "apt-get install -y iptables"
        yield Finding(
            "isolation", "iptables is missing: test instances reach this host's services", good=False, mend=mend
        )


def _host(harness: Harness) -> Iterator[Finding]:
    dv = Path(harness.host.dv)
    if changed := _root_changed(harness):
        yield Finding("volume root", changed, good=False, mend=f"mount the disk, or '{ACCEPT}'")
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
        # That the state cannot be read is told of the state.
        return ""


def _copies(harness: Harness) -> Iterator[Finding]:
    root = Path(harness.host.dv)
    if not harness.engine.facts().local or not os.access(root, os.R_OK | os.X_OK):
        return
    no_reflink, no_overlay = why_no_reflink(root, existing(harness.state_dir)), why_not_overlaid(harness)
    if not no_reflink:
        said = "of volumes share their originals' blocks (reflink)"
    elif not no_overlay:
        said = "of volumes are overlays while nobody mounts the original, else made byte by byte"
    else:
        said = f"of volumes are made byte by byte ({no_overlay})"
    yield Finding("test copies", said)


def _journal(harness: Harness) -> Iterator[Finding]:
    for entry in harness.state.operations():
        said = f"a {entry.operation.kind} is under way, or was cut short"
        yield Finding(entry.operation.name, said, good=False, mend="kharness recover")


def _base(harness: Harness) -> Iterator[Finding]:
    directory = harness.catalog.get(BASE)
    if directory is None:
        return
    live = harness.engine.image(harness.tags(BASE).live)
    if live is not None:
        yield Finding("base image", f"{BASE} is live: {short_id(live.id)}")
        return
    lock = " of the digest in base.lock" if (directory.path / "base.lock").is_file() else ""
    said = f"{BASE} is not live: what is built on it first builds and tests it{lock}"
    yield Finding("base image", said, mend=f"pytest {directory.path} --ready --launch")


def _fleet(harness: Harness) -> Iterator[Finding]:
    for directory in harness.catalog.directories:
        settings = read_settings(directory, harness.host)
        if isinstance(settings, Finding):
            yield settings
        else:
            runs = present(harness, directory.name)
            due = wave_of(settings, host=socket.gethostname()) is not None
            mend = f"kharness up {directory.name}" if due and not (runs and runs.running) else ""
            yield Finding(directory.name, _released(harness, directory.name, runs), mend=mend)
    yield from shadowed_findings(harness.catalog)


def _released(harness: Harness, name: str, runs: ContainerFacts | None) -> str:
    live = harness.engine.image(harness.tags(name).live)
    said = f"live is {short_id(live.id)}" if live else "nothing is live yet"
    if runs is None:
        return f"{said}, no production container"
    if not runs.running:
        return f"{said}, production is {runs.state}"
    return f"{said}, production runs {'it' if live and runs.image_id == live.id else short_id(runs.image_id)}"
