"""A container of tools that joins the namespaces of another one, which does not change."""

from __future__ import annotations

from kharness.plan import labels
from kharness.plan.dockerline import docker_words
from kharness.plan.facts import ContainerFacts, HealthFacts, ImageFacts
from kharness.plan.runspec import Attachment, RunSpec

CAPABILITIES = ("SYS_PTRACE", "SYS_ADMIN", "DAC_READ_SEARCH", "NET_RAW")
"""To see processes of other users and what they have open, and to join namespaces, capabilities(7); to read what
belongs to others; to listen to the network, packet(7). The container that is looked into gets none of them.
"""
SHAREABLE = "shareable"
"""The mode in which an engine lets others join an ipc namespace by itself."""


def plan_debug(
    found: ContainerFacts,
    image: ImageFacts,
    argv: tuple[str, ...],
    *,
    name: str,
    owner: dict[str, str],
    nsenter: str | None,
    tty: bool,
) -> tuple[str, ...]:
    """Return the words of the `docker run` for a running container, without `docker`.

    `nsenter` is the path of nsenter(1) in the image, without which a private ipc namespace is not joined. `owner` are
    the labels by which it is removed if whoever started it dies.
    """
    private = ipc_mode(found) != SHAREABLE
    if private and nsenter:
        argv = (nsenter, "--target", "1", "--ipc", "--", *argv)
    spec = RunSpec(
        name=name,
        image=image.id,
        entrypoint=argv[:1],
        command=argv[1:],
        # No variable and no user of its image has a say in what is looked at.
        user="0:0",
        working_dir="/",
        labels={
            **labels.silenced(image.labels),
            labels.ROLE: labels.ROLE_TEST,
            labels.NAME: found.labels[labels.NAME],
            **owner,
        },
        networks=(Attachment(network=f"container:{found.id}"),),
        cap_drop=("ALL",),
        cap_add=CAPABILITIES,
        security_opt=("no-new-privileges:true",),
        health=HealthFacts(test=("NONE",)),
        # What is looked at is not kept in a log.
        log_driver="none",
        remove=True,
        tty=tty,
        stdin=True,
    )
    run, *rest = docker_words(spec)
    ipc = () if private else ("--ipc", f"container:{found.id}")
    return (run, "--pid", f"container:{found.id}", *ipc, *rest)


def ipc_mode(found: ContainerFacts) -> str:
    """Return the mode of its ipc namespace, in the engine's words."""
    mode: str = found.raw.get("HostConfig", {}).get("IpcMode", "")
    return mode
