"""What an image is built from: its Dockerfile as it is written and as it is sent, and the context around it.

A container directory's context is laid out by kharness. A service's is the folder that its Compose file names, as it
is; what its Dockerfile calls by the name of another service, or of an additional context, is an image for the builder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kharness.errors import HostError, SettingsError
from kharness.host.image.context import ContextEntry
from kharness.host.image.ignore import IGNORE_FILE, Ignored, ignored_by, read_folder
from kharness.ops.harness import Harness
from kharness.plan.image.build import (
    CONTEXT_REPOSITORY,
    base_images,
    needs_buildkit,
    rewrite_bases,
    rewrite_contexts,
)
from kharness.settings.build import REMOTE, Build, idle_keys
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings

DOCKERFILE = "Dockerfile"
HIDDEN = ".kharness.Dockerfile"
"""The name in the context of a Dockerfile that the context does not have, or not as it is sent."""
_IMAGE, _SERVICE = "docker-image://", "service:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceContext:
    """A service's context: what is `sent`, what of it the digest is of, and the name of the Dockerfile in it."""

    sent: tuple[ContextEntry, ...]
    digested: tuple[ContextEntry, ...]
    dockerfile: str


def is_remote(settings: Settings) -> bool:
    """Whether the engine fetches the context itself, so that nothing of it is known before."""
    return settings.build is not None and settings.build.is_remote


def read_dockerfile(directory: ContainerDir, settings: Settings) -> str:
    """Return the Dockerfile's text as it is written, empty for a remote context; raises `HostError`."""
    said = settings.build or Build()
    if said.dockerfile_inline is not None:
        return said.dockerfile_inline
    if said.is_remote:
        return ""
    path = _dockerfile(directory, said)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"{path}: cannot be read: {error}") from error


def final_dockerfile(harness: Harness, directory: ContainerDir, settings: Settings) -> str:
    """Return the Dockerfile with images in place of additional contexts and of the project's own image names.

    Raises `HostError`, and `SettingsError` where a context is of a kind that the engine cannot have.
    """
    if harness.compose is None or settings.build is None:
        return read_dockerfile(directory, settings)
    folder = _folder(directory, settings.build)
    if not settings.build.is_remote and not folder.is_dir():
        raise _refused(harness, directory, ("context",), f"should be a folder, and {folder} is none")
    try:
        text = read_dockerfile(directory, settings)
    except HostError as error:
        raise _refused(harness, directory, ("dockerfile",), str(error)) from error
    text = rewrite_contexts(text, _references(harness, directory, settings.build))
    own = _own_images(harness, directory.name)
    args = settings.build.args
    return rewrite_bases(text, {ref: own[ref] for ref in base_images(text, args=args) if ref in own}, args=args)


def service_context(directory: ContainerDir, settings: Settings, *, final: str) -> ServiceContext:
    """Read the folder of a service; `final` is the Dockerfile that is sent. Raises `HostError`."""
    said = settings.build or Build()
    folder = _folder(directory, said)
    file = None if said.dockerfile_inline is not None else _dockerfile(directory, said)
    entries = tuple(read_folder(folder, ignored_by(folder, file)))
    by_name = {entry.arcname: entry for entry in entries}
    inside = _inside(folder, file)
    if inside in by_name and by_name[inside].kind == "file" and final == read_dockerfile(directory, settings):
        return ServiceContext(sent=entries, digested=entries, dockerfile=inside)
    hidden = ContextEntry(HIDDEN, None, 0o644, "file", content=final.encode())
    sent = {**by_name, HIDDEN: hidden}
    if not needs_buildkit(final):
        # The classic builder takes a Dockerfile out of the context that its ignore file names, and that file as well.
        sent[IGNORE_FILE] = _hiding(by_name.get(IGNORE_FILE))
    return ServiceContext(sent=tuple(sent.values()), digested=entries, dockerfile=HIDDEN)


def folder_contexts(
    harness: Harness, directory: ContainerDir, settings: Settings
) -> Mapping[str, tuple[ContextEntry, ...]]:
    """Return the folders among the additional contexts, by the references of the images that they become."""
    contexts: dict[str, tuple[ContextEntry, ...]] = {}
    if harness.compose is None or settings.build is None:
        return contexts
    references = _references(harness, directory, settings.build)
    for name, source in settings.build.additional_contexts.items():
        if references[name].startswith(f"{CONTEXT_REPOSITORY}/"):
            folder = directory.path / source
            if not folder.is_dir():
                message = f"should be a folder, docker-image://REFERENCE or service:NAME; {folder} is no folder"
                raise _refused(harness, directory, ("additional_contexts", name), message)
            ignored = ignored_by(folder, None) if (folder / IGNORE_FILE).is_file() else Ignored()
            contexts[references[name]] = tuple(read_folder(folder, ignored))
    return contexts


def service_prefix(harness: Harness) -> str:
    """Return what comes before the names of services in their images' names."""
    return f"{harness.project.name}-" if harness.compose else ""


def idle_remarks(harness: Harness, directory: ContainerDir) -> tuple[str, ...]:
    """Return what a service's `build` says without effect here, each with its file and line."""
    compose = harness.compose
    if compose is None or directory.name not in compose.services:
        return ()
    said = compose.services[directory.name].get("build")
    at = ("services", directory.name, "build")
    return tuple(str(compose.problem((*at, key), message)) for key, message in idle_keys(said))


def _folder(directory: ContainerDir, said: Build) -> Path:
    return directory.path / said.context if said.context is not None else directory.path


def _dockerfile(directory: ContainerDir, said: Build) -> Path:
    return _folder(directory, said) / (said.dockerfile or DOCKERFILE)


def _inside(folder: Path, file: Path | None) -> str:
    if file is None:
        return ""
    real, top = file.parent.resolve() / file.name, folder.resolve()
    return real.relative_to(top).as_posix() if real.is_relative_to(top) else ""


def _hiding(own: ContextEntry | None) -> ContextEntry:
    if own is None or own.path is None:
        return ContextEntry(IGNORE_FILE, None, 0o644, "file", content=f"{HIDDEN}\n{IGNORE_FILE}\n".encode())
    try:
        content = own.path.read_bytes()
    except OSError as error:
        raise HostError(f"{own.path}: cannot be read: {error.strerror}") from error
    return replace(own, path=None, kind="file", link="", content=content + f"\n{HIDDEN}\n".encode())


def _references(harness: Harness, directory: ContainerDir, said: Build) -> Mapping[str, str]:
    """Return the reference of the image that each additional context is for the builder."""
    found: dict[str, str] = {}
    for index, (name, source) in enumerate(said.additional_contexts.items()):
        if source.startswith(_IMAGE):
            found[name] = source.removeprefix(_IMAGE)
        elif source.startswith(_SERVICE):
            other = source.removeprefix(_SERVICE)
            if harness.catalog.get(other) is None:
                message = f"names the service {other!r}, which the project does not have"
                raise _refused(harness, directory, ("additional_contexts", name), message)
            found[name] = harness.tags(other).live
        elif REMOTE.match(source) or "://" in source:
            message = "should be a folder, docker-image://REFERENCE or service:NAME: without a client's session the"
            raise _refused(harness, directory, ("additional_contexts", name), f"{message} engine fetches no other")
        else:
            found[name] = f"{CONTEXT_REPOSITORY}/{harness.project.name}-{directory.name}:{index}"
    return found


def _own_images(harness: Harness, name: str) -> Mapping[str, str]:
    """Return the images of other services by the names that the file gives to them, with and without `:latest`."""
    own: dict[str, str] = {}
    for other, said in harness.compose.services.items() if harness.compose else ():
        image = said.get("image")
        if other != name and image and said.get("build"):
            plain = str(image).removesuffix(":latest")
            own |= dict.fromkeys((str(image), plain), harness.tags(other).live)
            if ":" not in plain.rpartition("/")[2]:
                own[f"{plain}:latest"] = harness.tags(other).live
    return own


def _refused(harness: Harness, directory: ContainerDir, key: tuple[str, ...], message: str) -> Exception:
    if harness.compose is None:
        return HostError(f"{directory.settings_file}: build.{'.'.join(key)}: {message}")
    return SettingsError([harness.compose.problem(("services", directory.name, "build", *key), message)])
