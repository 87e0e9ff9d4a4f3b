"""Production's containers and images, container directories, renaming and retirement, as tables, lines and values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from kharness.plan.facts import ContainerFacts, PublishedPort, short_id
from kharness.plan.launch.life import seconds_up, state_text
from kharness.plan.project import Described, Listed, ListedImage, Remains, Renaming, Retirement
from kharness.plan.text import moment, size_text
from kharness.report.release import Line
from kharness.report.table import Layout, lasting_text, time_text

DIRECTORIES = Layout(("name", "wave", "image", "tests", "note"), folded=frozenset({"tests", "note"}))


def described_row(found: Described, *, why: str = "") -> tuple[str, ...]:
    """Return a row of the table; `why` is the reason why it is listed."""
    wave = "" if found.wave is None else f"{found.wave}{f' on {found.host}' if found.host else ''}"
    files = f"{found.test_files} {'file' if found.test_files == 1 else 'files'}" if found.test_files else ""
    tests = " and ".join(filter(None, (files, "expect" if found.expects else "")))
    return found.name, wave, "built" if found.buildable else "pulled", tests, "settings broken" if found.broken else why


def described_value(found: Described, *, why: str | None = None) -> dict[str, Any]:
    """Return a directory as plain values; with `why`, if given, as `down`."""
    return {
        "name": found.name,
        "path": found.path,
        "wave": found.wave,
        "host": found.host,
        "buildable": found.buildable,
        "testable": found.testable,
        "test_files": found.test_files,
        "expects": found.expects,
        "settings": found.broken or None,
        **({"project": found.project} if found.project else {}),
        **({} if why is None else {"down": why}),
    }


PRODUCTION = Layout(("name", "state", "health", "up", "image", "ports"), folded=frozenset({"state", "ports"}))
EVERYTHING = replace(PRODUCTION, columns=(*PRODUCTION.columns, "wave"))
IMAGES = Layout(("name", "tag", "image", "made", "size", "production"))
ADDRESSES = Layout(("name", "network", "address"))
ANYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - the engine's names for all addresses


def listed_row(listed: Listed, *, now: float) -> tuple[str, ...]:
    """Return a row of the table, without the wave; `now` in seconds since the epoch."""
    facts = listed.facts
    if facts is None:
        return listed.name, "no container", "", "", f"{short_id(listed.live)} is live" if listed.live else "", ""
    name = listed.name if facts.name == listed.name else f"{listed.name} ({facts.name})"
    seconds = seconds_up(facts, now=now)
    up = "" if seconds is None else lasting_text(seconds)
    image = f"{short_id(facts.image_id)}{'' if facts.image_id == listed.live else ' (not live)'}"
    return name, state_text(facts), health_text(facts), up, image, ports_text(facts.published)


def wave_text(listed: Listed) -> str:
    """Return the wave in which a container starts with the host; empty if it does not."""
    return "" if listed.wave is None else str(listed.wave)


def ports_text(published: Iterable[PublishedPort]) -> str:
    """Return ports as Compose writes them, a port of several address families once."""
    found = (f"{_host(port)}{port.host_port}:{port.port}".removesuffix("/tcp") for port in published)
    return " ".join(dict.fromkeys(found))


def life_text(facts: ContainerFacts, *, now: float) -> str:
    """Return one line about a container: `runs, healthy, for 3 h`."""
    seconds = seconds_up(facts, now=now)
    lasting = f"for {lasting_text(seconds)}" if seconds is not None else ""
    return ", ".join(filter(None, (state_text(facts), health_text(facts), lasting)))


def listed_value(listed: Listed, *, now: float) -> dict[str, Any]:
    """Return a row as plain values: `up` in seconds, ids whole, None for what is missing."""
    return {
        "name": listed.name,
        "known": listed.known,
        "wave": listed.wave,
        "live": listed.live,
        "container": None if listed.facts is None else container_value(listed.facts, now=now),
    }


def container_value(facts: ContainerFacts, *, now: float) -> dict[str, Any]:
    """Return a container as plain values."""
    return {
        "id": facts.id,
        "name": facts.name,
        "image": facts.image_id,
        "state": facts.state,
        "exit_code": facts.exit_code if facts.state in {"exited", "dead", "restarting"} else None,
        "health": facts.health,
        "up": seconds_up(facts, now=now),
        "started_at": facts.started_at,
        "restarts": facts.restart_count,
        "pid": facts.pid,
        "addresses": dict(facts.addresses),
        "ports": [
            {"host_ip": port.host_ip, "host_port": port.host_port, "port": str(port.port)} for port in facts.published
        ],
    }


def image_row(listed: ListedImage) -> tuple[str, ...]:
    """Return a row of the table of images."""
    made = moment(listed.created)
    when = "" if made is None else time_text(made.timestamp())
    return listed.name, listed.tag, short_id(listed.image), when, size_text(listed.size), "runs" if listed.used else ""


def address_rows(listed: Iterable[Listed]) -> Iterator[tuple[str, ...]]:
    """Return name, network and address of each network that a container is on."""
    for each in listed:
        for network, address in sorted(each.facts.addresses.items() if each.facts else ()):
            yield each.name, network, address


def health_text(facts: ContainerFacts) -> str:
    """Return the health of a running container; empty if it has none."""
    # The engine keeps the last health of a container that has ended.
    return (facts.health or "") if facts.running else ""


def _host(port: PublishedPort) -> str:
    if port.host_ip in ANYWHERE:
        return ""
    return f"[{port.host_ip}]:" if ":" in port.host_ip else f"{port.host_ip}:"


def renaming_lines(found: Renaming, *, dry_run: bool = False) -> Iterator[Line]:
    """Return the report of a renaming that was carried out, or, with `dry_run`, that would be."""
    if found.ended is not None:
        yield Line(f"{found.old}: was renamed to {found.new} on {time_text(found.ended)}; nothing is left to do")
        return
    would = "would be " if dry_run else ""
    yield Line(f"{found.old}: {would or 'is '}renamed to {found.new}", "good")
    if found.records:
        yield Line(f"  {would}moved: its history and records")
    for before, after in (*found.directories, *found.tags):
        yield Line(f"  {would}moved: {before} to {after}")
    for container in found.containers:
        yield Line(f"  {would}removed: the stopped container {container}; its volumes stay")
    yield from (Line(f"  note: {note}", "doubtful") for note in found.notes)
    yield Line(f"{found.new}: 'kharness up {found.new}' launches it")


def retirement_lines(found: Retirement, *, dry_run: bool = False) -> Iterator[Line]:
    """Return the report of a retirement that was carried out, or, with `dry_run`, that would be."""
    if found.ended is not None:
        yield Line(f"{found.name}: was retired on {time_text(found.ended)}; nothing is left to do")
    else:
        yield Line(f"{found.name}: {'would be retired' if dry_run else 'is retired'}; its history stays", "good")
        would = "would be " if dry_run else ""
        for container in found.containers:
            yield Line(f"  {would}stopped and removed: container {container}")
        for tag in found.tags:
            yield Line(f"  {would}removed: {tag}")
        for build in found.builds:
            yield Line(f"  {would}removed: {build}")
    yield from (Line(remains_text(each)) for each in found.remains)
    yield from (Line(f"  note: {note}", "doubtful") for note in found.notes)


def summary(found: Retirement) -> str:
    """Return the text of the question."""
    containers = ", ".join(found.containers) or "no container"
    return f"{found.name}: ends for good: {containers}, {len(found.tags)} names of images; history and data stay"


def remains_text(remains: Remains) -> str:
    """Return a line about data that stay."""
    size = "" if remains.size is None else f", {size_text(remains.size)}"
    how = f"; to remove it: {remains.remove}" if remains.remove else "; it may have other users"
    return f"  stays: {remains.place} ({remains.what}{size}){how}"
