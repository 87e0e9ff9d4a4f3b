"""The proof that a readiness session left production untouched: when it is taken, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kharness.errors import KharnessError
from kharness.ops.harness import Harness
from kharness.ops.witness import Witness
from kharness.plan.modes import Mode
from kharness.plan.proof import Proof
from kharness.plugin.options import PROOFS
from kharness.plugin.removal import Removal
from kharness.settings.model import Settings


class Proving:
    """The witness of a session, and the proof once it was taken; an empty one until then."""

    def __init__(self, config: pytest.Config, mode: Mode) -> None:
        self.proof = Proof()
        self._mode = mode
        self._how = str(config.option.prove or PROOFS[0])
        self._witness: Witness | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """What a session is told that this one starts."""
        return (f"--prove={self._how}",)

    def witness(self, harness: Harness) -> Witness | None:
        """Return the witness; None in a session that launches nothing, and where nobody wants a proof."""
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
            reason = f"nobody knows whether production is untouched: {error}"
            self.proof = Proof(failures=dict.fromkeys(self._witness.names, (reason,)))

    def tell(self, reporter: pytest.TerminalReporter) -> None:
        """Write what the summary says of it; failures are among the reasons of their directories."""
        if self._mode is Mode.IN_PROD:
            return
        if self._how == "none":
            reporter.line("note: --prove=none: nobody knows whether production is untouched", yellow=True)
        for note in self.proof.notes:
            reporter.line(f"note: {note}", yellow=True)
        if self.proof.directories and not self.proof.failures:
            found = self.proof
            what = f"{found.directories} director{'y' if found.directories == 1 else 'ies'}"
            what += f", {found.entries:,} entr{'y' if found.entries == 1 else 'ies'}"
            how = ", with contents" if self._how == "content" else ""
            reporter.line(f"production untouched: {what}{how}, {found.seconds * 1000:,.0f} ms")
