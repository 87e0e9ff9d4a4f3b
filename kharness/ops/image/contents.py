"""Read what is in an image: files and a command's output by helper containers, and its layers, which are read once.

Helper containers are always removed; those that only lend their files are never started.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from kharness.errors import ContainerMissingError, EngineError, EngineUnavailableError, LaunchError, UnseenError
from kharness.host.image.layers import Scans, read_layers
from kharness.ops.harness import Harness
from kharness.plan import labels
from kharness.plan.checks.content import Content, content_of
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.plan import DEFAULT_PIDS, DEFAULT_TMPFS, Subject
from kharness.plan.launch.runspec import Attachment, RunSpec


def make_helper(harness: Harness, stack: ExitStack, image: ImageFacts, what: str, *, directory: str = "/") -> str:
    """Create a container of an image and return its id; it is removed with the stack, or by the next reaping.

    `directory` is its working directory, which Docker makes at once. Raises `EngineError`.
    """
    spec = RunSpec(
        name=f"kharness-{what}-{secrets.token_hex(4)}",
        image=image.id,
        # Never started; an image without a command needs one.
        command=("none",),
        working_dir=directory,
        networks=(Attachment(network="none"),),
        labels={
            **labels.silenced(image.labels),
            labels.ROLE: labels.ROLE_TEST,
            labels.PROJECT: harness.project.name,
            **harness.owner.labels(),
        },
    )
    container = harness.engine.create(spec)
    stack.callback(partial(harness.engine.remove, container, force=True))
    return container


COMMAND_TIMEOUT = 60.0
"""Seconds for a command that only prints something."""
LAST_LINES = 10


def image_files(harness: Harness, subject: Subject, *paths: str) -> tuple[str, ...]:
    """Return texts out of the subject's image, empty ones for files that it does not have; nothing is run."""
    # Never started; an image without a command needs one.
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
            pids_limit=DEFAULT_PIDS,
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
            labels.PROJECT: harness.project.name,
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


def image_content(harness: Harness, image: str) -> Content:
    """Return what is in the image of that id; `UnseenError` where it cannot be read, `EngineError`."""
    scans = scans_of(harness)
    digest = image.removeprefix("sha256:")
    content = scans.content(digest)
    if content is None:
        content = content_of(read_layers(harness.engine.save_image(image), known=scans))
        if not content.files:
            raise UnseenError(f"the image {image} has no file")
        scans.keep_content(digest, content)
    return content


def scans_of(harness: Harness) -> Scans:
    """Return the records of images that were read before."""
    return Scans(harness.state_dir / "scans")
