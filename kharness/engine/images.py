"""Images: inspect, list, pull, import, tag, remove; references, credentials and the progress of a pull.

Credentials come from the user's `~/.docker/config.json`. The SDK reads them, and is loaded only where there are some:
importing it takes longer than most builds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kharness.engine import answers
from kharness.engine.api import Progress
from kharness.engine.refusals import StatusError, container_error, image_error
from kharness.engine.requests import label_filters
from kharness.engine.wire import Wire
from kharness.errors import EngineError, ImageMissingError
from kharness.plan.facts import ImageFacts


def split_reference(ref: str) -> tuple[str, str]:
    """Split `host:5000/name:tag` or `name@sha256:...` into name and tag (`latest` when not said) or digest."""
    name, at, digest = ref.partition("@")
    if at:
        return name, digest
    head, colon, tag = ref.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (ref, "latest")


def full_reference(ref: str) -> str:
    """Return the reference with its tag, as the engine lists it."""
    name, tag = split_reference(ref)
    return f"{name}{'@' if '@' in ref else ':'}{tag}"


def pull_headers(name: str) -> dict[str, str]:
    """Return the header with the credentials for one repository's registry."""

    def header() -> dict[str, str]:
        from docker import auth  # noqa: PLC0415

        registry, _ = auth.resolve_repository_name(name)
        found: Any = auth.load_config().resolve_authconfig(registry)
        return {"X-Registry-Auth": auth.encode_header(found).decode()} if found else {}

    return _translated(header)


def build_headers() -> dict[str, str]:
    """Return the header with the credentials of all registries: a build may need any for its base images."""

    def header() -> dict[str, str]:
        from docker import auth  # noqa: PLC0415

        config: Any = auth.load_config()
        found = config.get_all_credentials()
        return {"X-Registry-Config": auth.encode_header(found).decode()} if found else {}

    return _translated(header) if any(path.exists() for path in _files()) else {}


def _files() -> tuple[Path, ...]:
    said = os.environ.get("DOCKER_CONFIG")
    home = Path("~").expanduser()
    return (*([Path(said, "config.json")] if said else []), home / ".docker" / "config.json", home / ".dockercfg")


def _translated(header: Callable[[], dict[str, str]]) -> dict[str, str]:
    from docker.credentials.errors import StoreError  # noqa: PLC0415
    from docker.errors import DockerException  # noqa: PLC0415

    try:
        return header()
    except (DockerException, StoreError, OSError) as error:
        raise EngineError(f"the registry credentials cannot be read: {error}") from error


DONE = frozenset({"Pull complete", "Already exists"})
STEP = 4
"""How many lines tell of the layers at most."""


class PullLines:
    """Turns the records of a pull, of which a layer has hundreds, into `3 of 7 layers` at every quarter."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress or (lambda _line: None)
        self._layers: set[str] = set()
        self._done: set[str] = set()
        self._told = 0

    def take(self, record: Mapping[str, Any]) -> None:
        """Take the next record."""
        status, layer = record.get("status", ""), record.get("id")
        if layer is None or status.startswith("Pulling from"):
            self._progress(status if layer is None else f"{status} ({layer})")
            return
        self._layers.add(layer)
        if status not in DONE:
            return
        self._done.add(layer)
        quarter = len(self._done) * STEP // len(self._layers)
        if quarter > self._told:
            self._told = quarter
            self._progress(f"{len(self._done)} of {len(self._layers)} layers")


class Images:
    """The part of `Engine` that is about images."""

    _wire: Wire

    def image(self, ref: str) -> ImageFacts | None:
        """Inspect an image, None when there is none."""
        try:
            return answers.image_facts(self._wire.ask("GET", f"/images/{_quoted(ref)}/json"))
        except StatusError as error:
            if error.missing:
                return None
            raise

    def images(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[ImageFacts, ...]:
        """List images in one request; their facts lack what only an inspect says (user, ports, health, ...)."""
        found = self._wire.ask("GET", "/images/json", params={"filters": label_filters(labels)})
        return tuple(map(answers.listed_image, found or ()))

    def pull(self, ref: str, *, progress: Progress | None = None, platform: str | None = None) -> ImageFacts:
        """Pull a reference, `:latest` where it has neither tag nor digest."""
        name, tag = split_reference(ref)
        lines = PullLines(progress)
        params = {"fromImage": name, "tag": tag, "platform": platform}
        try:
            with self._wire.open(
                "POST", "/images/create", params=params, headers=pull_headers(name), timeout=None
            ) as answer:
                for record in answer.records():
                    if "error" in record:
                        raise ImageMissingError(f"image {ref} cannot be pulled: {record['error']}")
                    lines.take(record)
        except StatusError as error:
            raise ImageMissingError(f"image {ref} cannot be pulled: {error.message}") from error
        return self._image(ref)

    def import_image(self, archive: Iterable[bytes], tag: str, *, changes: Sequence[str] = ()) -> ImageFacts:
        """Make an image of a tar stream."""
        # The tag within the repository, for Podman overlooks the parameter of that name. requests repeats a parameter
        # whose value is a list, which is how the engine takes several changes.
        params: dict[str, Any] = {"fromSrc": "-", "repo": full_reference(tag), "changes": list(changes)}
        with self._wire.open("POST", "/images/create", params=params, data=archive, timeout=None) as answer:
            for record in answer.records():
                if "error" in record:
                    raise EngineError(f"image {tag} cannot be imported: {record['error']}")
        return self._image(tag)

    def commit(self, container: str, tag: str) -> ImageFacts:
        """Make an image of a container."""
        name, version = split_reference(tag)
        params = {"container": container, "repo": name, "tag": version, "pause": True}
        try:
            made = self._wire.ask("POST", "/commit", params=params, body={}, timeout=None)
        except StatusError as error:
            raise container_error(error, container) from error
        return self._image(made["Id"])

    def tag(self, image: str, ref: str) -> None:
        """Tag an image; a reference that named another one moves."""
        name, tag = split_reference(ref)
        try:
            self._wire.tell("POST", f"/images/{_quoted(image)}/tag", params={"repo": name, "tag": tag})
        except StatusError as error:
            raise image_error(error, image) from error

    def untag(self, ref: str) -> None:
        """Remove a reference, and the image with its last one unless a container needs it."""
        self.remove_image(ref)

    def remove_image(self, image: str, *, force: bool = False) -> None:
        """Remove an image or a reference."""
        try:
            self._wire.tell("DELETE", f"/images/{_quoted(image)}", params={"force": force})
        except StatusError as error:
            if not error.missing:
                raise image_error(error, image) from error

    def history(self, image: str) -> tuple[str, ...]:
        """Read how an image was made; the engine answers with the newest step first."""
        try:
            return answers.history(self._wire.ask("GET", f"/images/{_quoted(image)}/history"))
        except StatusError as error:
            raise image_error(error, image) from error

    def save_image(self, image: str) -> Iterator[bytes]:
        """Stream the archive as it arrives."""
        try:
            with self._wire.open("GET", f"/images/{_quoted(image)}/get") as answer:
                yield from answer.chunks()
        except StatusError as error:
            raise image_error(error, image) from error

    def _image(self, ref: str) -> ImageFacts:
        found = self.image(ref)
        if found is None:
            raise ImageMissingError(f"image {ref} was made, and is gone")
        return found


def _quoted(ref: str) -> str:
    return quote(ref, safe="/:@")
