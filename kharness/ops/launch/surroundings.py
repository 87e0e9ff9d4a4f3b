"""What a service of a Compose project needs around its container: networks, volumes, files, as Compose makes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from kharness.engine.api import Engine, NetworkRequest
from kharness.errors import ConflictError, EngineError
from kharness.ops.harness import Harness
from kharness.settings.compose.folder import LABEL
from kharness.settings.compose.identity import definition_labels
from kharness.settings.compose.origin import Definition, ServiceOrigin

POOL = {"subnet": "Subnet", "gateway": "Gateway", "ip_range": "IPRange", "aux_addresses": "AuxiliaryAddresses"}
"""Keys of a network's address pool, and the engine's names for them."""


def ensure_surroundings(harness: Harness, origin: ServiceOrigin) -> tuple[str, ...]:
    """Create the networks and volumes of a service that are not there; returns notes about volumes of others.

    None is ever removed. Raises `ConflictError` where a network is another project's, or was made by hand, and where an
    external network or volume is missing.
    """
    for network in origin.networks.values():
        _ensure_network(harness, origin, network)
    return tuple(note for volume in origin.volumes.values() for note in _ensure_volume(harness, origin, volume))


def give_files(engine: Engine, origin: ServiceOrigin, container: str) -> None:
    """Put secrets and configs with contents of their own into a container that was created, and has not started."""
    for each in origin.given:
        engine.write_file(container, each.target, each.content, mode=each.mode, owner=(each.uid, each.gid))


def _ensure_network(harness: Harness, origin: ServiceOrigin, wanted: Definition) -> None:
    engine = harness.engine
    found = engine.network(wanted.name)
    who = f"{origin.service}: networks.{wanted.key}"
    if wanted.external:
        if found is None:
            raise ConflictError(f"{who}: is external, and there is no network {wanted.name}")
        return
    if found is not None:
        owner = found.labels.get(f"{LABEL}project")
        if owner is None:
            raise ConflictError(
                f"{who}: there is a network {wanted.name} that was not made for a Compose project; "
                "'external: true' uses it"
            )
        if owner != origin.project:
            raise ConflictError(f"{who}: the network {wanted.name} belongs to project {owner!r}")
        return
    with suppress(ConflictError):
        # Another service of the project may have made it meanwhile.
        engine.create_network(_request(origin, wanted))
    if engine.network(wanted.name) is None:
        raise EngineError(f"{who}: the network {wanted.name} cannot be made; its subnet may be taken")


def _request(origin: ServiceOrigin, wanted: Definition) -> NetworkRequest:
    said = wanted.said
    ipam = said.get("ipam") or {}
    return NetworkRequest(
        name=wanted.name,
        driver=said.get("driver") or "bridge",
        internal=bool(said.get("internal")),
        labels=definition_labels(origin, wanted, kind="network"),
        options=said.get("driver_opts") or {},
        pools=tuple(
            {POOL[key]: value for key, value in pool.items() if key in POOL} for pool in ipam.get("config") or ()
        ),
        ipam_driver=ipam.get("driver") or "default",
        ipam_options=ipam.get("options") or {},
        attachable=bool(said.get("attachable")),
        enable_ipv6=bool(said.get("enable_ipv6")),
    )


def _ensure_volume(harness: Harness, origin: ServiceOrigin, wanted: Definition) -> Iterator[str]:
    engine = harness.engine
    found = engine.volume(wanted.name)
    who = f"volumes.{wanted.key}"
    if found is None and wanted.external:
        raise ConflictError(f"{origin.service}: {who}: is external, and there is no volume {wanted.name}")
    if found is None:
        with suppress(ConflictError):
            engine.create_volume(
                wanted.name,
                labels=definition_labels(origin, wanted, kind="volume"),
                options=wanted.said.get("driver_opts") or {},
                driver=wanted.said.get("driver") or "local",
            )
    elif not wanted.external and (owner := found.labels.get(f"{LABEL}project")) != origin.project:
        made = f"made for project {owner!r}" if owner else "not made for a Compose project"
        yield f"{who}: the volume {wanted.name} was {made}; it is used as it is"
