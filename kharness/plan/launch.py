"""From settings, mode and facts to the container that is launched. Pure: nothing here looks at the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from kharness.errors import UsageError
from kharness.plan import labels
from kharness.plan.facts import HealthFacts, ImageFacts, PortRef
from kharness.plan.modes import Mode
from kharness.plan.mounts import Scratch, VolumePlan, plan_production, plan_test
from kharness.plan.readiness import ReadyCheck, effective_health, exposed_ports, plan_readiness, plan_test_readiness
from kharness.plan.runspec import Attachment, Limits, Mount, MountKind, Publish, RunSpec
from kharness.plan.secrets import SecretCopy, SecretValue, instance_copies, production_copies, texts
from kharness.settings.model import Settings
from kharness.settings.overlay import for_test
from kharness.settings.service import ServiceKeys

DEFAULT_PIDS = 512
DEFAULT_TMPFS = tuple(Mount(kind=MountKind.TMPFS, source=None, target=path, mode=0o1777) for path in ("/tmp", "/run"))  # noqa: S108 - paths in the container
LOOPBACK = "127.0.0.1"
NO_RESOLVER = "203.0.113.53"
"""An address of RFC 5737, which nobody has. Even for a container without a way out, an engine before 23.0.11 asks a
resolver on the host's loopback, who asks the world (CVE-2024-29018); told of another one, it does not.
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is launched: a container directory's name, its settings and its image.

    `built` says that kharness built the image and the secure defaults apply; `env` has the values that `env_file`
    names, already read, and so do `secrets`. `directory` is where the settings' relative files are.
    """

    name: str
    settings: Settings
    image: ImageFacts
    built: bool = True
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretValue, ...] = ()
    directory: Path | None = None

    @property
    def hidden(self) -> frozenset[str]:
        """The values that no report may show."""
        return frozenset(self.env.values()).union(*(texts(secret.value) for secret in self.secrets))


@dataclass(frozen=True, slots=True, kw_only=True)
class TestPlace:
    """Where a test instance lives: its name, its network, its scratch space, and the labels of its owner.

    `publish` asks for ephemeral ports on 127.0.0.1, for engines whose networks this host has no route to. `hosts` are
    names that it may reach and has no server to ask for.
    """

    __test__ = False

    name: str
    network: str
    scratch: Scratch
    labels: Mapping[str, str]
    aliases: tuple[str, ...] = ()
    publish: bool = False
    hosts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """The container to create, its volumes and secrets, and how its readiness is seen."""

    spec: RunSpec
    volumes: tuple[VolumePlan, ...]
    ready: ReadyCheck
    secrets: tuple[SecretCopy, ...] = ()


def plan_production_launch(subject: Subject, *, volume_root: PurePosixPath) -> LaunchPlan:
    """Plan the production instance: real volumes, ports, networks and labels."""
    settings = subject.settings
    volumes = tuple(plan_production(volume, name=subject.name, volume_root=volume_root) for volume in settings.volumes)
    attachments = tuple(
        Attachment(
            network=network,
            ipv4_address=said.ipv4_address,
            ipv6_address=said.ipv6_address,
            aliases=said.aliases,
        )
        for network, said in settings.networks.items()
    )
    restart = settings.restart
    secrets = production_copies(subject.secrets)
    spec = replace(
        _common(subject, settings, volumes, secrets),
        name=settings.container_name or subject.name,
        labels={**settings.labels, **labels.of_production(subject.name)},
        networks=attachments or (Attachment(network="bridge"),),
        publish=tuple(
            Publish(port=PortRef(port.target, port.protocol), host_ip=port.host_ip, host_port=port.published)
            for port in settings.ports
        ),
        # A service that dies at night must come back without anybody: Compose's own default is to leave it dead.
        restart=restart.policy if restart else "unless-stopped",
        restart_retries=restart.max_retries if restart else 0,
        log_driver=settings.logging.driver if settings.logging else None,
        log_options=settings.logging.options if settings.logging else {},
    )
    return LaunchPlan(spec=spec, volumes=volumes, ready=plan_readiness(settings, subject.image), secrets=secrets)


def plan_test_launch(subject: Subject, *, mode: Mode, place: TestPlace, volume_root: PurePosixPath) -> LaunchPlan:
    """Plan a test instance, which can hurt nothing: see the modules of mounts and of the session's network.

    Raises `UsageError` where production's `env_file`, or one of its secrets, has no test value.
    """
    refuse_unsaid_secrets(subject)
    settings = for_test(subject.settings)
    volumes = tuple(
        plan_test(volume, mode=mode, name=subject.name, volume_root=volume_root, scratch=place.scratch, index=index)
        for index, volume in enumerate(settings.volumes)
    )
    # No reverse proxy and no updater may adopt a test instance because of labels baked into its image.
    silenced = labels.silenced(subject.image.labels, but=("org.opencontainers.",))
    ports = exposed_ports(subject.settings, subject.image)
    secrets = instance_copies(subject.secrets, scratch=place.scratch.directory)
    spec = replace(
        _common(subject, settings, volumes, secrets),
        name=place.name,
        labels={**silenced, **settings.labels, **place.labels},
        networks=(Attachment(network=place.network, aliases=place.aliases),),
        publish=tuple(Publish(port=port, host_ip=LOOPBACK) for port in ports) if place.publish else (),
        restart="no",
        log_driver="json-file",
        extra_hosts=(*settings.extra_hosts, *place.hosts),
        dns=settings.dns or (() if settings.test.egress else (NO_RESOLVER,)),
        # Hardware belongs to production unless the test section names it.
        devices=_devices(settings) if "devices" in subject.settings.test.model_fields_set else (),
    )
    ready = plan_test_readiness(subject.settings, subject.image)
    return LaunchPlan(spec=spec, volumes=volumes, ready=ready, secrets=secrets)


def refuse_unsaid_secrets(subject: Subject) -> None:
    """Raise `UsageError` where a test instance would run without the values that production has."""
    settings = subject.settings
    if settings.env_file and "env_file" not in settings.test.same and "env_file" not in settings.test.model_fields_set:
        raise UsageError(
            f"{subject.name}: env_file: production's values do not go into a test instance by themselves; name a file "
            "of test values in test.env_file, or allow the real ones with 'test: {same: [env_file]}'"
        )
    untold = [name for name in settings.secrets if name not in settings.test.secrets]
    if untold and "secrets" not in settings.test.same:
        raise UsageError(
            f"{subject.name}: secrets: production's values do not go into a test instance by themselves; name files "
            f"of test values for {', '.join(untold)} in test.secrets, or allow the real ones with "
            "'test: {same: [secrets]}'"
        )


def _common(
    subject: Subject, keys: ServiceKeys, volumes: tuple[VolumePlan, ...], secrets: tuple[SecretCopy, ...]
) -> RunSpec:
    built = subject.built
    return RunSpec(
        name=subject.name,
        image=subject.image.id,
        command=keys.command,
        entrypoint=keys.entrypoint,
        environment={**subject.env, **keys.environment},
        hostname=keys.hostname or subject.name,
        user=keys.user,
        working_dir=keys.working_dir,
        mounts=(*(plan.mount for plan in volumes), *_tmpfs(keys, built=built), *(copy.mount for copy in secrets)),
        expose=tuple(PortRef(port.port, port.protocol) for port in keys.expose),
        read_only=_said(keys.read_only, built),
        cap_add=keys.cap_add,
        cap_drop=_said(keys.cap_drop, ("ALL",) if built else ()),
        security_opt=_said(keys.security_opt, ("no-new-privileges:true",) if built else ()),
        limits=Limits(
            memory=keys.mem_limit,
            memory_swap=keys.memswap_limit,
            cpus=keys.cpus,
            pids=_said(keys.pids_limit, DEFAULT_PIDS if built else None),
            ulimits=tuple((name, limit.soft, limit.hard) for name, limit in keys.ulimits.items()),
        ),
        init=_said(keys.init, True if built else None),
        stop_signal=keys.stop_signal,
        stop_timeout=keys.stop_grace_period,
        health=_health(keys, subject.image),
        dns=keys.dns,
        extra_hosts=keys.extra_hosts,
        devices=_devices(keys),
        sysctls=keys.sysctls,
        tty=bool(keys.tty),
        stdin=bool(keys.stdin_open),
    )


def _said(said: T | None, default: T) -> T:
    return default if said is None else said


def _health(keys: ServiceKeys, image: ImageFacts) -> HealthFacts | None:
    if keys.healthcheck is None:
        return None
    return effective_health(keys.healthcheck, image) or HealthFacts(test=("NONE",))


def _tmpfs(keys: ServiceKeys, *, built: bool) -> tuple[Mount, ...]:
    taken = {volume.target for volume in keys.volumes}
    if keys.tmpfs is None:
        return tuple(mount for mount in DEFAULT_TMPFS if mount.target not in taken) if built else ()
    return tuple(
        Mount(kind=MountKind.TMPFS, source=None, target=t.target, size=t.size, mode=t.mode, options=t.options)
        for t in keys.tmpfs
    )


def _devices(keys: ServiceKeys) -> tuple[tuple[str, str, str], ...]:
    return tuple((device.host, device.container, device.permissions) for device in keys.devices)
