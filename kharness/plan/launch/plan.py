"""From settings, mode and facts to the container that is launched, and the key of what was launched. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from kharness.errors import UsageError
from kharness.plan import labels
from kharness.plan.facts import HealthFacts, ImageFacts, PortRef
from kharness.plan.launch.environment import SecretCopy, SecretValue, instance_copies, production_copies, texts
from kharness.plan.launch.mounts import Scratch, VolumePlan, plan_production, plan_test
from kharness.plan.launch.runspec import Attachment, Mount, MountKind, Publish, RunSpec
from kharness.plan.session.modes import Mode
from kharness.plan.session.readiness import (
    ReadyCheck,
    effective_health,
    exposed_ports,
    plan_readiness,
    plan_test_readiness,
)
from kharness.settings.compose.folder import LABEL
from kharness.settings.compose.origin import ServiceOrigin
from kharness.settings.layers import for_test
from kharness.settings.model import Settings
from kharness.settings.plain import BY_KEY, PLAIN
from kharness.settings.service import ServiceKeys

DEFAULT_PIDS: int = BY_KEY["pids_limit"].built
DEFAULT_TMPFS = tuple(Mount(kind=MountKind.TMPFS, source=None, target=path, mode=0o1777) for path in ("/tmp", "/run"))  # noqa: S108 - paths in the container
LOOPBACK = "127.0.0.1"
NO_RESOLVER = "203.0.113.53"
"""An address of RFC 5737, which no host has. Even for a container without a way out, an engine before 23.0.11 asks a
resolver on the host's loopback, which asks the world (CVE-2024-29018); with another one configured, it does not.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is launched: a container directory's name, its settings and its image.

    `built` says that kharness built the image and the secure defaults apply; `env` has the values that `env_file`
    names, already read, and so do `secrets`. `directory` is where the settings' relative files are, `labels` are those
    by which production's container is recognized. `origin` is what Compose makes around a service of its projects, None
    for a container directory. `start_interval` says that the engine knows that of a health check.
    """

    name: str
    settings: Settings
    image: ImageFacts
    built: bool = True
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretValue, ...] = ()
    directory: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    origin: ServiceOrigin | None = None
    start_interval: bool = True

    @property
    def hidden(self) -> frozenset[str]:
        """The values that no report may show."""
        given = self.origin.given if self.origin else ()
        return frozenset(self.env.values()).union(
            *(texts(secret.value) for secret in self.secrets),
            *(texts(each.content) for each in given if each.secret),
        )


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
    settings, origin = subject.settings, subject.origin
    volumes = tuple(
        plan_production(volume, name=subject.name, volume_root=volume_root, everywhere=origin is not None)
        for volume in settings.volumes
    )
    attachments = tuple(
        Attachment(
            network=network,
            ipv4_address=said.ipv4_address,
            ipv6_address=said.ipv6_address,
            aliases=said.aliases,
            mac_address=said.mac_address,
        )
        for network, said in settings.networks.items()
    )
    if not attachments:
        # The engine's word for no network at all is that there is none to join.
        mode = settings.network_mode or "bridge"
        attachments = () if mode == "none" else (Attachment(network=mode),)
    if settings.mac_address is not None and attachments:
        attachments = (replace(attachments[0], mac_address=settings.mac_address), *attachments[1:])
    restart = settings.restart
    secrets = production_copies(subject.secrets)
    spec = replace(
        _common(subject, settings, volumes, secrets),
        name=origin.container if origin else settings.container_name or subject.name,
        labels={**settings.labels, **(_compose_labels(subject, origin) if origin else {}), **subject.labels},
        networks=attachments,
        publish=tuple(
            Publish(port=PortRef(port.target, port.protocol), host_ip=port.host_ip, host_port=port.published)
            for port in settings.ports
        ),
        # A service that dies at night must come back without anybody: Compose's own default is to leave it dead.
        restart=restart.policy if restart else "no" if origin else "unless-stopped",
        restart_retries=restart.max_retries if restart else 0,
        log_driver=settings.logging.driver if settings.logging else None,
        log_options=settings.logging.options if settings.logging else {},
    )
    return LaunchPlan(spec=spec, volumes=volumes, ready=plan_readiness(settings, subject.image), secrets=secrets)


def _compose_labels(subject: Subject, origin: ServiceOrigin) -> dict[str, str]:
    return {**origin.labels, f"{LABEL}image": subject.image.id}


def with_laid(plan: LaunchPlan, said: str) -> LaunchPlan:
    """Label a plan of production with what no file says of its settings; nothing is no label."""
    if not said:
        return plan
    return replace(plan, spec=replace(plan.spec, labels={**plan.spec.labels, labels.LAID: said}))


def plan_test_launch(
    subject: Subject, *, mode: Mode, place: TestPlace, volume_root: PurePosixPath, missing: Container[str] = ()
) -> LaunchPlan:
    """Plan a test instance, which can hurt nothing: see the modules of mounts and of the session's network.

    `missing` are the directories that a launch of production would make. Raises `UsageError` where production's
    `env_file`, or one of its secrets, has no test value.
    """
    refuse_unsaid_secrets(subject)
    settings = for_test(subject.settings)
    volumes = tuple(
        plan_test(
            volume,
            mode=mode,
            name=subject.name,
            volume_root=volume_root,
            scratch=place.scratch,
            index=index,
            missing=missing,
            configured=subject.origin is not None,
        )
        for index, volume in enumerate(settings.volumes)
    )
    # No reverse proxy and no updater may adopt a test instance because of labels baked into its image.
    silenced = labels.silenced(subject.image.labels, but=("org.opencontainers.",))
    ports = exposed_ports(subject.settings, subject.image)
    secrets = instance_copies(subject.secrets, scratch=place.scratch.directory)
    spec = replace(
        _common(subject, settings, volumes, secrets),
        name=place.name,
        labels={**silenced, **settings.labels, **place.labels, labels.IMAGE: subject.image.id},
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


def names_on_network(subject: Subject, *, others: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names under which production is found by other containers: service, container, hostname, aliases.

    A name of `others` that run on the same network is theirs.
    """
    settings = subject.settings
    aliases = (alias for network in settings.networks.values() for alias in network.aliases)
    further = (settings.container_name, settings.hostname, *aliases)
    taken = set(others)
    return tuple(dict.fromkeys((subject.name, *(name for name in further if name and name not in taken))))


def refuse_unsaid_secrets(subject: Subject) -> None:
    """Raise `UsageError` where a test instance would run without the values that production has."""
    settings = subject.settings
    if subject.origin is not None:
        _refuse_open_secrets(subject, subject.origin)
        return
    if settings.env_file and "env_file" not in settings.test.same and "env_file" not in settings.test.model_fields_set:
        raise UsageError(
            f"{subject.name}: env_file: production's values do not go into a test instance by themselves; name a file "
            "of test values in test.env_file, or allow the real ones with 'test: {same: [env_file]}'"
        )
    missing = [name for name in settings.secrets if name not in settings.test.secrets]
    if missing and "secrets" not in settings.test.same:
        raise UsageError(
            f"{subject.name}: secrets: production's values do not go into a test instance by themselves; name files "
            f"of test values for {', '.join(missing)} in test.secrets, or allow the real ones with "
            "'test: {same: [secrets]}'"
        )


def _refuse_open_secrets(subject: Subject, origin: ServiceOrigin) -> None:
    # An instance without a way out has production's values; where egress opens one, they are allowed by name.
    test = subject.settings.test
    if test.egress is False:
        return
    named = sorted(subject.settings.environment.keys() - test.environment.keys())
    if named and "env_file" not in test.same:
        raise UsageError(
            f"{subject.name}: test.egress opens a way out for production's values; give test values of "
            f"{', '.join(named)} in test.environment, or allow the real ones with 'test: {{same: [env_file]}}'"
        )
    if (origin.secrets or any(each.secret for each in origin.given)) and "secrets" not in test.same:
        raise UsageError(
            f"{subject.name}: test.egress opens a way out for production's secrets; allow that with "
            "'test: {same: [secrets]}'"
        )


def _common(
    subject: Subject, keys: ServiceKeys, volumes: tuple[VolumePlan, ...], secrets: tuple[SecretCopy, ...]
) -> RunSpec:
    # In a Compose project Docker's own defaults hold, for what is built as well.
    built = subject.built and subject.origin is None
    return RunSpec(
        name=subject.name,
        image=subject.image.id,
        command=keys.command,
        entrypoint=keys.entrypoint,
        environment={**subject.env, **keys.environment},
        mounts=(*(plan.mount for plan in volumes), *_tmpfs(keys, built=built), *(copy.mount for copy in secrets)),
        expose=tuple(PortRef(port.port, port.protocol) for port in keys.expose),
        ulimits=tuple((name, limit.soft, limit.hard) for name, limit in keys.ulimits.items()),
        health=_health(keys, subject),
        extra_hosts=keys.extra_hosts,
        devices=_devices(keys),
        **{**_plain(keys, built=built), "hostname": keys.hostname or (None if subject.origin else subject.name)},
    )


def _plain(keys: ServiceKeys, *, built: bool) -> dict[str, Any]:
    found = {row.key: getattr(keys, row.key) for row in PLAIN}
    defaults = {row.key: row.unset if row.built is None or not built else row.built for row in PLAIN}
    return {key: defaults[key] if value is None else value for key, value in found.items()}


def _health(keys: ServiceKeys, subject: Subject) -> HealthFacts | None:
    if keys.healthcheck is None:
        return None
    found = effective_health(keys.healthcheck, subject.image) or HealthFacts(test=("NONE",))
    return found if subject.start_interval else replace(found, start_interval=None)


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


BESIDE = frozenset({labels.INPUTS, labels.PROJECT, labels.FOLDER, labels.IMAGE})
"""Labels that do not change what is asked for: a project that is moved, or named, needs no relaunch."""


LIMITS = {
    "mem_limit": "memory",
    "memswap_limit": "memory_swap",
    "shm_size": "shm",
    "cpus": "cpus",
    "pids_limit": "pids",
    "ulimits": "ulimits",
}
RENAMED = {"stdin_open": "stdin", "stop_grace_period": "stop_timeout"}
"""Fields of a `RunSpec`, and the names by which they always go into the key."""
FIRST = frozenset(
    {
        *("cap_add", "cap_drop", "cpus", "dns", "hostname", "init", "mem_limit", "memswap_limit", "pids_limit"),
        *("read_only", "security_opt", "shm_size", "stdin_open", "stop_grace_period", "stop_signal", "sysctls"),
        *("tty", "user", "working_dir"),
    }
)
"""The plain keys that go in whether they are set or not, as the first version wrote them."""


def spec_key(spec: RunSpec) -> str:
    """Return 16 hexadecimal digits that two specifications share exactly when they ask for the same container.

    Production has it as a label, and later versions of kharness compare it with theirs: so the text that is hashed
    never changes for a container that the first version could launch. What was added later goes in only where it is
    set, a plain key by its field in the create body. Environment values go in only as part of the hash.
    """
    told = {key: value for key, value in spec.labels.items() if key not in BESIDE}
    asked = asdict(replace(spec, labels=told))
    later = [(row.field, asked.pop(row.key)) for row in PLAIN if row.key not in FIRST]
    asked |= {field: value for field, value in later if value}
    asked |= {old: asked.pop(key) for key, old in RENAMED.items()}
    asked["limits"] = {old: asked.pop(key) for key, old in LIMITS.items()}
    if asked["limits"]["shm"] is None:
        del asked["limits"]["shm"]
    if not asked["stdin_once"]:
        del asked["stdin_once"]
    if asked["health"] and asked["health"]["start_interval"] is None:
        del asked["health"]["start_interval"]
    for joined in asked["networks"]:
        if joined["mac_address"] is None:
            del joined["mac_address"]
    text = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def keyed(plan: LaunchPlan) -> LaunchPlan:
    """Label a plan with its own key, so that it is seen later whether production was launched as exactly this."""
    spec = replace(plan.spec, labels={**plan.spec.labels, labels.INPUTS: spec_key(plan.spec)})
    return replace(plan, spec=spec)
