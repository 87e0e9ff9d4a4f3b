"""What was on the engine before the tests and is not theirs: at their end it is all there, as it was."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kharness.engine.api import Engine
from kharness.host.session.owner import Owner
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, short_id

OURS = ("kharness-", "khd-")
"""What the names of everything begin with that tests make, but for containers of projects, which have our labels."""
_PROJECTS = re.compile(r"kt[0-9a-f]{6}-?")


@dataclass(frozen=True, slots=True)
class Bystanders:
    """What is on an engine at a moment: properties of containers by id, and of everything else by kind and name."""

    containers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def look(cls, engine: Engine, *, alone: bool = True) -> Bystanders:
        """Inspect everything that no test has made; images without a name only where no other run builds meanwhile."""
        inspected = [engine.container(each.id) for each in engine.containers()]
        containers = [each for each in inspected if each and not _is_passing(each)]
        theirs = {mount.name for each in containers if is_tests(each.name, each.labels) for mount in each.mounts}
        return cls(
            containers={each.id: _properties(each) for each in containers if not is_tests(each.name, each.labels)},
            others=dict(_others(engine, theirs, unnamed=alone)),
        )

    def harmed(self, after: Bystanders) -> Iterator[str]:
        """Yield a sentence for everything that is gone or has changed since; what has been added is none."""
        for container, old in self.containers.items():
            new = after.containers.get(container)
            name = f"container {old['name']} ({short_id(container)})"
            if new is None:
                yield f"{name} is gone"
            else:
                yield from (f"{name}: its {key} was {old[key]}, is {new[key]}" for key in old if old[key] != new[key])
        for name, identity in self.others.items():
            now = after.others.get(name)
            if now is None:
                yield f"{name} is gone"
            elif now != identity:
                yield f"{name} is another one: was {identity}, is {now}"


def is_tests(name: str, said: Mapping[str, str]) -> bool:
    """Whether tests have made something, this run's or another's."""
    folder = said.get(labels.FOLDER)
    return (
        name.startswith(OURS)
        or _PROJECTS.match(said.get(labels.NAME) or name) is not None
        or Owner.from_labels(said) is not None
        or (folder is not None and Path(folder).is_relative_to(tempfile.gettempdir()))
    )


def _is_passing(found: ContainerFacts) -> bool:
    """Whether it ends, and is gone, when it likes: started with --rm, or for a step of a build, which logs nothing."""
    host = found.raw.get("HostConfig", {})
    of_a_build = not host.get("RestartPolicy", {}).get("Name") and host.get("LogConfig", {}).get("Type") == "none"
    return bool(host.get("AutoRemove")) or of_a_build


def _properties(found: ContainerFacts) -> dict[str, str]:
    addresses = ", ".join(f"{network} {address}" for network, address in sorted(found.addresses.items()))
    return {
        "name": found.name,
        "state": found.state,
        "start": found.started_at,
        "image": found.image_id,
        "restart policy": found.restart_policy,
        "place": addresses or "no network",
    }


def _others(engine: Engine, theirs: set[str], *, unnamed: bool) -> Iterator[tuple[str, str]]:
    for image in engine.images():
        for name in image.tags or ((image.id,) if unnamed else ()):
            if not is_tests(name, image.labels if not image.tags else {}):
                yield f"image {name}", image.id
    for volume in engine.volumes():
        if volume.name not in theirs and not is_tests(volume.name, volume.labels):
            yield f"volume {volume.name}", f"a volume of the driver {volume.driver}"
    for network in engine.networks():
        if not is_tests(network.name, network.labels):
            yield f"network {network.name}", network.id
