"""Look into an image, and let it say something: by helper containers that are always removed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from kharness.errors import ContainerMissingError, EngineError, EngineUnavailableError, LaunchError
from kharness.ops.harness import Harness
from kharness.plan import labels
from kharness.plan.launch import DEFAULT_PIDS, DEFAULT_TMPFS, Subject
from kharness.plan.runspec import Attachment, Limits, RunSpec

COMMAND_TIMEOUT = 60.0
"""Seconds for a command that only prints something."""
LAST_LINES = 10


def image_files(harness: Harness, subject: Subject, *paths: str) -> tuple[str, ...]:
    """Return texts out of the subject's image, empty ones for files that it does not have; nothing is run."""
    # Never started; an image without a command has to be told one.
    with _container(harness, _spec(harness, subject, command=("none",))) as container:
        return tuple(_read(harness, container, path) for path in paths)


def command_output(harness: Harness, subject: Subject, argv: tuple[str, ...]) -> bytes:
    """Return what a command prints in a container of the image, without network or volumes.

    It runs as the container's user. Raises `LaunchError` with the last lines of its standard error when it cannot be
    run, fails, or does not end in a minute.
    """
    spec = _spec(harness, subject, entrypoint=argv[:1], command=argv[1:])
    spec = replace(spec, user=subject.settings.user, networks=(Attachment(network="none"),), log_driver="none")
    if subject.built:
        spec = replace(
            spec,
            read_only=True,
            mounts=DEFAULT_TMPFS,
            cap_drop=("ALL",),
            security_opt=("no-new-privileges:true",),
            limits=Limits(pids=DEFAULT_PIDS),
            init=True,
        )
    with _container(harness, spec) as container:
        try:
            status, out, err = harness.engine.run(container, timeout=COMMAND_TIMEOUT)
        except TimeoutError:
            raise LaunchError(f"the command {argv[0]!r} should end within {COMMAND_TIMEOUT:g} s") from None
    if status:
        said = err.decode(errors="replace").splitlines()[-LAST_LINES:]
        wrong = f"the command {argv[0]!r} should print the contents and exit with 0, not with {status}"
        raise LaunchError("\n".join((wrong, *(f"    {line}" for line in said))))
    return out


def _spec(
    harness: Harness, subject: Subject, *, command: tuple[str, ...], entrypoint: tuple[str, ...] | None = None
) -> RunSpec:
    return RunSpec(
        name=f"kharness-prepare-{secrets.token_hex(4)}",
        image=subject.image.id,
        entrypoint=entrypoint,
        command=command,
        labels={
            **labels.silenced(subject.image.labels),
            labels.ROLE: labels.ROLE_TEST,
            labels.NAME: subject.name,
            **harness.owner.labels(),
        },
    )


@contextmanager
def _container(harness: Harness, spec: RunSpec) -> Iterator[str]:
    container = harness.engine.create(spec)
    try:
        yield container
    finally:
        harness.engine.remove(container, force=True)


def _read(harness: Harness, container: str, path: str) -> str:
    try:
        return harness.engine.read_file(container, path).decode(errors="replace")
    except (EngineUnavailableError, ContainerMissingError):
        raise
    except EngineError:
        return ""
