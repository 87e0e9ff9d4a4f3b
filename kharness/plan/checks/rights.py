"""Checks of what a launch lets a container do: user, capabilities, confinement, access to the host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import PurePosixPath

from kharness.plan.checks.check import CIS, check
from kharness.plan.checks.launch import Launch
from kharness.settings.policy import Policy

DANGEROUS = frozenset(
    {
        *("ALL", "BPF", "DAC_READ_SEARCH", "MAC_ADMIN", "MAC_OVERRIDE", "NET_ADMIN", "PERFMON", "SYSLOG"),
        *("SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_TIME"),
    }
)
"""Those of capabilities(7) that act on the whole kernel, or on other processes."""
SOCKETS = ("/docker.sock", "/containerd.sock", "/podman.sock", "/crio.sock")
SOCKET_PATHS = ("/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")
SENSITIVE_TREES = (
    *("/etc", "/proc", "/sys", "/boot", "/bin", "/sbin", "/lib", "/lib64", "/usr", "/var/spool/cron", "/root/.ssh"),
    *("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/var/lib/kharness"),
    *("/run/systemd", "/run/dbus", "/run/containerd"),
)
"""Sensitive with all that is below them."""
SENSITIVE = ("/var/run", "/run", "/dev", "/root", "/home")
"""Sensitive as a whole; a service may need one directory below them."""
UNPRIVILEGED = 1024
DISK_OR_MEMORY = re.compile(
    r"/dev(?:/(?:[shv]d[a-z]+\d*|xvd[a-z]+\d*|nvme.*|mmcblk.*|md\d*|dm-.*|mapper(?:/.*)?|disk(?:/.*)?|loop.*|mem|kmem|port|kmsg)?)?"
)


@check(
    "KH101",
    "runs as a non-root user",
    Launch,
    reason=(
        "Without id mapping, root in a container is root on the host as soon as a kernel bug or a mount lets a "
        "process out."
    ),
    mend='USER 1000:1000 in the Dockerfile, or user: "1000:1000" in settings.yaml',
    source=CIS + "4.1",
)
def non_root_user(launch: Launch, _policy: Policy) -> Iterator[str]:
    user = launch.user.partition(":")[0].strip()
    if not user:
        yield "it runs as root: neither image nor settings name a user"
    # Engines read `+0` and `00` as the number that they are.
    elif user == "root" or not user.lstrip("+-").strip("0"):
        yield f"it runs as root: its user is {launch.user!r}"


@check(
    "KH102",
    "has no capability that it does not need",
    Launch,
    reason=(
        "The fourteen capabilities that an engine grants by default let a process write raw packets, change owners "
        "and bypass file permissions; hardly any service needs one."
    ),
    mend="cap_drop: [ALL], and cap_add with the few that it needs by name",
    source=CIS + "5.3",
)
def capabilities(launch: Launch, _policy: Policy) -> Iterator[str]:
    if "ALL" not in launch.cap_drop:
        yield "it keeps the engine's default capabilities, because cap_drop has no ALL"
    found = sorted(launch.cap_add & DANGEROUS)
    if found:
        yield f"it adds {', '.join(found)}, which can take over the host"


@check(
    "KH103",
    "gains no new privileges",
    Launch,
    reason=(
        "With it, no program in the container gets more rights than the program that starts it, even by set-uid "
        "files of the image."
    ),
    mend="security_opt: [no-new-privileges:true]",
    source=CIS + "5.25",
)
def no_new_privileges(launch: Launch, _policy: Policy) -> Iterator[str]:
    given = [option.replace("=", ":", 1) for option in launch.security_opt if option.startswith("no-new-privileges")]
    # Of several an engine takes the last.
    if not given or given[-1] not in {"no-new-privileges", "no-new-privileges:true"}:
        yield "security_opt has no no-new-privileges"


@check(
    "KH104",
    "keeps the confinement that engines give",
    Launch,
    reason=(
        "The engine's filter blocks some sixty system calls that containers do not need, and that most escapes from "
        "containers have used."
    ),
    mend="remove unconfined from security_opt, or name a profile of your own",
    source=CIS + "5.1, 5.2 and 5.21",
    baseline=True,
)
def confinement(launch: Launch, _policy: Policy) -> Iterator[str]:
    given = {option.replace("=", ":", 1) for option in launch.security_opt}
    for name in ("seccomp", "apparmor", "label"):
        if given & {f"{name}:unconfined", f"{name}:disable"}:
            yield f"security_opt switches {name} off"
    if launch.unmasked:
        yield "it sees all of /proc and /sys, of which engines hide the dangerous parts"


@check(
    "KH105",
    "has a read-only root file system",
    Launch,
    reason=("An intruder cannot add or change a program in it, and data that must stay has to be in a named volume."),
    mend="read_only: true, and tmpfs or volumes where it must write",
    source=CIS + "5.12",
)
def read_only_root(launch: Launch, _policy: Policy) -> Iterator[str]:
    if not launch.read_only:
        yield "read_only is not set"


@check(
    "KH106",
    "is not privileged",
    Launch,
    reason=(
        "A privileged container has every capability and every device of the host, and none of the other "
        "restrictions that confine a container."
    ),
    mend="launch it from its settings, which have no privileged; use cap_add and devices",
    source=CIS + "5.4",
    baseline=True,
)
def privileged(launch: Launch, _policy: Policy) -> Iterator[str]:
    if launch.privileged:
        yield "it is privileged"


@check(
    "KH107",
    "shares no namespace with the host",
    Launch,
    reason=(
        "In the host's namespaces it sees other programs' processes, traffic or shared memory, and reaches services "
        "that listen on loopback alone."
    ),
    mend=(
        "remove network_mode: host, or name its own network in networks; settings.yaml cannot share other namespaces"
    ),
    source=CIS + "5.9, 5.15, 5.16, 5.20 and 5.30",
    baseline=True,
)
def namespaces(launch: Launch, _policy: Policy) -> Iterator[str]:
    for name in launch.host_namespaces:
        yield f"it shares the host's {name} namespace"


@check(
    "KH108",
    "does not have the engine's socket",
    Launch,
    reason=(
        "Through the socket one can start any container with any mount, and so become root on the host; read-only "
        "changes nothing, because a socket is not written like a file."
    ),
    mend="a proxy that allows the few requests that it needs, or another way to ask",
    source=CIS + "5.31",
    baseline=True,
)
def engine_socket(launch: Launch, _policy: Policy) -> Iterator[str]:
    for bind in launch.binds:
        source = bind.source.replace("/var/run", "/run", 1) if bind.source.startswith("/var/run") else bind.source
        if source.endswith(SOCKETS) or any(PurePosixPath(path).is_relative_to(source) for path in SOCKET_PATHS):
            yield f"{bind.source} is mounted at {bind.target}"


@check(
    "KH109",
    "cannot write to the host itself",
    Launch,
    reason="A container that can write to /etc, to a program of the host or to a kernel interface owns the host.",
    mend="mount a directory of its own below DV, or set read_only: true",
    source=CIS + "5.5",
    baseline=True,
)
def host_paths(launch: Launch, _policy: Policy) -> Iterator[str]:
    for bind in launch.binds:
        source = PurePosixPath(bind.source)
        above = any(PurePosixPath(path).is_relative_to(source) for path in (*SENSITIVE_TREES, *SENSITIVE))
        if bind.writable and (above or any(source.is_relative_to(path) for path in SENSITIVE_TREES)):
            yield f"{bind.source} is writable at {bind.target}"


@check(
    "KH114",
    "publishes only declared ports",
    Launch,
    reason=(
        "A published port bypasses the host's own firewall; on all addresses it is open to every network of the host, "
        "and other programs trust ports below 1024."
    ),
    mend=(
        "publish it on one address, such as 127.0.0.1:8080:80, or declare it: policy: {allow: {published: [53/udp]}}"
    ),
    source=CIS + "5.7 and 5.13",
)
def published_ports(launch: Launch, policy: Policy) -> Iterator[str]:
    if launch.publishes_all:
        yield "it publishes all ports that it exposes, on all addresses of the host"
    for each in launch.published:
        name = f"{each.number}/{each.port.protocol}"
        if name in policy.allow.published:
            continue
        if _is_every_address(each.address):
            shown = name if each.number else f"a port for {each.port}"
            yield f"{shown} is open on all addresses of the host"
        elif each.number is not None and each.number < UNPRIVILEGED:
            yield f"{name} is a port of the host below {UNPRIVILEGED}"


def _is_every_address(address: str) -> bool:
    try:
        return not address or ip_address(address.strip("[]")).is_unspecified
    except ValueError:
        return False


@check(
    "KH117",
    "has no disk and no memory of the host",
    Launch,
    reason="A disk's content, and the kernel's memory, can be read and changed past all permissions.",
    mend="devices: with the one device that it needs, such as /dev/dri or /dev/ttyUSB0",
    source=CIS + "5.17",
    baseline=True,
)
def devices(launch: Launch, _policy: Policy) -> Iterator[str]:
    for device in launch.devices:
        if not device.startswith("/") or DISK_OR_MEMORY.fullmatch(device):
            yield f"it has the device {device}"


@check(
    "KH118",
    "propagates no mounts to the host",
    Launch,
    reason=(
        "With shared propagation, a mount that is made in the container appears on the host, over files that other "
        "programs trust."
    ),
    mend="bind: {propagation: rslave} to see the host's later mounts, or no propagation",
    source=CIS + "5.19",
    baseline=True,
)
def mount_propagation(launch: Launch, _policy: Policy) -> Iterator[str]:
    for bind in launch.binds:
        if bind.propagation in {"shared", "rshared"}:
            yield f"{bind.source} is mounted at {bind.target} with propagation {bind.propagation}"
