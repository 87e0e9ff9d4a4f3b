"""What a process needs to know to work with an instance that another one launched: plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.docker_line import docker_line
from kharness.plan.launch.plan import LaunchPlan, Subject
from kharness.plan.launch.runspec import MountKind
from kharness.plan.session.modes import Mode
from kharness.plan.session.readiness import exposed_ports
from kharness.settings.layers import for_test

LOOPBACK = frozenset({"", "0.0.0.0", "127.0.0.1"})  # noqa: S104 - what is published there is reached at 127.0.0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFacts:
    """What a process must know to work with an instance that another one launched. Plain values: it travels as JSON."""

    name: str
    container: str
    id: str
    image: str
    mode: str
    address: str = ""
    ports: tuple[str, ...] = ()
    published: Mapping[str, int] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    line: str = ""
    ready_after: float = 0.0

    def to_json(self) -> str:
        """Return the JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> InstanceFacts:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        values["ports"] = tuple(values["ports"])
        return cls(**values)


def instance_facts(
    subject: Subject,
    plan: LaunchPlan,
    found: ContainerFacts,
    *,
    mode: Mode,
    ready_after: float = 0.0,
    notes: Mapping[str, str] | None = None,
) -> InstanceFacts:
    """Put together what tests must know of a running container; `notes` say how its volumes were at the launch."""
    volumes: dict[str, str] = {}
    mounted = {mount.target: mount.source for mount in found.mounts}
    said_volumes = subject.settings.volumes if mode is Mode.IN_PROD else for_test(subject.settings).volumes
    for said, volume in zip(said_volumes, plan.volumes, strict=True):
        bind = volume.mount.kind is MountKind.BIND
        source = volume.mount.source if bind else mounted.get(volume.mount.target)
        if source:
            volumes[volume.mount.target] = source
            if said.source:
                volumes[said.source.removeprefix("./")] = source
    return InstanceFacts(
        name=subject.name,
        container=found.name,
        id=found.id,
        image=found.image_id,
        mode=mode.value,
        address=next((address for address in found.addresses.values() if address), ""),
        ports=tuple(str(port) for port in exposed_ports(subject.settings, subject.image)),
        published=_reached(found) if plan.spec.publish else {},
        volumes=volumes,
        notes=notes or {},
        line=docker_line(plan.spec, hide=frozenset(subject.env)),
        ready_after=ready_after,
    )


def _reached(found: ContainerFacts) -> dict[str, int]:
    # A port of one address of the host is not there on the loopback; the container's own address answers for it.
    return {str(port.port): port.host_port for port in found.published if port.host_ip in LOOPBACK}
