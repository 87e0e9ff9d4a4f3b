"""KH116: a log that nobody limits fills the disk."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import Check
from kharness.settings.policy import Policy

USUAL = "json-file"
"""What an engine keeps where nobody says anything."""


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if (launch.log_driver or USUAL) == USUAL and not launch.log_options.get("max-size"):
        yield (
            "its log is a json-file without max-size"
            if launch.log_driver
            else "logging is not said, and the engine's usual log has no limit"
        )


CHECK = Check(
    id="KH116",
    title="keeps no log that grows without end",
    part=Launch,
    judge=judge,
    reason=("The engine's usual log has no limit, and the disk that it fills is the one that all containers are on."),
    mend="logging: {driver: local}, or max-size and max-file in the options of json-file",
    source=("docs.docker.com, Configure logging drivers: json-file keeps everything unless max-size is set"),
    gates=False,
)
