"""Where the first contents of a prepared file come from."""

from __future__ import annotations

from kharness.errors import HostError, LaunchError, UsageError
from kharness.ops.harness import Harness
from kharness.ops.imagefiles import command_output
from kharness.plan.launch import Subject
from kharness.plan.prepare import Item


def contents_of(harness: Harness, subject: Subject, item: Item) -> bytes:
    """Return what a new file begins with: what is said, a file's contents, or a command's output.

    Raises `HostError` for a file that cannot be read or is not in the container directory, `LaunchError` for a command
    that fails, `EngineError`.
    """
    said = item.contents
    if said is None:
        return b""
    if said.command is not None:
        try:
            return command_output(harness, subject, said.command)
        except LaunchError as error:
            raise LaunchError(f"{subject.name}: prepare: {item.said}: {error}") from error
    if said.file is not None:
        return _file_contents(subject, said.file)
    return (said.text or "").encode(errors="surrogateescape")


def _file_contents(subject: Subject, name: str) -> bytes:
    if subject.directory is None:
        raise UsageError(f"{subject.name}: prepare: there is no container directory to take {name!r} from")
    path = subject.directory / name
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(subject.directory.resolve()):
            raise HostError(f"{path}: should not lead out of the container directory, to {real}")
        return real.read_bytes()
    except (OSError, RuntimeError) as error:
        raise HostError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
