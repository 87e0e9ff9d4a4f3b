"""Images: inspect, list, pull, import, tag, remove."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from kharness.engine import answers
from kharness.engine.api import Progress
from kharness.engine.convert import label_filters
from kharness.engine.pulling import PullLines
from kharness.engine.references import full_reference, split_reference
from kharness.engine.refusals import RefusedError, container_error, image_error
from kharness.engine.registry import pull_headers
from kharness.engine.wire import Wire
from kharness.errors import EngineError, ImageMissingError
from kharness.plan.facts import ImageFacts


class Images:
    """The part of `Engine` that is about images."""

    _wire: Wire

    def image(self, ref: str) -> ImageFacts | None:
        """Inspect an image, None when there is none."""
        try:
            return answers.image_facts(self._wire.ask("GET", f"/images/{_quoted(ref)}/json"))
        except RefusedError as error:
            if error.missing:
                return None
            raise

    def images(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[ImageFacts, ...]:
        """List images in one request; their facts lack what only an inspect says (user, ports, health, ...)."""
        found = self._wire.ask("GET", "/images/json", params={"filters": label_filters(labels)})
        return tuple(map(answers.listed_image, found or ()))

    def pull(self, ref: str, *, progress: Progress | None = None) -> ImageFacts:
        """Pull a reference, `:latest` where it has neither tag nor digest."""
        name, tag = split_reference(ref)
        lines = PullLines(progress)
        params = {"fromImage": name, "tag": tag}
        try:
            with self._wire.open(
                "POST", "/images/create", params=params, headers=pull_headers(name), timeout=None
            ) as answer:
                for record in answer.records():
                    if "error" in record:
                        raise ImageMissingError(f"image {ref} cannot be pulled: {record['error']}")
                    lines.take(record)
        except RefusedError as error:
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
        except RefusedError as error:
            raise container_error(error, container) from error
        return self._image(made["Id"])

    def tag(self, image: str, ref: str) -> None:
        """Tag an image; a reference that named another one moves."""
        name, tag = split_reference(ref)
        try:
            self._wire.tell("POST", f"/images/{_quoted(image)}/tag", params={"repo": name, "tag": tag})
        except RefusedError as error:
            raise image_error(error, image) from error

    def untag(self, ref: str) -> None:
        """Remove a reference, and the image with its last one unless a container needs it."""
        self.remove_image(ref)

    def remove_image(self, image: str, *, force: bool = False) -> None:
        """Remove an image or a reference."""
        try:
            self._wire.tell("DELETE", f"/images/{_quoted(image)}", params={"force": force})
        except RefusedError as error:
            if not error.missing:
                raise image_error(error, image) from error

    def history(self, image: str) -> tuple[str, ...]:
        """Read how an image was made; the engine answers with the newest step first."""
        try:
            return answers.history(self._wire.ask("GET", f"/images/{_quoted(image)}/history"))
        except RefusedError as error:
            raise image_error(error, image) from error

    def save_image(self, image: str) -> Iterator[bytes]:
        """Stream the archive as it arrives."""
        try:
            with self._wire.open("GET", f"/images/{_quoted(image)}/get") as answer:
                yield from answer.chunks()
        except RefusedError as error:
            raise image_error(error, image) from error

    def _image(self, ref: str) -> ImageFacts:
        found = self.image(ref)
        if found is None:
            raise ImageMissingError(f"image {ref} was made, and is gone")
        return found


def _quoted(ref: str) -> str:
    return quote(ref, safe="/:@")
