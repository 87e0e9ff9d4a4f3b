"""Builds: by BuildKit where the engine recommends it or the Dockerfile needs it, else by the classic builder.

An engine recommends BuildKit in `GET /_ping` (`Builder-Version: 2`): from 23.0 on by default, before that where its
administrator has switched the feature on. On other engines it is not used, although a build without changes takes 40 ms
by it instead of 190 (1,000 files): without a session, which the SDK cannot hold, every build leaves a copy of its
context in the build cache that nothing uses again (20 MB a build for a context of 20 MB, changes or none). Engines
before 23.0 do not bound that cache, and the copies can only be found by `GET /system/df`, which walks all volumes.
Logs, failures, labels and base images that exist on the engine alone (by tag, not by id) were seen to work with it.

A Dockerfile that only BuildKit reads (`RUN --mount`, `COPY --chmod`, `TARGETARCH`, ...) is built by it on every engine,
at that price. What it cannot do without a session: secrets, ssh, and contexts beside the first one. Engine 20.10's does
not apply `shm_size` and `ulimits`, and knows no networks but `default`, `host` and `none`; its frontend reads neither
heredocs nor `COPY --link`, which a line `# syntax=docker/dockerfile:1` brings from a registry.

Without a session BuildKit has no registry credentials: a private base image must be pulled first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kharness.engine import answers
from kharness.engine.api import BuildRequest, Progress
from kharness.engine.images import build_headers
from kharness.engine.refusals import StatusError
from kharness.engine.wire import Wire
from kharness.errors import BuildError, EngineError
from kharness.plan.facts import ImageFacts


class Builds:
    """The part of `Engine` that builds."""

    _wire: Wire
    _buildkit: bool | None = None
    _is_podman: bool = False

    def tag(self, image: str, ref: str) -> None:
        """Tag an image."""
        raise NotImplementedError

    def build(self, context: Iterable[bytes], request: BuildRequest, *, progress: Progress | None = None) -> ImageFacts:
        """Build an image; no intermediate container stays."""
        from kharness.engine.build_streams import BuildKitStream, ClassicStream  # noqa: PLC0415

        buildkit = self._uses_buildkit() or (request.buildkit and not self._is_podman)
        stream = BuildKitStream(request.tag, progress) if buildkit else ClassicStream(request.tag, progress)
        try:
            with self._wire.open(
                "POST",
                "/build",
                params=_params(request, buildkit=buildkit),
                data=context,
                headers=build_headers(),
                timeout=None,
            ) as answer:
                for record in answer.records():
                    stream.take(record)
        except StatusError as error:
            raise BuildError(f"image {request.tag} cannot be built: {error.message}") from error
        if stream.image is None:
            raise EngineError(f"image {request.tag}: the engine ended the build without a result")
        if buildkit:
            self.tag(stream.image, request.tag)
        return answers.image_facts(self._wire.ask("GET", f"/images/{stream.image}/json"))

    def _uses_buildkit(self) -> bool:
        if self._buildkit is None:
            with self._wire.open("GET", "/_ping") as answer:
                self._buildkit = answer.headers.get("Builder-Version") == "2"
                # Podman's one builder reads what BuildKit reads, and answers as the classic builder does.
                self._is_podman = "Libpod-Buildah-Version" in answer.headers
        return self._buildkit


def _params(request: BuildRequest, *, buildkit: bool) -> dict[str, Any]:
    return {
        "version": "2" if buildkit else "1",
        # Where containerd keeps the images, a build that moves a tag makes the former image vanish, though a container
        # runs from it; a tag that is moved afterwards leaves it without a name.
        "t": None if buildkit else request.tag,
        "dockerfile": request.dockerfile,
        "buildargs": json.dumps(dict(request.args)),
        "labels": json.dumps(dict(request.labels)),
        "target": request.target,
        "nocache": request.no_cache,
        "pull": request.pull,
        "platform": request.platform,
        "remote": request.remote,
        "networkmode": request.network,
        "shmsize": request.shm_size,
        "ulimits": json.dumps(_ulimits(request)) if request.ulimits else None,
        # A list repeats the parameter, which is how the engine takes several.
        "extrahosts": [f"{name}:{address}" for name, address in request.extra_hosts],
        # The classic builder runs each step in a container, and leaves it unless told otherwise.
        "rm": True,
        "forcerm": True,
    }


def _ulimits(request: BuildRequest) -> list[dict[str, Any]]:
    return [{"Name": name, "Soft": soft, "Hard": hard} for name, (soft, hard) in request.ulimits.items()]
