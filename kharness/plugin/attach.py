"""From a notice on the board to the objects that fixtures give to tests."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from kharness.errors import KharnessError, RefusedError
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir

if TYPE_CHECKING:
    from kharness.ops.checks import Inspection
    from kharness.ops.harness import Harness
    from kharness.ops.session.instance import Instance
    from kharness.ops.session.session import TestSession
    from kharness.plan.facts import ImageFacts
    from kharness.plan.launch.plan import Subject
    from kharness.plugin.stash import SessionInfo

WORKER = "PYTEST_XDIST_WORKER"


class Attached:
    """One container directory, as this process meets it."""

    _numbers = count(1)

    def __init__(self, directory: ContainerDir, info: SessionInfo, config: pytest.Config) -> None:
        self.name = directory.name
        self._directory = directory
        self._info = info
        self._config = config
        self.error: str | None = None
        """Why there is no instance, once a test has asked for it."""

    @cached_property
    def harness(self) -> Harness:
        """The engine and all that belongs to it, opened when it is first needed."""
        from kharness.plugin.context import harness_of  # noqa: PLC0415 - nothing heavy loads before a test needs it

        return harness_of(self._config)

    @property
    def image(self) -> ImageFacts:
        """The image under test."""
        return self.instance.image_facts()

    @cached_property
    def instance(self) -> Instance:
        """The container under test; fails the test when it could not be launched."""
        from kharness.ops.session.instance import Instance, InstanceFacts  # noqa: PLC0415

        notice = self._notice()
        facts = InstanceFacts.from_json(notice["facts"])
        return Instance(
            self.harness.engine,
            facts,
            ready=self._readiness,
            ready_timeout=self.harness.host.ready_timeout,
            secrets=self._secrets(),
            runtime=self.harness.production.runtime if facts.mode == Mode.IN_PROD.value else None,
        )

    @cached_property
    def evidence(self) -> Inspection:
        """What its checks look at."""
        from kharness.ops.checks import Inspection, now  # noqa: PLC0415
        from kharness.ops.gate.inputs import tests_digest  # noqa: PLC0415

        settings = self.harness.settings(self._directory)
        began = self._info.began.get(self._directory.name)
        if began is not None and tests_digest(self._directory) != began:
            # Else a waiver that is added for a moment would count.
            raise RefusedError(f"{self._directory.name}: settings or tests changed after the session began")
        mode = self._info.selection.mode
        assert mode is not None  # noqa: S101 - without a mode nothing runs
        return Inspection(
            harness=self.harness,
            directory=self._directory,
            settings=settings,
            image=self.image,
            container=self.instance.id,
            mode=mode,
            now=now(),
        )

    @contextmanager
    def private(self) -> Iterator[Instance]:
        """Launch an instance for one test alone and remove it afterwards."""
        from kharness.ops.session.session import TestSession  # noqa: PLC0415

        mode = self._info.selection.mode
        if mode in {None, Mode.IN_PROD}:
            pytest.fail("private_container launches a test instance, and --in-prod launches nothing", pytrace=False)
        worker = os.environ.get(WORKER, "p")
        session = TestSession(
            self.harness, session=f"{self._info.session}-{worker}", mode=Mode(mode), may_restart=False
        )
        try:
            yield self._launch(session)
        finally:
            session.close()

    def _launch(self, session: TestSession) -> Instance:
        from kharness.plan.launch.environment import redact  # noqa: PLC0415

        subject = self._subject()
        try:
            needs = session.needs(subject.settings)
            return session.instance(session.launch(subject, suffix=f"-{next(self._numbers)}", needs=needs), subject)
        except KharnessError as error:
            pytest.fail(redact(str(error), subject.hidden), pytrace=False)

    def _notice(self) -> dict[str, Any]:
        notice = self._info.board.wait(self._directory.name)
        if notice.get("error"):
            self.error = str(notice["error"])
            pytest.fail(self.error, pytrace=False)
        return notice

    def _subject(self) -> Subject:
        from kharness.ops.launch.subject import instance_subject  # noqa: PLC0415

        settings = self.harness.settings(self._directory)
        return instance_subject(self._directory, settings, self.image)

    def _secrets(self) -> Iterable[str]:
        from kharness.ops.launch.subject import hidden_values  # noqa: PLC0415

        settings = self.harness.settings(self._directory)
        production = self._info.selection.mode is Mode.IN_PROD
        return hidden_values(self.harness, self._directory, settings, production=production)

    def _readiness(self) -> Any:
        from kharness.plan.session.readiness import plan_readiness, plan_test_readiness  # noqa: PLC0415

        plan = plan_readiness if self._info.selection.mode is Mode.IN_PROD else plan_test_readiness
        return plan(self.harness.settings(self._directory), self.image)


def attached(directory: ContainerDir, info: SessionInfo, config: pytest.Config) -> Attached:
    """Return this process's view of a directory, always the same object."""
    found = config.stash.setdefault(ATTACHED, {})
    if directory.name not in found:
        found[directory.name] = Attached(directory, info, config)
    return found[directory.name]


ATTACHED = pytest.StashKey[dict[str, Attached]]()
