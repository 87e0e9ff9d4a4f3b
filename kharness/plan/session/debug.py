"""Containers to look around in, and one to develop with.

A container of tools joins the namespaces of another one, which does not change. A shell takes the place of the program
in one with production's image and rights. A developer's test instance writes to the terminal alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, HealthFacts, ImageFacts
from kharness.plan.launch.docker_line import docker_words
from kharness.plan.launch.plan import LaunchPlan, Subject
from kharness.plan.launch.runspec import Attachment, MountKind, RunSpec

CAPABILITIES = ("SYS_PTRACE", "SYS_ADMIN", "DAC_READ_SEARCH", "NET_RAW")
"""To see processes of other users and what they have open, and to join namespaces, capabilities(7); to read what
belongs to others; to listen to the network, packet(7). The container that is looked into gets none of them.
"""
SHAREABLE = "shareable"
"""The mode in which an engine lets others join an ipc namespace by itself."""

OPERATORS = frozenset(" |&;<>()$`*?")
PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Where programs are looked for."""
PS = """\
printf '%7s %7s %s\\n' PID UID COMMAND
for each in /proc/[0-9]*; do
    pid=${each#/proc/} uid=?
    [ "$pid" = "$$" ] && continue
    while read -r key value _; do [ "$key" = Uid: ] && uid=$value; done <"$each/status"
    said=$(tr '\\0\\n' '  ' <"$each/cmdline")
    [ -n "$said" ] || said="[$(cat "$each/comm")]"
    [ "$said" = "[]" ] || printf '%7s %7s %s\\n' "$pid" "$uid" "$said"
done 2>/dev/null
"""
"""Lists processes, in a shell of an image that has no ps, such as a Debian base."""


def argv_of(words: tuple[str, ...], *, has: Callable[[str], bool], shell: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return what is executed for what a person typed; None where the image has no such program.

    `has` says whether a program is in the image. One word with spaces or operators is for the `shell`.
    """
    if has(words[0]):
        return words
    if words[0] == "ps":
        return (*shell, "-c", PS)
    if len(words) == 1 and set(words[0]) & OPERATORS:
        return (*shell, "-c", words[0] if has("ps") else f"ps() {{\n{PS}}}\n{words[0]}")
    return None


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
    the labels by which it is removed if the process that started it dies.
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
            labels.PROJECT: found.labels.get(labels.PROJECT, ""),
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
        stdin_open=True,
    )
    run, *rest = docker_words(spec)
    ipc = () if private else ("--ipc", f"container:{found.id}")
    return (run, "--pid", f"container:{found.id}", *ipc, *rest)


def ipc_mode(found: ContainerFacts) -> str:
    """Return the mode of its ipc namespace, in the engine's words."""
    mode: str = found.raw.get("HostConfig", {}).get("IpcMode", "")
    return mode


ROLE_SHELL = "shell"
"""The value of `labels.ROLE`: neither a session's nor production's."""


def plan_shell(
    subject: Subject, plan: LaunchPlan, shell: tuple[str, ...], *, name: str, volumes: bool, user: str | None = None
) -> RunSpec:
    """Return it, given the plan of production's launch.

    On production's networks, under no name or address of production's; it publishes nothing, and has no label by which
    a proxy would take it for a service. Without `volumes` it has neither these nor devices. It goes when its shell
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
        stdin_open=True,
        stdin_once=True,
    )


ANY = "xxxx"
"""Stands in a printed line for what differs from instance to instance."""


def development_name(name: str, session: str = ANY) -> str:
    """Return the name of a development instance of a directory."""
    return f"dev-{name}-{session}"


def plan_development(spec: RunSpec, *, shell: tuple[str, ...] = (), tty: bool = False) -> RunSpec:
    """Change the plan of a test instance; with a `shell` that runs in place of its program, on a terminal or not."""
    spec = replace(spec, log_driver="none", log_options={})
    if not shell:
        return spec
    return replace(
        spec,
        entrypoint=shell[:1],
        command=shell[1:],
        tty=tty,
        stdin_open=True,
        stdin_once=True,
        health=HealthFacts(test=("NONE",)),
    )
