"""The fake's images.

FROM, ARG, LABEL, USER, EXPOSE, ENV, CMD, ENTRYPOINT, VOLUME and HEALTHCHECK.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kharness.engine.api import BuildRequest, Progress
from kharness.engine.images import full_reference
from kharness.errors import BuildError, ConflictError, ImageMissingError
from kharness.plan.facts import HealthFacts, ImageFacts, PortRef
from kharness.testing.recording import Recorder, recorded


class Dockerfile:
    """The instructions of a Dockerfile, or of `docker import --change`."""

    def __init__(self, text: str, *, args: Mapping[str, str] | None = None) -> None:
        joined = re.sub(r"\\\n", " ", text)
        lines = [line.strip() for line in joined.splitlines()]
        self.steps = [line for line in lines if line and not line.startswith("#")]
        self._words = [[*step.split(None, 1), ""][:2] for step in self.steps]
        self._args = {**self._pairs("ARG"), **(args or {})}

    @property
    def base(self) -> str:
        """The image that the last stage is built from."""
        said = self._said("FROM") or ["scratch"]
        return re.sub(r"\$\{?(\w+)\}?", lambda found: self._args.get(found[1], ""), said[-1].split()[0])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return self._pairs("LABEL")

    def applied(self, base: ImageFacts) -> ImageFacts:
        """Return the image that these instructions make of a base."""
        environment = tuple(f"{name}={value}" for name, value in self._pairs("ENV").items())
        return replace(
            base,
            user=self._last("USER") or base.user,
            exposed=(*base.exposed, *(PortRef.parse(port) for line in self._said("EXPOSE") for port in line.split())),
            environment=(*base.environment, *environment),
            command=_argv(self._last("CMD"), base.command),
            entrypoint=_argv(self._last("ENTRYPOINT"), base.entrypoint),
            volumes=tuple(sorted({*base.volumes, *(path for line in self._said("VOLUME") for path in _words(line))})),
            health=self._health() or base.health,
        )

    def _health(self) -> HealthFacts | None:
        said = self._said("HEALTHCHECK")
        if not said:
            return None
        command = re.sub(r"^(--\S+\s+)*", "", said[-1])
        if command == "NONE":
            return HealthFacts(test=("NONE",))
        argv = command.removeprefix("CMD").strip()
        return HealthFacts(test=("CMD", *json.loads(argv)) if argv.startswith("[") else ("CMD-SHELL", argv))

    def _last(self, instruction: str) -> str | None:
        return next(reversed(self._said(instruction)), None)

    def _said(self, instruction: str) -> list[str]:
        return [rest for word, rest in self._words if word.upper() == instruction]

    def _pairs(self, instruction: str) -> dict[str, str]:
        words = [word for line in self._said(instruction) for word in shlex.split(line)]
        return {name: value for name, _, value in (word.partition("=") for word in words)}


def _words(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text) if text.startswith("[") else text.split())


def _argv(text: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    if text is None:
        return default
    return tuple(json.loads(text)) if text.startswith("[") else ("/bin/sh", "-c", text)


@dataclass
class Store:
    """What a registry, or an engine, has: images by id, references to them, and files in them."""

    images: dict[str, ImageFacts] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def find(self, ref: str) -> ImageFacts | None:
        """Return the image of that id or reference."""
        found = self.images.get(self.refs.get(full_reference(ref), ref))
        if found is None:
            return None
        return replace(found, tags=tuple(sorted(name for name, image in self.refs.items() if image == found.id)))

    def put(self, ref: str | None, facts: ImageFacts, files: Mapping[str, bytes]) -> ImageFacts:
        """Store an image under its id, and let `ref` name it."""
        self.images[facts.id] = facts
        self.files[facts.id] = dict(files)
        if ref:
            self.refs[full_reference(ref)] = facts.id
        return self.find(facts.id) or facts


class FakeImages(Recorder):
    """The part of the fake that is about images.

    `registry` has what a pull finds. A build reads the Dockerfile of its context as far as `Dockerfile` does,
    and prints what its `RUN echo` steps say.
    """

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.registry = Store()

    def put_image(self, ref: str, *, files: Mapping[str, bytes] | None = None, **facts: Any) -> ImageFacts:
        """Let there be an image; `facts` are ImageFacts'. Its labels can tell its containers how to behave."""
        facts.setdefault("id", self._image_id(ref, repr(sorted(facts.items(), key=str)), str(len(self.store.images))))
        return self.store.put(ref, ImageFacts(created=self._now(), **facts), files or {})

    def put_remote(self, ref: str, *, files: Mapping[str, bytes] | None = None, **facts: Any) -> ImageFacts:
        """Let a registry have an image; a second one of the same reference replaces the first."""
        facts.setdefault("id", self._image_id("remote", ref, repr(sorted(facts.items(), key=str))))
        facts.setdefault("digests", (f"{full_reference(ref).rpartition(':')[0]}@{facts['id']}",))
        return self.registry.put(ref, ImageFacts(created=self._now(), **facts), files or {})

    @recorded
    def image(self, ref: str) -> ImageFacts | None:
        """See `Engine`."""
        return self.store.find(ref)

    @recorded
    def images(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[ImageFacts, ...]:
        """See `Engine`."""
        found = (self.store.find(image) for image in self.store.images)
        return tuple(facts for facts in found if facts and matches(facts.labels, labels))

    @recorded
    def pull(self, ref: str, *, progress: Progress | None = None, platform: str | None = None) -> ImageFacts:
        """See `Engine`; finds what `put_remote` put."""
        found = self.registry.find(ref)
        if found is None:
            raise ImageMissingError(f"image {ref} cannot be pulled: not found")
        if progress:
            progress(f"Pulling from {ref}")
        pulled = replace(found, tags=(), platform=platform or found.platform)
        return self.store.put(ref, pulled, self.registry.files[found.id])

    @recorded
    def import_image(self, archive: Iterable[bytes], tag: str, *, changes: Sequence[str] = ()) -> ImageFacts:
        """See `Engine`."""
        files = _files(archive)
        said = Dockerfile("\n".join(changes))
        return self.store.put(tag, self._facts(said, ImageFacts(id=self._image_id(*files, *changes)), {}), files)

    @recorded
    def build(self, context: Iterable[bytes], request: BuildRequest, *, progress: Progress | None = None) -> ImageFacts:
        """See `Engine`."""
        files = _files(context)
        if request.dockerfile not in files:
            raise BuildError(f"image {request.tag} cannot be built: there is no {request.dockerfile} in the context")
        said = Dockerfile(files[request.dockerfile].decode(), args=request.args)
        base = ImageFacts(id="scratch") if said.base == "scratch" else self.store.find(said.base)
        if base is None:
            raise BuildError(f'image {request.tag} cannot be built: "FROM {said.base}": there is no such image')
        for number, step in enumerate(said.steps, 1):
            if progress:
                progress(f"Step {number}/{len(said.steps)} : {step}")
            if step in {"RUN false", "RUN exit 1"}:
                raise BuildError(f'image {request.tag} cannot be built: "{step}" exited with 1', tail=("last words",))
            if progress and step.startswith("RUN echo "):
                progress(step.removeprefix("RUN echo "))
        content = [part for name in sorted(files) for part in (name, hashlib.sha256(files[name]).hexdigest())]
        image = self._image_id(base.id, *content, repr(request))
        merged = {**self.store.files.get(base.id, {}), **_copied(files)}
        made = replace(base, id=image, layers=(*base.layers, image), platform=base.platform or request.platform or "")
        return self.store.put(request.tag, self._facts(said, made, request.labels), merged)

    @recorded
    def history(self, image: str) -> tuple[str, ...]:
        """See `Engine`; one step."""
        self._existing(image)
        return ("COPY files/ / # fake",)

    @recorded
    def save_image(self, image: str) -> Iterator[bytes]:
        """See `Engine`; one layer, of regular files alone."""
        found = self._existing(image)
        layer = archive_of({path.lstrip("/"): content for path, content in sorted(self.store.files[found.id].items())})
        manifest = json.dumps([{"Config": "config.json", "RepoTags": list(found.tags), "Layers": ["1/layer.tar"]}])
        return iter([archive_of({"1/layer.tar": layer, "config.json": b"{}", "manifest.json": manifest.encode()})])

    @recorded
    def tag(self, image: str, ref: str) -> None:
        """See `Engine`."""
        self.store.refs[full_reference(ref)] = self._existing(image).id

    @recorded
    def untag(self, ref: str) -> None:
        """See `Engine`."""
        self._drop(ref, force=False)

    @recorded
    def remove_image(self, image: str, *, force: bool = False) -> None:
        """See `Engine`."""
        self._drop(image, force=force)

    def _existing(self, image: str) -> ImageFacts:
        found = self.store.find(image)
        if found is None:
            raise ImageMissingError(f"there is no image {image}")
        return found

    def _drop(self, image: str, *, force: bool) -> None:
        found = self.store.find(image)
        if found is None:
            return
        by_id = image == found.id
        if len(found.tags) > 1 and by_id and not force:
            raise ConflictError(f"image {image} is in use: it has several references")
        last = by_id or len(found.tags) <= 1
        if last and not force and self._is_used(found.id):
            raise ConflictError(f"image {image} is in use: a container needs it")
        for ref in found.tags if by_id else (full_reference(image),):
            del self.store.refs[ref]
        if last:
            del self.store.images[found.id], self.store.files[found.id]

    def _facts(self, said: Dockerfile, base: ImageFacts, labels: Mapping[str, str]) -> ImageFacts:
        merged = {**base.labels, **said.labels, **labels}
        return replace(said.applied(base), labels=merged, created=self._now(), tags=())

    def _is_used(self, image: str) -> bool:
        raise NotImplementedError

    @staticmethod
    def _image_id(*parts: str) -> str:
        return f"sha256:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"


def matches(labels: Mapping[str, str], wanted: Mapping[str, str | None] | None) -> bool:
    """Whether an object with these labels is asked for."""
    return all(name in labels and value in {None, labels[name]} for name, value in (wanted or {}).items())


def _files(archive: Iterable[bytes]) -> dict[str, bytes]:
    content = b"".join(archive)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = ((member.name, tar.extractfile(member)) for member in tar.getmembers() if member.isreg())
        return {name.removeprefix("./"): file.read() for name, file in members if file}


def archive_of(files: Mapping[str, bytes]) -> bytes:
    """Return a tar of regular files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _copied(files: Mapping[str, bytes]) -> dict[str, bytes]:
    # As if every Dockerfile said `COPY files/ /`.
    return {f"/{name.removeprefix('files/')}": content for name, content in files.items() if name.startswith("files/")}
