"""KH108: whoever reaches the socket is root on the host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy

SOCKETS = ("/docker.sock", "/containerd.sock", "/podman.sock", "/crio.sock")
PLACES = ("/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    for bind in launch.binds:
        source = bind.source.replace("/var/run", "/run", 1) if bind.source.startswith("/var/run") else bind.source
        if source.endswith(SOCKETS) or any(PurePosixPath(place).is_relative_to(source) for place in PLACES):
            yield f"{bind.source} is mounted at {bind.target}"


CHECK = Check(
    id="KH108",
    title="does not have the engine's socket",
    part=Launch,
    judge=judge,
    reason=(
        "The socket starts any container with any mount, so that whoever can write to it is root on the "
        "host; read-only changes nothing, because a socket is not written like a file."
    ),
    mend="a proxy that allows the few requests that it needs, or another way to ask",
    source=CIS + "5.31",
    baseline=True,
)
