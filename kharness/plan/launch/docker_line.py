"""A RunSpec as the `docker run` line that a person could paste."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from kharness.plan.facts import HealthFacts
from kharness.plan.launch.runspec import Attachment, Mount, MountKind, Publish, RunSpec
from kharness.plan.text import whole_seconds
from kharness.settings.plain import PLAIN, PlainKey, ValueKind

HIDDEN = "***"


def docker_line(spec: RunSpec, *, hide: frozenset[str] = frozenset(), multiline: bool = True) -> str:
    """Return the equivalent `docker run` command; values of the variables in `hide` are not shown.

    Further networks follow as `docker network connect` lines, which every client knows; not one with a MAC address.
    """
    words = ["docker run --detach", *(shlex.join(option) for option in _options(spec, hide)), *_command(spec)]
    line = (" \\\n    " if multiline else " ").join(words)
    return "\n".join((line, *(shlex.join(("docker", *words)) for words in _connections(spec))))


def docker_words(spec: RunSpec) -> tuple[str, ...]:
    """Return the words of a `docker run` that stays in the foreground, without `docker`; only its first network."""
    return ("run", *_words(spec))


def docker_commands(spec: RunSpec) -> tuple[tuple[str, ...], ...]:
    """Return the words of the commands that run it in the foreground on all its networks, each without `docker`.

    Docker before 25.0 creates a container on one network, and it joins the others before it is started.
    """
    if len(spec.networks) <= 1:
        return (docker_words(spec),)
    flags = ("--attach", "--interactive") if spec.stdin_open else ("--attach",)
    return (("create", *_words(spec)), *_connections(spec), ("start", *flags, spec.name))


def _words(spec: RunSpec) -> tuple[str, ...]:
    rest = spec.entrypoint[1:] if spec.entrypoint else ()
    options = (word for option in _options(spec, frozenset()) for word in option)
    return (*options, spec.image, *rest, *(spec.command or ()))


def _options(spec: RunSpec, hide: frozenset[str]) -> Iterator[tuple[str, ...]]:
    yield ("--name", spec.name)
    yield from _identity(spec)
    yield from _surroundings(spec, hide)
    yield from _rights(spec)
    for mount in spec.mounts:
        yield _mount(mount)
    if spec.health:
        yield from _health(spec.health)
    if spec.entrypoint is not None:
        yield ("--entrypoint", spec.entrypoint[0] if spec.entrypoint else "")


def _identity(spec: RunSpec) -> Iterator[tuple[str, ...]]:
    for row in PLAIN:
        yield from _plain(row, getattr(spec, row.key))
    if spec.restart != "no":
        retries = f":{spec.restart_retries}" if spec.restart_retries else ""
        yield ("--restart", spec.restart + retries)
    if spec.remove:
        yield ("--rm",)


def _plain(row: PlainKey, value: Any) -> Iterator[tuple[str, ...]]:
    match value:
        case None | False | "":
            return
        case True:
            yield (row.flag,)
        case tuple():
            yield from ((row.flag, str(each)) for each in value)
        case Mapping():
            yield from ((row.flag, f"{name}={said}") for name, said in value.items())
        case _:
            yield (row.flag, str(whole_seconds(value) if row.kind is ValueKind.DURATION else value))


def _surroundings(spec: RunSpec, hide: frozenset[str]) -> Iterator[tuple[str, ...]]:
    for name, value in spec.environment.items():
        yield ("--env", f"{name}={HIDDEN if name in hide else value}")
    for name, value in spec.labels.items():
        yield ("--label", f"{name}={value}")
    yield from _network(spec)
    for port in spec.publish:
        yield ("--publish", _publish(port))
    for exposed in spec.expose:
        yield ("--expose", str(exposed))
    for host, address in spec.extra_hosts:
        yield ("--add-host", f"{host}:{address}")
    if spec.log_driver:
        yield ("--log-driver", spec.log_driver)
    for name, value in spec.log_options.items():
        yield ("--log-opt", f"{name}={value}")


def _network(spec: RunSpec) -> Iterator[tuple[str, ...]]:
    if not spec.networks:
        yield ("--network", "none")
        return
    first = spec.networks[0]
    yield ("--network", first.network)
    if first.ipv4_address:
        yield ("--ip", first.ipv4_address)
    if first.ipv6_address:
        yield ("--ip6", first.ipv6_address)
    for alias in first.aliases:
        yield ("--network-alias", alias)
    if first.mac_address:
        yield ("--mac-address", first.mac_address)
    for joined in spec.networks[1:]:
        if joined.mac_address:
            yield ("--network", _joined(joined))


def _joined(joined: Attachment) -> str:
    # `docker network connect` has no MAC address.
    fields = (
        ("name", joined.network),
        ("ip", joined.ipv4_address),
        ("ip6", joined.ipv6_address),
        *(("alias", alias) for alias in joined.aliases),
        ("mac-address", joined.mac_address),
    )
    return ",".join(_field(f"{key}={value}") for key, value in fields if value)


def _rights(spec: RunSpec) -> Iterator[tuple[str, ...]]:
    for host, container, permissions in spec.devices:
        yield ("--device", f"{host}:{container}:{permissions}")
    for name, soft, hard in spec.ulimits:
        yield ("--ulimit", f"{name}={soft}:{hard}")


def _mount(mount: Mount) -> tuple[str, str]:
    if mount.kind is MountKind.TMPFS:
        options = [*mount.options]
        if mount.size is not None:
            options.append(f"size={mount.size}")
        if mount.mode is not None:
            options.append(f"mode={mount.mode:o}")
        if mount.read_only:
            options.append("ro")
        return ("--tmpfs", ":".join((mount.target, ",".join(options))) if options else mount.target)
    fields = [f"type={mount.kind}", *([f"source={mount.source}"] if mount.source else []), f"target={mount.target}"]
    if mount.read_only:
        fields.append("readonly")
    if mount.propagation:
        fields.append(f"bind-propagation={mount.propagation}")
    if mount.non_recursive:
        fields.append("bind-nonrecursive")
    if mount.no_copy:
        fields.append("volume-nocopy")
    return ("--mount", ",".join(map(_field, fields)))


def _field(text: str) -> str:
    # The client reads these as a line of CSV.
    return '"{}"'.format(text.replace('"', '""')) if "," in text or '"' in text else text


def _publish(port: Publish) -> str:
    host = f"[{port.host_ip}]" if port.host_ip and ":" in port.host_ip else port.host_ip
    published = "" if port.host_port is None else str(port.host_port)
    return ":".join((*([host] if host else []), published, str(port.port))) if host or published else str(port.port)


def _health(health: HealthFacts) -> Iterator[tuple[str, ...]]:
    if health.test == ("NONE",):
        yield ("--no-healthcheck",)
        return
    shell = health.test[0] == "CMD-SHELL"
    yield ("--health-cmd", health.test[1] if shell else shlex.join(health.test[1:]))
    for flag, seconds in (
        ("--health-interval", health.interval),
        ("--health-timeout", health.timeout),
        ("--health-start-period", health.start_period),
        ("--health-start-interval", health.start_interval),
    ):
        if seconds is not None:
            yield (flag, go_duration(seconds))
    if health.retries is not None:
        yield ("--health-retries", str(health.retries))


def go_duration(seconds: float) -> str:
    """Write a duration as docker's flags read it, in whole numbers of Go's units: `288h`, `1m30s`, `500ms`, `0s`."""
    left = round(seconds * 1_000_000)
    words = []
    for unit, size in (("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)):
        number, left = divmod(left, size)
        if number:
            words.append(f"{number}{unit}")
    return "".join(words) or "0s"


def _command(spec: RunSpec) -> tuple[str, ...]:
    # docker run takes one word as entry point; the rest of a longer one stands before the command.
    rest = spec.entrypoint[1:] if spec.entrypoint else ()
    return (shlex.join((spec.image, *rest, *(spec.command or ()))),)


def _connections(spec: RunSpec) -> Iterator[tuple[str, ...]]:
    for joined in spec.networks[1:]:
        if joined.mac_address:
            continue
        words = ["network", "connect"]
        if joined.ipv4_address:
            words += ["--ip", joined.ipv4_address]
        if joined.ipv6_address:
            words += ["--ip6", joined.ipv6_address]
        for alias in joined.aliases:
            words += ["--alias", alias]
        yield (*words, joined.network, spec.name)
