"""A RunSpec as the `docker run` line that a person could paste."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from kharness.plan.facts import HealthFacts
from kharness.plan.runspec import Mount, MountKind, Publish, RunSpec

HIDDEN = "***"


def docker_line(spec: RunSpec, *, hide: frozenset[str] = frozenset(), multiline: bool = True) -> str:
    """Return the equivalent `docker run` command; values of the variables in `hide` are not shown.

    Further networks cannot be said in one `docker run`; they follow as `docker network connect` lines.
    """
    words = ["docker run --detach", *(shlex.join(option) for option in _options(spec, hide)), *_command(spec)]
    line = (" \\\n    " if multiline else " ").join(words)
    return "\n".join((line, *_connects(spec)))


def docker_words(spec: RunSpec) -> tuple[str, ...]:
    """Return the words of a `docker run` that stays in the foreground, without `docker`; only its first network."""
    rest = spec.entrypoint[1:] if spec.entrypoint else ()
    options = (word for option in _options(spec, frozenset()) for word in option)
    return ("run", *options, spec.image, *rest, *(spec.command or ()))


def _options(spec: RunSpec, hide: frozenset[str]) -> Iterator[tuple[str, ...]]:
    yield ("--name", spec.name)
    yield from _identity(spec)
    yield from _surroundings(spec, hide)
    yield from _rights(spec)
    yield from _limits(spec)
    for mount in spec.mounts:
        yield _mount(mount)
    if spec.health:
        yield from _health(spec.health)
    if spec.entrypoint is not None:
        yield ("--entrypoint", spec.entrypoint[0] if spec.entrypoint else "")


def _identity(spec: RunSpec) -> Iterator[tuple[str, ...]]:
    if spec.hostname:
        yield ("--hostname", spec.hostname)
    if spec.user:
        yield ("--user", spec.user)
    if spec.working_dir:
        yield ("--workdir", spec.working_dir)
    if spec.restart != "no":
        retries = f":{spec.restart_retries}" if spec.restart_retries else ""
        yield ("--restart", spec.restart + retries)
    if spec.init:
        yield ("--init",)
    for flag, said in (("--tty", spec.tty), ("--interactive", spec.stdin), ("--rm", spec.remove)):
        if said:
            yield (flag,)


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
    for server in spec.dns:
        yield ("--dns", server)
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


def _rights(spec: RunSpec) -> Iterator[tuple[str, ...]]:
    if spec.read_only:
        yield ("--read-only",)
    for capability in spec.cap_drop:
        yield ("--cap-drop", capability)
    for capability in spec.cap_add:
        yield ("--cap-add", capability)
    for option in spec.security_opt:
        yield ("--security-opt", option)
    for name, value in spec.sysctls.items():
        yield ("--sysctl", f"{name}={value}")
    for host, container, permissions in spec.devices:
        yield ("--device", f"{host}:{container}:{permissions}")


def _limits(spec: RunSpec) -> Iterator[tuple[str, ...]]:
    limits = spec.limits
    for flag, value in (
        ("--memory", limits.memory),
        ("--memory-swap", limits.memory_swap),
        ("--cpus", limits.cpus),
        ("--pids-limit", limits.pids),
        ("--stop-signal", spec.stop_signal),
        ("--stop-timeout", None if spec.stop_timeout is None else round(spec.stop_timeout)),
    ):
        if value is not None:
            yield (flag, str(value))
    for name, soft, hard in limits.ulimits:
        yield ("--ulimit", f"{name}={soft}:{hard}")


def _mount(mount: Mount) -> tuple[str, str]:
    if mount.kind is MountKind.TMPFS:
        options = [*mount.options]
        if mount.size is not None:
            options.append(f"size={mount.size}")
        if mount.mode is not None:
            options.append(f"mode={mount.mode:o}")
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
    return ("--mount", ",".join(fields))


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
    ):
        if seconds is not None:
            yield (flag, f"{seconds:g}s")
    if health.retries is not None:
        yield ("--health-retries", str(health.retries))


def _command(spec: RunSpec) -> tuple[str, ...]:
    # docker run takes one word as entry point; the rest of a longer one stands before the command.
    rest = spec.entrypoint[1:] if spec.entrypoint else ()
    return (shlex.join((spec.image, *rest, *(spec.command or ()))),)


def _connects(spec: RunSpec) -> Iterator[str]:
    for joined in spec.networks[1:]:
        words = ["docker", "network", "connect"]
        if joined.ipv4_address:
            words += ["--ip", joined.ipv4_address]
        for alias in joined.aliases:
            words += ["--alias", alias]
        yield shlex.join((*words, joined.network, spec.name))
