"""A Compose project as one stack of test instances: the order of its starts, its networks, and what is shared. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from kharness.errors import UsageError
from kharness.plan.launch.mounts import VolumeAction, VolumePlan
from kharness.plan.launch.plan import LaunchPlan
from kharness.plan.launch.runspec import Attachment
from kharness.settings.compose.origin import ServiceOrigin
from kharness.settings.layers import for_test
from kharness.settings.model import Settings

DEFAULT = "default"
"""The test network of services that join none by name, such as those on the host's network."""
SERVICE = "service:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A network of the project that a service joins: its key in the file, and the names that lead to the service."""

    key: str
    aliases: tuple[str, ...]


def start_order(services: Mapping[str, Settings]) -> tuple[str, ...]:
    """Return the services, each after those that it needs or whose network or namespace it uses.

    Raises `UsageError` where they need each other in a circle.
    """
    needs = {name: [*needed(settings, services), *_hosts_of(settings, services)] for name, settings in services.items()}
    try:
        return tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise UsageError(f"depends_on: these need each other in a circle: {' -> '.join(error.args[1])}") from None


def needed(settings: Settings, services: Mapping[str, Settings]) -> dict[str, str]:
    """Return the conditions of the services that must come before; one that is not enabled need not be there."""
    return {name: said for name, said in for_test(settings).depends_on.items() if name in services}


def network_of(settings: Settings) -> str | None:
    """Return the service whose network a service uses, None where it has its own."""
    return _service_in(settings.network_mode)


def joined(settings: Settings, origin: ServiceOrigin) -> tuple[Joined, ...]:
    """Return the networks that a service joins in tests, with the names by which others find it in production.

    The host's network has no place in a test: the service is on the stack's default network instead.
    """
    if settings.network_mode == "none" or network_of(settings) is not None:
        return ()
    names = (origin.service, settings.container_name, origin.container, settings.hostname)
    own = tuple(dict.fromkeys(name for name in names if name))
    if not settings.networks:
        return (Joined(key=DEFAULT, aliases=own),)
    return tuple(
        Joined(key=origin.networks[name].key if name in origin.networks else name, aliases=_merged(own, said.aliases))
        for name, said in settings.networks.items()
    )


def has_data(settings: Settings) -> bool:
    """Whether a service keeps data: a volume or directory that it may write to outlives its container."""
    return any(volume.source is not None and not volume.read_only for volume in settings.volumes)


def placed(
    plan: LaunchPlan,
    *,
    networks: tuple[Attachment, ...],
    shared: Mapping[tuple[str, str], str],
) -> LaunchPlan:
    """Return a test instance's plan within its stack.

    `shared` has the sources that were made for services before it, by kind and real source: a volume that two services
    share is one copy that both see.
    """
    spec = plan.spec
    volumes = tuple(_shared(volume, shared) for volume in plan.volumes)
    sources = {volume.mount.target: volume.mount for volume in volumes}
    spec = replace(spec, mounts=tuple(sources.get(mount.target, mount) for mount in spec.mounts), networks=networks)
    return replace(plan, spec=spec, volumes=volumes)


def in_namespaces(plan: LaunchPlan, namespaces: Mapping[str, str]) -> LaunchPlan:
    """Return a plan that uses other containers' namespaces, by `network`, `ipc` and `pid`."""
    spec = plan.spec
    if "network" in namespaces:
        # The container whose network it is has the names and addresses; the engine refuses others beside it.
        spec = replace(
            spec,
            networks=(Attachment(network=f"container:{namespaces['network']}"),),
            hostname=None,
            dns=(),
            extra_hosts=(),
            publish=(),
            expose=(),
        )
    if "ipc" in namespaces:
        spec = replace(spec, ipc=f"container:{namespaces['ipc']}")
    if "pid" in namespaces:
        spec = replace(spec, pid=f"container:{namespaces['pid']}")
    return replace(plan, spec=spec)


def namespaces_of(settings: Settings) -> dict[str, str]:
    """Return the services whose network, IPC or process namespace a service uses."""
    said = {"network": settings.network_mode, "ipc": settings.ipc, "pid": settings.pid}
    return {key: service for key, value in said.items() if (service := _service_in(value)) is not None}


def made_sources(plan: LaunchPlan) -> dict[tuple[str, str], str]:
    """Return the sources that were made for an instance, by kind and real source."""
    return {
        (volume.mount.kind.value, volume.real): volume.mount.source
        for volume in plan.volumes
        if volume.scratch and volume.real is not None and volume.mount.source is not None
    }


def _shared(volume: VolumePlan, shared: Mapping[tuple[str, str], str]) -> VolumePlan:
    source = shared.get((volume.mount.kind.value, volume.real or ""))
    # A service that only reads must see what the others write in this stack, and not production's.
    if source is None or not (volume.scratch or (volume.mount.read_only and not volume.said)):
        return volume
    return replace(volume, mount=replace(volume.mount, source=source), action=VolumeAction.NONE, real=None)


def _hosts_of(settings: Settings, services: Mapping[str, Settings]) -> list[str]:
    return [name for name in namespaces_of(settings).values() if name in services]


def _service_in(said: str | None) -> str | None:
    return said.removeprefix(SERVICE) if said and said.startswith(SERVICE) else None


def _merged(own: tuple[str, ...], further: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*own, *further)))
