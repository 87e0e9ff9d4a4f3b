"""Gather what checks look at: from the plan of a launch, the image, the engine and the ledger."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from kharness.errors import KharnessError, UnseenError
from kharness.ops.build import read_dockerfile
from kharness.ops.cowscan import drift_of
from kharness.ops.harness import Harness
from kharness.ops.imagescan import image_content
from kharness.ops.listening import listening
from kharness.ops.rollback import WAS_LIVE
from kharness.ops.waiting import NotYetError
from kharness.plan.evidence.content import Content
from kharness.plan.evidence.drift import Drift
from kharness.plan.evidence.image import Age, ImageStory, Origin
from kharness.plan.evidence.launch import Bind, Launch, inspected, planned
from kharness.plan.evidence.running import Running, programs
from kharness.plan.evidence.standing import Standing
from kharness.plan.facts import ContainerFacts, EngineFacts, ImageFacts, PortRef
from kharness.plan.launch import Subject, plan_production_launch
from kharness.plan.modes import Mode
from kharness.plan.order import ROOT_ARG, base_images, local_base
from kharness.plan.processes import program
from kharness.plan.readiness import exposed_ports
from kharness.plan.times import moment
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings

Part = TypeVar("Part")
EPHEMERAL = 32768
"""The first port that the kernel hands out to who asks others (ip_local_port_range, ip(7))."""
EARLIEST = 1990
"""Images that are built to be the same at every build say that they were made before there were images."""


@dataclass(kw_only=True)
class Evidence:
    """Evidence about one container directory: `container` is the instance of the session, production's in production.

    Each part is looked for when it is first asked for, and then kept, as well as why it cannot be seen: `UnseenError`,
    and what else the engine and the host raise.
    """

    harness: Harness
    directory: ContainerDir
    settings: Settings
    image: ImageFacts
    container: str
    mode: Mode
    now: datetime
    _kept: dict[type[Any], object] = field(default_factory=dict)

    def part(self, kind: type[Part]) -> Part:
        """Return the part of a kind."""
        if kind not in self._kept:
            try:
                self._kept[kind] = self._sources[kind]()
            except KharnessError as error:
                # Several checks ask for it, and to read an image in vain takes as long as to read it.
                self._kept[kind] = error
        found = self._kept[kind]
        if isinstance(found, KharnessError):
            raise found
        return cast("Part", found)

    @property
    def _sources(self) -> Mapping[type[Any], Callable[[], object]]:
        return {
            Launch: self._launch,
            Content: self._content,
            ImageStory: self._story,
            Origin: self._origin,
            Age: self._age,
            Running: self._running,
            Standing: self._standing,
            Drift: self._drift,
            EngineFacts: self.harness.engine.facts,
        }

    def _launch(self) -> Launch:
        if self.mode is Mode.IN_PROD:
            found = self._instance()
            return self._resolved(inspected(found.raw, health=found.health_check))
        built = self.settings.image is None
        subject = Subject(name=self.directory.name, settings=self.settings, image=self.image, built=built)
        # The values of env_file and secrets are left out: they do not change what a container may do.
        spec = plan_production_launch(subject, volume_root=self.harness.volume_root).spec
        return self._resolved(planned(spec, self.image))

    def _resolved(self, launch: Launch) -> Launch:
        """Replace sources by what they are: links followed, and volumes that stand for a directory of the host."""
        local = self.harness.engine.facts().local
        binds = [*launch.binds]
        for each in launch.volumes:
            volume = self.harness.engine.volume(each.source)
            device = volume.options.get("device", "") if volume else ""
            if device.startswith("/"):
                binds.append(Bind(posixpath.normpath(device), each.target, writable=each.writable))
        real = (replace(each, source=os.path.realpath(each.source)) for each in binds)
        return replace(launch, binds=tuple(real) if local else tuple(binds))

    def _content(self) -> Content:
        return image_content(self.harness, self.image.id)

    def _story(self) -> ImageStory:
        # An imported image has none; of one that is not there the engine says so.
        return ImageStory(image=self.image, history=self.harness.engine.history(self.image.id))

    def _origin(self) -> Origin:
        if self.settings.image is not None:
            return Origin(references=(self.settings.image,))
        args = dict(self.settings.build.args) if self.settings.build else {}
        # The base of this host is made of packages, or pulled by the digest in its lock file.
        references = base_images(read_dockerfile(self.directory), args={ROOT_ARG: ROOT_ARG, **args})
        names = [each.name for each in self.harness.catalog.directories]
        repository = self.harness.host.repository
        own = (each for each in references if local_base(each, repository=repository, names=names))
        return Origin(references=references, locked=frozenset({*own, ROOT_ARG, "scratch"}))

    def _age(self) -> Age:
        created = moment(self.image.created)
        return Age(created=created if created and created.year > EARLIEST else None, now=self.now)

    def _running(self) -> Running:
        found = self._instance()
        exposed = exposed_ports(self.settings, self.image)
        listed = self.harness.engine.processes(found.id)
        if not any(each.pid == found.pid for each in listed):
            raise UnseenError(f"{found.name}: its first process is not among those that the engine lists")
        return Running(
            programs=programs(listed, first=found.pid),
            started=program(str(found.raw.get("Path", ""))),
            listening=self._ports(found, exposed),
            # The kernel has no table of SCTP's.
            exposed=frozenset(port for port in exposed if port.protocol in {"tcp", "udp"}),
        )

    def _ports(self, found: ContainerFacts, exposed: tuple[PortRef, ...]) -> frozenset[PortRef]:
        engine = self.harness.engine
        try:
            tcp = {PortRef(number) for number in listening(engine, found)}
            udp = {PortRef(number, "udp") for number in listening(engine, found, protocol="udp")}
        except NotYetError as error:
            raise UnseenError(f"{found.name}: {error}") from error
        return frozenset(tcp | {port for port in udp if port.number < EPHEMERAL or port in exposed})

    def _standing(self) -> Standing:
        name = self.directory.name
        live = self.harness.engine.image(self.harness.tags(name).live)
        releases = self.harness.state.releases(name, limit=1000)
        return Standing(
            runs=self._instance().image_id,
            live=live.id if live else "",
            recorded=next((each.image_id for each in releases if each.kind in WAS_LIVE), ""),
        )

    def _drift(self) -> Drift:
        today = self.now.date()
        left = drift_of(self.harness, self.directory.name, self.settings, self._instance(), today=today)
        return Drift(left=left)

    def _instance(self) -> ContainerFacts:
        found = self.harness.engine.container(self.container)
        if found is None or not found.running:
            state = "is gone" if found is None else f"is {found.state}"
            raise UnseenError(f"{self.container} {state}: of a container that does not run nothing is known")
        return found


def now() -> datetime:
    """Return the time in this host's zone: waivers and expectations end with a day of its calendar."""
    return datetime.now(tz=UTC).astimezone()
