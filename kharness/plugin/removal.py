"""Remove what a session made, while pytest writes its summary and takes itself down."""

from __future__ import annotations

import threading

from kharness.errors import KharnessError
from kharness.ops.session import TestSession
from kharness.plugin.pipeline import Pipeline


class Removal:
    """Begins at once in a thread; a second interrupt is not kept waiting for it."""

    def __init__(self, session: TestSession, pipeline: Pipeline | None) -> None:
        self._session = session
        self._pipeline = pipeline
        self._problem: KharnessError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> KharnessError | None:
        """Wait for its end; returns why something is left, None when nothing is."""
        self._thread.join()
        return self._problem

    def _run(self) -> None:
        try:
            if self._pipeline is not None:
                self._pipeline.await_removals()
            self._session.close()
        except KharnessError as error:
            self._problem = error
