"""KH109: some directories of the host are the host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy

WHOLE = (
    *("/etc", "/proc", "/sys", "/boot", "/bin", "/sbin", "/lib", "/lib64", "/usr", "/var/spool/cron", "/root/.ssh"),
    *("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/var/lib/kharness"),
    *("/run/systemd", "/run/dbus", "/run/containerd"),
)
"""Sensitive with all that is below them."""
ITSELF = ("/var/run", "/run", "/dev", "/root", "/home")
"""Sensitive as a whole; one directory below them may be what a service is about."""


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    for bind in launch.binds:
        source = PurePosixPath(bind.source)
        above = any(PurePosixPath(path).is_relative_to(source) for path in (*WHOLE, *ITSELF))
        if bind.writable and (above or any(source.is_relative_to(path) for path in WHOLE)):
            yield f"{bind.source} is writable at {bind.target}"


CHECK = Check(
    id="KH109",
    title="cannot write to the host itself",
    part=Launch,
    judge=judge,
    reason=("A container that may write to /etc, to a program of the host or to a kernel interface owns the host."),
    mend="mount a directory of its own below DV, or say read_only: true",
    source=CIS + "5.5",
    baseline=True,
)
