"""What a session saw of its Compose projects, and what it decides about each at its end: in the process that began."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from kharness.errors import HostError, KharnessError
from kharness.ops.gate.stack import complete_stack, stack_changes, stack_digest
from kharness.plan.gate.refusals import GateFacts, refusals
from kharness.plan.gate.result import ServiceResult, broken_result, project_result, unfinished
from kharness.plan.session.modes import Mode
from kharness.plugin.declared import declares
from kharness.plugin.observed import Outcomes
from kharness.plugin.selection import StackSelection, choices, narrowings
from kharness.plugin.stack_run import Ended, StackRun
from kharness.plugin.stash import CollectionRecord


class StackGate:
    """Decides for each Compose project of a session by all of its tests together."""

    def __init__(self, config: pytest.Config, selection: StackSelection, record: CollectionRecord) -> None:
        self.outcomes = Outcomes()
        self.results: tuple[ServiceResult, ...] = ()
        self._config = config
        self._selection = selection
        self._record = record
        self._began: dict[str, str] = {}
        self._ended: dict[str, Ended] = {}

    def begin(self, run: StackRun) -> None:
        """Note what a project is before anything is collected; what cannot be read then has changed at the end."""
        with suppress(HostError):
            self._began[run.key] = stack_digest(run.project)

    def take(self, ended: Mapping[str, Any]) -> None:
        """Take over what became of the stacks of a process; a later one adds to an earlier one's."""
        for key, plain in ended.items():
            self._ended[key] = Ended.from_plain(plain).over(self._ended.get(key, Ended()))

    def decide(self, runs: Mapping[str, StackRun], *, interrupted: bool, stopped: str) -> None:
        """Decide for all projects; `stopped` says what ended the session early."""
        found = tuple(self._result(run, stopped=stopped) for run in runs.values())
        self.results = unfinished(found) if interrupted else found

    def _result(self, run: StackRun, *, stopped: str) -> ServiceResult:
        try:
            _ = run.settings, run.host
        except KharnessError as error:
            return broken_result(run.folder.path.name, str(error))
        mode, key, ended = self._selection.mode, run.key, self._ended.get(run.key, Ended())
        facts = self._facts(run, ended, stopped=stopped)
        images = {name: image.id for name, image in ended.images.items()}
        seconds = {"tests": self.outcomes.seconds[key]} if key in self.outcomes.seconds else {}
        if mode is Mode.IN_PROD:
            return project_result(facts, (), images, mode=mode, seconds=seconds)
        try:
            changes = stack_changes(
                run.harness,
                run.project,
                run.settings,
                ended.images,
                began=self._began.get(key),
                no_build=bool(self._config.option.no_build),
            )
            facts = complete_stack(
                replace(facts, changes=changes),
                project=run.project,
                settings=run.settings,
                collected=self._record.tests.get(key, ()),
                patterns=tuple(map(str, self._config.getini("python_files"))),
                declares=any(declares(each, run.host) for each in run.settings.values()),
            )
        except KharnessError as error:
            facts = replace(facts, changes=(str(error),))
        return project_result(facts, refusals(facts), images, mode=mode, seconds=seconds)

    def _facts(self, run: StackRun, ended: Ended, *, stopped: str) -> GateFacts:
        mode, key = self._selection.mode, run.key
        crashes = tuple(self.outcomes.crashes.get(key, ()))
        error = ended.error
        if crashes and not ended.images:
            # The worker took with it what it had built.
            error = f"a test worker crashed: {crashes[0]}"
        narrowed = narrowings(self._config, os.environ, run.folder.path)
        return GateFacts(
            name=run.folder.path.name,
            # A project has an image for each service, and here matters only whether there are any.
            image=" ".join(sorted(image.id for image in ended.images.values())) or None,
            expected=self._record.expected(key, mode),
            outcomes=dict(self.outcomes.by_name.get(key, {})),
            unrun=self._record.unrun(key, mode, launch=False),
            flaky=self.outcomes.needed_more_tries(key),
            collection_errors=tuple(self._record.errors.get(key, ())),
            choices=choices(self._config),
            partial=(*narrowed, *([f"stopped: {stopped}"] if stopped else [])),
            crashes=crashes,
            launch_error=error or None,
            end=ended.end,
        )
