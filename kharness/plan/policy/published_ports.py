"""KH114: who may reach a port should be a decision."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy

UNPRIVILEGED = 1024


def _is_everybody(address: str) -> bool:
    try:
        return not address or ip_address(address.strip("[]")).is_unspecified
    except ValueError:
        return False


def judge(launch: Launch, policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if launch.publishes_all:
        yield "it publishes all ports that it exposes, on all addresses of the host"
    for each in launch.published:
        name = f"{each.number}/{each.port.protocol}"
        if name in policy.allow.published:
            continue
        if _is_everybody(each.address):
            shown = name if each.number else f"a port for {each.port}"
            yield f"{shown} is open on all addresses of the host"
        elif each.number is not None and each.number < UNPRIVILEGED:
            yield f"{name} is a port of the host below {UNPRIVILEGED}"


CHECK = Check(
    id="KH114",
    title="publishes no port that was not declared",
    part=Launch,
    judge=judge,
    reason=(
        "A published port passes by the host's own firewall; on all addresses it is open to whatever "
        "network the host is in, and ports below 1024 are those that other programs trust."
    ),
    mend=(
        "publish it on one address, such as 127.0.0.1:8080:80, or declare it: policy: {allow: {published: [53/udp]}}"
    ),
    source=CIS + "5.7 and 5.13",
)
