"""A Compose project in this process of a session: its settings, its harness, and its stack once a test asks for it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from kharness.errors import KharnessError
from kharness.plan.session.modes import Mode
from kharness.plugin.attach import Attached
from kharness.settings.compose.folder import ComposeFolder

if TYPE_CHECKING:
    from pathlib import Path

    from kharness.ops.checks import Inspection
    from kharness.ops.gate.stack import StackImage
    from kharness.ops.harness import Harness
    from kharness.ops.session.instance import Instance
    from kharness.ops.session.stack import Stack, StackLaunch
    from kharness.plan.facts import ImageFacts
    from kharness.settings.compose.project import ComposeProject
    from kharness.settings.host import HostSettings
    from kharness.settings.model import Settings

TESTS = "tests"
"""The folder below a project whose own folders, named as services are, hold the services' tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of a project's stack in one process: its images by service, why it was not launched, how it ended."""

    images: Mapping[str, StackImage] = field(default_factory=dict)
    error: str = ""
    end: str = ""

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, for the way from a worker to the controller."""
        images = {name: [image.id, image.digest] for name, image in self.images.items()}
        return {"images": images, "error": self.error, "end": self.end}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Ended:
        """Return what `to_plain` was made of."""
        from kharness.ops.gate.stack import StackImage  # noqa: PLC0415 - only where something was built

        images = {name: StackImage(id=found, digest=digest) for name, (found, digest) in plain["images"].items()}
        return cls(images=images, error=plain["error"], end=plain["end"])

    def over(self, other: Ended) -> Ended:
        """Return both together; what went wrong in either did."""
        images = {**other.images, **self.images}
        return Ended(images=images, error=self.error or other.error, end=self.end or other.end)


class StackRun:
    """One Compose project. All that reads or launches happens when it is first asked for."""

    def __init__(self, folder: ComposeFolder, config: pytest.Config, mode: Mode) -> None:
        self.folder = folder
        self.mode = mode
        self._config = config
        self._views: dict[str, ServiceView] = {}
        self._stack: Stack | None = None
        self._launch: StackLaunch | None = None
        self._numbers = count(1)
        self._told = False
        self._error: str | None = None
        self._ended = Ended()

    @property
    def key(self) -> str:
        """What names it in reports and records."""
        return str(self.folder.path)

    @property
    def ended(self) -> Ended:
        """What became of its stack, once it is closed."""
        return replace(self._ended, error=self._error or "")

    @property
    def name(self) -> str:
        """The project's name."""
        return self.project.name

    @cached_property
    def host(self) -> HostSettings:
        """The host's settings, and those of a `pyproject.toml` beside the Compose file; raises `SettingsError`."""
        from kharness.settings.host import load_host_settings  # noqa: PLC0415 - only in sessions over projects
        from kharness.settings.project import project_of  # noqa: PLC0415 - only in sessions over projects

        return load_host_settings(project=project_of(self.folder.path), environ=os.environ)

    @cached_property
    def project(self) -> ComposeProject:
        """The project as it was read; raises `SettingsError`."""
        from kharness.settings.compose.load import load_compose  # noqa: PLC0415 - only in sessions over projects

        return load_compose(self.folder.path, environ=os.environ)

    @cached_property
    def settings(self) -> Mapping[str, Settings]:
        """The settings of the enabled services; raises `SettingsError`."""
        from kharness.settings.compose.service import service_settings  # noqa: PLC0415 - it imports the models

        return {name: service_settings(self.project, name) for name in sorted(self.project.services)}

    @cached_property
    def harness(self) -> Harness:
        """The engine, and the project on it; raises `KharnessError`."""
        from kharness.ops.opening import open_compose  # noqa: PLC0415 - a listing needs no engine

        return open_compose(self.folder, environ=os.environ, host=self.host, compose=self.project)

    def view(self, service: str) -> ServiceView:
        """Return this process's view of a service, always the same object."""
        return self._views.setdefault(service, ServiceView(self, service))

    def service_at(self, path: Path) -> str | None:
        """Return the service whose tests lie in `tests/SERVICE/`; None for tests of the project."""
        place, base = path.resolve(), self.folder.path.resolve()
        parts = place.relative_to(base).parts if place.is_relative_to(base) else ()
        service = parts[1] if len(parts) > 1 and parts[0] == TESTS else None
        return service if service in self.project.services else None

    @property
    def stack(self) -> Stack:
        """The running stack, launched now where it is not; a test that asks fails where it cannot be."""
        if self._stack is None and self._error is None:
            try:
                self._stack = self._launched()
            except KharnessError as error:
                self._error = str(error)
                self._end()
        if self._stack is None:
            # One cause, many tests: only the first of them tells all of it.
            said = f"{self.name} was not launched; the first of its tests says why" if self._told else self._error
            self._told = True
            pytest.fail(said or "", pytrace=False)
        return self._stack

    @property
    def doubts(self) -> list[str]:
        """What isolation the stack could not have."""
        return sorted(self._launch.doubts) if self._launch is not None else []

    @contextmanager
    def private(self, service: str) -> Iterator[Instance]:
        """Launch an instance of a service for one test alone, beside the stack."""
        _ = self.stack
        if self._launch is None:
            pytest.fail("private_container launches a test instance, and --in-prod launches nothing", pytrace=False)
        try:
            instance = self._launch.private(service, suffix=f"-{next(self._numbers)}")
        except KharnessError as error:
            pytest.fail(str(error), pytrace=False)
        try:
            yield instance
        finally:
            self._launch.remove(instance)

    def close(self) -> None:
        """Look whether all is well, and remove the stack; a later test would have another one."""
        if self._stack is not None and self._launch is not None:
            self._ended = replace(self._ended, end=self._ended.end or self._launch.end())
        self._stack = None
        self._end()

    def _end(self) -> None:
        launch, self._launch = self._launch, None
        if launch is not None:
            launch.close()

    def _launched(self) -> Stack:
        from kharness.ops.gate.stack import StackImage  # noqa: PLC0415 - as above
        from kharness.ops.session.stack import StackLaunch, production_stack  # noqa: PLC0415 - as above
        from kharness.ops.session.stack_session import StackSession  # noqa: PLC0415 - as above

        if self.mode is Mode.IN_PROD:
            found = production_stack(self.harness, self.settings)
            images = {name: StackImage(id=each.image_facts().id, digest="") for name, each in found.items()}
            self._ended = replace(self._ended, images=images)
            return found
        session = StackSession(self.harness, session=secrets.token_hex(4), mode=self.mode)
        self._launch = StackLaunch(self.harness, session, self.settings)
        option = self._config.option
        try:
            return self._launch.launch(rebuild=bool(option.rebuild), no_build=bool(option.no_build))
        finally:
            built = self._launch.built
            images = {name: StackImage(id=each.image.id, digest=each.digest) for name, each in built.items()}
            self._ended = replace(self._ended, images=images)


class ServiceView(Attached):
    """One service of a project, for its expectations, checks and fixtures."""

    def __init__(self, run: StackRun, service: str) -> None:
        # The other kind's own would ask a board for what this process launches itself.
        self.name = service
        self.error = None
        self._run = run
        self._inspection: Inspection | None = None

    @property
    def harness(self) -> Harness:
        """The project's."""
        return self._run.harness

    @property
    def instance(self) -> Instance:
        """The service's instance in the stack; fails the test when the stack could not be launched."""
        try:
            return self._run.stack[self.name]
        except pytest.fail.Exception as failure:
            self.error = str(failure)
            raise

    @property
    def image(self) -> ImageFacts:
        """The image under test."""
        return self.instance.image_facts()

    @property
    def evidence(self) -> Inspection:
        """What its checks look at."""
        from kharness.ops.checks import Inspection, now  # noqa: PLC0415 - it loads all checks and evidence

        instance = self.instance
        if self._inspection is None or self._inspection.container != instance.id:
            self._inspection = Inspection(
                harness=self.harness,
                directory=self.harness.catalog.select(self.name, prefix=False),
                settings=self._run.settings[self.name],
                image=instance.image_facts(),
                container=instance.id,
                mode=self._run.mode,
                now=now(),
            )
        return self._inspection

    @contextmanager
    def private(self) -> Iterator[Instance]:
        """Launch an instance for one test alone and remove it afterwards."""
        with self._run.private(self.name) as instance:
            yield instance
