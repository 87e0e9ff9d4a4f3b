"""The container that a person looks around in: production's image and rights, with a shell in place of its program."""

from __future__ import annotations

from dataclasses import replace

from kharness.plan import labels
from kharness.plan.facts import HealthFacts
from kharness.plan.launch import LaunchPlan, Subject
from kharness.plan.runspec import Attachment, MountKind, RunSpec

ROLE_SHELL = "shell"
"""The value of `labels.ROLE`: neither a session's nor production's."""


def plan_shell(
    subject: Subject, plan: LaunchPlan, shell: tuple[str, ...], *, name: str, volumes: bool, user: str | None = None
) -> RunSpec:
    """Return it, given the plan of production's launch.

    On production's networks, under no name or address of production's; it publishes nothing, and nobody who watches the
    engine for labels takes it for a service. Without `volumes` it has neither these nor devices. It goes when its shell
    ends.
    """
    spec = plan.spec
    real = {volume.mount.target for volume in plan.volumes}
    return replace(
        spec,
        name=name,
        hostname=f"{subject.name}-shell",
        command=shell[1:],
        entrypoint=shell[:1],
        user=user or spec.user,
        labels={**labels.silenced(subject.image.labels), labels.ROLE: ROLE_SHELL, labels.NAME: subject.name},
        mounts=tuple(
            mount
            for mount in spec.mounts
            if (volumes and mount.target in real) or (mount.kind is MountKind.TMPFS and mount.target not in real)
        ),
        devices=spec.devices if volumes else (),
        publish=(),
        networks=tuple(Attachment(network=joined.network) for joined in spec.networks),
        restart="no",
        restart_retries=0,
        health=HealthFacts(test=("NONE",)),
        log_driver=None,
        log_options={},
        remove=True,
        tty=True,
        stdin=True,
    )
