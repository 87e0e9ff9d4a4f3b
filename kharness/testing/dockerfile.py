"""As much of a Dockerfile as the fake understands.

FROM, ARG, LABEL, USER, EXPOSE, ENV, CMD, ENTRYPOINT, VOLUME and HEALTHCHECK.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace

from kharness.plan.facts import HealthFacts, ImageFacts, PortRef


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
