"""KH117: whoever has a disk has the files on it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy

DISK_OR_MEMORY = re.compile(
    r"/dev(?:/(?:[shv]d[a-z]+\d*|xvd[a-z]+\d*|nvme.*|mmcblk.*|md\d*|dm-.*|mapper(?:/.*)?|disk(?:/.*)?|loop.*|mem|kmem|port|kmsg)?)?"
)


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    for device in launch.devices:
        if not device.startswith("/") or DISK_OR_MEMORY.fullmatch(device):
            yield f"it has the device {device}"


CHECK = Check(
    id="KH117",
    title="has no disk and no memory of the host",
    part=Launch,
    judge=judge,
    reason="What is on a disk, and in the kernel's memory, can be read and changed past all permissions.",
    mend="devices: with the one device that it needs, such as /dev/dri or /dev/ttyUSB0",
    source=CIS + "5.17",
    baseline=True,
)
