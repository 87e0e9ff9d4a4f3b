"""Production's containers and images, as tables for people and as values for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kharness.plan.facts import ContainerFacts, PublishedPort, short_id
from kharness.plan.life import seconds_up, state_text
from kharness.plan.listed import Listed, ListedImage
from kharness.plan.sizes import size_text
from kharness.plan.times import moment
from kharness.report.amounts import lasting_text, time_text

COLUMNS = ("name", "state", "health", "up", "image", "ports")
ALL_COLUMNS = (*COLUMNS, "wave")
IMAGES = ("name", "tag", "image", "made", "size", "production")
ANYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - what the engine calls it


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
    """Return the wave in which it starts with the host; empty where it does not."""
    return "" if listed.wave is None else str(listed.wave)


def ports_text(published: Iterable[PublishedPort]) -> str:
    """Return ports as Compose would say them, the same port of several families of addresses once."""
    found = (f"{_host(port)}{port.host_port}:{port.port}".removesuffix("/tcp") for port in published)
    return " ".join(dict.fromkeys(found))


def life_text(facts: ContainerFacts, *, now: float) -> str:
    """Return one line about a container: `runs, healthy, for 3 h`."""
    seconds = seconds_up(facts, now=now)
    lasting = f"for {lasting_text(seconds)}" if seconds is not None else ""
    return ", ".join(filter(None, (state_text(facts), health_text(facts), lasting)))


def listed_value(listed: Listed, *, now: float) -> dict[str, Any]:
    """Return it as plain values: `up` in seconds, ids whole, None for what is not there."""
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
    """Return its health while it runs; empty where it has none."""
    # The engine goes on to call unhealthy what has ended.
    return (facts.health or "") if facts.running else ""


def _host(port: PublishedPort) -> str:
    if port.host_ip in ANYWHERE:
        return ""
    return f"[{port.host_ip}]:" if ":" in port.host_ip else f"{port.host_ip}:"
