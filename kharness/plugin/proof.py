"""The end of a test session: remove what it made, and prove that it left production untouched."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from kharness.errors import KharnessError
from kharness.ops.harness import Harness
from kharness.ops.session.pipeline import Pipeline
from kharness.ops.session.session import TestSession
from kharness.ops.session.untouched import Witness
from kharness.plan.gate.result import ProofResult
from kharness.plan.session.modes import Mode
from kharness.plan.session.untouched import Proof
from kharness.plugin.options import PROOFS
from kharness.settings.model import Settings

UNPROVED = "--prove=none: nothing proves that production is untouched"


class Removal:
    """Removes what a session made, in a thread that begins at once: a second interrupt does not wait for it."""

    def __init__(self, session: TestSession, pipeline: Pipeline | None) -> None:
        self._session = session
        self._pipeline = pipeline
        self._problem: KharnessError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> KharnessError | None:
        """Wait for its end; returns why something is left, None where nothing is."""
        self._thread.join()
        return self._problem

    def _run(self) -> None:
        try:
            if self._pipeline is not None:
                self._pipeline.await_removals()
            self._session.close()
        except KharnessError as error:
            self._problem = error


class Proving:
    """The witness of a session, and the proof once it was taken; an empty one until then."""

    def __init__(self, config: pytest.Config, mode: Mode) -> None:
        self.proof = Proof()
        self._mode = mode
        self._how = str(config.option.prove or PROOFS[0])
        self._witness: Witness | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of a session that this one starts."""
        return (f"--prove={self._how}",)

    def witness(self, harness: Harness) -> Witness | None:
        """Return the witness; None in a session that launches nothing, and with --prove=none."""
        if self._mode is not Mode.IN_PROD and self._how != "none":
            self._witness = Witness(harness, contents=self._how == "content")
        return self._witness

    def begin(self, settings: Mapping[str, Settings]) -> None:
        """Look at the production containers of these directories, before anything is launched."""
        if self._witness is None:
            return
        try:
            self._witness.begin({name: said.container_name or name for name, said in settings.items()})
        except KharnessError as error:
            raise pytest.UsageError(str(error)) from error

    def take(self, removal: Removal | None) -> None:
        """Take the proof; where something was copied, once the test instances are gone."""
        if self._witness is None:
            return
        if self._witness.copied and removal is not None:
            removal.wait()
        try:
            self.proof = self._witness.verdict()
        except KharnessError as error:
            reason = f"nothing proves that production is untouched: {error}"
            self.proof = Proof(failures=dict.fromkeys(self._witness.names, (reason,)))

    @property
    def result(self) -> ProofResult | None:
        """The proof where there is one: something was compared, and is what it was."""
        found = self.proof
        if not found.directories or found.failures:
            return None
        return ProofResult(how=self._how, directories=found.directories, entries=found.entries, seconds=found.seconds)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What the summary notes; failures are among the reasons of their services."""
        unproved = self._mode is not Mode.IN_PROD and self._how == "none"
        return (*((UNPROVED,) if unproved else ()), *self.proof.notes)
