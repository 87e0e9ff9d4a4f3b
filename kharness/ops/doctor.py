"""What a person should know about this host before trusting it with containers: what was found, what is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from kharness.errors import KharnessError
from kharness.host.survey import why_no_reflink
from kharness.ops.finding import Finding
from kharness.ops.harness import Harness
from kharness.ops.idmap import mapping_findings
from kharness.ops.scratch import why_not_overlaid
from kharness.ops.volumeroot import ACCEPT, root_changed
from kharness.plan.facts import short_id
from kharness.settings.model import Settings


def examine(harness: Harness) -> tuple[Finding, ...]:
    """Look at the engine, the directories and the container directories; nothing is changed."""
    return (*_engine(harness), *_host(harness), *_journal(harness), *_fleet(harness))


def _engine(harness: Harness) -> Iterator[Finding]:
    facts = harness.engine.facts()
    yield Finding("engine", f"{facts.version}, API {facts.api_version}, at {facts.endpoint}")
    yield Finding("storage", f"{facts.storage_driver} in {facts.root_dir}")
    if facts.local:
        yield Finding("place", "on this host: test instances are reached by their addresses")
    else:
        yield Finding("place", "not on this host", good=False, mend="test instances need 'test: {egress: true}'")
    yield from mapping_findings(harness)
    if facts.local and shutil.which("iptables", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
        mend = "apt-get install -y iptables"
        yield Finding(
            "isolation", "iptables is missing: test instances reach this host's services", good=False, mend=mend
        )


def _host(harness: Harness) -> Iterator[Finding]:
    for what, path in (("volume root", Path(harness.host.dv)), ("state", harness.state_dir)):
        writable = os.access(_existing(path), os.W_OK)
        mend = "" if writable else f"run as root, or set '{'dv' if what == 'volume root' else 'state_dir'}'"
        if what == "volume root" and (changed := root_changed(harness)):
            yield Finding(what, changed, good=False, mend=f"mount the disk, or '{ACCEPT}'")
            continue
        yield Finding(what, f"{path}{'' if path.exists() else ' (made when it is needed)'}", good=writable, mend=mend)
    yield from _copies(harness)
    for path in harness.host.source_paths:
        mend = "" if path.is_dir() else f"mkdir {path}"
        yield Finding("source path", str(path), good=path.is_dir(), mend=mend)
    if not harness.host.source_paths:
        mend = "[tool.kharness] source_paths in pyproject.toml, or KTOOLS_D_SRC_DIR"
        yield Finding("source path", "none is set", good=False, mend=mend)


def _copies(harness: Harness) -> Iterator[Finding]:
    root = Path(harness.host.dv)
    if not harness.engine.facts().local or not os.access(root, os.R_OK | os.X_OK):
        return
    no_reflink, no_overlay = why_no_reflink(root, _existing(harness.state_dir)), why_not_overlaid(harness)
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


def _fleet(harness: Harness) -> Iterator[Finding]:
    for directory in harness.catalog.directories:
        try:
            settings = harness.settings(directory)
        except KharnessError as error:
            yield Finding(directory.name, str(error), good=False, mend=f"edit {directory.settings_file}")
            continue
        yield Finding(directory.name, _released(harness, directory.name, settings))
    for directory in harness.catalog.shadowed:
        yield Finding(directory.name, f"{directory.path} is shadowed by an earlier source path")


def _released(harness: Harness, name: str, settings: Settings) -> str:
    live = harness.engine.image(harness.tags(name).live)
    runs = harness.engine.container(settings.container_name or name)
    said = f"live is {short_id(live.id)}" if live else "nothing is live yet"
    if runs is None:
        return f"{said}, no production container"
    if not runs.running:
        return f"{said}, production is {runs.state}"
    return f"{said}, production runs {'it' if live and runs.image_id == live.id else short_id(runs.image_id)}"


def _existing(path: Path) -> Path:
    return path if path.exists() or path == path.parent else _existing(path.parent)
