"""The fake's networks and volumes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path

from kharness.engine.api import NetworkRequest
from kharness.errors import ConflictError
from kharness.plan.facts import NetworkFacts, VolumeFacts
from kharness.testing.images import matches
from kharness.testing.recording import Recorder, recorded

SPECIAL = {"bridge": "bridge", "host": "host", "none": "null"}


class FakeNetworks(Recorder):
    """The part of the fake that is about networks."""

    def __init__(self) -> None:
        super().__init__()
        self.nets: dict[str, NetworkFacts] = {}
        for name, driver in SPECIAL.items():
            subnets = ("172.17.0.0/16",) if name == "bridge" else ()
            self.nets[name] = NetworkFacts(id=_id(name), name=name, driver=driver, subnets=subnets)

    @recorded
    def network(self, ref: str) -> NetworkFacts | None:
        """See `Engine`."""
        return self._net(ref)

    @recorded
    def networks(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[NetworkFacts, ...]:
        """See `Engine`."""
        return tuple(net for net in self.nets.values() if matches(net.labels, labels))

    @recorded
    def create_network(self, request: NetworkRequest) -> NetworkFacts:
        """See `Engine`."""
        if request.name in self.nets:
            raise ConflictError(f"network {request.name}: a network of that name exists")
        subnet = request.subnet or f"172.{17 + len(self.nets)}.0.0/16"
        taken = [ip_network(other) for net in self.nets.values() for other in net.subnets]
        if any(ip_network(subnet).overlaps(other) for other in taken):
            raise ConflictError(f"network {request.name}: {subnet} overlaps with another network")
        made = NetworkFacts(
            id=_id(request.name),
            name=request.name,
            driver=request.driver,
            internal=request.internal,
            labels=dict(request.labels),
            subnets=(subnet,),
            bridge=f"br-{_id(request.name)[:12]}" if request.driver == "bridge" else None,
        )
        self.nets[request.name] = made
        return made

    @recorded
    def remove_network(self, network: str) -> None:
        """See `Engine`."""
        found = self._net(network)
        if found is None:
            return
        if found.containers:
            raise ConflictError(f"network {network}: containers are on it")
        del self.nets[found.name]

    def _net(self, ref: str) -> NetworkFacts | None:
        raise NotImplementedError


class FakeVolumes(Recorder):
    """The part of the fake that is about volumes; with a `root` they have real directories below it."""

    def __init__(self) -> None:
        super().__init__()
        self.root: Path | None = None
        self.vols: dict[str, VolumeFacts] = {}

    @recorded
    def volume(self, name: str) -> VolumeFacts | None:
        """See `Engine`."""
        return self.vols.get(name)

    @recorded
    def volumes(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[VolumeFacts, ...]:
        """See `Engine`."""
        return tuple(volume for volume in self.vols.values() if matches(volume.labels, labels))

    @recorded
    def create_volume(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        driver: str = "local",  # noqa: ARG002 - the fake engine has one
    ) -> VolumeFacts:
        """See `Engine`."""
        if name in self.vols:
            raise ConflictError(f"there is a volume {name} already")
        return self._make_volume(name, labels or {}, options or {})

    @recorded
    def remove_volume(self, name: str) -> None:
        """See `Engine`."""
        if name in self._mounted():
            raise ConflictError(f"volume {name}: a container has it")
        self.vols.pop(name, None)

    def _make_volume(
        self, name: str, labels: Mapping[str, str], options: Mapping[str, str] | None = None
    ) -> VolumeFacts:
        place = (self.root or Path("/fake")) / "volumes" / name / "_data"
        if self.root:
            place.mkdir(parents=True)
        self.vols[name] = VolumeFacts(
            name=name, labels=dict(labels), mountpoint=str(place), options=dict(options or {})
        )
        return self.vols[name]

    def _mounted(self) -> Iterable[str]:
        raise NotImplementedError


def _id(name: str) -> str:
    return hashlib.sha256(f"network {name}".encode()).hexdigest()
