"""The checks of a container: gather their evidence, judge by them, and refuse waivers that make no sense."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from kharness.errors import KharnessError, Problem, SettingsError, UnseenError, UsageError
from kharness.ops.drift.scan import drift_of
from kharness.ops.harness import Harness
from kharness.ops.image.contents import image_content
from kharness.ops.image.source import final_dockerfile, service_prefix
from kharness.ops.launch.deviations import changes_of
from kharness.ops.release.ledger import recorded_live
from kharness.ops.session.readiness import NotYetError, listening
from kharness.plan.checks.catalog import BY_ID, CHECKS, unknown_waivers
from kharness.plan.checks.check import Check, Judgement, rule
from kharness.plan.checks.content import Content
from kharness.plan.checks.image import Age, ImageStory, Origin
from kharness.plan.checks.launch import Bind, Launch, inspected, planned
from kharness.plan.checks.production import LiveImage, ManualChanges, UnexpectedChanges
from kharness.plan.checks.running import Running, programs
from kharness.plan.facts import ContainerFacts, EngineFacts, ImageFacts, PortRef
from kharness.plan.host import program
from kharness.plan.image.build import ROOT_ARG, base_images, local_base
from kharness.plan.image.tags import LIVE
from kharness.plan.launch.plan import Subject, plan_production_launch
from kharness.plan.session.modes import Mode
from kharness.plan.session.readiness import exposed_ports
from kharness.plan.text import moment
from kharness.settings.catalog import ContainerDir
from kharness.settings.host import HostSettings
from kharness.settings.model import Settings

Part = TypeVar("Part")
EPHEMERAL = 32768
"""The first port that the kernel gives to a program that asks for none (ip_local_port_range, ip(7))."""
EARLIEST = 1990
"""Reproducible images have a creation time before there were images."""


@dataclass(kw_only=True)
class Inspection:
    """The evidence about one container directory; `container` is the session's instance, or production's.

    Each part is gathered when it is first needed, and then kept, even if that failed: with `UnseenError`, or another
    error of the engine or the host.
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
        """Return the evidence of a type."""
        if kind not in self._kept:
            try:
                self._kept[kind] = self._sources[kind]()
            except KharnessError as error:
                # Several checks need it, and a failed read of an image takes as long as a successful one.
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
            LiveImage: self._live_image,
            UnexpectedChanges: self._changes,
            ManualChanges: self._by_hand,
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
        """Follow links of sources, and add named volumes that are directories of the host."""
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
        # An imported image has no history.
        return ImageStory(image=self.image, history=self.harness.engine.history(self.image.id))

    def _origin(self) -> Origin:
        if self.settings.image is not None:
            return Origin(references=(self.settings.image,))
        args = dict(self.settings.build.args) if self.settings.build else {}
        text = final_dockerfile(self.harness, self.directory, self.settings)
        # This host's base image is made of packages, or pulled by the digest in its lock file.
        references = base_images(text, args={ROOT_ARG: ROOT_ARG, **args})
        own = (each for each in references if self._is_own(each))
        return Origin(references=references, locked=frozenset({*own, ROOT_ARG, "scratch"}))

    def _is_own(self, reference: str) -> bool:
        names = [each.name for each in self.harness.catalog.directories]
        prefix = service_prefix(self.harness)
        if local_base(reference, repository=self.harness.repository, names=names, prefix=prefix):
            return True
        # A base of another folder of container directories: only the gate moves its live image, and the ledger has the
        # digest.
        if not reference.endswith(f":{LIVE}"):
            return False
        found = self.harness.engine.image(reference)
        return found is not None and found.id in self.harness.state.recorded_images()

    def _age(self) -> Age:
        created = moment(self.image.created)
        return Age(created=created if created and created.year > EARLIEST else None, now=self.now)

    def _running(self) -> Running:
        found = self._instance()
        exposed = exposed_ports(self.settings, self.image)
        listed = self.harness.engine.processes(found.id)
        if not any(each.pid == found.pid for each in listed):
            raise UnseenError(f"{found.name}: the engine does not list its first process")
        return Running(
            programs=programs(listed, first=found.pid),
            started=program(str(found.raw.get("Path", ""))),
            listening=self._ports(found, exposed),
            # The kernel has no table of SCTP sockets.
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

    def _live_image(self) -> LiveImage:
        name = self.directory.name
        live = self.harness.engine.image(self.harness.tags(name).live)
        return LiveImage(
            runs=self._instance().image_id,
            live=live.id if live else "",
            recorded=recorded_live(self.harness, name),
        )

    def _changes(self) -> UnexpectedChanges:
        today = self.now.date()
        left = drift_of(self.harness, self.directory.name, self.settings, self._instance(), today=today)
        return UnexpectedChanges(left=left)

    def _by_hand(self) -> ManualChanges:
        return ManualChanges(changes=changes_of(self.harness, self.directory, self._instance()).by_hand)

    def _instance(self) -> ContainerFacts:
        found = self.harness.engine.container(self.container)
        if found is None or not found.running:
            state = "is gone" if found is None else f"is {found.state}"
            raise UnseenError(f"{self.container} {state}: only a running container can be inspected")
        return found


def now() -> datetime:
    """Return the time in this host's zone: waivers and expectations end with a local day."""
    return datetime.now(tz=UTC).astimezone()


def refuse_unknown_waivers(directory: ContainerDir, settings: Settings) -> None:
    """Raise `SettingsError` for a waiver of an unknown check."""
    problems = [
        Problem(
            directory.settings_file,
            f"policy.waive.{identifier}",
            "should be the identifier of a check; 'kharness policy list' shows all",
        )
        for identifier in unknown_waivers(settings.policy)
    ]
    if problems:
        raise SettingsError(problems)


def refuse_host_waivers(host: HostSettings) -> None:
    """Raise `UsageError` where the host waives an unknown check, or a check that gates."""
    for identifier in sorted(host.waive):
        check = BY_ID.get(identifier)
        if check is None or check.gates:
            what = "there is no such check" if check is None else "a container waives it in its settings.yaml"
            fitting = ", ".join(each.id for each in CHECKS if not each.gates)
            raise UsageError(f"the host's configuration: waive.{identifier}: should be one of {fitting}; {what}")


def refuse_unenforceable(host: HostSettings) -> None:
    """Raise `UsageError` where the host enforces something other than a check of the host."""
    of_host = [check.id for check in CHECKS if check.of_host]
    for identifier in host.enforce:
        if identifier not in of_host:
            what = "there is no such check" if identifier not in BY_ID else "it is about a container"
            raise UsageError(
                f"the host's configuration: enforce: should have checks of the host ({', '.join(of_host)}), "
                f"not {identifier}: {what}"
            )


def examine(inspection: Inspection, check: Check[Any]) -> Judgement:
    """Judge the evidence of a check.

    Raises `KharnessError` where the evidence cannot be gathered, unless the container waives the check.
    """
    policy, today = inspection.settings.policy, inspection.now.date()
    try:
        findings = tuple(check.judge(inspection.part(check.part), policy))
    except UnseenError as error:
        waiver = policy.waive.get(check.id)
        if waiver is None or waiver.expired(today):
            raise
        findings = (f"it cannot be checked: {error}",)
    host = inspection.harness.host
    return rule(check, findings, policy, mode=inspection.mode, today=today, of_host=host.waive, enforced=host.enforce)
